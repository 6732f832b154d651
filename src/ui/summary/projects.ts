import type { BackupRow, Result } from '../../result.ts'
import { inertCode } from '../../text/escape.ts'
import { formatAge, formatBytes, formatCount } from '../../text/format.ts'
import { section, table } from './markup.ts'
import type { SummaryPlace } from './place.ts'
import { levelWords } from './words.ts'

/** Labels of the projects in the history, sorted. */
export function projectsOf(result: Result): string[] {
  return [...new Set([...result.backups.map((row) => row.project), ...(result.planned ?? [])])].sort()
}

/** One line for each project: is its newest good backup young and proven? Empty where there is one project alone. */
export function projects(result: Result, place: SummaryPlace): string {
  const labels = projectsOf(result)
  if (labels.length < 2) return ''
  return section(
    `${formatCount(labels.length)} projects`,
    table(
      [
        'Project',
        '',
        'Newest verified backup',
        'Proven',
        { title: 'Size', align: 'right' },
        { title: 'Backups', align: 'right' }
      ],
      labels.map((label) => row(label, result, place))
    )
  )
}

function row(label: string, result: Result, place: SummaryPlace): string[] {
  const own = result.backups.filter((one) => one.project === label)
  const newest = own.toSorted(newestFirst)[0]
  const good = own.filter(isGood).toSorted(newestFirst)[0]
  const alarmed = (result.alarms ?? []).some((alarm) => alarm.project === label)
  const onlySafety = own.length > 0 && own.every((one) => one.kind === 'safety')
  const latestIsBad = newest !== undefined && newest.status !== 'complete' && !isGood(newest)
  return [
    inertCode(label),
    alarmed
      ? '❌'
      : onlySafety
        ? '➖ safety copies of a restore alone'
        : good === undefined
          ? '❌'
          : latestIsBad
            ? `⚠️ the latest is ${newest.status}`
            : '✅',
    good === undefined ? 'none' : `${formatAge(place.now.getTime() - Date.parse(good.createdAt))} old`,
    good === undefined ? levelWords.none : levelWords[good.verified],
    good?.sizeBytes === undefined || good.sizeBytes === null ? '' : formatBytes(good.sizeBytes),
    formatCount(new Set(own.map((one) => one.id)).size)
  ]
}

/** What can be counted on: nothing speaks against it. */
export function isGood(row: BackupRow): boolean {
  return row.doubt === undefined
}

function newestFirst(a: BackupRow, b: BackupRow): number {
  return b.createdAt.localeCompare(a.createdAt)
}
