import type { Manifest } from '../archive/manifest.ts'
import { connect } from '../clients/postgres/connect.ts'
import { openSupabaseStorage, type SupabaseStorage } from '../clients/supabase-storage.ts'
import type { RestorePart } from '../commands/restore.ts'
import type { Context } from '../context.ts'
import type { Destination } from '../destinations/destination.ts'
import { asError, UserError } from '../errors.ts'
import { readKnownPacks } from '../history/pool.ts'
import type { BackupInputs, RestoreInputs, StorageAccess } from '../inputs.ts'
import { restoreStorage } from '../sources/storage/restore.ts'
import { openStorageSource, type StoragePlace, type StorageSource } from '../sources/storage.ts'

/** Files are small and wait for the network: more at a time than there are processors. */
const usualJobs = 16

/** How many files are under way at a time. */
export function storageJobs(jobs: number | undefined): number {
  return jobs ?? usualJobs
}

/** The Storage API of a project, source or target. */
export function connectStorage(access: StorageAccess, retries: number, context: Context): SupabaseStorage {
  return openSupabaseStorage({ url: access.url, key: access.serviceRoleKey, context, retries })
}

/** The source `storage`, knowing what the pools of the places hold already; undefined where it is not included. */
export async function openStorage(
  inputs: BackupInputs,
  destinations: readonly Destination[],
  encryption: Manifest['encryption'],
  context: Context
): Promise<StorageSource | undefined> {
  if (inputs.storage === undefined) return undefined
  const places: StoragePlace[] = []
  for (const { name, place, pool } of destinations) {
    if (pool === undefined) {
      places.push({ name, known: null })
      continue
    }
    try {
      places.push({ name, known: await readKnownPacks(pool, inputs.project, encryption) })
    } catch (thrown) {
      if (!(thrown instanceof UserError) || context.signal.aborted) throw thrown
      context.log.warning(
        `What ${place} holds of earlier backups cannot be read, so that every Storage file is stored again: ${asError(thrown).message}`
      )
      places.push({ name, known: { find: () => undefined } })
    }
  }
  return openStorageSource({
    context,
    storage: connectStorage(inputs.storage, inputs.retries, context),
    url: inputs.storage.url,
    ref: inputs.ref ?? null,
    buckets: inputs.buckets,
    jobs: storageJobs(inputs.jobs),
    maxDownloadBytes: inputs.maxDownloadBytes,
    places
  })
}

/** Brings buckets and files back, where the target's Storage API is given. */
export function storageParts(inputs: RestoreInputs, context: Context): readonly RestorePart[] {
  const { storage: access, database } = inputs.target
  if (access === undefined) return []
  return [
    {
      name: 'storage',
      preview: async (_, { storage: facts }) => {
        if (facts === undefined) return []
        const there = await connectStorage(access, inputs.retries, context).listBuckets()
        const known = new Set(there.map((bucket) => bucket.id))
        const missing = facts.buckets.filter((bucket) => !known.has(bucket.id)).length
        return [
          {
            kind: 'note',
            subject: 'Storage',
            detail: `${facts.objects.length} files in ${facts.buckets.length} buckets, ${missing} of which the target lacks`
          }
        ]
      },
      restore: async (backup, { storage: facts }) => {
        if (facts === undefined) return []
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
            target: connectStorage(access, inputs.retries, context),
            facts,
            backup: backup.opened,
            buckets: inputs.buckets,
            jobs: storageJobs(inputs.jobs),
            connection
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
