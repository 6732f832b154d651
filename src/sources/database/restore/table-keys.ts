import type { Connection } from '../../../clients/postgres/connection.ts'
import { qualified, quoteIdentifier, quoteLiteral } from '../quote.ts'

/** The columns that tell one row of a table from another. */
export interface TableKey {
  readonly columns: readonly string[]
  /** `t."id" OPERATOR("pg_catalog".=) s."id"`: same row. */
  readonly matches: string
}

interface Row extends Record<string, unknown> {
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
  const rows = await connection.query<Row>(`with key as (
  select x.indexrelid, x.indrelid, x.indkey::int2[] as columns, x.indclass::oid[] as classes, x.indnkeyatts from pg_index x
  where x.indrelid = ${quoteLiteral(qualified(table))}::regclass and x.indisunique and x.indisvalid and x.indimmediate and x.indpred is null and x.indexprs is null
    and not exists (select from pg_attribute a where a.attrelid = x.indrelid and a.attnum = any (x.indkey[0:x.indnkeyatts - 1]) and not a.attnotnull)
  order by x.indisprimary desc, x.indnkeyatts, x.indexrelid limit 1)
select i as position, a.attname::text as name, n.nspname::text as "operatorSchema", o.oprname::text as operator
from key cross join lateral generate_series(0, key.indnkeyatts - 1) i
join pg_attribute a on a.attrelid = key.indrelid and a.attnum = key.columns[i]
join pg_opclass c on c.oid = key.classes[i]
join pg_amop m on m.amopfamily = c.opcfamily and m.amoplefttype = c.opcintype and m.amoprighttype = c.opcintype and m.amopstrategy = 3
join pg_operator o on o.oid = m.amopopr join pg_namespace n on n.oid = o.oprnamespace
order by i`)
  if (rows.length === 0) return null
  const matches = rows.map(({ name, operatorSchema, operator }) => {
    const column = quoteIdentifier(name)
    return `t.${column} OPERATOR(${quoteIdentifier(operatorSchema)}.${operator}) s.${column}`
  })
  return { columns: rows.map((row) => row.name), matches: matches.join(' and ') }
}
