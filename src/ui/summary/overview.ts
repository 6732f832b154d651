import type { Part } from '../../archive/manifest.ts'
import { sourceNames } from '../../archive/parts.ts'
import type { BackupRow, Result } from '../../result.ts'
import { inertCode } from '../../text/escape.ts'
import { formatAge, formatBytes, formatCount, formatDuration, plural } from '../../text/format.ts'
import { backupBefore } from './changes.ts'
import { joined, link, table, unbroken } from './markup.ts'
import { guideUrl, type SummaryPlace } from './place.ts'
import { destinationNamesShown } from './words.ts'

/** The first screen of a backup: what it holds and what is new in one line, then part by part with the proof. */
export function overview(result: Result, place: SummaryPlace): string {
  return result.command === 'backup' && result.backup !== undefined
    ? joined([lead(result, place), cells(result), trust(result), openStep(result, place)])
    : ''
}

function lead(result: Result, place: SummaryPlace): string {
  const { backup } = result
  if (backup === undefined) return ''
  const files = countOf(result, 'storage', 'objects')
  return [
    ...rowsWords(result),
    ...(files === undefined ? [] : [plural(files, 'file')]),
    `${formatBytes(backup.sizeBytes)} ${encryptionWords(backup.encryption.scheme)}`,
    ...result.destinations.map((one) => {
      const name = destinationNamesShown[one.name]
      if (!one.stored) return `❌ not in ${name}`
      return one.url === null ? name : link(name, one.url, place)
    }),
    formatDuration(result.durationMs)
  ].join(' · ')
}

function rowsWords(result: Result): string[] {
  const rows = countOf(result, 'database', 'rows')
  if (rows === undefined) return []
  const tables = countOf(result, 'database', 'tables')
  const held = `${plural(rows, 'row')}${tables === undefined ? '' : ` in ${plural(tables, 'table')}`}`
  return [`${held}${deltaWords(result)}`]
}

/** `, **+255 in 24 hours**`: against the backup before of the same kind. */
function deltaWords(result: Result): string {
  const { own, before } = backupBefore(result)
  if (own?.rows === undefined || own.rows === null || before?.rows === undefined || before.rows === null) return ''
  const gap = formatAge(Date.parse(own.createdAt) - Date.parse(before.createdAt))
  if (own.rows === before.rows) return `, as ${gap} before`
  const sign = own.rows > before.rows ? '+' : '−'
  return `, **${sign}${formatCount(Math.abs(own.rows - before.rows))} in ${gap}**`
}

function encryptionWords(scheme: string): string {
  if (scheme === 'none') return '⚠️ **not encrypted**'
  return scheme === 'age-scrypt' ? 'encrypted with the passphrase' : 'encrypted'
}

const partMarks: Readonly<Record<Part['status'], string>> = {
  captured: '✅',
  partial: '⚠️ partial',
  skipped: '–',
  impossible: '❌ missing'
}

/** One column a part, narrow enough for a phone. */
function cells(result: Result): string {
  const parts = sourceNames.map((source) => {
    const part = result.backup?.parts.find((one) => one.source === source)
    return [shortNames[source], part === undefined ? '–' : unbroken(partMarks[part.status])] as const
  })
  return table(
    parts.map(([title]) => title),
    [parts.map(([, text]) => text)]
  )
}

const shortNames: Readonly<Record<Part['source'], string>> = {
  database: 'Database',
  storage: 'Storage',
  functions: 'Functions',
  config: 'Settings'
}

/** The proof, and how the latest backups went. */
function trust(result: Result): string {
  const latest = latestBackups(result)
  return [`**Proof:** ${proofWords(result)}`, ...(latest === '' ? [] : [`**Backups:** ${latest}`])].join(' · ')
}

function proofWords(result: Result): string {
  const tables = result.verification?.tables
  const all = tables === undefined ? 0 : tables.restore + tables.read + tables.differing
  const duration = result.verification?.durationMs
  switch (result.verified) {
    case 'restore':
      return `${(tables?.differing ?? 0) > 0 ? '❌' : '✅'} ${all === 0 ? 'restored and compared' : `${formatCount(tables?.restore ?? 0)} of ${plural(all, 'table')} equal`}${duration === undefined ? '' : `, restored in ${formatDuration(duration)}`}`
    case 'read':
      return '📖 read to the last byte, not restored'
    case 'checksum':
      return '🔢 checksums compared, not opened'
    case 'none':
      return '⚠️ not verified'
  }
}

const shownBackups = 10

/** The latest backups of this project, oldest first, and how many of them are whole. */
function latestBackups(result: Result): string {
  const own = result.backups.filter((row) => row.project === result.project && row.kind !== 'safety')
  const latest = [...Map.groupBy(own, (row) => row.id).values()]
    .flatMap((copies): BackupRow[] => {
      const row = copies.find((one) => one.status === 'complete') ?? copies[0]
      return row === undefined ? [] : [row]
    })
    .toSorted((a, b) => b.createdAt.localeCompare(a.createdAt))
    .slice(0, shownBackups)
    .reverse()
  if (latest.length === 0) return ''
  const good = latest.filter((row) => row.status === 'complete').length
  const marks = latest.map((row) => (row.status === 'complete' ? '✔' : '✘')).join('')
  return `<code>${marks}</code> ${formatCount(good)} of ${formatCount(latest.length)} complete`
}

/** A backup that nobody has shown a key for is whole; whether anybody can open it is one step away. */
function openStep(result: Result, place: SummaryPlace): string {
  if (result.keyNoted === true && result.command === 'backup')
    return '✅ **Thank you: your key opens these backups.** It is noted, and no run asks again as long as a backup that it was shown on lies here.'
  // Of a backup that was not stored there is nothing to fetch.
  if (result.keyShown !== false || result.status === 'failed') return ''
  const canary = inertCode(result.canary ?? 'canary-....txt.age')
  const guide = guideUrl(place, 'docs/keys.md#rehearse-with-a-real-backup-one-minute')
  const how = guide === null ? '' : ` ${link('Do it now, one minute', guide, place)}.`
  return `🔑 **One step is open:** show that your key opens this backup. Fetch ${canary} to where the key lies, run <code>age -d -i key.txt</code> on it, and give the word that it prints as <code>canary</code> to a run.${how}`
}

function countOf(result: Result, source: Part['source'], name: string): number | undefined {
  return result.backup?.parts.find((part) => part.source === source)?.counts[name]
}
