import type { BackupRow, Result } from '../../result.ts'
import { formatAge, formatBytes, formatCount, plural } from '../../text/format.ts'
import { details, joined, list, prose, section } from './markup.ts'

/** Changes that stand in the one line. */
const shownInLine = 5

/** What is other than in the backup before: numbers, and the shape of the database. Where it is no alarm, it takes one line. */
export function changes(result: Result): string {
  const found = (result.changes ?? []).map((change) => prose(change, 200))
  if (result.command !== 'backup' || result.status === 'anomalous')
    return section('What changed since the backup before', numbers(result), list(found, 60))
  if (found.length === 0) return ''
  const rest = found.slice(shownInLine)
  return joined([
    `**Changed:** ${found.slice(0, shownInLine).join(' · ')}`,
    details(plural(rest.length, 'more change'), list(rest, 60))
  ])
}

/** This backup as the history lists it, and the newest one before it of the same kind. */
export function backupBefore(result: Result): { own?: BackupRow | undefined; before?: BackupRow | undefined } {
  const own = result.backups.find((row) => row.id === result.backup?.id)
  if (own === undefined) return {}
  const before = result.backups
    .filter((row) => row.createdAt < own.createdAt && isAlike(row, own))
    .toSorted((a, b) => b.createdAt.localeCompare(a.createdAt))[0]
  return { own, before }
}

function numbers(result: Result): string {
  const { own, before } = backupBefore(result)
  if (result.command !== 'backup' || own === undefined || before === undefined) return ''
  const gap = Date.parse(own.createdAt) - Date.parse(before.createdAt)
  const rows = [
    ['Rows', change(before.rows, own.rows, formatCount)],
    ['Size', change(before.sizeBytes, own.sizeBytes, formatBytes)]
  ].filter(([, text]) => text !== '')
  return rows.length === 0
    ? ''
    : `${rows.map(([name, text]) => `${name}: ${text}`).join(' · ')} · ${formatAge(gap)} between them`
}

function isAlike(row: BackupRow, own: BackupRow): boolean {
  return (
    row.project === own.project &&
    row.type === own.type &&
    row.kind !== 'safety' &&
    row.status !== 'unreadable' &&
    row.future !== true
  )
}

function change(before: number | null, now: number | null, format: (value: number) => string): string {
  if (before === null || now === null) return ''
  if (before === now) return `${format(now)}, as before`
  const sign = now > before ? '+' : '−'
  const share = before === 0 ? '' : ` (${sign}${percent(Math.abs(now - before) / before)})`
  return `${format(now)}, ${sign}${format(Math.abs(now - before))}${share}`
}

function percent(share: number): string {
  const value = share * 100
  if (value >= 1000) return 'more than 1000 %'
  return value < 0.1 ? 'less than 0.1 %' : `${value.toFixed(value < 10 ? 1 : 0)} %`
}
