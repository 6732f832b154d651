import { type DatabaseFacts, isNarrowed } from '../../../archive/contents-database.ts'
import type { Finding, FindingReason } from '../../source.ts'
import { plainName, readable } from '../catalog/quote.ts'
import { isUnknownName } from '../loading/search-paths.ts'
import { factsOfKind } from '../pg-archive/kinds.ts'
import type { ArchiveToc, TocEntry } from '../pg-archive/toc.ts'
import { type Absence, needsExtension, needsProvider } from './absence.ts'
import type { Refusal } from './entry-attempt.ts'

/** What decides about the meaning of a refusal: what is missing, never that something is. */
export interface Surroundings {
  readonly facts: DatabaseFacts
  readonly toc: ArchiveToc
  /** What the copy goes without so far. */
  readonly gone: ReadonlyMap<number, Absence>
  readonly missingExtensions: ReadonlySet<string>
  /** Whether it came back for new rows alone. */
  readonly notValid: boolean
}

export interface Meaning {
  readonly finding: Finding
  readonly absence: Absence
}

/** An entry by the words of the fingerprint. */
export function subjectOf(entry: Pick<TocEntry, 'kind' | 'schema' | 'tag' | 'definition'>): string {
  const name = readable({ schema: entry.schema, name: entry.tag })
  if (entry.kind === 'TABLE DATA') return `table ${name}`
  if (entry.kind === 'MATERIALIZED VIEW DATA') return `materialized view ${name}`
  if (entry.kind.endsWith('CONSTRAINT')) {
    const [, table, constraint] =
      /^ALTER (?:FOREIGN )?TABLE (?:ONLY )?(.+)\n +ADD CONSTRAINT ("(?:[^"]|"")*"|\S+) /.exec(entry.definition) ?? []
    if (table !== undefined) return `constraint ${constraint} on ${table}`
  }
  if (/^(?:ACL|COMMENT|SECURITY LABEL)$/.test(entry.kind)) return saidOf(entry)
  return entry.schema === '' ? `${entry.kind.toLowerCase()} ${entry.tag}` : `${entry.kind.toLowerCase()} ${name}`
}

/** Grants, comments and labels have their object in the tag, its type in capitals first: `TABLE t`. */
function saidOf({ kind, schema, tag, definition }: Pick<TocEntry, 'kind' | 'schema' | 'tag' | 'definition'>): string {
  const [, type = '', name = tag] = /^([A-Z]+(?: [A-Z]+)*) (.*)$/s.exec(tag) ?? []
  const object = `${type.toLowerCase()} ${schema === '' ? '' : `${schema}.`}${name}`.trim()
  if (kind === 'COMMENT') return `comment ${object}`
  if (kind === 'ACL') return `grants on ${object}`
  const provider = /^SECURITY LABEL FOR (\S+) ON /.exec(definition)?.[1] ?? 'of an unknown provider'
  return `security label ${provider} on ${object}`
}

/** What it means that a copy's server refused an entry, or took it for new rows alone. */
export function meaningOf(entry: TocEntry, refusal: Refusal, around: Surroundings): Meaning {
  const { kind, reason, words } = judge(entry, refusal, around)
  return {
    finding: { kind, reason, subject: subjectOf(entry), detail: words },
    absence: { reason, words, told: true }
  }
}

interface Judgement {
  readonly kind: Finding['kind']
  readonly reason: FindingReason
  readonly words: string
}

function judge(entry: TocEntry, refusal: Refusal, around: Surroundings): Judgement {
  const notProven = (reason: FindingReason, words: string): Judgement => ({ kind: 'notProven', reason, words })
  const state = `[${refusal.sqlState}]`
  if (entry.kind === 'FK CONSTRAINT' && refusal.sqlState === '23503') return brokenKey(entry, around)
  if (around.notValid)
    return notProven('not-valid', 'old rows do not satisfy it here: it holds for new rows alone, as after a restore')
  const needed = entry.needs
    .map((id) => around.gone.get(id))
    .find((absence) => absence !== undefined && isMissing(absence))
  if (needed !== undefined)
    return inherited.has(needed.reason)
      ? notProven(needed.reason, needed.words)
      : notProven('needs-another', 'it hangs on something else that the copy has not')
  const extension = isUnknownName(refusal.sqlState) ? extensionOf(refusal.message, around) : undefined
  if (extension !== undefined) return { kind: 'notProven', ...needsExtension([extension]) }
  if (isUnknownName(refusal.sqlState) && isNarrowed(around.facts) && !holds(around.toc, refusal.message))
    return notProven('not-in-backup', 'it needs what is not part of the backup')
  if (entry.kind === 'MATERIALIZED VIEW DATA')
    return notProven('not-refreshed', `it could not be computed on the copy ${state}; it holds no rows of its own`)
  if (entry.kind === 'EVENT TRIGGER' && refusal.sqlState === '42501')
    return notProven('platform-owner', `the copy's server does not take its owner ${state}`)
  if (entry.kind === 'SECURITY LABEL' && refusal.sqlState === '22023')
    return {
      kind: 'notProven',
      ...needsProvider(/provider "(.*)" is not loaded/.exec(refusal.message)?.[1] ?? 'unknown')
    }
  // PostgreSQL itself takes no exclusion constraint of a partitioned table together again; those of the partitions are there.
  if (entry.kind === 'INDEX ATTACH' && refusal.sqlState === '42P17')
    return notProven('refused-by-server', `PostgreSQL does not take it back ${state}; what it joins is there`)
  // A library or a file of the source's server.
  if (/^58P0[12]$/.test(refusal.sqlState))
    return notProven('refused-by-server', `it needs a file that the copy's server does not have ${state}`)
  return { kind: 'difference', reason: 'not-made', words: `${failedWords(entry, refusal)} ${state}` }
}

/** Reasons that hold for what hangs on an object as for the object itself. */
const inherited: ReadonlySet<FindingReason> = new Set(['missing-extension', 'not-in-backup'])

/** The missing extension in whose schema a name lies that was not found: bodies of functions hold it, which no catalog looks into. */
function extensionOf(message: string, { facts, toc, missingExtensions }: Surroundings): string | undefined {
  const { schema } = nameIn(message) ?? {}
  if (schema === undefined || schema === 'public' || holds(toc, message)) return undefined
  return facts.extensions.find((one) => one.schema === schema && missingExtensions.has(one.name))?.name
}

function isMissing({ reason }: Absence): boolean {
  return reason !== 'not-valid' && reason !== 'not-refreshed'
}

/** Rows refer to rows that are not there: a fault of the source, unless the backup was not to hold the others. */
function brokenKey(entry: TocEntry, { facts, toc, gone, notValid }: Surroundings): Judgement {
  const after = notValid ? '; it holds for new rows alone, as after a restore' : ''
  const name = / REFERENCES ((?:"(?:[^"]|"")*"|[^\s(.]+)(?:\.(?:"(?:[^"]|"")*"|[^\s(.]+))?)\s*\(/.exec(
    entry.definition
  )?.[1]
  const plain = name === undefined ? undefined : plainName(name)
  const table = facts.tables.find((one) => readable(one) === plain)
  const absent = toc.entries.some(
    (one) => one.kind === 'TABLE DATA' && readable({ schema: one.schema, name: one.tag }) === plain && gone.has(one.id)
  )
  const partitions = facts.tables.filter(
    ({ partitionOf }) => partitionOf !== undefined && plainName(partitionOf) === plain
  )
  const leftOut = [table, ...partitions].some((one) => one !== undefined && one.kind === 'r' && one.rows === null)
  if (table === undefined || leftOut)
    return {
      kind: 'notProven',
      reason: 'not-in-backup',
      words: `the rows that it refers to are not part of the backup${after}`
    }
  if (absent)
    return {
      kind: 'notProven',
      reason: 'needs-another',
      words: `the rows that it refers to are not on the copy${after}`
    }
  return {
    kind: 'difference',
    reason: notValid ? 'not-valid' : 'not-made',
    words: `rows of the source refer to rows that are not there [23503]${after}`
  }
}

/** Whether the archive holds an object of the name that a message says not to exist. */
function holds(toc: ArchiveToc, message: string): boolean {
  const found = nameIn(message)
  if (found === undefined) return true
  const { name, schema } = found
  return toc.entries.some(
    (entry) =>
      entry.section !== 3 &&
      !factsOfKind(entry.kind).isAbout &&
      entry.tag.replace(/\(.*$/s, '') === name &&
      (schema === undefined || entry.schema === schema)
  )
}

/** The name that a message says not to exist: `relation "app.users"`, `function app.is_ok(integer)`. */
function nameIn(message: string): { readonly name: string; readonly schema: string | undefined } | undefined {
  const text = /"((?:[^"]|"")+)" does not exist/.exec(message)?.[1] ?? /function ([^(]+)\(/.exec(message)?.[1]
  if (text === undefined) return undefined
  const parts = text.split('.').map((part) => part.replace(/^"|"$/g, ''))
  const name = parts.at(-1)
  return name === undefined ? undefined : { name, schema: parts.length > 1 ? parts.at(-2) : undefined }
}

/** What the server's state means, without its words: a message may hold values of rows. */
function failedWords(entry: TocEntry, { sqlState }: Refusal): string {
  const what = entry.kind === 'TABLE DATA' ? 'its rows could not be brought in' : 'it could not be made'
  if (isUnknownName(sqlState)) return `${what}: it names something that is not there`
  if (sqlState === '23505') return `${what}: two rows have the same key`
  if (sqlState === '23514') return `${what}: rows do not satisfy a check`
  if (sqlState.startsWith('23')) return `${what}: rows break a constraint`
  if (sqlState === 'P0001') return `${what}: a function raised an error`
  if (sqlState === '42501') return `${what}: the server does not allow it`
  return `${what}: the server refused it`
}
