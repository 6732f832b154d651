import { createHash } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import type { ObjectInfo, SupabaseStorage } from '../../clients/supabase/storage.ts'
import { asError, UserError } from '../../errors.ts'
import { OverBudget } from './budget.ts'
import type { ListedObject } from './listing.ts'

/** Larger objects go through a file; smaller ones stay in memory until they are packed. */
const mostInMemory = 4 * 1024 * 1024

/** An object's bytes, whole and checked. */
export interface DownloadedObject {
  readonly bytes: number
  readonly sha256: string
  readonly body: { readonly chunks: readonly Uint8Array[] } | { readonly path: string }
  /** What the API said of it, where it was asked: always when the object changed since it was listed. */
  readonly info: ObjectInfo | null
  readonly changed: boolean
}

/** What became of one download. `vanished`: it was deleted since it was listed. */
export type DownloadOutcome =
  | { readonly kind: 'whole'; readonly object: DownloadedObject }
  | { readonly kind: 'vanished' }

export interface EtagsSeen {
  /** One that looked like an MD5 was one. */
  someFit: boolean
  /** One that looked like an MD5 was none, of bytes that came twice, before any fitted. */
  areNoMd5s: boolean
}

export interface DownloadOptions {
  readonly storage: SupabaseStorage
  readonly object: ListedObject
  /** Where a large object's bytes go; removed again unless they are handed out. */
  readonly spool: string
  /** Called with the bytes that came over the network, those of repeated downloads too. What it throws ends the download. */
  readonly onBytes: (bytes: number) => void
  readonly signal: AbortSignal
  /** What one file showed of the server holds for the others of the run. */
  readonly etags: EtagsSeen
}

/**
 * Downloads one object. A connection that breaks is continued where it broke; what came is only taken when its length and entity tag are those
 * that the project states, in the listing or, after a change, when asked now. Throws UserError SB804 when that never happens.
 */
export async function downloadObject(options: DownloadOptions): Promise<DownloadOutcome> {
  const { storage, object, signal } = options
  let reason = ''
  let lastHash = ''
  let pastCaches = false
  for (let attempt = 0; attempt <= storage.retries + 1; attempt++) {
    signal.throwIfAborted()
    if (attempt > 0) await storage.pause(attempt - 1)
    // Listed by the API alone, each object is asked for what the list does not tell: beside its download, not after it.
    const asked = object.version === null ? storage.info(object.bucket, object.key) : null
    asked?.catch(() => undefined)
    const taken = await takeBytes(options, pastCaches)
    if (taken === 'vanished') return { kind: 'vanished' }
    if ('failed' in taken) {
      reason = taken.failed
      continue
    }
    let keep = false
    try {
      const verdict = await judge(taken, options, asked, lastHash === taken.sha256)
      if (verdict === 'vanished') return { kind: 'vanished' }
      if ('refused' in verdict) {
        reason = verdict.refused
        lastHash = taken.sha256
        // What lies in a cache on the way stays the same however often it is asked for at the same address.
        pastCaches = true
        continue
      }
      keep = true
      return { kind: 'whole', object: { bytes: taken.bytes, sha256: taken.sha256, body: taken.body, ...verdict } }
    } finally {
      if (!keep) await rm(options.spool, { force: true })
    }
  }
  throw new UserError(
    'SB804',
    `The object ${object.key} of the bucket ${object.bucket} could not be read whole: ${reason}${pastCaches ? ', past caches too' : ''}.`
  )
}

interface Taken {
  readonly bytes: number
  readonly sha256: string
  readonly md5: string
  readonly etag: string | null
  readonly body: DownloadedObject['body']
}

/** One download to its end, with as many continuations as `retries` allows between two steps forward. */
async function takeBytes(
  { storage, object, spool, onBytes, signal }: DownloadOptions,
  pastCaches: boolean
): Promise<Taken | 'vanished' | { readonly failed: string }> {
  const sha256 = createHash('sha256')
  const md5 = createHash('md5')
  const chunks: Uint8Array[] = []
  let file: FileHandle | null = null
  let bytes = 0
  let etag: string | null = null
  let whole = false
  try {
    for (let breaks = 0; ; ) {
      const before = bytes
      const answer = await storage.download(object.bucket, object.key, bytes, { pastCaches })
      if (answer === null) return 'vanished'
      if (bytes > 0 && (answer.status !== 206 || answer.from !== bytes || answer.etag !== etag)) {
        answer.drop()
        return { failed: 'it changed while it was read, or the API does not continue downloads' }
      }
      etag = answer.etag
      try {
        for await (const chunk of answer.body) {
          signal.throwIfAborted()
          onBytes(chunk.byteLength)
          sha256.update(chunk)
          md5.update(chunk)
          bytes += chunk.byteLength
          if (file === null && bytes > mostInMemory) {
            file = await open(spool, 'w', 0o600)
            for (const early of chunks.splice(0)) await writeWhole(file, early)
          }
          if (file === null) chunks.push(chunk)
          else await writeWhole(file, chunk)
        }
        break
      } catch (thrown) {
        signal.throwIfAborted()
        if (thrown instanceof UserError || thrown instanceof OverBudget) throw thrown
        breaks = bytes > before ? 0 : breaks + 1
        if (etag === null || breaks > storage.retries)
          return { failed: `the download broke off at byte ${bytes} (${asError(thrown).message})` }
        await storage.pause(breaks)
      }
    }
    whole = true
    return {
      bytes,
      sha256: sha256.digest('hex'),
      md5: md5.digest('hex'),
      etag,
      body: file === null ? { chunks } : { path: spool }
    }
  } finally {
    await file?.close()
    if (!whole) await rm(spool, { force: true })
  }
}

async function writeWhole(file: FileHandle, chunk: Uint8Array): Promise<void> {
  try {
    let rest = chunk
    while (rest.byteLength > 0) {
      const { bytesWritten } = await file.write(rest)
      rest = rest.subarray(bytesWritten)
    }
  } catch (cause) {
    const full = cause instanceof Error && 'code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT')
    throw new UserError(
      full ? 'SB310' : 'SB311',
      `A Storage object could not be written to the disk: ${asError(cause).message}.`,
      { cause }
    )
  }
}

/** Whether what came is what the project holds. An answer made up by something in between has no entity tag that fits. */
async function judge(
  taken: Taken,
  { storage, object, etags }: DownloadOptions,
  asked: Promise<ObjectInfo | null> | null,
  cameTwice: boolean
): Promise<
  { readonly info: ObjectInfo | null; readonly changed: boolean } | { readonly refused: string } | 'vanished'
> {
  const listed = object.etag !== null && taken.etag === object.etag && taken.bytes === object.size
  if (listed && object.version !== null)
    return md5Fits(taken, cameTwice, etags)
      ? { info: null, changed: false }
      : { refused: 'its bytes do not fit its entity tag' }
  const info = await (asked ?? storage.info(object.bucket, object.key)).catch((thrown: unknown) => {
    // A page of something in between, which the next try may not meet.
    if (!(thrown instanceof UserError) || thrown.code !== 'SB803') throw thrown
    return { refused: thrown.message }
  })
  if (info === null) return 'vanished'
  if ('refused' in info) return info
  if (info.size !== taken.bytes)
    return { refused: `it ended after ${taken.bytes} bytes of ${info.size ?? 'an unknown number'}` }
  // An answer without any tag is believed when its length is the one that is listed and stated now.
  const hasNoTag = taken.etag === null && object.size === taken.bytes
  if (!hasNoTag && (info.etag === null || info.etag !== taken.etag))
    return { refused: 'the answer does not carry its entity tag' }
  if (!md5Fits(taken, cameTwice, etags)) return { refused: 'its bytes do not fit its entity tag' }
  return {
    info,
    changed:
      object.etag !== info.etag ||
      object.size !== info.size ||
      (object.version !== null && object.version !== info.version)
  }
}

/**
 * Most entity tags are the MD5 of the bytes. Where one looks like it and is none, the same bytes coming twice are believed, and the other files of the
 * run are not fetched twice for it.
 */
function md5Fits(taken: Taken, cameTwice: boolean, etags: DownloadOptions['etags']): boolean {
  if (taken.etag === null || !/^[0-9a-f]{32}$/.test(taken.etag)) return true
  if (taken.etag === taken.md5) etags.someFit = true
  // A file that is damaged in the project itself says nothing of a server whose other tags fit.
  else if (cameTwice && !etags.someFit) etags.areNoMd5s = true
  return taken.etag === taken.md5 || cameTwice || etags.areNoMd5s
}
