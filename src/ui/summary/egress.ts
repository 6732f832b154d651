import type { Result } from '../../result.ts'
import { formatBytes, plural } from '../../text/format.ts'

/** What left the project for this backup: counted, not estimated. */
export function egressOfRun(egress: NonNullable<Result['egress']>): string {
  const parts = (['database', 'storage', 'management'] as const)
    .filter((name) => egress.run[name] > 0)
    .map((name) => `${labels[name]} ${formatBytes(egress.run[name])}`)
  return `${formatBytes(egress.runBytes)}, counted at the sockets${parts.length < 2 ? '' : `: ${parts.join(', ')}`}`
}

const labels = { database: 'database', storage: 'Storage files', management: 'Management API' } as const

/** What left it this month, what the month will come to, and how much may. */
export function egressOfMonth(egress: NonNullable<Result['egress']>): string {
  const { monthBytes, forecastBytes, budgetBytes, uncounted } = egress
  return [
    `${formatBytes(monthBytes)}${budgetBytes === null ? '' : ` of ${formatBytes(budgetBytes)} (${Math.round((monthBytes / budgetBytes) * 100)} %)`} since the first of the month (UTC)`,
    forecastBytes === null
      ? 'no forecast before the second backup'
      : `${formatBytes(forecastBytes)} by its end at the pace of the last days`,
    ...(uncounted === 0 ? [] : [`${plural(uncounted, 'backup')} of this month not counted`]),
    'runs that failed are not in it'
  ].join('; ')
}
