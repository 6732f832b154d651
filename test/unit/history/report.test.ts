import { expect, test } from 'vitest'
import type { RunRecord } from '../../../src/archive/run-record.ts'
import { type ReportFacts, reportOf } from '../../../src/history/report.ts'

const now = new Date('2026-11-22T12:00:00Z')
const hour = 60 * 60 * 1000

function record(startedAt: string, change: Partial<RunRecord> = {}): RunRecord {
  return {
    kind: 'supabase-backup/run/1',
    project: 'shop',
    command: 'backup',
    event: 'made',
    startedAt: `2026-11-${startedAt}:00.000Z`,
    durationMs: 60_000,
    status: 'complete',
    level: 'restore',
    backup: `of ${startedAt}`,
    tool: 'supabase-backup 0.1.0',
    ...change
  }
}
const nightly = (startedAt: string, change: Partial<RunRecord> = {}) =>
  record(startedAt, { schedule: '17 3 * * *', ...change })
const failure = { event: 'failed', status: 'failed', level: 'none', error: 'SB101' } as const
const report = (records: readonly RunRecord[], facts: Partial<ReportFacts> = {}) =>
  reportOf({
    project: 'shop',
    records,
    entries: [],
    since: new Date('2026-11-01T00:00:00Z'),
    now,
    maxAgeMs: 26 * hour,
    ...facts
  })

test('nights are counted by the schedule that runs told of: made, failed, missed', () => {
  const found = report([
    nightly('17T03:31'),
    nightly('18T03:20'),
    nightly('19T04:02', failure),
    // A second try by hand saves the night.
    nightly('21T03:18', failure),
    record('21T09:00')
  ])
  expect(found.countedBy).toBe('schedule')
  expect(found.nights.map(({ at, came }) => `${at.slice(8, 16)} ${came}`)).toEqual([
    '17T03:17 made',
    '18T03:17 made',
    '19T03:17 failed',
    '20T03:17 missed',
    '21T03:17 made',
    '22T03:17 missed'
  ])
  expect(found).toMatchObject({ due: 6, made: 3, failed: 1, missed: 2 })
})

test('what is not late yet is not missed, and a line that others took the place of is due no more', () => {
  expect(report([nightly('21T03:20')], { now: new Date('2026-11-22T04:00:00Z') })).toMatchObject({ due: 1, missed: 0 })
  const moved = report([
    nightly('15T03:20'),
    nightly('16T03:20'),
    ...[17, 18, 19, 20, 21, 22].map((day) => record(`${day}T05:10`, { schedule: '5 5 * * *' }))
  ])
  expect(moved).toMatchObject({ due: 8, made: 8, missed: 0 })
})

test('without a schedule days count', () => {
  const found = report([record('19T10:00'), record('21T10:00')])
  expect(found).toMatchObject({ countedBy: 'day', due: 3, made: 2, missed: 1 })
  expect(report([record('22T10:00')])).toMatchObject({ due: 1, made: 1, missed: 0 })
})

test('the largest gap is between complete backups, up to now, and begins before the period where one lies there', () => {
  const found = report([
    record('10T03:00'),
    record('11T03:00', { status: 'partial' }),
    record('12T09:00'),
    record('22T03:00')
  ])
  expect(found.largestGap).toEqual({
    ms: 9 * 24 * hour + 18 * hour,
    from: '2026-11-12T09:00:00.000Z',
    until: '2026-11-22T03:00:00.000Z',
    met: false
  })
  const late = report([record('20T03:00'), record('22T11:00')], { since: new Date('2026-11-21T00:00:00Z') })
  expect(late.largestGap?.from).toBe('2026-11-20T03:00:00.000Z')
  expect(report([record('22T03:00')]).largestGap).toMatchObject({ ms: 9 * hour, met: true })
  expect(report([record('22T03:00', failure)]).largestGap).toBeNull()
})

test('an anomalous backup counts once somebody said that the change was intended, and who that was', () => {
  const anomalous = nightly('21T03:20', { status: 'anomalous', alarms: ['rows'], backup: 'a' })
  expect(report([nightly('20T03:20'), anomalous]).anomalies).toEqual([
    { backup: 'a', at: anomalous.startedAt, alarms: ['rows'], acknowledged: null }
  ])
  const told = report([
    nightly('20T03:20'),
    anomalous,
    nightly('22T03:20', { acknowledged: 'a', run: { actor: 'maria' } })
  ])
  expect(told.anomalies[0]?.acknowledged).toEqual({ at: '2026-11-22T03:20:00.000Z', by: 'maria' })
  expect(told.largestGap?.met).toBe(true)
})

test('times of restores and proofs, keys, levels and retention', () => {
  const found = report([
    record('01T03:00', { proofMs: 5000, keep: ['keep-daily: 3'], recipients: ['fp:1'] }),
    record('02T03:00', { proofMs: 9000, level: 'read', keep: ['keep-daily: 7'], recipients: ['fp:2'] }),
    record('03T03:00', { command: 'verify', event: 'verified', keyShown: true }),
    record('04T03:00', { command: 'restore', event: 'drilled', durationMs: 40_000 }),
    record('05T03:00', { command: 'restore', event: 'restored', durationMs: 20_000 }),
    record('06T03:00', { command: 'restore', event: 'restored', durationMs: 1, status: 'partial' }),
    record('07T03:00', { command: 'restore', event: 'failed', durationMs: 1, status: 'failed' })
  ])
  expect(found.restores).toEqual({ count: 2, medianMs: 20_000, longestMs: 40_000, last: '2026-11-05T03:00:00.000Z' })
  // What was only read took its time, too, and brought nothing back.
  expect(found.proofs).toMatchObject({ count: 1, longestMs: 5000 })
  expect(found.levels).toMatchObject({ restore: 1, read: 1 })
  expect(found).toMatchObject({
    keyShownAt: '2026-11-03T03:00:00.000Z',
    retention: ['keep-daily: 7'],
    recipients: ['fp:2']
  })
})

test('of a project of which nothing is known that is what is told', () => {
  expect(report([])).toMatchObject({ knownSince: null, due: 0, largestGap: null, restores: null, events: [] })
})
