import type { HistoryEntry } from './entries.ts'
import { youngMs } from './retention.ts'

/** A pause of this length in a history says nothing about a clock. */
const usualPauseMs = 14 * 24 * 60 * 60 * 1000

/**
 * How long ago, by this machine's clock, the last backup before today was made, where that is so long that the clock may be ahead: longer than two weeks
 * and than twice the widest gap so far. For places that tell no time of their own, and rules that measure from now. What this machine made today does
 * not count, since it carries the time of the same clock.
 */
export function pauseThatDoubtsTheClock(entries: readonly HistoryEntry[], now: Date): number | undefined {
  const times = entries.map(({ createdAt }) => createdAt.getTime()).sort((a, b) => b - a)
  const [newest] = times
  if (newest === undefined || newest > now.getTime()) return undefined
  const earlier = times.filter((time) => now.getTime() - time > youngMs)
  const [last] = earlier
  if (last === undefined) return undefined
  const widest = Math.max(0, ...earlier.slice(1).map((time, index) => (earlier[index] ?? time) - time))
  const pause = now.getTime() - last
  return pause > usualPauseMs && pause > 2 * widest ? pause : undefined
}
