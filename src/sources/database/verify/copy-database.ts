import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import type { Finding } from '../../source.ts'
import { quoteIdentifier, quoteLiteral, unquoteIdentifier } from '../catalog/quote.ts'
import { readServerFacts } from '../catalog/server.ts'

/** What belongs to the database itself and stands in no archive. */
type OfDatabase = Pick<
  DatabaseFacts,
  'databaseOwner' | 'databaseGrants' | 'databaseComment' | 'databaseSettings' | 'parameterGrants'
>

/** A line of `grantLines`, taken apart. Roles are quoted as the server quotes them. */
interface GrantLine {
  readonly grantee: string
  readonly privileges: readonly { readonly name: string; readonly withOption: boolean }[]
  readonly grantor: string
}

/** Takes a line `role=PRIVILEGE,PRIVILEGE*` and `/grantor` apart; null where it is none. */
export function parseGrantLine(line: string): GrantLine | null {
  const name = '("(?:[^"]|"")*"|[a-z_0-9$\\u0080-\\uffff]+|PUBLIC)'
  const match = new RegExp(`^${name}=([A-Z ,*]*)/${name}$`).exec(line)
  if (match === null) return null
  const [, grantee = '', list = '', grantor = ''] = match
  const privileges = list
    .split(',')
    .filter((word) => word !== '')
    .map((word) => ({ name: word.replace('*', ''), withOption: word.endsWith('*') }))
  return { grantee, privileges, grantor }
}

/** Gives the database to the owner that it has in the source, where that role is there. */
export async function giveToOwner(
  connection: Connection,
  facts: Pick<DatabaseFacts, 'roles' | 'databaseOwner'>,
  database: string
): Promise<void> {
  const owner = unquoteIdentifier(facts.databaseOwner)
  if (!facts.roles.some((role) => role.name === owner)) return
  await connection.query(`ALTER DATABASE ${quoteIdentifier(database)} OWNER TO ${quoteIdentifier(owner)}`)
}

/**
 * Gives the copied database its comment and its grants, and on a server of this run's own (`ownServer`) the grants on settings, too: those belong to
 * the whole server. What cannot be granted is named.
 */
export async function applyDatabase(
  connection: Connection,
  facts: OfDatabase,
  database: string,
  ownServer: boolean
): Promise<Finding[]> {
  const name = quoteIdentifier(database)
  if (facts.databaseComment !== null)
    await connection.query(`COMMENT ON DATABASE ${name} IS ${quoteLiteral(facts.databaseComment)}`)
  const findings: Finding[] = []
  // An empty list, too, is one: nobody may then do anything but superusers.
  const owner = quoteIdentifier(unquoteIdentifier(facts.databaseOwner))
  await connection.query(
    `REVOKE ALL ON DATABASE ${name} FROM PUBLIC; REVOKE ALL ON DATABASE ${name} FROM ${owner} CASCADE`
  )
  const left = await grantAll(connection, facts.databaseGrants, `DATABASE ${name}`)
  findings.push(...left.map((line) => cannot('grants on the database', line)))
  if (!ownServer) return findings
  for (const entry of facts.parameterGrants) {
    const { setting, line } = parameterOf(entry)
    const object = `PARAMETER ${setting.split('.').map(quoteIdentifier).join('.')}`
    const refused = await grantAll(connection, [line], object)
    findings.push(...refused.map((one) => cannot(`grants on the setting ${setting}`, one)))
  }
  return findings
}

function cannot(subject: string, line: string): Finding {
  return {
    kind: 'notProven',
    reason: 'refused-by-server',
    subject,
    detail: `it cannot be granted on the copy's server: ${line}`
  }
}

function parameterOf(entry: string): { readonly setting: string; readonly line: string } {
  const at = entry.indexOf(': ')
  return { setting: entry.slice(0, at), line: entry.slice(at + 2) }
}

/** Grants each line in the name of its grantor, who may have the right from another line only. Returns lines that could not be granted. */
async function grantAll(connection: Connection, lines: readonly string[], object: string): Promise<string[]> {
  let waiting = [...lines]
  for (let progress = true; waiting.length > 0 && progress; ) {
    const left: string[] = []
    for (const line of waiting) if (!(await granted(connection, line, object))) left.push(line)
    progress = left.length < waiting.length
    waiting = left
  }
  return waiting
}

async function granted(connection: Connection, line: string, object: string): Promise<boolean> {
  const grant = parseGrantLine(line)
  if (grant === null) return false
  const statements = grant.privileges.map(
    (privilege) =>
      `GRANT ${privilege.name} ON ${object} TO ${grant.grantee}${privilege.withOption ? ' WITH GRANT OPTION' : ''}`
  )
  try {
    await connection.query(['BEGIN', `SET LOCAL ROLE ${grant.grantor}`, ...statements, 'COMMIT'].join('; '))
    return true
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error
    await connection.query('ROLLBACK')
    return false
  }
}

/**
 * Compares the copied database's own properties with the source's, without grants to the role `except`. `told`: what is known not to be there, by
 * subject.
 */
export async function compareOwnProperties(
  connection: Connection,
  facts: OfDatabase,
  { ownServer, except }: { readonly ownServer: boolean; readonly except: string },
  told: readonly Finding[]
): Promise<Finding[]> {
  const copy = await readServerFacts(connection)
  const known = new Set(told.map((finding) => finding.subject))
  const findings: Finding[] = []
  const compare = (subject: string, source: readonly string[], found: readonly string[]) => {
    const only = (lines: readonly string[], others: readonly string[]) =>
      lines.filter((line) => !others.includes(line)).join(', ')
    const [left, right] = [only(source, found), only(found, source)]
    if ((left === '' && right === '') || known.has(subject)) return
    findings.push({
      kind: 'difference',
      subject,
      detail: `source: ${left || '(nothing)'}; copy: ${right || '(nothing)'}`
    })
  }
  compare('owner of the database', [facts.databaseOwner], [copy.databaseOwner])
  const grants = copy.databaseGrants.filter((line) => !line.startsWith(`${except}=`))
  compare('grants on the database', facts.databaseGrants, grants)
  const text = (comment: string | null) => (comment === null ? [] : [comment])
  compare('comment on the database', text(facts.databaseComment), text(copy.databaseComment))
  findings.push(
    ...compareSettings(facts.databaseSettings, copy.databaseSettings, 'the database').filter(
      (finding) => !known.has(finding.subject)
    )
  )
  if (!ownServer) return findings
  const settings = [...facts.parameterGrants, ...copy.parameterGrants].map((one) => parameterOf(one).setting)
  for (const setting of new Set(settings)) {
    const of = (entries: readonly string[]) =>
      entries.map(parameterOf).flatMap((one) => (one.setting === setting ? [one.line] : []))
    compare(`grants on the setting ${setting}`, of(facts.parameterGrants), of(copy.parameterGrants))
  }
  return findings
}

/** Compares `name=value` settings of `what`. Values may be secrets (`app.settings.jwt_secret`): they are never shown. */
export function compareSettings(source: readonly string[], copy: readonly string[], what: string): Finding[] {
  const byName = (settings: readonly string[]) =>
    new Map(settings.map((setting) => [setting.slice(0, setting.indexOf('=')), setting]))
  const [left, right] = [byName(source), byName(copy)]
  return [...new Set([...left.keys(), ...right.keys()])].flatMap((name): Finding[] => {
    if (left.get(name) === right.get(name)) return []
    const detail = !right.has(name)
      ? 'it is missing in the copy'
      : left.has(name)
        ? 'it has another value in the copy'
        : 'it is in the copy, but not in the source'
    return [{ kind: 'difference', subject: `setting ${name} of ${what}`, detail }]
  })
}
