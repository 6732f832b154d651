import type { Manifest } from '../../../src/archive/manifest.ts'
import type { HistoryEntry } from '../../../src/history/entries.ts'

export const hour = 3_600_000
export const day = 24 * hour
export const now = new Date('2026-11-22T16:00:00Z')

export interface EntryFacts {
  readonly id?: string
  readonly ageMs?: number
  readonly verified?: HistoryEntry['verified']
  readonly damaged?: boolean
  readonly pinned?: boolean
  readonly acknowledged?: boolean
  readonly unreadable?: boolean
  readonly bytes?: number
  readonly shared?: Manifest['shared']
  readonly counts?: Readonly<Record<string, number>>
  readonly manifest?: Partial<Manifest>
}

let made = 0

/** A backup as the history shows it: complete, verified and 10 days old unless something else is said. */
export function entry(facts: EntryFacts = {}): HistoryEntry {
  made += 1
  const createdAt = new Date(now.getTime() - (facts.ageMs ?? 10 * day))
  const id = facts.id ?? `made-${String(made).padStart(8, '0')}`
  const manifest: Manifest = {
    format: 1,
    minReader: 1,
    critical: [],
    id,
    project: 'shop',
    createdAt: createdAt.toISOString(),
    durationMs: 60_000,
    tool: 'supabase-backup 0.0.0',
    kind: 'scheduled',
    type: 'full',
    status: 'complete',
    encryption: { scheme: 'none', recipients: [] },
    compression: 'zstd',
    source: {},
    parts: [{ source: 'database', status: 'captured', counts: { ...facts.counts } }],
    files: [{ name: 'database.dump', bytes: facts.bytes ?? 1000, sha256: '0'.repeat(64) }],
    shared: facts.shared ?? [],
    verification: { level: 'none', at: null, tables: { restore: 0, read: 0, differing: 0 }, notProven: [] },
    ...facts.manifest
  }
  return {
    ref: { project: 'shop', id },
    destination: 'folder',
    createdAt,
    manifest: facts.unreadable === true ? null : manifest,
    records: [],
    verified: facts.damaged === true ? 'none' : (facts.verified ?? 'restore'),
    verifiedAt: null,
    changed: false,
    damaged: facts.damaged ?? false,
    pinned: facts.pinned ?? false,
    acknowledged: facts.acknowledged ?? false
  }
}
