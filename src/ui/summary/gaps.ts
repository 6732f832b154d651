import type { Result } from '../../result.ts'
import { inertCode } from '../../text/escape.ts'
import { formatCount, formatDuration, formatTime } from '../../text/format.ts'
import { section, table } from './markup.ts'

/** How long each project really was without a new backup: what a schedule promises is another thing. */
export function gaps(result: Result): string {
  if (result.gaps === undefined || result.gaps.length === 0) return ''
  return section(
    'Gaps between backups',
    'The times between backups that counted, in the last 30 days up to now: as much as would have been lost on the worst day.',
    table(
      ['Project', 'Largest', '95 % were at most', 'Backups', 'Since'],
      result.gaps.map((one) => [
        inertCode(one.project),
        `**${formatDuration(one.largestMs)}**<br>after ${formatTime(new Date(one.largestAfter))}`,
        formatDuration(one.p95Ms),
        formatCount(one.backups),
        formatTime(new Date(one.since))
      ])
    )
  )
}
