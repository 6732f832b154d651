import { z } from 'zod'
import type { TableFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { UserError } from '../../../errors.ts'
import { memberships, userSchemas } from './catalog.ts'
import { columnForm } from './column-form.ts'
import { listed, quoteIdentifier, readable } from './quote.ts'

/** A relation that could be part of a dump, as the catalog has it. */
export interface CatalogTable extends Omit<TableFacts, 'rows' | 'hash' | 'hashSkipped'> {
  readonly oid: string
  /** `schema.name` as the server quotes it: how the fingerprint names the table. */
  readonly quoted: string
  /** `WHERE ...` under which the rows of an extension's table are dumped; empty for all others. */
  readonly condition: string
  readonly unlogged: boolean
  readonly owner: string
  /** Oids of the partitioned tables above it, the nearest first. */
  readonly above: readonly string[]
  /** Whether the session may read it, and the schema around it. */
  readonly maySelect: boolean
  readonly mayUse: boolean
  /** Whether row level security would filter what the session reads. */
  readonly filtered: boolean
}

interface Row {
  oid: string
  quoted: string
  schema: string
  name: string
  kind: 'r' | 'p' | 'm' | 'f'
  owner: string
  unlogged: boolean
  populated: boolean
  rowSecurity: boolean
  bytes: string
  extension: string | null
  condition: string | null
  above: string[]
  parent: string | null
  /** JSON: name and built-in type of each column. */
  columns: string | null
  maySelect: boolean
  mayUse: boolean
  filtered: boolean
}

/**
 * All tables, partitions, materialized views and foreign tables that pg_dump could dump, by schema and name, in one round trip.
 * Sizes come from the server's statistics: asking the files would wait behind every lock.
 */
export async function readTables(connection: Connection): Promise<CatalogTable[]> {
  const rows = await connection.query<Row & Record<string, unknown>>(tablesSql)
  return rows.map((row) => ({
    oid: row.oid,
    quoted: row.quoted,
    schema: row.schema,
    name: row.name,
    kind: row.kind,
    owner: row.owner,
    unlogged: row.unlogged,
    bytes: Number(row.bytes),
    rowSecurity: row.rowSecurity,
    columns: columnsOf(row.columns),
    condition: row.condition ?? '',
    above: row.above,
    maySelect: row.maySelect,
    mayUse: row.mayUse,
    filtered: row.filtered,
    ...(row.kind === 'm' ? { populated: row.populated } : {}),
    ...(row.extension === null ? {} : { extension: row.extension }),
    ...(row.parent === null ? {} : { partitionOf: row.parent })
  }))
}

function columnsOf(json: string | null): TableFacts['columns'] {
  return json === null
    ? []
    : columnsSchema.parse(JSON.parse(json)).map(([name, type, generated]) => ({
        ...columnForm(name, type),
        ...(generated ? { generated } : {})
      }))
}
const columnsSchema = z.array(z.tuple([z.string(), z.string(), z.boolean()]))

const tablesSql = `with recursive ${memberships},
  base_type as (
    select t.oid, t.oid as base, t.typtype, t.typbasetype from pg_catalog.pg_type t where t.typtype = 'd'
    union all
    select b.oid, t.oid, t.typtype, t.typbasetype from base_type b join pg_catalog.pg_type t on t.oid = b.typbasetype where b.typtype = 'd'),
  ancestor as (
    select i.inhrelid as relation, i.inhparent as parent, 1 as depth from pg_catalog.pg_inherits i
    join pg_catalog.pg_class p on p.oid = i.inhparent and p.relkind = 'p'
    union all
    select a.relation, i.inhparent, a.depth + 1 from ancestor a join pg_catalog.pg_inherits i on i.inhrelid = a.parent),
  config as (
    select e.oid as extension, e.extname, u.relation, u.condition from pg_catalog.pg_extension e,
      rows from (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition)) as u (relation, condition)),
  columns as (
    select a.attrelid, pg_catalog.json_agg(pg_catalog.json_build_array(a.attname,
      case when t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace then t.typname else '' end, a.attgenerated = 's') order by a.attnum) as list
    from pg_catalog.pg_attribute a
    left join base_type b on b.oid = a.atttypid and b.typtype <> 'd'
    join pg_catalog.pg_type t on t.oid = coalesce(b.base, a.atttypid)
    join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'm', 'p', 'f')
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where a.attnum > 0 and not a.attisdropped and ${userSchemas}
    group by a.attrelid)
select c.oid::text as oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as quoted, n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind,
  pg_catalog.pg_get_userbyid(c.relowner)::text as owner, c.relpersistence = 'u' as unlogged, c.relispopulated as populated,
  c.relrowsecurity as "rowSecurity",
  ((c.relpages::bigint + coalesce(x.relpages, 0)) * 8192)::text as bytes,
  g.extname::text as extension, g.condition,
  array(select a.parent::text from ancestor a where a.relation = c.oid order by a.depth) as above,
  (select pg_catalog.quote_ident(pn.nspname) || '.' || pg_catalog.quote_ident(p.relname) from pg_catalog.pg_inherits i
    join pg_catalog.pg_class p on p.oid = i.inhparent join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
    where i.inhrelid = c.oid order by i.inhseqno limit 1) as parent,
  k.list as columns,
  pg_catalog.has_table_privilege(c.oid, 'SELECT') as "maySelect",
  pg_catalog.has_schema_privilege(n.oid, 'USAGE') as "mayUse",
  c.relrowsecurity and pg_catalog.row_security_active(c.oid) as filtered
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_class x on x.oid = c.reltoastrelid
left join columns k on k.attrelid = c.oid
left join members m on m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and m.objid = c.oid
left join config g on g.extension = m.extension and g.relation = c.oid
where c.relkind in ('r', 'p', 'm', 'f') and c.relpersistence <> 't' and ${userSchemas}
  and (m.objid is null or g.relation is not null)
order by n.nspname collate "C", c.relname collate "C"`

/**
 * What the role cannot read of the tables that would be dumped is one error that names them, before any work: never an omission.
 * `locked` are those that pg_dump locks; data is read of `withData`.
 */
export function assertReadable(locked: readonly CatalogTable[], withData: readonly CatalogTable[], user: string): void {
  const schemas = [...new Set(locked.filter((table) => !table.mayUse).map((table) => table.schema))]
  const unreadable = locked.filter((table) => !table.maySelect && (table.kind === 'r' || table.kind === 'p'))
  if (unreadable.length > 0 || schemas.length > 0) {
    const name = quoteIdentifier(user)
    const parts = [
      ...(schemas.length > 0 ? [`the schemas ${listed(schemas.map(quoteIdentifier))}`] : []),
      ...(unreadable.length > 0 ? [`the tables ${listed(unreadable.map(readable))}`] : [])
    ]
    throw new UserError('SB203', `The role ${name} may not read ${parts.join(' and ')}.`, {
      remedy: `Connect as \`postgres\`, or run: grant pg_read_all_data to ${name}. Or leave them out with \`exclude-tables\` or \`exclude-schemas\`.`
    })
  }
  const filtered = withData.filter((table) => table.filtered)
  if (filtered.length > 0) {
    throw new UserError(
      'SB204',
      `Row level security would hide rows of ${listed(filtered.map(readable))} from the role ${quoteIdentifier(user)}.`,
      {
        remedy: `Connect as \`postgres\`, or run: alter role ${quoteIdentifier(user)} bypassrls. A backup of some of the rows is never made.`
      }
    )
  }
}
