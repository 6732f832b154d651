import type { Connection } from '../../../clients/postgres/connection.ts'

/** Roles that Supabase itself makes and that own its functions. A role of the project with such a name can be made by those alone who may make roles. */
const platformRole = '^(supabase_.*|postgres|pgbouncer|pgtle_admin|dashboard_user)$'

/**
 * Which of the tables (by number) reach, when somebody else reads them, a function of a role that the session has no reason to trust: through policies, views in them,
 * expressions of indexes, partitions and operators. Such a function could take `set role` back and go on with the session's own rights. Trusted
 * are the session's own role, superusers and the platform's roles; what their functions call in turn is theirs to answer for.
 */
export async function readUntrusted(connection: Connection, tables: readonly string[]): Promise<ReadonlySet<string>> {
  if (tables.length === 0) return new Set()
  const list = tables.map((oid) => `${Number(oid)}`).join(', ')
  const rows = await connection.query<{ oid: string }>(`with recursive
  edges as materialized (
    select classid as c, objid as o, refclassid as rc, refobjid as ro from pg_depend
    where refclassid in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_operator'::regclass) and deptype in ('n', 'a', 'i')
      and classid in ('pg_class'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass, 'pg_operator'::regclass, 'pg_proc'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass)
    union all select 'pg_class'::regclass, polrelid, 'pg_policy'::regclass, oid from pg_policy
    union all select 'pg_class'::regclass, ev_class, 'pg_rewrite'::regclass, oid from pg_rewrite
    union all select 'pg_class'::regclass, indrelid, 'pg_class'::regclass, indexrelid from pg_index
    union all select 'pg_class'::regclass, conrelid, 'pg_constraint'::regclass, oid from pg_constraint where conrelid <> 0 and contype = 'c'
    union all select 'pg_class'::regclass, adrelid, 'pg_attrdef'::regclass, oid from pg_attrdef
    union all select 'pg_class'::regclass, inhparent, 'pg_class'::regclass, inhrelid from pg_inherits),
  reached (root, c, o) as (
    select oid, 'pg_class'::regclass::oid, oid from pg_class where oid in (${list})
    union select r.root, e.rc, e.ro from reached r join edges e on e.c = r.c and e.o = r.o)
select distinct r.root::text as oid from reached r join pg_proc p on r.c = 'pg_proc'::regclass and p.oid = r.o
join pg_roles w on w.oid = p.proowner
where not w.rolsuper and w.rolname not in (current_user, session_user) and w.rolname !~ '${platformRole}'`)
  return new Set(rows.map((row) => row.oid))
}
