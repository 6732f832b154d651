import type { Finding } from '../../../source.ts'
import { quoteIdentifier } from '../../catalog/quote.ts'
import type { Work } from '../work.ts'
import { isRefusal, messageOf, missingRoleOf, refusalOf } from './refusal.ts'

/**
 * Gives the schema `public` to its owner in the backup, in the open transaction. It is there in every new database, so that no entry makes it. Where the target
 * refuses it is listed.
 */
export async function ownPublic({ connection, facts }: Pick<Work, 'connection' | 'facts'>): Promise<Finding[]> {
  const owner = facts.guards.find(({ kind, name }) => kind === 'owner of schema' && name === 'public')?.definition
  if (owner === undefined) return []
  const [now] = await connection.query<{ owner: string; quoted: string; of: string }>(
    `select pg_catalog.pg_get_userbyid(nspowner)::text as owner, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(nspowner)) as quoted from pg_catalog.pg_namespace where nspname = 'public'`
  )
  if (now === undefined || now.owner === owner || now.quoted === owner) return []
  const role = facts.roles.find(({ name }) => name === owner || quoteIdentifier(name) === owner)?.name ?? owner
  // The database's owner is called by this role, whoever that is.
  const sql = `ALTER SCHEMA public OWNER TO ${quoteIdentifier(role)};`
  const error = await refusalOf(connection, sql)
  if (error === null) return []
  if (!isRefusal(error)) throw error
  const missing = missingRoleOf(error) === null ? '' : `create role ${quoteIdentifier(role)} nologin;\n`
  return [
    {
      kind: 'todo',
      subject: 'schema public',
      detail: `it belongs to ${now.owner} and not to ${role}, as in the backup: ${messageOf(error)}`,
      remedy: `${missing}${sql}`
    }
  ]
}
