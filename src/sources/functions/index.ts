import { pack } from 'tar-stream'
import { z } from 'zod'
import type { EdgeFunction, FunctionsFacts } from '../../archive/contents-functions.ts'
import type { Management } from '../../clients/supabase/management.ts'
import type { Context } from '../../context.ts'
import { asError } from '../../errors.ts'
import { reasonOf } from '../management-reason.ts'
import type { Captured, Source } from '../source.ts'
import {
  type ListedFunction,
  listedFunctionSchema,
  listedSecretsSchema,
  type ReadFunction,
  readFunction
} from './read-function.ts'
import { entryNames, sha256 } from './source-paths.ts'

export interface FunctionsSourceOptions {
  readonly context: Context
  readonly management: Management
}

/** Edge Functions: `functions.tar` with sources and, where needed, packed forms; settings and names of secrets go into the contents. */
export function openFunctionsSource({ context, management }: FunctionsSourceOptions): Source<FunctionsFacts> {
  return {
    name: 'functions',
    // What can be asked beforehand is a request like any other: a refusal there must not cost the rest of the backup.
    preflight: () => Promise.resolve(),
    close: () => Promise.resolve(),
    async capture(add, signal) {
      const problems: { what: string; reason: string }[] = []
      const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | null> => {
        try {
          return await work()
        } catch (thrown) {
          problems.push({ what, reason: reasonOf(thrown) })
          return null
        }
      }
      const listed = await attempt('the list of functions', () =>
        management.read('/functions', z.array(listedFunctionSchema))
      )
      const secrets = await attempt('the names of secrets', () => management.read('/secrets', listedSecretsSchema))
      const functions: EdgeFunction[] = []
      const lacking = new Set<string>()
      if (listed !== null && listed.length > 0) {
        const packing = packFunctions(listed, management, (captured, whole) => {
          functions.push(captured)
          if (!whole) lacking.add(captured.slug)
          context.log.progress(() => `Edge Functions: ${functions.length} of ${listed.length}`)
          signal.throwIfAborted()
        })
        await add('functions.tar', { bytes: packing })
      }
      return captured(management.ref, { listed, secrets, functions, lacking, problems })
    }
  }
}

interface Findings {
  readonly listed: readonly ListedFunction[] | null
  readonly secrets: readonly { name: string; value: string }[] | null
  readonly functions: readonly EdgeFunction[]
  /** Slugs of functions that cannot be deployed again from what was kept. */
  readonly lacking: ReadonlySet<string>
  readonly problems: readonly { what: string; reason: string }[]
}

function captured(
  project: string,
  { listed, secrets, functions, lacking, problems }: Findings
): Captured<FunctionsFacts> {
  const reasons = problems.map(({ what, reason }) => `${what}: ${reason}`)
  if (lacking.size > 0) reasons.push(`${lacking.size} of ${functions.length} functions could not be read whole`)
  const nothing = listed === null && secrets === null
  return {
    status: nothing ? 'impossible' : reasons.length > 0 ? 'partial' : 'captured',
    ...(reasons.length === 0 ? {} : { reason: reasons.join('; ') }),
    facts: {
      project,
      functions: [...functions],
      secrets: secrets === null ? null : secrets.map(({ name, value }) => ({ name, digest: value })),
      problems: [...problems]
    },
    counts: {
      ...(listed === null
        ? {}
        : { functions: functions.length, files: functions.reduce((sum, { files }) => sum + files.length, 0) }),
      ...(secrets === null ? {} : { secretNames: secrets.length }),
      ...(listed === null ? {} : { sourceBytes: functions.reduce((sum, one) => sum + bytesOf(one), 0) })
    },
    warnings: [
      ...problems.map(({ what, reason }) => `Edge Functions, ${what}: ${reason}.`),
      ...functions.flatMap(({ slug, problem }) => (problem === null ? [] : [`Edge Function ${slug}: ${problem}.`]))
    ]
  }
}

function bytesOf(one: EdgeFunction): number {
  return one.files.reduce((sum, file) => sum + file.bytes, one.bundle?.bytes ?? 0)
}

/** Of a function that was removed: there is nothing to read, and it does not come back either. */
const nothingRead: ReadFunction = { source: null, importMapFile: null, bundle: null, problem: null, whole: true }

/** The archive of all functions, one function in memory at a time. */
async function* packFunctions(
  listed: readonly ListedFunction[],
  management: Management,
  onFunction: (captured: EdgeFunction, whole: boolean) => void
): AsyncGenerator<Uint8Array> {
  const archive = pack()
  const names = entryNames()
  const write = (name: string, bytes: Uint8Array): Promise<void> =>
    new Promise((done, failed) => {
      const sink = archive.entry({ name, size: bytes.byteLength, mode: 0o644, mtime: new Date(0) }, (error) =>
        error == null ? done() : failed(error)
      )
      sink.end(bytes)
    })
  const produce = async (): Promise<void> => {
    for (const one of listed) {
      const { source, bundle, importMapFile, problem, whole } =
        one.status === 'REMOVED' ? nothingRead : await readFunction(management, one)
      const folder = names.folder(one.slug)
      const files: EdgeFunction['files'] = []
      for (const file of source?.files ?? []) {
        const entry = names.file(folder, file)
        await write(entry, file.bytes)
        files.push({ path: file.path, entry, bytes: file.bytes.byteLength, sha256: sha256(file.bytes) })
      }
      const packed =
        bundle === null ? null : { entry: `${folder}/bundle.eszip`, bytes: bundle.byteLength, sha256: sha256(bundle) }
      if (packed !== null && bundle !== null) await write(packed.entry, bundle)
      onFunction(
        {
          slug: one.slug,
          name: one.name,
          status: one.status,
          version: one.version,
          verifyJwt: one.verify_jwt ?? null,
          importMap: one.import_map ?? null,
          entrypointPath: one.entrypoint_path ?? null,
          importMapPath: one.import_map_path ?? null,
          bundleSha256: one.ezbr_sha256 ?? null,
          files,
          entrypoint: source?.entrypoint ?? null,
          importMapFile,
          bundle: packed,
          problem
        },
        whole
      )
    }
    archive.finalize()
  }
  const produced = produce().catch((thrown: unknown) => {
    archive.destroy(asError(thrown))
    throw thrown
  })
  // It is awaited below; until then its rejection is told by the archive's own error.
  produced.catch(() => undefined)
  try {
    for await (const chunk of archive as AsyncIterable<Uint8Array>) yield chunk
  } finally {
    archive.destroy()
  }
  await produced
}
