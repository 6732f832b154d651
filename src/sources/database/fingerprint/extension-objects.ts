import { classOf, type GuardQuery, grantLines, notOfExtension, qualifiedName, roleName } from './object-sql.ts'

interface Member {
  readonly catalog: string
  readonly kind: string
  readonly name: string
  readonly acl: string
  /** Of acldefault. */
  readonly type: string
  readonly owner: string
  readonly from: string
}

const relations = `pg_class x join pg_namespace n on n.oid = x.relnamespace`

const members: readonly Member[] = [
  {
    catalog: 'pg_class',
    kind: 'table',
    name: qualifiedName('n.nspname', 'x.relname'),
    acl: 'relacl',
    type: 'r',
    owner: 'relowner',
    from: `${relations} and x.relkind in ('r', 'v', 'm', 'f', 'p')`
  },
  {
    catalog: 'pg_class',
    kind: 'sequence',
    name: qualifiedName('n.nspname', 'x.relname'),
    acl: 'relacl',
    type: 's',
    owner: 'relowner',
    from: `${relations} and x.relkind = 'S'`
  },
  {
    catalog: 'pg_proc',
    kind: 'function',
    name: 'x.oid::regprocedure::text',
    acl: 'proacl',
    type: 'f',
    owner: 'proowner',
    from: 'pg_proc x'
  },
  {
    catalog: 'pg_type',
    kind: 'type',
    name: 'format_type(x.oid, null)',
    acl: 'typacl',
    type: 'T',
    owner: 'typowner',
    from: 'pg_type x'
  },
  {
    catalog: 'pg_namespace',
    kind: 'schema',
    name: 'quote_ident(x.nspname)',
    acl: 'nspacl',
    type: 'n',
    owner: 'nspowner',
    from: 'pg_namespace x'
  },
  {
    catalog: 'pg_language',
    kind: 'language',
    name: 'quote_ident(x.lanname)',
    acl: 'lanacl',
    type: 'l',
    owner: 'lanowner',
    from: 'pg_language x'
  },
  {
    catalog: 'pg_foreign_data_wrapper',
    kind: 'foreign data wrapper',
    name: 'quote_ident(x.fdwname)',
    acl: 'fdwacl',
    type: 'F',
    owner: 'fdwowner',
    from: 'pg_foreign_data_wrapper x'
  },
  {
    catalog: 'pg_foreign_server',
    kind: 'foreign server',
    name: 'quote_ident(x.srvname)',
    acl: 'srvacl',
    type: 'S',
    owner: 'srvowner',
    from: 'pg_foreign_server x'
  }
]

/** An access list in lines as `grantLines` makes them, without what its owner has: who owns the server's objects has another name on each server. */
const givenLines = (
  acl: string,
  owner: string
) => `(select coalesce(string_agg(l.line, E'\\n' order by l.line collate "C"), '') from (
    select ${roleName('y.grantee')} || '=' || string_agg(y.privilege_type || case when y.is_grantable then '*' else '' end, ',' order by y.privilege_type collate "C") || '/OWNER' as line
    from aclexplode(${acl}) y where y.grantee <> ${owner} and y.privilege_type <> 'MAINTAIN' group by y.grantee) l)`

const word = `case x.relkind when 'S' then 'sequence ' else 'table ' end || ${qualifiedName('n.nspname', 'x.relname')}`
const ofServer = `'object of the server'`

/**
 * Grants in the server's own schema, and on columns there and of tables that belong to an extension, where they differ from what it began with: a dump holds
 * those. What is narrower than at the beginning has lines, too, be they empty.
 */
export const serverGrants: GuardQuery = () => `
select ${classOf('pg_proc')}, x.oid, ${ofServer}, 'function ' || x.oid::regprocedure::text, null, null, ${givenLines('x.proacl', 'x.proowner')}
from pg_proc x left join pg_init_privs i on i.classoid = ${classOf('pg_proc')} and i.objoid = x.oid and i.objsubid = 0
where x.pronamespace = 'pg_catalog'::regnamespace and x.proacl is not null and x.proacl is distinct from i.initprivs and ${notOfExtension('pg_proc', 'x.oid')}
union all
select ${classOf('pg_class')}, x.oid, ${ofServer}, ${word}, null, null, ${givenLines('x.relacl', 'x.relowner')}
from ${relations} left join pg_init_privs i on i.classoid = ${classOf('pg_class')} and i.objoid = x.oid and i.objsubid = 0
where x.relnamespace = 'pg_catalog'::regnamespace and x.relacl is not null and x.relacl is distinct from i.initprivs and ${notOfExtension('pg_class', 'x.oid')}
union all
select ${classOf('pg_class')}, x.oid, ${ofServer}, 'column ' || ${qualifiedName('n.nspname', 'x.relname')} || '.' || quote_ident(a.attname), null, null, ${givenLines('a.attacl', 'x.relowner')}
from ${relations} join pg_attribute a on a.attrelid = x.oid and not a.attisdropped
left join pg_init_privs i on i.classoid = ${classOf('pg_class')} and i.objoid = x.oid and i.objsubid = a.attnum
where a.attacl is not null and a.attacl is distinct from i.initprivs
  and (x.relnamespace = 'pg_catalog'::regnamespace or exists (select from members m where m.classid = ${classOf('pg_class')} and m.objid = x.oid))`

/** Begins the kind of a member whose grants are those that its extension made. */
export const untouched = 'untouched '

/**
 * Grants on objects of extensions, where they differ from what the extension itself made. With `untouched` those that do not differ come as well, under kinds of
 * their own: who owns a member decides whether the catalog holds its grants for changed, and on a copy others may be the owners.
 */
export const extensionGrants: GuardQuery = (version) =>
  members
    .map(({ catalog, kind, name, acl, type, owner, from }) => {
      const changed = `x.${acl} is distinct from i.initprivs`
      const told =
        version.untouched === true ? `case when ${changed} then '${kind}' else '${untouched}${kind}' end` : `'${kind}'`
      return `
select ${classOf(catalog)}, x.oid, ${told}, ${name}, null, null, ${grantLines(`x.${acl}`, type, `x.${owner}`, version)}
from ${from} join members m on m.classid = ${classOf(catalog)} and m.objid = x.oid
left join pg_init_privs i on i.classoid = ${classOf(catalog)} and i.objoid = x.oid and i.objsubid = 0
where x.${acl} is not null${version.untouched === true ? '' : ` and ${changed}`}`
    })
    .join('\nunion all')
