import type { PastRun } from './past-runs.ts'

/** How long a project really was without a new backup. */
export interface Gaps {
  /** Backups that counted in that time. */
  readonly backups: number
  /** Since when. */
  readonly since: Date
  /** Nineteen of twenty gaps were no longer. */
  readonly p95Ms: number
  readonly largestMs: number
  /** The backup after which the largest gap came. */
  readonly largestAfter: Date
}

const lookBackMs = 30 * 24 * 60 * 60 * 1000

/** The gaps between the backups that counted in the last 30 days, up to now; undefined while there is none. `runs`: of ONE project. */
export function gapsOf(runs: readonly PastRun[], now: Date): Gaps | undefined {
  const times = runs
    .filter(({ at, counted }) => counted && now.getTime() - at.getTime() <= lookBackMs)
    .map(({ at }) => at)
    .toSorted((a, b) => a.getTime() - b.getTime())
  const first = times[0]
  if (first === undefined) return undefined
  const gaps = times
    .map((at, index) => ({ after: at, ms: (times[index + 1] ?? now).getTime() - at.getTime() }))
    .toSorted((a, b) => a.ms - b.ms)
  const largest = gaps.at(-1)
  const p95 = gaps[Math.ceil(gaps.length * 0.95) - 1]
  if (largest === undefined || p95 === undefined) return undefined
  return { backups: times.length, since: first, p95Ms: p95.ms, largestMs: largest.ms, largestAfter: largest.after }
}
