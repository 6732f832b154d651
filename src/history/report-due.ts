import type { RunRecord } from '../archive/run-record.ts'
import { nextTimes, scheduledTimes } from './workflow-schedule.ts'

const hour = 60 * 60 * 1000
const day = 24 * hour
/** GitHub starts scheduled runs late at busy times, and a backup takes its time: what was due since is not judged yet. */
const lateMs = 2 * hour
/** Every five minutes for a year. */
const mostTimes = 110_000

/** When backups were due in a period. */
export interface Due {
  readonly by: 'schedule' | 'day'
  readonly times: readonly Date[]
}

/**
 * When backups were due from `since` on, oldest first. Runs that a schedule started tell its cron line: it counts from the first of them on, and up to now
 * unless later runs came of another line alone. Where no run tells of one, each day (UTC) from the first run on counts.
 */
export function dueTimes(events: readonly RunRecord[], since: Date, now: Date): Due {
  const runs = events.filter(({ command }) => command === 'backup')
  const until = new Date(now.getTime() - lateMs)
  const lines = Map.groupBy(
    runs.filter(({ schedule }) => schedule !== undefined),
    ({ schedule = '' }) => schedule
  )
  const newest = Math.max(0, ...[...lines.values()].flat().map(timeOf))
  const times = new Set<number>()
  let read = 0
  for (const [cron, of] of lines) {
    const told = of.map(timeOf)
    const from = new Date(Math.max(since.getTime(), Math.min(...told) - lateMs))
    const end = isInForce(cron, Math.max(...told), newest) ? until : new Date(Math.max(...told))
    const found = scheduledTimes([{ cron, timezone: 'UTC' }], from, end, mostTimes)
    if (found === undefined) continue
    read += 1
    for (const time of found) times.add(time.getTime())
  }
  if (read > 0) return { by: 'schedule', times: [...times].sort((a, b) => a - b).map((time) => new Date(time)) }
  return { by: 'day', times: daysOf(runs, since, now) }
}

function timeOf({ startedAt }: RunRecord): number {
  return Date.parse(startedAt)
}

/** Whether a line still counts after its last run: when the newest run of all came no later than two of its own turns after that. */
function isInForce(cron: string, last: number, newest: number): boolean {
  const [, second] = nextTimes([{ cron, timezone: 'UTC' }], new Date(last), 2) ?? []
  return second === undefined || newest <= second.getTime() + lateMs
}

/** The beginnings of days from the first run on: whole ones, and that of today where something ran already. */
function daysOf(runs: readonly RunRecord[], since: Date, now: Date): Date[] {
  const first = runs.map(timeOf).filter((time) => time >= since.getTime())
  if (first.length === 0) return []
  const newest = Math.max(...first)
  const days: Date[] = []
  for (let at = Math.floor(Math.min(...first) / day) * day; at + day <= now.getTime() || at <= newest; at += day)
    days.push(new Date(at))
  return days
}
