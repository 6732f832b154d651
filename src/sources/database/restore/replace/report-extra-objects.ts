import type { DatabaseFacts } from '../../../../archive/contents-database.ts'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import type { Finding } from '../../../source.ts'
import { quoteIdentifier, quoteLiteral } from '../../catalog/quote.ts'
import { readRoles } from '../../catalog/roles.ts'
import { isReservedRole } from '../../catalog/roles-sql.ts'
import type { TargetState } from '../target/target-state.ts'

/**
 * Roles, extensions and publications of the target that the backup does not have. A replacement of everything leaves them there: roles belong to the whole
 * server, and with the others more may go than was looked at. What the platform has made is not meant.
 */
export async function tellBeyondBackup(
  connection: Connection,
  facts: DatabaseFacts,
  target: Pick<TargetState, 'user'>
): Promise<Finding[]> {
  const lacks = (there: readonly { readonly name: string }[]) => {
    const names = new Set(there.map(({ name }) => name))
    return ({ name }: { readonly name: string }) => !names.has(name)
  }
  const roles = (await readRoles(connection))
    .filter(lacks(facts.roles))
    .filter(({ name, superuser }) => name !== target.user && !superuser && !isReservedRole(name))
  const owned = (
    await connection.query<{ name: string; owner: string }>(
      'select extname::text as name, pg_catalog.pg_get_userbyid(extowner)::text as owner from pg_catalog.pg_extension order by 1'
    )
  ).filter(lacks(facts.extensions))
  const known = facts.guards.filter(({ kind }) => kind === 'publication').map(({ name }) => ({ name }))
  const publications = await connection.query<{ name: string; quoted: string; owner: string }>(
    'select pubname::text as name, pg_catalog.quote_ident(pubname) as quoted, pg_catalog.pg_get_userbyid(pubowner)::text as owner from pg_catalog.pg_publication order by 1'
  )
  return [
    ...roles.map(({ name, login }) =>
      beyond(`role ${name}`, `DROP ROLE ${quoteIdentifier(name)};`, login ? ', and it may log in' : '')
    ),
    ...owned
      .filter(({ name, owner }) => name !== 'plpgsql' && !isPlatforms(owner))
      .map(({ name }) => beyond(`extension ${name}`, `DROP EXTENSION ${quoteIdentifier(name)};`)),
    ...publications
      .filter(({ quoted, owner }) => facts.guards.length > 0 && lacks(known)({ name: quoted }) && !isPlatforms(owner))
      .map(({ name, quoted }) => beyond(`publication ${quoted}`, `DROP PUBLICATION ${quoteIdentifier(name)};`))
  ]
}

/** Jobs of pg_cron that the target alone has. `staged`: a table with those of the backup; null where it has none. */
export async function tellJobsBeyond(connection: Connection, staged: string | null): Promise<Finding[]> {
  if (!(await mayRead(connection, 'cron.job'))) return []
  const other =
    staged === null
      ? ''
      : `where not exists (select from ${staged} s where s.username = j.username
  and case when j.jobname is null then s.jobname is null and s.schedule = j.schedule and s.command = j.command else s.jobname = j.jobname end)`
  const jobs = await connection.query<{ id: string; name: string | null; command: string; active: boolean }>(
    `select j.jobid::text as id, j.jobname::text as name, j.command, j.active::bool as active from cron.job j ${other} order by j.jobid`
  )
  return jobs.map(({ id, name, command, active }) =>
    beyond(
      `cron job ${name ?? command.slice(0, 60)}`,
      `select cron.unschedule(${name === null ? id : quoteLiteral(name)});`,
      active ? ', and it goes on running' : ''
    )
  )
}

/** Vault secrets that the target alone has. No value is read. */
export async function tellSecretsBeyond(
  connection: Connection,
  backup: readonly { readonly id: string; readonly name: string | null }[]
): Promise<Finding[]> {
  if (!(await mayRead(connection, 'vault.secrets'))) return []
  const names = new Set(backup.map(({ id, name }) => name ?? id))
  const secrets = await connection.query<{ id: string; name: string | null }>(
    'select id::text as id, name from vault.secrets order by name, id'
  )
  return secrets
    .filter(({ id, name }) => !names.has(name ?? id))
    .map(({ id, name }) =>
      beyond(
        `Vault secret ${name ?? id}`,
        `delete from vault.secrets where ${name === null ? 'id' : 'name'} = ${quoteLiteral(name ?? id)};`
      )
    )
}

function beyond(subject: string, remedy: string, more = ''): Finding {
  return { kind: 'note', subject, detail: `the backup does not have it: it was left as it is${more}`, remedy }
}

/** `postgres` is the user's on the platform, and the superuser elsewhere. */
const isPlatforms = (owner: string) => owner !== 'postgres' && isReservedRole(owner)

async function mayRead(connection: Connection, table: string): Promise<boolean> {
  const [row] = await connection.query<{ may: boolean }>(
    `select coalesce(has_table_privilege(to_regclass('${table}'), 'SELECT') and has_schema_privilege(split_part('${table}', '.', 1), 'USAGE'), false) as may where to_regclass('${table}') is not null`
  )
  return row?.may === true
}
