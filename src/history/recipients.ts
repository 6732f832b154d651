import type { Manifest } from '../archive/manifest.ts'
import { type HistoryEntry, newestFirst, rank } from './entries.ts'
import { isAuthentic, isFromTheFuture } from './trust.ts'

/** What the keys of a new backup are beside those of the newest one before it. Fingerprints, as manifests have them. */
export interface RecipientChange {
  /** The backup that was compared with. */
  readonly earlier: string
  /** Recipients that it had and the new one has not: whoever holds their keys could not open the new one. */
  readonly gone: readonly string[]
  readonly added: readonly string[]
  /** It was sealed with a passphrase and the new one would not be sealed at all. */
  readonly passphraseDropped: boolean
}

/**
 * Compares with the newest earlier backup of the project, in whichever place it lies. Safety backups are left out, since the job that restores makes
 * them for keys of its own, and so is what a stranger may have written. Undefined where there is nothing to compare with.
 */
export function recipientChange(
  entries: readonly HistoryEntry[],
  encryption: Manifest['encryption'],
  now: Date
): RecipientChange | undefined {
  const made = entries.filter((entry) => isAuthentic(entry) && entry.manifest?.kind !== 'safety').toSorted(newestFirst)
  const before = (made.find((entry) => !isFromTheFuture(entry, now)) ?? made[0])?.manifest
  if (before === undefined || before === null) return undefined
  return {
    earlier: before.id,
    gone: before.encryption.recipients.filter((one) => !encryption.recipients.includes(one)),
    added: encryption.recipients.filter((one) => !before.encryption.recipients.includes(one)),
    passphraseDropped: before.encryption.scheme === 'age-scrypt' && encryption.scheme === 'none'
  }
}

/**
 * Whether somebody agreed to what is gone: each recipient that is gone is named, or else the whole set that is left, so that it is clear which keys
 * open backups from now on.
 *
 * @param named fingerprints.
 */
export function isAccepted(change: RecipientChange, left: readonly string[], named: readonly string[]): boolean {
  return (
    change.gone.every((one) => named.includes(one)) || (left.length > 0 && left.every((one) => named.includes(one)))
  )
}

/**
 * Fingerprints of the recipients whose key was shown to open a backup that still lies here: a later verification opened it with an identity, or was
 * told the word of its canary. What the backup job proves counts for nothing here; it holds no key and reads back what it has in memory.
 */
export function shownRecipients(entries: readonly HistoryEntry[]): ReadonlySet<string> {
  const shown = new Set<string>()
  for (const entry of entries) {
    const { manifest, records } = entry
    if (manifest === null || !isAuthentic(entry)) continue
    for (const { outcome, verification, openedBy, canary } of records) {
      if (outcome !== 'passed' || (rank(verification.level) < rank('read') && canary !== true)) continue
      // Neither records of earlier versions nor the word of a canary say which of the keys it was.
      for (const one of openedBy ?? manifest.encryption.recipients)
        if (manifest.encryption.recipients.includes(one)) shown.add(one)
    }
  }
  return shown
}

/** Whether a key of one of these recipients was shown to open a backup; undefined where a backup has no recipients. */
export function isKeyShown(
  entries: readonly HistoryEntry[],
  encryption: Manifest['encryption'] | undefined
): boolean | undefined {
  if (encryption === undefined || encryption.recipients.length === 0) return undefined
  const shown = shownRecipients(entries)
  return encryption.recipients.some((one) => shown.has(one))
}
