import type { Manifest } from '../archive/manifest.ts'
import { openSupabaseStorage, type SupabaseStorage } from '../clients/supabase-storage.ts'
import type { Context } from '../context.ts'
import type { Destination } from '../destinations/destination.ts'
import { asError, UserError } from '../errors.ts'
import { readKnownPacks } from '../history/pool.ts'
import type { BackupInputs, StorageAccess } from '../inputs.ts'
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
