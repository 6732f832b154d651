import type { Manifest } from '../archive/manifest.ts'
import { type HistoryEntry, newestFirst, rank } from './entries.ts'
import { type DoubtKind, doubtOf, isAuthentic, isFromTheFuture, isTrustworthy } from './trust.ts'

// What retention keeps and removes: a pure function of the backups of one project in one place, the rules and the time.
//
// A backup *counts* towards the rules when it is one to rely on (trust.ts). One that does not count can never take the
// place of one that does. It stays while it is newer than the newest one that counts, and as long as
// the rules would have kept it if it did count; so what is half good is not lost early, and does not pile up either.
// A manifest that this version cannot read is never removed: what it holds is not known.

/** Keep rules; at least one is set. */
export interface RetentionRules {
  readonly last: number | undefined
  readonly hourly: number | undefined
  readonly daily: number | undefined
  readonly weekly: number | undefined
  readonly monthly: number | undefined
  readonly yearly: number | undefined
  readonly withinMs: number | undefined
  readonly maxBytes: number | undefined
}

/** What is kept of one backup, and why. */
export interface Verdict {
  readonly entry: HistoryEntry
  readonly keep: boolean
  readonly reasons: readonly string[]
}

/** Backups younger than this are kept whatever the rules say. */
export const youngMs = 24 * 60 * 60 * 1000
/** Safety copies, made before a restore, are kept so long. */
export const safetyMs = 7 * 24 * 60 * 60 * 1000

/** Whether a backup fills places of the rules. */
export function counts(entry: HistoryEntry, now: Date): boolean {
  return isTrustworthy(entry, now)
}

/**
 * Decides over the backups of ONE project in ONE place. Verdicts come newest first. The same answer for the same set in
 * any order; deciding again after the removals removes nothing more.
 */
export function planRetention(entries: readonly HistoryEntry[], rules: RetentionRules, now: Date): Verdict[] {
  const all = entries.toSorted(newestFirst)
  const counted = all.filter((entry) => counts(entry, now))
  const newestCounted = counted[0]
  const byRules = selectByRules(counted, rules, now)
  // Those that do not count, as if they did: they are kept beside the others, never instead of them.
  const others = new Set(all.filter((entry) => mayBeSecond(entry, now)))
  const asIf = selectByRules(
    all.filter((entry) => others.has(entry) || counts(entry, now)),
    rules,
    now
  )
  const besides = (entry: HistoryEntry, missing: string | null): string[] => {
    if (!others.has(entry)) return []
    if (newestCounted === undefined || newestFirst(entry, newestCounted) < 0)
      return [newestCounted === undefined ? 'no backup counts yet' : 'newer than the newest backup that counts']
    const [rule] = asIf.get(entry) ?? []
    return rule === undefined ? [] : [`${rule}, without counting: ${missing}`]
  }
  const protecting = protections(all, newestCounted, now)
  const judged = all.map((entry): Judged => {
    const missing = doubtOf(entry, now)?.words ?? null
    const protectedBy = protecting(entry)
    const reasons = [...protectedBy, ...(byRules.get(entry) ?? []), ...besides(entry, missing)]
    return { entry, missing, isFree: protectedBy.length === 0, reasons }
  })
  const removed = rules.maxBytes === undefined ? new Set<HistoryEntry>() : overTheLimit(judged, rules.maxBytes)
  return judged.map(({ entry, missing, reasons }) => {
    if (removed.has(entry)) return { entry, keep: false, reasons: ['oldest, over keep-max-bytes'] }
    if (reasons.length > 0) return { entry, keep: true, reasons }
    return { entry, keep: false, reasons: [missing === null ? 'no rule keeps it' : `no rule keeps it, and ${missing}`] }
  })
}

/** A backup with what speaks for it. */
interface Judged {
  readonly entry: HistoryEntry
  /** Why it counts for nothing; null when it counts. */
  readonly missing: string | null
  /** Whether `keep-max-bytes` may remove it. */
  readonly isFree: boolean
  readonly reasons: readonly string[]
}

/** Backups that do not count, but may be kept for a while beside those that do. */
function mayBeSecond(entry: HistoryEntry, now: Date): boolean {
  return (
    entry.manifest !== null && entry.manifest.kind !== 'safety' && !isFromTheFuture(entry, now) && !counts(entry, now)
  )
}

/** Doubts of a backup that is whole as far as it goes, and of an honest writer; undefined: none. */
const holdsWhatItSays: ReadonlySet<DoubtKind | undefined> = new Set([undefined, 'anomalous', 'incomplete', 'safety'])

/** What is kept whatever the rules say, even over `keep-max-bytes`: why, for each backup. */
function protections(
  all: readonly HistoryEntry[],
  newestCounted: HistoryEntry | undefined,
  now: Date
): (entry: HistoryEntry) => readonly string[] {
  const newestVerified = all.find(
    (entry) =>
      rank(entry.verified) > 0 && !isFromTheFuture(entry, now) && holdsWhatItSays.has(doubtOf(entry, now)?.kind)
  )
  return (entry) => {
    const age = now.getTime() - entry.createdAt.getTime()
    const because: string[] = []
    if (entry === newestVerified) because.push('newest verified backup')
    else if (entry === newestCounted) because.push('newest verified backup that counts')
    if (entry.pinned) because.push('pinned')
    if (entry.manifest === null) because.push('cannot be read by this version')
    if (isFromTheFuture(entry, now)) because.push('dated in the future')
    else if (age < youngMs) because.push('younger than 24 hours')
    if (entry.manifest?.kind === 'safety' && age < safetyMs) because.push('safety copy of the last 7 days')
    // Nothing that counts is left: whatever there is may be all that there is.
    if (newestCounted === undefined && because.length === 0) because.push('there is no complete, verified backup')
    return because
  }
}

/** The backups that the rules select out of `entries` (newest first), with the names of the rules. */
function selectByRules(
  entries: readonly HistoryEntry[],
  rules: RetentionRules,
  now: Date
): Map<HistoryEntry, string[]> {
  const selected = new Map<HistoryEntry, string[]>()
  const add = (entry: HistoryEntry, reason: string) => selected.set(entry, [...(selected.get(entry) ?? []), reason])
  for (const [index, entry] of entries.slice(0, rules.last ?? 0).entries())
    add(entry, `keep-last ${index + 1} of ${rules.last}`)
  for (const [name, most, bucketOf] of buckets(rules)) {
    const taken = new Set<string>()
    for (const entry of entries) {
      if (most === undefined || taken.size === most) break
      const bucket = bucketOf(entry.createdAt)
      if (taken.has(bucket)) continue
      taken.add(bucket)
      add(entry, `${name} ${bucket}`)
    }
  }
  const { withinMs } = rules
  if (withinMs !== undefined)
    for (const entry of entries) if (now.getTime() - entry.createdAt.getTime() <= withinMs) add(entry, 'keep-within')
  // A limit on the size alone removes nothing by itself: everything stays that fits.
  const sizeAlone =
    rules.maxBytes !== undefined &&
    Object.entries(rules).every(([name, value]) => name === 'maxBytes' || value === undefined)
  if (sizeAlone) for (const entry of entries) add(entry, 'keep-max-bytes')
  return selected
}

/** The newest backup of each of the last so many hours (days, weeks, ...) that have one, in UTC. */
function buckets(rules: RetentionRules): readonly (readonly [string, number | undefined, (time: Date) => string])[] {
  return [
    ['keep-hourly', rules.hourly, (time) => `${time.toISOString().slice(0, 13)}:00`],
    ['keep-daily', rules.daily, (time) => time.toISOString().slice(0, 10)],
    ['keep-weekly', rules.weekly, weekOf],
    ['keep-monthly', rules.monthly, (time) => time.toISOString().slice(0, 7)],
    ['keep-yearly', rules.yearly, (time) => time.toISOString().slice(0, 4)]
  ]
}

const dayMs = 24 * 60 * 60 * 1000

/** Week of ISO 8601: Monday to Sunday, in the year of its Thursday: `2026-W47`. */
export function weekOf(time: Date): string {
  const day = Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate())
  const thursday = new Date(day + (4 - (time.getUTCDay() || 7)) * dayMs)
  const week = Math.floor((thursday.getTime() - Date.UTC(thursday.getUTCFullYear(), 0, 1)) / dayMs / 7) + 1
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, '0')}`
}

/** Bytes that backups take together: shared files once. */
export function bytesOf(entries: Iterable<HistoryEntry>): number {
  const shared = new Set<string>()
  let sum = 0
  for (const manifest of manifestsOf(entries)) {
    for (const file of manifest.files) sum += file.bytes
    for (const file of manifest.shared) {
      if (shared.has(file.name)) continue
      shared.add(file.name)
      sum += file.bytes
    }
  }
  return sum
}

function manifestsOf(entries: Iterable<HistoryEntry>): Manifest[] {
  return [...entries].flatMap(({ manifest }) => manifest ?? [])
}

/**
 * Removes the oldest until the rest fits: first those that do not count, by the size of all; then those that count, by the
 * size of these alone, so that a flood of useless backups never pushes out a good one.
 */
function overTheLimit(judged: readonly Judged[], maxBytes: number): ReadonlySet<HistoryEntry> {
  const kept = judged.filter(({ reasons }) => reasons.length > 0)
  const counted = kept.filter(({ missing }) => missing === null)
  return new Set([
    ...oldestOver(maxBytes, kept, ({ missing }) => missing !== null),
    ...oldestOver(maxBytes, counted, () => true)
  ])
}

/** The oldest of those that may go, until the rest of all fits. */
function oldestOver(maxBytes: number, all: readonly Judged[], may: (one: Judged) => boolean): HistoryEntry[] {
  const going = new Set(all.filter((one) => one.isFree && may(one)).map(({ entry }) => entry))
  const oldestFirst = [...going].toReversed()
  const entries = all.map(({ entry }) => entry)
  // A shared file goes with the last of its users; with none where one of them stays.
  const lastUser = new Map<string, HistoryEntry>()
  for (const entry of [...oldestFirst, ...entries.filter((one) => !going.has(one))])
    for (const { shared } of manifestsOf([entry])) for (const { name } of shared) lastUser.set(name, entry)
  const removed: HistoryEntry[] = []
  let total = bytesOf(entries)
  for (const entry of oldestFirst) {
    if (total <= maxBytes) break
    removed.push(entry)
    for (const { files, shared } of manifestsOf([entry])) {
      for (const file of files) total -= file.bytes
      for (const file of shared) if (lastUser.get(file.name) === entry) total -= file.bytes
    }
  }
  return removed
}

/**
 * Anomalous backups that nobody has acknowledged: while there is one, nothing of its project is removed anywhere. An
 * acknowledgement says that the state of then was intended, so it covers the earlier ones, too.
 */
export function unacknowledged(entries: readonly HistoryEntry[]): HistoryEntry[] {
  const until = Math.max(
    Number.NEGATIVE_INFINITY,
    ...entries.filter((entry) => entry.acknowledged && isAuthentic(entry)).map((entry) => entry.createdAt.getTime())
  )
  const seen = new Set<string>()
  return entries.toSorted(newestFirst).filter((entry) => {
    if (
      entry.manifest?.status !== 'anomalous' ||
      !isAuthentic(entry) ||
      entry.createdAt.getTime() <= until ||
      seen.has(entry.ref.id)
    )
      return false
    seen.add(entry.ref.id)
    return true
  })
}
