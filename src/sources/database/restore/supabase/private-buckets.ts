import type { Connection } from '../../../../clients/postgres/connection.ts'
import type { Finding } from '../../../source.ts'
import type { RowsPlan } from '../plan/restore-plan.ts'

/** Ids of the target's private buckets, where the rows of its buckets are about to be exchanged for the backup's. */
export async function privateBuckets(connection: Connection, rows: readonly RowsPlan[]): Promise<readonly string[]> {
  const exchanged = rows.some(
    ({ way, platform, facts }) =>
      way === 'exchange' && platform && facts.schema === 'storage' && facts.name === 'buckets'
  )
  if (!exchanged) return []
  const found = await connection.query<{ id: string }>(
    `select to_jsonb(b) ->> 'id' as id from storage.buckets b where to_jsonb(b) ->> 'public' is distinct from 'true'`
  )
  return found.map(({ id }) => id)
}

/** Makes private again what was, in the open transaction: a restore widens no one's view of files that the target keeps to itself. */
export async function keepPrivate(connection: Connection, ids: readonly string[]): Promise<Finding[]> {
  if (ids.length === 0) return []
  const widened = await connection.query<{ id: string }>(
    'update storage.buckets set public = false where public and id = any($1) returning id',
    [ids]
  )
  return widened.map(({ id }) => ({
    kind: 'todo',
    subject: `Storage bucket ${id}`,
    detail:
      'it was public in the source and is private in the target: it stays private; make it public by hand if that is meant'
  }))
}
