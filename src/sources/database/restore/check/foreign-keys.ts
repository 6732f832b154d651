import type { Connection } from '../../../../clients/postgres/connection.ts'
import type { Finding } from '../../../source.ts'
import { quoteIdentifier, quoteLiteral, readable } from '../../catalog/quote.ts'

interface Key extends Record<string, unknown> {
  name: string
  schema: string
  child: string
  childName: string
  parentName: string
  columns: string[]
  referred: string[]
  operators: string[]
}

/**
 * Looks for rows that refer to nothing, in every foreign key that one of the tables takes part in: rows that came in while triggers were held still were not
 * checked. Those that the server checks itself when it makes the key need no look.
 */
export async function checkForeignKeys(
  connection: Connection,
  tables: readonly { readonly schema: string; readonly name: string }[]
): Promise<Finding[]> {
  if (tables.length === 0) return []
  const list = tables
    .map((table) => `${quoteLiteral(`${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`)}::regclass`)
    .join(', ')
  const broken = await danglingOf(
    connection,
    `k.convalidated and (k.conrelid = any (array[${list}]) or k.confrelid = any (array[${list}])
  or k.confrelid in (select a.relid from unnest(array[${list}]) t (oid), pg_partition_ancestors(t.oid) a (relid)))`
  )
  return broken.map((key) => ({
    kind: 'difference',
    subject: `foreign key ${key.name} on ${key.child}`,
    detail: `${key.rows} rows refer to rows of ${key.parent} that are not there`
  }))
}

/** Foreign keys that a condition on `k` (pg_constraint) finds and that some rows break, with their number. */
export async function danglingOf(
  connection: Connection,
  condition: string
): Promise<{ readonly name: string; readonly child: string; readonly parent: string; readonly rows: string }[]> {
  const keys =
    await connection.query<Key>(`select k.conname::text as name, n.nspname::text as schema, c.relname::text as child,
  k.conrelid::regclass::text as "childName", k.confrelid::regclass::text as "parentName",
  array(select a.attname::text from unnest(k.conkey) with ordinality u (num, at) join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num order by u.at) as columns,
  array(select a.attname::text from unnest(k.confkey) with ordinality u (num, at) join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num order by u.at) as referred,
  array(select quote_ident(s.nspname) || '.' || o.oprname from unnest(k.conpfeqop) with ordinality u (op, at) join pg_operator o on o.oid = u.op join pg_namespace s on s.oid = o.oprnamespace order by u.at) as operators
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f' and ${condition}
  -- A key to a partitioned table has a copy for each partition: a row must be found in one of them, not in each.
  and not exists (select from pg_constraint whole where whole.oid = k.conparentid and whole.conrelid = k.conrelid)
order by 4, 1`)
  const broken: { name: string; child: string; parent: string; rows: string }[] = []
  for (const key of keys) {
    const columns = key.columns.map((column) => `c.${quoteIdentifier(column)}`)
    const matches = key.referred.map(
      (column, index) =>
        `p.${quoteIdentifier(column)} OPERATOR(${key.operators[index] ?? 'pg_catalog.='}) ${columns[index] ?? ''}`
    )
    const [row] = await connection.query<{ rows: string }>(`select count(*)::text as rows from ${key.childName} c
where ${columns.map((column) => `${column} is not null`).join(' and ')} and not exists (select from ${key.parentName} p where ${matches.join(' and ')})`)
    if (row === undefined || row.rows === '0') continue
    const child = readable({ schema: key.schema, name: key.child })
    broken.push({ name: key.name, child, parent: key.parentName, rows: row.rows })
  }
  return broken
}
