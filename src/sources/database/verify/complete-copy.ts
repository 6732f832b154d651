import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import type { Finding } from '../../source.ts'
import { plainName, readable } from '../catalog/quote.ts'
import { passesOf } from '../loading/restore-order.ts'
import { applySettings, sourceSettings } from '../loading/source-settings.ts'
import type { OpenArchive } from '../pg-archive/read-archive.ts'
import { withDependants } from '../pg-archive/skip-entries.ts'
import type { ArchiveToc, TocEntry } from '../pg-archive/toc.ts'
import type { Absence, Absent } from './absence.ts'
import { attemptEntry, type Refusal } from './entry-attempt.ts'
import { meaningOf, subjectOf } from './refused-entry.ts'
import { reloadRows } from './reload-rows.ts'

export interface CompleteCopyOptions {
  readonly connection: Connection
  readonly facts: DatabaseFacts
  readonly toc: ArchiveToc
  readonly openArchive: OpenArchive
  /** Entries that pg_restore met errors at. */
  readonly failed: ReadonlySet<number>
  /** Entries that were left for the end (`lateEntries`). */
  readonly late: ReadonlySet<number>
  /** What the copy goes without for a reason that is known. */
  readonly absent: Absent
  readonly missingExtensions: ReadonlySet<string>
  /** Milliseconds that building one of `slowIndexes` may take from now on. */
  readonly indexMs: () => number
}

export interface CompletedCopy {
  /** What the copy goes without after all. */
  readonly absent: Absent
  /** Objects that are there, but otherwise than in the source for a reason that is known: by the fingerprint's words. */
  readonly excused: ReadonlyMap<string, Absence>
  readonly findings: readonly Finding[]
}

/** Access methods whose indexes over many rows take far longer to build than the rows to load. */
const slowMethod = / USING (?:hnsw|ivfflat|diskann|bm25|rum|gist|spgist|gin) /
/** Bytes of a table from which on such an index waits until everything else is there. */
const slowFromBytes = 64 * 1024 * 1024

/**
 * What is made when all else is there, as `restore` does it: materialized views are computed when all objects are, triggers of partitions are switched when all
 * triggers are, event triggers come last, since they would fire. And indexes that may take longer than the proof has time.
 */
export function lateEntries(toc: ArchiveToc, facts: Pick<DatabaseFacts, 'tables'>): ReadonlySet<number> {
  const isLate = (entry: TocEntry) =>
    /^(?:EVENT TRIGGER|MATERIALIZED VIEW DATA)$/.test(entry.kind) ||
    (entry.kind === 'TRIGGER' && entry.definition.trimStart().startsWith('ALTER ')) ||
    isSlow(entry, facts)
  return new Set(withDependants(toc, new Map(toc.entries.filter(isLate).map((entry) => [entry.id, true]))).keys())
}

function isSlow(entry: TocEntry, { tables }: Pick<DatabaseFacts, 'tables'>): boolean {
  if (entry.kind !== 'INDEX' || !slowMethod.test(entry.definition)) return false
  const table = / ON (?:ONLY )?(\S+) USING /.exec(entry.definition)?.[1]
  return table !== undefined && tables.some((one) => one.bytes >= slowFromBytes && readable(one) === plainName(table))
}

/** Makes what pg_restore could not, and what was left for the end. What cannot be made is named, with what that means. */
export async function completeCopy(options: CompleteCopyOptions): Promise<CompletedCopy> {
  const { connection, facts, toc, missingExtensions } = options
  const findings: Finding[] = []
  const excused = new Map<string, Absence>()
  const gone = new Map<number, Absence>(options.absent)
  const wanted = options.failed.union(options.late)
  const entries = toc.entries.filter((entry) => wanted.has(entry.id) && !gone.has(entry.id))
  if (entries.length === 0) return { absent: gone, excused, findings }
  await connection.query(
    'set check_function_bodies = off; set xmloption = content; set row_security = off; set client_min_messages = error'
  )
  await setForSession(connection, facts)
  const rows = entries.filter(({ kind }) => kind === 'TABLE DATA')
  const passes = passesOf(
    toc,
    entries.filter(({ kind }) => kind !== 'TABLE DATA')
  )
  const slow = (entry: TocEntry) => isSlow(entry, facts)
  const make = async (some: readonly TocEntry[]) => {
    const refused = await madeInRounds(some, async (entry) => {
      const attempt = await attemptEntry(connection, entry, facts)
      if (attempt.kind === 'refused') return attempt.refusal
      if (attempt.byPath) findings.push(byPath(subjectOf(entry)))
      if (attempt.notValid) {
        const told = meaningOf(
          entry,
          { sqlState: '23503', message: '' },
          { facts, toc, gone, missingExtensions, notValid: true }
        )
        findings.push(told.finding)
        gone.set(entry.id, told.absence)
      }
      return null
    })
    for (const [entry, refusal] of refused) note(entry, refusal)
  }
  const note = (entry: TocEntry, refusal: Refusal) => {
    const told = meaningOf(entry, refusal, { facts, toc, gone, missingExtensions, notValid: false })
    if (findings.every(({ subject }) => subject !== told.finding.subject)) findings.push(told.finding)
    gone.set(entry.id, told.absence)
  }
  await make([...passes.first, ...passes.before])
  if (rows.length > 0) {
    const reloaded = await reloadRows(connection, rows, options.openArchive, facts)
    for (const entry of reloaded.loaded) findings.push(byPath(subjectOf(entry)))
    for (const [entry, refusal] of reloaded.refused) note(entry, refusal)
    for (const { name } of reloaded.notValid) {
      const words = 'old rows do not satisfy it here: it holds for new rows alone, as after a restore'
      findings.push({ kind: 'notProven', reason: 'not-valid', subject: `constraint ${name}`, detail: words })
      excused.set(`constraint ${name}`, { reason: 'not-valid', words, told: true })
    }
  }
  await make(passes.after.filter((entry) => !slow(entry)))
  await make(passes.grants)
  await make(passes.last.filter(({ kind }) => kind === 'MATERIALIZED VIEW DATA'))
  for (const entry of passes.after.filter(slow)) await buildSlow(connection, entry, options, findings, gone)
  await make(passes.last.filter(({ kind }) => kind !== 'MATERIALIZED VIEW DATA'))
  await make(passes.defaults)
  return { absent: hanging(toc, gone), excused, findings }
}

/** Settings that a session of the source has, for all that follows. One that this server does not take is passed over. */
async function setForSession(connection: Connection, facts: DatabaseFacts): Promise<void> {
  const settings = sourceSettings(facts)
  if (settings.length === 0) return
  await connection.query('begin')
  await applySettings(connection, settings, false)
  await connection.query('commit')
}

/** Makes what it can, as long as that goes on: one object may need another that comes later. */
async function madeInRounds(
  entries: readonly TocEntry[],
  make: (entry: TocEntry) => Promise<Refusal | null>
): Promise<Map<TocEntry, Refusal>> {
  let waiting = [...entries]
  for (;;) {
    const refused = new Map<TocEntry, Refusal>()
    for (const entry of waiting) {
      const refusal = await make(entry)
      if (refusal !== null) refused.set(entry, refusal)
    }
    if (refused.size === 0 || refused.size === waiting.length) return refused
    waiting = [...refused.keys()]
  }
}

async function buildSlow(
  connection: Connection,
  entry: TocEntry,
  { facts, indexMs }: CompleteCopyOptions,
  findings: Finding[],
  gone: Map<number, Absence>
): Promise<void> {
  const left = Math.floor(indexMs())
  let refusal: Refusal = { sqlState: '57014', message: '' }
  if (left > 0) {
    await connection.query(`set statement_timeout = ${left}`)
    const attempt = await attemptEntry(connection, entry, facts)
    await connection.query('set statement_timeout = 0')
    if (attempt.kind === 'made') {
      if (attempt.byPath) findings.push(byPath(subjectOf(entry)))
      return
    }
    refusal = attempt.refusal
  }
  const outOfTime = refusal.sqlState === '57014'
  const words = outOfTime
    ? 'building it takes longer than the proof has time for (`verify-timeout`): its definition is in the archive'
    : `the server refused it [${refusal.sqlState}]`
  findings.push({
    kind: outOfTime ? 'notProven' : 'difference',
    reason: outOfTime ? 'out-of-time' : 'not-made',
    subject: subjectOf(entry),
    detail: words
  })
  gone.set(entry.id, { reason: outOfTime ? 'out-of-time' : 'not-made', words, told: true })
}

function byPath(subject: string): Finding {
  return {
    kind: 'note',
    subject,
    detail:
      'it came back at a second try, as a restore makes it: a function in it names objects without their schema, or needs rows of other tables'
  }
}

/** With what hangs on something that is not there. */
function hanging(toc: ArchiveToc, gone: ReadonlyMap<number, Absence>): Absent {
  const present = new Set(['not-valid', 'not-refreshed'])
  const roots = new Map([...gone].filter(([, { reason }]) => !present.has(reason)))
  const all = withDependants(toc, roots)
  const found = new Map(gone)
  for (const [id, absence] of all) {
    if (found.has(id)) continue
    const same = absence.reason === 'missing-extension' || absence.reason === 'not-in-backup'
    found.set(
      id,
      same
        ? { reason: absence.reason, words: absence.words }
        : { reason: 'needs-another', words: 'it hangs on something else that the copy has not' }
    )
  }
  return found
}
