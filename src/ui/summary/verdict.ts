import { errorTitle } from '../../error-codes.ts'
import type { Result } from '../../result.ts'
import { inertCode } from '../../text/escape.ts'
import { formatAge, formatBytes, formatCount, formatDuration, formatTime, plural } from '../../text/format.ts'
import { verdictOf } from '../dashboard/health.ts'
import { joined, table } from './markup.ts'
import type { SummaryPlace } from './place.ts'
import { lastGood, projectsOf } from './projects.ts'
import { restored } from './restored.ts'
import { statusMarks } from './words.ts'

/** The heading: what this run came to, in the one line that is read by everybody. */
export function headline(result: Result): string {
  return `## ${markOf(result)} ${sentence(result, inertCode)}`
}

/** The same for the log, with the id and the address of the backup. Plain text: the log's writer makes it inert. */
export function verdict(result: Result): string {
  const { backup, url } = result
  const stored =
    backup !== undefined &&
    result.command !== 'delete' &&
    (result.command !== 'backup' || result.destinations.some((one) => one.stored))
  return [
    `${markOf(result)} ${sentence(result, (name) => name)}.`,
    ...(stored ? [`Backup ${backup.id}.`] : []),
    ...(url === null ? [] : [url])
  ].join(' ')
}

/** How a name from outside is written. */
type Name = (text: string) => string

function markOf(result: Result): string {
  if (result.status === 'complete' && isDryRun(result)) return '🔍'
  if (isPlain(result)) return '🔓'
  if (result.command === 'list' && result.status === 'complete') return listMark(result)
  return statusMarks[result.status]
}

/** A list is no check, but its heading is not green over a project that is at risk. */
function listMark(result: Result): string {
  const states = (result.health ?? []).map(({ state }) => state)
  return states.includes('bad') ? '❌' : states.some((state) => state !== 'good') ? '⚠️' : '✅'
}

function healthWords(result: Result): string {
  const states = (result.health ?? []).map(({ state }) => state)
  return states.every((state) => state === 'good') ? '' : `: ${verdictOf(states).text.replace(/^The/, 'the')}`
}

function sentence(result: Result, name: Name): string {
  const project = result.project === null ? '' : name(result.project)
  const title = titleOf(result)
  switch (result.command) {
    case 'backup':
      return backupSentence(result, project === '' ? 'The project' : project, title)
    case 'restore':
      return restoreSentence(result, project === '' ? 'The backup' : project, title, name)
    case 'verify': {
      const what = result.backup === undefined ? 'Backups' : 'The backup'
      const whose = project === '' ? '' : ` of ${project}`
      if (result.status === 'failed') return `${what}${whose} did not pass${title}`
      if (result.status === 'nothing') return `There is nothing to verify${title}`
      if (result.status !== 'complete') return `${what}${whose} ${are(what)} whole as stored, but ${result.status}`
      if (result.keyNoted === true) return `Your key opens the backups${whose}: noted`
      return `${what}${whose} ${are(what)} sound: ${provenWords(result)}`
    }
    case 'list': {
      const projects = projectsOf(result).length
      if (result.status === 'failed') return `Backups could not be listed${title}`
      if (result.backups.length === 0) return 'There is no backup to show'
      const whose =
        projects === 1
          ? project === ''
            ? name(result.backups[0]?.project ?? '')
            : project
          : plural(projects, 'project')
      return `${plural(idsOf(result), 'backup')} of ${whose}${result.status === 'partial' ? ', but not every place could be read' : healthWords(result)}`
    }
    case 'check': {
      const projects = projectsOf(result).length
      const whose = projects > 1 ? `all ${formatCount(projects)} projects` : project === '' ? 'the project' : project
      if (result.status === 'complete') return `Backups of ${whose} are as fresh as they should be`
      if (result.status === 'nothing') return `There is no backup${project === '' ? '' : ` of ${project}`}`
      const count = result.alarms?.length ?? 0
      return count === 0
        ? `The check could not be made${title}`
        : `Backups of ${whose.replace(/^all /, '')} need attention: ${plural(count, 'alarm')}`
    }
    case 'download':
      return result.status === 'complete'
        ? `Backup of ${project === '' ? 'the project' : project} downloaded`
        : `The backup could not be downloaded${title}`
    case 'prune':
      return pruneSentence(result, title)
    case 'delete': {
      if (result.status !== 'complete') return `The backup was not deleted${title}`
      const id = name(result.retention?.[0]?.id ?? '')
      return isDryRun(result) ? `Backup ${id} would be deleted. Nothing was changed` : `Backup ${id} is deleted`
    }
    case 'report':
      return result.status === 'complete'
        ? `The report of ${plural(result.report?.projects.length ?? 0, 'project')} is written`
        : `There is nothing to report${title}`
    case 'plan':
      return result.status === 'complete'
        ? `${plural(result.matrix?.include.length ?? 0, 'project')} planned`
        : `Nothing could be planned${title}`
  }
}

function are(what: string): string {
  return what === 'Backups' ? 'are' : 'is'
}

function backupSentence(result: Result, project: string, title: string): string {
  const stored = result.destinations.some((one) => one.stored)
  if (result.status === 'complete') {
    const proven = result.verified === 'restore' ? 'and proven by restoring it' : provenWords(result)
    return `${project} is backed up, ${proven}${isPlain(result) ? '; it is not encrypted' : ''}`
  }
  if (result.error?.code === 'SB910' && stored) return `${project} is backed up, but too much leaves it this month`
  if (result.status === 'anomalous' && stored) return `${project} is backed up, but ${fallWords(result)}`
  if (result.status === 'unproven' && stored) return `${project} is backed up, but the proof of the backup failed`
  if (result.status === 'partial' && stored) {
    const everywhere = result.destinations.every((one) => one.stored)
    return `${project} is backed up, but not ${everywhere ? 'all of it' : 'in every place'}`
  }
  return `${project} was not backed up${title}`
}

/** `it lost 96 % of its rows`: against the last good backup of the same kind, where that is what stands out. */
function fallWords(result: Result): string {
  const now = result.backups.find((row) => row.id === result.backup?.id)
  const then = lastGood(result)
  if (now === undefined || then === undefined || now.rows === null || then.rows === null || now.type !== then.type)
    return 'it holds less or more than usual'
  const share = 1 - now.rows / Math.max(1, then.rows)
  return share < 0.1
    ? 'it holds less or more than usual'
    : `it lost ${now.rows === 0 ? 'all' : `${Math.min(99, Math.round(share * 100))} %`} of its rows`
}

function provenWords(result: Result): string {
  switch (result.verified) {
    case 'restore':
      return 'restored and equal'
    case 'read':
      return 'read to the last byte, not restored'
    case 'checksum':
      return 'checksums compared, not opened'
    case 'none':
      return 'not verified'
  }
}

function restoreSentence(result: Result, project: string, title: string, name: Name): string {
  const done = restored(result)
  const target = done?.target[0] === undefined ? 'the target' : name(done.target[0])
  if (result.status === 'failed') return `${project} was not restored${title}`
  if (done?.dryRun === true) return `Dry run of restoring ${project} into ${target}: nothing was changed`
  if (result.status === 'partial') return `${project} is restored into ${target}, but not all of it`
  return `${project} is restored into ${target}`
}

function pruneSentence(result: Result, title: string): string {
  const verdicts = result.retention ?? []
  const doomed = verdicts.filter((one) => !one.keep).length
  const removed = verdicts.filter((one) => one.removed === true).length
  const kept = verdicts.length - (isDryRun(result) ? doomed : removed)
  if (result.status === 'anomalous') return 'Nothing was removed: pruning is frozen'
  if (result.status !== 'complete' && removed === 0) return `Nothing was removed${title}`
  if (result.status !== 'complete') return `${plural(removed, 'backup')} removed, then it stopped${title}`
  if (doomed === 0) return `Nothing to remove: ${plural(kept, 'backup')} kept`
  return isDryRun(result)
    ? `${plural(doomed, 'backup')} would be removed, ${formatCount(kept)} kept. Nothing was changed`
    : `${plural(removed, 'backup')} removed, ${formatCount(kept)} kept`
}

/** `: The password is wrong`, the title of the error's code; empty without an error. */
function titleOf(result: Result): string {
  const title = errorTitle(result.error?.code)
  return title === undefined ? '' : `: ${title}`
}

function isDryRun(result: Result): boolean {
  if (result.command === 'restore') return restored(result)?.dryRun === true
  const verdicts = (result.retention ?? []).filter((one) => !one.keep)
  return (
    (result.command === 'prune' || result.command === 'delete') &&
    result.error === undefined &&
    verdicts.length > 0 &&
    verdicts.every((one) => one.removed === false)
  )
}

/** The few facts that make up the verdict, side by side; below them who, when and how long. */
export function facts(result: Result, place: SummaryPlace): string {
  return joined([tiles(result), footnote(result, place)])
}

function tiles(result: Result): string {
  const { backup } = result
  if (backup === undefined || result.command !== 'verify') return ''
  const cells: [string, string][] = [
    ['Proven', proofTile(result)],
    ['Holds', holdsTile(result)],
    ['Size', `**${formatBytes(backup.sizeBytes)}**`],
    ['Encrypted', encryptionTile(backup.encryption)]
  ]
  const recovery = result.verification?.level === 'restore' ? result.verification.durationMs : undefined
  if (recovery !== undefined)
    cells.push(['Measured recovery time', `**${formatDuration(recovery)}**<br>restored and compared on this runner`])
  return table(
    cells.map(([title]) => title),
    [cells.map(([, text]) => text)]
  )
}

function proofTile(result: Result): string {
  const tables = result.verification?.tables
  const equal = tables === undefined ? 0 : tables.restore
  const all = tables === undefined ? 0 : tables.restore + tables.read + tables.differing
  switch (result.verified) {
    case 'restore':
      return `✅ **restored into a real PostgreSQL**<br>${all === 0 ? 'and compared' : `${formatCount(equal)} of ${plural(all, 'table')} equal`}`
    case 'read':
      return '📖 **read to the last byte**<br>not restored'
    case 'checksum':
      return '🔢 **checksums compared**<br>not opened'
    case 'none':
      return result.status === 'failed' ? '❌ **no**' : '⚠️ **not verified**'
  }
}

function holdsTile(result: Result): string {
  const count = (source: string, name: string) =>
    result.backup?.parts.find((part) => part.source === source)?.counts[name]
  const rows = count('database', 'rows')
  const tables = count('database', 'tables')
  const files = count('storage', 'objects')
  const functions = count('functions', 'functions')
  const others = [
    ...(files === undefined ? [] : [plural(files, 'file')]),
    ...(functions === undefined ? [] : [plural(functions, 'function')])
  ]
  const lines = [
    ...(rows === undefined
      ? []
      : [`**${plural(rows, 'row')}**${tables === undefined ? '' : ` in ${plural(tables, 'table')}`}`]),
    ...(others.length === 0 ? [] : [others.join(', ')])
  ]
  return lines.length === 0 ? '–' : lines.join('<br>')
}

function encryptionTile(encryption: NonNullable<Result['backup']>['encryption']): string {
  switch (encryption.scheme) {
    case 'none':
      return '⚠️ **not encrypted**'
    case 'age-scrypt':
      return '🔒 **with the passphrase**'
    default:
      return `🔒 **for ${plural(encryption.recipients.length, 'key')}**<br>${encryption.recipients
        .slice(0, 6)
        .map((key) => inertCode(key))
        .join(' ')}`
  }
}

/** A whole backup that anybody can read who reaches it: it never has the mark of a sealed one. */
function isPlain(result: Result): boolean {
  return result.command === 'backup' && result.status === 'complete' && result.backup?.encryption.scheme === 'none'
}

function footnote(result: Result, place: SummaryPlace): string {
  const { backup } = result
  const parts = [
    ...(backup === undefined
      ? [formatTime(place.now)]
      : [`backup ${inertCode(backup.id)}`, `made ${formatTime(new Date(backup.createdAt))}`]),
    ...(backup?.kind === 'safety' ? ['safety copy'] : []),
    ...(backup !== undefined && backup.type !== 'full' ? [`${backup.type} only`] : []),
    ...(backup !== undefined && result.command !== 'restore'
      ? [`${formatAge(place.now.getTime() - Date.parse(backup.createdAt))} old`]
      : []),
    `took ${formatDuration(result.durationMs)}`
  ]
  return parts.join(' · ')
}

function idsOf(result: Result): number {
  return new Set(result.backups.map((row) => `${row.project}/${row.id}`)).size
}
