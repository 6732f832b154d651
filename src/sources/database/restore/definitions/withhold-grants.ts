import type { TocEntry } from '../../pg-archive/toc.ts'
import type { Work } from '../work.ts'

/**
 * Entries of grants, without those on tables that are more open than in the backup: their row security could not be switched on, or a restrictive policy could
 * not be made. Those are listed, to be given when it is there.
 */
export function withholdGrants(
  { reader, journal }: Pick<Work, 'reader' | 'journal'>,
  grants: readonly TocEntry[]
): TocEntry[] {
  const byId = new Map(reader.toc.entries.map((entry) => [entry.id, entry]))
  const open = new Map<number, TocEntry>()
  for (const id of journal.runner.refused) {
    const entry = byId.get(id)
    if (entry === undefined || !closes(entry)) continue
    for (const need of entry.needs) if (byId.get(need)?.kind === 'TABLE') open.set(need, entry)
  }
  return grants.filter((grant) => {
    const closing = grant.needs.map((id) => open.get(id)).find((entry) => entry !== undefined)
    if (closing === undefined) return true
    journal.withheld.add(grant.id)
    journal.runner.leaveOut(
      grant,
      `it was not given: ${closing.kind === 'POLICY' ? 'a restrictive policy' : 'the row security'} of the table could not be made, and more rows would be seen than in the source`
    )
    return false
  })
}

function closes({ kind, definition }: TocEntry): boolean {
  return kind === 'ROW SECURITY' || (kind === 'POLICY' && / AS RESTRICTIVE\b/.test(definition))
}
