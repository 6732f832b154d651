import type { StorageBucketFacts, StoredObject } from '../../archive/contents-storage.ts'
import type { Connection } from '../../clients/postgres/connection.ts'
import { attempt } from '../../clients/postgres/savepoint.ts'
import { sqlStateOf } from '../../clients/postgres/server-error.ts'
import { asError, UserError } from '../../errors.ts'
import type { Finding } from '../source.ts'

const batch = 1000

/**
 * Gives the rows of uploaded files the ids, owners and times of the source, and buckets theirs, in one transaction. As replica, where the role may
 * be: triggers would set the time of the change. What the role may not do is told.
 */
export async function restoreRows(
  connection: Connection,
  buckets: readonly StorageBucketFacts[],
  objects: AsyncIterable<StoredObject>,
  listedFrom: 'database' | 'api',
  findings: Finding[]
): Promise<void> {
  // The API does not tell owners: only a list from the database knows that a file has none.
  const owner = listedFrom === 'database' ? 'r.owner_id' : 'coalesce(r.owner_id, o.owner_id)'
  const chosen = new Set(buckets.map((bucket) => bucket.id))
  try {
    await connection.query('begin')
    await connection.query('savepoint as_replica')
    try {
      await connection.query('set local session_replication_role = replica')
    } catch (thrown) {
      if (!(thrown instanceof UserError)) throw thrown
      await connection.query('rollback to savepoint as_replica')
      findings.push({
        kind: 'note',
        subject: 'Storage',
        detail: `the times of the last change are those of the restore, since triggers set them: ${thrown.message}`
      })
    }
    let rows: (Readonly<Record<string, string | null | undefined>> & {
      readonly bucket: string
      readonly key: string
    })[] = []
    const set = async (some: typeof rows) =>
      await connection.query(
        `update storage.objects o set id = coalesce(r.id, o.id), owner_id = ${owner}, created_at = coalesce(r.created_at, o.created_at),
  updated_at = coalesce(r.updated_at, o.updated_at), last_accessed_at = coalesce(r.last_accessed_at, o.last_accessed_at)
from pg_catalog.jsonb_to_recordset($1::jsonb) as r(bucket text, key text, id uuid, owner_id text, created_at timestamptz, updated_at timestamptz, last_accessed_at timestamptz)
where o.bucket_id = r.bucket and o.name = r.key`,
        [JSON.stringify(some)]
      )
    const update = async () => {
      const all = rows
      rows = []
      if (await isTaken(() => set(all), connection))
        for (const row of all)
          if (await isTaken(() => set([row]), connection))
            findings.push({
              kind: 'difference',
              subject: `Storage file ${row.bucket}/${row.key}`,
              detail: 'another file of the target has its id: its id, owner and times could not be set'
            })
    }
    for await (const { bucket, key, id, ownerId, createdAt, updatedAt, lastAccessedAt } of objects) {
      if (!chosen.has(bucket)) continue
      rows.push({
        bucket,
        key,
        id,
        owner_id: ownerId,
        created_at: createdAt,
        updated_at: updatedAt,
        last_accessed_at: lastAccessedAt
      })
      if (rows.length >= batch) await update()
    }
    if (rows.length > 0) await update()
    await connection.query(
      `update storage.buckets b set owner_id = coalesce(r.owner_id, b.owner_id), created_at = coalesce(r.created_at, b.created_at), updated_at = coalesce(r.updated_at, b.updated_at)
from pg_catalog.jsonb_to_recordset($1::jsonb) as r(id text, owner_id text, created_at timestamptz, updated_at timestamptz) where b.id = r.id`,
      [
        JSON.stringify(
          buckets.map(({ id, ownerId, createdAt, updatedAt }) => ({
            id,
            owner_id: ownerId,
            created_at: createdAt,
            updated_at: updatedAt
          }))
        )
      ]
    )
    await connection.query('commit')
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown
    // The connection may be broken, which ends the transaction as well.
    await connection.query('rollback').catch(() => undefined)
    findings.push({
      kind: 'difference',
      subject: 'Storage',
      detail: `ids, owners and times of the files could not be set: ${asError(thrown).message}`
    })
  }
}

/** Whether an id is another row's; nothing of that statement stays then. */
async function isTaken(work: () => Promise<unknown>, connection: Connection): Promise<boolean> {
  return !(await attempt(connection, work, (error) => sqlStateOf(error) === '23505')).done
}
