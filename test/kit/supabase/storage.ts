import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { type Fault, type Faults, makeFaults } from '../github/faults.ts'
import { listen, receive } from '../github/http.ts'
import type { StorageTables } from './storage-tables.ts'

/** A bucket with the columns of storage.buckets. */
export interface FakeBucket {
  id: string
  name: string
  public: boolean
  owner: string | null
  type: 'STANDARD' | 'ANALYTICS' | 'VECTOR'
  file_size_limit: number | null
  allowed_mime_types: string[] | null
  created_at: string
  updated_at: string
}

/** An object with its bytes; the bytes are null where only the row was restored. */
export interface FakeObject {
  id: string
  bucket: string
  key: string
  version: string
  /** Where there are bytes, under which version they lie. */
  bytes: Buffer | null
  etag: string
  size: number
  contentType: string
  cacheControl: string
  userMetadata: Record<string, unknown> | null
  ownerId: string | null
  createdAt: string
  updatedAt: string
}

export interface StorageDouble {
  readonly url: string
  readonly buckets: Map<string, FakeBucket>
  readonly objects: Map<string, FakeObject>
  /** Paths and methods of all calls. */
  readonly calls: { method: string; path: string; bytes: number }[]
  readonly faults: Faults
  addBucket(id: string, settings?: Partial<FakeBucket>): FakeBucket
  put(bucket: string, key: string, bytes: Buffer, settings?: Partial<FakeObject>): FakeObject
  remove(bucket: string, key: string): void
  get(bucket: string, key: string): FakeObject | undefined
  /** Downloads of objects so far. */
  downloads(): number
  /** Runs before each call: changes between listing and download. */
  onCall: ((method: string, path: string) => void) | null
  stop(): Promise<void>
}

export interface StorageDoubleOptions {
  readonly key: string
  /** Largest page of a list. */
  readonly page?: number
  /** False: a server without the newer list. */
  readonly listV2?: boolean
  /** Every call waits so long before it is looked at, as over a network. */
  readonly latencyMs?: number
  /** Something in front decodes slashes and resolves dot segments of addresses. */
  readonly resolves?: boolean
  /** False: downloads carry no entity tag. */
  readonly tags?: boolean
  /** The project's limit for each file, in bytes; without it there is none. */
  readonly uploadLimit?: () => number
  /** No gateway of the platform in front: every call needs the header `authorization`. */
  readonly wantsBearer?: boolean
  /** The older list tells folders in small letters, as some servers of one's own do. */
  readonly smallFolders?: boolean
  /** Buckets whose contents are no files; without it the server knows no such kinds. */
  readonly others?: { readonly analytics: readonly string[]; readonly vectors: readonly string[] }
  /** Files lie in a folder: of a row without its file the server says that it failed. */
  readonly fileBackend?: boolean
  /** What a cache on the way gives for an address, by bucket and key: it is another one with anything behind the `?`. */
  readonly cached?: ReadonlyMap<string, FakeObject>
  /** The database behind the API; without it the double's own maps are all there is. */
  readonly tables?: StorageTables
}

/** Keys that the API takes (supabase/storage, src/storage/limits.ts). */
const keyForm = /^[A-Za-z0-9_/!.*'() &$=@;:+,?-]*$/

/** The Storage API as a stateful server: shapes and errors as measured on the real one. */
export async function startStorage(options: StorageDoubleOptions): Promise<StorageDouble> {
  const buckets = new Map<string, FakeBucket>()
  const objects = new Map<string, FakeObject>()
  const uploads = new Map<
    string,
    { bucket: string; key: string; length: number; bytes: Buffer; settings: Partial<FakeObject> }
  >()
  const faults = makeFaults()
  const calls: StorageDouble['calls'] = []
  const idOf = (bucket: string, key: string) => `${bucket}\0${key}`
  const { tables } = options
  const uploadLimit = options.uploadLimit ?? (() => Number.POSITIVE_INFINITY)
  /** Bytes by bucket, key and version: where the real server keeps them. */
  const blobs = new Map<string, Buffer>()
  const blobOf = (bucket: string, key: string, version: string) => [bucket, key, version].join('\0')
  const syncBuckets = async () => {
    if (tables === undefined) return
    buckets.clear()
    for (const bucket of await tables.buckets()) buckets.set(bucket.id, bucket)
  }
  const syncObject = async (bucket: string, key: string) => {
    if (tables === undefined) return
    const row = await tables.object(bucket, key)
    if (row === null) return void objects.delete(idOf(bucket, key))
    objects.set(idOf(bucket, key), { ...row, bytes: blobs.get(blobOf(bucket, key, row.version)) ?? null })
  }
  const takeUpload = async (bucket: string, key: string, bytes: Buffer, settings: Partial<FakeObject>) => {
    const object = put(bucket, key, bytes, settings)
    if (tables === undefined) return
    blobs.set(blobOf(bucket, key, object.version), bytes)
    await tables.saveUpload(object)
    await syncObject(bucket, key)
  }

  const put = (bucket: string, key: string, bytes: Buffer, settings: Partial<FakeObject> = {}): FakeObject => {
    const before = objects.get(idOf(bucket, key))
    const now = new Date().toISOString()
    const object: FakeObject = {
      id: before?.id ?? randomUUID(),
      bucket,
      key,
      version: randomUUID(),
      bytes,
      etag: createHash('md5').update(bytes).digest('hex'),
      size: bytes.length,
      contentType: 'text/plain;charset=UTF-8',
      cacheControl: 'max-age=3600',
      userMetadata: null,
      ownerId: before?.ownerId ?? null,
      createdAt: before?.createdAt ?? now,
      updatedAt: now,
      ...settings
    }
    objects.set(idOf(bucket, key), object)
    return object
  }
  const addBucket = (id: string, settings: Partial<FakeBucket> = {}): FakeBucket => {
    const now = new Date().toISOString()
    const bucket: FakeBucket = {
      id,
      name: id,
      public: false,
      owner: null,
      type: 'STANDARD',
      file_size_limit: null,
      allowed_mime_types: null,
      created_at: now,
      updated_at: now,
      ...settings
    }
    buckets.set(id, bucket)
    return bucket
  }

  const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) => {
    response
      .writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
      .end(JSON.stringify(body))
  }
  /** The API answers 400 for most of its own errors; the status that it means stands in the body. */
  const problem = (response: ServerResponse, statusCode: string, error: string, message: string) =>
    json(response, 400, { statusCode, error, message })
  const missing = (response: ServerResponse) => problem(response, '404', 'not_found', 'Object not found')
  const refusedUpload = (
    bucket: FakeBucket | undefined,
    key: string,
    size: number,
    type: string
  ): [string, string, string] | null => {
    if (bucket === undefined) return ['404', 'Bucket not found', 'Bucket not found']
    if (key === '' || !keyForm.test(key)) return ['400', 'InvalidKey', `Invalid key: ${key}`]
    if (size > Math.min(bucket.file_size_limit ?? Number.POSITIVE_INFINITY, uploadLimit()))
      return ['413', 'Payload too large', 'The object exceeded the maximum allowed size']
    const [mime = ''] = type.split(';')
    if (bucket.allowed_mime_types !== null && !bucket.allowed_mime_types.includes(mime))
      return ['415', 'invalid_mime_type', `mime type ${mime} is not supported`]
    return null
  }

  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const method = incoming.method ?? 'GET'
    const [raw = '', query = ''] = (incoming.url ?? '').split('?')
    // As a proxy in front does: what is left of dot segments is resolved before the API sees it.
    const address = options.resolves === true ? raw.replaceAll('%2F', '/') : raw
    const path = address.split('/').includes('..') ? new URL(address, 'http://x').pathname : address
    onEveryCall?.(method, path)
    const fault = faults.take(method, path)
    const { bytes, whole } = await receive(
      incoming,
      fault?.cut !== undefined && method !== 'GET' ? fault.cut : undefined
    )
    calls.push({ method, path, bytes: bytes.length })
    if (fault?.hang === true) return
    if (fault?.status !== undefined) {
      if (fault.headers?.['content-type'] === 'text/html')
        response.writeHead(fault.status, fault.headers).end(String(fault.body))
      else
        json(
          response,
          fault.status,
          fault.body ?? { statusCode: String(fault.status), error: 'Fault', message: 'A fault of the test' },
          { ...fault.headers }
        )
      return
    }
    const transfer = fault?.breakAfter !== undefined || fault?.cut !== undefined || fault?.flip !== undefined
    if (fault !== undefined && (!transfer || !whole)) {
      if (fault.cut === undefined || !path.includes('/upload/resumable/')) return void response.destroy()
    }
    const bearer = incoming.headers.authorization
    if (options.wantsBearer === true && bearer === undefined)
      return problem(response, '400', 'Error', "headers must have required property 'authorization'")
    const keyed =
      incoming.headers['apikey'] === options.key &&
      (options.key.startsWith('sb_') && options.wantsBearer !== true
        ? bearer === undefined
        : bearer === `Bearer ${options.key}`)
    if (!keyed) return problem(response, '403', 'Unauthorized', 'signature verification failed')
    const rest = path.replace(/^\/storage\/v1\//, '')
    const segments = rest.split('/')

    if (segments[0] === 'bucket') await syncBuckets()
    if (fault?.breakAfter !== undefined && !/^object\/(?!info\/|list)/.test(rest)) {
      // The head and a beginning of the answer come, then the connection breaks.
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
      return void response.write('[{"id"'.slice(0, fault.breakAfter), () => setImmediate(() => response.destroy()))
    }
    if (rest === 'bucket' && method === 'GET') {
      const asked = new URLSearchParams(query)
      const all = [...buckets.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
      const offset = Number(asked.get('offset') ?? 0)
      return json(response, 200, all.slice(offset, offset + Number(asked.get('limit') ?? 100)))
    }
    if (segments[0] === 'bucket') {
      const body = JSON.parse(bytes.toString() || '{}')
      if (method === 'POST') {
        if (buckets.has(body.id)) return problem(response, '409', 'Duplicate', 'The resource already exists')
        const made = addBucket(body.id, { public: body.public === true })
        await tables?.saveBucket(made)
        return json(response, 200, { name: body.id })
      }
      const bucket = buckets.get(decodeURIComponent(segments[1] ?? ''))
      if (bucket === undefined) return problem(response, '404', 'Bucket not found', 'Bucket not found')
      if (method === 'PUT') {
        if (Number(body.file_size_limit ?? 0) > uploadLimit())
          return problem(response, '413', 'Payload too large', 'The object exceeded the maximum allowed size')
        for (const name of ['public', 'file_size_limit', 'allowed_mime_types'] as const)
          if (name in body) Object.assign(bucket, { [name]: body[name] })
        await tables?.saveBucket(bucket)
        return json(response, 200, { message: 'Successfully updated' })
      }
    }
    if (rest.startsWith('object/list-v2/') && method === 'POST' && options.listV2 === false)
      return json(response, 400, { message: 'This feature is not available for your tenant' })
    if (rest.startsWith('object/list/') && method === 'POST') {
      const asked = JSON.parse(bytes.toString())
      const bucket = decodeURIComponent(segments[2] ?? '')
      const found = folderOf(
        [...objects.values()].filter((object) => object.bucket === bucket),
        String(asked.prefix ?? ''),
        options.smallFolders === true
      )
      const limit = Math.min(asked.limit ?? 100, options.page ?? 1500)
      return json(response, 200, found.slice(asked.offset ?? 0, (asked.offset ?? 0) + limit))
    }
    if (rest.startsWith('object/list-v2/') && method === 'POST') {
      const bucket = decodeURIComponent(segments[2] ?? '')
      const body = JSON.parse(bytes.toString())
      const limit = Math.min(body.limit ?? 1000, options.page ?? 1000)
      const after = body.cursor === undefined ? '' : Buffer.from(body.cursor, 'base64').toString()
      const from = Buffer.from(after)
      const found = [...objects.values()]
        .filter((object) => object.bucket === bucket && object.key.startsWith(body.prefix ?? ''))
        .map((object) => ({ object, bytes: Buffer.from(object.key) }))
        .filter(({ bytes }) => Buffer.compare(bytes, from) > 0)
        .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
      const page = found.slice(0, limit).map(({ object }) => object)
      return json(response, 200, {
        hasNext: found.length > limit,
        ...(found.length > limit ? { nextCursor: Buffer.from(page.at(-1)?.key ?? '').toString('base64') } : {}),
        folders: [],
        objects: page.map((object) => listed(object, object.key))
      })
    }
    if (rest === 'iceberg/bucket' && options.others !== undefined)
      return json(
        response,
        200,
        options.others.analytics.map((name) => ({ id: name, name, type: 'ANALYTICS', created_at: '', updated_at: '' }))
      )
    if (rest === 'vector/ListVectorBuckets' && method === 'POST' && options.others !== undefined)
      return json(response, 200, {
        vectorBuckets: options.others.vectors.map((vectorBucketName) => ({ vectorBucketName, creationTime: 0 }))
      })
    if (rest.startsWith('upload/resumable')) return resumable(incoming, response, method, segments[2], bytes, fault)
    const isInfo = rest.startsWith('object/info/')
    const named = isInfo ? segments.slice(2) : segments.slice(1)
    const bucketId = decodeURIComponent(named[0] ?? '')
    let key: string
    try {
      key = decodeURIComponent(named.slice(1).join('/'))
    } catch {
      return json(response, 400, { error: 'FST_ERR_BAD_URL', message: 'is not a valid url component' })
    }
    await syncObject(bucketId, key)
    const object = objects.get(idOf(bucketId, key))
    if (segments[0] === 'object' && method === 'GET') {
      if (isInfo) {
        if (object === undefined) return missing(response)
        return json(response, 200, {
          id: object.id,
          name: object.key,
          version: object.version,
          size: object.size,
          content_type: object.contentType,
          cache_control: object.cacheControl,
          etag: `"${object.etag}"`,
          metadata: object.userMetadata,
          last_modified: object.updatedAt,
          created_at: object.createdAt
        })
      }
      const stale = query === '' ? options.cached?.get(`${bucketId}/${key}`) : undefined
      if (stale !== undefined && stale.bytes !== null)
        return sendObject(incoming, response, stale, stale.bytes, fault, options.tags !== false)
      if (object === undefined) return missing(response)
      if (object.bytes === null)
        return options.fileBackend === true
          ? json(response, 500, { statusCode: '500', error: 'Internal', message: 'Internal Server Error' })
          : missing(response)
      return sendObject(incoming, response, object, object.bytes, fault, options.tags !== false)
    }
    if (segments[0] === 'object' && (method === 'POST' || method === 'PUT')) {
      const type = incoming.headers['content-type'] ?? 'application/octet-stream'
      const refused = refusedUpload(buckets.get(bucketId), key, bytes.length, type)
      if (refused !== null) return problem(response, ...refused)
      if (object !== undefined && incoming.headers['x-upsert'] !== 'true')
        return problem(response, '409', 'Duplicate', 'The resource already exists')
      const metadata = incoming.headers['x-metadata']
      await takeUpload(bucketId, key, bytes, {
        contentType: type,
        cacheControl: incoming.headers['cache-control'] ?? 'no-cache',
        userMetadata: typeof metadata === 'string' ? JSON.parse(Buffer.from(metadata, 'base64').toString()) : null
      })
      return json(response, 200, { Key: `${bucketId}/${key}`, Id: objects.get(idOf(bucketId, key))?.id })
    }
    json(response, 404, { message: `Route ${method}:${path} not found`, error: 'Not Found', statusCode: 404 })
  }

  const resumable = async (
    incoming: IncomingMessage,
    response: ServerResponse,
    method: string,
    id: string | undefined,
    bytes: Buffer,
    fault: Fault | undefined
  ): Promise<void> => {
    const tus = { 'tus-resumable': '1.0.0' }
    /** The real server looks at each request whether a file that is there may be replaced (supabase/storage, src/http/routes/tus/index.ts). */
    const isTaken = async (bucketName: string, objectName: string): Promise<boolean> => {
      await syncObject(bucketName, objectName)
      return objects.has(idOf(bucketName, objectName)) && incoming.headers['x-upsert'] !== 'true'
    }
    const taken = () => void response.writeHead(409, tus).end('The resource already exists')
    if (method === 'POST') {
      const told = Object.fromEntries(
        String(incoming.headers['upload-metadata'])
          .split(',')
          .map((pair) => {
            const [name = '', value = ''] = pair.split(' ')
            return [name, Buffer.from(value, 'base64').toString()]
          })
      )
      const { bucketName = '', objectName = '', contentType = '' } = told
      const length = Number(incoming.headers['upload-length'])
      const refused = refusedUpload(buckets.get(bucketName), objectName, length, contentType)
      if (refused !== null) return void response.writeHead(Number(refused[0]), tus).end(refused[2])
      if (await isTaken(bucketName, objectName)) return taken()
      const fresh = randomUUID()
      uploads.set(fresh, {
        bucket: bucketName,
        key: objectName,
        length,
        bytes: Buffer.alloc(0),
        settings: {
          contentType,
          cacheControl: /^-?\d+$/.test(told['cacheControl'] ?? '') ? `max-age=${told['cacheControl']}` : 'no-cache',
          userMetadata: told['metadata'] === undefined ? null : JSON.parse(told['metadata'])
        }
      })
      return void response
        .writeHead(201, { ...tus, location: `http://storage.internal/upload/resumable/${fresh}` })
        .end()
    }
    const upload = uploads.get(id ?? '')
    if (upload === undefined) return void response.writeHead(404, tus).end('Not found')
    if (await isTaken(upload.bucket, upload.key)) return taken()
    if (method === 'PATCH') {
      if (Number(incoming.headers['upload-offset']) !== upload.bytes.length)
        return void response.writeHead(409, tus).end('Conflict')
      upload.bytes = Buffer.concat([upload.bytes, bytes])
      // Torn off: what came is kept, and no answer is given.
      if (fault?.cut !== undefined) return void response.destroy()
      if (upload.bytes.length === upload.length)
        await takeUpload(upload.bucket, upload.key, upload.bytes, upload.settings)
    }
    response
      .writeHead(method === 'HEAD' ? 200 : 204, {
        ...tus,
        'upload-offset': String(upload.bytes.length),
        'upload-length': String(upload.length)
      })
      .end()
  }

  let onEveryCall: StorageDouble['onCall'] = null
  const server = createServer((incoming, response) => {
    const answered =
      options.latencyMs === undefined
        ? handle(incoming, response)
        : delay(options.latencyMs).then(() => handle(incoming, response))
    answered.catch((error: unknown) => {
      response
        .writeHead(500, { 'content-type': 'application/json' })
        .end(JSON.stringify({ statusCode: '500', error: 'Bug', message: String(error) }))
    })
  })
  server.keepAliveTimeout = 60_000
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}`,
    buckets,
    objects,
    calls,
    faults,
    addBucket,
    put,
    remove: (bucket, key) => void objects.delete(idOf(bucket, key)),
    get: (bucket, key) => objects.get(idOf(bucket, key)),
    downloads: () => calls.filter(({ method, path }) => method === 'GET' && /\/object\/(?!info\/)/.test(path)).length,
    get onCall() {
      return onEveryCall
    },
    set onCall(call) {
      onEveryCall = call
    },
    stop: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
      await tables?.end()
    }
  }
}

function listed(object: FakeObject, name: string): object {
  return {
    id: object.id,
    name,
    created_at: object.createdAt,
    updated_at: object.updatedAt,
    last_accessed_at: object.updatedAt,
    metadata: {
      eTag: `"${object.etag}"`,
      size: object.size,
      mimetype: object.contentType,
      cacheControl: object.cacheControl
    }
  }
}

/** One folder, as the older list shows it: the prefix is a pattern of `ILIKE`, and only the last part of each name is told. */
function folderOf(objects: readonly FakeObject[], asked: string, small = false): readonly object[] {
  const prefix = asked === '' || asked.endsWith('/') ? asked : `${asked}/`
  const level = prefix.split('/').length
  const pattern = prefix
    .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('%', '.*')
    .replaceAll('_', '.')
  const found = new Map<string, object>()
  for (const object of objects) {
    if (!new RegExp(`^${pattern}`, 'is').test(object.key)) continue
    const parts = object.key.split('/')
    const name = parts[level - 1] ?? ''
    if (parts.length > level)
      found.set(`0${name}`, {
        id: null,
        name: small ? name.toLowerCase() : name,
        created_at: null,
        updated_at: null,
        last_accessed_at: null,
        metadata: null
      })
    else found.set(`1${name} ${object.key}`, listed(object, name))
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item)
}

function sendObject(
  incoming: IncomingMessage,
  response: ServerResponse,
  object: FakeObject,
  whole: Buffer,
  fault: Fault | undefined,
  hasTag: boolean
): void {
  const range = /^bytes=(\d+)-$/.exec(incoming.headers.range ?? '')
  const from = range === null ? 0 : Number(range[1])
  let bytes = whole.subarray(from)
  if (fault?.flip !== undefined) {
    bytes = Buffer.from(bytes)
    bytes[fault.flip] = (bytes[fault.flip] ?? 0) ^ 1
  }
  if (fault?.cut !== undefined) bytes = bytes.subarray(0, fault.cut)
  response.writeHead(range === null ? 200 : 206, {
    'content-type': object.contentType,
    'content-length': String(bytes.length),
    ...(hasTag ? { etag: `"${object.etag}"` } : {}),
    'cache-control': object.cacheControl,
    ...(range === null ? {} : { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` })
  })
  if (fault?.breakAfter === undefined) return void response.end(bytes)
  response.write(bytes.subarray(0, fault.breakAfter), () => setTimeout(() => response.destroy(), 20))
}
