import type { PostgresServer } from '../postgres/server.ts'
import type { FakeBucket, FakeObject } from './storage.ts'

/**
 * The tables behind the Storage API, which are the truth in a real project: what is changed in them by other hands, the API sees at once, and an
 * upload changes them as the real server does.
 */
export interface StorageTables {
  buckets(): Promise<readonly FakeBucket[]>
  saveBucket(bucket: FakeBucket): Promise<void>
  object(bucket: string, key: string): Promise<Omit<FakeObject, 'bytes'> | null>
  /** Makes the row, or changes what an upload changes of one that is there: not its id, its creation and its owner. */
  saveUpload(object: FakeObject): Promise<void>
  end(): Promise<void>
}

interface ObjectRow {
  readonly id: string
  readonly version: string | null
  readonly owner_id: string | null
  readonly created_at: string
  readonly updated_at: string
  readonly user_metadata: Record<string, unknown> | null
  readonly metadata: Readonly<Record<string, string | number>> | null
}

/** Works in the tables `storage.buckets` and `storage.objects` of a server with the platform's fixture. */
export async function storageTables(server: PostgresServer): Promise<StorageTables> {
  const client = await server.connect()
  let before: Promise<unknown> = Promise.resolve()
  /** One query after the other, as a client takes them. */
  const query = <T extends object>(sql: string, values: readonly unknown[] = []): Promise<readonly T[]> => {
    const done = before.then(async () => (await client.query<T>(sql, [...values])).rows)
    before = done.catch(() => undefined)
    return done
  }
  return {
    async buckets() {
      const rows = await query<{ row: FakeBucket }>('select to_jsonb(b) as row from storage.buckets b')
      return rows.map(({ row }) => row)
    },
    async saveBucket({ id, name, public: isPublic, file_size_limit, allowed_mime_types }) {
      await query(
        `insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values ($1, $2, $3, $4, $5)
         on conflict (id) do update set public = excluded.public, file_size_limit = excluded.file_size_limit, allowed_mime_types = excluded.allowed_mime_types`,
        [id, name, isPublic, file_size_limit, allowed_mime_types]
      )
    },
    async object(bucket, key) {
      const rows = await query<{ row: ObjectRow }>(
        'select to_jsonb(o) as row from storage.objects o where bucket_id = $1 and name = $2',
        [bucket, key]
      )
      const row = rows[0]?.row
      if (row === undefined) return null
      const { metadata } = row
      return {
        id: row.id,
        bucket,
        key,
        version: row.version ?? '',
        etag: String(metadata?.['eTag'] ?? '').replaceAll('"', ''),
        size: Number(metadata?.['size'] ?? 0),
        contentType: String(metadata?.['mimetype'] ?? ''),
        cacheControl: String(metadata?.['cacheControl'] ?? ''),
        userMetadata: row.user_metadata,
        ownerId: row.owner_id,
        createdAt: row.created_at,
        updatedAt: row.updated_at
      }
    },
    async saveUpload({ bucket, key, version, etag, size, contentType, cacheControl, userMetadata }) {
      const metadata = {
        eTag: `"${etag}"`,
        size,
        mimetype: contentType,
        cacheControl,
        lastModified: new Date().toISOString(),
        contentLength: size,
        httpStatusCode: 200
      }
      await query(
        `insert into storage.objects (bucket_id, name, version, metadata, user_metadata) values ($1, $2, $3, $4, $5)
         on conflict (bucket_id, name) do update set version = excluded.version, metadata = excluded.metadata, user_metadata = excluded.user_metadata`,
        [bucket, key, version, metadata, userMetadata]
      )
    },
    end: () => client.end()
  }
}
