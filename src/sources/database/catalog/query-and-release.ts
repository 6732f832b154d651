import type { Connection } from '../../../clients/postgres/connection.ts'

/**
 * Runs a statement that only reads, and lets go of the locks that it took: a transaction that looks at every table would hold one for each, and for each
 * index, until its end, and servers have room for some thousands. Needs an open transaction. Source: PostgreSQL, ROLLBACK TO SAVEPOINT releases them.
 */
export async function queryAndRelease<R extends Record<string, unknown>>(
  connection: Connection,
  sql: string
): Promise<R[]> {
  const rows = await connection.query<R>(`savepoint looking; ${sql}`)
  await connection.query('rollback to savepoint looking; release savepoint looking')
  return rows
}
