import type { Manifest } from '../archive/manifest.ts'
import { futureToleranceMs, type HistoryEntry, newestFirst, rank } from './entries.ts'

// The one rule of trust: which backups a person may rely on. Every command and every text asks here, so that none of them calls a backup good that
// another one refuses. A backup is to be relied on when nothing in this file speaks against it.

/** What speaks against a backup, the gravest first. */
export const doubtKinds = [
  'unreadable',
  'changed',
  'unvouched',
  'unsigned',
  'hollow',
  'damaged',
  'safety',
  'anomalous',
  'incomplete',
  'unverified',
  'future'
] as const
export type DoubtKind = (typeof doubtKinds)[number]

export interface Doubt {
  readonly kind: DoubtKind
  /** To be read after "Backup X is not relied on: ". Holds no name from inside a project. */
  readonly words: string
}

/** Whether a backup is dated in the future: it is kept, marked, and never `latest` while there is another. */
export function isFromTheFuture(entry: HistoryEntry, now: Date): boolean {
  return entry.createdAt.getTime() > now.getTime() + futureToleranceMs
}

/** Why this copy of a backup is not relied on; null when it is. */
export function doubtOf(entry: HistoryEntry, now: Date): Doubt | null {
  return (
    foundDoubt(entry) ?? (isFromTheFuture(entry, now) ? { kind: 'future', words: 'it is dated in the future' } : null)
  )
}

export function isTrustworthy(entry: HistoryEntry, now: Date): boolean {
  return doubtOf(entry, now) === null
}

function foundDoubt(entry: HistoryEntry): Doubt | null {
  const { manifest } = entry
  const doubt = (kind: DoubtKind, words: string): Doubt => ({ kind, words })
  if (manifest === null)
    return doubt('unreadable', `it cannot be read (${entry.unreadable ?? 'its manifest is damaged'})`)
  if (entry.changed) return doubt('changed', 'its manifest was changed after it was written')
  if (entry.unvouched !== undefined) return doubt('unvouched', entry.unvouched)
  if (entry.unsigned !== undefined) return doubt('unsigned', entry.unsigned)
  if (entry.hollow !== undefined) return doubt('hollow', entry.hollow)
  if (entry.damaged) return doubt('damaged', 'its latest verification failed')
  if (manifest.kind === 'safety') return doubt('safety', 'it is a safety copy')
  return (
    doubtOfStatus(manifest, entry.acknowledged) ??
    (rank(entry.verified) > 0 ? null : doubt('unverified', 'it was not verified'))
  )
}

function doubtOfStatus({ status, parts }: Manifest, acknowledged: boolean): Doubt | null {
  if (status === 'anomalous' && !acknowledged) return { kind: 'anomalous', words: 'it is anomalous' }
  if (status !== 'complete' && status !== 'anomalous') return { kind: 'incomplete', words: `it is ${status}` }
  const lacks = parts.some((part) => part.status === 'partial' || part.status === 'impossible')
  return lacks ? { kind: 'incomplete', words: 'it is partial' } : null
}

const forgeries: ReadonlySet<DoubtKind> = new Set(['unreadable', 'changed', 'unvouched', 'unsigned'])

/** Whether what the manifest says may be believed at all: it was written by a run that may write backups, and nobody changed it. */
export function isAuthentic(entry: HistoryEntry): boolean {
  const doubt = foundDoubt(entry)
  return doubt === null || !forgeries.has(doubt.kind)
}

/** What runs of the backup workflow made: no safety copies, nothing that a stranger may have written, nothing dated in the future. Newest first. */
export function madeHere(entries: readonly HistoryEntry[], now: Date): HistoryEntry[] {
  return entries
    .filter((entry) => isAuthentic(entry) && entry.manifest?.kind !== 'safety' && !isFromTheFuture(entry, now))
    .toSorted(newestFirst)
}

/** The newest backup to rely on. */
export function newestTrustworthy(entries: readonly HistoryEntry[], now: Date): HistoryEntry | undefined {
  return entries.filter((entry) => isTrustworthy(entry, now)).toSorted(newestFirst)[0]
}

/** The copies of each backup together, newest backup first. */
export function byBackup(entries: readonly HistoryEntry[]): HistoryEntry[][] {
  return [...Map.groupBy(entries.toSorted(newestFirst), ({ ref }) => `${ref.project}/${ref.id}`).values()]
}

/** What speaks against a backup of which these are the copies: null when one of them is to be relied on, else the slightest doubt. */
export function doubtOfCopies(copies: readonly HistoryEntry[], now: Date): Doubt | null {
  const doubts = copies.map((copy) => doubtOf(copy, now))
  if (doubts.includes(null)) return null
  return doubts.filter((doubt) => doubt !== null).toSorted((a, b) => gravity(b) - gravity(a))[0] ?? null
}

function gravity({ kind }: Doubt): number {
  return doubtKinds.indexOf(kind)
}
