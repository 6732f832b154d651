import { ListMultipartUploadsCommand, ListObjectsV2Command, ListObjectVersionsCommand } from '@aws-sdk/client-s3'
import type { Connection } from './connection.ts'
import { type ObjectVersion, plainEtag, type StoredObject } from './objects.ts'

/** An upload in pieces that was begun and not ended. */
export interface OpenUpload {
  readonly key: string
  readonly uploadId: string
  readonly startedAt: Date
}

/** Objects under a prefix, by their keys. */
export async function* listObjects(connection: Connection, prefix: string): AsyncGenerator<StoredObject> {
  let token: string | undefined
  do {
    const page = await connection.call({ what: 'list what is stored', right: 's3:ListBucket' }, (client, abortSignal) =>
      client.send(
        new ListObjectsV2Command({
          Bucket: connection.bucket,
          Prefix: prefix,
          ...(token === undefined ? {} : { ContinuationToken: token })
        }),
        { abortSignal }
      )
    )
    for (const one of page.Contents ?? [])
      yield {
        key: one.Key ?? '',
        bytes: one.Size ?? 0,
        etag: plainEtag(one.ETag),
        changedAt: one.LastModified ?? new Date(0)
      }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined
  } while (token !== undefined)
}

/** What lies directly under a prefix as folders: `a/` and `b/` of `<prefix>a/1` and `<prefix>b/2`. `versions`: those count too of which only markers show. */
export async function listFolders(
  connection: Connection,
  prefix: string,
  versions: boolean
): Promise<readonly string[]> {
  const folders = new Set<string>()
  const common = { Bucket: connection.bucket, Prefix: prefix, Delimiter: '/' }
  let token: string | undefined
  let marker: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {}
  for (;;) {
    const page = await connection.call(
      { what: 'list what is stored', right: listingRight(versions) },
      async (client, abortSignal) => {
        if (!versions) {
          const one = await client.send(
            new ListObjectsV2Command({ ...common, ...(token === undefined ? {} : { ContinuationToken: token }) }),
            { abortSignal }
          )
          return {
            prefixes: one.CommonPrefixes,
            token: one.IsTruncated === true ? one.NextContinuationToken : undefined,
            marker: undefined
          }
        }
        const one = await client.send(new ListObjectVersionsCommand({ ...common, ...marker }), { abortSignal })
        return { prefixes: one.CommonPrefixes, token: undefined, marker: nextMarker(one) }
      }
    )
    for (const { Prefix } of page.prefixes ?? []) folders.add((Prefix ?? '').slice(prefix.length))
    token = page.token
    marker = page.marker
    if (token === undefined && marker === undefined) return [...folders]
  }
}

function listingRight(versions: boolean): string {
  return versions ? 's3:ListBucketVersions' : 's3:ListBucket'
}

function nextMarker(page: {
  IsTruncated?: boolean | undefined
  NextKeyMarker?: string | undefined
  NextVersionIdMarker?: string | undefined
}): { KeyMarker?: string; VersionIdMarker?: string } | undefined {
  if (page.IsTruncated !== true || page.NextKeyMarker === undefined) return undefined
  return {
    KeyMarker: page.NextKeyMarker,
    ...(page.NextVersionIdMarker === undefined ? {} : { VersionIdMarker: page.NextVersionIdMarker })
  }
}

/** All versions and markers under a prefix, by key and within a key the newest first. */
export async function* listVersions(connection: Connection, prefix: string): AsyncGenerator<ObjectVersion> {
  let marker: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {}
  do {
    const at: { KeyMarker?: string; VersionIdMarker?: string } = marker
    const page = await connection.call(
      { what: 'list all versions', right: listingRight(true) },
      (client, abortSignal) =>
        client.send(new ListObjectVersionsCommand({ Bucket: connection.bucket, Prefix: prefix, ...at }), {
          abortSignal
        })
    )
    const found = [
      ...(page.Versions ?? []).map((one) => ({ ...one, isMarker: false })),
      ...(page.DeleteMarkers ?? []).map((one) => ({ ...one, Size: 0, ETag: '', isMarker: true }))
    ]
    yield* found
      .map((one) => ({
        key: one.Key ?? '',
        versionId: one.VersionId ?? 'null',
        bytes: one.Size ?? 0,
        etag: plainEtag(one.ETag),
        changedAt: one.LastModified ?? new Date(0),
        isLatest: one.IsLatest === true,
        isMarker: one.isMarker
      }))
      .sort(byKeyNewestFirst)
    marker = nextMarker(page)
  } while (marker !== undefined)
}

/** Versions and markers come in lists of their own; within one the store's order is kept where times are equal. */
function byKeyNewestFirst(a: ObjectVersion, b: ObjectVersion): number {
  if (a.key !== b.key) return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))
  if (a.isLatest !== b.isLatest) return a.isLatest ? -1 : 1
  return b.changedAt.getTime() - a.changedAt.getTime()
}

export async function* listUploads(connection: Connection, prefix: string): AsyncGenerator<OpenUpload> {
  let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}
  do {
    const at: { KeyMarker?: string; UploadIdMarker?: string } = marker
    const page = await connection.call(
      { what: 'list unfinished uploads', right: 's3:ListBucketMultipartUploads' },
      (client, abortSignal) =>
        client.send(new ListMultipartUploadsCommand({ Bucket: connection.bucket, Prefix: prefix, ...at }), {
          abortSignal
        })
    )
    for (const one of page.Uploads ?? [])
      yield { key: one.Key ?? '', uploadId: one.UploadId ?? '', startedAt: one.Initiated ?? new Date(0) }
    marker =
      page.IsTruncated === true && page.NextKeyMarker !== undefined
        ? {
            KeyMarker: page.NextKeyMarker,
            ...(page.NextUploadIdMarker === undefined ? {} : { UploadIdMarker: page.NextUploadIdMarker })
          }
        : undefined
  } while (marker !== undefined)
}
