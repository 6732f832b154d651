import type { Readable } from 'node:stream'
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectRetentionCommand
} from '@aws-sdk/client-s3'
import type { Connection } from './connection.ts'
import { openObject } from './download.ts'
import { hasStatus, S3Error, s3Error } from './errors.ts'
import { listFolders, listObjects, listUploads, listVersions, type OpenUpload } from './listing.ts'
import {
  keyAndVersion,
  type Lock,
  type ObjectFacts,
  type ObjectRef,
  type ObjectVersion,
  plainEtag,
  type StoredObject,
  type UploadBody,
  type UploadOptions
} from './objects.ts'
import { abortUpload, type Uploaded, upload } from './upload.ts'

export { type Connection, openConnection, type S3Credentials, type S3Options } from './connection.ts'
export { hasStatus, S3Error } from './errors.ts'
export type * from './objects.ts'
export { storeTraits, traitsOf } from './traits.ts'
export { digester, type Expected, pieceSize, piecesOf } from './upload.ts'

/** A version that could not be removed, and why in the store's own word. */
export interface NotRemoved extends ObjectRef {
  readonly reason: string
}

/** One bucket, without policy: what may pass is repeated, everything else comes out as an `S3Error`. */
export interface Bucket {
  readonly place: string
  list(prefix: string): AsyncIterable<StoredObject>
  versions(prefix: string): AsyncIterable<ObjectVersion>
  folders(prefix: string, versions: boolean): Promise<readonly string[]>
  uploads(prefix: string): AsyncIterable<OpenUpload>
  /** Null where there is no such object. */
  facts(ref: ObjectRef): Promise<ObjectFacts | null>
  open(ref: ObjectRef, bytes: number): Readable
  /** The whole of a small object. */
  read(ref: ObjectRef, bytes: number): Promise<Uint8Array>
  upload(key: string, body: UploadBody, options: UploadOptions): Promise<Uploaded>
  abort(upload: OpenUpload): Promise<void>
  /** Removes versions (or, without one, the key); what is not there is no error. Returns those that stayed. */
  remove(refs: readonly ObjectRef[]): Promise<readonly NotRemoved[]>
  lock(ref: ObjectRef): Promise<Lock | null>
  /** Locks a version, or lets its lock end later. */
  setLock(ref: ObjectRef, lock: Lock): Promise<void>
  /** Whether versions are kept and can be locked; `unknown` where the key may not ask or the store does not say. */
  canLock(): Promise<'yes' | 'no' | 'unknown'>
  /** What a stranger is answered who asks for an object, or for the list of all: an HTTP status. */
  strangerSees(key: string | undefined): Promise<number | null>
  serverTime(): Date | undefined
  close(): void
}

export function openBucket(connection: Connection): Bucket {
  const { bucket } = connection
  return {
    place: connection.place,
    list: (prefix) => listObjects(connection, prefix),
    versions: (prefix) => listVersions(connection, prefix),
    folders: (prefix, versions) => listFolders(connection, prefix, versions),
    uploads: (prefix) => listUploads(connection, prefix),
    facts: (ref) => factsOf(connection, ref),
    open: (ref, bytes) => openObject(connection, ref, bytes),
    async read(ref, bytes) {
      const all: Buffer[] = []
      for await (const chunk of openObject(connection, ref, bytes)) all.push(chunk)
      return Buffer.concat(all)
    },
    upload: (key, body, options) => upload(connection, key, body, options),
    abort: ({ key, uploadId }) => abortUpload(connection, key, uploadId),
    remove: (refs) => remove(connection, refs),
    async lock(ref) {
      try {
        const answer = await connection.call(
          { what: `see the lock of ${ref.key}`, right: 's3:GetObjectRetention' },
          (client, abortSignal) =>
            client.send(new GetObjectRetentionCommand(keyAndVersion(bucket, ref)), { abortSignal })
        )
        return lockOf(answer.Retention?.Mode, answer.Retention?.RetainUntilDate)
      } catch (thrown) {
        // Nothing is locked there, in the words of several stores.
        if (hasStatus(thrown, 404) || (hasStatus(thrown, 400, 501) && thrown.reason !== 'AccessDenied')) return null
        throw thrown
      }
    },
    async setLock(ref, lock) {
      await connection.call({ what: `lock ${ref.key}`, right: 's3:PutObjectRetention' }, (client, abortSignal) =>
        client.send(
          new PutObjectRetentionCommand({
            ...keyAndVersion(bucket, ref),
            Retention: { Mode: lock.mode === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE', RetainUntilDate: lock.until }
          }),
          { abortSignal }
        )
      )
    },
    async canLock() {
      try {
        const answer = await connection.call(
          { what: 'see whether objects can be locked', right: 's3:GetBucketObjectLockConfiguration' },
          (client, abortSignal) =>
            client.send(new GetObjectLockConfigurationCommand({ Bucket: bucket }), { abortSignal })
        )
        return answer.ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled' ? 'yes' : 'no'
      } catch (thrown) {
        if (!(thrown instanceof S3Error)) throw thrown
        if (thrown.reason === 'ObjectLockConfigurationNotFoundError') return 'no'
        if (
          thrown.code === 'SB403' ||
          thrown.status === 501 ||
          thrown.status === 400 ||
          thrown.reason === 'MethodNotAllowed'
        )
          return 'unknown'
        throw thrown
      }
    },
    async strangerSees(key) {
      try {
        await connection.anonymously(async (client, abortSignal) => {
          if (key === undefined)
            await client.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 }), { abortSignal })
          else {
            const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }), { abortSignal })
            await answer.Body?.transformToByteArray()
          }
        })
        return 200
      } catch (thrown) {
        return s3Error(thrown, { what: 'ask as a stranger', place: connection.place, right: '' }).status
      }
    },
    serverTime: () => connection.serverTime(),
    close: () => connection.close()
  }
}

function lockOf(mode: string | undefined, until: Date | undefined): Lock | null {
  if (mode === undefined || until === undefined) return null
  return { mode: mode === 'COMPLIANCE' ? 'compliance' : 'governance', until }
}

async function factsOf(connection: Connection, ref: ObjectRef): Promise<ObjectFacts | null> {
  try {
    const answer = await connection.call({ what: `look at ${ref.key}`, right: 's3:GetObject' }, (client, abortSignal) =>
      client.send(
        new HeadObjectCommand({
          ...keyAndVersion(connection.bucket, ref),
          ...(connection.traits.checksums ? { ChecksumMode: 'ENABLED' } : {})
        }),
        { abortSignal }
      )
    )
    return {
      key: ref.key,
      bytes: answer.ContentLength ?? 0,
      etag: plainEtag(answer.ETag),
      changedAt: answer.LastModified ?? new Date(0),
      metadata: answer.Metadata ?? {},
      checksum: answer.ChecksumSHA256,
      lock: lockOf(answer.ObjectLockMode, answer.ObjectLockRetainUntilDate),
      ...(answer.VersionId === undefined ? {} : { versionId: answer.VersionId })
    }
  } catch (thrown) {
    if (hasStatus(thrown, 404) && thrown.reason !== 'NoSuchBucket') return null
    throw thrown
  }
}

/** Most keys of one call. */
const mostRemoved = 1000

async function remove(connection: Connection, refs: readonly ObjectRef[]): Promise<readonly NotRemoved[]> {
  const left: NotRemoved[] = []
  for (let start = 0; start < refs.length; start += mostRemoved) {
    const some = refs.slice(start, start + mostRemoved)
    const answer = await connection.call(
      { what: 'delete', right: 's3:DeleteObject and s3:DeleteObjectVersion' },
      (client, abortSignal) =>
        client.send(
          new DeleteObjectsCommand({
            Bucket: connection.bucket,
            Delete: {
              Quiet: true,
              Objects: some.map(({ key, versionId }) => ({
                Key: key,
                ...(versionId === undefined ? {} : { VersionId: versionId })
              }))
            }
          }),
          { abortSignal }
        )
    )
    for (const { Key, VersionId, Code } of answer.Errors ?? []) {
      if (Code === 'NoSuchKey' || Code === 'NoSuchVersion') continue
      left.push({ key: Key ?? '', reason: Code ?? '', ...(VersionId === undefined ? {} : { versionId: VersionId }) })
    }
  }
  return left
}
