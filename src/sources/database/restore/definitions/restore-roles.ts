import type { DatabaseFacts, MembershipFacts, RoleFacts } from '../../../../archive/contents-database.ts'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { asError } from '../../../../errors.ts'
import type { Finding } from '../../../source.ts'
import { quoteIdentifier, quoteLiteral } from '../../catalog/quote.ts'
import { readMemberships, readRoles } from '../../catalog/roles.ts'
import { assignment, isReservedRole } from '../../catalog/roles-sql.ts'
import type { TargetState } from '../target/target-state.ts'
import { refusalOf } from './refusal.ts'

/**
 * Makes the roles of the project that the target does not have, with their memberships and settings, in the open transaction. Roles that are there stay as
 * they are: they belong to the whole server; what the backup says otherwise of those that are not the platform's is listed. So are attributes and
 * memberships that the session may not give. Passwords are in no backup.
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
  const before = new Map((await readRoles(connection)).map((role) => [role.name, role]))
  for (const role of facts.roles) {
    const there = before.get(role.name)
    if (there !== undefined) {
      const attributes = attributesThatDiffer(role, there)
      if (attributes.length > 0 && !isReservedRole(role.name))
        findings.push({
          kind: 'todo',
          subject: `role ${role.name}`,
          detail: 'it is there with other attributes than in the backup, and was left as it is',
          remedy: `ALTER ROLE ${quoteIdentifier(role.name)} ${attributes.join(' ')};`
        })
      continue
    }
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
  const memberships = await readMemberships(connection)
  const held = byPair(memberships)
  for (const [pair, membership] of byPair(facts.memberships)) {
    const there = held.get(pair)
    if (there !== undefined && covers(there, membership)) continue
    const { role, member } = membership
    // Who has the right to pass a role on cannot be given it once more by himself.
    const admin = membership.admin && there?.admin !== true
    const grant = `GRANT ${quoteIdentifier(role)} TO ${quoteIdentifier(member)}${membershipOptions({ ...membership, admin }, target.versionNumber)}`
    const subject = `membership of ${member} in ${role}`
    if (made.has(role) || (made.has(member) && !isReservedRole(member))) await tried(subject, grant)
    else if (before.has(role) && before.has(member) && isOwn(membership))
      findings.push({
        kind: 'todo',
        subject,
        detail:
          'both roles were there before, and stay as they are: the backup has this membership, the target does not',
        remedy: `${grant};`
      })
  }
  const known = new Set(facts.roles.map((role) => role.name))
  const wanted = byPair(facts.memberships)
  for (const membership of memberships) {
    const { role, member, grantor } = membership
    // Who makes a role becomes its member by that alone, since 16.
    if (wanted.has(pairOf(membership)) || member === target.user || made.has(role) || made.has(member)) continue
    if (known.has(role) && known.has(member) && isOwn(membership))
      findings.push({
        kind: 'todo',
        subject: `membership of ${member} in ${role}`,
        detail:
          'both roles were there before, and stay as they are: the target has this membership, the backup does not',
        remedy: `REVOKE ${quoteIdentifier(role)} FROM ${quoteIdentifier(member)}${target.versionNumber >= 160_000 ? ` GRANTED BY ${quoteIdentifier(grantor)}` : ''};`
      })
  }
  return findings
}

/** Whether one of the two is the project's own: what the platform's roles are to each other is the platform's affair. */
function isOwn({ role, member }: MembershipFacts): boolean {
  return !isReservedRole(member) || !(isReservedRole(role) || role.startsWith('pg_'))
}

const until = ({ validUntil }: RoleFacts) => validUntil ?? 'infinity'

/** What `ALTER ROLE` must say for a role to be as in the backup. */
function attributesThatDiffer(wanted: RoleFacts, there: RoleFacts): string[] {
  const words = [
    ['superuser', 'SUPERUSER'],
    ['inherit', 'INHERIT'],
    ['createRole', 'CREATEROLE'],
    ['createDb', 'CREATEDB'],
    ['login', 'LOGIN'],
    ['replication', 'REPLICATION'],
    ['bypassRls', 'BYPASSRLS']
  ] as const
  return [
    ...words.flatMap(([key, word]) => (wanted[key] === there[key] ? [] : [wanted[key] ? word : `NO${word}`])),
    ...(wanted.connectionLimit === there.connectionLimit ? [] : [`CONNECTION LIMIT ${wanted.connectionLimit}`]),
    ...(until(wanted) === until(there) ? [] : [`VALID UNTIL ${quoteLiteral(until(wanted))}`])
  ]
}

const pairOf = ({ role, member }: MembershipFacts) => JSON.stringify([role, member])

/** Memberships by role and member: what several grantors gave counts together, as it does at the server. */
function byPair(memberships: readonly MembershipFacts[]): Map<string, MembershipFacts> {
  const pairs = new Map<string, MembershipFacts>()
  for (const membership of memberships) {
    const pair = pairOf(membership)
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
