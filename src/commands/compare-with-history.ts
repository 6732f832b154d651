import { databaseFactsSchema } from '../archive/contents-database.ts'
import type { Manifest, Part, Shape } from '../archive/manifest.ts'
import type { Destination } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'
import { acknowledge } from '../history/acknowledge.ts'
import { type Alarm, alarmsOf, baselineOf, fallsOf, type Measures, measuresOf } from '../history/comparison.ts'
import type { HistoryEntry } from '../history/entries.ts'
import { isAccepted, recipientChange } from '../history/recipients.ts'
import { changesBetween } from '../history/schema-changes.ts'
import { countsOf, shapeOf } from '../history/schema-digest.ts'
import { plural } from '../text/format.ts'
import { backupBefore } from './schema-changes.ts'

// What a backup does with the ones before it: it takes note of an acknowledgement, says what changed, and raises alarms.

/**
 * Throws UserError SB908 when keys that open the newest earlier backup would not open the new one and nobody agreed to that. What a person should
 * hear of nevertheless comes back as warnings.
 */
export function recipientWarnings(
  entries: readonly HistoryEntry[],
  backup: { readonly encryptionFacts: Manifest['encryption']; readonly acceptRecipients?: readonly string[] },
  now: Date
): string[] {
  if (backup.acceptRecipients === undefined) return []
  const change = recipientChange(entries, backup.encryptionFacts, now)
  if (change === undefined) return []
  const { earlier, gone, added } = change
  const { scheme, recipients } = backup.encryptionFacts
  if (gone.length > 0 && !isAccepted(change, recipients, backup.acceptRecipients)) {
    const instead =
      scheme === 'none'
        ? 'this one would not be encrypted at all'
        : scheme === 'age-scrypt'
          ? 'this one would be sealed with a passphrase'
          : `this one would be for ${recipients.join(', ')} alone`
    throw new UserError(
      'SB908',
      `The backup ${earlier} can be opened with the keys of ${gone.join(', ')}, and ${instead}. Nothing was captured.`,
      {
        remedy: `If nobody meant that, put the recipients back. If it was meant, run once with \`accept-recipients: ${gone.join(',')}\`.`
      }
    )
  }
  return [
    ...(gone.length > 0
      ? [`As \`accept-recipients\` allows, this backup is not for ${gone.join(', ')} any more.`]
      : []),
    ...(added.length > 0
      ? [`This backup can be opened by keys that the backup ${earlier} was not for: ${added.join(', ')}.`]
      : []),
    ...(change.passphraseDropped
      ? [`The backup ${earlier} is sealed with a passphrase; this one is not encrypted at all.`]
      : [])
  ]
}

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
  const before = backupBefore(entries, backup.type)?.manifest?.shape
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

/** What fell below the limit, in numbers, and by name the tables that were emptied or lost most, where earlier contents can be opened and names may be shown. */
export async function fallsBeside(
  entries: readonly HistoryEntry[],
  current: Measures,
  backup: { readonly type: Manifest['type']; readonly shrinkLimit?: number },
  named: () => Promise<readonly string[]>,
  now: Date
): Promise<string[]> {
  if (backup.shrinkLimit === undefined) return []
  const falls = fallsOf(current, baselineOf(entries, backup.type, now).map(measuresOf), backup.shrinkLimit)
  return [...falls, ...(await named())]
}

/** The error that an anomalous backup ends with; what else is wrong with it, `besides`, must not be hidden by that. */
export function anomaly(id: string, alarms: readonly Alarm[], besides: readonly string[] = []): UserError {
  return new UserError(
    'SB907',
    `The backup is kept, but ${plural(alarms.length, 'thing')} ${alarms.length === 1 ? 'is' : 'are'} not as in the ones before: ${alarms.map((alarm) => alarm.detail).join('; ')}.${besides.map((what) => ` ${what}`).join('')}`,
    {
      remedy: `Look at the source; pruning is frozen. If the change was intended, run once with \`acknowledge: ${id}\`.`
    }
  )
}
