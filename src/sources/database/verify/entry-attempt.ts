import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { UserError } from '../../../errors.ts'
import { quoteIdentifier, quoteLiteral } from '../catalog/quote.ts'
import { asNotValid } from '../loading/not-valid.ts'
import { isUnknownName, searchPaths, setSearchPath } from '../loading/search-paths.ts'
import { definitionOf, ownerStatement } from '../pg-archive/entry-sql.ts'
import type { TocEntry } from '../pg-archive/toc.ts'
import { faultOfConnection, machineError } from './host-failure.ts'

/** The answer of a server that refused a statement. Its message is kept for what reads names in it; it may hold values of rows and is never told. */
export interface Refusal {
  readonly sqlState: string
  readonly message: string
}

/** How an object came to be: as its definition says, with names found in the schemas of the source, or without looking at old rows. */
export type Attempt =
  | { readonly kind: 'made'; readonly byPath: boolean; readonly notValid: boolean }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** An object of its name is there: an earlier try made it, and only giving it to its owner failed. Source: PostgreSQL, appendix A. */
const there = new Set(['42P07', '42710', '42723', '42P06', '42712'])
/** Old rows break it: of a foreign key, a check. */
const brokenByRows = new Set(['23503', '23514'])

/** What the server answers to a statement, in a transaction of its own; null when it took it. Throws where the machine or the connection failed. */
export async function refusalOf(connection: Connection, sql: string): Promise<Refusal | null> {
  try {
    await connection.query(`begin; ${sql}`)
    await connection.query('commit')
    return null
  } catch (error) {
    const sqlState = sqlStateOf(error)
    if (!(error instanceof UserError) || sqlState === undefined || connection.broken.aborted) throw error
    const fault = faultOfConnection(error)
    if (fault !== null) throw machineError(fault, error)
    await connection.query('rollback')
    // The words of the server without those that were put around them.
    return { sqlState, message: error.message.replace(/^The database answered: /, '').replace(/ \[\w{5}\]$/, '') }
  }
}

/**
 * Makes the object of an entry, as a restore does: with an empty search_path, then with that of the source where a name was not found; a key or check that old
 * rows break comes back for new rows alone.
 */
export async function attemptEntry(connection: Connection, entry: TocEntry, facts: DatabaseFacts): Promise<Attempt> {
  const owner = ownerSql(entry, facts)
  const sql = [accessMethod(entry), definitionOf(entry), owner].filter((part) => part !== '').join('\n;')
  const inPath = (text: string, path: string) => refusalOf(connection, `${setSearchPath(path)};\n${text}`)
  let refusal = await inPath(sql, '')
  if (refusal !== null && there.has(refusal.sqlState)) refusal = owner === '' ? null : await inPath(owner, '')
  if (refusal === null) return { kind: 'made', byPath: false, notValid: false }
  let path = ''
  for (const tried of isUnknownName(refusal.sqlState) ? searchPaths(facts, entry.schema) : []) {
    path = tried
    const again = await inPath(sql, path)
    if (again === null) return { kind: 'made', byPath: true, notValid: false }
    if (isUnknownName(again.sqlState)) continue
    refusal = again
    break
  }
  const notValid = brokenByRows.has(refusal.sqlState) ? asNotValid(definitionOf(entry)) : null
  if (notValid !== null && (await inPath(notValid, path)) === null)
    return { kind: 'made', byPath: path !== '', notValid: true }
  return { kind: 'refused', refusal }
}

/** Who may own an event trigger is a superuser where no platform allows others: the role is one for as long as it takes, which nobody else can see. */
function ownerSql(entry: TocEntry, facts: Pick<DatabaseFacts, 'roles'>): string {
  const statement = ownerStatement(entry) ?? ''
  const role = facts.roles.find(({ name }) => name === entry.owner)
  if (entry.kind !== 'EVENT TRIGGER' || role === undefined || role.superuser) return statement
  const name = quoteIdentifier(role.name)
  return `ALTER ROLE ${name} SUPERUSER; ${statement} ALTER ROLE ${name} NOSUPERUSER`
}

function accessMethod({ kind, accessMethod: method }: TocEntry): string {
  if (method === '' || !/^(?:TABLE|MATERIALIZED VIEW)$/.test(kind)) return ''
  return `select pg_catalog.set_config('default_table_access_method', ${quoteLiteral(method)}, true)`
}
