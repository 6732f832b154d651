import type { DatabaseFacts } from '../../../../archive/contents-database.ts'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { asError } from '../../../../errors.ts'
import type { Finding } from '../../../source.ts'
import { quoteIdentifier, quoteLiteral } from '../../catalog/quote.ts'
import { readRoles } from '../../catalog/roles.ts'
import { assignment, isReservedRole } from '../../catalog/roles-sql.ts'
import { readServerFacts } from '../../catalog/server.ts'
import { granteeOf, privilegesOf } from '../../fingerprint/grant-lines.ts'
import type { TargetState } from '../target/target-state.ts'
import { refusalOf } from './refusal.ts'

/** Settings whose value is a secret of the project that they are of. */
const secretName = /secret|password|key$|token/i

/** Roles that the platform makes and people give settings to. */
const settableRole = /^(?:anon|authenticated|authenticator|postgres|service_role)$/

/**
 * What belongs to the database itself and stands in no archive: its settings and comment, its grants, grants on server settings, and settings of roles that
 * were there before. What the target does not have is brought back; what it has otherwise, and what the role may not give, is listed with its SQL. Nothing is
 * taken away.
 */
export async function restoreDatabaseSettings(
  connection: Connection,
  facts: DatabaseFacts,
  target: TargetState
): Promise<Finding[]> {
  const findings: Finding[] = []
  const now = await readServerFacts(connection)
  const database = quoteIdentifier(target.database)
  const tried = async (subject: string, sql: string) => {
    const error = await refusalOf(connection, sql)
    if (error !== null) findings.push({ kind: 'todo', subject, detail: asError(error).message, remedy: `${sql};` })
  }

  for (const setting of facts.databaseSettings) {
    if (now.databaseSettings.includes(setting)) continue
    const name = nameOf(setting)
    const subject = `setting ${name} of the database`
    const sql = `ALTER DATABASE ${database} SET ${assignment(setting)}`
    if (secretName.test(name))
      findings.push({
        kind: 'todo',
        subject,
        detail: 'it may hold a secret of the other project: it was not set'
      })
    else if (now.databaseSettings.some((other) => nameOf(other) === name))
      findings.push({ kind: 'todo', subject, detail: 'the target has another value of its own', remedy: `${sql};` })
    else await tried(subject, sql)
  }
  if (facts.databaseComment !== null && now.databaseComment === null)
    await tried('comment on the database', `COMMENT ON DATABASE ${database} IS ${quoteLiteral(facts.databaseComment)}`)

  for (const [subject, sql] of missingGrants(facts, now, database)) await tried(subject, sql)
  for (const line of facts.databaseGrants.length === 0 ? [] : now.databaseGrants) {
    // What PUBLIC may in the target and might not in the source is wider than it was.
    if (!line.startsWith('PUBLIC=')) continue
    const before = privilegesOf(facts.databaseGrants.filter((other) => other.startsWith('PUBLIC=')))
    const more = [...privilegesOf([line])].filter((privilege) => !before.has(privilege))
    if (more.length > 0)
      findings.push({
        kind: 'todo',
        subject: 'grants on the database',
        detail: `everybody may ${more.join(', ')} in the target, and might not in the source`,
        remedy: `REVOKE ${more.join(', ')} ON DATABASE ${database} FROM PUBLIC;`
      })
  }
  findings.push(...(await roleSettings(connection, facts, target, database)))
  return findings
}

/** Settings of roles that the target had already. Those for this database are set; those for the whole server are listed. */
async function roleSettings(
  connection: Connection,
  facts: DatabaseFacts,
  target: TargetState,
  database: string
): Promise<Finding[]> {
  const findings: Finding[] = []
  const now = new Map((await readRoles(connection)).map((role) => [role.name, role]))
  for (const role of facts.roles) {
    const there = now.get(role.name)
    if (there === undefined || !target.roles.has(role.name)) continue
    // The platform looks after its own; what people set are these.
    if (isReservedRole(role.name) && !settableRole.test(role.name)) continue
    const name = quoteIdentifier(role.name)
    const list = (setting: string, sql: string, detail: string) =>
      findings.push({
        kind: 'todo',
        subject: `setting ${nameOf(setting)} of role ${role.name}`,
        detail: secretName.test(nameOf(setting)) ? 'it may hold a secret of the other project: it was not set' : detail,
        ...(secretName.test(nameOf(setting)) ? {} : { remedy: `${sql};` })
      })
    for (const setting of role.settings) {
      if (there.settings.includes(setting)) continue
      list(
        setting,
        `ALTER ROLE ${name} SET ${assignment(setting)}`,
        'the role belongs to the server and was left as it is'
      )
    }
    for (const setting of role.databaseSettings) {
      if (there.databaseSettings.includes(setting)) continue
      const sql = `ALTER ROLE ${name} IN DATABASE ${database} SET ${assignment(setting)}`
      const other = there.databaseSettings.some((one) => nameOf(one) === nameOf(setting))
      if (other || secretName.test(nameOf(setting))) {
        list(setting, sql, 'the target has another value of its own')
        continue
      }
      const error = await refusalOf(connection, sql)
      if (error !== null) list(setting, sql, asError(error).message)
    }
  }
  return findings
}

type Grants = Pick<DatabaseFacts, 'databaseGrants' | 'parameterGrants'>

/** Grants of the source that the target lacks, as statements. Lines are those of `grantLines`: `role=PRIVILEGE,PRIVILEGE*` and `/grantor`. */
export function missingGrants(
  facts: Grants & Pick<DatabaseFacts, 'databaseOwner'>,
  now: Grants,
  database: string
): (readonly [subject: string, sql: string])[] {
  const statements: (readonly [string, string])[] = []
  const compare = (source: readonly string[], copy: readonly string[], subject: string, object: string) => {
    for (const grantee of new Set(source.map(granteeOf))) {
      // The owner's own rights come with the ownership, which stays as it is.
      if (grantee === facts.databaseOwner && object.startsWith('DATABASE')) continue
      const of = (lines: readonly string[]) => privilegesOf(lines.filter((line) => granteeOf(line) === grantee))
      const has = of(copy)
      for (const privilege of of(source)) {
        if (has.has(privilege)) continue
        const [plain, option] = privilege.endsWith('*')
          ? [privilege.slice(0, -1), ' WITH GRANT OPTION']
          : [privilege, '']
        if (option === '' && has.has(`${plain}*`)) continue
        statements.push([subject, `GRANT ${plain} ON ${object} TO ${grantee}${option}`])
      }
    }
  }
  compare(facts.databaseGrants, now.databaseGrants, 'grants on the database', `DATABASE ${database}`)
  const parameters = (lines: readonly string[]) =>
    lines.map((line) => {
      const at = line.indexOf(': ')
      return { name: line.slice(0, at), line: line.slice(at + 2) }
    })
  const theirs = parameters(now.parameterGrants)
  const source = parameters(facts.parameterGrants)
  for (const name of new Set(source.map((one) => one.name))) {
    const of = (list: ReturnType<typeof parameters>) => list.filter((one) => one.name === name).map((one) => one.line)
    compare(
      of(source),
      of(theirs),
      `grants on the setting ${name}`,
      `PARAMETER ${name.split('.').map(quoteIdentifier).join('.')}`
    )
  }
  return statements
}

const nameOf = (setting: string) => setting.slice(0, setting.indexOf('='))
