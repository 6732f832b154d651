import type { Connection } from '../../../../clients/postgres/connection.ts'
import { quoteIdentifier } from '../../catalog/quote.ts'
import type { CopiedColumns } from '../../pg-archive/copy-statement.ts'
import { splitStatements } from '../../pg-archive/split-statements.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'
import { refusalOf } from '../definitions/refusal.ts'

const name = String.raw`(?:"(?:[^"]|"")+"|[a-z_\u0080-\uffff][a-z0-9_$\u0080-\uffff]*)`
const createTable = new RegExp(String.raw`^CREATE (?:UNLOGGED )?TABLE ${name}\.${name} \(`, 'u')
const addKey = new RegExp(
  String.raw`^ALTER TABLE ONLY ${name}\.${name}\n    ADD CONSTRAINT (${name} PRIMARY KEY \([^()]*\))$`,
  'u'
)

/**
 * Makes an empty table like that of the backup in a schema of its own. Only the `CREATE TABLE` is taken of its definition, under the new name: whatever else
 * it says is about the live table. Where that does not do (it has parents, or a type or function of it is gone) the columns are those of the live table; where
 * that does not do either they are text. Resolves with whether the types are kept.
 */
export async function makeSideTable(
  connection: Connection,
  schema: string,
  table: CopiedColumns,
  live: string,
  definition: TocEntry | undefined,
  key: TocEntry | undefined
): Promise<boolean> {
  const place = `${quoteIdentifier(schema)}.${quoteIdentifier(table.table)}`
  const create = renamed(definition, place)
  const columns = table.columns.map(quoteIdentifier)
  const made =
    (create !== null && (await refusalOf(connection, create)) === null) ||
    (await refusalOf(
      connection,
      `CREATE TABLE ${place} AS SELECT ${columns.join(', ')} FROM ONLY ${live} WITH NO DATA`
    )) === null
  if (!made) {
    await connection.query(`CREATE TABLE ${place} (${columns.map((column) => `${column} text`).join(', ')})`)
    return false
  }
  const primary = addKey.exec(splitStatements(key?.definition ?? '')[0] ?? '')?.[1]
  if (primary !== undefined) await refusalOf(connection, `ALTER TABLE ONLY ${place} ADD CONSTRAINT ${primary}`)
  return true
}

function renamed(definition: TocEntry | undefined, place: string): string | null {
  const statement = splitStatements(definition?.definition ?? '')[0] ?? ''
  if (!createTable.test(statement)) return null
  // Rows of a child show in its live parents.
  if (/\n(?:INHERITS|PARTITION BY) /.test(statement)) return null
  return statement.replace(createTable, () => `CREATE TABLE ${place} (`)
}

/** `restored_20261122`, or the first of `_2`, `_3`, ... that is not taken. */
export function sideSchemaName(day: Date, taken: (name: string) => boolean): string {
  const base = `restored_${day.toISOString().slice(0, 10).replaceAll('-', '')}`
  let found = base
  for (let count = 2; taken(found); count += 1) found = `${base}_${count}`
  return found
}
