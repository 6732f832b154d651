import type { BackupRow, Result } from '../../result.ts'
import { inert, inertCode } from '../../text/escape.ts'
import { formatAge, formatBytes, formatCount } from '../../text/format.ts'
import { section, table } from './markup.ts'
import type { SummaryPlace } from './place.ts'
import { levelWords } from './words.ts'

type Health = NonNullable<Result['health']>[number]

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
      labels.map((label) => row(label, result, place)).toSorted((a, b) => gravity(a) - gravity(b))
    )
  )
}

/** Worst first; the marks tell how bad it is. */
function gravity(cells: readonly string[]): number {
  const state = cells[1] ?? ''
  return state.startsWith('❌') ? 0 : state.startsWith('⚠️') ? 1 : 2
}

/** How a project stands by the dashboard's own words: the first reason says why. */
function healthCell(state: Health['state'], reasons: Health['reasons']): string {
  const [reason] = reasons
  if (state === 'good' || reason === undefined) return '✅'
  return `${state === 'bad' ? '❌' : '⚠️'} ${inert(reason, 160)}`
}

function row(label: string, result: Result, place: SummaryPlace): string[] {
  const own = result.backups.filter((one) => one.project === label)
  const newest = own.toSorted(newestFirst)[0]
  const good = own.filter(isGood).toSorted(newestFirst)[0]
  const alarmed = (result.alarms ?? []).some((alarm) => alarm.project === label)
  const onlySafety = own.length > 0 && own.every((one) => one.kind === 'safety')
  const latestIsBad = newest !== undefined && newest.status !== 'complete' && !isGood(newest)
  const health = result.health?.find((one) => one.project === label)
  return [
    inertCode(label),
    health !== undefined
      ? healthCell(health.state, health.reasons)
      : alarmed
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

/** The newest backup to rely on of the project of this run, besides the one that was just made. */
export function lastGood(result: Result): BackupRow | undefined {
  return result.backups
    .filter((row) => isGood(row) && row.id !== result.backup?.id && row.project === (result.project ?? row.project))
    .toSorted(newestFirst)[0]
}

function newestFirst(a: BackupRow, b: BackupRow): number {
  return b.createdAt.localeCompare(a.createdAt)
}
