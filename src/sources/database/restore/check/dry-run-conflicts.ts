import type { DatabaseFacts } from '../../../../archive/contents-database.ts'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import type { Finding } from '../../../source.ts'
import { qualified, quoteIdentifier, readable } from '../../catalog/quote.ts'
import { describeEntry } from '../../pg-archive/entry-sql.ts'
import { factsOfKind } from '../../pg-archive/kinds.ts'
import type { Replaced } from '../plan/plan-replacing.ts'
import type { RestorePlan, RowsPlan } from '../plan/restore-plan.ts'
import { readTableKey } from '../target/table-keys.ts'

/** A table of the target by its name. */
interface Place {
  readonly schema: string
  readonly name: string
}

/**
 * What the target will not give back beside the replaced tables, in words: views, functions, policies and keys that use a column which the table of the backup
 * does not have, and indexes whose name is taken. Reads the catalog alone.
 */
export async function foretellRefused(
  connection: Connection,
  facts: DatabaseFacts,
  replaced: Replaced,
  plan: Pick<RestorePlan, 'entries'>
): Promise<string[]> {
  return [...(await lostColumns(connection, facts, replaced)), ...(await takenNames(connection, replaced, plan))]
}

async function lostColumns(connection: Connection, facts: DatabaseFacts, { roots, givenBack }: Replaced) {
  const held = new Map(facts.tables.map((table) => [readable(table), table]))
  const kept = roots.flatMap(({ kind, schema, tag, objectId }) => {
    const table = kind === 'TABLE' ? held.get(readable({ schema, name: tag })) : undefined
    return table === undefined ? [] : [{ oid: objectId, names: table.columns.map(({ name }) => name) }]
  })
  const rows = await connection.query<{ table: string; column: string; object: string; relation: string | null }>(
    `select c.oid::regclass::text as table, a.attname::text as column, d.objid::text as object, r.ev_class::text as relation
from jsonb_to_recordset($1::jsonb) k (oid oid, names jsonb) join pg_class c on c.oid = k.oid join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid = a.attnum
left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
where not k.names ? a.attname::text order by 1, a.attnum, 3`,
    [JSON.stringify(kept)]
  )
  const found = rows.flatMap(({ table, column, object, relation }) =>
    givenBack
      .filter(({ kind, objectId }) =>
        /VIEW$/.test(kind) ? objectId === relation : objectId === object && factsOfKind(kind).isTakenByCascade
      )
      .map((entry) => `${describeEntry(entry)} uses the column ${column} of ${table}, which the backup does not have.`)
  )
  return [...new Set(found)]
}

/** The name that the index of a constraint gets. */
const ofConstraint = /\bADD CONSTRAINT (?:"((?:[^"]|"")+)"|(\S+)) (?:PRIMARY KEY|UNIQUE|EXCLUDE)\b/

async function takenNames(
  connection: Connection,
  { roots, givenBack }: Replaced,
  { entries }: Pick<RestorePlan, 'entries'>
) {
  const names = entries.flatMap(({ kind, schema, tag, definition }) => {
    const match = kind === 'CONSTRAINT' ? ofConstraint.exec(definition) : null
    const name = kind === 'INDEX' ? tag : (match?.[1]?.replaceAll('""', '"') ?? match?.[2])
    return name === undefined ? [] : [{ schema, name }]
  })
  const gone = [...roots, ...givenBack]
    .filter(({ kind }) => factsOfKind(kind).isRelation)
    .map(({ objectId }) => objectId)
  const rows = await connection.query<Place & { table: string }>(
    `select n.nspname::text as schema, c.relname::text as name, x.indrelid::regclass::text as table
from jsonb_to_recordset($1::jsonb) k (schema text, name text) join pg_namespace n on n.nspname = k.schema join pg_class c on c.relnamespace = n.oid and c.relname = k.name
join pg_index x on x.indexrelid = c.oid where not x.indrelid = any ($2::oid[]) order by 1, 2`,
    [JSON.stringify(names), gone]
  )
  return rows.map(
    ({ schema, name, table }) =>
      `The index ${readable({ schema, name })} of ${table}, which stays, has the name of one that comes back: alter index ${qualified({ schema, name })} rename to ${quoteIdentifier(`${name}_old`.slice(-63))};`
  )
}

interface Key {
  readonly name: string
  readonly child: string
  readonly columns: string[]
  readonly parent: string
  readonly referred: string[]
  readonly operators: string[]
}

/** Foreign keys that a condition on `k` (pg_constraint) finds. */
function readKeys(
  connection: Connection,
  condition: string,
  values: readonly unknown[]
): Promise<(Key & Record<string, unknown>)[]> {
  return connection.query(
    `select k.conname::text as name, k.conrelid::regclass::text as child, k.confrelid::regclass::text as parent,
  array(select a.attname::text from unnest(k.conkey) with ordinality u (num, at) join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num order by u.at) as columns,
  array(select a.attname::text from unnest(k.confkey) with ordinality u (num, at) join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num order by u.at) as referred,
  array(select quote_ident(s.nspname) || '.' || o.oprname from unnest(k.conpfeqop) with ordinality u (op, at) join pg_operator o on o.oid = u.op join pg_namespace s on s.oid = o.oprnamespace order by u.at) as operators
from pg_constraint k where k.contype = 'f' and k.convalidated and ${condition} order by 2, 1`,
    values
  )
}

/** How many rows `s` of `child` refer to none of `parent`; null as `parent`: there is none. */
async function countDangling(
  connection: Connection,
  { columns, referred, operators }: Key,
  child: string,
  parent: string | null,
  condition = 'true'
): Promise<number> {
  const own = columns.map((column) => `s.${quoteIdentifier(column)}`)
  const matches = referred.map(
    (column, at) => `p.${quoteIdentifier(column)} OPERATOR(${operators[at] ?? 'pg_catalog.='}) ${own[at] ?? ''}`
  )
  const found = parent === null ? 'false' : `exists (select from ${parent} p where ${matches.join(' and ')})`
  const [count] = await connection.query<{ rows: string }>(
    `select count(*)::text as rows from ${child} s where ${condition} and ${own.map((column) => `${column} is not null`).join(' and ')} and not ${found}`
  )
  return Number(count?.rows ?? '0')
}

/**
 * Keys of tables that stay, and whose rows would refer to nothing once a table holds the rows of the backup alone, in words. `rows` is what the backup has of
 * it, to be put behind FROM; null where that is nothing.
 */
export async function foretellUnkept(
  connection: Connection,
  { givenBack }: Pick<Replaced, 'givenBack'>,
  table: Place,
  rows: string | null
): Promise<string[]> {
  const ids = givenBack.filter(({ kind }) => kind === 'FK CONSTRAINT').map(({ objectId }) => objectId)
  const keys = await readKeys(connection, 'k.oid = any ($1::oid[]) and k.confrelid = $2::regclass', [
    ids,
    qualified(table)
  ])
  const told: string[] = []
  for (const key of keys) {
    const count = await countDangling(connection, key, key.child, rows)
    if (count > 0)
      told.push(
        `The foreign key ${key.name} of ${key.child}: ${count} of its rows refer to rows of ${key.parent} that the backup does not have.`
      )
  }
  return told
}

/**
 * Keys of a table that stays, and whose rows of the backup (`rows`, to be put behind FROM) would refer to what the target does not hold, in words. `others` get
 * rows, too: keys to them are left out. With `absent` only rows count whose key is not there.
 */
export async function foretellDangling(
  connection: Connection,
  table: Place,
  rows: string,
  others: readonly Place[],
  absent: boolean
): Promise<string[]> {
  const keys = await readKeys(
    connection,
    `k.conrelid = $1::regclass and k.confrelid not in (select o.oid from unnest($2::regclass[]) o (oid)
  union select a.relid from unnest($2::regclass[]) o (oid), pg_partition_ancestors(o.oid) a (relid))`,
    [qualified(table), others.map(qualified)]
  )
  const own = absent && keys.length > 0 ? await readTableKey(connection, table) : null
  const condition = own === null ? 'true' : `not exists (select from only ${qualified(table)} t where ${own.matches})`
  const told: string[] = []
  for (const key of keys) {
    const count = await countDangling(connection, key, rows, key.parent, condition)
    if (count > 0)
      told.push(
        `The foreign key ${key.name} of ${readable(table)}: ${count} rows of the backup refer to rows of ${key.parent} that the target does not have.`
      )
  }
  return told
}

/** Tables whose missing rows a restore will not find. */
export async function foretellKeyless(connection: Connection, plans: readonly RowsPlan[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { facts, copied } of plans) {
    const key = await readTableKey(connection, facts)
    if (key?.columns.every((column) => copied.columns.includes(column)) === true) continue
    findings.push({
      kind: 'todo',
      subject: `table ${readable(facts)}`,
      detail:
        'it has no primary key and no unique key without nulls: which of its rows are missing cannot be told, and none would come back',
      remedy: `restore-mode: side-schema, tables: ${readable(facts)}`
    })
  }
  return findings
}
