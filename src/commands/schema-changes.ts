import type { Contents } from '../archive/contents.ts'
import { type DatabaseFacts, databaseFactsSchema } from '../archive/contents-database.ts'
import type { Manifest } from '../archive/manifest.ts'
import type { Destination } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'
import { type HistoryEntry, newestFirst } from '../history/entries.ts'
import { changesByName } from '../history/schema-changes-by-name.ts'
import { fallenTables } from '../history/table-sizes.ts'
import { isAuthentic } from '../history/trust.ts'
import type { Log } from '../log.ts'

/** Opens contents.json of an earlier backup where the keys of this run do; undefined where they cannot. */
export type OpenEarlier = (entry: HistoryEntry) => Promise<Contents | undefined>

/** The diary of the schema: what is kept in the contents, and what is shown in result and summary. */
export interface Diary {
  readonly kept: readonly string[]
  readonly shown: readonly string[]
}

/** The backup that a new one of this type is compared with: the newest whose database was captured. */
export function backupBefore(entries: readonly HistoryEntry[], type: Manifest['type']): HistoryEntry | undefined {
  return entries
    .toSorted(newestFirst)
    .find(
      (entry) =>
        isAuthentic(entry) &&
        entry.manifest?.shape !== undefined &&
        entry.manifest.type === type &&
        entry.manifest.kind !== 'safety'
    )
}

/**
 * Tells the changes by name where the earlier contents can be opened (they are not encrypted, or for the same passphrase), else by
 * number as `counted` has them. Names are shown only where every place is private: the summary may be as public as the places.
 * What goes wrong costs the names, nothing else.
 */
export async function writeDiary(
  counted: readonly string[],
  facts: unknown,
  before: HistoryEntry | undefined,
  places: readonly Destination[],
  openEarlier: OpenEarlier | undefined,
  log: Log
): Promise<Diary> {
  const numbers = { kept: counted, shown: counted }
  // The digests are the same: there is nothing to name.
  if (before === undefined || openEarlier === undefined || counted.length === 0) return numbers
  try {
    const earlier = (await openEarlier(before))?.database
    const now = databaseFactsSchema.safeParse(facts)
    if (earlier === undefined || !now.success) return numbers
    const named = changesByName(earlier, now.data satisfies DatabaseFacts)
    if (named.length === 0) return numbers
    return { kept: named, shown: (await arePrivate(places)) ? named : counted }
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown
    log.debug(`what changed is told by number: ${thrown.code}: ${thrown.message}`)
    return numbers
  }
}

/**
 * Tables that hold none of their rows any more, or lost so many that it is told, by name: where the earlier contents can be opened, and names may be shown.
 * What goes wrong costs the names, nothing else.
 */
export async function nameFallen(
  facts: unknown,
  before: HistoryEntry | undefined,
  places: readonly Destination[],
  openEarlier: OpenEarlier | undefined,
  log: Log
): Promise<readonly string[]> {
  if (before === undefined || openEarlier === undefined) return []
  try {
    if (!(await arePrivate(places))) return []
    const earlier = (await openEarlier(before))?.database
    const now = databaseFactsSchema.safeParse(facts)
    return earlier === undefined || !now.success ? [] : fallenTables(earlier, now.data)
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown
    log.debug(`tables that lost rows are told by number: ${thrown.code}: ${thrown.message}`)
    return []
  }
}

async function arePrivate(places: readonly Destination[]): Promise<boolean> {
  for (const place of places) {
    const visibility = await place.visibility()
    if (visibility !== 'private' && visibility !== 'local') return false
  }
  return true
}
