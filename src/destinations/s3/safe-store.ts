import { createHash } from 'node:crypto'
import { readRunMark } from '../../clients/process/run-mark.ts'
import {
  type Bucket,
  type Expected,
  type Lock,
  type ObjectFacts,
  type ObjectRef,
  S3Error
} from '../../clients/s3/index.ts'
import { UserError } from '../../errors.ts'
import type { Volume } from '../destination.ts'
import type { Finder } from './find-objects.ts'
import { isEnough, type LockRule } from './lock-rules.ts'

/** Stores files so that each counts only when the store holds the same bytes, and holds them as long as it should. */
export interface SafeStore {
  /** Stores a file; `until`: its lock, where files are locked. Returns null where something else is there and `onlyIfAbsent`. */
  store(key: string, body: Volume, until: Date | undefined, onlyIfAbsent?: boolean): Promise<Shown | null>
  /** What the store shows of a version that has exactly these bytes; null where it has others or none. */
  holds(ref: ObjectRef, expected: Expected): Promise<Shown | null>
  /** Sees to it that a version is locked until then, and reads that back. */
  ensureLock(ref: ObjectRef, lock: Lock, needed: Date): Promise<void>
  /** The lock that a version has. */
  lockOf(ref: ObjectRef): Promise<Lock | null>
}

/** What a listing shows of a version. */
export interface Shown {
  readonly bytes: number
  readonly etag: string
}

interface Parts {
  readonly bucket: Bucket
  readonly finder: Finder
  /** Undefined: nothing is locked. */
  readonly rule: LockRule | undefined
}

export function safeStore({ bucket, finder, rule }: Parts): SafeStore {
  /** What the store says of an object; null where the key may not ask for one. */
  async function factsOf(ref: ObjectRef): Promise<ObjectFacts | null | 'not allowed'> {
    try {
      return await bucket.facts(ref)
    } catch (thrown) {
      if (thrown instanceof S3Error && thrown.code === 'SB403') return 'not allowed'
      throw thrown
    }
  }

  async function holds(ref: ObjectRef, expected: Expected): Promise<Shown | null> {
    const facts = await factsOf(ref)
    if (facts === null) return null
    // A key that may only write: the listing has size and digest, too.
    const shown = facts === 'not allowed' ? await finder.one(ref.key) : facts
    if (shown === null || shown.bytes !== expected.bytes) return null
    const { bytes, etag } = shown
    if (etag.toLowerCase() === expected.etag) return { bytes, etag }
    if (facts === 'not allowed') return null
    if (facts.checksum !== undefined) return facts.checksum === expected.checksum ? { bytes, etag } : null
    // The ETag of what is encrypted by a key of the customer's says nothing: the bytes themselves do.
    const hash = createHash('sha256')
    for await (const chunk of bucket.open(ref, shown.bytes)) hash.update(chunk)
    return hash.digest('hex') === expected.sha256 ? { bytes, etag } : null
  }

  async function lockOf(ref: ObjectRef): Promise<Lock | null> {
    const facts = await factsOf(ref)
    const told = facts === 'not allowed' ? null : (facts?.lock ?? null)
    return told ?? (await bucket.lock(ref))
  }

  async function ensureLock(ref: ObjectRef, lock: Lock, needed: Date): Promise<void> {
    if (rule === undefined) return
    try {
      if (isEnough(await lockOf(ref), needed, rule)) return
      await bucket.setLock(ref, lock)
      if (isEnough(await bucket.lock(ref), needed, rule)) return
    } catch (thrown) {
      if (!(thrown instanceof S3Error) || thrown.mayPass) throw thrown
      throw new UserError('SB427', `It is not certain that ${nameOf(ref.key)} is locked: ${thrown.message}`, {
        cause: thrown,
        ...(thrown.code === 'SB403' ? { remedy: thrown.remedy } : {})
      })
    }
    throw new UserError('SB427', `${bucket.place}: ${nameOf(ref.key)} was stored, but the store does not lock it.`)
  }

  return {
    holds,
    ensureLock,
    lockOf,
    async store(key, body, until, onlyIfAbsent = false) {
      if (body.bytes === 0) throw new Error(`nothing to store as ${nameOf(key)}`)
      const lock = rule === undefined || until === undefined ? undefined : { mode: rule.mode, until }
      const mark = readRunMark()
      const done = await bucket.upload(key, body, {
        onlyIfAbsent,
        metadata: { sha256: body.sha256, ...(mark === null ? {} : { run: mark }) },
        ...(lock === undefined ? {} : { lock })
      })
      const ref: ObjectRef = done.versionId === undefined ? { key } : { key, versionId: done.versionId }
      // Refused since something is there: that may be this very write, whose answer was lost.
      const shown = await holds(ref, done.expected)
      if (shown === null) {
        if (done.refused) return null
        throw new UserError('SB414', `${bucket.place} holds other bytes of ${nameOf(key)} than were sent.`)
      }
      if (lock !== undefined) await ensureLock(ref, lock, lock.until)
      return shown
    }
  }
}

function nameOf(key: string): string {
  return key.split('/').slice(-1).join('/')
}
