import { memberships } from '../catalog/catalog.ts'
import { quoteLiteral } from '../catalog/quote.ts'

/**
 * Extensions that are left alone: the platform makes and changes them itself, what they hold is passing, or comes back another way (jobs, secrets).
 */
export const leftAlone: readonly string[] = ['plpgsql', 'pg_cron', 'pg_graphql', 'pg_net', 'pgsodium', 'supabase_vault']

const relation = `pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)`
const role = (oid: string) =>
  `case when ${oid} = 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(${oid})) end`

/** Options of a sequence `s`. */
const sequenceOptions = `pg_catalog.format(' start with %s increment by %s minvalue %s maxvalue %s cache %s', s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache)
  || case when s.seqcycle then ' cycle' else ' no cycle' end`

/** A column `a` of the relation `c`, as `create table` has it. */
const column = `pg_catalog.quote_ident(a.attname) || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
  || case when a.attcollation <> 0 and a.attcollation <> t.typcollation then ' collate ' || a.attcollation::regcollation::text else '' end
  || case when a.attgenerated <> '' then ' generated always as (' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || case a.attgenerated when 's' then ') stored' else ') virtual' end
     else coalesce(' default ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') end
  || case when a.attidentity <> '' then ' generated ' || case a.attidentity when 'a' then 'always' else 'by default' end || ' as identity (sequence name '
     || (select pg_catalog.quote_ident(sn.nspname) || '.' || pg_catalog.quote_ident(sc.relname) || ${sequenceOptions}
       from pg_depend i join pg_sequence s on s.seqrelid = i.objid join pg_class sc on sc.oid = s.seqrelid join pg_namespace sn on sn.oid = sc.relnamespace
       where i.classid = 'pg_class'::regclass and i.refclassid = 'pg_class'::regclass and i.refobjid = a.attrelid and i.refobjsubid = a.attnum and i.deptype = 'i') || ')' else '' end
  || case when a.attnotnull then ' not null' else '' end`

const columns = (
  alias: string
) => `pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = ${alias} and a.attnum > 0 and not a.attisdropped`

/** From the objects of `own` that are relations of some kinds. */
const relations = (
  kinds: string
) => `from own o join pg_class c on o.classid = 'pg_class'::regclass and c.oid = o.objid and c.relkind in (${kinds})
  join pg_namespace n on n.oid = c.relnamespace`
const tables = relations(`'r', 'p'`)
const functions = `from own o join pg_proc p on o.classid = 'pg_proc'::regclass and p.oid = o.objid join pg_namespace n on n.oid = p.pronamespace
  join pg_language l on l.oid = p.prolang`
const signature = `case p.prokind when 'p' then 'procedure ' when 'a' then 'aggregate ' else 'function ' end || p.oid::regprocedure::text`
const storageOptions = `coalesce(' with (' || (select pg_catalog.string_agg(x, ', ' order by x) from unnest(c.reloptions) x) || ')', '')`

/** Grants of an access list, a statement for each role and each kind of right. */
const grants = (acl: string, owner: string, object: string, from: string) => `
select g.subject, g.extname, 'grants', ${role('x.grantee')} || case when x.is_grantable then ' *' else '' end,
  'grant ' || pg_catalog.string_agg(x.privilege_type, ', ' order by x.privilege_type) || ' on ' || g.object || ' to ' || ${role('x.grantee')} || case when x.is_grantable then ' with grant option' else '' end
from (select o.subject, o.extname, ${acl} as acl, ${owner} as owner, ${object} as object ${from} where ${acl} is not null) g
cross join lateral pg_catalog.aclexplode(g.acl) x where x.grantee <> g.owner group by g.subject, g.extname, g.object, x.grantee, x.is_grantable`

/** Who owns an object, where that is not who owns its extension. */
const owner = (own: string, object: string, from: string) =>
  `select o.subject, o.extname, 'owner', '', 'alter ' || ${object} || ' owner to ' || ${role(own)} ${from} where ${own} <> o.owner`

const membership = (object: string, from: string) =>
  `select o.subject, o.extname, 'membership', '', 'alter extension ' || pg_catalog.quote_ident(o.extname) || ' add ' || ${object} ${from}`

/** Word of a relation `c` in statements about it. */
const word = `case c.relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'S' then 'sequence ' else 'table ' end || ${relation}`

const comment = (
  classId: string,
  on: string,
  from: string
) => `select o.subject, o.extname, 'comment', '', 'comment on ' || ${on} || ' is ' || pg_catalog.quote_literal(k.description)
${from} join pg_description k on k.classoid = '${classId}'::regclass and k.objoid = o.objid and k.objsubid = 0`

const parts: readonly string[] = [
  // Sequences of identity columns come with their tables.
  `select o.subject, o.extname, 'sequence', '', 'create sequence ' || ${relation} || ' as ' || pg_catalog.format_type(s.seqtypid, null) || ${sequenceOptions}
${relations(`'S'`)} join pg_sequence s on s.seqrelid = c.oid
where not exists (select from pg_depend i where i.classid = 'pg_class'::regclass and i.objid = c.oid and i.deptype = 'i')`,
  `select o.subject, o.extname, 'owned by', '', 'alter sequence ' || q.name || ' owned by ' || ${relation} || '.' || pg_catalog.quote_ident(a.attname)
${tables} join pg_depend i on i.classid = 'pg_class'::regclass and i.refclassid = 'pg_class'::regclass and i.refobjid = c.oid and i.refobjsubid > 0 and i.deptype = 'a'
join pg_class s on s.oid = i.objid and s.relkind = 'S' join pg_attribute a on a.attrelid = c.oid and a.attnum = i.refobjsubid,
lateral (select pg_catalog.quote_ident(sn.nspname) || '.' || pg_catalog.quote_ident(s.relname) as name from pg_namespace sn where sn.oid = s.relnamespace) q`,
  // Those in C are the library's: what may have been changed about them is what they run as.
  `select o.subject, o.extname, 'function', '', case when l.lanname in ('c', 'internal')
    then 'alter ' || ${signature} || case when p.prosecdef then ' security definer' else ' security invoker' end
      || coalesce((select pg_catalog.string_agg(' set ' || pg_catalog.quote_ident(pg_catalog.split_part(g, '=', 1)) || ' = ' || case when g ~ '^(search_path|temp_tablespaces|session_preload_libraries)='
        then nullif(pg_catalog.substr(g, pg_catalog.strpos(g, '=') + 1), '') else pg_catalog.quote_literal(pg_catalog.substr(g, pg_catalog.strpos(g, '=') + 1)) end, '' order by g) from unnest(p.proconfig) g), '')
    else pg_catalog.pg_get_functiondef(p.oid) end
${functions} where p.prokind <> 'a' and (l.lanname not in ('c', 'internal') or p.prosecdef or p.proconfig is not null)`,
  `select o.subject, o.extname, 'table', '', 'create ' || case c.relpersistence when 'u' then 'unlogged ' else '' end || 'table ' || ${relation} || ' ('
  || coalesce((select pg_catalog.string_agg(${column}, ', ' order by a.attnum) from ${columns('c.oid')}), '') || ')'
  || case when c.relkind = 'p' then ' partition by ' || pg_catalog.pg_get_partkeydef(c.oid) else '' end || ${storageOptions}
${tables}`,
  `select o.subject, o.extname, 'column', a.attname::text, 'alter table ' || ${relation} || ' add column ' || ${column}
${tables} join ${columns('c.oid')}`.replace(/ join (pg_attribute a) join/, ' join $1 on a.attrelid = c.oid join'),
  `select o.subject, o.extname, 'view', '', case c.relkind when 'v' then 'create or replace view ' else 'create materialized view ' end || ${relation} || ${storageOptions}
  || ' as ' || pg_catalog.rtrim(pg_catalog.pg_get_viewdef(c.oid), '; ') ${relations(`'v', 'm'`)}`,
  `select o.subject, o.extname, case k.contype when 'f' then 'foreign key' else 'constraint' end, k.conname::text,
  'alter table ' || ${relation} || ' add constraint ' || pg_catalog.quote_ident(k.conname) || ' ' || pg_catalog.pg_get_constraintdef(k.oid)
${tables} join pg_constraint k on k.conrelid = c.oid and k.contype in ('p', 'u', 'x', 'c', 'f') and k.conislocal and k.conparentid = 0`,
  membership(word, relations(`'r', 'p', 'v', 'm', 'S'`)),
  membership(signature, `${functions} where p.prokind <> 'a'`),
  `select o.subject, o.extname, 'partition', '', 'alter table ' || i.inhparent::regclass::text
  || case when c.relispartition then ' attach partition ' || ${relation} || ' ' || pg_catalog.pg_get_expr(c.relpartbound, c.oid) else '' end
${tables} join pg_inherits i on i.inhrelid = c.oid and c.relispartition`,
  `select o.subject, o.extname, 'index', r.relname::text, pg_catalog.pg_get_indexdef(x.indexrelid)
${tables} join pg_index x on x.indrelid = c.oid and x.indisvalid join pg_class r on r.oid = x.indexrelid and not r.relispartition
where not exists (select from pg_constraint k where k.conindid = x.indexrelid and k.conrelid = c.oid)`,
  `select o.subject, o.extname, 'trigger', g.tgname::text, pg_catalog.pg_get_triggerdef(g.oid) || case g.tgenabled when 'O' then '' else
  '; alter table ' || ${relation} || case g.tgenabled when 'D' then ' disable' when 'R' then ' enable replica' else ' enable always' end || ' trigger ' || pg_catalog.quote_ident(g.tgname) end
${tables} join pg_trigger g on g.tgrelid = c.oid and not g.tgisinternal and g.tgparentid = 0`,
  `select o.subject, o.extname, 'policy', y.polname::text, 'create policy ' || pg_catalog.quote_ident(y.polname) || ' on ' || ${relation}
  || case when y.polpermissive then '' else ' as restrictive' end || ' for ' || case y.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end
  || ' to ' || (select pg_catalog.string_agg(${role('who')}, ', ' order by who) from unnest(y.polroles) who)
  || coalesce(' using (' || pg_catalog.pg_get_expr(y.polqual, y.polrelid) || ')', '') || coalesce(' with check (' || pg_catalog.pg_get_expr(y.polwithcheck, y.polrelid) || ')', '')
${tables} join pg_policy y on y.polrelid = c.oid`,
  `select o.subject, o.extname, 'row security', '', 'alter table ' || ${relation} || case when c.relrowsecurity then ' enable' else ' disable' end || ' row level security, '
  || case when c.relforcerowsecurity then 'force' else 'no force' end || ' row level security' ${tables}`,
  comment('pg_class', word, relations(`'r', 'p', 'v', 'm', 'S'`)),
  comment('pg_proc', signature, functions),
  `select o.subject, o.extname, 'comment', a.attname::text, 'comment on column ' || ${relation} || '.' || pg_catalog.quote_ident(a.attname) || ' is ' || pg_catalog.quote_literal(k.description)
${relations(`'r', 'p', 'v', 'm'`)} join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_description k on k.classoid = 'pg_class'::regclass and k.objoid = c.oid and k.objsubid = a.attnum`,
  grants(
    'c.relacl',
    'c.relowner',
    `case c.relkind when 'S' then 'sequence ' else 'table ' end || ${relation}`,
    relations(`'r', 'p', 'v', 'm', 'S'`)
  ),
  `select o.subject, o.extname, 'grants', '', 'revoke all on ' || ${signature.replace(`'aggregate '`, `'function '`)} || ' from public'
${functions} where p.prokind <> 'a' and p.proacl is not null and not exists (select from pg_catalog.aclexplode(p.proacl) x where x.grantee = 0)`,
  grants('p.proacl', 'p.proowner', signature, `${functions} and p.prokind <> 'a'`),
  // Not of functions: on the platform they belong to whom CREATE EXTENSION ran as, and no other server has them so.
  owner('c.relowner', word, relations(`'r', 'p', 'v', 'm'`))
]

/**
 * All objects of extensions (columns `subject`, `extension`), each in a row by itself and in one for each statement that makes it (`step`, `name`, `sql`), in an
 * order of their own. Not joined: the server knows nothing of these sizes, and would read everything anew for each object. Equal text on two servers means equal objects. The session's search_path must be empty.
 */
export const membersSql = `with ${memberships},
own as materialized (
  select m.classid, m.objid, m.extname::text as extname, e.extowner as owner, i.type || ' ' || i.identity as subject
  from members m join pg_extension e on e.oid = m.extension, lateral pg_catalog.pg_identify_object(m.classid, m.objid, 0) i
  where m.extname <> all (array[${leftAlone.map(quoteLiteral).join(', ')}])
    and not exists (select from pg_type t where m.classid = 'pg_type'::regclass and t.oid = m.objid
      and (t.typelem <> 0 and t.typlen = -1 or exists (select from pg_class r where r.oid = t.typrelid and r.relkind <> 'c')))),
parts (subject, extension, step, name, sql) as (
${parts.join('\nunion all ')})
select * from (select subject, extname as extension, null as step, null as name, null as sql from own union all select subject, extension, step, name, sql from parts) x
order by extension collate "C", subject collate "C", step collate "C", name collate "C", sql collate "C"`
