import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'

/**
 * Runs SQL that the server may refuse inside the open transaction, which goes on either way: null when it was done, else the server's error, and nothing
 * of it happened. What is no answer of the server is thrown.
 */
export async function refusalOf(connection: Connection, sql: string): Promise<unknown> {
  try {
    // On lines of its own: it may end with a comment.
    await connection.query(`savepoint attempt;\n${sql}\n;release savepoint attempt`)
    return null
  } catch (error) {
    if (sqlStateOf(error) === undefined || connection.broken.aborted) throw error
    await connection.query('rollback to savepoint attempt; release savepoint attempt')
    return error
  }
}
