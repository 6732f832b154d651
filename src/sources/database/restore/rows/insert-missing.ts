import type { TableFacts } from '../../../../archive/contents-database.ts'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { attempt } from '../../../../clients/postgres/savepoint.ts'
import { sqlStateOf } from '../../../../clients/postgres/server-error.ts'
import type { Finding } from '../../../source.ts'
import { listed, qualified, quoteIdentifier, quoteLiteral, readable } from '../../catalog/quote.ts'
import { type HashMethod, sumTables, type TableSum } from '../../dump/hashes.ts'
import type { CopiedColumns } from '../../pg-archive/copy-statement.ts'
import { readTableKey, readUniqueKeys, type TableKey } from '../target/table-keys.ts'

/** What came of bringing back the rows that a table lacks. */
export type MissingRows =
  | {
      readonly kind: 'done'
      readonly inBackup: number
      readonly inserted: number
      /** Not there by key, but another unique key was taken; in words where there are some. */
      readonly inTheWay: number
      readonly why?: string
      /** Sequences that could not be set behind the rows. */
      readonly findings: readonly Finding[]
    }
  | { readonly kind: 'noKey' }

/** Where `stageRows` puts rows. */
export const stage = 'pg_temp.supabase_backup_rows'

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
  if (missing === 0) return { kind: 'done', inBackup, inserted: 0, inTheWay: 0, findings: [] }
  // A deferrable constraint cannot decide about a conflict: there a second unique key that is taken is an error.
  const [later] = await connection.query<{ there: boolean }>(
    `select exists (select from pg_constraint where conrelid = ${quoteLiteral(qualified(place))}::regclass and condeferrable and contype in ('u', 'x', 'p')) as there`
  )
  const [done] = await connection.query<{ rows: string }>(`with inserted as (
  insert into ${qualified(place)} (${columns}) overriding system value select ${columns} from ${stage} s where ${absent}
  ${later?.there === true ? '' : 'on conflict do nothing'} returning 1)
select count(*)::text as rows from inserted`)
  const inserted = Number(done?.rows ?? '0')
  const findings = inserted > 0 ? await advanceSequences(connection, place) : []
  const inTheWay = missing - inserted
  if (inTheWay === 0) return { kind: 'done', inBackup, inserted, inTheWay, findings }
  return {
    kind: 'done',
    inBackup,
    inserted,
    inTheWay,
    why: await whyKeptOut(connection, place, key, absent, inTheWay),
    findings
  }
}

/** Most rows that are named, and most characters of each value. */
const named = { rows: 5, characters: 40 }

/** Which unique keys of rows that did not come in are taken, and the primary keys of the first of them: other columns may hold what nobody should read. */
async function whyKeptOut(
  connection: Connection,
  place: { readonly schema: string; readonly name: string },
  key: TableKey,
  absent: string,
  count: number
): Promise<string> {
  const taken: string[] = []
  for (const other of await readUniqueKeys(connection, place)) {
    if (other.name === key.name) continue
    const [row] = await connection.query<{ some: boolean }>(
      `select exists (select from ${stage} s where ${absent} and exists (select from only ${qualified(place)} t where ${other.matches})) as some`
    )
    if (row?.some === true) taken.push(other.name)
  }
  const keys = taken.length === 0 ? 'another unique key of theirs is taken' : `taken is ${listed(taken, 5)}`
  if (!key.primary) return keys
  const values = key.columns.map(
    (column) => `pg_catalog."left"(pg_catalog.format('%s', s.${quoteIdentifier(column)}), ${named.characters + 1})`
  )
  const rows = await connection.query<{ values: string[] }>(
    `select array[${values.join(', ')}] as values from ${stage} s where ${absent} order by 1 limit ${named.rows}`
  )
  const words = rows.map(({ values: of }) =>
    of.length === 1 ? of.map(shortened) : [`(${of.map(shortened).join(', ')})`]
  )
  const more = count <= rows.length ? '' : ', the first of them'
  return `${keys}; ${key.columns.join(', ')}: ${words.flat().join(', ')}${more}`
}

function shortened(value: string): string {
  const short = value.length > named.characters ? `${value.slice(0, named.characters)}...` : value
  return /^[\w.+-]+$/.test(value) ? short : quoteLiteral(short)
}

/**
 * What is known of a table whose rows cannot be told from one another: that none is missing, by count and content of all of them, or in words what it holds and
 * what the backup does.
 */
export async function compareWhole(
  connection: Connection,
  facts: TableFacts
): Promise<{ readonly same: true } | { readonly same: false; readonly words: string }> {
  if (facts.rows === '0') return { same: true }
  const columns = await connection.query<{ name: string }>(
    `select attname::text as name from pg_attribute where attrelid = ${quoteLiteral(qualified(facts))}::regclass and attnum > 0 and not attisdropped`
  )
  const there = new Set(columns.map(({ name }) => name))
  // What is dumped of an extension's table are some of its rows.
  const method =
    facts.extension === undefined && facts.columns.every(({ name }) => there.has(name))
      ? (facts.hash?.method ?? null)
      : null
  const sum = await readSum(connection, facts, method)
  if (method !== null && sum?.rows === facts.rows && sum?.hash === facts.hash?.value) return { same: true }
  const many = sum?.rows ?? 'may not be read'
  const what = sum?.rows !== facts.rows ? many : method === null ? 'as many' : 'as many, and not the same'
  return { same: false, words: `the backup holds ${facts.rows ?? 'unknown'} rows of it, the target: ${what}` }
}

/** Count and hash of a table; undefined where the role may not read all of it. */
async function readSum(
  connection: Connection,
  facts: TableFacts,
  method: HashMethod | null
): Promise<TableSum | undefined> {
  const summed = await attempt(
    connection,
    () => sumTables(connection, [{ table: facts, bytes: facts.bytes, method }]),
    (error) => sqlStateOf(error) === '42501'
  )
  return summed.done ? summed.value[0] : undefined
}

/**
 * Sequences that give a table's columns their numbers, their own or those that a default names, must not hand out again what came back. Those in `set`, by
 * `schema.name` for people, are left alone. What the role may not set is returned.
 */
export async function advanceSequences(
  connection: Connection,
  table: { readonly schema: string; readonly name: string },
  set: ReadonlySet<string> = new Set()
): Promise<Finding[]> {
  const place = `${quoteLiteral(qualified(table))}::regclass`
  const rows = await connection.query<{
    schema: string
    name: string
    column: string
    limit: string
    may: boolean
  }>(`select distinct n.nspname::text as schema, c.relname::text as name, a.attname::text as column, s.seqmax::text as limit, has_sequence_privilege(c.oid, 'SELECT') and has_sequence_privilege(c.oid, 'UPDATE') as may
from (select objid as sequence, refobjsubid as number from pg_depend
    where classid = 'pg_class'::regclass and refclassid = 'pg_class'::regclass and refobjid = ${place} and deptype in ('a', 'i')
  union all select e.refobjid, d.adnum from pg_attrdef d join pg_depend e on e.classid = 'pg_attrdef'::regclass and e.objid = d.oid and e.refclassid = 'pg_class'::regclass
    where d.adrelid = ${place} and pg_get_expr(d.adbin, d.adrelid) ~ '^nextval\\(''([^'']|'''')+''::regclass\\)(::[a-z]+)?$') found
join pg_sequence s on s.seqrelid = found.sequence join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = ${place} and a.attnum = found.number join pg_type t on t.oid = a.atttypid
where s.seqincrement > 0 and coalesce(nullif(t.typbasetype, 0), t.oid) in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype) order by 1, 2, 3`)
  const findings: Finding[] = []
  for (const { schema, name, column, limit, may } of rows) {
    const sequence = { schema, name }
    if (set.has(readable(sequence))) continue
    const highest = `(select max(${quoteIdentifier(column)})::bigint as most from only ${qualified(table)}) m`
    const statement = `select setval(${quoteLiteral(qualified(sequence))}::regclass, m.most) from ${highest}, ${qualified(sequence)} s
where m.most <= ${limit} and (m.most > s.last_value or (m.most = s.last_value and not s.is_called))`
    if (may) await connection.query(statement)
    else
      findings.push({
        kind: 'todo',
        subject: `sequence ${readable(sequence)}`,
        detail: `it may hand out numbers again that came back in ${readable(table)}: the role may not set it`,
        remedy: `${statement};`
      })
  }
  return findings
}
