import { createHash } from 'node:crypto'
import type pg from 'pg'

/** A table whose rows are taken. Partitions and children of inheritance are tables of their own; their parents hold no rows, or only their own. */
export interface Table {
  readonly oid: number
  /** Quoted, with its schema. */
  readonly name: string
  /** The file that its rows lie in: another one after VACUUM FULL, TRUNCATE and ALTER TYPE. */
  readonly file: number
  /** Columns that are stored, in their order, quoted. */
  readonly columns: readonly string[]
  /** What two states must have in common for the rows of one to be those of the other. */
  readonly form: string
  /** The hash of a row `t`, over the same text or the same binary value that COPY writes as text. */
  readonly hash: string
}

/**
 * Binary values are hashed where the same binary value always is the same text. It is not for enums (a label is renamed and no row changes), reg* (a table is
 * renamed), composites and ranges over those, and types of extensions: those go through their output function.
 */
const catalog = `
with recursive plain(oid) as (
  select oid from pg_catalog.pg_type where typnamespace = 'pg_catalog'::regnamespace and typtype = 'b' and typelem = 0
    and typname not in ('regclass','regproc','regprocedure','regoper','regoperator','regtype','regrole','regnamespace','regconfig','regdictionary','regcollation','money','xml','json')
  union
  select a.oid from pg_catalog.pg_type a join plain p on a.typelem = p.oid and a.typcategory = 'A'
)
select c.oid::int as oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name, pg_relation_filenode(c.oid)::bigint as file,
  array_agg(quote_ident(a.attname) order by a.attnum) filter (where a.attname is not null) as columns,
  string_agg(concat_ws(':', a.attnum, a.atttypid, a.atttypmod, a.attcollation, a.atthasmissing, a.attmissingval::text), ',' order by a.attnum) as form,
  string_agg(case when a.attname is null then null
    when a.atttypid in (select oid from plain) and a.attcollation in (0, 100, 950) then 't.' || quote_ident(a.attname)
    when a.atttypid in (select oid from plain) then 't.' || quote_ident(a.attname) || ' collate "C"'
    else 'case when num_nulls(t.' || quote_ident(a.attname) || ') = 0 then format(''%s'', t.' || quote_ident(a.attname) || ') end collate "C"' end, ', ' order by a.attnum) as hashed
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
where c.relkind = 'r' and c.relpersistence <> 't' and c.relam = (select oid from pg_am where amname = 'heap')
  and n.nspname = any($1)
group by c.oid, n.nspname, c.relname order by c.oid`

export async function tablesOf(client: pg.Client, schemas: readonly string[]): Promise<Table[]> {
  const { rows } = await client.query(catalog, [schemas])
  return rows.map((row) => ({
    oid: row.oid,
    name: row.name,
    file: Number(row.file),
    columns: row.columns ?? [],
    form: createHash('sha256').update(String(row.form)).digest('hex').slice(0, 16),
    hash: `hashfloat8extended(hash_record_extended(row(${row.hashed ?? ''}), 0)::float8, 0)`
  }))
}
