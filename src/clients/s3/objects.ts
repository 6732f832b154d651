import type { Readable } from 'node:stream'

/** An object as a listing shows it. */
export interface StoredObject {
  readonly key: string
  readonly bytes: number
  /** Without quotes. */
  readonly etag: string
  readonly changedAt: Date
  /** Where the listing was one of versions. */
  readonly versionId?: string
}

/** One version of a key, or a marker that says it was deleted. */
export interface ObjectVersion extends StoredObject {
  readonly versionId: string
  readonly isLatest: boolean
  readonly isMarker: boolean
}

export const lockModes = ['governance', 'compliance'] as const
export type LockMode = (typeof lockModes)[number]

/** What keeps a version from being deleted. */
export interface Lock {
  readonly mode: LockMode
  readonly until: Date
}

/** What a store says of one object without sending it. */
export interface ObjectFacts extends StoredObject {
  readonly metadata: Readonly<Record<string, string>>
  readonly checksum: string | undefined
  /** Null where none is told: there is none, or the key may not see it. */
  readonly lock: Lock | null
}

/** Bytes to upload: their digest is known beforehand. */
export interface UploadBody {
  readonly bytes: number
  readonly sha256: string
  open(): Readable
}

export interface UploadOptions {
  readonly lock?: Lock
  /** Only where nothing has this name; the store may ignore that, or refuse to be asked. */
  readonly onlyIfAbsent?: boolean
  readonly metadata?: Readonly<Record<string, string>>
}

/** Names a version, or the latest one of a key. */
export interface ObjectRef {
  readonly key: string
  readonly versionId?: string
}

/** `ref` with the fields that the calls take. */
export function keyAndVersion(bucket: string, ref: ObjectRef): { Bucket: string; Key: string; VersionId?: string } {
  return { Bucket: bucket, Key: ref.key, ...(ref.versionId === undefined ? {} : { VersionId: ref.versionId }) }
}

export function plainEtag(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '')
}
