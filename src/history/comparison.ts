import type { Manifest, Part } from '../archive/manifest.ts'
import { formatBytes, formatCount, formatDuration, plural } from '../text/format.ts'
import type { HistoryEntry } from './entries.ts'
import { lossesOf, noticeable } from './table-sizes.ts'
import { byBackup, doubtOfCopies, isAuthentic } from './trust.ts'

// Alarms by comparison: a new backup against the median of the recent good ones, by the numbers in the plain manifests
// alone. A backup with an alarm is kept and marked as anomalous, and freezes pruning until somebody has looked at it.

export interface Alarm {
  readonly kind:
    | 'tables'
    | 'emptied'
    | 'shrunk'
    | 'rows'
    | 'bytes'
    | 'users'
    | 'objects'
    | 'functions'
    | 'source'
    | 'size'
    | 'duration'
  /** Numbers only: no name from inside the project. */
  readonly detail: string
}

/** What is compared of a backup. */
export interface Measures {
  readonly parts: readonly Part[]
  readonly sizeBytes: number
  /** How it was compressed, where that is known: bytes are compared with those of the same method alone. */
  readonly compression?: string | undefined
  readonly durationMs: number
}

/** Backups that a new one is compared with. */
const mostCompared = 5
/** Leaps upwards mean little before so many backups are known. */
const leastForLeaps = 3
const leap = 3
const leastLeapBytes = 1_000_000
const leastLeapMs = 5 * 60 * 1000

/**
 * The recent backups to rely on of one project and one `type`, newest first, each once. Where backups are made without a proof, those that lack nothing else
 * stand in: an alarm by numbers is worth more than none. Where an anomaly was acknowledged, that state is the new normal, and nothing before it is compared
 * with any more.
 */
export function baselineOf(entries: readonly HistoryEntry[], type: Manifest['type'], now: Date): Manifest[] {
  const same = byBackup(entries.filter(({ manifest }) => manifest?.type === type))
  const proven = same.filter((copies) => doubtOfCopies(copies, now) === null)
  const used = proven.length > 0 ? proven : same.filter((copies) => doubtOfCopies(copies, now)?.kind === 'unverified')
  const found: Manifest[] = []
  for (const copies of used) {
    const manifest = copies.find((copy) => copy.manifest !== null && isAuthentic(copy))?.manifest
    if (manifest === undefined || manifest === null) continue
    found.push(manifest)
    if (manifest.status === 'anomalous' || found.length === mostCompared) break
  }
  return found
}

/** The same measures of a stored backup. */
export function measuresOf(manifest: Manifest): Measures {
  return {
    parts: manifest.parts,
    sizeBytes: [...manifest.files, ...manifest.shared].reduce((sum, file) => sum + file.bytes, 0),
    compression: manifest.compression,
    durationMs: manifest.durationMs
  }
}

/** What is alarming about a backup beside the ones before it. `shrinkLimit` is a fraction: 0.5 lets half of something go. */
export function alarmsOf(current: Measures, baseline: readonly Measures[], shrinkLimit: number): Alarm[] {
  const alarms: Alarm[] = []
  const count = (measures: Measures, source: Part['source'], name: string) =>
    measures.parts.find((part) => part.source === source && isTaken(part))?.counts[name]
  const usual = (source: Part['source'], name: string) =>
    median(baseline.map((measures) => count(measures, source, name)).filter((value) => value !== undefined))
  const fallen = (kind: Alarm['kind'], source: Part['source'], name: string, words: string, most: number) => {
    const before = usual(source, name)
    const now = count(current, source, name)
    if (before === null || now === undefined || before <= 0 || now >= before) return
    if ((before - now) / before > most || now === 0)
      alarms.push({ kind, detail: `${formatCount(now)} ${words} instead of ${formatCount(Math.round(before))}` })
  }
  const newest = baseline[0]
  for (const part of newest?.parts ?? []) {
    const now = current.parts.find((one) => one.source === part.source)
    if (isTaken(part) && now?.status === 'skipped')
      alarms.push({
        kind: 'source',
        detail: `${part.source} was backed up before, and is not now: ${now.reason ?? 'left out'}`
      })
  }
  // A table that is gone is one too many; rows, users and objects come and go.
  fallen('tables', 'database', 'userTables', 'tables', 0)
  const countsOf = (measures: Measures) =>
    measures.parts.find((part) => part.source === 'database' && isTaken(part))?.counts
  const sizes = countsOf(current)
  const losses =
    sizes === undefined
      ? undefined
      : lossesOf(
          sizes,
          baseline.map(countsOf).filter((counts) => counts !== undefined)
        )
  if (losses !== undefined && losses.emptied > 0)
    alarms.push({
      kind: 'emptied',
      detail: `${plural(losses.emptied, 'table')} that held rows ${losses.emptied === 1 ? 'is' : 'are'} empty now`
    })
  if (losses !== undefined && losses.shrunk > 0)
    alarms.push({
      kind: 'shrunk',
      detail: `${plural(losses.shrunk, 'large table')} lost rows and ${losses.shrunk === 1 ? 'has' : 'have'} fallen below a power of ten`
    })
  fallen('rows', 'database', 'rows', 'rows', shrinkLimit)
  fallen('users', 'database', 'authUsers', 'Auth users', shrinkLimit)
  const users = newest === undefined ? undefined : count(newest, 'database', 'authUsers')
  const database = current.parts.find((part) => part.source === 'database')
  if (
    users !== undefined &&
    users > 0 &&
    database !== undefined &&
    isTaken(database) &&
    count(current, 'database', 'authUsers') === undefined
  )
    alarms.push({
      kind: 'users',
      detail: `Auth users were backed up before (${formatCount(users)}), and are not now`
    })
  fallen('objects', 'storage', 'objects', 'Storage objects', shrinkLimit)
  fallen('functions', 'functions', 'functions', 'Edge Functions', shrinkLimit)

  const alike = baseline.filter(({ compression }) => compression === current.compression)
  const size = median(alike.map((measures) => measures.sizeBytes))
  if (size !== null && size > 0) {
    // A part that could not be had is told as that, and its bytes are missing with it.
    const isWhole = !current.parts.some((part) => part.status === 'impossible')
    if (isWhole && (size - current.sizeBytes) / size > shrinkLimit)
      alarms.push({ kind: 'bytes', detail: `${formatBytes(current.sizeBytes)} stored instead of ${formatBytes(size)}` })
    if (alike.length >= leastForLeaps && current.sizeBytes > size * leap && current.sizeBytes - size > leastLeapBytes)
      alarms.push({ kind: 'size', detail: `${formatBytes(current.sizeBytes)} stored, usually ${formatBytes(size)}` })
  }
  const duration = median(baseline.map((measures) => measures.durationMs))
  if (
    duration !== null &&
    baseline.length >= leastForLeaps &&
    current.durationMs > duration * leap &&
    current.durationMs - duration > leastLeapMs
  )
    alarms.push({
      kind: 'duration',
      detail: `took ${formatDuration(current.durationMs)}, usually ${formatDuration(duration)}`
    })
  return alarms
}

/** What fell noticeably, though not by so much that it is an alarm: numbers only. */
export function fallsOf(current: Measures, baseline: readonly Measures[], shrinkLimit: number): string[] {
  const falls: string[] = []
  for (const [source, name, words] of [
    ['database', 'rows', 'rows'],
    ['database', 'authUsers', 'Auth users'],
    ['storage', 'objects', 'Storage objects'],
    ['functions', 'functions', 'Edge Functions']
  ] as const) {
    const countIn = ({ parts }: Measures) => parts.find((part) => part.source === source && isTaken(part))?.counts[name]
    const before = baseline[0] === undefined ? undefined : countIn(baseline[0])
    const now = countIn(current)
    if (before === undefined || now === undefined || before <= 0 || now <= 0) continue
    const fall = (before - now) / before
    if (fall > noticeable && fall <= shrinkLimit)
      falls.push(
        `${formatCount(now)} ${words} instead of ${formatCount(before)} in the backup before: ${Math.round(fall * 100)} % fewer`
      )
  }
  return falls
}

function isTaken(part: Part): boolean {
  return part.status === 'captured' || part.status === 'partial'
}

/** The middle value, the lower one of two; null of nothing. */
export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? null
}
