import type { Destination } from '../destinations/destination.ts'
import { acknowledgedMarker, type HistoryEntry } from './entries.ts'

/** What came of an acknowledgement. */
export interface Acknowledged {
  /** The history with the acknowledgement in it. */
  readonly entries: readonly HistoryEntry[]
  /** `unknown`: no place holds a backup of this id; `not anomalous`: there was nothing to acknowledge. */
  readonly outcome: 'recorded' | 'known' | 'unknown' | 'not anomalous'
}

/** Notes beside every copy of an anomalous backup that its change was intended. Doing it again changes nothing. */
export async function acknowledge(
  destinations: readonly Destination[],
  entries: readonly HistoryEntry[],
  id: string,
  now: Date
): Promise<Acknowledged> {
  const copies = entries.filter((entry) => entry.ref.id === id)
  if (copies.length === 0) return { entries, outcome: 'unknown' }
  const open = copies.filter((entry) => entry.manifest?.status === 'anomalous')
  if (open.length === 0) return { entries, outcome: 'not anomalous' }
  const missing = open.filter((entry) => !entry.acknowledged)
  for (const entry of missing) {
    const destination = destinations.find((one) => one.name === entry.destination)
    await destination?.annotate(
      entry.ref,
      acknowledgedMarker,
      Buffer.from(`the change was intended, ${now.toISOString()}\n`)
    )
  }
  return {
    entries: entries.map((entry) => (missing.includes(entry) ? { ...entry, acknowledged: true } : entry)),
    outcome: missing.length > 0 ? 'recorded' : 'known'
  }
}
