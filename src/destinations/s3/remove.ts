import { type Bucket, type NotRemoved, type ObjectRef, S3Error } from '../../clients/s3/index.ts'
import { UserError } from '../../errors.ts'
import { formatTime } from '../../text/format.ts'
import type { SafeStore } from './safe-store.ts'

/** Refuses a deletion because of a lock: nobody can do anything about it until then. */
export function lockedError(what: string, until: Date): UserError {
  return new UserError('SB426', `${what} is locked until ${formatTime(until)} and stays until then.`)
}

/** The latest lock of what stayed; undefined where nothing of it is locked. */
export async function latestLock(store: SafeStore, refs: readonly ObjectRef[], now: Date): Promise<Date | undefined> {
  let latest: Date | undefined
  for (const ref of refs) {
    const until = await lockEnd(store, ref)
    if (until !== undefined && until > now && (latest === undefined || until > latest)) latest = until
  }
  return latest
}

async function lockEnd(store: SafeStore, ref: ObjectRef): Promise<Date | undefined> {
  try {
    return (await store.lockOf(ref))?.until
  } catch (thrown) {
    // One that the key may not look at is told by the deletion itself.
    if (thrown instanceof S3Error && !thrown.mayPass) return undefined
    throw thrown
  }
}

/** Removes versions; throws where some stay, naming the lock if that is why. */
export async function removeAll(
  bucket: Bucket,
  store: SafeStore,
  refs: readonly ObjectRef[],
  what: string,
  now: Date
): Promise<void> {
  if (refs.length === 0) return
  const left = await bucket.remove(refs)
  if (left.length === 0) return
  const until = await latestLock(store, left.slice(0, 20), now)
  if (until !== undefined) throw lockedError(what, until)
  throw notAllowed(bucket, left, what)
}

function notAllowed(bucket: Bucket, left: readonly NotRemoved[], what: string): UserError {
  const reasons = [...new Set(left.map(({ reason }) => reason.replace(/[^A-Za-z0-9.]/g, '').slice(0, 60)))]
  return new UserError('SB403', `${bucket.place}: ${what} could not be deleted (${reasons.join(', ')}).`, {
    remedy:
      'Let the key do `s3:DeleteObject` and `s3:DeleteObjectVersion`, or leave the `keep-*` inputs out and let a lifecycle rule of the bucket remove what is old.'
  })
}
