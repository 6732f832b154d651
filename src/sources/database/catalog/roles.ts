import type { ExtensionFacts, MembershipFacts, RoleFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'

interface RoleRow extends Record<string, unknown> {
  name: string
  superuser: boolean
  inherit: boolean
  createRole: boolean
  createDb: boolean
  login: boolean
  replication: boolean
  bypassRls: boolean
  connectionLimit: number
  validUntil: string | null
  comment: string | null
  settings: string[]
  databaseSettings: string[]
}

/** All roles but the server's own (`pg_*`), without passwords. */
export async function readRoles(connection: Connection): Promise<RoleFacts[]> {
  return await connection.query<RoleRow>(`select r.rolname::text as name, r.rolsuper as superuser, r.rolinherit as inherit,
  r.rolcreaterole as "createRole", r.rolcreatedb as "createDb", r.rolcanlogin as login, r.rolreplication as replication,
  r.rolbypassrls as "bypassRls", r.rolconnlimit as "connectionLimit", r.rolvaliduntil::text as "validUntil",
  shobj_description(r.oid, 'pg_authid') as comment,
  coalesce((select s.setconfig from pg_db_role_setting s where s.setrole = r.oid and s.setdatabase = 0), '{}') as settings,
  coalesce((select s.setconfig from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase and d.datname = current_database()
    where s.setrole = r.oid), '{}') as "databaseSettings"
from pg_roles r where r.rolname !~ '^pg_' order by r.rolname collate "C"`)
}

/** Who is a member of what, memberships in the server's own roles included. */
export async function readMemberships(connection: Connection): Promise<MembershipFacts[]> {
  const since16 = connection.versionNumber >= 160000
  return await connection.query<
    MembershipFacts & Record<string, unknown>
  >(`select pg_get_userbyid(m.roleid)::text as role, pg_get_userbyid(m.member)::text as member,
  pg_get_userbyid(m.grantor)::text as grantor, m.admin_option as admin,
  ${since16 ? 'm.inherit_option' : 'null::boolean'} as inherit, ${since16 ? 'm.set_option' : 'null::boolean'} as set
from pg_auth_members m join pg_roles p on p.oid = m.member where p.rolname !~ '^pg_' order by 1, 2, 3`)
}

export async function readExtensions(connection: Connection): Promise<ExtensionFacts[]> {
  return await connection.query<
    ExtensionFacts & Record<string, unknown>
  >(`select e.extname::text as name, e.extversion as version, n.nspname::text as schema
from pg_extension e join pg_namespace n on n.oid = e.extnamespace order by e.extname collate "C"`)
}
