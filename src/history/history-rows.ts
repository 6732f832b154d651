import type { BackupRow } from '../result.ts'
import { type HistoryEntry, newestFirst } from './entries.ts'
import { isFromTheFuture } from './select.ts'

/** The history as the output `backups` shows it, newest first. */
export function backupRows(entries: readonly HistoryEntry[], now: Date): BackupRow[] {
  return entries.toSorted(newestFirst).map((entry) => backupRow(entry, now))
}

function backupRow(entry: HistoryEntry, now: Date): BackupRow {
  const { manifest } = entry
  const latest = entry.records.at(-1)
  return {
    id: entry.ref.id,
    project: entry.ref.project,
    createdAt: entry.createdAt.toISOString(),
    type: manifest?.type ?? null,
    kind: manifest?.kind ?? null,
    status: manifest === null ? 'unreadable' : entry.damaged ? 'damaged' : manifest.status,
    verified: entry.verified,
    verifiedAt: entry.verifiedAt?.toISOString() ?? null,
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
    ...(entry.unreadable === undefined ? {} : { note: entry.unreadable }),
    ...(isFromTheFuture(entry, now) ? { future: true } : {})
  }
}
