import type { DatabaseFacts, MembershipFacts, RoleFacts } from '../../../archive/contents-database.ts'
import { quoteIdentifier, quoteLiteral } from './quote.ts'

/** Roles that every Supabase project has: the platform makes them and does not let them be changed. Source: supabase/cli, dump scripts. */
const reservedRole =
  /^(anon|authenticated|authenticator|cli_login_.*|dashboard_user|pgbouncer|postgres|service_role|supabase_.*|pgsodium_key(holder|iduser|maker)|pgtle_admin)$/

export function isReservedRole(name: string): boolean {
  return reservedRole.test(name)
}

/** Settings whose value is a list of quoted names. Source: PostgreSQL, fe_utils/string_utils.c, variable_is_guc_list_quote. */
const listSettings = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories'
])

/** Roles, memberships and settings as SQL for people: without passwords, every name and value quoted. */
export function rolesSql(
  facts: Pick<DatabaseFacts, 'roles' | 'memberships' | 'databaseSettings' | 'source'>,
  options: { readonly supabase: boolean }
): string {
  const reserved = (name: string) => options.supabase && isReservedRole(name)
  const own = facts.roles.filter((role) => !reserved(role.name))
  const known = facts.roles.filter((role) => reserved(role.name))
  const database = quoteIdentifier(facts.source.database)
  return [
    '-- Roles of the captured project, for people to read and to run by hand. The restore does not use this file.',
    '-- Passwords are not kept: set them again with  alter role ... password ...  where a role logs in.',
    ...(known.length > 0
      ? [
          '-- Supabase makes these roles itself; only their settings and memberships are repeated here:',
          ...known.map((role) => `--   ${oneLine(role.name)}`)
        ]
      : []),
    '',
    ...own.map(createRole),
    '',
    ...own.flatMap(commentOnRole),
    ...facts.memberships
      .filter(
        (membership) =>
          !(reserved(membership.member) && (reserved(membership.role) || membership.role.startsWith('pg_')))
      )
      .map(grant),
    '',
    ...facts.roles.flatMap((role) => [
      ...role.settings.map((setting) => `ALTER ROLE ${quoteIdentifier(role.name)} SET ${assignment(setting)};`),
      ...role.databaseSettings.map(
        (setting) => `ALTER ROLE ${quoteIdentifier(role.name)} IN DATABASE ${database} SET ${assignment(setting)};`
      )
    ]),
    ...facts.databaseSettings.map((setting) => `ALTER DATABASE ${database} SET ${assignment(setting)};`),
    ''
  ].join('\n')
}

function createRole(role: RoleFacts): string {
  return `CREATE ROLE ${quoteIdentifier(role.name)} WITH ${roleAttributes(role)};`
}

/** What a role may and how often, as `CREATE ROLE` and `ALTER ROLE` take it. */
export function roleAttributes(role: RoleFacts): string {
  const word = (on: boolean, name: string) => (on ? name : `NO${name}`)
  return [
    word(role.superuser, 'SUPERUSER'),
    word(role.inherit, 'INHERIT'),
    word(role.createRole, 'CREATEROLE'),
    word(role.createDb, 'CREATEDB'),
    word(role.login, 'LOGIN'),
    word(role.replication, 'REPLICATION'),
    word(role.bypassRls, 'BYPASSRLS'),
    ...(role.connectionLimit === -1 ? [] : [`CONNECTION LIMIT ${role.connectionLimit}`]),
    ...(role.validUntil === null ? [] : [`VALID UNTIL ${quoteLiteral(role.validUntil)}`])
  ].join(' ')
}

function commentOnRole(role: RoleFacts): string[] {
  return role.comment === null
    ? []
    : [`COMMENT ON ROLE ${quoteIdentifier(role.name)} IS ${quoteLiteral(role.comment)};`]
}

function grant(membership: MembershipFacts): string {
  const admin = membership.admin ? ' WITH ADMIN OPTION' : ''
  return `GRANT ${quoteIdentifier(membership.role)} TO ${quoteIdentifier(membership.member)}${admin};`
}

/** `name=value` of the catalog as `"name" TO 'value'`. */
export function assignment(setting: string): string {
  const at = setting.indexOf('=')
  const name = setting.slice(0, at)
  const value = setting.slice(at + 1)
  const values = listSettings.has(name) ? listItems(value) : [value]
  return `${name.split('.').map(quoteIdentifier).join('.')} TO ${values.map(quoteLiteral).join(', ')}`
}

/** Names of a list such as `"$user", public`. An empty list is one empty name. */
function listItems(value: string): string[] {
  const items = [...value.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,"]+))\s*(?:,|$)/g)].map(
    (match) => match[1]?.replaceAll('""', '"') ?? (match[2] ?? '').trim()
  )
  return items.length === 0 ? [''] : items
}

/** A name in a comment: nothing in it can end the line. */
function oneLine(name: string): string {
  return quoteIdentifier(name).replace(/[\p{Cc}\u2028\u2029]/gu, '?')
}
