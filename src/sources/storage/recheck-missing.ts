import { inParallel } from '../../base/in-parallel.ts'
import type { SupabaseStorage } from '../../clients/supabase/storage.ts'
import type { ListedObject } from './listing.ts'

/** Whether the API knows the object as it was listed. It tells so from the row alone, whatever became of the file. */
export async function isKnown(
  storage: Pick<SupabaseStorage, 'info'>,
  { bucket, key, version, etag }: ListedObject
): Promise<boolean> {
  const info = await storage.info(bucket, key)
  if (info === null) return false
  return version === null ? etag === null || info.etag === etag : info.version === version
}

/**
 * Those of the objects without a file whose rows are still there as they were listed: nobody deleted them while the backup ran, they lost their
 * files. Asked after all downloads, when a deletion that was under way has ended. Throws the UserErrors of the API.
 */
export async function withoutFile(
  storage: Pick<SupabaseStorage, 'info'>,
  objects: readonly ListedObject[],
  jobs: number
): Promise<ReadonlySet<ListedObject>> {
  const found = new Set<ListedObject>()
  for await (const { object, known } of inParallel(objects, jobs, async (object) => ({
    object,
    known: await isKnown(storage, object)
  })))
    if (known) found.add(object)
  return found
}
