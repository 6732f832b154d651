import type { DashboardBackup } from './data.ts'

/** What is shown alone; an empty text means all. */
export interface Filter {
  readonly search: string
  readonly project: string
  readonly type: string
  readonly status: string
  /** `7`, `30`, `90`, `365` days back, `between`, or empty. */
  readonly range: string
  /** Dates, `2026-11-22`, both included; only with `between`. */
  readonly from: string
  readonly to: string
}

export const noFilter: Filter = { search: '', project: '', type: '', status: '', range: '', from: '', to: '' }

export const filterNames = ['search', 'project', 'type', 'status', 'range', 'from', 'to'] as const

const day = 24 * 60 * 60 * 1000

/** The time that a filter leaves, in milliseconds. Dates are days where the reader is. */
export function spanOf(filter: Filter, now: Date): { readonly from: number; readonly to: number } {
  if (filter.range === 'between') {
    const from = filter.from === '' ? Number.NaN : Date.parse(`${filter.from}T00:00:00`)
    const to = filter.to === '' ? Number.NaN : Date.parse(`${filter.to}T23:59:59.999`)
    return {
      from: Number.isNaN(from) ? Number.NEGATIVE_INFINITY : from,
      to: Number.isNaN(to) ? Number.POSITIVE_INFINITY : to
    }
  }
  const days = Number(filter.range)
  return {
    from: filter.range === '' || !Number.isFinite(days) ? Number.NEGATIVE_INFINITY : now.getTime() - days * day,
    to: Number.POSITIVE_INFINITY
  }
}

/** The backups that a filter leaves, in their order. */
export function applyFilter(backups: readonly DashboardBackup[], filter: Filter, now: Date): DashboardBackup[] {
  const span = spanOf(filter, now)
  const words = filter.search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  return backups.filter((backup) => {
    const time = Date.parse(backup.createdAt)
    return (
      (filter.project === '' || backup.project === filter.project) &&
      (filter.type === '' || backup.type === filter.type) &&
      (filter.status === '' || backup.status === filter.status) &&
      time >= span.from &&
      time <= span.to &&
      (words.length === 0 || matches(backup, words))
    )
  })
}

/** Every word stands somewhere in what is shown of the backup. */
function matches(backup: DashboardBackup, words: readonly string[]): boolean {
  const text = [
    backup.id,
    backup.project,
    backup.type,
    backup.kind,
    backup.status,
    backup.verified,
    backup.server,
    backup.tool,
    backup.note,
    backup.pinned ? 'pinned' : '',
    ...backup.copies.map((copy) => copy.destination),
    ...backup.parts.flatMap((part) => [part.source, part.status, part.reason]),
    ...backup.changes,
    ...backup.recipients
  ]
    .join('\n')
    .toLowerCase()
  return words.every((word) => text.includes(word))
}
