import type { StoredFile } from '../archive/manifest.ts'
import type { DestinationName } from '../destinations/destination.ts'
import { formatBytes } from '../text/format.ts'
import type { HistoryEntry } from './entries.ts'
import { bytesOf } from './retention.ts'

/** How much a place holds and can hold. */
export interface Room {
  readonly destination: DestinationName
  readonly place: string
  /** Bytes of all backups, as their manifests have it; a shared file counts once. */
  readonly takenBytes: number
  /** Bytes that are left, where that is known. */
  readonly leftBytes: number | null
}

/** What is said of the room: an alarm where the next backups do not fit, a warning where they soon will not. */
export interface RoomRemarks {
  readonly alarms: readonly { readonly kind: 'room'; readonly detail: string }[]
  readonly warnings: readonly string[]
}

/** So many rounds of backups should fit. */
const roundsAhead = 7

/** What the backups of one place take; `entries` may hold those of others. */
export function takenBytes(entries: readonly HistoryEntry[], destination: DestinationName): number {
  const here = Map.groupBy(
    entries.filter((entry) => entry.destination === destination),
    (entry) => entry.ref.project
  )
  return [...here.values()].reduce((sum, own) => sum + bytesOf(own), 0)
}

/** Looks whether one more backup of each project fits, of the size of its newest one. */
export function checkRoom(rooms: readonly Room[], entries: readonly HistoryEntry[]): RoomRemarks {
  const alarms: RoomRemarks['alarms'][number][] = []
  const warnings: string[] = []
  for (const { destination, place, takenBytes: taken, leftBytes } of rooms) {
    if (leftBytes === null) continue
    const round = roundOf(entries.filter((entry) => entry.destination === destination))
    const words = `${place} has room for ${formatBytes(leftBytes)} more beside ${formatBytes(taken)} of backups`
    if (round > leftBytes)
      alarms.push({ kind: 'room', detail: `${words}; the newest ones take ${formatBytes(round)}.` })
    else if (round * roundsAhead > leftBytes)
      warnings.push(`${words}: less than ${roundsAhead} times the newest ones (${formatBytes(round)}).`)
  }
  return { alarms, warnings }
}

/** What the newest backup of each project takes by itself. */
function roundOf(entries: readonly HistoryEntry[]): number {
  const newest = new Map<string, { readonly createdAt: Date; readonly files: readonly StoredFile[] }>()
  for (const { ref, createdAt, manifest } of entries) {
    const known = newest.get(ref.project)
    if (manifest !== null && (known === undefined || createdAt > known.createdAt))
      newest.set(ref.project, { createdAt, files: manifest.files })
  }
  return [...newest.values()].flatMap(({ files }) => files).reduce((sum, file) => sum + file.bytes, 0)
}
