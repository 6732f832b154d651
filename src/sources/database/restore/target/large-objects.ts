import type { Connection } from '../../../../clients/postgres/connection.ts'

/** Numbers of the large objects that the target holds. */
export async function readLargeObjects(connection: Connection): Promise<ReadonlySet<string>> {
  const rows = await connection.query<{ oid: string }>(
    'select oid::text as oid from pg_catalog.pg_largeobject_metadata'
  )
  return new Set(rows.map(({ oid }) => oid))
}
