import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { StorageBucketFacts } from '../../archive/contents-storage.ts'
import { type Glob, globMatches } from '../../base/glob.ts'
import type { Connection } from '../../clients/postgres/connection.ts'
import { isAddressable, type OtherBucket, plainEtag, type SupabaseStorage } from '../../clients/supabase/storage.ts'
import type { LineFile } from './jsonl-file.ts'

const nullable = z
  .string()
  .nullish()
  .transform((value) => value ?? null)

/** An object as it is to be captured. */
export const listedObjectSchema = z.object({
  bucket: z.string(),
  key: z.string(),
  id: z.string().nullable(),
  /** As storage.objects has it; null where only the API was asked. */
  version: z.string().nullable(),
  etag: z.string().nullable(),
  size: z.number().nullable(),
  contentType: z.string().nullable(),
  cacheControl: z.string().nullable(),
  userMetadata: z.record(z.string(), z.unknown()).nullable(),
  ownerId: z.string().nullable(),
  createdAt: z.string().nullable(),
  updatedAt: z.string().nullable(),
  lastAccessedAt: z.string().nullable()
})
export type ListedObject = z.infer<typeof listedObjectSchema>

/** What there is to capture; the objects themselves are in a file, since there may be any number. */
export interface Listing {
  readonly from: 'database' | 'api'
  readonly buckets: readonly StorageBucketFacts[]
  /** Earlier versions of objects, which the API does not give. */
  readonly olderVersions: number
  /** Objects whose users' metadata are no JSON object, so that no API sets them again: they are captured without. */
  readonly oddMetadata: number
}

/** `!name`: the buckets that a pattern leaves out; undefined where it names those to take. */
function leavesOut([first = '', ...rest]: Glob): Glob | undefined {
  return first.startsWith('!') ? [first.slice(1), ...rest] : undefined
}

/** The buckets that the input `buckets` means: all, or those that a pattern names, without those that one leaves out. */
export function isChosen(patterns: readonly Glob[], bucket: string): boolean {
  const taking = patterns.filter((pattern) => leavesOut(pattern) === undefined)
  const leaving = patterns.map(leavesOut).filter((pattern) => pattern !== undefined)
  if (leaving.some((pattern) => globMatches(pattern, bucket))) return false
  return taking.length === 0 || taking.some((pattern) => globMatches(pattern, bucket))
}

/** The patterns of buckets to take that fit none of these, as they were written. */
export function fittingNothing(patterns: readonly Glob[], buckets: readonly { readonly id: string }[]): string[] {
  return patterns
    .filter((pattern) => leavesOut(pattern) === undefined && !buckets.some(({ id }) => globMatches(pattern, id)))
    .map((pattern) => pattern.join('*'))
}

/** Only these hold files. */
export function holdsFiles(bucket: StorageBucketFacts): boolean {
  return bucket.type === 'STANDARD'
}

/**
 * Name of an object's file in a pack, and its key in the plain list of what lies in the pool: a hash of bucket, key and version. Versions are
 * random uuids; where the API does not tell them, the object's random id stands with what changes at an upload. So nobody can try out names.
 */
export function entryOf(
  object: Pick<ListedObject, 'bucket' | 'key' | 'version' | 'id' | 'etag' | 'size' | 'updatedAt'>
): string {
  const version = object.version ?? [object.id, object.etag, object.size, object.updatedAt].join('\u0001')
  return createHash('sha256').update([object.bucket, object.key, version].join('\0')).digest('hex').slice(0, 32)
}

const bucketRow = z.object({
  id: z.string(),
  name: z.string(),
  public: z.boolean().nullish(),
  type: z.string().nullish(),
  file_size_limit: z.number().nullish(),
  allowed_mime_types: z.array(z.string()).nullish(),
  owner_id: nullable,
  owner: nullable,
  created_at: nullable,
  updated_at: nullable
})
const objectRow = z.object({
  id: nullable,
  bucket_id: z.string(),
  name: z.string(),
  version: nullable,
  owner_id: nullable,
  owner: nullable,
  created_at: nullable,
  updated_at: nullable,
  last_accessed_at: nullable,
  user_metadata: z.unknown().optional(),
  metadata: z.unknown().optional(),
  archived_at: nullable,
  is_delete_marker: z.boolean().nullish()
})

const settingsShape = z.record(z.string(), z.unknown())

/**
 * The JSON columns of an object. Whoever may write to the table puts anything there, and what one of them holds must not cost the others: a value of
 * another form than the platform's counts as none. `odd` tells that the user's own metadata were left out so.
 */
function settingsOf(
  metadata: unknown,
  own: unknown
): Pick<ListedObject, 'etag' | 'size' | 'contentType' | 'cacheControl' | 'userMetadata'> & { readonly odd: boolean } {
  const platform = settingsShape.safeParse(metadata).data ?? {}
  const users = settingsShape.safeParse(own)
  const text = (name: string): string | null => {
    const value = platform[name]
    return typeof value === 'string' ? value : null
  }
  const size = platform['size']
  const bytes = typeof size === 'string' && /^\d{1,15}$/.test(size) ? Number(size) : size
  return {
    etag: plainEtag(text('eTag')),
    size: typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : null,
    contentType: text('mimetype'),
    cacheControl: text('cacheControl'),
    userMetadata: users.success ? users.data : null,
    odd: !users.success && own !== null && own !== undefined
  }
}

/**
 * Lists buckets and objects in the snapshot of an open transaction, in batches. Null where the database has no `storage.objects`. Columns differ
 * between versions of the platform: rows come as JSON and what is missing is null.
 */
export async function listFromDatabase(
  connection: Pick<Connection, 'query' | 'stream'>,
  patterns: readonly Glob[],
  objects: LineFile
): Promise<Listing | null> {
  const [there] = await connection.query<{ there: boolean }>(
    `select pg_catalog.to_regclass('storage.objects') is not null and pg_catalog.to_regclass('storage.buckets') is not null as there`
  )
  if (there?.there !== true) return null
  const rows = await connection.query<{ row: string }>(
    'select pg_catalog.to_jsonb(b)::text as row from storage.buckets b order by b.id collate "C"'
  )
  const buckets = rows
    .map(({ row }) => bucketRow.parse(JSON.parse(row)))
    .filter((bucket) => isChosen(patterns, bucket.id))
    .map(
      (bucket): StorageBucketFacts => ({
        id: bucket.id,
        name: bucket.name,
        public: bucket.public ?? false,
        type: bucket.type ?? 'STANDARD',
        fileSizeLimit: bucket.file_size_limit ?? null,
        allowedMimeTypes: bucket.allowed_mime_types ?? null,
        ownerId: bucket.owner_id ?? bucket.owner,
        createdAt: bucket.created_at,
        updatedAt: bucket.updated_at
      })
    )
  buckets.push(...otherBuckets(await othersInDatabase(connection), patterns, buckets))
  const wanted = new Set(buckets.filter(holdsFiles).map((bucket) => bucket.id))
  let olderVersions = 0
  let oddMetadata = 0
  const select =
    'select pg_catalog.to_jsonb(o)::text as row from storage.objects o order by o.bucket_id collate "C", o.name collate "C"'
  for await (const { row } of connection.stream<{ row: string }>(select, [], 2000)) {
    const object = objectRow.parse(JSON.parse(row))
    if (!wanted.has(object.bucket_id)) continue
    if (object.archived_at !== null || object.is_delete_marker === true) {
      olderVersions += 1
      continue
    }
    const { odd, ...settings } = settingsOf(object.metadata, object.user_metadata)
    if (odd) oddMetadata += 1
    await objects.add({
      bucket: object.bucket_id,
      key: object.name,
      id: object.id,
      version: object.version,
      ...settings,
      ownerId: object.owner_id ?? object.owner,
      createdAt: object.created_at,
      updatedAt: object.updated_at,
      lastAccessedAt: object.last_accessed_at
    } satisfies ListedObject)
  }
  return { from: 'database', buckets, olderVersions, oddMetadata }
}

/** Buckets of other kinds, which newer versions of the platform keep in tables of their own. */
async function othersInDatabase(connection: Pick<Connection, 'query'>): Promise<OtherBucket[]> {
  const others: OtherBucket[] = []
  for (const [table, type] of [
    ['storage.buckets_analytics', 'ANALYTICS'],
    ['storage.buckets_vectors', 'VECTOR']
  ] as const) {
    // An error would end the transaction that the snapshot lives in.
    const [there] = await connection.query<{ readable: boolean }>(
      `select coalesce(pg_catalog.has_table_privilege(pg_catalog.to_regclass($1), 'select'), false) as readable`,
      [table]
    )
    if (there?.readable !== true) continue
    const rows = await connection.query<{ row: string }>(`select pg_catalog.to_jsonb(b)::text as row from ${table} b`)
    for (const { row } of rows) {
      const { id, name, deleted_at: deletedAt } = otherRow.parse(JSON.parse(row))
      if (deletedAt === null) others.push({ name: name ?? id, type })
    }
  }
  return others.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

const otherRow = z.object({ id: z.string(), name: nullable, deleted_at: nullable })

/** As facts, those that are chosen and not listed already. */
function otherBuckets(
  others: readonly OtherBucket[],
  patterns: readonly Glob[],
  known: readonly StorageBucketFacts[]
): StorageBucketFacts[] {
  return others
    .filter(
      ({ name, type }) => isChosen(patterns, name) && !known.some((each) => each.id === name && each.type === type)
    )
    .map(({ name, type }) => ({
      id: name,
      name,
      public: false,
      type,
      fileSizeLimit: null,
      allowedMimeTypes: null,
      ownerId: null,
      createdAt: null,
      updatedAt: null
    }))
}

/** Lists buckets and objects through the API: versions and the users' own metadata are only known object by object. */
export async function listFromApi(
  storage: SupabaseStorage,
  patterns: readonly Glob[],
  objects: LineFile
): Promise<Listing> {
  const buckets = (await storage.listBuckets())
    .filter((bucket) => isChosen(patterns, bucket.id))
    .map(
      ({ owner, allowedMimeTypes, ...bucket }): StorageBucketFacts => ({
        ...bucket,
        allowedMimeTypes: allowedMimeTypes === null ? null : [...allowedMimeTypes],
        ownerId: owner
      })
    )
  buckets.push(...otherBuckets(await storage.listOtherBuckets(), patterns, buckets))
  for (const bucket of buckets.filter((each) => holdsFiles(each) && isAddressable(each.id, 'any'))) {
    for await (const object of storage.listObjects(bucket.id)) {
      await objects.add({
        bucket: bucket.id,
        version: null,
        userMetadata: null,
        ownerId: null,
        ...object
      } satisfies ListedObject)
    }
  }
  return { from: 'api', buckets, olderVersions: 0, oddMetadata: 0 }
}
