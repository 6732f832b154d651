import type { StorageBucketFacts } from '../../archive/contents-storage.ts'
import type { SupabaseStorage } from '../../clients/supabase/storage.ts'
import { asError, UserError } from '../../errors.ts'
import type { Finding } from '../source.ts'
import { holdsFiles } from './listing.ts'

export interface PreparedBucket {
  readonly facts: StorageBucketFacts
  /** Public in the source, and in the target unless it was made here. */
  readonly public: boolean
}

/**
 * Makes the buckets that the target lacks and lifts the limits of all; each is added to `prepared` as soon as it was touched. A bucket that is
 * public in only one of both ends private. One that the target refuses is a finding, and is not prepared: what it allows whom is not known then.
 */
export async function prepareBuckets(
  target: SupabaseStorage,
  buckets: readonly StorageBucketFacts[],
  findings: Finding[],
  prepared: PreparedBucket[]
): Promise<void> {
  const there = new Map((await target.listBuckets()).map((bucket) => [bucket.id, bucket]))
  for (const bucket of buckets) {
    if (!holdsFiles(bucket)) {
      findings.push({
        kind: 'todo',
        subject: `Storage bucket ${bucket.id}`,
        detail: `its kind (${bucket.type}) is not part of the backup: make it anew`
      })
      continue
    }
    const existing = there.get(bucket.id)
    const isPublic = bucket.public && (existing === undefined || existing.public)
    const before = prepared.length
    try {
      if (existing === undefined) await makeBucket(target, bucket)
      prepared.push({ facts: bucket, public: isPublic })
      await target.updateBucket(bucket.id, { public: isPublic, fileSizeLimit: null, allowedMimeTypes: null })
    } catch (thrown) {
      if (!(thrown instanceof UserError) || !['SB803', 'SB805', 'SB808'].includes(thrown.code)) throw thrown
      prepared.splice(before)
      findings.push({
        kind: 'difference',
        subject: `Storage bucket ${bucket.id}`,
        detail: `the target refuses it, so that none of its files was restored: ${thrown.message}`
      })
      continue
    }
    if (existing !== undefined && existing.public !== bucket.public) {
      findings.push(
        bucket.public
          ? {
              kind: 'todo',
              subject: `Storage bucket ${bucket.id}`,
              detail:
                'it was public in the source and is private in the target: it stays private; make it public by hand if that is meant'
            }
          : {
              kind: 'note',
              subject: `Storage bucket ${bucket.id}`,
              detail: 'it was public in the target and is private now, as in the source'
            }
      )
    }
  }
}

/** Makes a bucket. One that is there when making it failed was made by a call whose answer was lost. */
async function makeBucket(target: SupabaseStorage, { id, public: isPublic }: StorageBucketFacts): Promise<void> {
  try {
    await target.createBucket(id, isPublic)
  } catch (thrown) {
    if (!(await target.listBuckets()).some((bucket) => bucket.id === id)) throw thrown
  }
}

/** How the target is reached at the end, whatever the end is. */
export interface FinishingTarget {
  readonly target: SupabaseStorage
  /** The run's: once it fires, `target` takes no calls any more. */
  readonly signal: AbortSignal
  /** Opens the target anew for the little time that is left after that. */
  readonly afterAbort: () => SupabaseStorage
}

/** Sets the limits of the source. What the target refuses or cannot be reached for is told: a failure may be under way. */
export async function finishBuckets(
  { target, signal, afterAbort }: FinishingTarget,
  prepared: readonly PreparedBucket[],
  findings: Finding[]
): Promise<void> {
  let late: SupabaseStorage | undefined
  for (const { facts, public: isPublic } of prepared) {
    const { fileSizeLimit, allowedMimeTypes } = facts
    if (fileSizeLimit === null && allowedMimeTypes === null) continue
    const finish = (storage: SupabaseStorage): Promise<void> =>
      storage.updateBucket(facts.id, { public: isPublic, fileSizeLimit, allowedMimeTypes })
    const finishLate = (): Promise<void> => {
      late ??= afterAbort()
      return finish(late)
    }
    try {
      if (signal.aborted) await finishLate()
      else
        await finish(target).catch((thrown: unknown) => {
          if (signal.aborted) return finishLate()
          throw thrown
        })
    } catch (thrown) {
      // After an abort what ends the run is under way, and the last seconds end with an error that is none of ours.
      if (!(thrown instanceof UserError) && !signal.aborted) throw thrown
      findings.push({
        kind: 'difference',
        subject: `Storage bucket ${facts.id}`,
        detail: `its limits (${fileSizeLimit ?? 'no'} bytes, ${allowedMimeTypes?.join(', ') ?? 'all types'}) could not be set: ${asError(thrown).message}`
      })
    }
  }
}
