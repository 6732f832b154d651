import type { BackupRow, Result } from '../../result.ts'
import { inert, inertCode } from '../../text/escape.ts'
import { formatAge, formatBytes, formatCount, formatTime, plural } from '../../text/format.ts'
import { bar, details, leftOut, link, section, sparkline, table, unbroken } from './markup.ts'
import type { SummaryPlace } from './place.ts'
import { destinationNamesShown, levelWords } from './words.ts'

/** Backups that are seen without unfolding anything, and in all. */
const shownOpen = 7
const mostShown = 100

/** Commands about one backup or about keeping: the history is beside the point there. */
const folded: ReadonlySet<Result['command']> = new Set(['restore', 'download', 'delete', 'prune', 'verify'])

/** A backup with the places that hold it. */
interface Backup {
  readonly row: BackupRow
  readonly copies: readonly BackupRow[]
}

/** The backups there are, in the order given (newest first unless asked otherwise), with bars for size and rows. */
export function history(result: Result, place: SummaryPlace): string {
  const rows = result.backups
  if (result.command === 'plan' || result.command === 'report') return ''
  const shownAlone = filterSentence(result)
  if (rows.length === 0) {
    if (result.error !== undefined && result.status === 'failed') return ''
    return section(
      'History',
      shownAlone === '' || result.filter?.of === 0 ? 'There is no backup yet.' : `No backup is shown.${shownAlone}`
    )
  }
  const backups = backupsOf(rows)
  const head = backups.slice(0, shownOpen)
  const tail = backups.slice(shownOpen, mostShown)
  const several = new Set(rows.map((row) => row.project)).size > 1
  const measures = { largest: largestOf(rows), several }
  const more = leftOut(backups.length, mostShown)
  const words = intro(rows, backups, place)
  if (folded.has(result.command) || (result.command === 'backup' && result.status !== 'failed'))
    return details(
      `History: ${words.replace(/\.$/, '')}${several ? '' : rowsFromTo(backups)}`,
      several ? '' : trend(backups),
      rowsTable([...head, ...tail], measures, result, place),
      more
    )
  return section(
    'History',
    `${words}${shownAlone}`,
    several ? '' : trend(backups),
    rowsTable(head, measures, result, place),
    details(`${plural(tail.length, 'more backup')}`, rowsTable(tail, measures, result, place), more)
  )
}

function backupsOf(rows: readonly BackupRow[]): Backup[] {
  return [...Map.groupBy(rows, (row) => `${row.project}/${row.id}`).values()].flatMap((copies) => {
    // The best copy speaks for the backup: one that is damaged in one place is told in the column of places.
    const row =
      copies.find((one) => one.doubt === undefined) ??
      copies.find((one) => one.status !== 'damaged' && one.status !== 'unreadable') ??
      copies[0]
    return row === undefined ? [] : [{ row, copies }]
  })
}

function intro(rows: readonly BackupRow[], backups: readonly Backup[], place: SummaryPlace): string {
  const newest = Math.max(...rows.map((row) => Date.parse(row.createdAt)))
  const copies = rows.length > backups.length ? ` in ${plural(rows.length, 'copy', 'copies')}` : ''
  const age = place.now.getTime() - newest
  const when = age < 60_000 ? 'was made just now' : `is ${formatAge(age)} old`
  return `${plural(backups.length, 'backup')}${copies}. The newest ${when}.`
}

/** What `list` was asked to show alone. */
function filterSentence(result: Result): string {
  const { filter } = result
  if (filter === undefined) return ''
  return ` Shown are those with ${filter.conditions.map((one) => inert(one, 250)).join(', ')}, of ${plural(filter.of, 'backup')} in all.`
}

/** `, 62 357 → 65 148 rows`: from the oldest to the newest that is counted. */
function rowsFromTo(backups: readonly Backup[]): string {
  const counted = backups
    .map(({ row }) => row)
    .filter((row) => row.kind !== 'safety' && row.future !== true && row.rows !== null)
    .toSorted((a, b) => a.createdAt.localeCompare(b.createdAt))
  const [first, last] = [counted[0]?.rows, counted.at(-1)?.rows]
  if (counted.length < 2 || typeof first !== 'number' || typeof last !== 'number') return ''
  return `, ${formatCount(first)} → ${plural(last, 'row')}`
}

/** Size and rows of the latest good backups as they grew, oldest first, where there are enough to see anything. */
function trend(backups: readonly Backup[]): string {
  const taken = backups
    .map(({ row }) => row)
    .filter((row) => row.kind !== 'safety' && row.future !== true && row.sizeBytes !== null)
    .toSorted((a, b) => b.createdAt.localeCompare(a.createdAt))
    .slice(0, 20)
    .reverse()
  const [first, last] = [taken[0], taken.at(-1)]
  if (taken.length < 3 || first === undefined || last === undefined) return ''
  const size = `Size <code>${sparkline(taken.map((row) => row.sizeBytes ?? 0))}</code> ${formatBytes(first.sizeBytes ?? 0)} → ${formatBytes(last.sizeBytes ?? 0)}`
  const counted = taken.filter((row) => row.rows !== null)
  const rows =
    counted.length < 3
      ? ''
      : `<br>Rows <code>${sparkline(counted.map((row) => row.rows ?? 0))}</code> ${formatCount(counted[0]?.rows ?? 0)} → ${formatCount(counted.at(-1)?.rows ?? 0)}`
  return `${size}${rows}`
}

interface Measures {
  /** The longest bar, by project: a small project has bars of its own. */
  readonly largest: ReadonlyMap<string, { readonly size: number; readonly rows: number }>
  readonly several: boolean
}

function largestOf(rows: readonly BackupRow[]): Measures['largest'] {
  const most = (own: readonly BackupRow[], name: 'sizeBytes' | 'rows') =>
    own.reduce((found, row) => Math.max(found, row[name] ?? 0), 0)
  return new Map(
    [...Map.groupBy(rows, (row) => row.project)].map(([project, own]) => [
      project,
      { size: most(own, 'sizeBytes'), rows: most(own, 'rows') }
    ])
  )
}

function rowsTable(backups: readonly Backup[], measures: Measures, result: Result, place: SummaryPlace): string {
  return table(
    [...(measures.several ? ['Project'] : []), 'Backup', 'Size', 'Rows', 'State', 'Kept as'],
    backups.map(({ row, copies }) => [
      ...(measures.several ? [inertCode(row.project)] : []),
      `${unbroken(formatTime(new Date(row.createdAt)))}${row.id === result.backup?.id ? ' ◂ this one' : ''}<br>${idOf(row, copies, place)}`,
      row.sizeBytes === null ? '?' : measured(row.sizeBytes, measures.largest.get(row.project)?.size ?? 0, formatBytes),
      row.rows === null ? '' : measured(row.rows, measures.largest.get(row.project)?.rows ?? 0, formatCount),
      stateOf(row),
      [...new Set(copies.map((copy) => placeOf(copy, row)))].join('<br>')
    ])
  )
}

function measured(value: number, most: number, format: (value: number) => string): string {
  return `<code>${bar(value, most).padEnd(8, '\u2007')}</code><br>${unbroken(format(value))}`
}

function idOf(row: BackupRow, copies: readonly BackupRow[], place: SummaryPlace): string {
  const url = copies.find((copy) => copy.url !== null)?.url
  return url === undefined || url === null ? inertCode(row.id) : link(inertCode(row.id), url, place)
}

/** Proof and status in one: what is not complete is said first. */
function stateOf(row: BackupRow): string {
  const remarks = [
    ...(row.type === 'schema' || row.type === 'data' ? [`${row.type} only`] : []),
    ...(row.kind === 'safety' ? ['safety copy'] : []),
    ...(row.pinned ? ['📌 pinned'] : []),
    ...(row.future === true ? ['dated in the future'] : []),
    ...(row.note === undefined ? [] : [inert(row.note, 120)])
  ].join(', ')
  const state = row.status === 'complete' ? levelWords[row.verified] : `⚠️ **${row.status}**`
  const proof =
    row.status === 'complete' || row.verified === 'none' ? '' : `, ${levelWords[row.verified].replace(/^\S+ /, '')}`
  return `${unbroken(state)}${proof}${remarks === '' ? '' : `<br>${remarks}`}`
}

function placeOf(copy: BackupRow, shown: BackupRow): string {
  const name = destinationNamesShown[copy.destination]
  return copy.status === shown.status ? name : `${name} (${copy.status})`
}
