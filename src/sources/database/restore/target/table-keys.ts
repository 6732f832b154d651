import type { Connection } from '../../../../clients/postgres/connection.ts'
import { qualified, quoteIdentifier, quoteLiteral } from '../../catalog/quote.ts'

/** The columns that tell one row of a table from another. */
export interface TableKey {
  /** Of its index, and of the constraint where there is one. */
  readonly name: string
  readonly primary: boolean
  readonly columns: readonly string[]
  /** `t."id" OPERATOR("pg_catalog".=) s."id"`: same row. */
  readonly matches: string
}

interface Row extends Record<string, unknown> {
  index: string
  primary: boolean
  position: number
  name: string
  operatorSchema: string
  operator: string
}

/**
 * The primary key, else a unique key whose columns cannot be null; null where there is neither. Equality is that of the key's own index: a type's `=`
 * may lie in an extension's schema.
 */
export async function readTableKey(
  connection: Connection,
  table: { readonly schema: string; readonly name: string }
): Promise<TableKey | null> {
  const [key] = await readKeys(
    connection,
    table,
    `x.indimmediate and not exists (select from pg_attribute a where a.attrelid = x.indrelid and a.attnum = any (x.indkey[0:x.indnkeyatts - 1]) and not a.attnotnull)
  order by x.indisprimary desc, x.indnkeyatts, x.indexrelid limit 1`
  )
  return key ?? null
}

/** All unique keys of whole columns, whether or not those can be null. */
export async function readUniqueKeys(
  connection: Connection,
  table: { readonly schema: string; readonly name: string }
): Promise<TableKey[]> {
  return readKeys(connection, table, 'true')
}

async function readKeys(
  connection: Connection,
  table: { readonly schema: string; readonly name: string },
  condition: string
): Promise<TableKey[]> {
  const rows = await connection.query<Row>(`with key as (
  select x.indexrelid, x.indrelid, x.indisprimary, x.indkey::int2[] as columns, x.indclass::oid[] as classes, x.indnkeyatts from pg_index x
  where x.indrelid = ${quoteLiteral(qualified(table))}::regclass and x.indisunique and x.indisvalid and x.indpred is null and x.indexprs is null and ${condition})
select r.relname::text as index, key.indisprimary as primary, i as position, a.attname::text as name, n.nspname::text as "operatorSchema", o.oprname::text as operator
from key join pg_class r on r.oid = key.indexrelid cross join lateral generate_series(0, key.indnkeyatts - 1) i
join pg_attribute a on a.attrelid = key.indrelid and a.attnum = key.columns[i]
join pg_opclass c on c.oid = key.classes[i]
join pg_amop m on m.amopfamily = c.opcfamily and m.amoplefttype = c.opcintype and m.amoprighttype = c.opcintype and m.amopstrategy = 3
join pg_operator o on o.oid = m.amopopr join pg_namespace n on n.oid = o.oprnamespace
order by key.indexrelid, i`)
  const keys = new Map<string, Row[]>()
  for (const row of rows) keys.set(row.index, [...(keys.get(row.index) ?? []), row])
  return [...keys].map(([index, columns]) => ({
    name: index,
    primary: columns.every(({ primary }) => primary),
    columns: columns.map(({ name }) => name),
    matches: columns
      .map(({ name, operatorSchema, operator }) => {
        const column = quoteIdentifier(name)
        return `t.${column} OPERATOR(${quoteIdentifier(operatorSchema)}.${operator}) s.${column}`
      })
      .join(' and ')
  }))
}
