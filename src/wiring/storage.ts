import type { Encryption } from '../archive/encryption.ts'
import type { CountedSocket } from '../clients/network/received-bytes.ts'
import { connect } from '../clients/postgres/connect.ts'
import { maskSecret } from '../clients/runner-log.ts'
import { connectManagement, type Management } from '../clients/supabase/management.ts'
import { openSupabaseStorage } from '../clients/supabase/storage.ts'
import type { Ports } from '../commands/ports.ts'
import type { RestorePart } from '../commands/restore.ts'
import type { Context } from '../context.ts'
import type { Destination } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'
import type { HistoryEntry } from '../history/entries.ts'
import type { BackupInputs, RestoreInputs, StorageAccess } from '../inputs/index.ts'
import { keyBeginnings, lookUpServiceKey } from '../sources/look-up-service-key.ts'
import { filesLeftOut } from '../sources/storage/files-left-out.ts'
import { openStorageSource, type StoragePlace, type StorageSource } from '../sources/storage/index.ts'
import { whyRefused } from '../sources/storage/refused-key.ts'
import { chosenBuckets, type RestoreStorageOptions, restoreStorage } from '../sources/storage/restore.ts'
import { knownPacks } from './known-packs.ts'

/** Files are small and wait for the network: more at a time than there are processors. */
const usualJobs = 16

/** What is left for the limits of buckets once a run was cancelled, in ms: GitHub ends it 7.5 s after it asked. */
const afterAbortMs = 5000

/** How many files are under way at a time. */
export function storageJobs(jobs: number | undefined): number {
  return jobs ?? usualJobs
}

/** The key of a project's Storage API: the one given, else looked up by the Management API. Throws ManagementError. */
async function keyOf(access: StorageAccess, management: Management | undefined, context: Context): Promise<string> {
  if (access.serviceRoleKey !== undefined) return access.serviceRoleKey
  if (management === undefined) throw new Error('neither a key nor access to look one up')
  const key = await lookUpServiceKey(management)
  maskSecret(key)
  context.log.info('The service-role key was looked up with the access token.')
  return key
}

/** A part whose key could not be had: the rest of the backup is kept. */
function withoutKey(error: UserError): StorageSource {
  return {
    name: 'storage',
    preflight: () => Promise.resolve(),
    listIn: () => Promise.resolve(),
    capture: () => Promise.reject(error),
    close: () => Promise.resolve()
  }
}

/**
 * The source `storage`, knowing what the pools of the places hold already; undefined where it is not included. `management`: the project's, where a
 * token was given; `earlier`: its backups; `watch`: told of each connection to the Storage API.
 */
export async function openStorage(
  inputs: BackupInputs,
  destinations: readonly Destination[],
  encryption: Encryption,
  management: Management | undefined,
  earlier: readonly HistoryEntry[],
  ports: Ports,
  watch: (socket: CountedSocket) => void
): Promise<StorageSource | undefined> {
  if (inputs.storage === undefined) return undefined
  const { context } = ports
  let key: string
  try {
    key = await keyOf(inputs.storage, management, context)
  } catch (thrown) {
    if (!(thrown instanceof UserError) || context.signal.aborted) throw thrown
    return withoutKey(thrown)
  }
  const places: StoragePlace[] = []
  for (const destination of destinations) {
    const { name, pool } = destination
    if (pool === undefined) {
      places.push({ name, known: null })
      continue
    }
    places.push({ name, known: await knownPacks(destination, pool, inputs.project, encryption, earlier, ports) })
  }
  return openStorageSource({
    context,
    storage: openSupabaseStorage({ url: inputs.storage.url, key, context, retries: inputs.retries, watch }),
    url: inputs.storage.url,
    ref: inputs.ref ?? null,
    buckets: inputs.buckets,
    jobs: storageJobs(inputs.jobs),
    maxDownloadBytes: inputs.maxDownloadBytes,
    places,
    whyRefused: async () =>
      whyRefused(
        key,
        inputs.ref ?? null,
        management === undefined ? null : await keyBeginnings(management),
        context.clock.now()
      )
  })
}

/** Brings buckets and files back, where the target's Storage API is given. */
export function storageParts(inputs: RestoreInputs, context: Context): readonly RestorePart[] {
  const { storage: access, database, management } = inputs.target
  if (access === undefined) return []
  const { retries } = inputs
  const connectTarget = async (): Promise<
    Pick<RestoreStorageOptions, 'target' | 'targetAfterAbort' | 'management'>
  > => {
    const late = (): Context => ({ ...context, signal: AbortSignal.timeout(afterAbortMs) })
    const reached = management === undefined ? undefined : connectManagement({ ...management, retries, context })
    const key = await keyOf(access, reached, context)
    return {
      target: openSupabaseStorage({ url: access.url, key, context, retries }),
      targetAfterAbort: () =>
        openSupabaseStorage({
          url: access.url,
          key,
          context: late(),
          retries: 1
        }),
      management:
        management === undefined || reached === undefined
          ? null
          : { target: reached, afterAbort: () => connectManagement({ ...management, retries: 1, context: late() }) }
    }
  }
  return [
    {
      name: 'storage',
      preview: async (_, { storage: facts }) => {
        if (facts === undefined) return []
        const { target } = await connectTarget()
        const there = await target.listBuckets()
        const known = new Set(there.map((bucket) => bucket.id))
        const chosen = chosenBuckets(facts, inputs.buckets)
        const missing = chosen.filter((bucket) => !known.has(bucket.id)).length
        return [
          {
            kind: 'note',
            subject: 'Storage',
            detail: `${facts.objectCount} files in ${facts.buckets.length} buckets${chosen.length === facts.buckets.length ? '' : `, of which ${chosen.length} are chosen`}, ${missing} of which the target lacks`
          },
          ...filesLeftOut(facts, chosen, { broughtBack: 0, notChosen: 0 })
        ]
      },
      restore: async (backup, { storage: facts }, { rowsOfFiles }) => {
        if (facts === undefined) return []
        const reached = await connectTarget()
        const connection =
          database === undefined
            ? null
            : await connect(database.target, {
                clock: context.clock,
                signal: context.signal,
                retries: inputs.retries,
                randomBytes: context.randomBytes
              })
        try {
          const { findings, counts } = await restoreStorage({
            context,
            ...reached,
            facts,
            objects: () => backup.opened.objects(),
            backup: backup.opened,
            buckets: inputs.buckets,
            jobs: storageJobs(inputs.jobs),
            connection,
            rowsBroughtBack: rowsOfFiles
          })
          context.log.info(
            `${counts.uploaded} of ${counts.objects} files were uploaded and compared, ${counts.alreadyThere} were there already, ${counts.failed} are missing.`
          )
          return findings
        } finally {
          await connection?.close()
        }
      }
    }
  ]
}
