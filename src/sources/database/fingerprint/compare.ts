import type {
  DatabaseFacts,
  Guard,
  SequenceFacts,
  TableFacts,
  VisibleRows
} from '../../../archive/contents-database.ts'
import type { Finding } from '../../source.ts'
import { readable } from '../catalog/quote.ts'
import type { RecomputedView } from '../dump/recomputed-views.ts'
import { untouched } from './extension-objects.ts'
import { sameButForOwner } from './grant-lines.ts'
import { sameDefinition } from './same-definition.ts'

/** How findings call what is compared, each after `the`. */
export interface Sides {
  readonly source: string
  readonly copy: string
}

/** The words of a proof. A restore compares a backup with its target. */
export const sourceAndCopy: Sides = { source: 'source', copy: 'copy' }

/** What is known about a copy beside its state. */
export interface CompareOptions {
  /** `sourceAndCopy` where it is left out. */
  readonly sides?: Sides
  /** Extensions of the source that the copy's server does not have. */
  readonly missingExtensions: ReadonlySet<string>
  /** Whether source and copy run the same major version: else a definition that the server writes may differ in form alone. */
  readonly sameMajor: boolean
  /** Whether both fingerprints were taken by the same queries (so when left out): else one of them may tell what the other does not. */
  readonly sameFingerprint?: boolean
}

/** Kinds whose definition was told otherwise by earlier versions of the queries. */
const retold = /^(?:aggregate|type|operator family|collation)$/

/** Kinds whose definition the server writes anew from its own form, in words that changed between major versions. */
const deparsed =
  /^(?:view|materialized view|index|constraint|policy|trigger|rule|function|procedure|table|statistics|publication)$/

/** Most characters of a side that a finding shows. */
const shown = 500

/**
 * Compares two fingerprints. An object that is missing, added or different is a `difference` that shows both sides; one that needs an
 * extension which the copy lacks is `notProven`, and so is a changed wording between two major versions. Of what belongs to an
 * extension, whose owner is not told, others may be the owners.
 */
export function compareGuards(source: readonly Guard[], copy: readonly Guard[], options: CompareOptions): Finding[] {
  const { sides = sourceAndCopy } = options
  const key = (guard: Guard) => `${guard.kind}\0${guard.name}`
  const there = Map.groupBy(copy, key)
  const owned = new Set([...source, ...copy].filter(({ kind }) => kind.startsWith('owner of ')).map(key))
  const hasUntoldOwner = ({ kind, name }: Guard) =>
    kind.startsWith('grants on ') &&
    kind !== 'grants on column' &&
    !owned.has(key({ kind: kind.replace('grants on', 'owner of'), name, definition: '' }))
  const isSame = (guard: Guard, match: Guard) =>
    sameDefinition(guard.definition, match.definition) ||
    (hasUntoldOwner(guard) && sameButForOwner(guard.definition.split('\n'), match.definition.split('\n')))
  const findings: Finding[] = []
  for (const guard of source) {
    const match = there.get(key(guard))?.shift() ?? there.get(key(asUntouched(guard)))?.shift()
    const subject = `${guard.kind} ${guard.name}`
    const missing = (guard.needs ?? []).filter((name) => options.missingExtensions.has(name))
    if (match === undefined) {
      if (missing.length > 0 || isOfMissing(guard, options)) {
        findings.push({
          kind: 'notProven',
          reason: 'missing-extension',
          subject,
          detail: `it needs ${missing.join(', ') || 'an extension'}, which the ${sides.copy}'s server does not have`
        })
      } else findings.push({ kind: 'difference', subject, detail: `it is missing in the ${sides.copy}` })
    } else if (!isSame(guard, match)) {
      if (isReordered(guard, match)) {
        findings.push({
          kind: 'note',
          subject,
          detail: 'columns that it inherits come in another order, as a dump makes them'
        })
        continue
      }
      const wording = !options.sameMajor && deparsed.test(guard.kind)
      const earlier = options.sameFingerprint === false && retold.test(guard.kind)
      const unlike = missing.length > 0 || wording || earlier || isHidden(guard) || isHidden(match)
      findings.push({
        kind: unlike ? 'notProven' : 'difference',
        ...(missing.length > 0 ? { reason: 'missing-extension' } : wording || earlier ? { reason: 'reworded' } : {}),
        subject,
        detail: guard.kind.startsWith('options of ')
          ? 'its options differ; they may hold secrets and are not shown'
          : `${wording ? 'worded differently by another major version: ' : 'it differs: '}${bothSides(guard, match, sides)}`
      })
    }
  }
  const kinds = new Set(source.map((guard) => guard.kind))
  for (const rest of there.values()) {
    for (const guard of rest) {
      // Earlier versions did not know of some kinds.
      if (options.sameFingerprint === false && !kinds.has(guard.kind)) continue
      if (guard.kind.startsWith(untouchedGrants) || isOfOtherMaker(guard, source)) continue
      findings.push({
        // An extension comes with a comment of its own; no dump says that somebody took it away.
        kind: guard.kind === 'comment' && guard.name.startsWith('extension ') ? 'note' : 'difference',
        subject: `${guard.kind} ${guard.name}`,
        detail: `it is in the ${sides.copy}, but not in the ${sides.source}`
      })
    }
  }
  return findings
}

/**
 * Default privileges that the script of an extension gave to whoever created it: the source has the same for another role, and a dump brings those back, too.
 */
function isOfOtherMaker(guard: Guard, source: readonly Guard[]): boolean {
  const of = ({ kind, name, definition }: Guard) => {
    const parts = kind === 'default privileges' ? /^for ("(?:[^"]|"")*"|[^ ]+)( in schema .*)$/.exec(name) : null
    const [, role = '', where = ''] = parts ?? []
    return parts === null
      ? null
      : JSON.stringify([
          where,
          definition
            .split('\n')
            .filter((line) => !line.startsWith(`${role}=`))
            .map((line) => line.replace(/\/[^/]*$/, ''))
        ])
  }
  const told = of(guard)
  return told !== null && source.some((one) => of(one) === told)
}

/** A table that inherits gets columns that its parent had later in the parent's place: no dump keeps their order. */
function isReordered(guard: Guard, match: Guard): boolean {
  const sorted = ({ definition }: Guard) => definition.split('\n').sort().join('\n')
  return guard.kind === 'table' && /^inherits /m.test(guard.definition) && sorted(guard) === sorted(match)
}

const untouchedGrants = `grants on ${untouched}`

/** How grants on an object of an extension are told where they are those that it made itself. */
function asUntouched(guard: Guard): Guard {
  return { ...guard, kind: guard.kind.replace(/^grants on /, untouchedGrants) }
}

/** Whether the role that read it may not see these options. */
function isHidden({ kind, definition }: Guard): boolean {
  return kind.startsWith('options of ') && definition === 'hidden'
}

function isOfMissing(guard: Guard, options: CompareOptions): boolean {
  return guard.kind === 'comment' && [...options.missingExtensions].some((name) => guard.name === `extension ${name}`)
}

/** Kinds of which nothing but how they begin is shown: what is behind that is code or text of people, which may hold secrets. */
const unshown = /^(?:function|procedure|view|materialized view|rule|comment|security label)$/

/** The part of a definition that may be shown: of a function the lines before its body, of a view its columns, of a column no expression. */
function shownLines({ kind, definition }: Guard): string[] {
  const lines = definition.split('\n')
  if (!unshown.test(kind))
    return lines.map((line) => line.replace(/^(column .*?) (default|generated always as) .*$/, '$1 $2 ...'))
  if (/^(?:rule|comment|security label)$/.test(kind)) return []
  const code = lines.findIndex((line) => /^(?:AS |BEGIN ATOMIC|RETURN )|^\s*(?:SELECT|WITH|VALUES|TABLE)\b/.test(line))
  return code === -1 ? lines : lines.slice(0, code)
}

/** The lines in which two definitions differ, as far as they may be shown: logs of a public repository are read by everyone. */
function bothSides(source: Guard, copy: Guard, sides: Sides): string {
  const [left, right] = [shownLines(source), shownLines(copy)]
  const only = (lines: readonly string[], others: readonly string[]) =>
    lines.filter((line) => !others.includes(line)).join(' / ')
  const cut = (text: string) => (text.length > shown ? `${text.slice(0, shown)}...` : text)
  const [first, second] = [only(left, right), only(right, left)]
  if (first === '' && second === '')
    return left.join('\n') === source.definition && right.join('\n') === copy.definition
      ? 'the same lines in another order'
      : 'in code or text that may hold secrets and is not shown'
  return `${sides.source}: ${cut(first) || '(nothing)'}; ${sides.copy}: ${cut(second) || '(nothing)'}`
}

/** A table as it was found on the copy. */
export type CopiedTable = Pick<TableFacts, 'schema' | 'name' | 'rows' | 'hash'> &
  Partial<Pick<TableFacts, 'populated' | 'writtenHash'>> & {
    /** What its definition gives on the copy: of materialized views that are not as in the source (`viewDiffers`). */
    readonly recomputed?: RecomputedView
  }

/** Compares row counts and content hashes. Tables that are absent from `copy` because of `missing` extensions are `notProven`. */
export function compareTables(
  source: readonly TableFacts[],
  copy: readonly CopiedTable[],
  needs: ReadonlyMap<string, readonly string[]>,
  options: CompareOptions
): Finding[] {
  const { sides = sourceAndCopy } = options
  const there = new Map(copy.map((table) => [readable(table), table]))
  return source.flatMap((table): Finding[] => {
    const name = readable(table)
    const subject = `${table.kind === 'm' ? 'materialized view' : 'table'} ${name}`
    const found = there.get(name)
    const missing = [...(needs.get(name) ?? []), ...(table.extension === undefined ? [] : [table.extension])].filter(
      (extension) => options.missingExtensions.has(extension)
    )
    if (found === undefined) {
      return missing.length > 0
        ? [
            {
              kind: 'notProven',
              reason: 'missing-extension',
              subject,
              detail: `it needs ${missing.join(', ')}, which the ${sides.copy}'s server does not have`
            }
          ]
        : [{ kind: 'difference', subject, detail: `it is missing in the ${sides.copy}` }]
    }
    if (table.kind === 'm') return compareView(table, found, subject, sides)
    if (table.rows === null) return []
    if (found.rows !== table.rows)
      return [
        {
          kind: 'difference',
          subject,
          detail: `rows: ${table.rows} in the ${sides.source}, ${found.rows ?? 'none'} in the ${sides.copy}`
        }
      ]
    if (table.hash === null)
      return [
        {
          kind: 'notProven',
          reason: 'not-hashed',
          subject,
          detail: `its content was counted, not hashed: ${table.hashSkipped ?? 'not possible'}`
        }
      ]
    if (found.hash === null || found.hash.method !== table.hash.method) {
      return [
        {
          kind: 'notProven',
          reason: 'not-hashed',
          subject,
          detail: `the ${sides.copy} could not be hashed in the same way`
        }
      ]
    }
    if (found.hash.value !== table.hash.value && isWrittenAlike(table, found))
      return [
        {
          kind: 'note',
          subject,
          detail: `its generated columns are computed anew in the ${sides.copy} and differ; all that was written is equal`
        }
      ]
    if (found.hash.value !== table.hash.value)
      return [{ kind: 'difference', subject, detail: `its content differs, though it has the same ${table.rows} rows` }]
    return []
  })
}

/** Whether rows differ in generated columns alone: what these give hangs on functions and settings, and may have changed since the rows were written. */
function isWrittenAlike(table: Pick<TableFacts, 'writtenHash'>, found: Pick<TableFacts, 'writtenHash'>): boolean {
  const [left, right] = [table.writtenHash, found.writtenHash]
  return left !== undefined && left !== null && left.method === right?.method && left.value === right.value
}

/** Whether a materialized view's rows are others than in the source, as far as both sides were taken. */
export function viewDiffers(
  table: Pick<TableFacts, 'rows' | 'hash'>,
  found: Pick<TableFacts, 'rows' | 'hash'>
): boolean {
  if (table.rows === null || found.rows === null) return false
  if (table.rows !== found.rows) return true
  return table.hash?.method === found.hash?.method && table.hash?.value !== found.hash?.value
}

/** Words of a definition whose outcome hangs on the order in which rows are read, or that adds numbers whose sum does. */
const orderly =
  /\b(?:\w+_agg|\w+_object_agg|row_number|rank|dense_rank|ntile|lag|lead|(?:first|last|nth)_value|limit|fetch|distinct on|sum|avg|stddev\w*|var\w*|corr|covar\w*|regr_\w+|gen_random_uuid|uuid\w*|nextval|tablesample|ctid|tableoid|current_user|session_user)\b/i

/**
 * A materialized view is computed anew by a restore. Where it is not as in the source it must be what its definition gives there: the source's may not have
 * been refreshed for long, which is no fault of the copy.
 */
function compareView(table: TableFacts, found: CopiedTable, subject: string, sides: Sides): Finding[] {
  if (table.populated === true && found.populated === false)
    return [{ kind: 'difference', subject, detail: `it holds no data in the ${sides.copy}` }]
  if (!viewDiffers(table, found)) return []
  const { recomputed } = found
  const both =
    table.rows === found.rows
      ? `its content differs, with ${table.rows} rows on both sides`
      : `${table.rows} rows in the ${sides.source}, ${found.rows} in the ${sides.copy}`
  if (recomputed === undefined || 'failed' in recomputed) {
    if (found.rows === '0')
      return [
        {
          kind: 'difference',
          subject,
          detail: `it is empty in the ${sides.copy}; ${table.rows} rows in the ${sides.source}`
        }
      ]
    const why = recomputed === undefined ? '' : `; its definition could not be computed anew: ${recomputed.failed}`
    return [{ kind: recomputed === undefined ? 'note' : 'notProven', subject, detail: `${both}${why}` }]
  }
  const sameRows = recomputed.rows === found.rows
  if (sameRows && (recomputed.hash === null || found.hash === null || recomputed.hash === found.hash.value))
    return [
      {
        kind: 'note',
        subject,
        detail: `${both}, where it was computed anew: that is what its definition gives; the ${sides.source}'s is stale, or hangs on time or order`
      }
    ]
  const unsteady =
    recomputed.volatile || timely.test(recomputed.definitions) || (sameRows && orderly.test(recomputed.definitions))
  const gives = sameRows ? 'other content' : `${recomputed.rows} rows`
  return [
    {
      kind: unsteady && found.rows !== '0' ? 'notProven' : 'difference',
      subject,
      detail: `${found.rows === '0' ? `it is empty in the ${sides.copy}; ${table.rows} rows in the ${sides.source}` : both}; its definition gives ${gives} there`
    }
  ]
}

/** Compares sequences: the copy's state must lie between those before and after the dump. */
export function compareSequences(
  source: readonly SequenceFacts[],
  copy: ReadonlyMap<string, SequenceFacts['before']>,
  sides: Sides = sourceAndCopy
): Finding[] {
  return source.flatMap((sequence): Finding[] => {
    const name = readable(sequence)
    const subject = `sequence ${name}`
    const found = copy.get(name)
    if (found === undefined) return [{ kind: 'difference', subject, detail: `it is missing in the ${sides.copy}` }]
    const { before, after } = sequence
    const text = (state: SequenceFacts['before']) => `${state.value}${state.called ? '' : ' (not used yet)'}`
    const same = (state: SequenceFacts['before']) => state.value === found.value && state.called === found.called
    if (same(before) || same(after)) return []
    const moved = before.value !== after.value || before.called !== after.called
    const [low, high, value] = [BigInt(before.value), BigInt(after.value), BigInt(found.value)]
    const between = (low <= value && value <= high) || (high <= value && value <= low)
    // One that cycles may have turned round in between: nothing can be said then but that it was in use.
    if (moved && between && (found.called || !before.called)) return []
    const expected = moved ? `between ${text(before)} and ${text(after)}` : text(before)
    return [
      { kind: 'difference', subject, detail: `${expected} in the ${sides.source}, ${text(found)} in the ${sides.copy}` }
    ]
  })
}

/** Policies whose outcome depends on the time of asking. */
const timely =
  /\b(?:now\(\)|current_(?:date|time|timestamp)|localtime|clock_timestamp|statement_timestamp|transaction_timestamp|random\(|timeofday)/i

/**
 * Compares what roles see. A difference is a note: it hangs on the time, on settings of a session and on who asks, and policies, grants and rows are
 * compared themselves.
 */
export function compareVisibleRows(
  source: readonly VisibleRows[],
  copy: readonly VisibleRows[],
  sides: Sides = sourceAndCopy
): Finding[] {
  const key = (entry: VisibleRows) => JSON.stringify([entry.role, entry.user, entry.schema, entry.table])
  const there = new Map(copy.map((entry) => [key(entry), entry]))
  return source.flatMap((entry): Finding[] => {
    const name = readable({ schema: entry.schema, name: entry.table })
    const subject = `rows of ${name} that ${entry.role}${entry.user === null ? '' : ` as user ${entry.user}`} sees`
    const unsampled = (detail: string): Finding[] => [{ kind: 'notProven', reason: 'not-sampled', subject, detail }]
    if (entry.failed?.startsWith('skipped') === true) return unsampled(entry.failed)
    const found = there.get(key(entry))
    if (found === undefined || found.failed?.startsWith('skipped') === true)
      return unsampled(found?.failed ?? `it was not counted on the ${sides.copy}`)
    if (found.rows === entry.rows && found.failed === entry.failed) return []
    const text = (side: VisibleRows) => side.rows ?? `error ${side.failed ?? 'unknown'}`
    return [
      {
        kind: 'note',
        subject,
        detail: `${text(entry)} in the ${sides.source}, ${text(found)} in the ${sides.copy}: it may hang on the time, on settings or on rows that were left out`
      }
    ]
  })
}

/** Compares large objects by count and content. */
export function compareLargeObjects(
  source: DatabaseFacts['largeObjects'],
  copy: DatabaseFacts['largeObjects'],
  sides: Sides = sourceAndCopy
): Finding[] {
  const subject = 'large objects'
  if (source.count !== copy.count)
    return [
      {
        kind: 'difference',
        subject,
        detail: `${source.count} in the ${sides.source}, ${copy.count} in the ${sides.copy}`
      }
    ]
  if (source.hash === null || copy.hash === null)
    return [{ kind: 'notProven', reason: 'not-hashed', subject, detail: 'their content was counted, not hashed' }]
  return source.hash === copy.hash ? [] : [{ kind: 'difference', subject, detail: 'their content differs' }]
}
