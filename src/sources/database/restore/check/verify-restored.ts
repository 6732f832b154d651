import type { DatabaseFacts, Guard } from '../../../../archive/contents-database.ts'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { majorOf } from '../../../../clients/postgres/server-version.ts'
import type { Clock } from '../../../../context.ts'
import type { Finding } from '../../../source.ts'
import { readable } from '../../catalog/quote.ts'
import { type DatabaseState, readDatabaseState } from '../../dump/database-state.ts'
import {
  type CompareOptions,
  compareGuards,
  compareLargeObjects,
  compareSequences,
  compareTables,
  compareVisibleRows,
  type Sides
} from '../../fingerprint/compare.ts'
import { grantStatements } from '../../fingerprint/grant-lines.ts'
import { fingerprintVersion } from '../../fingerprint/read-objects.ts'
import { mergedByRoot } from '../../loading/load-through-root.ts'
import { anew } from '../../pg-archive/entry-sql.ts'
import { factsOfKind } from '../../pg-archive/kinds.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'
import { isOnPlatform } from '../plan/plan.ts'
import type { RowsPlan } from '../plan/restore-plan.ts'
import { consequencesOf, guardBySubject, type NotMade } from './consequences.ts'
import { comparable, guardNameOf } from './object-names.ts'

/** How findings of a restore call what they compare. */
export const backupAndTarget: Sides = { source: 'backup', copy: 'target' }

export interface CheckAfterOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly facts: DatabaseFacts
  /** Tables whose rows must be exactly those of the backup. */
  readonly rows: readonly RowsPlan[]
  /** Entries that ran. */
  readonly entries: readonly TocEntry[]
  /** Objects that stayed, and whose grants had to become those of the backup. */
  readonly regranted: readonly TocEntry[]
  /** All entries of the backup. */
  readonly ofBackup: readonly TocEntry[]
  /** Everything of the backup was brought back: what is there besides must not be. */
  readonly whole: boolean
  readonly largeObjects: boolean
  /** What is listed already, and excuses what hangs on it. */
  readonly notMade: NotMade
  /** Partitions whose rows went through a table above them, by `readable` name, with its name: they are compared together. */
  readonly throughRoot: ReadonlyMap<string, string>
  /** What is not as in the backup is listed and stays, unless it opens something. */
  readonly tolerant: boolean
  /** Schemas of the platform: what differs there is the platform's. */
  readonly platform: ReadonlySet<string>
  readonly superuser: boolean
}

/** Tables that a check compares. */
export function checkedTables({ facts, rows, entries }: CheckAfterOptions): DatabaseFacts['tables'] {
  const names = new Set(
    rows.filter((plan) => plan.way === 'copy' || plan.way === 'exchange').map((plan) => readable(plan.facts))
  )
  const made = new Set(
    entries
      .filter((entry) => /^(?:TABLE|MATERIALIZED VIEW)$/.test(entry.kind))
      .map((entry) => readable({ schema: entry.schema, name: entry.tag }))
  )
  return facts.tables.filter(
    (table) => names.has(readable(table)) || (made.has(readable(table)) && (table.kind === 'm' || table.rows === '0'))
  )
}

/** What comparing tables found. */
export interface ComparedTables {
  readonly findings: readonly Finding[]
  /** Tables of the platform that are not as the backup has them: what its own triggers and types make of rows is not ours. */
  readonly unequal: readonly string[]
}

/** Compares some of the tables of a check, with helpers of the server's own where it has processors to spare. A `difference` means that the restore must not end. */
export async function checkTables(
  options: CheckAfterOptions,
  tables: DatabaseFacts['tables']
): Promise<ComparedTables> {
  const { connection, facts, clock, platform } = options
  const expected = { ...facts, tables, ...nothingElse }
  await connection.query('set local max_parallel_workers_per_gather = 2')
  const state = await readDatabaseState(connection, expected, clock)
  await connection.query('set local max_parallel_workers_per_gather = 0')
  const isListed = consequencesOf({ entries: options.ofBackup }, options.notMade)
  const unequal: string[] = []
  const findings = compareTables(
    mergedByRoot(tables, options.throughRoot),
    mergedByRoot(state.tables, options.throughRoot),
    new Map(),
    comparisonOf(facts, state)
  ).flatMap((finding): Finding[] => {
    if (finding.kind !== 'difference') return [{ ...finding, kind: 'note' }]
    const name = finding.subject.replace(/^(?:table|materialized view) /, '')
    const kind = finding.subject.startsWith('m') ? 'materialized view' : 'table'
    if (isListed({ kind, name, definition: '' })) return []
    if (!options.tolerant && !isOfPlatform(finding.subject, platform)) return [finding]
    unequal.push(name)
    return [{ ...finding, kind: 'todo' }]
  })
  return { findings, unequal }
}

const nothingElse = { sequences: [], largeObjects: { count: '0', hash: '0' }, guards: [], visibleRows: [] }

/** Whether a target holds every table of the user that the backup has, with the same rows. Reads all of them, if all are there. */
export async function holdsAlready(
  connection: Connection,
  facts: DatabaseFacts,
  clock: Clock,
  { platform, there }: { readonly platform: ReadonlySet<string>; readonly there: ReadonlySet<string> }
): Promise<boolean> {
  const tables = facts.tables.filter((table) => table.rows !== null && !platform.has(table.schema))
  if (tables.length === 0 || tables.some((table) => !there.has(readable(table)))) return false
  const expected = {
    ...facts,
    tables,
    sequences: [],
    largeObjects: { count: '0', hash: '0' },
    guards: [],
    visibleRows: []
  }
  const state = await readDatabaseState(connection, expected, clock)
  // Notes are about materialized views that are what their definitions give.
  return compareTables(tables, state.tables, new Map(), comparisonOf(facts, state)).every(({ kind }) => kind === 'note')
}

function comparisonOf(facts: DatabaseFacts, state: DatabaseState): CompareOptions {
  const there = new Set(state.extensions.map((extension) => extension.name))
  return {
    sides: backupAndTarget,
    missingExtensions: new Set(facts.extensions.map((extension) => extension.name).filter((name) => !there.has(name))),
    sameMajor: majorOf(facts.server.versionNumber) === majorOf(state.versionNumber),
    sameFingerprint: facts.fingerprint === fingerprintVersion
  }
}

/**
 * Compares everything but tables with the backup, in the transaction that has not ended yet. A `difference` means that it must not. `leftOut`: subjects of what is
 * otherwise than in the backup and stays, where that is tolerated.
 */
export async function checkAfter(
  options: CheckAfterOptions
): Promise<{ readonly findings: Finding[]; readonly leftOut: readonly string[] }> {
  const leftOut: string[] = []
  const { connection, facts, platform } = options
  const names = new Set(
    options.rows.filter((plan) => plan.way === 'copy' || plan.way === 'exchange').map((plan) => readable(plan.facts))
  )
  const sequences = new Set(
    options.entries
      .filter((entry) => entry.kind === 'SEQUENCE SET')
      .map((entry) => readable({ schema: entry.schema, name: entry.tag }))
  )
  const made = new Set(options.entries.map((entry) => comparable(`${entry.kind.toLowerCase()} ${guardNameOf(entry)}`)))
  const isMade = (one: Pick<TocEntry, 'kind' | 'tag'>) =>
    options.entries.some(({ kind, tag }) => kind === one.kind && tag === one.tag)
  const isListed = consequencesOf({ entries: options.ofBackup }, options.notMade)
  const onPlatform = entriesOnPlatform(options.ofBackup, platform)
  const expected: DatabaseFacts = {
    ...facts,
    tables: [],
    sequences: facts.sequences.filter(
      (sequence) =>
        sequences.has(readable(sequence)) &&
        !platform.has(sequence.schema) &&
        // What an extension that was there had counted further stays.
        (sequence.extension === undefined || isMade({ kind: 'EXTENSION', tag: sequence.extension }))
    ),
    largeObjects: options.largeObjects ? facts.largeObjects : { count: '0', hash: '0' },
    visibleRows: options.whole
      ? facts.visibleRows.filter(
          (entry) => !platform.has(entry.schema) && names.has(readable({ schema: entry.schema, name: entry.table }))
        )
      : []
  }
  const state = await readDatabaseState(connection, expected, options.clock)
  const compare = comparisonOf(facts, state)
  const guards = chosenGuards(options, state.guards)
  const hasPublic = facts.guards.some(({ kind, name }) => kind === 'schema' && name === 'public')
  const guardOf = guardBySubject(facts.guards, state.guards)
  const findings = [
    ...compareSequences(expected.sequences, state.sequences, backupAndTarget),
    ...(options.largeObjects ? compareLargeObjects(facts.largeObjects, state.largeObjects, backupAndTarget) : []),
    ...compareGuards(guards.source, guards.copy, compare),
    ...compareVisibleRows(expected.visibleRows, state.visibleRows, backupAndTarget)
  ]
  const told = findings.flatMap((finding): Finding[] => {
    if (finding.kind !== 'difference') return finding.kind === 'note' ? [finding] : []
    // Of grants that were refused it is told here what has to be done: the backup's statements alone revoke nothing.
    const isGrant = finding.subject.startsWith('grants on ')
    const guard = guardOf(finding.subject)
    const name = finding.subject.replace(/^sequence /, '')
    if (isListed(guard ?? { kind: 'sequence', name, definition: '' })) return []
    if (isOfPlatform(finding.subject, platform)) {
      const entry = onPlatform.get(comparable(finding.subject))
      return entry === undefined ? [] : [{ ...finding, kind: 'todo' as const, remedy: anew(entry).trim() }]
    }
    // Those of others stay as they were, and are listed.
    if (!options.largeObjects && finding.subject.startsWith('large objects of ')) return []
    if (isOfTarget(finding, made)) return [{ ...finding, kind: 'note' as const }]
    // Who owns and who granted follows the role that restores, where it may not act for others.
    if (!options.superuser && /^(?:owner of|grants on|default privileges|large objects of)\b/.test(finding.subject))
      return [
        isGrant
          ? withGrants(finding, guards, [...facts.guards, ...state.guards])
          : { ...finding, kind: 'todo' as const }
      ]
    // The schema that every new database has.
    if (/^(?:schema|owner of schema|grants on schema) public$/.test(finding.subject) && !hasPublic) return []
    if (!options.tolerant || opens(finding.subject)) return [finding]
    leftOut.push(finding.subject)
    return [{ ...finding, kind: 'todo' as const }]
  })
  return { findings: told, leftOut }
}

/** Whether something that is missing or otherwise could show rows to more people than in the source. */
function opens(subject: string): boolean {
  return /^(?:policy|row security|grants on|default privileges|role|view|function|large objects) ?/.test(subject)
}

/**
 * Whether a difference is the target's own affair: what lies in no schema and was there before (the platform has event triggers and publications of its own,
 * others in each of its versions), and what is only said of objects.
 */
export function isOfTarget({ subject }: Pick<Finding, 'subject'>, made: ReadonlySet<string>): boolean {
  if (/^(?:comment|security label) /.test(subject)) return true
  const object = subject.replace(/^(?:owner of|grants on|options of) /, '')
  if (!/^(?:access method|cast|event trigger|foreign data wrapper|language|publication|transform) /.test(object))
    return false
  return !made.has(comparable(object))
}

interface ComparedGuards {
  readonly source: readonly Guard[]
  readonly copy: readonly Guard[]
}

/** The fingerprint of what was brought back; the whole one where everything was. */
export function chosenGuards(
  options: Pick<CheckAfterOptions, 'facts' | 'whole' | 'entries'> & Partial<Pick<CheckAfterOptions, 'regranted'>>,
  copy: readonly Guard[],
  /** What belongs to it beside, on either side. */
  isMore: (guard: Guard) => boolean = () => false
): ComparedGuards {
  const { facts, whole } = options
  if (whole) return { source: facts.guards, copy }
  const names = new Set(
    options.entries
      .filter(({ kind }) => kind !== 'SEQUENCE SET' && !isNoPart(kind))
      .map((entry) => comparable(guardNameOf(entry)))
  )
  const regranted = new Set(options.regranted?.map((entry) => comparable(guardNameOf(entry))))
  const isRegranted = (guard: Guard) => guard.kind.startsWith('grants on ') && regranted.has(comparable(guard.name))
  const source = facts.guards.filter(
    (guard) =>
      isMore(guard) ||
      isRegranted(guard) ||
      (!/^(?:comment|default privileges|publication|schema|grants on schema|owner of schema)$/.test(guard.kind) &&
        names.has(comparable(guard.name)))
  )
  const known = new Set(source.map((guard) => `${guard.kind}\0${guard.name}`))
  return { source, copy: copy.filter((guard) => isMore(guard) || known.has(`${guard.kind}\0${guard.name}`)) }
}

/** Whether an entry says something of the object that it names, and does not make it; or makes a schema or an extension, which are compared whole or not at all. */
function isNoPart(kind: string): boolean {
  const { isAbout, pass } = factsOfKind(kind)
  return isAbout || pass === 'first' || pass === 'defaults'
}

/** Grants that are others get the statements that make them those of the backup; where it is the owner alone, there are none. */
function withGrants(finding: Finding, { source, copy }: ComparedGuards, all: readonly Guard[]): Finding {
  const linesOf = (guards: readonly Guard[]) =>
    guards.find((guard) => `${guard.kind} ${guard.name}` === finding.subject)?.definition.split('\n') ?? []
  const guard = [...source, ...copy].find(({ kind, name }) => `${kind} ${name}` === finding.subject)
  if (guard === undefined) return { ...finding, kind: 'todo' }
  const object = { kind: guard.kind.slice('grants on '.length), name: guard.name }
  const owners = new Set(
    all
      .filter(({ kind, name }) => kind === `owner of ${object.kind}` && name === object.name)
      .map(({ definition }) => definition)
  )
  const statements = grantStatements(object, linesOf(source), linesOf(copy), owners)
  return statements.length === 0
    ? { ...finding, kind: 'note' }
    : { ...finding, kind: 'todo', remedy: statements.join('\n') }
}

/** Whether a check tells of grants that were refused: it knows what has to be revoked, too. */
export function isToldAgain(entry: TocEntry, checked: readonly Finding[]): boolean {
  const name = comparable(guardNameOf(entry))
  return (
    entry.kind === 'ACL' &&
    checked.some(({ subject }) => subject.startsWith('grants on ') && comparable(subject).endsWith(` ${name}`))
  )
}

/** What a user has hung on tables of the platform, by a finding's subject as `comparable` has it: that is not the platform's affair. */
export function entriesOnPlatform(
  entries: readonly TocEntry[],
  platform: ReadonlySet<string>
): ReadonlyMap<string, TocEntry> {
  return new Map(
    entries
      .filter((entry) => isOnPlatform(entry, (schema) => platform.has(schema)))
      .map((entry) => [comparable(`${entry.kind.toLowerCase()} ${guardNameOf(entry)}`), entry])
  )
}

/** Whether a finding's subject (`policy "x" on auth.users`, `function auth.uid()`, `schema auth`) lies in a schema of the platform. */
export function isOfPlatform(subject: string, platform: ReadonlySet<string>): boolean {
  const place = /(?: on | )"?([a-z_][a-z0-9_]*)"?\.(?!.* on )/.exec(` ${subject}`)?.[1]
  if (place !== undefined && platform.has(place)) return true
  const schema = /\bschema "?([a-z_][a-z0-9_]*)"?(?: on \w+)?$/.exec(subject)?.[1]
  if (schema !== undefined && platform.has(schema)) return true
  return (
    /^default privileges .* in schema "?([a-z_][a-z0-9_]*)"?/.test(subject) &&
    platform.has(/ in schema "?([a-z_][a-z0-9_]*)/.exec(subject)?.[1] ?? '')
  )
}
