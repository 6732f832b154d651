import { z } from 'zod'
import type { Management } from '../../clients/supabase/management.ts'
import { shapeError } from '../../clients/supabase/management-errors.ts'
import { reasonOf } from '../management-reason.ts'
import { findImportMap, usesBareNames } from './import-map.ts'
import { dispositionParameter, parseMultipart } from './multipart.ts'
import { type NamedFile, type PlacedFiles, placeFiles } from './source-paths.ts'

/** A function as the Management API lists it. */
export const listedFunctionSchema = z.object({
  slug: z.string().min(1),
  name: z.string(),
  status: z.string(),
  version: z.number(),
  verify_jwt: z.boolean().nullish(),
  import_map: z.boolean().nullish(),
  entrypoint_path: z.string().nullish(),
  import_map_path: z.string().nullish(),
  ezbr_sha256: z.string().nullish()
})
export type ListedFunction = z.infer<typeof listedFunctionSchema>

export const listedSecretsSchema = z.array(z.object({ name: z.string(), value: z.string() }))

/** The address of a function under the project. A slug is text from a server: encoded, and never `.` or `..`. */
export function functionPath(slug: string): string {
  const segment = slug === '.' || slug === '..' ? slug.replaceAll('.', '%252e') : encodeURIComponent(slug)
  return `/functions/${segment}`
}

export interface ReadFunction {
  /** Null where the API gave no source files. */
  readonly source: PlacedFiles | null
  readonly importMapFile: string | null
  /** Null where it was not needed or not to be had. */
  readonly bundle: Uint8Array | null
  /** Why the source files are missing or not enough. */
  readonly problem: string | null
  /** Whether what is here can be deployed again. */
  readonly whole: boolean
}

/**
 * Reads one function: its source files, and the packed form where those are missing or may not be enough. What cannot be read becomes
 * `problem`; only a refused token and a cancelled run are thrown.
 */
export async function readFunction(management: Management, listed: ListedFunction): Promise<ReadFunction> {
  let source: PlacedFiles | null = null
  let importMapFile: string | null = null
  let problem: string | null
  try {
    source = await readSource(management, listed)
    importMapFile = findImportMap(source, listed.import_map_path ?? null)
    problem = lacking(source, listed, importMapFile)
  } catch (thrown) {
    problem = `its source files could not be read (${reasonOf(thrown)})`
  }
  if (problem === null) return { source, importMapFile, bundle: null, problem, whole: true }
  try {
    const bundle = await readBundle(management, listed.slug)
    return { source, importMapFile, bundle, problem: `${problem}; the packed form is kept`, whole: true }
  } catch (thrown) {
    return {
      source,
      importMapFile,
      bundle: null,
      problem: `${problem}, nor its packed form (${reasonOf(thrown)})`,
      whole: false
    }
  }
}

function lacking(source: PlacedFiles, listed: ListedFunction, importMapFile: string | null): string | null {
  if (source.entrypoint === null) return 'the file that is started is not among its source files'
  if (source.files.some(({ inside }) => !inside)) return 'the name of a source file leads out of its folder'
  const paths = new Set(source.files.map(({ path }) => path))
  if (paths.size < source.files.length) return 'two of its source files have the same path'
  const named = listed.import_map_path ?? null
  // Another one that lies beside the entry point says other things.
  const isMapThere = named === null ? importMapFile !== null : source.pathOf(named) !== null
  if (!isMapThere && (listed.import_map === true || usesBareNames(source)))
    return 'its import map is not among the source files'
  return null
}

async function readSource(management: Management, listed: ListedFunction): Promise<PlacedFiles> {
  const path = `${functionPath(listed.slug)}/body`
  const { contentType, bytes } = await management.readBody(path, 'multipart/form-data')
  const parts = parseMultipart(contentType, bytes)
  if (parts === null) throw shapeError('GET', path, 'it is no whole multipart form')
  let entrypoint = listed.entrypoint_path ?? null
  const files: NamedFile[] = []
  for (const part of parts) {
    const name = part.headers.get('supabase-path') ?? dispositionParameter(part, 'filename')
    if (name !== undefined && name !== '') files.push({ name, bytes: part.bytes })
    else if (dispositionParameter(part, 'name') === 'metadata') entrypoint = entrypointOf(part.bytes) ?? entrypoint
  }
  if (files.length === 0) throw shapeError('GET', path, 'it holds no file')
  // Where nothing says it: the default of the platform's own tools (CLI, download.go).
  return placeFiles(files, entrypoint ?? 'file:///src/index.ts')
}

function entrypointOf(metadata: Uint8Array): string | undefined {
  try {
    const parsed = z
      .object({ deno2_entrypoint_path: z.string().min(1) })
      .safeParse(JSON.parse(new TextDecoder().decode(metadata)))
    return parsed.data?.deno2_entrypoint_path
  } catch {
    // Metadata that is no JSON names no entry point; the one of the listing holds.
    return undefined
  }
}

/** The packed form (eszip). A page or an error object that comes with status 200 is refused. */
export async function readBundle(management: Management, slug: string): Promise<Uint8Array> {
  const path = `${functionPath(slug)}/body`
  const { contentType, bytes } = await management.readBody(path)
  const begins = Buffer.from(bytes.subarray(0, 1)).toString('latin1')
  if (
    bytes.byteLength === 0 ||
    /json|html|multipart/.test(contentType.toLowerCase()) ||
    begins === '<' ||
    begins === '{'
  )
    throw shapeError('GET', path, 'it is no packed function')
  return bytes
}
