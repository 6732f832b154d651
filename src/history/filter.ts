import type { BackupRow } from '../result.ts'

// What `list` shows of the history, and in which order: pure functions of its rows.

/** How rows may be ordered; the first is the default. */
export const sortOrders = ['newest', 'oldest', 'largest', 'smallest', 'slowest', 'project'] as const
export type SortOrder = (typeof sortOrders)[number]

/** Which rows are meant: all conditions that are given must hold. An empty list is no condition. */
export interface HistoryFilter {
  readonly types: readonly NonNullable<BackupRow['type']>[]
  readonly statuses: readonly BackupRow['status'][]
  readonly levels: readonly BackupRow['verified'][]
  /** First and last moment that a backup may have been made at. */
  readonly since: Date | undefined
  readonly until: Date | undefined
  /** Words that all stand somewhere in id, label, place, status or remark of the row, in any case of letters. */
  readonly text: string | undefined
}

/** Whether any condition is given. */
export function narrows(filter: HistoryFilter): boolean {
  const { types, statuses, levels, since, until, text } = filter
  return (
    types.length + statuses.length + levels.length > 0 ||
    since !== undefined ||
    until !== undefined ||
    text !== undefined
  )
}

/** The rows for which all conditions hold, in their order. */
export function filterRows(rows: readonly BackupRow[], filter: HistoryFilter): BackupRow[] {
  const words = (filter.text ?? '').toLowerCase().split(/\s+/)
  return rows.filter((row) => {
    const at = Date.parse(row.createdAt)
    return (
      allows(filter.types, row.type) &&
      allows(filter.statuses, row.status) &&
      allows(filter.levels, row.verified) &&
      at >= (filter.since?.getTime() ?? Number.NEGATIVE_INFINITY) &&
      at <= (filter.until?.getTime() ?? Number.POSITIVE_INFINITY) &&
      words.every((word) => wordsOf(row).includes(word))
    )
  })
}

function allows<T>(wanted: readonly T[], value: T | null): boolean {
  return wanted.length === 0 || wanted.some((one) => one === value)
}

function wordsOf(row: BackupRow): string {
  const { id, project, createdAt, type, kind, status, verified, destination, pinned, future, note } = row
  const said = [type, kind, pinned ? 'pinned' : '', future === true ? 'dated in the future' : '', note]
  return [id, project, createdAt, status, verified, destination, ...said].join(' ').toLowerCase()
}

/** The rows (newest first) in another order. Equal ones stay newest first; what is not known comes last. */
export function sortRows(rows: readonly BackupRow[], order: SortOrder): BackupRow[] {
  switch (order) {
    case 'newest':
      return [...rows]
    case 'oldest':
      return rows.toReversed()
    case 'largest':
      return rows.toSorted((a, b) => (b.sizeBytes ?? -1) - (a.sizeBytes ?? -1))
    case 'smallest':
      return rows.toSorted((a, b) => (a.sizeBytes ?? Number.MAX_VALUE) - (b.sizeBytes ?? Number.MAX_VALUE))
    case 'slowest':
      return rows.toSorted((a, b) => (b.durationMs ?? -1) - (a.durationMs ?? -1))
    case 'project':
      return rows.toSorted((a, b) => (a.project < b.project ? -1 : a.project > b.project ? 1 : 0))
  }
}

/** The conditions in words, for the summary: `status anomalous or damaged`. */
export function filterWords(filter: HistoryFilter): string[] {
  const { types, statuses, levels, since, until, text } = filter
  return [
    ...(types.length === 0 ? [] : [`type ${types.join(' or ')}`]),
    ...(statuses.length === 0 ? [] : [`status ${statuses.join(' or ')}`]),
    ...(levels.length === 0 ? [] : [`verified ${levels.join(' or ')}`]),
    ...(since === undefined ? [] : [`since ${since.toISOString()}`]),
    ...(until === undefined ? [] : [`until ${until.toISOString()}`]),
    ...(text === undefined ? [] : [`text "${text}"`])
  ]
}
