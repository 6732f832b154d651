import type { Part } from '../archive/manifest.ts'
import type { BackupRow, Result } from '../result.ts'
import { sourceNames } from '../sources/source.ts'
import { inert, inertCode } from './escape.ts'
import { formatAge, formatBytes, formatCount, formatDuration, formatTime, plural } from './format.ts'
import { restoreBlock } from './restore-block.ts'

/** The runner drops a summary of more than 1 MiB as a whole (FileCommandManager.cs); this leaves room for others. */
export const largestSummaryBytes = 900_000
/** Rows of the history that are shown. */
const shownRows = 30
const shownFindings = 200

/** Where the run is and what it may link to. */
export interface SummaryPlace {
  /** `https://github.com`, for links; links are left out where it is not https. */
  readonly serverUrl: string
  /** `owner/name` that the workflow runs in. */
  readonly repository: string | undefined
  /** File name of the workflow, for the link to a manual run. */
  readonly workflow: string | undefined
  readonly now: Date
}

/** The job summary of a run. All text from outside is made inert here; never longer than the runner takes. */
export function renderSummary(result: Result, place: SummaryPlace): string {
  const blocks = [
    verdict(result, place),
    failure(result),
    alarms(result),
    warnings(result),
    restoreBlock(result),
    parts(result),
    changes(result),
    proof(result),
    destinations(result, place),
    retention(result),
    history(result, place),
    howToRestore(result, place)
  ].filter((block) => block !== '')
  let text = `${blocks.join('\n\n')}\n`
  // The last resort: whole blocks are dropped from the end, so that no markup is cut in the middle.
  while (Buffer.byteLength(text) > largestSummaryBytes && blocks.length > 1) {
    blocks.pop()
    text = `${blocks.join('\n\n')}\n\nThis summary was longer than GitHub takes; the file in the output \`result\` has all of it.\n`
  }
  return text
}

const titles: Readonly<Record<Result['command'], string>> = {
  backup: 'Backup',
  verify: 'Verification',
  restore: 'Restore',
  list: 'Backups',
  download: 'Download',
  prune: 'Pruning',
  delete: 'Deletion',
  check: 'Check',
  plan: 'Plan'
}

const marks: Readonly<Record<Result['status'], string>> = {
  complete: '✅',
  partial: '⚠️',
  anomalous: '⚠️',
  failed: '❌',
  nothing: '❌'
}

function verdict(result: Result, place: SummaryPlace): string {
  const project = result.project === null ? '' : ` of ${inertCode(result.project)}`
  const lines = [`## ${marks[result.status]} ${titles[result.command]}${project}: ${result.status}`]
  if (result.backup !== undefined) {
    const rows = databasePart(result)?.counts['rows']
    const facts = [
      `backup ${inertCode(result.backup.id)}`,
      formatTime(new Date(result.backup.createdAt)),
      `${formatBytes(result.backup.sizeBytes)} stored${ratio(result)}`,
      ...(rows === undefined ? [] : [plural(rows, 'row')]),
      `took ${formatDuration(result.durationMs)}`
    ]
    lines.push(facts.join(' · '))
    if (result.command !== 'restore') lines.push(`${proofSentence(result)} ${encryptionSentence(result)}`)
  } else {
    lines.push(`${formatTime(place.now)} · took ${formatDuration(result.durationMs)}`)
  }
  return lines.join('\n\n')
}

function ratio(result: Result): string {
  const { backup } = result
  if (backup?.databaseBytes === undefined || backup.databaseBytes === 0 || backup.sizeBytes === 0) return ''
  return ` (the database takes ${formatBytes(backup.databaseBytes)} on its server)`
}

function proofSentence(result: Result): string {
  switch (result.verified) {
    case 'restore':
      return '**Proven:** restored into a real PostgreSQL and compared exactly.'
    case 'read':
      return '**Read to the last byte**, not restored.'
    case 'checksum':
      return '**Checksums compared**, not opened.'
    case 'none':
      return '**Not verified.**'
  }
}

function encryptionSentence(result: Result): string {
  const encryption = result.backup?.encryption
  if (encryption === undefined) return ''
  switch (encryption.scheme) {
    case 'none':
      return '**Not encrypted.**'
    case 'age-scrypt':
      return 'Encrypted with the passphrase.'
    default:
      return `Encrypted to ${plural(encryption.recipients.length, 'key')}: ${encryption.recipients.map((key) => inertCode(key)).join(', ')}.`
  }
}

function failure(result: Result): string {
  const { error } = result
  if (error === undefined) return ''
  return `### What went wrong\n\n**${inert(error.code)}** ${inert(error.message, 1_500)}\n\n**What to do:** ${inert(error.remedy, 800)}`
}

function warnings(result: Result): string {
  if (result.warnings.length === 0) return ''
  const shown = result.warnings.slice(0, 20).map((warning) => `- ${inert(warning, 400)}`)
  const more = result.warnings.length - shown.length
  return `### Warnings\n\n${shown.join('\n')}${more > 0 ? `\n- and ${more} more` : ''}`
}

function alarms(result: Result): string {
  const found = result.alarms ?? []
  if (found.length === 0) return ''
  return `### Alarms\n\n${found.map((alarm) => `- ${inert(alarm.kind)}: ${inert(alarm.detail, 300)}`).join('\n')}`
}

function changes(result: Result): string {
  const found = result.changes ?? []
  if (found.length === 0) return ''
  return `### What changed in the schema since the backup before\n\n${found.map((change) => `- ${inert(change, 200)}`).join('\n')}`
}

function databasePart(result: Result): Part | undefined {
  return result.backup?.parts.find((part) => part.source === 'database')
}

const partMarks: Readonly<Record<Part['status'], string>> = {
  captured: '✅',
  partial: '⚠️',
  skipped: '➖',
  impossible: '❌'
}

function parts(result: Result): string {
  const { backup } = result
  if (backup === undefined) return ''
  const ordered = backup.parts.toSorted((a, b) => sourceNames.indexOf(a.source) - sourceNames.indexOf(b.source))
  const rows = ordered.map((part) => {
    const counts = Object.entries(part.counts)
      .map(([name, value]) =>
        name.toLowerCase().endsWith('bytes')
          ? `${formatBytes(value)}${inert(words(name.slice(0, -5)))}`
          : `${formatCount(value)} ${inert(words(name))}`
      )
      .join(', ')
    return `| ${inert(part.source)} | ${partMarks[part.status]} ${part.status} | ${counts} | ${inert(part.reason ?? '', 300)} |`
  })
  const about = [
    backup.source.serverVersion === undefined ? '' : `PostgreSQL ${inert(backup.source.serverVersion)}`,
    backup.source.clientVersion === undefined ? '' : `dumped by pg_dump ${inert(backup.source.clientVersion)}`,
    backup.source.tls === undefined ? '' : `TLS: ${inert(backup.source.tls)}`
  ].filter((text) => text !== '')
  return [
    '### What is in it',
    '',
    '| Part | Status | Counts | Why |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    about.join(' · ')
  ].join('\n')
}

/** `largeObjects` as `large objects`. */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

function proof(result: Result): string {
  const { verification, findings } = result
  if (verification === undefined || (verification.level === 'none' && (findings ?? []).length === 0)) return ''
  const { tables } = verification
  const lines = [verification.level === 'none' ? '### Notes' : '### What was proven', '']
  if (tables.restore + tables.read + tables.differing > 0)
    lines.push(
      '| Tables | |',
      '| --- | ---: |',
      `| restored and equal | ${formatCount(tables.restore)} |`,
      `| read only | ${formatCount(tables.read)} |`,
      `| different | ${formatCount(tables.differing)} |`,
      ''
    )
  if (verification.durationMs !== undefined)
    lines.push(
      `The proof took ${formatDuration(verification.durationMs)}${verification.level === 'restore' ? ': so long a restore takes at least' : ''}.`,
      ''
    )
  for (const reason of verification.notProven.slice(0, 50)) lines.push(`- not proven: ${inert(reason, 400)}`)
  const shown = (findings ?? []).slice(0, shownFindings)
  if (shown.length > 0) {
    const rest = (findings ?? []).length - shown.length
    lines.push(
      '',
      `<details><summary>${plural(findings?.length ?? 0, 'finding')}</summary>`,
      '',
      '| | Object | What |',
      '| --- | --- | --- |',
      ...shown.map(
        (finding) => `| ${finding.kind} | ${inertCode(finding.subject, 120)} | ${inert(finding.detail, 300)} |`
      ),
      ...(rest > 0 ? ['', `and ${formatCount(rest)} more in the file of the output \`result\``] : []),
      '',
      '</details>'
    )
  }
  return lines.join('\n')
}

function destinations(result: Result, place: SummaryPlace): string {
  if (result.command !== 'backup' || result.destinations.length === 0) return ''
  const rows = result.destinations.map((one) => {
    const where = one.url !== null ? link(one.place, one.url, place) : inert(one.place)
    return `| ${one.name} | ${one.stored ? '✅ stored' : '❌ not stored'} | ${where} | ${inert(one.error ?? '', 400)} |`
  })
  return ['### Where it is', '', '| Destination | | Place | |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

/** A link only to the server itself and only over https; the bare text else. */
function link(text: string, url: string, place: SummaryPlace): string {
  if (
    !place.serverUrl.startsWith('https://') ||
    !url.startsWith(`${place.serverUrl}/`) ||
    /[\s<>"'()[\]\\|`]/.test(url)
  )
    return inert(text)
  return `<a href="${url.replace(/&/g, '&amp;')}">${inert(text)}</a>`
}

function retention(result: Result): string {
  const verdicts = result.retention ?? []
  if (verdicts.length === 0) return ''
  const rows = verdicts
    .slice(0, 200)
    .map(
      (one) =>
        `| ${inertCode(one.id)} | ${inert(one.destination)} | ${one.keep ? 'keep' : one.removed === true ? 'removed' : 'remove'} | ${inert(one.reasons.join(', '), 200)} |`
    )
  return ['### Retention', '', '| Backup | Place | | Why |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

const levelMarks: Readonly<Record<BackupRow['verified'], string>> = {
  restore: '✅ restore',
  read: '📖 read',
  checksum: '🔢 checksum',
  none: '— none'
}

function history(result: Result, place: SummaryPlace): string {
  const rows = result.backups
  if (rows.length === 0) return result.command === 'plan' ? '' : '### History\n\nThere is no backup yet.'
  const several = new Set(rows.map((row) => row.project)).size > 1
  const shown = rows.slice(0, shownRows)
  const newest = rows[0]
  const age =
    newest === undefined ? '' : ` The newest is ${formatAge(place.now.getTime() - Date.parse(newest.createdAt))} old.`
  const lines = [
    '### History',
    '',
    `${plural(rows.length, 'backup')}${rows.length > shown.length ? `, the newest ${shown.length} shown` : ''}.${age}${trend(rows)}`,
    '',
    `| Time | ${several ? 'Project | ' : ''}Backup | Type | Size | Rows | Verified | Status | Place |`,
    `| --- | ${several ? '--- | ' : ''}--- | --- | ---: | ---: | --- | --- | --- |`,
    ...shown.map((row) =>
      [
        '',
        formatTime(new Date(row.createdAt)),
        ...(several ? [inertCode(row.project)] : []),
        row.url === null ? inertCode(row.id) : link(row.id, row.url, place),
        `${row.type ?? '?'}${row.kind === 'safety' ? ' (safety copy)' : ''}`,
        row.sizeBytes === null ? '?' : formatBytes(row.sizeBytes),
        row.rows === null ? '' : formatCount(row.rows),
        levelMarks[row.verified],
        `${row.status}${row.pinned ? ' 📌' : ''}${row.future === true ? ' (dated in the future)' : ''}${row.note === undefined ? '' : `: ${inert(row.note, 120)}`}`,
        row.destination,
        ''
      ]
        .join(' | ')
        .trim()
    )
  ]
  return lines.join('\n')
}

const bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** Sizes of the newest backups of one place as bars, oldest first. */
function trend(rows: readonly BackupRow[]): string {
  const first = rows[0]
  if (first === undefined) return ''
  const sizes = rows
    .filter(
      (row) =>
        row.destination === first.destination &&
        row.project === first.project &&
        row.sizeBytes !== null &&
        row.kind !== 'safety'
    )
    .slice(0, 20)
    .map((row) => row.sizeBytes ?? 0)
    .reverse()
  if (sizes.length < 2) return ''
  const most = Math.max(...sizes, 1)
  const drawn = sizes
    .map((size) => bars[Math.min(bars.length - 1, Math.floor((size / most) * (bars.length - 0.01)))])
    .join('')
  return ` Size: <code>${drawn}</code> ${formatBytes(sizes[0] ?? 0)} → ${formatBytes(sizes.at(-1) ?? 0)}.`
}

function howToRestore(result: Result, place: SummaryPlace): string {
  if (result.command !== 'backup' || result.backup === undefined || !result.destinations.some((one) => one.stored))
    return ''
  const stored = result.destinations.filter((one) => one.stored).map((one) => one.name)
  const form = formUrl(place)
  const start =
    form === null
      ? 'Start a manual run of your restore workflow'
      : `Start a manual run of ${link('this workflow', form, place)} or of your restore workflow`
  return [
    '<details><summary>How to restore this backup</summary>',
    '',
    `${start} with these inputs of the action:`,
    '',
    '```yaml',
    'command: restore',
    `project: ${result.project ?? ''}`,
    `backup: ${result.backup.id}`,
    `destinations: ${stored[0] ?? ''}`,
    ...(result.backup.encryption.scheme === 'age-x25519' ? [`identity: ${fromSecret('AGE_IDENTITY')}`] : []),
    ...(result.backup.encryption.scheme === 'age-scrypt' ? [`passphrase: ${fromSecret('BACKUP_PASSPHRASE')}`] : []),
    `target-database-url: ${fromSecret('TARGET_DATABASE_URL')}`,
    'confirm-target: REF-OF-THE-TARGET',
    '```',
    '',
    'Without this action: the file <code>RESTORE.md</code> of the backup tells how, with standard tools only.',
    '',
    '</details>'
  ].join('\n')
}

/** The expression of a workflow that reads a secret. */
function fromSecret(name: string): string {
  return `\${{ secrets.${name} }}`
}

function formUrl(place: SummaryPlace): string | null {
  if (place.repository === undefined || place.workflow === undefined) return null
  if (!/^[\w.-]+\/[\w.-]+$/.test(place.repository) || !/^[\w.-]+\.ya?ml$/.test(place.workflow)) return null
  return `${place.serverUrl}/${place.repository}/actions/workflows/${place.workflow}`
}
