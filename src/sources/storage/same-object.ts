import { createHash } from 'node:crypto'
import type { StoredObject } from '../../archive/contents-storage.ts'
import type { UploadSettings } from '../../clients/supabase/resumable-upload.ts'
import type { SupabaseStorage } from '../../clients/supabase/storage.ts'
import { asError, UserError } from '../../errors.ts'
import type { CheckedRecord } from './read-pack.ts'

/**
 * Whether the target holds the object with these bytes and settings. Bytes are compared by the entity tag where it is their MD5, else they are read
 * and hashed. A row that was restored with the database tells of bytes that may never have come. It still has the version of the source, which every
 * upload changes: then only what the API gives when it is asked for the bytes counts. Throws SB805 where they never come whole.
 */
export async function holdsTheSame(
  target: SupabaseStorage,
  object: Pick<StoredObject, 'bucket' | 'key' | 'version'>,
  record: CheckedRecord,
  settings: UploadSettings
): Promise<boolean> {
  const info = await target.info(object.bucket, object.key)
  if (info === null || info.size !== record.size) return false
  if (settings.contentType !== null && info.contentType !== settings.contentType) return false
  if (settings.cacheControl !== null && info.cacheControl !== settings.cacheControl) return false
  if (canonical(info.userMetadata) !== canonical(settings.userMetadata)) return false
  const mayBeRowAlone = object.version !== null && info.version === object.version
  if (!mayBeRowAlone && info.etag === record.md5) return true
  for (let attempt = 0; ; attempt++) {
    const download = await target.download(object.bucket, object.key, 0, { failingIsMissing: mayBeRowAlone })
    if (download === null) return false
    if (download.etag === record.md5) {
      download.drop()
      return true
    }
    const sha256 = createHash('sha256')
    try {
      for await (const chunk of download.body) sha256.update(chunk)
      return sha256.digest('hex') === record.sha256
    } catch (thrown) {
      if (thrown instanceof UserError) throw thrown
      if (attempt >= target.retries)
        throw new UserError('SB805', `It broke off whenever it was read back: ${asError(thrown).message}.`, {
          cause: thrown
        })
      await target.pause(attempt)
    }
  }
}

/** JSON with its keys in order; an empty object counts as none. */
function canonical(value: unknown): string {
  if (value === null || value === undefined) return '{}'
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner
  )
}
