import type { Connection } from '../../../../clients/postgres/connection.ts'
import { serverErrorOf, sqlStateOf } from '../../../../clients/postgres/server-error.ts'
import { asError } from '../../../../errors.ts'

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

/** Source: PostgreSQL, errcodes.txt: classes 08, 25, 40, 53, 57, 58, XX, and a lock that was not to be had. */
const noRefusal = /^(?:08|25|40|53|57|58|XX|55P03)/

/** Whether the server refused what it was asked: full disks, cancelled statements, deadlocks and broken servers are none. */
export function isRefusal(error: unknown): boolean {
  const state = sqlStateOf(error)
  return state !== undefined && !noRefusal.test(state)
}

/** The role that a statement was refused for since the target does not have it; null for every other refusal. */
export function missingRoleOf(refusal: unknown): string | null {
  const error = serverErrorOf(refusal instanceof Error && refusal.cause !== undefined ? refusal.cause : refusal)
  // The second one comes of taking a role on. Source: PostgreSQL, acl.c, variable.c.
  if (error === undefined || !/^(?:42704|22023)$/.test(error.sqlState)) return null
  return /^role "([\s\S]+)" does not exist$/.exec(error.message)?.[1] ?? null
}

/**
 * What the server answered, for people: where its message may quote a row (values that are refused, errors that functions of the database raise) only what kind
 * of refusal it was. Source: PostgreSQL, appendix A.
 */
export function messageOf(refusal: unknown): string {
  const state = sqlStateOf(refusal) ?? ''
  if (/^(?:22|P0)/.test(state))
    return state.startsWith('22')
      ? `the database refused a value [${state}]`
      : `a function of the database raised an error [${state}]`
  return asError(refusal).message.replace(/^The database answered: /, '')
}
