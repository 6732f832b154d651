import type { DatabaseFacts, MembershipFacts, RoleFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { asError } from '../../../errors.ts'
import type { Finding } from '../../source.ts'
import { quoteIdentifier, quoteLiteral } from '../quote.ts'
import { readMemberships } from '../roles.ts'
import { assignment, isReservedRole } from '../roles-sql.ts'
import { refusalOf } from './refusal.ts'
import type { TargetState } from './target.ts'

/**
 * Makes the roles of the project that the target does not have, with their memberships and settings, in the open transaction. Roles that are there stay as
 * they are: they belong to the whole server. Attributes and memberships that the session may not give are listed. Passwords are in no backup.
 */
export async function restoreRoles(
  connection: Connection,
  facts: DatabaseFacts,
  target: TargetState
): Promise<Finding[]> {
  const findings: Finding[] = []
  const todo = (subject: string, sql: string, why: unknown) =>
    findings.push({ kind: 'todo', subject, detail: asError(why).message, remedy: `${sql};` })
  const tried = async (subject: string, sql: string): Promise<boolean> => {
    const error = await refusalOf(connection, sql)
    if (error !== null) todo(subject, sql, error)
    return error === null
  }
  const made = new Set<string>()
  for (const role of facts.roles) {
    if (target.roles.has(role.name)) continue
    const name = quoteIdentifier(role.name)
    if (!(await tried(`role ${role.name}`, `CREATE ROLE ${name} WITH ${plainAttributes(role)}`))) continue
    made.add(role.name)
    // Each by itself: a session that may not give one may still give the others.
    for (const attribute of strongAttributes(role)) await tried(`role ${role.name}`, `ALTER ROLE ${name} ${attribute}`)
    if (role.comment !== null)
      await tried(`comment on role ${role.name}`, `COMMENT ON ROLE ${name} IS ${quoteLiteral(role.comment)}`)
    for (const setting of role.settings)
      await tried(`setting of role ${role.name}`, `ALTER ROLE ${name} SET ${assignment(setting)}`)
    for (const setting of role.databaseSettings)
      await tried(
        `setting of role ${role.name}`,
        `ALTER ROLE ${name} IN DATABASE ${quoteIdentifier(target.database)} SET ${assignment(setting)}`
      )
    if (role.login)
      findings.push({
        kind: 'todo',
        subject: `role ${role.name}`,
        detail: 'it logs in, and passwords are in no backup',
        remedy: `ALTER ROLE ${name} PASSWORD '...';`
      })
  }
  const held = byPair(await readMemberships(connection))
  for (const [pair, membership] of byPair(facts.memberships)) {
    const there = held.get(pair)
    if (there !== undefined && covers(there, membership)) continue
    if (isReservedRole(membership.member) && !made.has(membership.role)) continue
    if (!made.has(membership.member) && !made.has(membership.role)) continue
    // Who has the right to pass a role on cannot be given it once more by himself.
    const admin = membership.admin && there?.admin !== true
    await tried(
      `membership of ${membership.member} in ${membership.role}`,
      `GRANT ${quoteIdentifier(membership.role)} TO ${quoteIdentifier(membership.member)}${membershipOptions({ ...membership, admin }, target.versionNumber)}`
    )
  }
  return findings
}

/** Memberships by role and member: what several grantors gave counts together, as it does at the server. */
function byPair(memberships: readonly MembershipFacts[]): Map<string, MembershipFacts> {
  const pairs = new Map<string, MembershipFacts>()
  for (const membership of memberships) {
    const pair = JSON.stringify([membership.role, membership.member])
    const other = pairs.get(pair)
    const either = (one: boolean | null, two: boolean | null) => (one === null ? two : one || two === true)
    pairs.set(
      pair,
      other === undefined
        ? membership
        : {
            ...other,
            admin: other.admin || membership.admin,
            inherit: either(other.inherit, membership.inherit),
            set: either(other.set, membership.set)
          }
    )
  }
  return pairs
}

/** Whether a membership that is there gives all that another one does. Servers before 16 know no options but the right to pass it on: null, which gives the rest. */
function covers(there: MembershipFacts, wanted: MembershipFacts): boolean {
  return (
    (there.admin || !wanted.admin) &&
    (there.inherit !== false || wanted.inherit === false) &&
    (there.set !== false || wanted.set === false)
  )
}

/** Nothing that only some may give: Supabase refuses the clauses even where they take away what nobody has. */
function plainAttributes(role: RoleFacts): string {
  return [
    role.inherit ? 'INHERIT' : 'NOINHERIT',
    role.login ? 'LOGIN' : 'NOLOGIN',
    ...(role.createDb ? ['CREATEDB'] : []),
    ...(role.createRole ? ['CREATEROLE'] : []),
    ...(role.connectionLimit === -1 ? [] : [`CONNECTION LIMIT ${role.connectionLimit}`]),
    ...(role.validUntil === null ? [] : [`VALID UNTIL ${quoteLiteral(role.validUntil)}`])
  ].join(' ')
}

function strongAttributes(role: RoleFacts): string[] {
  return [
    ...(role.superuser ? ['SUPERUSER'] : []),
    ...(role.replication ? ['REPLICATION'] : []),
    ...(role.bypassRls ? ['BYPASSRLS'] : [])
  ]
}

function membershipOptions({ admin, inherit, set }: MembershipFacts, versionNumber: number): string {
  if (versionNumber >= 160000 && inherit !== null && set !== null)
    return ` WITH ADMIN ${admin}, INHERIT ${inherit}, SET ${set}`
  return admin ? ' WITH ADMIN OPTION' : ''
}
