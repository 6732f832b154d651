import type { BackupRow } from '../result.ts'
import { type HistoryEntry, newestFirst } from './entries.ts'
import { doubtOf, isAuthentic, isFromTheFuture } from './trust.ts'

/** The history as the output `backups` shows it, newest first. */
export function backupRows(entries: readonly HistoryEntry[], now: Date): BackupRow[] {
  return entries.toSorted(newestFirst).map((entry) => backupRow(entry, now))
}

function backupRow(entry: HistoryEntry, now: Date): BackupRow {
  const { manifest } = entry
  const latest = entry.records.at(-1)
  const doubt = doubtOf(entry, now)
  // What a stranger may have written proves nothing of itself, and what is not there was proven in vain.
  const counted = isAuthentic(entry) && doubt?.kind !== 'hollow'
  return {
    id: entry.ref.id,
    project: entry.ref.project,
    createdAt: entry.createdAt.toISOString(),
    type: manifest?.type ?? null,
    kind: manifest?.kind ?? null,
    status: statusOf(entry),
    verified: counted ? entry.verified : 'none',
    verifiedAt: counted ? (entry.verifiedAt?.toISOString() ?? null) : null,
    ...(latest === undefined
      ? {}
      : {
          latestVerification: { outcome: latest.outcome, level: latest.verification.level, at: latest.verification.at }
        }),
    sizeBytes: manifest === null ? null : manifest.files.reduce((sum, file) => sum + file.bytes, 0),
    rows:
      manifest === null ? null : (manifest.parts.find((part) => part.source === 'database')?.counts['rows'] ?? null),
    durationMs: manifest?.durationMs ?? null,
    destination: entry.destination,
    url: entry.url ?? null,
    pinned: entry.pinned,
    expiresAt: entry.expiresAt?.toISOString() ?? null,
    ...noteOf(entry),
    ...(doubt === null ? {} : { doubt: doubt.words }),
    ...(isFromTheFuture(entry, now) ? { future: true } : {})
  }
}

/** How a copy stands in one word: `unreadable` is what no command opens, `damaged` what lacks something of itself. */
export function statusOf(entry: HistoryEntry): BackupRow['status'] {
  if (entry.manifest === null || entry.changed) return 'unreadable'
  if (entry.hollow !== undefined) return 'damaged'
  if (!entry.damaged) return entry.manifest.status
  return notEqual.has(entry.records.at(-1)?.error ?? '') ? 'unproven' : 'damaged'
}

/** Codes of a verification that found the bytes whole, and what was restored of them unlike the source. */
const notEqual: ReadonlySet<string> = new Set(['SB601', 'SB602'])

/** What a person should know of a copy that is no good, in words. */
export function noteOf(entry: HistoryEntry): { note?: string } {
  const note =
    entry.unreadable ??
    (entry.changed ? 'its manifest was changed after it was written' : undefined) ??
    entry.unvouched ??
    entry.unsigned ??
    entry.hollow
  return note === undefined ? {} : { note }
}
