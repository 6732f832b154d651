import type { Result } from '../../result.ts'
import { inertCode } from '../../text/escape.ts'
import { formatCount, formatDuration } from '../../text/format.ts'
import { leftOut, section, table } from './markup.ts'

const mostShown = 100

/** What the report says of each project, those that missed most first. */
export function report(result: Result): string {
  const projects = result.report?.projects ?? []
  const worst = projects.toSorted((a, b) => b.missed + b.failed - a.missed - a.failed)
  return section(
    'What was due, and what came of it',
    table(
      ['Project', 'Due', 'Made', 'Failed', 'Missed', 'Largest gap', 'Longest restore', 'Key shown'],
      worst
        .slice(0, mostShown)
        .map((one) => [
          inertCode(one.project),
          formatCount(one.due),
          formatCount(one.made),
          formatCount(one.failed),
          formatCount(one.missed),
          one.largestGapMs === null
            ? '❌ no complete backup'
            : `${one.isWithin ? '✅' : '❌'} ${formatDuration(one.largestGapMs)}`,
          one.longestRestoreMs === null ? 'none was done' : formatDuration(one.longestRestoreMs),
          one.keyShown ? 'yes' : 'no'
        ])
    ),
    leftOut(projects.length, mostShown)
  )
}
