import type { Result } from '../../result.ts'
import type { Finding } from '../../sources/source.ts'
import { inertCode } from '../../text/escape.ts'
import { formatCount, formatDuration, plural } from '../../text/format.ts'
import { details, joined, leftOut, list, prose, section, table } from './markup.ts'
import { levelSentences } from './words.ts'

const shownReasons = 5
const mostReasons = 50
const mostFindings = 200

const findingWords: Readonly<Record<Finding['kind'], string>> = {
  difference: '❌ different',
  notProven: '➖ not proven',
  note: 'note',
  todo: 'to do'
}

/** How far the backup is proven: the level, the tables, the time, and what was not proven and why. */
export function proof(result: Result): string {
  if (result.command === 'restore') return ''
  const { verification } = result
  const findings = result.findings ?? []
  if (verification === undefined || (verification.level === 'none' && findings.length === 0)) return ''
  const { tables, notProven } = verification
  const body = joined([
    verification.level === 'none'
      ? ''
      : `**${capital(levelSentences[verification.level])}**${timeWords(verification)}.${tableWords(tables)}`,
    reasons(notProven),
    details(
      `${plural(findings.length, 'finding')}, by object`,
      table(
        ['', 'Object', 'What'],
        findings
          .slice(0, mostFindings)
          .map((finding) => [findingWords[finding.kind], inertCode(finding.subject, 120), prose(finding.detail, 300)])
      ),
      leftOut(findings.length, mostFindings)
    )
  ])
  if (result.command !== 'backup' || findings.some(({ kind }) => kind === 'difference'))
    return section('How far it is proven', body)
  const notes = findings.length === 0 ? '' : `, and what was left out (${plural(findings.length, 'note')})`
  return details(`How far it is proven${notes}`, body)
}

function timeWords(verification: NonNullable<Result['verification']>): string {
  if (verification.durationMs === undefined) return ''
  const time = formatDuration(verification.durationMs)
  return verification.level === 'restore'
    ? ` in ${time}: reckon with at least that long for a restore`
    : `; the proof took ${time}`
}

function tableWords(tables: NonNullable<Result['verification']>['tables']): string {
  const words = [
    ...(tables.restore > 0 ? [`${plural(tables.restore, 'table')} restored and equal`] : []),
    ...(tables.read > 0 ? [`${plural(tables.read, 'table')} read, not restored`] : []),
    ...(tables.differing > 0 ? [`❌ **${plural(tables.differing, 'table')} different**`] : [])
  ]
  return words.length === 0 ? '' : ` ${words.join(', ')}.`
}

function reasons(notProven: readonly string[]): string {
  if (notProven.length === 0) return ''
  const said = notProven.map((reason) => prose(reason, 400))
  return joined([
    `**Not proven:**\n\n${list(said.slice(0, shownReasons), shownReasons)}`,
    details(`${formatCount(said.length - shownReasons)} more reasons`, list(said.slice(shownReasons), mostReasons))
  ])
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}
