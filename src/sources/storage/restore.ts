import { join } from 'node:path'
import type { HeldStorageFacts, StoredObject } from '../../archive/contents-storage.ts'
import type { OpenedBackup } from '../../archive/unpack.ts'
import type { Glob } from '../../base/glob.ts'
import { inParallel } from '../../base/in-parallel.ts'
import type { Connection } from '../../clients/postgres/connection.ts'
import type { Management } from '../../clients/supabase/management.ts'
import { resumableCacheControl, resumableFrom } from '../../clients/supabase/resumable-upload.ts'
import type { SupabaseStorage } from '../../clients/supabase/storage.ts'
import type { Context } from '../../context.ts'
import { UserError } from '../../errors.ts'
import type { Finding } from '../source.ts'
import { type FailingInRow, failingInRow } from './circuit-breaker.ts'
import { filesLeftOut } from './files-left-out.ts'
import { fittingNothing, isChosen } from './listing.ts'
import { divideByPack, type ObjectsByPack } from './objects-by-pack.ts'
import { type CheckedRecord, checkPack, filesOfPack } from './read-pack.ts'
import { finishBuckets, type PreparedBucket, prepareBuckets } from './restore-buckets.ts'
import { restoreRows } from './restore-rows.ts'
import { holdsTheSame } from './same-object.ts'
import { type RaisedLimit, raiseUploadLimit } from './upload-limit.ts'

export interface RestoreStorageOptions {
  readonly context: Context
  /** The target's API. */
  readonly target: SupabaseStorage
  /** Opens it anew when the run was cancelled or its time was up: for the limits of the buckets, which must not stay lifted. */
  readonly targetAfterAbort: () => SupabaseStorage
  /** The target's Management API, to raise its limit of file sizes for as long as files go up; null where no token was given. */
  readonly management: { readonly target: Management; readonly afterAbort: () => Management } | null
  /** `storage` of contents.json, */
  readonly facts: HeldStorageFacts
  /** and its objects, from the first on at each call. */
  readonly objects: () => AsyncIterable<StoredObject>
  /** The opened backup: packs are fetched one after the other and dropped again. */
  readonly backup: Pick<OpenedBackup, 'files' | 'fetch' | 'drop'>
  /** Buckets to restore; empty: all. */
  readonly buckets: readonly Glob[]
  /** Uploads at a time. */
  readonly jobs: number
  /**
   * The target's database, to give the rows of the files their ids, owners and times back; null where there is none. Call this after the rows of
   * `storage.buckets` and `storage.objects` were restored, when they are: an upload keeps the row that is there.
   */
  readonly connection: Connection | null
  /** Rows of `storage.objects` that this run brought back before: each is to have its file. */
  readonly rowsBroughtBack: number
}

export interface RestoredStorage {
  /** `difference`: a file that is not in the target as it is in the backup. */
  readonly findings: readonly Finding[]
  readonly counts: {
    readonly buckets: number
    readonly objects: number
    readonly uploaded: number
    /** In the target already with the same bytes and settings. */
    readonly alreadyThere: number
    readonly failed: number
    readonly bytes: number
  }
}

/**
 * Brings buckets and files into a project. A pack is checked to its last byte before any of its files is uploaded; every file is compared with the
 * target's by size and hash afterwards. A second run goes on where one ended: what is there with the same bytes is left alone. The limits of a
 * bucket are lifted while files go up and set again at the end, whatever happens; no bucket becomes public that was not.
 *
 * A file that the target refuses, and one that the backup does not hold, is a finding; what concerns all of them (key, network) is thrown: SB801, SB802, SB806; SB710 where `buckets` names
 * what the backup does not hold.
 */
export async function restoreStorage(options: RestoreStorageOptions): Promise<RestoredStorage> {
  const { context, target, facts, backup } = options
  const findings: Finding[] = []
  const tally = { objects: 0, uploaded: 0, alreadyThere: 0, failed: 0, bytes: 0 }
  const chosen = chosenBuckets(facts, options.buckets)
  const prepared: PreparedBucket[] = []
  const names = new Set(chosen.map(({ id }) => id))
  let divided: ObjectsByPack | undefined
  let limit: RaisedLimit | undefined
  let tooLarge: UserError | undefined
  try {
    if (options.management !== null) {
      limit = await raiseUploadLimit({
        management: options.management.target,
        afterAbort: options.management.afterAbort,
        signal: context.signal,
        buckets: chosen,
        objects: inBuckets(options.objects(), names)
      })
      findings.push(...limit.findings)
      // At once: where the run is ended by force, the log is what tells that the limit was another one.
      for (const { subject, detail } of limit.findings) context.log.info(`${subject}: ${detail}.`)
    }
    await prepareBuckets(target, chosen, findings, prepared)
    divided = await divideByPack({
      facts,
      objects: inBuckets(options.objects(), new Set(prepared.map(({ facts: bucket }) => bucket.id))),
      names: backup.files.names,
      folder: join(context.temp, 'restored-objects'),
      onOrphan: (object) => {
        tally.objects += 1
        tally.failed += 1
        findings.push(differs(object, 'no pack here holds it'))
      }
    })
    const raised = limit?.raised ?? false
    const failing = failingInRow(target)
    for (const pack of divided.packs) {
      context.signal.throwIfAborted()
      const objects = await divided.of(pack)
      try {
        const records = await openPack(pack, backup)
        if (records instanceof UserError) {
          // The other packs hold other files.
          context.log.warning(`${records.message} Its ${objects.size} files are missing; the others are restored.`)
          tally.objects += objects.size
          tally.failed += objects.size
          for (const object of objects.values())
            findings.push(differs(object, `its pack ${pack} is damaged or missing`))
          continue
        }
        for await (const outcome of inParallel(
          uploads(pack, objects, records, options, raised, failing),
          options.jobs,
          (upload) => upload()
        )) {
          tally.objects += 1
          if (outcome.kind === 'failed') {
            tally.failed += 1
            findings.push(outcome.finding)
            if (outcome.why?.code === 'SB808') tooLarge = outcome.why
          } else {
            tally[outcome.kind] += 1
            if (outcome.finding !== undefined) findings.push(outcome.finding)
          }
          if (outcome.kind === 'uploaded') tally.bytes += outcome.bytes
          context.log.progress(
            () => `storage: ${tally.objects} of ${facts.objectCount} files, ${tally.uploaded} uploaded`
          )
        }
        for (const [entry, object] of objects) {
          if (records.has(entry)) continue
          tally.objects += 1
          tally.failed += 1
          findings.push(differs(object, `the pack ${pack} does not hold it`))
        }
      } finally {
        await backup.drop(pack)
      }
    }
  } finally {
    const told = findings.length
    try {
      await finishBuckets({ target, signal: context.signal, afterAbort: options.targetAfterAbort }, prepared, findings)
    } finally {
      // After the limits of the buckets, which may not be higher than it.
      findings.push(...((await limit?.putBack()) ?? []))
      // Nobody gets the findings of a run that was cancelled.
      if (context.signal.aborted)
        for (const { subject, detail } of findings.slice(told)) context.log.warning(`${subject}: ${detail}`)
      await divided?.remove()
    }
  }
  if (tooLarge !== undefined) {
    const unknown = limit?.unknown ?? null
    const why = unknown === null ? '' : ` The token that was given does not tell it (${unknown}).`
    findings.push({
      kind: 'todo',
      subject: 'Storage of the target',
      detail: `its limit for a file is too low.${why} ${tooLarge.remedy}`
    })
  }
  findings.push(
    ...filesLeftOut(facts, chosen, {
      broughtBack: options.rowsBroughtBack,
      notChosen: await countOutside(options.objects(), names)
    })
  )
  if (options.connection !== null)
    await restoreRows(
      options.connection,
      prepared.map(({ facts: bucket }) => bucket),
      options.objects(),
      facts.listedFrom,
      findings
    )
  else if (tally.uploaded > 0) {
    findings.push({
      kind: 'note',
      subject: 'Storage',
      detail: 'without a connection to the database of the target, files got new ids and times, and no owner'
    })
  }
  return { findings, counts: { buckets: prepared.length, ...tally } }
}

/** The buckets of a backup that the patterns mean. Throws SB710 where a pattern fits none of them. */
export function chosenBuckets(
  facts: Pick<HeldStorageFacts, 'buckets'>,
  patterns: readonly Glob[]
): HeldStorageFacts['buckets'] {
  const idle = fittingNothing(patterns, facts.buckets)
  if (idle.length > 0)
    throw new UserError('SB710', `No bucket of the backup fits ${idle.join(', ')} of \`buckets\`.`, {
      remedy: 'Check `backup` and `buckets`: upper and lower case matter, and `*` stands for any characters.'
    })
  return facts.buckets.filter((bucket) => isChosen(patterns, bucket.id))
}

/** What makes a pack unusable, whatever the others are: damaged, missing, of other files. Keys and places that do not answer concern all of them. */
const ofOnePack = new Set(['SB501', 'SB504', 'SB506', 'SB508', 'SB509', 'SB806'])

/** Fetches a pack and reads it to its end; the error where this one cannot be used. */
async function openPack(
  pack: string,
  backup: RestoreStorageOptions['backup']
): Promise<ReadonlyMap<string, CheckedRecord> | UserError> {
  try {
    await backup.fetch([pack])
    return await checkPack(pack, backup.files.open(pack))
  } catch (thrown) {
    if (thrown instanceof UserError && ofOnePack.has(thrown.code)) return thrown
    throw thrown
  }
}

type Uploaded =
  | { readonly kind: 'uploaded'; readonly bytes: number; readonly finding?: Finding }
  | { readonly kind: 'alreadyThere'; readonly finding?: Finding }
  | { readonly kind: 'failed'; readonly finding: Finding; readonly why?: UserError }

async function* inBuckets(
  objects: AsyncIterable<StoredObject>,
  buckets: ReadonlySet<string>
): AsyncGenerator<StoredObject> {
  for await (const object of objects) if (buckets.has(object.bucket)) yield object
}

async function countOutside(objects: AsyncIterable<StoredObject>, buckets: ReadonlySet<string>): Promise<number> {
  let count = 0
  for await (const object of objects) if (!buckets.has(object.bucket)) count += 1
  return count
}

/** The uploads of one pack, in its order. Small files are read beforehand and go up side by side; a large one goes up while it is read. */
async function* uploads(
  pack: string,
  objects: ReadonlyMap<string, StoredObject>,
  records: ReadonlyMap<string, CheckedRecord>,
  options: RestoreStorageOptions,
  raised: boolean,
  failing: FailingInRow
): AsyncGenerator<() => Promise<Uploaded>> {
  const { target } = options
  const patiently = <T>(work: () => Promise<T>): Promise<T> => (raised ? untilTheLimitIsKnown(target, work) : work())
  for await (const file of filesOfPack(pack, options.backup.files.open(pack))) {
    const object = objects.get(file.entry)
    const record = records.get(file.entry)
    if (object === undefined || record === undefined) continue
    if (object.sha256 !== undefined && object.sha256 !== record.sha256) {
      yield () =>
        Promise.resolve({
          kind: 'failed',
          finding: differs(object, 'contents.json and its pack tell of different bytes')
        })
      continue
    }
    if (file.size <= resumableFrom) {
      const bytes = Buffer.alloc(file.size)
      let at = 0
      for await (const chunk of file.bytes) {
        bytes.set(chunk, at)
        at += chunk.byteLength
      }
      yield () =>
        bring(object, record, target, failing, (settings) =>
          patiently(() => target.upload(object.bucket, object.key, bytes, settings))
        )
    } else {
      const outcome = await bring(object, record, target, failing, async (settings) => {
        const begun = await patiently(() => target.beginUpload(object.bucket, object.key, file.size, settings))
        await target.uploadPieces(begun, pieces(file.bytes))
      })
      yield () => Promise.resolve(outcome)
    }
  }
}

/** Repeats what is refused as too large just after the limit was raised: a small file whole, of a large one the beginning, which takes no byte of it. */
async function untilTheLimitIsKnown<T>(target: SupabaseStorage, begin: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await begin()
    } catch (thrown) {
      if (!(thrown instanceof UserError) || thrown.code !== 'SB808' || attempt >= target.retries) throw thrown
      await target.pause(attempt)
    }
  }
}

type Settings = Parameters<SupabaseStorage['upload']>[3]

async function bring(
  object: StoredObject,
  record: CheckedRecord,
  target: SupabaseStorage,
  failing: FailingInRow,
  upload: (settings: Settings) => Promise<void>
): Promise<Uploaded> {
  const settings: Settings = {
    contentType: object.contentType ?? record.contentType,
    cacheControl: object.cacheControl ?? record.cacheControl,
    userMetadata: object.userMetadata ?? record.userMetadata
  }
  try {
    const outcome = await bringOnce()
    failing.well()
    return outcome
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown
    if (thrown.code === 'SB802') await failing.failed(thrown)
    else if (!['SB803', 'SB805', 'SB808'].includes(thrown.code)) throw thrown
    return { kind: 'failed', finding: differs(object, thrown.message), why: thrown }
  }

  async function bringOnce(): Promise<Uploaded> {
    if (await holdsTheSame(target, object, record, settings)) return { kind: 'alreadyThere' }
    const nearest = nearestSettings(settings, record.size)
    const finding =
      nearest.cacheControl === settings.cacheControl
        ? {}
        : { finding: otherCacheControl(object, settings.cacheControl, nearest.cacheControl) }
    if ('finding' in finding && (await holdsTheSame(target, object, record, nearest)))
      return { kind: 'alreadyThere', ...finding }
    await upload(nearest)
    if (await holdsTheSame(target, { ...object, version: null }, record, nearest))
      return { kind: 'uploaded', bytes: record.size, ...finding }
    return {
      kind: 'failed',
      finding: differs(object, 'the target does not hold the same bytes or settings after the upload')
    }
  }
}

/** The settings that an upload of this size can give a file: those of large ones know fewer kinds of cache control. */
function nearestSettings(settings: Settings, bytes: number): Settings {
  const { cacheControl } = settings
  if (bytes <= resumableFrom || cacheControl === null) return settings
  return { ...settings, cacheControl: resumableCacheControl(cacheControl) }
}

function otherCacheControl(object: StoredObject, wanted: string | null, set: string | null): Finding {
  return {
    kind: 'todo',
    subject: `Storage file ${object.bucket}/${object.key}`,
    detail: `its cache control is ${set} and was ${wanted}: a resumable upload, as large files need it, takes only max-age; set it with an upload by the S3 protocol where it matters`
  }
}

/** Pieces of the size that a resumable upload is made of. */
async function* pieces(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let piece = Buffer.alloc(resumableFrom)
  let filled = 0
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.byteLength; ) {
      const part = chunk.subarray(at, at + resumableFrom - filled)
      piece.set(part, filled)
      filled += part.byteLength
      at += part.byteLength
      if (filled < resumableFrom) continue
      yield piece
      piece = Buffer.alloc(resumableFrom)
      filled = 0
    }
  }
  if (filled > 0) yield piece.subarray(0, filled)
}

function differs(object: StoredObject, detail: string): Finding {
  return { kind: 'difference', subject: `Storage file ${object.bucket}/${object.key}`, detail }
}
