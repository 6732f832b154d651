import type { DatabaseFacts, Guard } from '../archive/contents-database.ts'
import { formatCount } from '../text/format.ts'

// What changed between two backups, by name, where the contents of the earlier one can be opened. Names, types and privileges only:
// expressions (defaults, policies, bodies of functions) may hold secrets, and are said to have changed.

/** What of the facts is compared. */
export type ComparedFacts = Pick<DatabaseFacts, 'extensions' | 'roles' | 'memberships' | 'guards' | 'selection'>

const mostChanges = 1000

/** Kinds in the order that they are told in; others follow by name. */
const firstKinds = ['table', 'column', 'view', 'policy', 'row security', 'function', 'grants', 'extension', 'role']

interface Change {
  readonly kind: string
  readonly text: string
}

/** One sentence a change, at most 1,000. */
export function changesByName(before: ComparedFacts, now: ComparedFacts): string[] {
  const changes = [
    ...extensionChanges(before, now),
    ...roleChanges(before, now),
    // Without guards in one of them nothing is known of these objects.
    ...(before.guards.length > 0 && now.guards.length > 0 ? guardChanges(before.guards, now.guards) : [])
  ]
  const rank = ({ kind }: Change): number => {
    const at = firstKinds.indexOf(kind)
    return at === -1 ? firstKinds.length : at
  }
  const sentences = changes
    .toSorted((a, b) => rank(a) - rank(b) || compare(a.kind, b.kind) || compare(a.text, b.text))
    .map(({ text }) => text)
  const narrowed =
    JSON.stringify(before.selection) === JSON.stringify(now.selection)
      ? []
      : ['the selection of what is backed up is another one, so that objects may only seem to come or go']
  const rest = sentences.length - mostChanges
  return [
    ...narrowed,
    ...sentences.slice(0, mostChanges),
    ...(rest > 0 ? [`and ${formatCount(rest)} more changes`] : [])
  ]
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function extensionChanges(before: ComparedFacts, now: ComparedFacts): Change[] {
  return differences(before.extensions, now.extensions, ({ name }) => name).flatMap(({ key, one, was, is }) => {
    const say = (text: string): Change[] => [{ kind: 'extension', text }]
    if (was === undefined) return say(`extension ${key} added (${one.version})`)
    if (is === undefined) return say(`extension ${key} removed (was ${was.version})`)
    if (was.version !== is.version) return say(`extension ${key} changed from ${was.version} to ${is.version}`)
    return was.schema === is.schema ? [] : say(`extension ${key} moved from schema ${was.schema} to ${is.schema}`)
  })
}

function roleChanges(before: ComparedFacts, now: ComparedFacts): Change[] {
  const roles = differences(before.roles, now.roles, ({ name }) => name).flatMap(({ key, was, is }) => {
    if (was === undefined) return [`role ${key} added`]
    if (is === undefined) return [`role ${key} removed`]
    return JSON.stringify(was) === JSON.stringify(is) ? [] : [`role ${key} changed`]
  })
  const members = differences(before.memberships, now.memberships, ({ role, member }) => `${member}\n${role}`).flatMap(
    ({ one: { member, role }, was, is }) => {
      if (was === undefined) return [`role ${member} became a member of ${role}`]
      return is === undefined ? [`role ${member} is no member of ${role} any more`] : []
    }
  )
  return [...roles, ...members].map((text) => ({ kind: 'role', text }))
}

const aboutAnother = /^(?:owner of|grants on) (.+)$/

function guardChanges(before: readonly Guard[], now: readonly Guard[]): Change[] {
  const found = differences(before, now, ({ kind, name }) => `${kind}\n${name}`)
  const whole = new Set(found.filter(({ was, is }) => was === undefined || is === undefined).map(({ key }) => key))
  return found.flatMap(({ one: { kind, name }, was, is }) => {
    const [, of] = aboutAnother.exec(kind) ?? []
    // Owner, grants and row security come and go with their object.
    if (of !== undefined && whole.has(`${of}\n${name}`)) return []
    if (kind === 'row security' && whole.has(`table\n${name}`)) return []
    if (kind.startsWith('grants on ')) return grantChanges(kind, name, was?.definition ?? '', is?.definition ?? '')
    const say = (text: string): Change[] => [{ kind: told(kind), text }]
    if (was === undefined) return say(`${kind} ${name} added${columnCount(is)}`)
    if (is === undefined) return say(`${kind} ${name} removed`)
    if (was.definition === is.definition) return []
    if (of !== undefined) return say(`${kind} ${name} changed from ${was.definition} to ${is.definition}`)
    if (kind === 'row security') return say(`row security of ${name}: ${is.definition}, was ${was.definition}`)
    return kind.endsWith('table')
      ? tableChanges(kind, name, was.definition, is.definition)
      : say(`${kind} ${name} changed`)
  })
}

/** The group of kinds that a change is told among. */
function told(kind: string): string {
  if (kind.startsWith('owner of ')) return 'owner'
  if (kind.endsWith('table')) return 'table'
  return kind.endsWith('view') ? 'view' : kind === 'procedure' ? 'function' : kind
}

const columnLine = /^column ("(?:[^"]|"")*"|[^ ]+) (.*)$/

/** Lines `column <name> <type and the rest>` of a table's definition, and its other lines. */
function columnsOf(definition: string): { readonly columns: { name: string; text: string }[]; readonly rest: string } {
  const columns: { name: string; text: string }[] = []
  const rest: string[] = []
  for (const line of definition.split('\n')) {
    const [, name, text] = columnLine.exec(line) ?? []
    if (name !== undefined && text !== undefined) columns.push({ name, text })
    else rest.push(line)
  }
  return { columns, rest: rest.join('\n') }
}

function columnCount(guard: Guard | undefined): string {
  if (guard === undefined || !guard.kind.endsWith('table')) return ''
  const { length } = columnsOf(guard.definition).columns
  return length === 0 ? '' : ` with ${formatCount(length)} ${length === 1 ? 'column' : 'columns'}`
}

/** Type and `not null` of a column, without what follows: defaults may hold secrets. */
function typeOf(text: string): string {
  const [type = ''] = text.split(/ (?:default|generated|collate|storage|compression|statistics|options|wrapper) /)
  return `${type}${!type.endsWith(' not null') && / not null(?: |$)/.test(text) ? ' not null' : ''}`
}

function tableChanges(kind: string, name: string, was: string, is: string): Change[] {
  const [before, now] = [columnsOf(was), columnsOf(is)]
  const columns = differences(before.columns, now.columns, (column) => column.name).flatMap(
    ({ key, one, was: old, is: fresh }): Change[] => {
      const say = (text: string): Change[] => [{ kind: 'column', text }]
      if (old === undefined) return say(`column ${key} added to ${name} (${typeOf(one.text)})`)
      if (fresh === undefined) return say(`column ${key} removed from ${name}`)
      if (old.text === fresh.text) return []
      const [oldType, freshType] = [typeOf(old.text), typeOf(fresh.text)]
      return say(
        `column ${key} of ${name} changed${oldType === freshType ? ' (default or options)' : ` from ${oldType} to ${freshType}`}`
      )
    }
  )
  if (columns.length > 0 && before.rest === now.rest) return columns
  return [...columns, { kind: told(kind), text: `${kind} ${name} changed` }]
}

/** Lines `role=PRIVILEGE,PRIVILEGE/grantor`. */
function grantChanges(kind: string, name: string, was: string, is: string): Change[] {
  const privileges = (definition: string): { role: string; what: string }[] => {
    const byRole = new Map<string, Set<string>>()
    for (const line of definition.split('\n').filter((one) => one !== '')) {
      const [, role = line, what = ''] = /^(.*)=([A-Z* ,]*)\/.*$/.exec(line) ?? []
      for (const one of what.split(',')) byRole.set(role, (byRole.get(role) ?? new Set()).add(one))
    }
    return [...byRole].map(([role, all]) => ({ role, what: [...all].sort().join(', ') }))
  }
  const changed = differences(privileges(was), privileges(is), ({ role }) => role).flatMap((one): Change[] => {
    const [old, fresh] = [one.was?.what ?? 'nothing', one.is?.what ?? 'nothing']
    return old === fresh ? [] : [{ kind: 'grants', text: `${kind} ${name}: ${one.key} has ${fresh}, had ${old}` }]
  })
  return changed.length > 0 || was === is ? changed : [{ kind: 'grants', text: `${kind} ${name} changed` }]
}

interface Difference<T> {
  readonly key: string
  /** What is there now, else what was there before. */
  readonly one: T
  readonly was: T | undefined
  readonly is: T | undefined
}

/** Both lists side by side by a key; of several of one key the last. */
function differences<T>(before: readonly T[], now: readonly T[], keyOf: (one: T) => string): Difference<T>[] {
  const old = new Map(before.map((one) => [keyOf(one), one]))
  const fresh = new Map(now.map((one) => [keyOf(one), one]))
  return [...new Map([...old, ...fresh])].map(([key, one]) => ({ key, one, was: old.get(key), is: fresh.get(key) }))
}
