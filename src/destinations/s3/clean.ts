import { isDeadRun } from '../../clients/process/run-mark.ts'
import { type Bucket, S3Error } from '../../clients/s3/index.ts'
import { manifestName } from '../names.ts'
import type { Finder } from './find-objects.ts'
import type { Keys } from './keys.ts'
import type { FoundBackup, Listing } from './listing.ts'

interface Parts {
  readonly bucket: Bucket
  readonly finder: Finder
  readonly keys: Keys
  readonly listing: Listing
  debug(message: string): void
}

/** Removes what killed runs left: files under ids without a manifest, and uploads in pieces that were not ended. What is locked stays. */
export async function cleanBucket(parts: Parts, olderThan: Date): Promise<readonly string[]> {
  const { bucket, finder, keys, listing, debug } = parts
  const removed: string[] = []
  for (const project of await listing.labels()) {
    for await (const backup of listing.found(project)) {
      if (backup.files.has(manifestName) || !(await isLeft(bucket, backup, olderThan))) continue
      const left = await bucket.remove(await finder.everything(keys.backup(backup.ref)))
      if (left.length === 0) removed.push(`an unfinished backup ${project}/${backup.ref.id}`)
      else debug(`${left.length} files of an unfinished backup stay, locked or not ours to delete: ${backup.ref.id}`)
    }
    try {
      for await (const upload of bucket.uploads(keys.project(project))) {
        const isOurs = keys.parse(upload.key) !== null || keys.parsePooled(project, upload.key) !== null
        if (!isOurs || upload.startedAt >= olderThan) continue
        await bucket.abort(upload)
        removed.push(`an unfinished upload in ${project}`)
      }
    } catch (thrown) {
      // Not every store tells of them, and not every key may see them.
      if (!(thrown instanceof S3Error) || thrown.mayPass) throw thrown
      debug(thrown.message)
    }
  }
  return removed
}

/** Whether nobody works on it any more: it is old, or its run is known to be dead. */
async function isLeft(bucket: Bucket, backup: FoundBackup, olderThan: Date): Promise<boolean> {
  const files = [...backup.files.values()]
  if (files.every(({ changedAt }) => changedAt < olderThan)) return true
  const [first] = files
  if (first === undefined) return false
  try {
    const mark = (await bucket.facts(first))?.metadata['run']
    return mark !== undefined && isDeadRun(mark)
  } catch (thrown) {
    if (!(thrown instanceof S3Error) || thrown.mayPass) throw thrown
    return false
  }
}
