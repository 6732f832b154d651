import type { Connection } from '../../../clients/postgres/connection.ts'
import { qualified, quoteIdentifier, quoteLiteral } from '../quote.ts'
import type { CopiedColumns } from './copy-statement.ts'
import { readTableKey } from './table-keys.ts'

/** What came of bringing back the rows that a table lacks. */
export type MissingRows =
  | {
      readonly kind: 'done'
      readonly inBackup: number
      readonly inserted: number /** Not there by key, but another unique key was taken. */
      readonly inTheWay: number
    }
  | { readonly kind: 'noKey' }

const stage = 'pg_temp.supabase_backup_rows'

/** Rows go into a temporary table first, which the server drops at the end. Needs an open transaction. */
export async function stageRows(
  connection: Connection,
  table: CopiedColumns,
  chunks: AsyncIterable<Uint8Array>
): Promise<number> {
  const columns = table.columns.map(quoteIdentifier).join(', ')
  const name = qualified({ schema: table.schema, name: table.table })
  await connection.query(
    `drop table if exists ${stage}; create temporary table supabase_backup_rows on commit drop as select ${columns} from only ${name} with no data`
  )
  return await connection.copyIn(`COPY ${stage} (${columns}) FROM STDIN`, chunks)
}

/** Inserts what is not there by key; nothing that is there is changed. */
export async function insertMissing(
  connection: Connection,
  table: CopiedColumns,
  chunks: AsyncIterable<Uint8Array>
): Promise<MissingRows> {
  const place = { schema: table.schema, name: table.table }
  const key = await readTableKey(connection, place)
  if (key === null || key.columns.some((column) => !table.columns.includes(column))) return { kind: 'noKey' }
  const inBackup = await stageRows(connection, table, chunks)
  const columns = table.columns.map(quoteIdentifier).join(', ')
  const absent = `not exists (select from only ${qualified(place)} t where ${key.matches})`
  const [count] = await connection.query<{ rows: string }>(
    `select count(*)::text as rows from ${stage} s where ${absent}`
  )
  const missing = Number(count?.rows ?? '0')
  if (missing === 0) return { kind: 'done', inBackup, inserted: 0, inTheWay: 0 }
  // A deferrable constraint cannot decide about a conflict: there a second unique key that is taken is an error.
  const [later] = await connection.query<{ there: boolean }>(
    `select exists (select from pg_constraint where conrelid = ${quoteLiteral(qualified(place))}::regclass and condeferrable and contype in ('u', 'x', 'p')) as there`
  )
  const [done] = await connection.query<{ rows: string }>(`with inserted as (
  insert into ${qualified(place)} (${columns}) overriding system value select ${columns} from ${stage} s where ${absent}
  ${later?.there === true ? '' : 'on conflict do nothing'} returning 1)
select count(*)::text as rows from inserted`)
  const inserted = Number(done?.rows ?? '0')
  if (inserted > 0) await advanceSequences(connection, place)
  return { kind: 'done', inBackup, inserted, inTheWay: missing - inserted }
}

/** Sequences behind the columns must not hand out again what came back. */
export async function advanceSequences(
  connection: Connection,
  table: { readonly schema: string; readonly name: string }
): Promise<void> {
  const rows = await connection.query<{
    sequence: string
    name: string
  }>(`select d.objid::regclass::text as sequence, a.attname::text as name
from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid join pg_sequence s on s.seqrelid = d.objid
where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = ${quoteLiteral(qualified(table))}::regclass and d.deptype in ('a', 'i') and s.seqincrement > 0`)
  for (const { sequence, name } of rows) {
    await connection.query(`select setval(${quoteLiteral(sequence)}::regclass, m.most) from (select max(${quoteIdentifier(name)})::bigint as most from only ${qualified(table)}) m, ${sequence} s
where m.most > s.last_value`)
  }
}
