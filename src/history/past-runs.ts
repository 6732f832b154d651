import type { Egress, Manifest } from '../archive/manifest.ts'
import type { HistoryEntry } from './entries.ts'
import { isAuthentic, isTrustworthy } from './trust.ts'

// What earlier runs did, retention notwithstanding: each manifest repeats when those before it were made and what they took
// out of the project. The newest backup is always kept, so the record outlives those that keep rules remove.

/** One backup that was made, whether it is still there or not. */
export interface PastRun {
  readonly at: Date
  /** Bytes that left the project for it; null where nobody counted them. */
  readonly egress: number | null
  /** Whether it was one to rely on. */
  readonly counted: boolean
}

/** How far back runs are repeated: longer than a month, so that a month is whole on its last day. */
export const rememberedMs = 35 * 24 * 60 * 60 * 1000
/** Two an hour for that time. What is older is dropped. */
const mostRemembered = 1700

export function egressBytes(egress: Egress): number {
  return egress.database + egress.storage + egress.management
}

/** The runs that made backups of ONE project lately, newest first: those that are there, and those that they tell of. */
export function pastRuns(entries: readonly HistoryEntry[], now: Date): PastRun[] {
  const told = entries.filter(isAuthentic)
  const trusted = new Set(told.filter((entry) => isTrustworthy(entry, now)).map((entry) => entry.ref.id))
  const found = new Map<number, PastRun>()
  for (const { manifest } of told) {
    if (manifest === null) continue
    for (const [second, egress, counted] of manifest.past ?? [])
      if (!found.has(second)) found.set(second, { at: new Date(second * 1000), egress, counted })
  }
  // What a backup says of itself comes last: it is newer than what others remember of it.
  for (const { manifest } of told) {
    if (manifest === null) continue
    const at = new Date(manifest.createdAt)
    const egress = manifest.egress === undefined ? null : egressBytes(manifest.egress)
    found.set(secondOf(at), { at, egress, counted: trusted.has(manifest.id) })
  }
  return [...found.values()]
    .filter(({ at }) => at <= now && now.getTime() - at.getTime() <= rememberedMs)
    .toSorted((a, b) => b.at.getTime() - a.at.getTime())
}

/** What the next manifest repeats. */
export function rememberedOf(runs: readonly PastRun[]): NonNullable<Manifest['past']> {
  return runs.slice(0, mostRemembered).map(({ at, egress, counted }) => [secondOf(at), egress, counted])
}

function secondOf(at: Date): number {
  return Math.floor(at.getTime() / 1000)
}
