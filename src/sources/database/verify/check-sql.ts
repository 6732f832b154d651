import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import type { Finding } from '../../source.ts'

/** Most characters of a statement that a finding shows. */
const shown = 120

/**
 * Runs the user's own statements on the restored copy, each in a read-only transaction of its own that is rolled back. Each must be a
 * query with exactly one row of one column whose value is true; anything else is a `difference`.
 */
export async function runCheckSql(connection: Connection, statements: readonly string[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const [index, statement] of statements.entries()) {
    const wrong = await check(connection, statement)
    if (wrong !== null)
      findings.push({
        kind: 'difference',
        subject: `check-sql statement ${index + 1}: ${short(statement)}`,
        detail: wrong
      })
  }
  return findings
}

/** Says that statements of `check-sql`, where there are any, were not run: they need a restored copy. */
export function checksNotRun(asked: boolean, why: string): Finding[] {
  return asked
    ? [{ kind: 'notProven', reason: 'check-not-run', subject: 'check-sql', detail: `check-sql was not run: ${why}` }]
    : []
}

async function check(connection: Connection, statement: string): Promise<string | null> {
  const query = statement.trim().replace(/;+\s*$/, '')
  await connection.query('begin read only; set local search_path = public, extensions; set local row_security = on')
  try {
    // As a subquery it can only be one query; the line break ends a comment at its end. Two columns keep two names.
    const rows = await connection.query(`select * from (\n${query}\n) as checked (value)`)
    const [row, ...more] = rows
    if (row === undefined) return 'it returned no row'
    if (more.length > 0) return `it returned ${rows.length} rows instead of one`
    const values = Object.values(row)
    if (values.length !== 1) return `it returned ${values.length} columns instead of one`
    if (values[0] === true) return null
    // A value may be one of a row.
    return `it returned ${values[0] === null || values[0] === false ? String(values[0]) : 'something else'} instead of true`
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error
    return `it failed [${sqlStateOf(error)}]`
  } finally {
    if (!connection.broken.aborted) await connection.query('rollback')
  }
}

function short(statement: string): string {
  const line = statement.trim().replace(/\s+/g, ' ')
  return line.length > shown ? `${line.slice(0, shown)}...` : line
}
