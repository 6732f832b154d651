import { type HistoryEntry, newestFirst } from '../../history/entries.ts'
import { checkProject, type ScheduledWorkflow } from '../../history/freshness.ts'
import { noteOf, statusOf } from '../../history/history-rows.ts'
import { changesBetween } from '../../history/schema-changes.ts'
import { doubtOfCopies, isFromTheFuture, isTrustworthy, madeHere } from '../../history/trust.ts'
import { nextTimes, scheduledTimes } from '../../history/workflow-schedule.ts'
import type { DashboardBackup, DashboardData, DashboardPlace, DashboardProject, DashboardProof } from './data.ts'

/** A place that was listed, or could not be. */
export interface ListedPlace {
  readonly name: HistoryEntry['destination']
  readonly place: string
  readonly entries: readonly HistoryEntry[]
  readonly inputs: DashboardPlace['inputs']
  /** Code of the error of a listing that failed. */
  readonly error?: string
}

export interface DashboardFacts {
  readonly tool: string
  readonly repository: DashboardData['repository']
  readonly places: readonly ListedPlace[]
  /** Workflows that make backups on a schedule; null where they could not be looked at. */
  readonly workflows: readonly ScheduledWorkflow[] | null
}

const hour = 60 * 60 * 1000
/** GitHub starts scheduled runs late at busy times, and a backup takes its time. */
const lateMs = 2 * hour
/** As `max-age` has it when it is not given. */
const leastDueMs = 26 * hour
const mostNextRuns = 5

/** What the dashboard shows of all projects that the places hold. */
export function collectDashboard(facts: DashboardFacts, now: Date): DashboardData {
  const entries = facts.places.flatMap((place) => place.entries)
  const labels = [...new Set(entries.map((entry) => entry.ref.project))].sort()
  const backups = labels.flatMap((label) => backupsOf(ofProject(entries, label), now))
  return {
    format: 1,
    generatedAt: now.toISOString(),
    tool: facts.tool,
    repository: facts.repository,
    projects: labels.map((label) => projectOf(label, ofProject(entries, label), facts.workflows, now)),
    places: facts.places.map(placeOf),
    backups: backups.sort((a, b) => compare(b.createdAt, a.createdAt) || compare(b.id, a.id))
  }
}

function ofProject(entries: readonly HistoryEntry[], label: string): HistoryEntry[] {
  return entries.filter((entry) => entry.ref.project === label)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function projectOf(
  label: string,
  entries: readonly HistoryEntry[],
  workflows: readonly ScheduledWorkflow[] | null,
  now: Date
): DashboardProject {
  // Age is left to the page, which knows when it is looked at.
  const found = checkProject(label, entries, { maxAgeMs: Number.POSITIVE_INFINITY, recipients: [] }, now)
  const named = (workflows ?? []).filter((workflow) => workflow.projects?.includes(label) === true)
  const own = named.length > 0 ? named : (workflows ?? []).filter((workflow) => workflow.projects === null)
  const running = own.filter((workflow) => workflow.state === 'active')
  const schedules = running.flatMap((workflow) => workflow.schedules)
  const nextRuns = schedules.length === 0 ? undefined : nextTimes(schedules, now, mostNextRuns)
  const disabled = own.filter((workflow) => workflow.state !== 'active')
  return {
    label,
    alarms: [
      ...found.alarms.map(({ kind, detail }) => ({ kind, detail })),
      ...(running.length > 0
        ? []
        : disabled.map((workflow) => ({
            kind: 'workflow-disabled',
            detail: `The workflow ${workflow.file} is switched off: its schedule does not run.`
          })))
    ],
    warnings: [...found.warnings],
    nextRuns: nextRuns?.map((time) => time.toISOString()) ?? null,
    dueAt: dueAt(entries, nextRuns === undefined ? [] : schedules, nextRuns?.[0], now)?.toISOString() ?? null
  }
}

/**
 * When a newer backup should be there: after the first scheduled run since the newest one, else one and a half times as long after it as
 * backups usually lie apart. Backups that people make by hand are due at no time.
 */
function dueAt(
  entries: readonly HistoryEntry[],
  schedules: ScheduledWorkflow['schedules'],
  next: Date | undefined,
  now: Date
): Date | undefined {
  const made = madeHere(entries, now).filter(
    (entry, index, all) => all.findIndex((other) => other.ref.id === entry.ref.id) === index
  )
  const newest = made[0]
  if (newest === undefined) return undefined
  if (next !== undefined) {
    // A runner's clock may be a little behind that of the scheduler.
    const missed = scheduledTimes(schedules, new Date(newest.createdAt.getTime() + 60_000), now, 500)?.at(-1)
    return new Date((missed ?? next).getTime() + lateMs)
  }
  if (!made.some((entry) => entry.manifest?.kind === 'scheduled')) return undefined
  const gaps = made
    .slice(0, 15)
    .map((entry, index, all) => (all[index - 1]?.createdAt.getTime() ?? Number.NaN) - entry.createdAt.getTime())
    .filter((gap) => !Number.isNaN(gap))
    .sort((a, b) => a - b)
  const usual = gaps[Math.floor(gaps.length / 2)] ?? 0
  return new Date(newest.createdAt.getTime() + Math.max(leastDueMs, 1.5 * usual))
}

function placeOf(listed: ListedPlace): DashboardPlace {
  const labels = [...new Set(listed.entries.map((entry) => entry.ref.project))].sort()
  return {
    name: listed.name,
    place: listed.place,
    inputs: listed.inputs,
    ...(listed.error === undefined ? {} : { error: listed.error }),
    projects: labels.map((project) => {
      const own = ofProject(listed.entries, project)
      const shared = new Map(
        own.flatMap((entry) => entry.manifest?.shared ?? []).map((file) => [file.name, file.bytes])
      )
      return {
        project,
        backups: own.length,
        bytes: sum(own.flatMap((entry) => entry.manifest?.files ?? []).map((file) => file.bytes)),
        sharedBytes: sum([...shared.values()])
      }
    })
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** The backups of one project, copies of one id in several places together. */
function backupsOf(entries: readonly HistoryEntry[], now: Date): DashboardBackup[] {
  const byId = [...Map.groupBy(entries.toSorted(newestFirst), (entry) => entry.ref.id).values()]
  return byId.flatMap((copies, index) => {
    const [first] = copies
    if (first === undefined) return []
    // What can be read of it, wherever: one copy that is damaged or of a newer version does not hide the others.
    const best =
      copies.find((copy) => isTrustworthy(copy, now)) ??
      copies.find((copy) => copy.manifest !== null && !copy.damaged) ??
      first
    const shape = best.manifest?.shape
    const before = byId
      .slice(index + 1)
      .map((older) => older.find((copy) => copy.manifest?.shape !== undefined)?.manifest)
      .find((manifest) => manifest !== undefined && manifest !== null && manifest.type === best.manifest?.type)?.shape
    return [
      backupOf(best, copies, shape === undefined || before === undefined ? [] : changesBetween(before, shape), now)
    ]
  })
}

function backupOf(
  entry: HistoryEntry,
  copies: readonly HistoryEntry[],
  changes: readonly string[],
  now: Date
): DashboardBackup {
  const { manifest } = entry
  const count = (source: string, name: string) =>
    manifest?.parts.find((part) => part.source === source)?.counts[name] ?? null
  return {
    id: entry.ref.id,
    project: entry.ref.project,
    createdAt: entry.createdAt.toISOString(),
    type: manifest?.type ?? null,
    kind: manifest?.kind ?? null,
    status: statusOf(entry),
    acknowledged: copies.some((copy) => copy.acknowledged),
    verified: entry.verified,
    verifiedAt: entry.verifiedAt?.toISOString() ?? null,
    durationMs: manifest?.durationMs ?? null,
    bytes: manifest === null ? null : sum([...manifest.files, ...manifest.shared].map((file) => file.bytes)),
    rows: count('database', 'rows'),
    tables: count('database', 'tables'),
    objects: count('storage', 'objects'),
    databaseBytes: count('database', 'bytes'),
    parts: (manifest?.parts ?? []).map(({ source, status, reason, counts }) => ({
      source,
      status,
      ...(reason === undefined ? {} : { reason }),
      counts: Object.entries(counts)
    })),
    proofs: proofsOf(entry, copies),
    encryption: manifest?.encryption.scheme ?? null,
    recipients: manifest?.encryption.recipients ?? [],
    server: manifest?.source.serverVersion ?? null,
    tool: manifest?.tool ?? null,
    copies: copies.map((copy) => ({
      destination: copy.destination,
      url: copy.url ?? null,
      expiresAt: copy.expiresAt?.toISOString() ?? null
    })),
    pinned: copies.some((copy) => copy.pinned),
    changes,
    ...noteOf(entry),
    doubt: doubtOfCopies(copies, now)?.words ?? null,
    future: isFromTheFuture(entry, now)
  }
}

/** All proofs, oldest first: that of the backup itself, then those made later, in whichever place. */
function proofsOf(entry: HistoryEntry, copies: readonly HistoryEntry[]): DashboardProof[] {
  const proof = (
    verification: NonNullable<HistoryEntry['manifest']>['verification'],
    more: Pick<DashboardProof, 'outcome' | 'later' | 'opened' | 'error'>
  ): DashboardProof => ({
    at: verification.at,
    level: verification.level,
    restored: verification.tables.restore,
    read: verification.tables.read,
    differing: verification.tables.differing,
    durationMs: verification.durationMs ?? null,
    notProven: verification.notProven,
    ...more
  })
  const later = copies
    .flatMap((copy) => copy.records)
    .map((record) =>
      proof(record.verification, {
        outcome: record.outcome,
        later: true,
        opened: (record.openedBy ?? []).length > 0 || record.canary === true,
        ...(record.error === undefined ? {} : { error: record.error })
      })
    )
    .sort((a, b) => compare(a.at ?? '', b.at ?? ''))
    .filter((one, index, all) => all.findIndex((other) => isSameProof(one, other)) === index)
  const first = entry.manifest?.verification
  return first === undefined || first.level === 'none'
    ? later
    : [proof(first, { outcome: 'passed', later: false, opened: false }), ...later]
}

/** A record may have been copied together with the backup. */
function isSameProof(a: DashboardProof, b: DashboardProof): boolean {
  return a.at === b.at && a.level === b.level && a.outcome === b.outcome
}
