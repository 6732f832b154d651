import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { listed } from '../catalog/quote.ts'

type NotCaptured = DatabaseFacts['notCaptured'][number]

/** What no dump holds although somebody made it. */
export interface BeyondDump {
  readonly notCaptured: readonly NotCaptured[]
  /** What of it the database itself loses, in one line: it belongs to the first that a person reads. */
  readonly warnings: readonly string[]
}

interface Kind {
  /** Whether it is the database's, and not the server's around it, which has other keepers. */
  readonly ofDatabase: boolean
  readonly reason: string
  /** One column `what`. */
  readonly sql: string
}

/** Numbers below this belong to the server itself. Source: PostgreSQL, access/transam.h, FirstNormalObjectId. */
const firstOwn = 16384
const ownSchemas = `n.nspname in ('pg_catalog', 'information_schema')`
const noMember = (catalog: string, oid: string) =>
  `not exists (select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype in ('e', 'i'))`

/** Whether an access list is another than that of what everybody has one right to, and its owner all. */
const narrowed = (
  acl: string,
  owner: string,
  right: string
) => `${acl} is not null and (exists (select from aclexplode(${acl}) x
  where x.grantee not in (0, ${owner}) or x.grantee = 0 and x.privilege_type <> '${right}') or not exists (select from aclexplode(${acl}) x where x.grantee = 0 and x.privilege_type = '${right}'))`

const kinds: readonly Kind[] = [
  {
    ofDatabase: true,
    reason: 'a dump holds labels of objects in the database alone: security label ... on role makes it again',
    sql: `select 'security label of ' || quote_ident(l.provider) || ' on role ' || quote_ident(r.rolname) as what
from pg_shseclabel l join pg_roles r on l.classoid = 'pg_authid'::regclass and r.oid = l.objoid`
  },
  {
    ofDatabase: true,
    reason: 'security label ... on database makes it again',
    sql: `select 'security label of ' || quote_ident(l.provider) || ' on the database' as what
from pg_shseclabel l join pg_database d on l.classoid = 'pg_database'::regclass and d.oid = l.objoid and d.datname = current_database()`
  },
  {
    ofDatabase: true,
    reason: "it lies in a schema of the server's own, which no dump looks into: move it to a schema of yours",
    sql: `select case p.prokind when 'p' then 'procedure ' else 'function ' end || n.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')' as what
from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${ownSchemas} and p.oid >= ${firstOwn} and ${noMember('pg_proc', 'p.oid')}
union all select case c.relkind when 'v' then 'view ' when 'S' then 'sequence ' else 'table ' end || n.nspname || '.' || quote_ident(c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${ownSchemas} and c.oid >= ${firstOwn} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and ${noMember('pg_class', 'c.oid')}`
  },
  {
    ofDatabase: true,
    reason:
      'a dump does not hold what was granted or revoked there: grant or revoke it again, it is open to everybody in a restored database',
    // As initdb leaves them, everybody may read them, and nobody else than the owner more.
    sql: `select 'grants on information_schema.' || quote_ident(c.relname) as what from pg_class c
where c.relnamespace = 'information_schema'::regnamespace and c.oid < ${firstOwn} and c.relkind in ('r', 'v') and ${narrowed('c.relacl', 'c.relowner', 'SELECT')}
union all select 'grants on the schema information_schema' from pg_namespace n where n.nspname = 'information_schema' and ${narrowed('n.nspacl', 'n.nspowner', 'USAGE')}`
  },
  {
    ofDatabase: true,
    reason: 'they lie on another server, though the partitioned table shows them as its own: back that server up, too',
    sql: `select 'rows behind the foreign table ' || c.oid::regclass::text as what from pg_class c where c.relkind = 'f' and c.relispartition`
  },
  {
    ofDatabase: true,
    reason: 'memberships of the roles of the server itself are not kept: grant it again',
    sql: `select 'membership of ' || quote_ident(m.rolname) || ' in ' || quote_ident(r.rolname) as what
from pg_auth_members a join pg_roles r on r.oid = a.roleid join pg_roles m on m.oid = a.member
where m.oid < ${firstOwn} and m.rolname ~ '^pg_' and not (r.oid < ${firstOwn} and r.rolname ~ '^pg_')`
  },
  {
    ofDatabase: false,
    reason: 'alter database ... sets it again',
    sql: `select case when datconnlimit <> -1 then 'connection limit of the database: ' || datconnlimit end as what from pg_database where datname = current_database() and datconnlimit <> -1
union all select 'the database is a template' from pg_database where datname = current_database() and datistemplate`
  },
  {
    ofDatabase: false,
    reason: 'it belongs to the whole server: its consumer makes it anew',
    sql: `select 'logical replication slot ' || quote_ident(slot_name) as what from pg_replication_slots where slot_type = 'logical' and database = current_database() and not temporary`
  },
  {
    ofDatabase: false,
    reason:
      'it belongs to the whole server, and tells how far somebody has read: it is made anew with its subscription',
    sql: `select 'replication origin ' || quote_ident(roname) as what from pg_replication_origin where roname !~ '^pg_[0-9]+'`
  },
  {
    ofDatabase: false,
    reason: 'it holds in another database of the server',
    sql: `select 'setting ' || split_part(x, '=', 1) || ' of the role ' || quote_ident(r.rolname) || ' in the database ' || quote_ident(d.datname) as what
from pg_db_role_setting s join pg_roles r on r.oid = s.setrole join pg_database d on d.oid = s.setdatabase and d.datname <> current_database(), unnest(s.setconfig) x`
  },
  {
    ofDatabase: false,
    reason: 'they belong to the whole server: alter system ... sets them again',
    sql: `select 'settings made by alter system: ' || string_agg(name, ', ' order by name) as what from pg_settings where sourcefile like '%postgresql.auto.conf' having count(*) > 0`
  }
]

/** Most names in a warning. */
const mostNamed = 8

/** What somebody made that neither a dump nor this program takes along. What the role may not look into is passed over. */
export async function readBeyondDump(connection: Connection): Promise<BeyondDump> {
  const notCaptured: NotCaptured[] = []
  const lost: string[] = []
  for (const { sql, reason, ofDatabase } of kinds) {
    const found = await askedFor(connection, sql)
    notCaptured.push(...found.map((what) => ({ what, reason })))
    if (ofDatabase) lost.push(...found)
  }
  return {
    notCaptured,
    warnings: lost.length === 0 ? [] : [`No dump holds, and the backup does not, either: ${listed(lost, mostNamed)}.`]
  }
}

async function askedFor(connection: Connection, sql: string): Promise<string[]> {
  await connection.query('savepoint beyond')
  try {
    return (await connection.query<{ what: string }>(`select what from (${sql}) found order by what collate "C"`)).map(
      ({ what }) => what
    )
  } catch (error) {
    if (connection.broken.aborted || sqlStateOf(error) !== '42501') throw error
    return []
  } finally {
    if (!connection.broken.aborted) await connection.query('rollback to savepoint beyond; release savepoint beyond')
  }
}
