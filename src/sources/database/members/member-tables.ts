import type { MemberTable } from '../../../archive/contents-database.ts'
import type { MemberSequence } from '../../../archive/contents-members.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { memberships, userSchemas } from '../catalog/catalog.ts'
import { columnForm } from '../catalog/column-form.ts'
import { quoteLiteral } from '../catalog/quote.ts'
import type { Selection } from '../catalog/selection.ts'
import { readSequenceStates } from '../catalog/sequences.ts'
import { leftAlone } from './member-parts.ts'

/** A table of an extension that no dump holds the rows of. */
export interface CatalogMemberTable extends Omit<MemberTable, 'rows' | 'hash' | 'hashSkipped' | 'entry'> {
  /** Whether the session may read all of its rows. */
  readonly readable: boolean
}

interface Row extends Record<string, unknown> {
  subject: string
  schema: string
  name: string
  extension: string
  kind: 'r'
  bytes: string
  rowSecurity: boolean
  names: string[]
  types: string[]
  generated: boolean[] | null
  readable: boolean
}

const ofOthers = `e.extname <> all (array[${leftAlone.map(quoteLiteral).join(', ')}])`

/** Tables and partitions that belong to extensions and are not declared as their configuration, by schema and name. */
export async function readMemberTables(connection: Connection): Promise<CatalogMemberTable[]> {
  const rows = await connection.query<Row>(`with recursive ${memberships},
  base_type as (
    select t.oid, t.oid as base, t.typtype, t.typbasetype from pg_type t where t.typtype = 'd'
    union all
    select b.oid, t.oid, t.typtype, t.typbasetype from base_type b join pg_type t on t.oid = b.typbasetype where b.typtype = 'd')
select i.type || ' ' || i.identity as subject, n.nspname::text as schema, c.relname::text as name, e.extname::text as extension, c.relkind::text as kind, c.relrowsecurity as "rowSecurity",
  (c.relpages::bigint * 8192)::text as bytes, k.names, k.types, k.generated::text[] as generated,
  has_table_privilege(c.oid, 'SELECT') and has_schema_privilege(n.oid, 'USAGE') and not row_security_active(c.oid)
    and not (c.relpersistence = 'u' and pg_is_in_recovery()) as readable
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join members m on m.classid = 'pg_class'::regclass and m.objid = c.oid join pg_extension e on e.oid = m.extension,
lateral pg_identify_object('pg_class'::regclass, c.oid, 0) i,
lateral (select coalesce(array_agg(a.attname::text order by a.attnum), '{}') as names, coalesce(array_agg(
    case when t.typnamespace = 'pg_catalog'::regnamespace then t.typname::text else '' end order by a.attnum), '{}') as types,
    coalesce(array_agg((a.attgenerated <> '') order by a.attnum), '{}') as generated
  from pg_attribute a left join base_type b on b.oid = a.atttypid and b.typtype <> 'd' join pg_type t on t.oid = coalesce(b.base, a.atttypid)
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) k
where c.relkind = 'r' and c.relpersistence <> 't' and ${userSchemas} and ${ofOthers} and not c.oid = any (coalesce(e.extconfig, '{}'))
order by n.nspname collate "C", c.relname collate "C"`)
  return rows.map(
    ({ subject, schema, name, extension, kind, bytes, rowSecurity, names, types, generated, readable }) => ({
      subject,
      schema,
      name,
      extension,
      kind,
      bytes: Number(bytes),
      rowSecurity,
      columns: names.map((column, index) => columnForm(column, types[index] ?? '')),
      copied: names.filter((_, index) => String(generated?.[index]) !== 'true'),
      readable
    })
  )
}

/** States of sequences that belong to extensions, or number columns of their tables, and are not declared as configuration. Those that cannot be read are left out. */
export async function readMemberSequences(connection: Connection): Promise<MemberSequence[]> {
  const sequences = await connection.query<{ schema: string; name: string; extension: string }>(`with ${memberships},
  found as (
    select m.objid as sequence, m.extension from members m where m.classid = 'pg_class'::regclass
    union select d.objid, m.extension from pg_depend d join members m on m.classid = d.refclassid and m.objid = d.refobjid
      where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype = 'i')
select n.nspname::text as schema, c.relname::text as name, e.extname::text as extension
from found f join pg_class c on c.oid = f.sequence join pg_namespace n on n.oid = c.relnamespace join pg_extension e on e.oid = f.extension
where c.relkind = 'S' and c.relpersistence <> 't' and ${userSchemas} and ${ofOthers} and not c.oid = any (coalesce(e.extconfig, '{}'))
  and case when c.relkind = 'S' then has_sequence_privilege(c.oid, 'SELECT') end and has_schema_privilege(n.oid, 'USAGE')
order by n.nspname collate "C", c.relname collate "C"`)
  const states = await readSequenceStates(connection, sequences)
  return sequences.flatMap((sequence, index) => {
    const state = states[index]
    return state === undefined ? [] : [{ ...sequence, ...state }]
  })
}

/** Whether what belongs to extensions is part of a dump: a choice of schemas or tables leaves extensions out. */
export function holdsMembers(selection: Selection): boolean {
  return selection.schemas.length === 0 && selection.tables.length === 0
}
