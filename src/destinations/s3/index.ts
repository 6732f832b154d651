import type { Bucket } from '../../clients/s3/index.ts'
import type { Context } from '../../context.ts'
import { cancelled, UserError } from '../../errors.ts'
import type { BackupRef, Body, Destination } from '../destination.ts'
import { assertPartName, assertRecordName, assertRef, isLabel, isRecordName, manifestName } from '../names.ts'
import { memoryVolume } from '../volumes.ts'
import { cleanBucket } from './clean.ts'
import { type FoundObject, finderOf } from './find-objects.ts'
import { inspectLocks } from './inspect-locks.ts'
import { s3Journal } from './journal.ts'
import { keysUnder } from './keys.ts'
import { listingOf } from './listing.ts'
import { type LockRule, lockedUntil } from './lock-rules.ts'
import { s3Pool } from './pool.ts'
import { rememberedFiles } from './remembered.ts'
import { latestLock, lockedError, removeAll } from './remove.ts'
import { type Shown, safeStore } from './safe-store.ts'
import { visibilityOf } from './visibility.ts'

export interface S3DestinationOptions {
  readonly bucket: Bucket
  /** What all keys begin with; undefined: nothing. */
  readonly prefix: string | undefined
  /** Undefined: nothing is locked. */
  readonly lock: LockRule | undefined
  readonly context: Pick<Context, 'clock' | 'log' | 'signal'>
}

/** Pieces of a file in memory stay as small as they are up to this size. */
const largestFile = 128 * 1024 ** 3

/**
 * Backups in a bucket: `<prefix><label>/<id>/<file>`, the manifest last. Where objects can be locked, all versions are looked at, and of what is
 * written once the first version counts: whoever holds the keys of the workflow can put others over it, and markers, and nothing else.
 */
export function openS3Destination(options: S3DestinationOptions): Destination {
  const { bucket, lock: rule, context } = options
  const { signal, log } = context
  const now = () => context.clock.now()
  const keys = keysUnder(options.prefix)
  let versionedAnswer: Promise<boolean> | undefined
  const versioned = (): Promise<boolean> => {
    versionedAnswer ??= bucket.canLock().then((answer) => {
      if (rule !== undefined && answer === 'no')
        throw new UserError('SB427', `${bucket.place} does not lock objects, and \`s3-lock\` asks for it.`, {
          remedy:
            'Make a bucket with Object Lock, which most stores allow only when it is made; or leave `s3-lock` out.'
        })
      return answer === 'yes' || rule !== undefined
    })
    versionedAnswer.catch(() => {
      versionedAnswer = undefined
    })
    return versionedAnswer
  }
  const finder = finderOf(bucket, versioned, now)
  const remembered = rememberedFiles(bucket, finder, keys.remembered, (message) => log.debug(message))
  const listing = listingOf({ bucket, finder, keys, remembered, versioned })
  const store = safeStore({ bucket, finder, rule })
  /** What this run stored under an id, to be compared before it is committed. */
  const stored = new Map<string, Map<string, Shown>>()
  const fresh = new Map<string, Promise<void>>()
  const known = new Map<string, Promise<ReadonlyMap<string, FoundObject> | null>>()

  const alive = () => {
    if (signal.aborted) throw cancelled(signal)
  }
  const keyOf = (backup: BackupRef, name: string) => `${keys.backup(backup)}${name}`
  /** Undefined where nothing is locked, or the time is over: a store takes no lock that has ended. */
  const untilOf = (backup: BackupRef): Date | undefined => {
    const until = rule === undefined ? undefined : lockedUntil(backup.id, rule)
    return until !== undefined && until > now() ? until : undefined
  }
  const nameOf = (backup: BackupRef) => `${backup.project}/${backup.id}`

  async function filesOf(backup: BackupRef): Promise<Map<string, FoundObject>> {
    const files = new Map<string, FoundObject>()
    const isRecord = (key: string) => isRecordName(keys.parse(key)?.name ?? '')
    for await (const file of finder.find(keys.backup(backup), isRecord)) {
      const parsed = keys.parse(file.key)
      if (parsed !== null) files.set(parsed.name, file)
    }
    return files
  }

  /** The files of a committed backup, remembered for the rest of the run. */
  async function committed(backup: BackupRef): Promise<ReadonlyMap<string, FoundObject>> {
    assertRef(backup)
    const name = nameOf(backup)
    let files = known.get(name)
    if (files === undefined) {
      files = filesOf(backup).then((found) => (found.has(manifestName) ? found : null))
      known.set(name, files)
      files.then(
        (found) => (found === null ? known.delete(name) : undefined),
        () => known.delete(name)
      )
    }
    const found = await files
    if (found !== null) return found
    throw new UserError('SB404', `There is no backup ${backup.id} of ${backup.project} in ${bucket.place}.`)
  }

  /** Nothing is written under the id of a backup that there is: a place without versions would lose the file of that one. */
  function mustBeNew(backup: BackupRef): Promise<void> {
    const name = nameOf(backup)
    let looked = fresh.get(name)
    if (looked === undefined) {
      looked = finder.one(keyOf(backup, manifestName)).then((manifest) => {
        if (manifest !== null) throw taken(backup)
      })
      fresh.set(name, looked)
      looked.catch(() => fresh.delete(name))
    }
    return looked
  }

  /** All that was put must be there, and be what counts there. */
  async function compareAll(backup: BackupRef): Promise<void> {
    const files = await filesOf(backup)
    if (files.has(manifestName)) throw taken(backup)
    for (const [name, sent] of stored.get(nameOf(backup)) ?? []) {
      const file = files.get(name)
      if (file === undefined || file.bytes !== sent.bytes || file.etag !== sent.etag)
        throw new UserError('SB414', `${name} of ${backup.id} in ${bucket.place} is not what was sent.`)
    }
  }

  function taken(backup: BackupRef): UserError {
    return new UserError('SB415', `There is a backup ${backup.id} of ${backup.project} in ${bucket.place} already.`)
  }

  return {
    name: 's3',
    limits: { largestFile, mostFiles: null, keepsDays: null, canDelete: true, keepsAcrossRuns: true },
    place: `${bucket.place}${keys.root === '' ? '' : `, ${keys.root}`}`,
    visibility: () => visibilityOf(bucket, keys),
    serverTime: () => Promise.resolve(bucket.serverTime()),

    async put(backup, name, body) {
      assertRef(backup)
      assertPartName(name)
      alive()
      await mustBeNew(backup)
      const shown = await store.store(keyOf(backup, name), body, untilOf(backup))
      if (shown === null) throw new Error(`${name} was to be stored without a condition`)
      const files = stored.get(nameOf(backup)) ?? new Map<string, Shown>()
      stored.set(nameOf(backup), files.set(name, shown))
    },

    async commit(backup, manifest) {
      assertRef(backup)
      alive()
      await compareAll(backup)
      const key = keyOf(backup, manifestName)
      const shown = await store.store(key, memoryVolume(manifest), untilOf(backup), true)
      if (shown === null) throw taken(backup)
      // A store may ignore the condition, or not know it: then what counts there decides who of two made the backup.
      const first = await finder.one(key)
      if (first === null || first.bytes !== shown.bytes || first.etag !== shown.etag) throw taken(backup)
      stored.delete(nameOf(backup))
      fresh.delete(nameOf(backup))
      known.delete(nameOf(backup))
      remembered.learn(backup.project, key, manifest)
      await remembered.save(backup.project)
      return {}
    },

    async *list(project) {
      if (project !== undefined && !isLabel(project)) throw new Error(`not a label: ${JSON.stringify(project)}`)
      for (const label of project === undefined ? await listing.labels() : [project]) yield* listing.backups(label)
    },

    async get(backup, name): Promise<Body> {
      assertPartName(name)
      const file = (await committed(backup)).get(name)
      if (file === undefined)
        throw new UserError('SB404', `The backup ${backup.id} has no file ${name} in ${bucket.place}.`)
      return { bytes: file.bytes, open: () => bucket.open(file, file.bytes) }
    },

    async delete(backup) {
      assertRef(backup)
      alive()
      known.delete(nameOf(backup))
      const all = await finder.everything(keys.backup(backup))
      const manifests = all.filter(({ key }) => key === keyOf(backup, manifestName))
      const what = `Backup ${backup.id} of ${backup.project}`
      const until = await latestLock(
        store,
        manifests.filter(({ isMarker }) => !isMarker),
        now()
      )
      if (until !== undefined) throw lockedError(what, until)
      await removeAll(bucket, store, manifests, what, now())
      await removeAll(
        bucket,
        store,
        all.filter(({ key }) => key !== keyOf(backup, manifestName)),
        `A file of backup ${backup.id}`,
        now()
      )
    },

    async annotate(backup, name, content) {
      assertRecordName(name)
      alive()
      known.delete(nameOf(backup))
      await committed(backup)
      known.delete(nameOf(backup))
      const key = keyOf(backup, name)
      if (content === null) {
        const all = (await finder.everything(key)).filter((one) => one.key === key)
        await removeAll(bucket, store, all, `The record ${name} of backup ${backup.id}`, now())
        return
      }
      // A pin is there to be taken away again; what was found out is locked with the backup.
      await store.store(key, memoryVolume(content), name === 'keep' ? undefined : untilOf(backup))
    },

    clean: (olderThan) => cleanBucket({ bucket, finder, keys, listing, debug: (text) => log.debug(text) }, olderThan),

    inspectLocks: (backups) => inspectLocks({ finder, listing, store, keys, rule, now }, backups),

    pool: s3Pool({ bucket, finder, store, keys, rule, signal, now }),

    journal: s3Journal({ bucket, finder, store, keys, listing, rule, signal }),

    async close() {
      bucket.close()
    }
  }
}
