import type { VerificationLevel } from '../archive/manifest.ts'
import type { RunRecord } from '../archive/run-record.ts'
import type { HistoryEntry } from './entries.ts'
import { dueTimes } from './report-due.ts'
import { byBackup, madeHere } from './trust.ts'

// What the journal and the backups that are there say of a period: pure, so that the page, the JSON and the CSV say the same.

/** What a report is made of, for ONE project. */
export interface ReportFacts {
  readonly project: string
  /** Records that are believed, whatever their time. */
  readonly records: readonly RunRecord[]
  readonly entries: readonly HistoryEntry[]
  readonly since: Date
  readonly now: Date
  readonly maxAgeMs: number
}

/** A moment at which a backup was due. */
export interface Night {
  readonly at: string
  readonly came: 'made' | 'failed' | 'missed'
}

export interface ProjectReport {
  readonly project: string
  /** The first thing that is known of the period; null where nothing is. */
  readonly knownSince: string | null
  /** `schedule`: counted by the cron lines that runs told of; `day`: by days (UTC), since no run told of one. */
  readonly countedBy: 'schedule' | 'day'
  readonly due: number
  readonly made: number
  readonly failed: number
  readonly missed: number
  readonly nights: readonly Night[]
  /** The longest time without a new backup to rely on; null where there is none. */
  readonly largestGap: {
    readonly ms: number
    readonly from: string
    readonly until: string
    readonly met: boolean
  } | null
  /** Backups by how far they were proven when they were made. */
  readonly levels: Readonly<Record<VerificationLevel, number>>
  /** Proofs by restoring into a throw-away server. */
  readonly proofs: Times | null
  /** Restores that were done, into whatever target. */
  readonly restores: Times | null
  readonly keyShownAt: string | null
  readonly recipients: readonly string[]
  readonly anomalies: readonly Anomaly[]
  readonly retention: readonly string[]
  /** The records of the period, and what the backups that are there tell where no record does; oldest first. */
  readonly events: readonly ReportEvent[]
}

export interface Times {
  readonly count: number
  readonly medianMs: number
  readonly longestMs: number
  readonly last: string
}

export interface Anomaly {
  readonly backup: string
  readonly at: string
  readonly alarms: readonly string[]
  /** `by` is null where only the backup itself tells of it. */
  readonly acknowledged: { readonly at: string | null; readonly by: string | null } | null
}

export interface ReportEvent extends RunRecord {
  /** `backup`: there is no record of the run; the backup that lies there tells of it. */
  readonly from: 'journal' | 'backup'
}

export function reportOf(facts: ReportFacts): ProjectReport {
  const { project, since, now } = facts
  const all = eventsOf(facts)
  const events = all.filter((event) => timeOf(event) >= since.getTime())
  const made = events.filter(({ event }) => event === 'made')
  const acknowledged = acknowledgements(all, facts.entries)
  const due = dueTimes(all, since, now)
  const nights = nightsOf(due.times, all)
  const count = (came: Night['came']) => nights.filter((night) => night.came === came).length
  const latest = all.findLast(({ event }) => event === 'made')
  return {
    project,
    knownSince: events[0]?.startedAt ?? null,
    countedBy: due.by,
    due: nights.length,
    made: count('made'),
    failed: count('failed'),
    missed: count('missed'),
    nights,
    largestGap: largestGap(all, acknowledged, facts),
    levels: levelsOf(made),
    proofs: timesOf(
      events.flatMap(({ startedAt, level, proofMs }) =>
        level === 'restore' && proofMs !== undefined ? [{ startedAt, durationMs: proofMs }] : []
      )
    ),
    restores: timesOf(events.filter(({ event, status }) => isRestore(event) && status === 'complete')),
    keyShownAt: all.findLast(({ keyShown }) => keyShown === true)?.startedAt ?? null,
    recipients: latest?.recipients ?? [],
    anomalies: made
      .filter(({ status }) => status === 'anomalous')
      .map(({ backup = '', startedAt, alarms = [] }) => ({
        backup,
        at: startedAt,
        alarms,
        acknowledged: acknowledged.get(backup) ?? null
      })),
    retention: all.findLast(({ keep }) => keep !== undefined)?.keep ?? [],
    events
  }
}

export function isRestore(event: RunRecord['event']): boolean {
  return event === 'restored' || event === 'drilled'
}

function timeOf({ startedAt }: RunRecord): number {
  return Date.parse(startedAt)
}

/** Records, oldest first, and what the backups tell that no record tells. */
function eventsOf({ records, entries, now }: ReportFacts): ReportEvent[] {
  const told = new Set(records.filter(({ event }) => event === 'made').map(({ backup }) => backup))
  const verified = new Set(records.filter(({ event }) => event === 'verified').map(({ backup }) => backup))
  const derived = byBackup(madeHere(entries, now)).flatMap((copies) => [
    ...copies.slice(0, 1).flatMap((copy) => (told.has(copy.ref.id) ? [] : madeOf(copy))),
    ...(verified.has(copies[0]?.ref.id) ? [] : verificationsOf(copies))
  ])
  return [...records.map((record): ReportEvent => ({ ...record, from: 'journal' })), ...derived]
    .filter((event) => timeOf(event) <= now.getTime())
    .toSorted((a, b) => timeOf(a) - timeOf(b))
}

function madeOf({ manifest }: HistoryEntry): ReportEvent[] {
  if (manifest === null) return []
  const { verification, encryption } = manifest
  return [
    {
      kind: 'supabase-backup/run/1',
      from: 'backup',
      project: manifest.project,
      command: 'backup',
      event: 'made',
      startedAt: manifest.createdAt,
      durationMs: manifest.durationMs,
      status: manifest.status,
      level: verification.level,
      backup: manifest.id,
      backupAt: manifest.createdAt,
      sizeBytes: [...manifest.files, ...manifest.shared].reduce((sum, { bytes }) => sum + bytes, 0),
      tables: verification.tables,
      ...(verification.durationMs === undefined ? {} : { proofMs: verification.durationMs }),
      ...(encryption.recipients.length === 0 ? {} : { recipients: encryption.recipients }),
      tool: manifest.tool
    }
  ]
}

function verificationsOf(copies: readonly HistoryEntry[]): ReportEvent[] {
  return copies.flatMap(({ records, ref, manifest }) =>
    records.flatMap(({ outcome, verification, openedBy = [], canary, error, tool }): ReportEvent[] => {
      if (verification.at === null) return []
      return [
        {
          kind: 'supabase-backup/run/1',
          from: 'backup',
          project: ref.project,
          command: 'verify',
          event: outcome === 'passed' ? 'verified' : 'failed',
          startedAt: verification.at,
          durationMs: verification.durationMs ?? 0,
          status: outcome === 'passed' ? (manifest?.status ?? 'complete') : 'failed',
          level: verification.level,
          backup: ref.id,
          tables: verification.tables,
          ...(verification.level === 'restore' && verification.durationMs !== undefined
            ? { proofMs: verification.durationMs }
            : {}),
          ...(openedBy.length > 0 || canary === true ? { keyShown: true } : {}),
          ...(error === undefined ? {} : { error }),
          tool
        }
      ]
    })
  )
}

function acknowledgements(
  events: readonly ReportEvent[],
  entries: readonly HistoryEntry[]
): ReadonlyMap<string, NonNullable<Anomaly['acknowledged']>> {
  const found = new Map<string, NonNullable<Anomaly['acknowledged']>>()
  for (const { acknowledged, ref } of entries) if (acknowledged) found.set(ref.id, { at: null, by: null })
  for (const { acknowledged, startedAt, run } of events.toReversed())
    if (acknowledged !== undefined) found.set(acknowledged, { at: startedAt, by: run?.actor ?? null })
  return found
}

/** What became of each due moment: a backup that was made from then on and before the next one, else one that failed, else nothing. */
function nightsOf(times: readonly Date[], events: readonly ReportEvent[]): Night[] {
  const runs = events.filter(({ command }) => command === 'backup')
  return times.map((at, index) => {
    // A runner's clock may be a little behind that of the scheduler.
    const from = at.getTime() - 60_000
    const until = (times[index + 1]?.getTime() ?? Number.POSITIVE_INFINITY) - 60_000
    const here = runs.filter((run) => timeOf(run) >= from && timeOf(run) < until)
    const came = here.some(({ event }) => event === 'made') ? 'made' : here.length > 0 ? 'failed' : 'missed'
    return { at: at.toISOString(), came }
  })
}

function largestGap(
  events: readonly ReportEvent[],
  acknowledged: ReadonlyMap<string, unknown>,
  { since, now, maxAgeMs }: ReportFacts
): ProjectReport['largestGap'] {
  const good = events
    .filter(
      ({ event, status, backup = '' }) =>
        event === 'made' && (status === 'complete' || (status === 'anomalous' && acknowledged.has(backup)))
    )
    .map(timeOf)
  const before = good.findLast((time) => time < since.getTime())
  const times = [...(before === undefined ? [] : [before]), ...good.filter((time) => time >= since.getTime())]
  const gaps = times.map((from, index) => ({ from, until: times[index + 1] ?? now.getTime() }))
  const largest = gaps.toSorted((a, b) => a.until - a.from - (b.until - b.from)).at(-1)
  if (largest === undefined) return null
  const ms = largest.until - largest.from
  return {
    ms,
    from: new Date(largest.from).toISOString(),
    until: new Date(largest.until).toISOString(),
    met: ms <= maxAgeMs
  }
}

function levelsOf(made: readonly ReportEvent[]): ProjectReport['levels'] {
  const count = (level: VerificationLevel) => made.filter((event) => event.level === level).length
  return { restore: count('restore'), read: count('read'), checksum: count('checksum'), none: count('none') }
}

function timesOf(events: readonly { readonly durationMs: number; readonly startedAt: string }[]): Times | null {
  const sorted = events.map(({ durationMs }) => durationMs).toSorted((a, b) => a - b)
  const median = sorted[Math.floor((sorted.length - 1) / 2)]
  const longest = sorted.at(-1)
  const last = events.at(-1)
  if (median === undefined || longest === undefined || last === undefined) return null
  return { count: sorted.length, medianMs: median, longestMs: longest, last: last.startedAt }
}
