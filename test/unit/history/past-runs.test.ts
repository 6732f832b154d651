import { describe, expect, test } from 'vitest'
import type { Manifest } from '../../../src/archive/manifest.ts'
import { egressAlarm, reckonEgress } from '../../../src/history/egress.ts'
import type { HistoryEntry } from '../../../src/history/entries.ts'
import { gapsOf } from '../../../src/history/gaps.ts'
import { type PastRun, pastRuns, rememberedOf } from '../../../src/history/past-runs.ts'
import { day, entry, hour, now } from './histories.ts'

const run = (ageMs: number, egress: number | null = 100, counted = true): PastRun => ({
  at: new Date(now.getTime() - ageMs),
  egress,
  counted
})
const backup = (ageMs: number, facts: Partial<Manifest> = {}): HistoryEntry => {
  const createdAt = new Date(now.getTime() - ageMs).toISOString()
  return entry({ ageMs, manifest: { createdAt, ...facts } })
}

describe('what is remembered of earlier runs', () => {
  test('backups that keep rules removed are known from the manifest of a later one', () => {
    const removed = [run(2 * hour, 70), run(3 * hour, null), run(4 * hour, 90, false)]
    const there = backup(hour, {
      egress: { database: 5, storage: 2, management: 1 },
      past: rememberedOf(removed)
    })
    expect(pastRuns([there], now)).toEqual([run(hour, 8), ...removed])
  })

  test('a backup speaks for itself, once, in however many places it lies; what the manifest said of an older one does not stand against it', () => {
    const older = backup(2 * hour, { egress: { database: 9, storage: 0, management: 0 } })
    const newer = backup(hour, { past: rememberedOf([run(2 * hour, 1, false)]) })
    expect(pastRuns([newer, { ...newer, destination: 'release' }, older], now)).toEqual([
      run(hour, null),
      run(2 * hour, 9)
    ])
  })

  test('what counts for nothing is told as that: damaged, anomalous, a safety copy; what is changed or in the future is not told', () => {
    const told = pastRuns(
      [
        { ...backup(hour), damaged: true },
        backup(2 * hour, { status: 'anomalous' }),
        backup(3 * hour, { kind: 'safety' }),
        { ...backup(4 * hour), changed: true },
        backup(-3 * hour),
        backup(40 * day)
      ],
      now
    )
    expect(told).toEqual([1, 2, 3].map((hours) => run(hours * hour, null, false)))
  })

  test('an hourly record of five weeks stays small', () => {
    const hourly = Array.from({ length: 35 * 24 }, (_, index) => run((index + 1) * hour, 12_345_678))
    expect(JSON.stringify(rememberedOf(hourly)).length).toBeLessThan(25_000)
  })
})

describe('egress', () => {
  test('a month is the calendar month of UTC; what nobody counted is told', () => {
    // The histories of these tests end on 22 November.
    const told = reckonEgress(
      [run(hour, 10), run(day, null), run(21 * day, 40), run(22 * day, 1000)],
      5,
      undefined,
      now
    )
    expect(told).toMatchObject({ runBytes: 5, monthBytes: 55, uncounted: 1, budgetBytes: null })
  })

  test('the forecast goes by the last seven days: nightly, hourly, weekly', () => {
    const left = Date.UTC(2026, 11, 1) - now.getTime()
    const nightly = Array.from({ length: 20 }, (_, index) => run((index + 1) * day))
    expect(reckonEgress(nightly, 100, undefined, now).forecastBytes).toBe(Math.round(2100 + (100 * left) / day))
    const hourly = Array.from({ length: 24 * 10 }, (_, index) => run((index + 1) * hour))
    expect(reckonEgress(hourly, 100, undefined, now).forecastBytes).toBe(Math.round(24_100 + (100 * left) / hour))
    const weekly = [run(7 * day), run(14 * day)]
    expect(reckonEgress(weekly, 100, undefined, now).forecastBytes).toBe(Math.round(300 + (100 * left) / (7 * day)))
  })

  test('two by hand within an hour are no forecast of one an hour; a first backup has none', () => {
    const left = Date.UTC(2026, 11, 1) - now.getTime()
    expect(reckonEgress([run(hour)], 100, undefined, now).forecastBytes).toBe(Math.round(200 + (100 * left) / day))
    expect(reckonEgress([], 100, undefined, now).forecastBytes).toBeNull()
  })

  test.each([
    ['what is spent', [], 1000, 'the budget is spent'],
    ['what the next one would pass', [], 600, 'one more backup like this one'],
    ['what the month will pass', [run(day, 200)], 200, 'the budget is spent about 2026-11-25'],
    ['nothing, where it fits', [run(day, 10)], 10, undefined]
  ])('the alarm tells %s', (_, runs, bytes, says) => {
    const alarm = egressAlarm(reckonEgress(runs, bytes, 1000, now), now)
    if (says === undefined) expect(alarm).toBeUndefined()
    else expect(alarm).toContain(says)
  })
})

describe('gaps', () => {
  test('the largest, and what 95 of 100 keep to; the time since the newest is one of them', () => {
    const hourly = Array.from({ length: 40 }, (_, index) => run((index + 7) * hour))
    expect(gapsOf(hourly, now)).toEqual({
      backups: 40,
      since: new Date(now.getTime() - 46 * hour),
      p95Ms: hour,
      largestMs: 7 * hour,
      largestAfter: new Date(now.getTime() - 7 * hour)
    })
  })

  test('a run that did not count closes no gap; nothing that counted, no figure', () => {
    expect(gapsOf([run(hour), run(2 * hour, 1, false), run(9 * hour)], now)?.largestMs).toBe(8 * hour)
    expect(gapsOf([run(hour, 1, false)], now)).toBeUndefined()
    expect(gapsOf([], now)).toBeUndefined()
  })
})
