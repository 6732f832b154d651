import type { BackupRow } from '../result.ts'

// What `list` shows of the history: pure functions of its rows. Searching and sorting are the dashboard's.

/** Which rows are meant: all conditions that are given must hold. An empty list is no condition. */
export interface HistoryFilter {
  readonly types: readonly NonNullable<BackupRow['type']>[]
  /** First moment that a backup may have been made at. */
  readonly since: Date | undefined
}

/** Whether any condition is given. */
export function narrows({ types, since }: HistoryFilter): boolean {
  return types.length > 0 || since !== undefined
}

/** The rows for which all conditions hold, in their order. */
export function filterRows(rows: readonly BackupRow[], { types, since }: HistoryFilter): BackupRow[] {
  return rows.filter(
    (row) =>
      (types.length === 0 || types.some((type) => type === row.type)) &&
      Date.parse(row.createdAt) >= (since?.getTime() ?? Number.NEGATIVE_INFINITY)
  )
}

/** The conditions in words, for the summary: `type full or data`. */
export function filterWords({ types, since }: HistoryFilter): string[] {
  return [
    ...(types.length === 0 ? [] : [`type ${types.join(' or ')}`]),
    ...(since === undefined ? [] : [`since ${since.toISOString()}`])
  ]
}
