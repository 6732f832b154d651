import type { Connection } from '../../../../clients/postgres/connection.ts'
import { quoteIdentifier } from '../../catalog/quote.ts'
import { readMemberships } from '../../catalog/roles.ts'
import { isReservedRole } from '../../catalog/roles-sql.ts'
import type { TargetState } from '../target/target-state.ts'
import { refusalOf } from './refusal.ts'

/** What makes a role's member fully one. Since 16 who makes a role has the right to pass it on, and no more. */
export function fullMembership(role: string, member: string, versionNumber: number): string {
  const options = versionNumber >= 160_000 ? ' WITH INHERIT TRUE, SET TRUE' : ''
  return `GRANT ${quoteIdentifier(role)} TO ${quoteIdentifier(member)}${options}`
}

/**
 * Makes the session's role a member of those among `names` that it is none of, as far as it may: an object can be given only to a role that the giver may
 * become, and is worked on afterwards only by who has its owner's rights. Returns the statements that set the memberships back as they were.
 */
export async function borrowRoles(
  connection: Connection,
  names: Iterable<string>,
  target: Pick<TargetState, 'user' | 'superuser' | 'versionNumber'>
): Promise<readonly string[]> {
  const own = [...new Set(names)].filter((name) => !isReservedRole(name) && !name.startsWith('pg_'))
  if (target.superuser || own.length === 0) return []
  const { user, versionNumber } = target
  const full =
    versionNumber >= 160_000 ? `pg_has_role(oid, 'USAGE') and pg_has_role(oid, 'SET')` : `pg_has_role(oid, 'MEMBER')`
  const lacking = await connection.query<{ name: string }>(
    `select rolname::text as name from pg_roles where rolname = any($1::name[]) and not (${full}) order by 1`,
    [own]
  )
  if (lacking.length === 0) return []
  const held = await readMemberships(connection)
  const back: string[] = []
  for (const { name } of lacking) {
    if ((await refusalOf(connection, fullMembership(name, user, versionNumber))) !== null) continue
    const before = held.find(({ role, member, grantor }) => role === name && member === user && grantor === user)
    back.push(
      before === undefined
        ? `REVOKE ${quoteIdentifier(name)} FROM ${quoteIdentifier(user)}`
        : `GRANT ${quoteIdentifier(name)} TO ${quoteIdentifier(user)} WITH INHERIT ${before.inherit ?? true}, SET ${before.set ?? true}`
    )
  }
  return back
}
