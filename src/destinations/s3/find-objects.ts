import type { Bucket, ObjectVersion, StoredObject } from '../../clients/s3/index.ts'

/** An object of ours, and the version of it that counts. */
export interface FoundObject extends StoredObject {
  /** Somebody put a mark on it that says it was deleted, although it is locked. */
  readonly isHidden: boolean
  /** Somebody wrote other bytes over it. The first ones count. */
  readonly isOverwritten: boolean
}

/** Finds what is stored, seeing through what whoever holds the keys of the workflow can do to a locked object. */
export interface Finder {
  /** By key. `isRecord`: of records the newest version counts, of everything else the oldest, since it is written once. */
  find(prefix: string, isRecord?: (key: string) => boolean): AsyncIterable<FoundObject>
  one(key: string): Promise<FoundObject | null>
  /** Every version and marker under a prefix, for what is to go; the objects where the store tells no versions. */
  everything(prefix: string): Promise<readonly (StoredObject & { readonly isMarker: boolean })[]>
}

/** `versioned`: whether objects are looked for among all versions. */
export function finderOf(bucket: Bucket, versioned: () => Promise<boolean>, now: () => Date): Finder {
  async function isLocked(version: ObjectVersion): Promise<boolean> {
    const lock = (await bucket.facts(version))?.lock ?? (await bucket.lock(version))
    return lock !== null && lock.until > now()
  }

  /**
   * The version that counts. `versions`: newest first. A marker ends what lies under it, unless that is locked: nobody may delete that, so
   * nobody has.
   */
  async function counting(versions: readonly ObjectVersion[], isRecord: boolean): Promise<FoundObject | null> {
    const newest = versions[0]
    if (newest === undefined) return null
    if (isRecord) return newest.isMarker ? null : { ...newest, isHidden: false, isOverwritten: false }
    let oldest: ObjectVersion | undefined
    for (const version of versions.toReversed()) {
      if (!version.isMarker) {
        oldest ??= version
        continue
      }
      if (oldest !== undefined && (await isLocked(oldest))) break
      oldest = undefined
    }
    if (oldest === undefined) return null
    const { etag, bytes } = oldest
    const later = versions.slice(0, versions.indexOf(oldest))
    return {
      ...oldest,
      isHidden: newest.isMarker,
      isOverwritten: later.some((one) => !one.isMarker && (one.etag !== etag || one.bytes !== bytes))
    }
  }

  async function* find(prefix: string, isRecord: (key: string) => boolean = () => false): AsyncGenerator<FoundObject> {
    if (!(await versioned())) {
      for await (const one of bucket.list(prefix)) yield { ...one, isHidden: false, isOverwritten: false }
      return
    }
    let group: ObjectVersion[] = []
    for await (const version of bucket.versions(prefix)) {
      if (group[0] !== undefined && group[0].key !== version.key) {
        const found = await counting(group, isRecord(group[0].key))
        if (found !== null) yield found
        group = []
      }
      group.push(version)
    }
    const last = group[0] === undefined ? null : await counting(group, isRecord(group[0].key))
    if (last !== null) yield last
  }

  return {
    find,
    async one(key) {
      for await (const found of find(key)) if (found.key === key) return found
      return null
    },
    async everything(prefix) {
      const all: (StoredObject & { isMarker: boolean })[] = []
      try {
        for await (const version of bucket.versions(prefix)) all.push(version)
      } catch (thrown) {
        if (!isNotOffered(thrown)) throw thrown
        all.length = 0
        for await (const one of bucket.list(prefix)) all.push({ ...one, isMarker: false })
      }
      return all
    }
  }
}

/** The store has no versions, or the key may not list them. */
function isNotOffered(thrown: unknown): boolean {
  const { status, code } = Object(thrown)
  return status === 501 || status === 405 || code === 'SB403'
}
