import type { Contents } from '../archive/contents.ts'
import { UserError } from '../errors.ts'
import type { HistoryEntry } from '../history/entries.ts'
import { byBackup, doubtOfCopies } from '../history/trust.ts'
import { matchesTable, parsePattern } from '../sources/database/catalog/patterns.ts'
import { readable } from '../sources/database/catalog/quote.ts'

/** What one backup holds of the tables that were asked for. */
export interface RowsThen {
  readonly backupId: string
  readonly createdAt: string
  /** Why the backup is not one to rely on; null when it is. */
  readonly doubt: string | null
  /** Null where its list could not be read. */
  readonly tables: readonly { readonly table: string; readonly rows: number }[] | null
}

/** Backups that are looked into, newest first: a wiped table is missed within a few nights. */
const mostBackups = 10
const mostTables = 5
/** Larger lists are not fetched for this. */
const mostStoredBytes = 16 * 1024 * 1024

/**
 * Looks into the lists of the latest backups of a project, which are small, for the rows of the tables that were asked for. Safety copies are left out: they are
 * the state that somebody wants to get away from.
 *
 * @param tables patterns, as typed.
 * @param open reads the list of one copy.
 */
export async function whereRowsAre(
  tables: readonly string[],
  entries: readonly HistoryEntry[],
  open: (copy: HistoryEntry, copies: readonly HistoryEntry[]) => Promise<Contents>,
  now: Date
): Promise<RowsThen[]> {
  const patterns = tables.map((text) => parsePattern(text, 'table'))
  const found: RowsThen[] = []
  const backups = byBackup(entries.filter(({ manifest }) => manifest?.kind !== 'safety'))
  for (const copies of backups.slice(0, mostBackups)) {
    const copy = copies.find((one) => one.manifest !== null && !one.changed && one.hollow === undefined)
    if (copy === undefined) continue
    const size = copy.manifest?.files.find(({ name }) => name.startsWith('contents.json'))?.bytes
    const contents = size === undefined || size > mostStoredBytes ? undefined : await listOf(open, copy, copies)
    found.push({
      backupId: copy.ref.id,
      createdAt: copy.createdAt.toISOString(),
      doubt: doubtOfCopies(copies, now)?.words ?? null,
      tables:
        contents === undefined
          ? null
          : (contents.database?.tables ?? [])
              .filter(
                (table) => table.rows !== null && patterns.some((one) => matchesTable(one, table.schema, table.name))
              )
              .slice(0, mostTables)
              .map((table) => ({ table: readable(table), rows: Number(table.rows) }))
    })
  }
  return found
}

/** One that cannot be opened, with another key perhaps, says nothing and stops nothing. */
async function listOf(
  open: (copy: HistoryEntry, copies: readonly HistoryEntry[]) => Promise<Contents>,
  copy: HistoryEntry,
  copies: readonly HistoryEntry[]
): Promise<Contents | undefined> {
  try {
    return await open(copy, copies)
  } catch (thrown) {
    if (thrown instanceof UserError && thrown.code !== 'SB301') return undefined
    throw thrown
  }
}
