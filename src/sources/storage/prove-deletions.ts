import type { SupabaseStorage } from '../../clients/supabase/storage.ts'
import type { ListedObject } from './listing.ts'

/**
 * Those of the objects that were not there which the project itself no longer lists: they were deleted since they were listed. One that is still listed
 * is asked for under a name that the API does not know it by, or lost its file. Throws the UserErrors of the API.
 */
export async function provenDeletions(
  storage: Pick<SupabaseStorage, 'listBuckets' | 'stillListed'>,
  objects: readonly ListedObject[]
): Promise<ReadonlySet<ListedObject>> {
  const buckets = new Set((await storage.listBuckets()).map(({ id }) => id))
  const byBucket = Map.groupBy(objects, ({ bucket }) => bucket)
  const proven = new Set<ListedObject>()
  for (const [bucket, members] of byBucket) {
    const still = buckets.has(bucket)
      ? await storage.stillListed(
          bucket,
          members.map(({ key }) => key)
        )
      : new Set<string>()
    for (const object of members) if (!still.has(object.key)) proven.add(object)
  }
  return proven
}
