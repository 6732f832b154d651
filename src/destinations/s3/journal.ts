import { inParallel } from '../../base/in-parallel.ts'
import { type Bucket, S3Error } from '../../clients/s3/index.ts'
import { type Journal, type JournalFile, largestJournalFile } from '../destination.ts'
import { assertJournalName, assertLabel, isJournalName, journalTaken } from '../names.ts'
import { memoryVolume } from '../volumes.ts'
import type { Finder, FoundObject } from './find-objects.ts'
import type { Keys } from './keys.ts'
import type { Listing } from './listing.ts'
import { type LockRule, lockedUntil } from './lock-rules.ts'
import type { SafeStore } from './safe-store.ts'

interface Parts {
  readonly bucket: Bucket
  readonly finder: Finder
  readonly store: SafeStore
  readonly keys: Keys
  readonly listing: Listing
  readonly rule: LockRule | undefined
  readonly signal: AbortSignal
}

const readsAtOnce = 16

/** The journal of a project in `<prefix><label>/journal/`, locked as its backups are. */
export function s3Journal({ bucket, finder, store, keys, listing, rule, signal }: Parts): Journal {
  /** Empty where it is too large, or went or may not be read. */
  async function contentOf(file: FoundObject): Promise<Uint8Array> {
    if (file.bytes > largestJournalFile) return new Uint8Array()
    try {
      return await bucket.read(file, file.bytes)
    } catch (thrown) {
      if (thrown instanceof S3Error && (thrown.code === 'SB403' || thrown.code === 'SB404')) return new Uint8Array()
      throw thrown
    }
  }

  return {
    async add(project, name, content) {
      assertLabel(project)
      assertJournalName(name)
      signal.throwIfAborted()
      const key = `${keys.journal(project)}${name}`
      const until = rule === undefined ? undefined : lockedUntil(name.slice(0, -'.txt'.length), rule)
      if ((await store.store(key, memoryVolume(content), until, true)) === null)
        throw journalTaken(name, project, bucket.place)
      // A store may not know the condition: then the version that counts is the first one.
      const there = await finder.one(key)
      if (there === null || Buffer.compare(await contentOf(there), content) !== 0)
        throw journalTaken(name, project, bucket.place)
    },

    async *list(project) {
      if (project !== undefined) assertLabel(project)
      for (const label of project === undefined ? await listing.labels() : [project]) {
        const prefix = keys.journal(label)
        const found: { readonly name: string; readonly file: FoundObject }[] = []
        for await (const file of finder.find(prefix)) {
          const name = file.key.slice(prefix.length)
          if (isJournalName(name)) found.push({ name, file })
        }
        const read = async ({ name, file }: (typeof found)[number]): Promise<JournalFile> => ({
          project: label,
          name,
          content: await contentOf(file)
        })
        yield* inParallel(found, readsAtOnce, read)
      }
    }
  }
}
