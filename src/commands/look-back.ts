import { databaseFactsSchema } from '../archive/contents-database.ts'
import type { Manifest, Part, Shape } from '../archive/manifest.ts'
import type { Destination } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'
import { acknowledge } from '../history/acknowledge.ts'
import { type Alarm, alarmsOf, baselineOf, type Measures, measuresOf } from '../history/comparison.ts'
import { changesBetween } from '../history/diary.ts'
import { type HistoryEntry, newestFirst } from '../history/entries.ts'
import { countsOf, shapeOf } from '../history/shape.ts'
import { plural } from '../ui/format.ts'

// What a backup does with the ones before it: it takes note of an acknowledgement, says what changed, and raises alarms.

/** Records the acknowledgement of an earlier backup. A stale id in a workflow must not stop backups: it is only warned of. */
export async function acknowledgeEarlier(
  destinations: readonly Destination[],
  entries: readonly HistoryEntry[],
  id: string | undefined,
  now: Date,
  warnings: string[]
): Promise<readonly HistoryEntry[]> {
  if (id === undefined) return entries
  try {
    const acknowledged = await acknowledge(destinations, entries, id, now)
    if (acknowledged.outcome === 'unknown')
      warnings.push(`\`acknowledge\` names the backup ${id}, which no destination lists.`)
    if (acknowledged.outcome === 'not anomalous')
      warnings.push(`\`acknowledge\` names the backup ${id}, which is not anomalous.`)
    return acknowledged.entries
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown
    warnings.push(`The backup ${id} could not be acknowledged: ${thrown.code}: ${thrown.message} ${thrown.remedy}`)
    return entries
  }
}

/** What the facts of the database add to its part, and what they say beside the backup before. */
export interface DatabaseShape {
  readonly parts: readonly Part[]
  readonly shape?: Shape
  /** Absent where there is nothing to compare with. */
  readonly changes?: readonly string[]
}

export function describeDatabase(
  parts: readonly Part[],
  facts: unknown,
  entries: readonly HistoryEntry[],
  backup: { readonly project: string; readonly type: Manifest['type'] }
): DatabaseShape {
  const parsed = databaseFactsSchema.safeParse(facts)
  if (!parsed.success) return { parts }
  const counts = countsOf(parsed.data)
  const shape = shapeOf(parsed.data, backup.project)
  const before = entries
    .toSorted(newestFirst)
    .find(
      ({ manifest }) => manifest?.shape !== undefined && manifest.type === backup.type && manifest.kind !== 'safety'
    )?.manifest?.shape
  return {
    parts: parts.map((part) =>
      part.source === 'database' ? { ...part, counts: { ...part.counts, ...counts } } : part
    ),
    shape,
    ...(before === undefined ? {} : { changes: changesBetween(before, shape) })
  }
}

export function alarmsBeside(
  entries: readonly HistoryEntry[],
  current: Measures,
  type: Manifest['type'],
  shrinkLimit: number | undefined,
  now: Date
): Alarm[] {
  if (shrinkLimit === undefined) return []
  return alarmsOf(current, baselineOf(entries, type, now).map(measuresOf), shrinkLimit)
}

/** The error that an anomalous backup ends with. */
export function anomaly(id: string, alarms: readonly Alarm[]): UserError {
  return new UserError(
    'SB907',
    `The backup is kept, but ${plural(alarms.length, 'thing')} ${alarms.length === 1 ? 'is' : 'are'} not as in the ones before: ${alarms.map((alarm) => alarm.detail).join('; ')}.`,
    {
      remedy: `Look at the source; pruning is frozen. If the change was intended, run once with \`acknowledge: ${id}\`.`
    }
  )
}
