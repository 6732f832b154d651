import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { memberships, userSchemas } from '../catalog/catalog.ts'
import { quoteLiteral } from '../catalog/quote.ts'
import { leftAlone } from '../members/member-parts.ts'

import { beyondDumpSql } from './beyond-dump.ts'

type NotCaptured = DatabaseFacts['notCaptured'][number]

/** What a dump of this database does not hold, from the catalog, in one round trip. */
export async function readNotCaptured(
  connection: Connection,
  options: {
    readonly vault: boolean
    readonly standby: boolean
    /** Whether what belongs to extensions is taken apart from the dump. */
    readonly members: boolean
  }
): Promise<NotCaptured[]> {
  const unlogged = options.standby
    ? `union all select 'rows of the unlogged table ' || c.oid::regclass::text, 'a replica cannot read them'
from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and c.relpersistence = 'u' and ${userSchemas}`
    : ''
  const rows = await connection.query<{ what: string; reason: string }>(`
select 'subscription ' || quote_ident(s.subname) as what, 'its connection string is a secret of the server; make it again by hand' as reason
from pg_subscription s join pg_database d on d.oid = s.subdbid and d.datname = current_database()
union all select 'tablespace of ' || c.oid::regclass::text, 'tablespaces are folders of the server; the object itself is kept'
from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.reltablespace <> 0 and c.relkind in ('r', 'i', 'm', 'p', 'I') and ${userSchemas}
union all select 'index ' || x.indexrelid::regclass::text, 'it is not valid: building it was never finished'
from pg_index x join pg_class c on c.oid = x.indrelid join pg_namespace n on n.oid = c.relnamespace
where not (x.indisvalid and x.indisready) and c.relkind <> 'p' and ${userSchemas}
union all select distinct 'switched-off state of the foreign key ' || quote_ident(k.conname) || ' on ' || k.conrelid::regclass::text, 'a restored copy checks it again'
from pg_trigger t join pg_constraint k on k.oid = t.tgconstraint join pg_namespace n on n.oid = k.connamespace
where t.tgisinternal and t.tgenabled <> 'O' and ${userSchemas}
union all select 'password of user mapping ' || usename || ' on ' || quote_ident(srvname), 'the role may not read its options'
from pg_user_mappings where umoptions is null and umuser <> 0 and not (select rolsuper from pg_roles where rolname = current_user)
union all select 'setting ' || split_part(setting, '=', 1) || ' of all roles', 'it belongs to the whole server: alter role all set ... brings it back'
from pg_db_role_setting s, unnest(s.setconfig) setting where s.setdatabase = 0 and s.setrole = 0
${unlogged}
order by 1`)
  const beyond = await connection.query<{ what: string; reason: string }>(
    `select * from (${beyondDumpSql}) as beyond order by 1`
  )
  const roles = await connection.query<{ login: string }>(
    `select count(*)::text as login from pg_roles where rolcanlogin and rolname !~ '^pg_'`
  )
  const vault = await connection.query<{ there: boolean }>(`select to_regclass('vault.secrets') is not null as there`)
  return [
    ...rows,
    ...beyond,
    ...(await readOfMembers(connection, options.members)),
    ...(roles[0]?.login === '0'
      ? []
      : [{ what: 'passwords of roles', reason: 'they are never read; set them again after a restore' }]),
    ...(vault[0]?.there === true && !options.vault
      ? [
          {
            what: 'values of Vault secrets',
            reason: 'they are encrypted by a key outside the database; only an encrypted backup keeps them in clear'
          }
        ]
      : [])
  ]
}

/** Extensions whose tables hold nothing that lasts: requests that wait, and answers that are kept for hours. */
const passing = ['pg_net']

/**
 * What a dump does not hold of the tables that belong to extensions: rows of those that the extension does not declare as its configuration, and policies,
 * triggers and indexes that somebody added. A trigger is the extension's where its function is; the others where they were made in one transaction with the
 * table. Of tables that pg_upgrade made that cannot be told, which shows in the indexes of their keys: nothing is said of their indexes and policies.
 */
async function readOfMembers(connection: Connection, apart: boolean): Promise<NotCaptured[]> {
  const names = (list: readonly string[]) => `array[${list.map(quoteLiteral).join(', ')}]`
  const rows = await connection.query<{
    name: string
    extension: string
    readable: boolean
    filled: boolean
    triggers: string[]
    indexes: string[]
    policies: string[]
  }>(`with ${memberships}
select c.oid::regclass::text as name, e.extname::text as extension,
  not c.oid = any (coalesce(e.extconfig, '{}')) and c.relkind = 'r' and has_table_privilege(c.oid, 'SELECT')
    and has_schema_privilege(n.oid, 'USAGE') and not row_security_active(c.oid) as readable,
  not c.oid = any (coalesce(e.extconfig, '{}')) and c.relkind = 'r' and c.reltuples > 0 as filled,
  array(select quote_ident(t.tgname) from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal
    and not exists (select from members f where f.classid = 'pg_proc'::regclass and f.objid = t.tgfoid)
    and exists (select from pg_proc p where p.oid = t.tgfoid and p.pronamespace <> 'pg_catalog'::regnamespace) order by 1)::text[] as triggers,
  array(select x.indexrelid::regclass::text from pg_index x where x.indrelid = c.oid and x.xmin <> a.xmin and told.apart
    and not exists (select from pg_constraint k where k.conindid = x.indexrelid) order by 1)::text[] as indexes,
  array(select quote_ident(p.polname) from pg_policy p where p.polrelid = c.oid and p.xmin <> a.xmin and told.apart order by 1)::text[] as policies
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join members m on m.classid = 'pg_class'::regclass and m.objid = c.oid join pg_extension e on e.oid = m.extension
join pg_attribute a on a.attrelid = c.oid and a.attnum = 1,
lateral (select not exists (select from pg_index x join pg_constraint k on k.conindid = x.indexrelid and k.conrelid = c.oid and k.contype in ('p', 'u')
  where x.indrelid = c.oid and x.xmin <> a.xmin) as apart) told
where c.relkind in ('r', 'p') and ${userSchemas} and e.extname <> all (${names(passing)})${apart ? ` and e.extname = any (${names(leftAlone)})` : ''}
order by c.oid::regclass::text`)
  const readable = rows.filter((row) => row.readable)
  const held =
    readable.length === 0
      ? []
      : await connection.query<{ name: string }>(
          readable
            .map(({ name }) => `select ${quoteLiteral(name)} as name where exists (select from only ${name})`)
            .join(' union all ')
        )
  const withRows = new Set([
    ...held.map(({ name }) => name),
    ...rows.filter((row) => row.filled && !row.readable).map(({ name }) => name)
  ])
  return rows.flatMap(({ name, extension, triggers, indexes, policies }): NotCaptured[] => {
    const added = (kind: string, names: readonly string[]) =>
      names.map((one) => ({
        what: `${kind} ${one} on ${name}`,
        reason: `the table belongs to the extension ${extension}: a dump keeps nothing that others added to it; make it again after a restore`
      }))
    return [
      ...(withRows.has(name)
        ? [
            {
              what: `rows of the table ${name}`,
              reason: `it belongs to the extension ${extension}, which does not declare them as its configuration`
            }
          ]
        : []),
      ...added('policy', policies),
      ...added('trigger', triggers),
      ...added('index', indexes)
    ]
  })
}
