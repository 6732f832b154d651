import { formatBytes, formatDay } from '../text/format.ts'
import type { PastRun } from './past-runs.ts'

/** What leaves the project for its backups, in a calendar month of UTC. */
export interface EgressReckoning {
  readonly runBytes: number
  /** This run included. */
  readonly monthBytes: number
  /** Backups of this month that nobody counted. */
  readonly uncounted: number
  /** What the month comes to at the pace of the last days; null while there is only one backup to go by. */
  readonly forecastBytes: number | null
  readonly budgetBytes: number | null
}

const dayMs = 24 * 60 * 60 * 1000
/** The pace is that of so long: a change of the schedule shows within it. */
const paceMs = 7 * dayMs

/** `runs`: those before this one, newest first. */
export function reckonEgress(
  runs: readonly PastRun[],
  runBytes: number,
  budgetBytes: number | undefined,
  now: Date
): EgressReckoning {
  const monthStart = Date.UTC(now.getUTCFullYear(), now.getUTCMonth())
  const monthEnd = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)
  const ofMonth = runs.filter(({ at }) => at.getTime() >= monthStart)
  const monthBytes = ofMonth.reduce((sum, { egress }) => sum + (egress ?? 0), runBytes)
  const pace = bytesPerMs(runs, runBytes, now)
  return {
    runBytes,
    monthBytes,
    uncounted: ofMonth.filter(({ egress }) => egress === null).length,
    forecastBytes: pace === null ? null : Math.round(monthBytes + pace * (monthEnd - now.getTime())),
    budgetBytes: budgetBytes ?? null
  }
}

/**
 * From the last backup before those days (or the first there is) up to now, that first one aside. Several runs within one day count as a day's, so that
 * two by hand make no forecast of two an hour.
 */
function bytesPerMs(runs: readonly PastRun[], runBytes: number, now: Date): number | null {
  const first = runs.find(({ at }) => now.getTime() - at.getTime() >= paceMs) ?? runs.at(-1)
  if (first === undefined) return null
  const since = runs.filter(({ at }) => at > first.at)
  const bytes = since.reduce((sum, { egress }) => sum + (egress ?? runBytes), runBytes)
  return bytes / Math.max(now.getTime() - first.at.getTime(), dayMs)
}

/** What is alarming about it; undefined while the month fits into the budget. */
export function egressAlarm(egress: EgressReckoning, now: Date): string | undefined {
  const { budgetBytes, monthBytes, runBytes, forecastBytes } = egress
  if (budgetBytes === null) return undefined
  const spent = `${formatBytes(monthBytes)} of ${formatBytes(budgetBytes)} left the project for backups this month`
  if (monthBytes >= budgetBytes) return `${spent}: the budget is spent.`
  if (monthBytes + runBytes > budgetBytes)
    return `${spent}: one more backup like this one (${formatBytes(runBytes)}) passes the budget.`
  if (forecastBytes === null || forecastBytes <= budgetBytes) return undefined
  const monthEnd = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)
  const left = ((budgetBytes - monthBytes) / (forecastBytes - monthBytes)) * (monthEnd - now.getTime())
  return `${spent}: at this pace it will be ${formatBytes(forecastBytes)}, and the budget is spent about ${formatDay(new Date(now.getTime() + left))}.`
}
