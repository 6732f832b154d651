import type { VisibleRows } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import type { Clock } from '../../../context.ts'
import { qualified, quoteIdentifier, quoteLiteral } from '../catalog/quote.ts'
import type { CatalogTable } from '../catalog/tables.ts'
import { readUntrusted } from '../fingerprint/reached-functions.ts'

/** Bounds of the sample. */
export interface VisibleRowsLimits {
  /** User ids of auth.users that are tried as `authenticated`. */
  readonly users: number
  readonly tables: number
  /** Larger tables are skipped. Bytes. */
  readonly tableBytes: number
  /** For one statement, in milliseconds. */
  readonly statementMs: number
  /** For the whole sample, in milliseconds. */
  readonly totalMs: number
}

export const defaultLimits: VisibleRowsLimits = {
  users: 3,
  tables: 200,
  tableBytes: 256 * 1024 * 1024,
  statementMs: 5000,
  totalMs: 30_000
}

type Name = Pick<VisibleRows, 'schema' | 'table'>

/**
 * Counts the rows that `anon`, and `authenticated` as some users, see of every table with row level security, in the connection's
 * snapshot; `authenticated` without a user where none can be read. Nothing where there are no such roles. What could not be counted is named: for a role that
 * the session may not become by one entry that stands for all tables.
 */
export async function sampleVisibleRows(
  connection: Connection,
  tables: readonly CatalogTable[],
  clock: Clock,
  limits: VisibleRowsLimits = defaultLimits
): Promise<VisibleRows[]> {
  const guarded = tables.filter((table) => table.rowSecurity && (table.kind === 'r' || table.kind === 'p'))
  if (guarded.length === 0) return []
  const mode = connection.versionNumber >= 160000 ? 'SET' : 'MEMBER'
  const all = await connection.query<{ name: string; allowed: boolean; asking: string }>(
    `select r.rolname::text as name, pg_has_role(r.oid, '${mode}') as allowed, current_user::text as asking
from pg_roles r where r.rolname in ('anon', 'authenticated') order by 1`
  )
  const roles = all.filter(({ allowed }) => allowed)
  const users = tables.some(
    (table) => table.schema === 'auth' && table.name === 'users' && table.maySelect && table.mayUse
  )
    ? await connection.query<{ id: string }>(`select id::text as id from auth.users order by id limit ${limits.users}`)
    : []
  const untrusted =
    roles.length === 0
      ? new Set<string>()
      : await readUntrusted(
          connection,
          guarded.map((table) => table.oid)
        )
  const deadline = clock.monotonic() + limits.totalMs
  const found: VisibleRows[] = []
  for (const { name: role, allowed, asking } of all) {
    const [first] = guarded
    if (allowed || first === undefined) continue
    const failed = `skipped, as all that ${role} sees: ${asking} may not become ${role}`
    found.push({ role, user: null, schema: first.schema, table: first.name, rows: null, failed })
  }
  for (const { name: role } of roles) {
    const subjects = role === 'anon' || users.length === 0 ? [null] : users.map((user) => user.id)
    for (const user of subjects) {
      const wanted: Name[] = []
      for (const [index, table] of guarded.entries()) {
        const name = { schema: table.schema, table: table.name }
        if (index >= limits.tables) found.push({ role, user, ...name, rows: null, failed: 'skipped: too many tables' })
        else if (untrusted.has(table.oid))
          found.push({
            role,
            user,
            ...name,
            rows: null,
            failed: 'skipped: its policies reach functions of other roles'
          })
        else if (table.bytes > limits.tableBytes)
          found.push({ role, user, ...name, rows: null, failed: 'skipped: too large' })
        else wanted.push(name)
      }
      found.push(...(await countAs(connection, role, user, wanted, clock, deadline, limits.statementMs)))
    }
  }
  return found
}

/** Counts again, on a copy, what was counted on the source; what was skipped there stays skipped. */
export async function repeatVisibleRows(
  connection: Connection,
  recorded: readonly VisibleRows[],
  clock: Clock,
  limits: VisibleRowsLimits = defaultLimits
): Promise<VisibleRows[]> {
  const groups = Map.groupBy(
    recorded.filter((entry) => entry.failed?.startsWith('skipped') !== true),
    (entry) => JSON.stringify([entry.role, entry.user])
  )
  const deadline = clock.monotonic() + limits.totalMs * 4
  const found: VisibleRows[] = []
  for (const entries of groups.values()) {
    const [first] = entries
    if (first === undefined) continue
    found.push(...(await countAs(connection, first.role, first.user, entries, clock, deadline, limits.statementMs * 4)))
  }
  return found
}

/** All tables in one statement; one by one where that fails, so that each failure has a name. */
async function countAs(
  connection: Connection,
  role: string,
  user: string | null,
  names: readonly Name[],
  clock: Clock,
  deadline: number,
  statementMs: number
): Promise<VisibleRows[]> {
  const results: VisibleRows[] = []
  const batches: Name[][] = []
  for (let from = 0; from < names.length; from += 20) batches.push(names.slice(from, from + 20))
  const note = (name: Name, rows: string | null, failed?: string) =>
    results.push({
      role,
      user,
      schema: name.schema,
      table: name.table,
      rows,
      ...(failed === undefined ? {} : { failed })
    })
  for (const batch of batches) {
    if (clock.monotonic() > deadline) {
      for (const name of batch) note(name, null, 'skipped: out of time')
      continue
    }
    const together = await attempt(connection, role, user, batch, statementMs)
    if (Array.isArray(together)) {
      for (const [index, name] of batch.entries()) note(name, together[index] ?? null)
      continue
    }
    for (const name of batch) {
      if (clock.monotonic() > deadline) {
        note(name, null, 'skipped: out of time')
        continue
      }
      const alone = await attempt(connection, role, user, [name], statementMs)
      if (Array.isArray(alone)) note(name, alone[0] ?? null)
      // query_canceled: the limit of time, which says nothing about the rows.
      else note(name, null, alone === '57014' ? 'skipped: out of time' : alone)
    }
  }
  return results
}

/** Row counts, or the SQLSTATE of the error. */
async function attempt(
  connection: Connection,
  role: string,
  user: string | null,
  names: readonly Name[],
  statementMs: number
): Promise<string[] | string> {
  const claims = user === null ? { role } : { role, aud: role, sub: user }
  const settings = [
    ['row_security', 'on'],
    ['search_path', 'public, extensions'],
    ['statement_timeout', String(statementMs)],
    ['request.jwt.claims', JSON.stringify(claims)],
    ['request.jwt.claim.sub', user ?? ''],
    ['request.jwt.claim.role', role]
  ].map(([name = '', value = '']) => `set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, true)`)
  const counts = names.map(
    (name, index) =>
      `select ${index} as at, count(*)::text as rows from ${qualified({ schema: name.schema, name: name.table })}`
  )
  await connection.query('savepoint visible_rows')
  try {
    const rows = await connection.query<{ rows: string }>(
      `set local role ${quoteIdentifier(role)}; select ${settings.join(', ')}; ${counts.join(' union all ')} order by at`
    )
    return rows.map((row) => row.rows)
  } catch (error) {
    const state = sqlStateOf(error)
    if (state === undefined || connection.broken.aborted) throw error
    return state
  } finally {
    if (!connection.broken.aborted)
      await connection.query('rollback to savepoint visible_rows; release savepoint visible_rows')
  }
}
