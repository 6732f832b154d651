import { type Bucket, S3Error } from '../../clients/s3/index.ts'
import { UserError } from '../../errors.ts'
import type { Visibility } from '../destination.ts'
import { memoryVolume } from '../volumes.ts'
import type { Keys } from './keys.ts'

/**
 * Who can read the bucket: what a stranger is answered who has no key. Policies, lists of rights and switches of an account can contradict each
 * other, and few keys may read them; an answer cannot be misread.
 */
export async function visibilityOf(bucket: Bucket, keys: Keys): Promise<Visibility> {
  const answers = [await bucket.strangerSees(undefined), await bucket.strangerSees(await anyKey(bucket, keys))]
  if (answers.some((status) => status !== null && status >= 200 && status < 300)) return 'public'
  if (answers.every((status) => status === 403 || status === 401)) return 'private'
  throw new UserError(
    'SB419',
    `${bucket.place} answered a stranger with ${answers.map((status) => status ?? 'nothing').join(' and ')}: it is not clear who can read it.`,
    { remedy: 'Encrypt the backup (`recipients` or `passphrase`): then nobody else can read it wherever it lies.' }
  )
}

/** A key that there is: a stranger who may not list is told nothing of one that there is not. */
async function anyKey(bucket: Bucket, keys: Keys): Promise<string> {
  for await (const { key } of bucket.list(keys.root)) return key
  const key = `${keys.root}who-can-read-this`
  try {
    await bucket.upload(
      key,
      memoryVolume(Buffer.from('A test of Supabase Backup: nobody without a key should read this.\n')),
      {}
    )
  } catch (thrown) {
    if (!(thrown instanceof S3Error)) throw thrown
  }
  return key
}
