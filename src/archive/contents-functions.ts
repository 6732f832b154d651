import { z } from 'zod'

const packed = z.object({
  /** Name inside `functions.tar`. */
  entry: z.string(),
  bytes: z.number().int().nonnegative(),
  sha256: z.string()
})

export const edgeFunctionSchema = z.object({
  slug: z.string(),
  name: z.string(),
  status: z.string(),
  version: z.number(),
  /** Whether callers need a valid JWT. Null where the API did not say. */
  verifyJwt: z.boolean().nullable(),
  importMap: z.boolean().nullable(),
  /** As the API gives them: `file:///.../index.ts`. */
  entrypointPath: z.string().nullable(),
  importMapPath: z.string().nullable(),
  /** Digest of the bundle, as the API gives it. */
  bundleSha256: z.string().nullable(),
  /** The source files. `path` is relative to the folder that all of them share, with `/`; hostile text, never used as a path of this machine. */
  files: z.array(packed.extend({ path: z.string() })),
  /** `path` of the file that is started; null where it is not among the files. */
  entrypoint: z.string().nullable(),
  /** `path` of the import map or deno.json, where it is among the files. */
  importMapFile: z.string().nullable(),
  /** The packed form (eszip), kept where the source files alone may not be enough. */
  bundle: packed.nullable(),
  /** Why source files or the packed form are missing or may not be enough; null: nothing is. */
  problem: z.string().nullable()
})
export type EdgeFunction = z.infer<typeof edgeFunctionSchema>

/** What contents.json tells of the Edge Functions. */
export const functionsFactsSchema = z.object({
  /** Ref of the project. */
  project: z.string(),
  functions: z.array(edgeFunctionSchema),
  /** Names of secrets with the digests of their values, which nobody can read; null where they could not be listed. */
  secrets: z.array(z.object({ name: z.string(), digest: z.string() })).nullable(),
  /** What could not be read, with the reason. */
  problems: z.array(z.object({ what: z.string(), reason: z.string() }))
})
export type FunctionsFacts = z.infer<typeof functionsFactsSchema>
