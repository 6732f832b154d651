import { isHeard } from '../archive/canary.ts'
import { type HistoryEntry, newestFirst } from '../history/entries.ts'
import { entriesMeant, selectToVerify } from '../history/select.ts'
import { isFromTheFuture } from '../history/trust.ts'
import type { VerifyOptions } from './verify-stored-copy.ts'

/** The backups meant, each with its copies in all destinations. */
export function choose(
  entries: readonly HistoryEntry[],
  { choice, canaryWords }: Pick<VerifyOptions, 'choice' | 'canaryWords'>,
  now: Date
): HistoryEntry[][] {
  if (choice.kind === 'all') {
    const readable = entries.filter((entry) => entry.manifest !== null).toSorted(newestFirst)
    return [...Map.groupBy(readable, (entry) => `${entry.ref.project}/${entry.ref.id}`).values()]
  }
  // A word says itself which backup it is of, and that need not be the newest by the time it is told.
  const heard = choice.kind === 'latest' ? entries.filter((entry) => isHeardIn(entry, canaryWords)) : []
  if (heard.length > 0) return [...Map.groupBy(heard, (entry) => `${entry.ref.project}/${entry.ref.id}`).values()]
  const meant = entriesMeant(entries, choice)
  if (choice.kind === 'latest' && meant.every((entry) => entry.manifest === null)) return []
  return [selectToVerify(meant, choice, now)]
}

/** Backups whose manifest is damaged and that the choice should have reached: passing them over would look like success. */
export function unreadableThatCount(
  entries: readonly HistoryEntry[],
  choice: VerifyOptions['choice'],
  now: Date
): HistoryEntry[] {
  const unreadable = entries.filter((entry) => entry.manifest === null)
  if (choice.kind === 'all') return unreadable
  if (choice.kind === 'id') return unreadable.filter((entry) => entry.ref.id === choice.id)
  const limit = choice.kind === 'at' ? choice.time.getTime() : Number.POSITIVE_INFINITY
  const reach = entries.filter((entry) => entry.createdAt.getTime() <= limit && !isFromTheFuture(entry, now))
  const newest = reach.filter((entry) => entry.manifest !== null).toSorted(newestFirst)[0]
  return unreadable.filter(
    (entry) =>
      reach.includes(entry) &&
      (newest === undefined || entry.ref.id === newest.ref.id || entry.createdAt.getTime() > newest.createdAt.getTime())
  )
}

export function wordsOfUnreadable(entry: HistoryEntry): string {
  return `${entry.ref.id} in ${entry.destination} (${entry.unreadable ?? 'its manifest is damaged'})`
}

/** Whether one of the words is that of the canary of this copy. */
export function isHeardIn({ manifest, changed }: HistoryEntry, words: readonly string[]): boolean {
  return manifest !== null && !changed && isHeard(manifest, words)
}
