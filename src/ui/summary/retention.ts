import type { Result } from '../../result.ts'
import { inertCode } from '../../text/escape.ts'
import { formatCount, plural } from '../../text/format.ts'
import { details, joined, leftOut, prose, section, table } from './markup.ts'
import { destinationNamesShown } from './words.ts'

type Verdict = NonNullable<Result['retention']>[number]

const mostShown = 200

/** What the keep rules decided for each backup. After a backup only what was removed is worth a line. */
export function retention(result: Result): string {
  const verdicts = result.retention ?? []
  if (verdicts.length === 0) return ''
  const doomed = verdicts.filter((one) => !one.keep)
  const kept = verdicts.filter((one) => one.keep)
  const beside = result.command === 'backup'
  const title = beside
    ? `Keep rules: ${formatCount(doomed.filter((one) => one.removed === true).length)} removed, ${formatCount(kept.length)} kept`
    : ''
  if (beside) return details(title, verdictTable(doomed), verdictTable(kept), leftOut(verdicts.length, mostShown))
  return joined([
    section(
      doomed.some((one) => one.removed === true) ? 'Removed' : 'Would be removed',
      verdictTable(doomed),
      leftOut(doomed.length, mostShown)
    ),
    details(
      `${plural(kept.length, 'copy', 'copies')} kept, and why`,
      verdictTable(kept),
      leftOut(kept.length, mostShown)
    )
  ])
}

function verdictTable(verdicts: readonly Verdict[]): string {
  return table(
    ['Backup', 'Project', 'Kept as', '', 'Why'],
    verdicts
      .slice(0, mostShown)
      .map((one) => [
        inertCode(one.id),
        inertCode(one.project),
        destinationOf(one.destination),
        one.keep ? 'kept' : one.removed === true ? '🗑️ removed' : 'to be removed',
        prose(one.reasons.join(', '), 200)
      ])
  )
}

function destinationOf(name: string): string {
  const known = Object.entries(destinationNamesShown).find(([key]) => key === name)
  return known?.[1] ?? prose(name, 40)
}
