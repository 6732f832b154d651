import { z } from 'zod'
import { UserError } from '../../errors.ts'
import { beginUpload, type LargeUpload, sendToBucket, type UploadSettings, uploadPieces } from './resumable-upload.ts'
import { listByFolders } from './storage-folders.ts'
import {
  openStorageTransport,
  type StorageRequest,
  type StorageTransportOptions,
  unwrapped
} from './storage-transport.ts'

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? null)
const bucketShape = z.object({
  id: z.string(),
  name: z.string(),
  public: z.boolean(),
  owner: text,
  type: z
    .string()
    .nullish()
    .transform((value) => value ?? 'STANDARD'),
  file_size_limit: z
    .number()
    .nullish()
    .transform((value) => value ?? null),
  allowed_mime_types: z
    .array(z.string())
    .nullish()
    .transform((value) => value ?? null),
  created_at: text,
  updated_at: text
})
const metadataShape = z.object({
  eTag: text,
  size: z
    .number()
    .nullish()
    .transform((value) => value ?? null),
  mimetype: text,
  cacheControl: text
})
const listedShape = z.object({
  id: text,
  name: z.string(),
  created_at: text,
  updated_at: text,
  last_accessed_at: text,
  metadata: metadataShape.nullish()
})
const pageShape = z.object({ hasNext: z.boolean(), nextCursor: z.string().nullish(), objects: z.array(listedShape) })
const infoShape = z.object({
  id: text,
  name: text,
  version: text,
  etag: text,
  size: z
    .number()
    .nullish()
    .transform((value) => value ?? null),
  content_type: text,
  cache_control: text,
  created_at: text,
  last_modified: text,
  // Whatever was written there by other ways than the API: it must not make the file unreadable.
  metadata: z
    .record(z.string(), z.unknown())
    .nullish()
    .catch(null)
    .transform((value) => value ?? null)
})

export interface StorageBucket {
  readonly id: string
  readonly name: string
  readonly public: boolean
  readonly owner: string | null
  /** `STANDARD`, `ANALYTICS`, `VECTOR`: only the first holds files. */
  readonly type: string
  /** Bytes. */
  readonly fileSizeLimit: number | null
  readonly allowedMimeTypes: readonly string[] | null
  readonly createdAt: string | null
  readonly updatedAt: string | null
}

/** An object as the API lists it: without version and the user's own metadata. */
export interface ApiObject {
  readonly key: string
  readonly id: string | null
  readonly etag: string | null
  readonly size: number | null
  readonly contentType: string | null
  readonly cacheControl: string | null
  readonly createdAt: string | null
  readonly updatedAt: string | null
  readonly lastAccessedAt: string | null
}

export interface ObjectInfo {
  readonly version: string | null
  readonly etag: string | null
  readonly size: number | null
  readonly contentType: string | null
  readonly cacheControl: string | null
  readonly userMetadata: Readonly<Record<string, unknown>> | null
  /** When its bytes were written, as far as the API tells. */
  readonly lastModified: string | null
}

/** A bucket whose contents are no files. */
export interface OtherBucket {
  readonly name: string
  readonly type: 'ANALYTICS' | 'VECTOR'
}

export interface DownloadManner {
  /** Asks at an address that no cache on the way has seen. */
  readonly pastCaches?: boolean
  /** A server that fails at the file counts as one that does not have it. */
  readonly failingIsMissing?: boolean
}

export interface ObjectDownload {
  readonly status: 200 | 206
  readonly etag: string | null
  /** First byte of a partial answer. */
  readonly from: number
  readonly body: AsyncIterable<Uint8Array>
  /** Reads no further. */
  drop(): void
}

/** Longest answer about one object, in bytes: its user's metadata is in it. */
const longestInfo = 16 * 1024 * 1024

/** The Storage API of one project. Errors: SB801 key, SB802 unreachable or failing (`mayPass`), SB803 unexpected answers, SB808 too large. */
export interface SupabaseStorage {
  readonly base: string
  readonly retries: number
  pause(attempt: number): Promise<void>
  listBuckets(): Promise<readonly StorageBucket[]>
  createBucket(id: string, isPublic: boolean): Promise<void>
  updateBucket(
    id: string,
    settings: {
      readonly public: boolean
      readonly fileSizeLimit: number | null
      readonly allowedMimeTypes: readonly string[] | null
    }
  ): Promise<void>
  /** Every object of a bucket in the order of keys, each once. */
  listObjects(bucket: string): AsyncIterable<ApiObject>
  /** Null where there is none. */
  info(bucket: string, key: string): Promise<ObjectInfo | null>
  /** Null where there is none. From byte `from` on, as far as the API agrees. */
  download(bucket: string, key: string, from?: number, how?: DownloadManner): Promise<ObjectDownload | null>
  /** Those of these keys that a new listing of the bucket still has. */
  stillListed(bucket: string, keys: readonly string[]): Promise<ReadonlySet<string>>
  /** Names of buckets that hold no files, which the list of buckets does not have; of a kind that the API does not tell, none. */
  listOtherBuckets(): Promise<readonly OtherBucket[]>
  /** Stores a file, over one that is there. */
  upload(bucket: string, key: string, body: Uint8Array<ArrayBuffer>, settings: UploadSettings): Promise<void>
  /** Begins to store a large file, over one that is there. Nothing of it is sent yet. */
  beginUpload(bucket: string, key: string, bytes: number, settings: UploadSettings): Promise<LargeUpload>
  /** Stores it piece by piece; a piece that broke off is continued where the API says it ended. */
  uploadPieces(upload: LargeUpload, pieces: AsyncIterable<Uint8Array<ArrayBuffer>>): Promise<void>
}

/** Whether an address can name the object: clients and proxies resolve `.` and `..` where they are a whole segment, as a bucket always is. */
export function isAddressable(bucket: string, key: string): boolean {
  return [bucket, key].every((name) => name !== '' && name !== '.' && name !== '..')
}

/**
 * A key as part of an address. Slashes stay slashes, but not beside `.` and `..`, which would be resolved on the way: there the slash is
 * encoded, and the API decodes it to the key that was meant.
 */
export function keyPath(key: string): string {
  return key
    .split('/')
    .map(encodeURIComponent)
    .join(isResolvedOnTheWay(key) ? '%2F' : '/')
}

/** Whether a server or proxy may resolve or merge parts of the key, so that it asks for another object, or for none. */
export function isResolvedOnTheWay(key: string): boolean {
  return key.split('/').some((segment) => segment === '.' || segment === '..' || segment === '')
}

/** An entity tag without quotes and the mark of weak ones; null for none. */
export function plainEtag(etag: string | null | undefined): string | null {
  if (etag === null || etag === undefined) return null
  return etag.replace(/^W\//, '').replaceAll('"', '')
}

export function openSupabaseStorage(options: StorageTransportOptions): SupabaseStorage {
  const transport = openStorageTransport(options)
  const { base, client } = transport
  const path = (bucket: string, key: string) => `${encodeURIComponent(bucket)}/${keyPath(key)}`
  const checked = <T>({ data, error }: { data: unknown; error: unknown }, shape: z.ZodType<T>): T => {
    if (error !== null && error !== undefined) throw unwrapped(error, base, options.context.signal)
    return shaped(shape, data, base)
  }

  const info = async (bucket: string, key: string): Promise<FoundObject | null> => {
    const answer = await transport.sendForJson(
      { method: 'GET', path: `/object/info/${path(bucket, key)}` },
      longestInfo
    )
    if (answer === null) return null
    const found = shaped(infoShape, answer.json, base)
    // The name was resolved to another one on the way.
    if (found.name !== null && found.name !== key) return null
    return {
      id: found.id,
      version: found.version,
      etag: plainEtag(found.etag),
      size: found.size,
      contentType: found.content_type,
      cacheControl: found.cache_control,
      userMetadata: found.metadata,
      lastModified: found.last_modified
    }
  }
  async function* listByPages(bucket: string): AsyncGenerator<ApiObject> {
    let cursor: string | undefined
    let before: ReadonlySet<string> = new Set()
    for (;;) {
      const answer = await client
        .from(bucket)
        .listV2({ limit: 1000, with_delimiter: false, ...(cursor === undefined ? {} : { cursor }) })
      const page = checked(answer, pageShape)
      const seen = new Set(page.objects.map(({ name }) => name))
      // Pages may overlap while others write.
      for (const listed of page.objects) if (!before.has(listed.name)) yield apiObject(listed.name, listed)
      if (!page.hasNext) return
      before = seen
      const next = page.nextCursor ?? undefined
      if (next === undefined || next === cursor)
        throw new UserError('SB803', `${base} lists objects without saying how to go on.`)
      cursor = next
    }
  }
  async function* listFolders(bucket: string): AsyncGenerator<ApiObject> {
    const listed = listByFolders({
      page: async (prefix, offset, limit) =>
        checked(
          await client.from(bucket).list(prefix, { limit, offset, sortBy: { column: 'name', order: 'asc' } }),
          z.array(listedShape)
        ),
      isThere: async (key, id) => (await info(bucket, key))?.id === id
    })
    for await (const { key, ...item } of listed) yield apiObject(key, item)
  }

  return {
    base,
    retries: transport.retries,
    pause: transport.pause,
    async listBuckets() {
      const buckets: StorageBucket[] = []
      const limit = 1000
      for (;;) {
        const page = checked(
          await client.listBuckets({ limit, offset: buckets.length, sortColumn: 'id', sortOrder: 'asc' }),
          z.array(bucketShape)
        )
        const known = new Set(buckets.map((bucket) => bucket.id))
        const fresh = page.filter((bucket) => !known.has(bucket.id))
        for (const { id, name, public: isPublic, owner, type, ...rest } of fresh)
          buckets.push({
            id,
            name,
            public: isPublic,
            owner,
            type,
            fileSizeLimit: rest.file_size_limit,
            allowedMimeTypes: rest.allowed_mime_types,
            createdAt: rest.created_at,
            updatedAt: rest.updated_at
          })
        if (page.length < limit || fresh.length === 0) return buckets
      }
    },
    async createBucket(id, isPublic) {
      checked(await client.createBucket(id, { public: isPublic }), z.unknown())
    },
    async updateBucket(id, settings) {
      // The client's own method leaves null out, which keeps a limit that should go.
      const response = await transport.send({
        method: 'PUT',
        path: `/bucket/${encodeURIComponent(id)}`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          id,
          name: id,
          public: settings.public,
          file_size_limit: settings.fileSizeLimit,
          allowed_mime_types: settings.allowedMimeTypes
        })
      })
      if (response === null) throw new UserError('SB805', `There is no bucket ${id} in the target.`)
      response.drop()
    },
    async *listObjects(bucket) {
      const newer = listByPages(bucket)
      const first = await newer.next().catch((thrown: unknown) => {
        // Servers whose tables lack a migration do not have the newer list; whatever else is wrong, the older one meets it, too.
        if (thrown instanceof UserError && thrown.code === 'SB803') return null
        throw thrown
      })
      if (first === null) yield* listFolders(bucket)
      else if (first.done !== true) {
        yield first.value
        yield* newer
      }
    },
    info,
    async stillListed(bucket, keys) {
      const still = new Set<string>()
      try {
        for (const prefix of keys) {
          // The shortest name that begins so comes first.
          const page = checked(
            await client.from(bucket).listV2({ limit: 100, with_delimiter: false, prefix }),
            pageShape
          )
          if (page.objects.some(({ name }) => name === prefix)) still.add(prefix)
        }
        return still
      } catch (thrown) {
        if (!(thrown instanceof UserError) || thrown.code !== 'SB803') throw thrown
      }
      const wanted = new Set(keys)
      for await (const { key } of listFolders(bucket)) if (wanted.has(key)) still.add(key)
      return still
    },
    async listOtherBuckets() {
      const ask = async <T>(request: StorageRequest, shape: z.ZodType<T>): Promise<T | null> => {
        try {
          const answer = await transport.sendForJson(request, longestInfo)
          return shape.safeParse(answer?.json).data ?? null
        } catch (thrown) {
          // Servers without these kinds know no such address, plans without them refuse it.
          if (thrown instanceof UserError && ['SB801', 'SB802', 'SB803'].includes(thrown.code)) return null
          throw thrown
        }
      }
      const analytics = await ask(
        { method: 'GET', path: '/iceberg/bucket', failingIsMissing: true },
        z.array(z.looseObject({ id: z.string(), name: text }))
      )
      const vectors = await ask(
        {
          method: 'POST',
          path: '/vector/ListVectorBuckets',
          headers: { 'content-type': 'application/json' },
          body: '{}',
          failingIsMissing: true
        },
        z.looseObject({ vectorBuckets: z.array(z.looseObject({ vectorBucketName: z.string() })) })
      )
      return [
        ...(analytics ?? []).map(({ id, name }): OtherBucket => ({ name: name ?? id, type: 'ANALYTICS' })),
        ...(vectors?.vectorBuckets ?? []).map(({ vectorBucketName: name }): OtherBucket => ({ name, type: 'VECTOR' }))
      ]
    },
    async download(bucket, key, from = 0, { pastCaches = false, failingIsMissing = false } = {}) {
      const response = await transport.send({
        method: 'GET',
        path: `/object/${path(bucket, key)}${pastCaches ? `?past-caches=${options.context.clock.now().getTime()}` : ''}`,
        headers: {
          ...(from === 0 ? {} : { range: `bytes=${from}-` }),
          ...(pastCaches ? { 'cache-control': 'no-cache' } : {})
        },
        failingIsMissing
      })
      if (response === null) return null
      const partial = response.status === 206
      const start = /^bytes (\d+)-/.exec(response.header('content-range') ?? '')?.[1]
      return {
        status: partial ? 206 : 200,
        etag: plainEtag(response.header('etag')),
        from: partial ? Number(start ?? Number.NaN) : 0,
        body: response.body,
        drop: response.drop
      }
    },
    async upload(bucket, key, body, settings) {
      const response = await sendToBucket(transport, bucket, {
        method: 'POST',
        path: `/object/${path(bucket, key)}`,
        headers: {
          'content-type': settings.contentType ?? 'application/octet-stream',
          ...(settings.cacheControl === null ? {} : { 'cache-control': settings.cacheControl }),
          ...(settings.userMetadata === null
            ? {}
            : { 'x-metadata': Buffer.from(JSON.stringify(settings.userMetadata)).toString('base64') }),
          'x-upsert': 'true'
        },
        body
      })
      response.drop()
    },
    beginUpload: (bucket, key, bytes, settings) => beginUpload(transport, bucket, key, bytes, settings),
    uploadPieces: (upload, pieces) => uploadPieces(transport, upload, pieces)
  }
}

interface FoundObject extends ObjectInfo {
  readonly id: string | null
}

function apiObject(key: string, { metadata, ...listed }: z.infer<typeof listedShape>): ApiObject {
  return {
    key,
    id: listed.id,
    etag: plainEtag(metadata?.eTag),
    size: metadata?.size ?? null,
    contentType: metadata?.mimetype ?? null,
    cacheControl: metadata?.cacheControl ?? null,
    createdAt: listed.created_at,
    updatedAt: listed.updated_at,
    lastAccessedAt: listed.last_accessed_at
  }
}

function shaped<T>(shape: z.ZodType<T>, value: unknown, base: string): T {
  const parsed = shape.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new UserError(
    'SB803',
    `${base} answered in another shape: ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}.`
  )
}
