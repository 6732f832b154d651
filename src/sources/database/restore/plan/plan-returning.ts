import { factsOfKind } from '../../pg-archive/kinds.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'
import type { KnownObjects } from '../target/catalog-index.ts'
import type { Chosen } from './select-entries.ts'

/**
 * What nobody chose and the backup has on a chosen object that the target lost: it went with that, and comes back with it. Where the target still has what
 * it hung on, its absence was somebody's decision. Pure; `before` is the target as it was.
 */
export function planReturning(
  entries: readonly TocEntry[],
  chosen: Chosen,
  running: ReadonlySet<number>,
  before: KnownObjects,
  platform: ReadonlySet<string>
): TocEntry[] {
  const lost = new Set<number>()
  const byId = new Map(entries.map((entry) => [entry.id, entry]))
  const returning: TocEntry[] = []
  const returned = new Set<number>()
  for (const entry of entries) {
    const isLost = running.has(entry.id) && !chosen.needed.has(entry.id) && !before.has(entry)
    if (isLost && /^(?:TABLE|VIEW|MATERIALIZED VIEW|CONSTRAINT)$/.test(entry.kind)) lost.add(entry.id)
    // A key to a partitioned table goes with any of its partitions. It needs what makes their indexes part of the table's.
    if (entry.kind === 'INDEX ATTACH' && entry.needs.some((id) => lost.has(id))) lost.add(entry.id)
    if (chosen.entries.has(entry.id) || platform.has(entry.schema) || before.has(entry)) continue
    const belongs = factsOfKind(entry.kind).isTakenAlong && entry.needs.some((id) => returned.has(id))
    const went = factsOfKind(entry.kind).isTakenByCascade && entry.needs.some((id) => lost.has(id) || returned.has(id))
    if (!belongs && !(went && hasPlace(entry, byId, before))) continue
    returning.push(entry)
    returned.add(entry.id)
  }
  return returning
}

/** Whether the table that an entry is part of is there. */
function hasPlace(entry: TocEntry, byId: ReadonlyMap<number, TocEntry>, before: KnownObjects): boolean {
  if (!factsOfKind(entry.kind).isNamedByTable) return true
  return entry.needs.some((id) => {
    const table = byId.get(id)
    if (table === undefined || !/^(?:TABLE|VIEW)$/.test(table.kind)) return false
    return table.schema === entry.schema && entry.tag.startsWith(`${table.tag} `) && before.has(table)
  })
}
