import {
  type DatabaseFacts,
  type Guard,
  holdsSomeObjects,
  type TableFacts
} from '../../../archive/contents-database.ts'
import type { Finding } from '../../source.ts'
import { readable, unquoteIdentifier } from '../catalog/quote.ts'
import { compareDatabase, type DatabaseState } from '../dump/database-state.ts'
import type { CopiedTable } from '../fingerprint/compare.ts'
import { mergedByRoot } from '../loading/load-through-root.ts'
import { labelProviders } from '../pg-archive/skip-entries.ts'
import type { ArchiveToc } from '../pg-archive/toc.ts'
import { type Absence, type Absent, needsExtension } from './absence.ts'

/** What of the facts can be compared with a copy that goes without some objects. */
export interface Comparable {
  readonly facts: DatabaseFacts
  /** What is not compared, by name. */
  readonly findings: readonly Finding[]
}

/** A name without quotes, which follow the server's own list of reserved words, and without the blanks between arguments. */
const bare = (name: string) => name.replaceAll('"', '').replaceAll(', ', ',')

/**
 * Takes out of the facts what a copy without `absent` cannot have: sequences and samples of tables that are not there, tables in
 * publications. Everything taken out is a `notProven` that names it.
 */
export function comparableFacts(
  facts: DatabaseFacts,
  toc: ArchiveToc,
  absent: Absent,
  missingExtensions: ReadonlySet<string>
): Comparable {
  const gone = goneObjects(toc, absent)
  const lacking = new Map<string, readonly string[]>()
  for (const guard of facts.guards) {
    const names = (guard.needs ?? []).filter((name) => missingExtensions.has(name))
    if (names.length > 0) lacking.set(`${guard.kind} ${bare(guard.name)}`, names)
  }
  const reasonFor = (kinds: readonly string[], name: string): Absence | undefined => {
    for (const kind of kinds) {
      const key = `${kind} ${bare(name)}`
      const names = lacking.get(key)
      if (names !== undefined) return needsExtension(names)
      const reason = gone.get(key)
      if (reason !== undefined) return reason
    }
    return undefined
  }
  const relationKinds = ['table', 'foreign table', 'materialized view', 'view']
  const findings: Finding[] = []
  const keep = (kinds: readonly string[], name: string, subject: string): boolean => {
    const reason = reasonFor(kinds, name)
    if (reason !== undefined && reason.told !== true) findings.push(notProven(subject, reason))
    return reason === undefined
  }
  const tables = facts.tables.filter((table) => {
    const name = readable(table)
    const subject = `${table.kind === 'm' ? 'materialized view' : 'table'} ${name}`
    if (table.extension !== undefined && missingExtensions.has(table.extension)) {
      findings.push(notProven(subject, needsExtension([table.extension])))
      return false
    }
    return keep(relationKinds, name, subject) && keep(['rows of'], name, subject)
  })
  const goneTables = new Set(
    facts.tables.filter((table) => !tables.includes(table)).map((table) => bare(readable(table)))
  )
  return {
    facts: {
      ...facts,
      tables,
      sequences: facts.sequences.filter((sequence) => {
        const subject = `sequence ${readable(sequence)}`
        if (sequence.extension === undefined || !missingExtensions.has(sequence.extension))
          return keep(['sequence'], readable(sequence), subject)
        findings.push(notProven(subject, needsExtension([sequence.extension])))
        return false
      }),
      visibleRows: facts.visibleRows.filter(
        (entry) => !goneTables.has(bare(readable({ schema: entry.schema, name: entry.table })))
      ),
      guards: facts.guards.map((guard) => withoutTables(guard, goneTables))
    },
    findings
  }
}

/** A publication without the lines of tables that the copy goes without. */
function withoutTables(guard: Guard, gone: ReadonlySet<string>): Guard {
  if (guard.kind !== 'publication' || gone.size === 0) return guard
  const lines = guard.definition.split('\n').filter((line) => {
    const name = /^table (.*?)(?: \(.*)?(?: where .*)?$/.exec(line)?.[1]
    return name === undefined || !gone.has(bare(name))
  })
  return { ...guard, definition: lines.join('\n') }
}

/** Partitions whose rows the archive loads through a table above them, with its name. */
function loadedThroughRoot(toc: ArchiveToc): ReadonlyMap<string, string> {
  const roots = new Map<string, string>()
  for (const entry of toc.entries) {
    if (entry.kind !== 'TABLE DATA') continue
    const into = /^COPY ("(?:[^"]|"")+"|[^".\s]+)\.("(?:[^"]|"")+"|[^".\s(]+)[\s(]/.exec(entry.copyStatement)
    if (into === null) continue
    const own = readable({ schema: entry.schema, name: entry.tag })
    const root = readable({ schema: unquoteIdentifier(into[1] ?? ''), name: unquoteIdentifier(into[2] ?? '') })
    if (own !== root) roots.set(own, root)
  }
  return roots
}

function notProven(subject: string, { reason, words }: Absence): Finding {
  return { kind: 'notProven', reason, subject, detail: words }
}

/** What a copy has otherwise than its source, as far as it is known. */
export interface KnownOfCopy {
  readonly absent: Absent
  /** By the fingerprint's words. */
  readonly excused: ReadonlyMap<string, Absence>
  readonly missingExtensions: ReadonlySet<string>
}

/** Compares the copy; what is missing there for a known reason is `notProven`, not a difference. */
export function compareCopy(
  { facts, findings }: Comparable,
  state: DatabaseState,
  toc: ArchiveToc,
  { absent, excused, missingExtensions }: KnownOfCopy
): Finding[] {
  const gone = goneObjects(toc, absent)
  for (const [subject, absence] of excused) gone.set(bare(subject), absence)
  const inArchive = holdsSomeObjects(facts)
    ? goneObjects(toc, new Map(toc.entries.map((entry) => [entry.id, inTheArchive])))
    : null
  const dropped = facts.extensions
    .map((extension) => extension.name)
    .filter((name) => !missingExtensions.has(name) && state.extensions.every((extension) => extension.name !== name))
    .map((name) => `extension ${name}`)
  const known = new Set(findings.map((finding) => bare(finding.subject)))
  const roots = loadedThroughRoot(toc)
  const together = <T extends TableFacts | CopiedTable>(tables: readonly T[]) =>
    mergedByRoot(
      tables.map((table) => (roots.has(readable(table)) ? { ...table, writtenHash: null } : table)),
      roots
    )
  const merged =
    roots.size === 0
      ? { facts, state }
      : {
          facts: { ...facts, tables: together(facts.tables) },
          state: { ...state, tables: together(state.tables) }
        }
  const compared = compareDatabase(merged.facts, merged.state).flatMap((finding): Finding[] => {
    if (dropped.includes(finding.subject) && !gone.has(bare(finding.subject)))
      return [
        { kind: 'difference', subject: finding.subject, detail: 'it is missing in the copy, though the server has it' }
      ]
    if (finding.kind !== 'difference') return [finding]
    // A dump of chosen schemas or tables leaves out some of what lies beside the tables.
    if (
      inArchive !== null &&
      besideTables.test(finding.subject) &&
      goneReason(bare(finding.subject), inArchive) === undefined
    )
      return []
    const reason = goneReason(bare(finding.subject), gone)
    if (reason === undefined) return [finding]
    return reason.told === true || known.has(bare(finding.subject)) ? [] : [notProven(finding.subject, reason)]
  })
  return [...findings, ...compared]
}

const inTheArchive: Absence = { reason: 'needs-another', words: '' }

const besideTables =
  /^(?:(?:owner of|grants on) )?(?:aggregate|collation|composite type|domain|enumeration|function|index|object of the server|procedure|range type|sequence|statistics|text search \w+|view) /

/** The reason why an object of the fingerprint is not in the copy, by its own name or that of the table it hangs on. */
function goneReason(subject: string, gone: ReadonlyMap<string, Absence>): Absence | undefined {
  const direct = gone.get(subject) ?? gone.get(subject.replace(/^(?:owner of|grants on|options of) /, ''))
  if (direct !== undefined) return direct
  const provider = /^security label (.*?) on /.exec(subject)?.[1]
  if (provider !== undefined) return gone.get(labelsOf(provider))
  const table = / on ([^ ].*)$/.exec(subject)?.[1]
  if (table !== undefined && gone.has(`table ${table}`)) return gone.get(`table ${table}`)
  const security = /^row security (.*)$/.exec(subject)?.[1]
  if (security !== undefined) return gone.get(`table ${security}`)
  const column = /^(?:(?:grants on|options of) )?column (.*)\.[^.]*$/.exec(subject)?.[1]
  return column === undefined ? undefined : gone.get(`table ${column}`)
}

/** One entry holds all labels of a table and its columns; which object each is on stands in words that the fingerprint does not use. */
const labelsOf = (provider: string) => `security labels of ${provider}`

/** What the copy goes without, named as the fingerprint names it but without quotes. */
function goneObjects(toc: ArchiveToc, absent: Absent): Map<string, Absence> {
  const gone = new Map<string, Absence>()
  for (const entry of toc.entries) {
    const why = absent.get(entry.id)
    if (why === undefined) continue
    const name = bare(`${entry.schema}.${entry.tag}`)
    const kind = entry.kind.toLowerCase()
    if (kind === 'security label') for (const provider of labelProviders(entry)) gone.set(labelsOf(bare(provider)), why)
    else if (kind === 'table data') gone.set(`rows of ${name}`, why)
    else if (kind === 'materialized view data') gone.set(`materialized view ${name}`, why)
    else if (/constraint$/.test(kind) || /^(?:policy|trigger|rule)$/.test(kind)) {
      // The tag is `table name`; a name may hold blanks, so every cut is taken.
      const words = bare(entry.tag).split(' ')
      for (let at = 1; at < words.length; at += 1) {
        const key = `${/constraint$/.test(kind) ? 'constraint' : kind} ${words.slice(at).join(' ')} on ${bare(entry.schema)}.${words.slice(0, at).join(' ')}`
        gone.set(key, why)
        // The index behind a key goes with it.
        gone.set(`index ${bare(entry.schema)}.${words.slice(at).join(' ')}`, why)
      }
    } else {
      gone.set(`${kind} ${name}`, why)
      if (kind === 'type')
        for (const form of ['enumeration', 'range type', 'composite type', 'domain']) gone.set(`${form} ${name}`, why)
    }
  }
  return gone
}
