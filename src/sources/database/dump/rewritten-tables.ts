import type { Connection } from '../../../clients/postgres/connection.ts'
import { readable } from '../catalog/quote.ts'

/**
 * Names of tables whose file is another one than in the connection's snapshot. TRUNCATE and ALTER TABLE give a table a new file in which an older snapshot
 * sees no row at all, neither of before nor of after (PostgreSQL, "MVCC Caveats"): whoever reads there finds the table empty, though it never was. VACUUM
 * FULL and CLUSTER keep what older snapshots see, and change the file, too.
 *
 * To be asked when the tables are locked: before, it may still happen. Needs a transaction; leaves it as it was.
 */
export async function rewrittenTables(connection: Connection): Promise<ReadonlySet<string>> {
  // What other sessions did is taken note of when a lock is taken that this transaction has not: else the server may answer from its cache.
  await connection.query('savepoint looked; lock table pg_catalog.pg_am in access share mode')
  const rows = await connection.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relfilenode <> 0 and pg_relation_filenode(c.oid) is distinct from c.relfilenode`
  )
  await connection.query('rollback to savepoint looked; release savepoint looked')
  return new Set(rows.map(readable))
}
