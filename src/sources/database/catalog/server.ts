import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { grantLines, roleName } from '../fingerprint/object-sql.ts'

/** What one query tells of server, database and session. */
export interface ServerFacts
  extends Pick<
    DatabaseFacts,
    | 'sizeBytes'
    | 'encoding'
    | 'collation'
    | 'characterType'
    | 'locale'
    | 'databaseOwner'
    | 'databaseGrants'
    | 'databaseComment'
    | 'databaseSettings'
    | 'parameterGrants'
  > {
  readonly user: string
  readonly database: string
  readonly superuser: boolean
  /** Whether the server is a replica: it cannot read unlogged tables. */
  readonly standby: boolean
  /** Schemas of users, by name. */
  readonly schemas: readonly string[]
}

interface Row extends Record<string, unknown> {
  user: string
  database: string
  superuser: boolean
  standby: boolean
  size: string
  encoding: string
  collation: string
  ctype: string
  provider: string
  locale: string | null
  rules: string | null
  owner: string
  grants: string
  comment: string | null
  settings: string[]
  parameters: string[]
  schemas: string[]
}

/** The provider exists since PostgreSQL 15, rules since 16; the locale's column was renamed in 17. */
function localeOf(server: number): string {
  if (server < 150000) return `'c' as provider, null::text as locale, null::text as rules`
  return `d.datlocprovider::text as provider, ${server >= 170000 ? 'd.datlocale' : 'd.daticulocale'} as locale, ${server >= 160000 ? 'd.daticurules' : 'null::text'} as rules`
}

const providers: Readonly<Record<string, 'icu' | 'builtin'>> = { i: 'icu', b: 'builtin' }

function localeFacts({ provider, locale, rules }: Row): Pick<DatabaseFacts, 'locale'> {
  const known = providers[provider]
  return known === undefined || locale === null ? {} : { locale: { provider: known, name: locale, rules } }
}

/** Reads them in one round trip. */
export async function readServerFacts(connection: Connection): Promise<ServerFacts> {
  const server = connection.versionNumber
  const parameters =
    server >= 150000
      ? `array(select p.parname || ': ' || line from pg_parameter_acl p, unnest(string_to_array(${grantLines('p.paracl', 'p', '10', { server, oldest: server })}, E'\\n')) line order by 1)`
      : `array[]::text[]`
  const [row] = await connection.query<Row>(`select current_user::text as user, d.datname::text as database,
  (select rolsuper from pg_roles where rolname = current_user) as superuser, pg_is_in_recovery() as standby,
  pg_database_size(d.oid)::text as size, pg_encoding_to_char(d.encoding)::text as encoding, d.datcollate::text as collation, d.datctype::text as ctype,
  ${localeOf(server)},
  ${roleName('d.datdba')} as owner, ${grantLines('d.datacl', 'd', 'd.datdba', { server, oldest: server })} as grants,
  shobj_description(d.oid, 'pg_database') as comment,
  coalesce((select setconfig from pg_db_role_setting s where s.setdatabase = d.oid and s.setrole = 0), '{}') as settings,
  ${parameters} as parameters,
  array(select n.nspname from pg_namespace n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1)::text[] as schemas
from pg_database d where d.datname = current_database()`)
  if (row === undefined) throw new Error('the server does not know its own database')
  return {
    user: row.user,
    database: row.database,
    superuser: row.superuser,
    standby: row.standby,
    sizeBytes: Number(row.size),
    encoding: row.encoding,
    collation: row.collation,
    characterType: row.ctype,
    ...localeFacts(row),
    databaseOwner: row.owner,
    databaseGrants: row.grants === '' ? [] : row.grants.split('\n'),
    databaseComment: row.comment,
    databaseSettings: row.settings,
    parameterGrants: row.parameters,
    schemas: row.schemas
  }
}
