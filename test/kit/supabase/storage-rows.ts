import type { PostgresServer } from '../postgres/server.ts'
import type { StorageDouble } from './storage.ts'

/** Writes the rows that a project's database holds about what is in its Storage, in place of those that are there. */
export async function writeStorageRows(server: PostgresServer, storage: StorageDouble): Promise<void> {
  const buckets = [...storage.buckets.values()]
  const objects = [...storage.objects.values()].map((object) => ({
    id: object.id,
    bucket_id: object.bucket,
    name: object.key,
    created_at: object.createdAt,
    updated_at: object.updatedAt,
    last_accessed_at: object.updatedAt,
    version: object.version,
    owner_id: object.ownerId,
    user_metadata: object.userMetadata,
    metadata: {
      eTag: `"${object.etag}"`,
      size: object.size,
      mimetype: object.contentType,
      cacheControl: object.cacheControl,
      contentLength: object.size,
      httpStatusCode: 200
    }
  }))
  await server.query(`truncate storage.objects, storage.buckets cascade`)
  await server.query(
    `insert into storage.buckets (id, name, public, type, file_size_limit, allowed_mime_types, created_at, updated_at)
     select id, name, public, type, file_size_limit, allowed_mime_types, created_at, updated_at from jsonb_populate_recordset(null::storage.buckets, $1::jsonb)`,
    [JSON.stringify(buckets)]
  )
  await server.query(
    `insert into storage.objects (id, bucket_id, name, created_at, updated_at, last_accessed_at, metadata, version, owner_id, user_metadata)
     select id, bucket_id, name, created_at, updated_at, last_accessed_at, metadata, version, owner_id, user_metadata
     from jsonb_populate_recordset(null::storage.objects, $1::jsonb)`,
    [JSON.stringify(objects)]
  )
}
