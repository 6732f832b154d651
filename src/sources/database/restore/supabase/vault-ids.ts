import type { Connection } from '../../../../clients/postgres/connection.ts'
import type { Finding } from '../../../source.ts'
import { userSchemas } from '../../catalog/catalog.ts'
import { platformSchemas } from '../../catalog/platform-schemas.ts'
import { qualified, quoteIdentifier, quoteLiteral, readable } from '../../catalog/quote.ts'
import type { ChangedId } from './vault-secrets.ts'

/**
 * What refers to secrets of Vault by ids that they have no more: rows, options of servers and foreign tables, functions, settings. Each is named with the SQL
 * that brings it to the new ids, and those are told. Empty where all ids are those of the source.
 */
export async function tellChangedIds(connection: Connection, all: readonly ChangedId[]): Promise<Finding[]> {
  const changed = all.filter(({ from, to }) => isUuid(from) && isUuid(to))
  if (changed.length === 0) return []
  const found = [
    ...(await columnsWithIds(connection, changed)),
    ...(await optionsWithIds(connection, changed)),
    ...(await textsWithIds(connection, changed))
  ]
  const list = changed.map(
    ({ name, from, to }) =>
      `(${name === null ? 'null' : quoteLiteral(name)}, ${quoteLiteral(from)}::uuid, ${quoteLiteral(to)}::uuid)`
  )
  return [
    {
      kind: found.length > 0 ? 'todo' : 'note',
      subject: 'ids of Vault secrets',
      detail: `${changed.length} secrets have other ids than in the source, where Vault gave them theirs: whoever keeps such an id finds no secret any more${found.length > 0 ? '; what keeps one follows' : '; nothing in the database was found to keep one'}`,
      remedy: `select * from (values ${list.join(', ')}) as ids (name, id_in_source, id_now);`
    },
    ...found
  ]
}

const isUuid = (id: string) => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)

type Form = 'uuid' | 'text' | 'json' | 'uuids' | 'texts'

interface Column {
  readonly name: string
  readonly form: Form
  readonly type: string
}

/** Tables above this are not searched for ids inside of text and JSON: each row would have to be read letter by letter. Bytes. */
const mostText = 256 * 1024 * 1024

interface TableRow extends Record<string, unknown> {
  schema: string
  name: string
  pages: number
  names: string[]
  types: string[]
}

async function columnsWithIds(connection: Connection, changed: readonly ChangedId[]): Promise<Finding[]> {
  const own = [...platformSchemas].filter((schema) => schema !== 'auth' && schema !== 'storage').map(quoteLiteral)
  const tables =
    await connection.query<TableRow>(`select n.nspname::text as schema, c.relname::text as name, c.relpages as pages,
  array_agg(a.attname::text order by a.attnum) as names, array_agg(format_type(a.atttypid, null) order by a.attnum) as types
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
where c.relkind = 'r' and c.relpersistence <> 't' and ${userSchemas} and n.nspname <> all (array[${own.join(', ')}])
  and has_table_privilege(c.oid, 'SELECT') and has_schema_privilege(n.oid, 'USAGE')
  and a.atttypid in ('uuid'::regtype, 'text'::regtype, 'varchar'::regtype, 'json'::regtype, 'jsonb'::regtype, 'uuid[]'::regtype, 'text[]'::regtype)
group by n.nspname, c.relname, c.relpages order by 1, 2`)
  const findings: Finding[] = []
  for (const table of tables) {
    const columns = table.names
      .map((name, index) => ({ name, form: formOf(table.types[index] ?? ''), type: table.types[index] ?? '' }))
      .filter(({ form }) => form === 'uuid' || table.pages * 8192 <= mostText)
    if (columns.length > 0) findings.push(...(await searchTable(connection, table, columns, changed)))
  }
  return findings
}

function formOf(type: string): Form {
  if (type === 'uuid') return 'uuid'
  if (type === 'uuid[]') return 'uuids'
  if (type === 'text[]') return 'texts'
  return /^jsonb?$/.test(type) ? 'json' : 'text'
}

async function searchTable(
  connection: Connection,
  table: { readonly schema: string; readonly name: string },
  columns: readonly Column[],
  changed: readonly ChangedId[]
): Promise<Finding[]> {
  const ids = changed.map(({ from }) => from)
  const counts = columns.map((column, index) => `(count(*) filter (where ${holds(column)}))::text as "${index}"`)
  await connection.query('savepoint searching')
  const [row] = await connection
    .query<Record<string, string>>(
      `select ${counts.join(', ')} from only ${qualified(table)} t cross join (select $1::text[] as texts, $1::uuid[] as uuids, $2::text as pattern) k`,
      [ids, ids.join('|')]
    )
    .finally(() => connection.query('rollback to savepoint searching; release savepoint searching'))
  const found: Finding[] = []
  for (const [index, column] of columns.entries()) {
    const rows = row?.[String(index)] ?? '0'
    if (rows === '0') continue
    const keys = await keysOf(connection, table, column)
    found.push({
      kind: 'todo',
      subject: `column ${readable(table)}.${column.name}`,
      detail: `${rows} rows hold ids of Vault secrets as they were in the source`,
      remedy: [updateOf(table, column, changed), ...keys].join('\n')
    })
  }
  return found
}

/** What validates the keys of a column to Vault secrets that its old ids broke. */
async function keysOf(
  connection: Connection,
  table: { readonly schema: string; readonly name: string },
  { name }: Column
): Promise<string[]> {
  const keys = await connection.query<{ name: string }>(
    `select k.conname::text as name from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
where k.contype = 'f' and not k.convalidated and k.conrelid = ${quoteLiteral(qualified(table))}::regclass and a.attname = $1 and k.confrelid = to_regclass('vault.secrets')`,
    [name]
  )
  return keys.map((key) => `alter table ${qualified(table)} validate constraint ${quoteIdentifier(key.name)};`)
}

function holds({ name, form }: Column): string {
  const column = `t.${quoteIdentifier(name)}`
  switch (form) {
    case 'uuid':
      return `${column} = any (k.uuids)`
    case 'text':
      return `${column} = any (k.texts)`
    case 'uuids':
      return `${column} && k.uuids`
    case 'texts':
      return `${column} && k.texts`
    case 'json':
      return `${column}::text ~ k.pattern`
  }
}

function updateOf(
  table: { readonly schema: string; readonly name: string },
  { name, form, type }: Column,
  changed: readonly ChangedId[]
): string {
  const [place, column] = [qualified(table), quoteIdentifier(name)]
  if (form === 'uuid' || form === 'text') {
    const pairs = changed.map(({ from, to }) => `(${quoteLiteral(from)}::${form}, ${quoteLiteral(to)}::${form})`)
    return `update ${place} t set ${column} = ids.now from (values ${pairs.join(', ')}) as ids (before, now) where t.${column} = ids.before;`
  }
  return changed
    .map(({ from, to }) => {
      const [before, now] = [quoteLiteral(from), quoteLiteral(to)]
      if (form === 'json')
        return `update ${place} set ${column} = replace(${column}::text, ${before}, ${now})::${type} where ${column}::text like '%${from}%';`
      const element = form === 'uuids' ? 'uuid' : 'text'
      return `update ${place} set ${column} = array_replace(${column}, ${before}::${element}, ${now}::${element}) where ${before}::${element} = any (${column});`
    })
    .join('\n')
}

interface OptionRow extends Record<string, unknown> {
  subject: string
  object: string
  option: string
  value: string
}

/** Options of foreign data wrappers, servers, user mappings and foreign tables, as far as the role may read them. */
async function optionsWithIds(connection: Connection, changed: readonly ChangedId[]): Promise<Finding[]> {
  const now = new Map(changed.map(({ from, to }) => [from, to]))
  const rows = await connection.query<OptionRow>(
    `select subject, object, split_part(o, '=', 1) as option, substr(o, strpos(o, '=') + 1) as value from (
  select 'server ' || quote_ident(srvname) as subject, 'server ' || quote_ident(srvname) as object, srvoptions as options from pg_foreign_server
  union all select 'foreign data wrapper ' || quote_ident(fdwname), 'foreign data wrapper ' || quote_ident(fdwname), fdwoptions from pg_foreign_data_wrapper
  union all select 'user mapping of ' || usename || ' on ' || quote_ident(srvname), 'user mapping for ' || case when umuser = 0 then 'public' else quote_ident(usename) end || ' server ' || quote_ident(srvname), umoptions from pg_user_mappings
  union all select 'foreign table ' || f.ftrelid::regclass::text, 'foreign table ' || f.ftrelid::regclass::text, f.ftoptions from pg_foreign_table f) found, unnest(options) o
where substr(o, strpos(o, '=') + 1) = any ($1::text[]) order by 1, 3`,
    [changed.map(({ from }) => from)]
  )
  return rows.map(({ subject, object, option, value }) => ({
    kind: 'todo',
    subject,
    detail: `its option ${option} holds the id of a Vault secret as it was in the source`,
    remedy: `alter ${object} options (set ${quoteIdentifier(option)} ${quoteLiteral(now.get(value) ?? value)});`
  }))
}

/** Functions and settings in whose text an id stands: what they must say instead is a person's to write. */
async function textsWithIds(connection: Connection, changed: readonly ChangedId[]): Promise<Finding[]> {
  const rows = await connection.query<{ subject: string }>(
    `select 'function ' || p.oid::regprocedure::text as subject from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where ${userSchemas} and p.prosrc ~ $1
union all select 'view ' || c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('v', 'm') and ${userSchemas} and pg_get_viewdef(c.oid) ~ $1
union all select 'setting ' || split_part(s, '=', 1) from pg_db_role_setting d, unnest(d.setconfig) s where s ~ $1 order by 1`,
    [changed.map(({ from }) => from).join('|')]
  )
  return rows.map(({ subject }) => ({
    kind: 'todo',
    subject,
    detail: 'the id of a Vault secret stands in it as it was in the source: write the new one'
  }))
}
