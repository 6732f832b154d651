import type { ColumnFacts, DatabaseFacts, TableFacts, TableHash } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { queryAndRelease } from '../catalog/query-and-release.ts'
import { qualified, quoteIdentifier } from '../catalog/quote.ts'
import { isUnknownName, setSearchPath } from '../loading/search-paths.ts'

export type HashMethod = TableHash['method']

type LargeObjectFacts = DatabaseFacts['largeObjects']

/** What a count or a hash needs to know of a table. */
export type HashedTable = Pick<TableFacts, 'schema' | 'name' | 'columns'> & {
  /** `WHERE ...` under which an extension's table is dumped; empty for all others. Read from the catalog, never from a backup. */
  readonly condition?: string
}

/** Rows, and their hash where one was asked for. Decimal digits. */
export interface TableSum {
  readonly rows: string
  readonly hash: string | null
  /** Without generated columns; null where there are none. */
  readonly written: string | null
}

/** The method for a server: `mixed` is about twice as fast as `text` and exists since PostgreSQL 14. */
export function hashMethod(versionNumber: number): HashMethod {
  return versionNumber >= 140000 ? 'mixed' : 'text'
}

/**
 * The hash of a record is a sum over its columns (31 times what came before and the next one; PostgreSQL, rowtypes.c, hash_record_extended): two rows that
 * exchange a value leave the sum over both as it was. So each row's is hashed once more; by way of a float, since the hash of an integer keeps 32 bits only.
 */
const mixed = (record: string) => `pg_catalog.hashfloat8extended((${record})::pg_catalog.float8, 0)`

/**
 * The expression for one row's 64-bit hash. Its value does not depend on locale, object numbers, order of rows or the server's
 * major version; the session's settings must be those of `sessionSettings`.
 */
export function rowHash(columns: readonly ColumnFacts[], method: HashMethod): string {
  const row = `row(${columns.map(columnExpression).join(', ')})`
  const record = `pg_catalog.hash_record_extended(${row}, 0)`
  switch (method) {
    case 'mixed':
      return mixed(record)
    case 'record':
      return record
    case 'text':
      return `pg_catalog.hashtextextended(pg_catalog.textin(pg_catalog.record_out(${row})) collate "C", 0)`
  }
}

function columnExpression(column: ColumnFacts): string {
  const name = `t.${quoteIdentifier(column.name)}`
  switch (column.form) {
    case 'value':
      return name
    case 'collated':
      return `${name} collate "C"`
    case 'binary':
      return `pg_catalog.${quoteIdentifier(column.send ?? '')}(${name})`
    case 'text':
      // Through the type's own output function: a cast to text could be a function of somebody's.
      return `case when pg_catalog.num_nulls(${name}) = 0 then pg_catalog.format('%s', ${name}) end collate "C"`
  }
}

/**
 * The statement that counts and hashes one table: columns `rows` and `hash` (null without a method). The hash is the sum over all
 * rows, so that their order does not matter. `written` leaves generated columns out, where there are any.
 */
export function hashStatement(table: HashedTable, method: HashMethod | null): string {
  const sum = (columns: readonly ColumnFacts[]) =>
    method === null ? 'null::pg_catalog.numeric' : `coalesce(sum(${rowHash(columns, method)}), 0)`
  const written = table.columns.filter((column) => column.generated !== true)
  const apart = written.length < table.columns.length && written.length > 0
  return `select count(*)::text as rows, (${sum(table.columns)})::text as hash, (${apart ? sum(written) : 'null'})::text as written from only ${qualified(table)} t ${table.condition ?? ''}`
}

/** A table to be summed, with its size and whether to hash it. */
export interface SumRequest {
  readonly table: HashedTable
  readonly bytes: number
  readonly method: HashMethod | null
}

/** Bytes of tables that are summed in one statement: many small ones together, large ones alone. */
const batchBytes = 64 * 1024 * 1024
const batchTables = 200

/** Groups requests into statements, keeping their order. Pure. */
export function sumBatches(requests: readonly SumRequest[]): SumRequest[][] {
  const batches: SumRequest[][] = []
  let bytes = 0
  for (const request of requests) {
    const last = batches.at(-1)
    if (last !== undefined && last.length < batchTables && bytes + request.bytes <= batchBytes) {
      last.push(request)
      bytes += request.bytes
    } else {
      batches.push([request])
      bytes = request.bytes
    }
  }
  return batches
}

/**
 * Counts and hashes the tables of one batch in one round trip, in the order of the requests. Who plans a query over a table looks into the expressions of its
 * indexes: where a function there names objects without their schema, the tables are taken one by one with `paths`, values of search_path.
 */
export async function sumTables(
  connection: Connection,
  batch: readonly SumRequest[],
  paths: readonly string[] = []
): Promise<TableSum[]> {
  try {
    return await sumTogether(connection, batch)
  } catch (error) {
    if (paths.length === 0 || !isUnknownName(sqlStateOf(error)) || connection.broken.aborted) throw error
    await connection.query('rollback to savepoint looking; release savepoint looking')
  }
  const sums: TableSum[] = []
  for (const request of batch) sums.push(await sumInPaths(connection, request, ['', ...paths]))
  return sums
}

async function sumInPaths(connection: Connection, request: SumRequest, paths: readonly string[]): Promise<TableSum> {
  for (const [index, path] of paths.entries()) {
    try {
      const [sum] = await sumTogether(connection, [request], path)
      if (sum !== undefined) return sum
    } catch (error) {
      if (index === paths.length - 1 || !isUnknownName(sqlStateOf(error)) || connection.broken.aborted) throw error
      await connection.query('rollback to savepoint looking; release savepoint looking')
    }
  }
  throw new Error('there is always a path to try')
}

async function sumTogether(connection: Connection, batch: readonly SumRequest[], path = ''): Promise<TableSum[]> {
  const parts = batch.map(
    ({ table, method }, index) => `(select ${index} as at, s.* from (${hashStatement(table, method)}) s)`
  )
  const rows = await queryAndRelease<{ at: number } & TableSum & Record<string, unknown>>(
    connection,
    `${path === '' ? '' : `${setSearchPath(path)}; `}${parts.join('\nunion all\n')}\norder by at`
  )
  return batch.map((_, index) => {
    const row = rows[index]
    if (row?.at !== index) throw new Error('the counts of a batch are not complete')
    return { rows: row.rows, hash: row.hash, written: row.written }
  })
}

/**
 * Count and hash of the large objects; `hash` null where the role may not read their pages. `method` as in an earlier backup that is compared with.
 */
export async function sumLargeObjects(
  connection: Connection,
  method: NonNullable<LargeObjectFacts['method']> = 'mixed'
): Promise<LargeObjectFacts> {
  const [state] = await connection.query<{ count: string; readable: boolean }>(
    `select (select count(*) from pg_catalog.pg_largeobject_metadata)::text as count,
      pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'SELECT') as readable`
  )
  const count = state?.count ?? '0'
  if (count === '0') return { count, hash: '0' }
  if (state?.readable !== true || connection.versionNumber < 140000) return { count, hash: null }
  const hash = (row: string) => {
    const record = `pg_catalog.hash_record_extended(${row}, 0)`
    return method === 'mixed' ? mixed(record) : record
  }
  // Holes come back as pages of zeros: empty pages and zeros at the end of a page are left out, and the length is hashed apart.
  const [sum] = await connection.query<{ hash: string }>(
    `select (coalesce(sum(${hash('row(loid, pageno, content)')}) filter (where content <> ''), 0)
      + coalesce((select sum(${hash('row(loid, length)')}) from (
          select loid, max(pageno::bigint * 2048 + pg_catalog.length(data)) as length from pg_catalog.pg_largeobject group by loid) l), 0))::text as hash
    from (select loid, pageno, pg_catalog.rtrim(data, '\\x00'::bytea) as content from pg_catalog.pg_largeobject) p`
  )
  return { count, hash: sum?.hash ?? null, method }
}
