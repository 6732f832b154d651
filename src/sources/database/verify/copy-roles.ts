import type { DatabaseFacts, MembershipFacts, RoleFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { asError } from '../../../errors.ts'
import type { Finding } from '../../source.ts'
import { quoteIdentifier, quoteLiteral } from '../catalog/quote.ts'
import { readMemberships, readRoles } from '../catalog/roles.ts'
import { assignment, roleAttributes } from '../catalog/roles-sql.ts'
import { compareSettings } from './copy-database.ts'

type Roles = Pick<DatabaseFacts, 'roles' | 'memberships'>

/**
 * Makes the project's roles, without passwords, and who is a member of whom. Roles that are there already stay as they are, but for the
 * superuser `own` that this run made itself. Returns the names of those that it made. Their settings come later (`applySettings`): some
 * would hinder the restore.
 */
export async function createRoles(
  connection: Connection,
  facts: Roles,
  own: string | null
): Promise<{ readonly made: readonly string[]; readonly findings: readonly Finding[] }> {
  const known = new Set(
    (await connection.query<{ name: string }>('select rolname::text as name from pg_roles')).map((row) => row.name)
  )
  const made: string[] = []
  const findings: Finding[] = []
  for (const role of facts.roles) {
    const verb = !known.has(role.name) ? 'CREATE' : role.name === own ? 'ALTER' : null
    if (verb === null) continue
    await connection.query(`${verb} ROLE ${quoteIdentifier(role.name)} WITH ${roleAttributes(role)}`)
    if (verb === 'CREATE') made.push(role.name)
    if (role.comment !== null)
      await connection.query(`COMMENT ON ROLE ${quoteIdentifier(role.name)} IS ${quoteLiteral(role.comment)}`)
  }
  const touched = new Set([...made, ...(own === null ? [] : [own])])
  let waiting = facts.memberships.filter((membership) => touched.has(membership.member) || touched.has(membership.role))
  // From PostgreSQL 16 on only who may pass a role on can be its grantor: those grants come first, in whatever order that takes.
  for (let progress = true; waiting.length > 0 && progress; ) {
    const left: MembershipFacts[] = []
    for (const membership of waiting) if (!(await granted(connection, membership, true))) left.push(membership)
    progress = left.length < waiting.length
    waiting = left
  }
  for (const membership of waiting) {
    const done = await granted(connection, membership, false)
    findings.push({
      kind: 'notProven',
      reason: 'refused-by-server',
      subject: `membership of ${membership.member} in ${membership.role}`,
      detail: done
        ? `it cannot be granted by ${membership.grantor} on the copy`
        : "it cannot be granted on the copy's server"
    })
  }
  return { made, findings }
}

async function granted(connection: Connection, membership: MembershipFacts, byGrantor: boolean): Promise<boolean> {
  const by = byGrantor ? ` GRANTED BY ${quoteIdentifier(membership.grantor)}` : ''
  const { admin, inherit, set } = membership
  const since16 = connection.versionNumber >= 160000 && inherit !== null && set !== null
  const options = since16 ? ` WITH ADMIN ${admin}, INHERIT ${inherit}, SET ${set}` : admin ? ' WITH ADMIN OPTION' : ''
  try {
    await connection.query(
      `GRANT ${quoteIdentifier(membership.role)} TO ${quoteIdentifier(membership.member)}${options}${by}`
    )
    return true
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error
    return false
  }
}

/** Settings that would change who asks, or load libraries, in the sessions that compare. */
const kept = /^(?:role|session_authorization|(?:session|local)_preload_libraries|jit_provider)$/i

/** Gives roles that this run made, and the copied database, the settings that they have in the source. What the server refuses is named. */
export async function applySettings(
  connection: Connection,
  facts: DatabaseFacts,
  database: string,
  made: ReadonlySet<string>
): Promise<Finding[]> {
  const findings: Finding[] = []
  const apply = async (what: string, statement: string, setting: string) => {
    const name = setting.slice(0, setting.indexOf('='))
    if (kept.test(name) && statement.startsWith('ALTER DATABASE')) {
      findings.push({
        kind: 'notProven',
        reason: 'refused-by-server',
        subject: `setting ${name} of ${what}`,
        detail: 'it would hinder the comparison: the copy goes without it'
      })
      return
    }
    try {
      await connection.query(`${statement} SET ${assignment(setting)}`)
    } catch (error) {
      if (sqlStateOf(error) === undefined) throw error
      findings.push({
        kind: 'notProven',
        reason: 'refused-by-server',
        subject: `setting ${name} of ${what}`,
        detail: `the copy's server refuses it: ${asError(error).message}`
      })
    }
  }
  for (const role of facts.roles) {
    if (!made.has(role.name)) continue
    const name = quoteIdentifier(role.name)
    for (const setting of role.settings) await apply(`role ${role.name}`, `ALTER ROLE ${name}`, setting)
    for (const setting of role.databaseSettings)
      await apply(`role ${role.name}`, `ALTER ROLE ${name} IN DATABASE ${quoteIdentifier(database)}`, setting)
  }
  for (const setting of facts.databaseSettings)
    await apply('the database', `ALTER DATABASE ${quoteIdentifier(database)}`, setting)
  return findings
}

/** What of the copy's roles is looked at. */
export interface RoleScope {
  /** Roles that this run made, or whose attributes it set. */
  readonly made: ReadonlySet<string>
  /** Whether the server is this run's own: then it has no other roles. */
  readonly ownServer: boolean
  /** A role of the run itself. */
  readonly except: string
}

/**
 * Compares roles and memberships of the copy with the source's, as far as they are in the scope. `told`: what is known not to be there. Roles that a given
 * server had already stay as they are: where they differ that is not proven.
 */
export async function compareRoles(
  connection: Connection,
  facts: Roles,
  { made, ownServer, except }: RoleScope,
  told: readonly Finding[]
): Promise<Finding[]> {
  const findings: Finding[] = []
  const known = new Set(told.map((finding) => finding.subject))
  const difference = (subject: string, detail: string) => {
    if (!known.has(subject)) findings.push({ kind: 'difference', subject, detail })
  }
  const unlike = (name: string) => (subject: string, detail: string) => {
    if (made.has(name) || ownServer) difference(subject, detail)
    else if (!known.has(subject))
      findings.push({
        kind: 'notProven',
        reason: 'role-exists',
        subject,
        detail: `the copy's server had the role ${name} already: ${detail}`
      })
  }
  const there = new Map((await readRoles(connection)).map((role) => [role.name, role]))
  for (const role of facts.roles) {
    const tell = unlike(role.name)
    const copy = there.get(role.name)
    if (copy === undefined) {
      tell(`role ${role.name}`, 'it is missing in the copy')
      continue
    }
    const [left, right] = [attributeLines(role), attributeLines(copy)]
    const only = (lines: readonly string[], others: readonly string[]) =>
      lines.filter((line) => !others.includes(line)).join(', ')
    if (left.join('\n') !== right.join('\n'))
      tell(
        `role ${role.name}`,
        `source: ${only(left, right) || '(nothing)'}; copy: ${only(right, left) || '(nothing)'}`
      )
    for (const finding of [
      ...compareSettings(role.settings, copy.settings, `role ${role.name}`),
      ...compareSettings(role.databaseSettings, copy.databaseSettings, `role ${role.name}`)
    ])
      tell(finding.subject, finding.detail)
  }
  if (ownServer) {
    const names = new Set([...facts.roles.map((role) => role.name), ...made, except])
    for (const name of there.keys())
      if (!names.has(name)) difference(`role ${name}`, 'it is in the copy, but not in the source')
  }

  const inheriting = new Map(facts.roles.map((role) => [role.name, role.inherit]))
  // Servers before PostgreSQL 16 do not tell: there the member's own attribute holds.
  const optionsOf = ({ member, inherit, set }: MembershipFacts) =>
    [inherit ?? inheriting.get(member), set ?? true].join()
  const key = ({ role, member, grantor, admin }: MembershipFacts) => JSON.stringify([role, member, grantor, admin])
  const subjectOf = ({ member, role }: MembershipFacts) => `membership of ${member} in ${role}`
  const inSource = new Set(facts.roles.map((role) => role.name))
  const inScope = ({ member }: MembershipFacts) =>
    member !== except && (ownServer || made.has(member) || inSource.has(member))
  const copies = new Map((await readMemberships(connection)).map((membership) => [key(membership), membership]))
  for (const membership of facts.memberships) {
    const copy = copies.get(key(membership))
    copies.delete(key(membership))
    if (!inScope(membership)) continue
    if (copy === undefined) unlike(membership.member)(subjectOf(membership), 'it is missing in the copy')
    else if (optionsOf(copy) !== optionsOf(membership))
      unlike(membership.member)(subjectOf(membership), 'its options differ in the copy')
  }
  for (const membership of copies.values())
    if (inScope(membership))
      unlike(membership.member)(subjectOf(membership), 'it is in the copy, but not in the source')
  return findings
}

function attributeLines({ settings: _, databaseSettings: __, ...rest }: RoleFacts): string[] {
  return Object.entries(rest).map(([name, value]) => `${name} ${String(value)}`)
}
