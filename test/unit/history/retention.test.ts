import { describe, expect, test } from 'vitest'
import type { HistoryEntry } from '../../../src/history/entries.ts'
import {
  bytesOf,
  counts,
  planRetention,
  type RetentionRules,
  unacknowledged,
  weekOf
} from '../../../src/history/retention.ts'
import { day, entry, hour, now } from './histories.ts'

export const noRules: RetentionRules = {
  last: undefined,
  hourly: undefined,
  daily: undefined,
  weekly: undefined,
  monthly: undefined,
  yearly: undefined,
  withinMs: undefined,
  maxBytes: undefined
}

const ids = (entries: readonly HistoryEntry[]) => entries.map((one) => one.ref.id)
const plan = (entries: readonly HistoryEntry[], rules: Partial<RetentionRules>) =>
  planRetention(entries, { ...noRules, ...rules }, now)
const kept = (entries: readonly HistoryEntry[], rules: Partial<RetentionRules>) =>
  plan(entries, rules)
    .filter((verdict) => verdict.keep)
    .map((verdict) => verdict.entry.ref.id)
const daily = (count: number, firstDay = 2) =>
  Array.from({ length: count }, (_, index) => entry({ id: `d${firstDay + index}`, ageMs: (firstDay + index) * day }))

describe('rules', () => {
  test('keep-last keeps the newest so many, and says which rule keeps each', () => {
    const verdicts = plan(daily(5), { last: 2 })
    expect(verdicts.map(({ keep }) => keep)).toEqual([true, true, false, false, false])
    expect(verdicts[1]?.reasons).toEqual(['keep-last 2 of 2'])
    expect(verdicts[4]?.reasons).toEqual(['no rule keeps it'])
  })

  test('hourly keeps the newest of each of the last so many hours that have one', () => {
    const entries = [
      entry({ id: 'late', ageMs: 2 * day + 5 * 60_000 }),
      entry({ id: 'early', ageMs: 2 * day + 50 * 60_000 }),
      entry({ id: 'hour-before', ageMs: 2 * day + 70 * 60_000 }),
      entry({ id: 'day-before', ageMs: 3 * day + 5 * 60_000 })
    ]
    expect(kept(entries, { hourly: 3 })).toEqual(['late', 'hour-before', 'day-before'])
    expect(plan(entries, { hourly: 1, daily: 1 })[0]?.reasons).toContain(
      `keep-hourly ${entries[0]?.createdAt.toISOString().slice(0, 13)}:00`
    )
  })

  test('daily, weekly, monthly and yearly keep the newest of each of the last so many that have one', () => {
    const entries = [
      entry({ id: 'noon', ageMs: 2 * day + 4 * hour }),
      entry({ id: 'morning', ageMs: 2 * day + 8 * hour }),
      entry({ id: 'before', ageMs: 5 * day }),
      entry({ id: 'october', ageMs: 40 * day }),
      entry({ id: 'october-too', ageMs: 41 * day }),
      entry({ id: 'last-year', ageMs: 400 * day })
    ]
    expect(kept(entries, { daily: 2 })).toEqual(['noon', 'before'])
    expect(kept(entries, { weekly: 2 })).toEqual(['noon', 'october'])
    expect(kept(entries, { monthly: 2 })).toEqual(['noon', 'october'])
    expect(kept(entries, { yearly: 3 })).toEqual(['noon', 'last-year'])
    expect(kept(entries, { daily: 1, yearly: 2 })).toEqual(['noon', 'last-year'])
  })

  test('each rule says which place a backup takes', () => {
    const one = [entry({ ageMs: 400 * day })]
    const reasons = plan(one, { last: 3, daily: 1, weekly: 1, monthly: 1, yearly: 1, withinMs: 500 * day })[0]?.reasons
    expect(reasons).toEqual([
      'newest verified backup',
      'keep-last 1 of 3',
      'keep-daily 2025-10-18',
      'keep-weekly 2025-W42',
      'keep-monthly 2025-10',
      'keep-yearly 2025',
      'keep-within'
    ])
  })

  test('weeks are those of ISO 8601', () => {
    expect(weekOf(new Date('2026-12-31T12:00:00Z'))).toBe('2026-W53')
    expect(weekOf(new Date('2027-01-03T23:59:59Z'))).toBe('2026-W53')
    expect(weekOf(new Date('2027-01-04T00:00:00Z'))).toBe('2027-W01')
    expect(weekOf(new Date('2024-12-30T00:00:00Z'))).toBe('2025-W01')
  })

  test('keep-within is measured from now', () => {
    expect(kept(daily(5), { withinMs: 4 * day })).toEqual(['d2', 'd3', 'd4'])
  })

  test('keep-max-bytes removes the oldest until the rest fits, files shared by several counted once', () => {
    expect(kept(daily(5), { maxBytes: 3000 })).toEqual(['d2', 'd3', 'd4'])
    expect(kept(daily(5), { maxBytes: 1 })).toEqual(['d2'])
    const pack = [{ name: 'pack', bytes: 5000, sha256: '0'.repeat(64) }]
    const sharing = [2, 3, 4].map((age) => entry({ id: `s${age}`, ageMs: age * day, shared: pack }))
    expect(kept(sharing, { maxBytes: 8000 })).toEqual(['s2', 's3', 's4'])
    expect(kept(sharing, { maxBytes: 7999 })).toEqual(['s2', 's3'])
  })
})

describe('kept whatever the rules say', () => {
  const rules = { last: 1, maxBytes: 1 }
  test.each([
    ['newest verified backup', {}, true],
    ['pinned', { pinned: true }, true],
    ['younger than 24 hours', { ageMs: 23 * hour, manifest: { status: 'partial' as const } }, true],
    ['cannot be read by this version', { unreadable: true }, true],
    ['dated in the future', { ageMs: -2 * hour }, true],
    ['safety copy of the last 7 days', { ageMs: 6 * day, manifest: { kind: 'safety' as const } }, true],
    [
      'safety copy of more than 7 days',
      { ageMs: 8 * day, verified: 'none' as const, manifest: { kind: 'safety' as const } },
      false
    ],
    ['old, pinned no longer', { ageMs: 900 * day }, false]
  ])('%s', (reason, facts, keep) => {
    const one = entry({ id: 'one', ageMs: 30 * day, ...facts })
    const others = reason === 'newest verified backup' ? [] : [entry({ ageMs: 3 * day })]
    const verdict = plan([...others, one], rules).find((each) => each.entry === one)
    expect(verdict?.keep).toBe(keep)
    if (keep) expect(verdict?.reasons).toContain(reason)
  })

  test('T9: backups that do not count never push out one that does', () => {
    const good = daily(3, 10)
    const garbage = (facts: Parameters<typeof entry>[0]) =>
      Array.from({ length: 50 }, (_, index) => entry({ ageMs: 2 * day + index * hour, bytes: 10_000, ...facts }))
    for (const facts of [
      { verified: 'none' as const },
      { damaged: true },
      { manifest: { status: 'partial' as const } },
      { ageMs: -9 * day }
    ])
      expect(kept([...good, ...garbage(facts)], { last: 3, maxBytes: 3000 })).toEqual(expect.arrayContaining(ids(good)))
  })

  test('T9: one whose manifest was changed neither counts nor protects, whatever it says of itself', () => {
    const changed = { ...entry({ id: 'changed', ageMs: 2 * day }), changed: true }
    const good = [entry({ id: 'good', ageMs: 5 * day }), entry({ id: 'older', ageMs: 6 * day })]
    const verdicts = plan([changed, ...good], { last: 1 })
    expect(verdicts.filter(({ keep }) => keep).map((verdict) => verdict.entry.ref.id)).toEqual(['changed', 'good'])
    expect(verdicts[0]?.reasons).toEqual(['newer than the newest backup that counts'])
    expect(verdicts[1]?.reasons).toContain('newest verified backup')
    const late = plan(
      [good[0], { ...changed, createdAt: new Date(0) }].filter((one) => one !== undefined),
      { last: 1 }
    )
    expect(late[1]).toMatchObject({ keep: false, reasons: [expect.stringContaining('its manifest was changed')] })
  })

  test('an old safety copy is not kept for being newer than the newest that counts', () => {
    const safety = entry({ id: 'safety', ageMs: 8 * day, manifest: { kind: 'safety' } })
    // Verified as it is, it is kept only as long as nothing newer is.
    const entries = [
      entry({ id: 'young', ageMs: 2 * day, manifest: { status: 'partial' } }),
      safety,
      entry({ id: 'good' })
    ]
    expect(kept(entries, { last: 5 })).toEqual(['young', 'good'])
  })

  test('without a complete, verified backup nothing goes', () => {
    const partial = entry({ ageMs: 9 * day, manifest: { status: 'partial' } })
    expect(
      plan([partial, entry({ ageMs: 10 * day, verified: 'none' })], { last: 1 }).map(({ reasons }) => reasons)
    ).toEqual([
      ['newest verified backup', 'no backup counts yet'],
      ['there is no complete, verified backup', 'no backup counts yet']
    ])
    const entries = Array.from({ length: 9 }, (_, index) => entry({ ageMs: (index + 2) * day, verified: 'none' }))
    expect(kept(entries, { last: 1, maxBytes: 1 })).toHaveLength(9)
  })
})

describe('why a backup does not count', () => {
  const old = { ageMs: 90 * day }
  const part = (status: 'partial' | 'impossible' | 'skipped') => ({
    parts: [{ source: 'storage' as const, status, counts: {} }]
  })
  test.each<[string, Parameters<typeof entry>[0]]>([
    ['its latest verification failed', { damaged: true }],
    ['it is a safety copy', { manifest: { kind: 'safety' } }],
    ['it is anomalous', { manifest: { status: 'anomalous' } }],
    ['it is partial', { manifest: { status: 'partial' } }],
    ['it is partial', { manifest: part('partial') }],
    ['it is partial', { manifest: part('impossible') }],
    ['it is partial', { acknowledged: true, manifest: { status: 'anomalous', ...part('partial') } }],
    ['it was not verified', { verified: 'none' }]
  ])('%s: %j', (why, facts) => {
    const good = entry({ ageMs: 3 * day })
    expect(plan([good, entry({ ...old, ...facts })], { last: 1 })[1]).toMatchObject({
      keep: false,
      reasons: [`no rule keeps it, and ${why}`]
    })
  })
  test('one with everything that was asked for does, whatever was left out by will, however far it was proven', () => {
    for (const facts of [
      { manifest: part('skipped') },
      { verified: 'checksum' as const },
      { verified: 'read' as const }
    ])
      expect(counts(entry({ ...old, ...facts }), now)).toBe(true)
    for (const facts of [{ unreadable: true }, { ageMs: -2 * hour }, { damaged: true }])
      expect(counts(entry({ ...old, ...facts }), now)).toBe(false)
    expect(counts(entry({ ageMs: -hour }), now)).toBe(true)
  })
})

describe('the borders of what is kept anyway', () => {
  const rest = [entry({ ageMs: 2 * day })]
  const keeps = (facts: Parameters<typeof entry>[0]) => {
    const one = entry({ verified: 'none', ...facts })
    return plan([...rest, one], { last: 1, maxBytes: 1 }).find((verdict) => verdict.entry === one)?.keep
  }
  test('a day, and seven for a safety copy', () => {
    const early = entry({ ageMs: 2 * day - 1 })
    expect(
      plan([early, entry({ ageMs: day - 1 }), entry({ ageMs: day })], { maxBytes: 1 }).map(({ keep }) => keep)
    ).toEqual([true, false, false])
    expect(keeps({ ageMs: 7 * day - 1, manifest: { kind: 'safety' } })).toBe(true)
    expect(keeps({ ageMs: 7 * day, manifest: { kind: 'safety' } })).toBe(false)
  })
  test('keep-within holds to the last moment', () => {
    expect(
      kept([entry({ id: 'a', ageMs: 3 * day }), entry({ id: 'b', ageMs: 3 * day + 1 })], { withinMs: 3 * day })
    ).toEqual(['a'])
  })
  test('the newest verified one may be another than the newest that counts: both stay', () => {
    const entries = [
      entry({ id: 'partial', ageMs: 2 * day, manifest: { status: 'partial' } }),
      entry({ id: 'good', ageMs: 3 * day }),
      entry({ id: 'older', ageMs: 4 * day })
    ]
    const verdicts = plan(entries, { maxBytes: 1 })
    expect(verdicts.map(({ reasons }) => reasons[0])).toEqual([
      'newest verified backup',
      'newest verified backup that counts',
      'oldest, over keep-max-bytes'
    ])
  })
})

describe('keep-max-bytes with packs that backups share', () => {
  const file = (name: string, bytes: number) => ({ name, bytes, sha256: '0'.repeat(64) })
  const of = (id: string, age: number, shared: readonly string[], more: Parameters<typeof entry>[0] = {}) =>
    entry({ id, ageMs: age * day, bytes: 100, shared: shared.map((name) => file(name, 1000)), ...more })
  test('a pack goes with the last that needs it, and stays with a pinned one', () => {
    const entries = [of('new', 2, ['a']), of('mid', 3, ['b']), of('old', 4, ['b'])]
    expect(kept(entries, { maxBytes: 2300 })).toEqual(['new', 'mid', 'old'])
    expect(kept(entries, { maxBytes: 2299 })).toEqual(['new', 'mid'])
    expect(kept(entries, { maxBytes: 2199 })).toEqual(['new'])
    const pinned = [of('new', 2, ['a']), of('mid', 3, ['b']), of('old', 4, ['b'], { pinned: true })]
    // Without `mid` there are still 2,200 bytes: the pinned one holds the pack.
    expect(kept(pinned, { maxBytes: 2199 })).toEqual(['new', 'old'])
    expect(kept(pinned, { maxBytes: 2300 })).toEqual(['new', 'mid', 'old'])
    const more = [of('new', 2, ['a']), of('x', 2.5, []), ...pinned.slice(1)]
    expect(kept(more, { maxBytes: 2250 })).toEqual(['new', 'old'])
  })
  test('those that do not count go first, oldest first, and only until the rest fits', () => {
    const partial = { manifest: { status: 'partial' as const } }
    const entries = [
      of('good', 2, []),
      of('p3', 3, ['x'], partial),
      of('p4', 4, ['x'], partial),
      of('p5', 5, ['y'], partial),
      of('old', 6, [])
    ]
    const all = { last: 9 }
    expect(kept(entries, { ...all, maxBytes: 2500 })).toEqual(['good', 'p3', 'p4', 'p5', 'old'])
    expect(kept(entries, { ...all, maxBytes: 2499 })).toEqual(['good', 'p3', 'p4', 'old'])
    expect(kept(entries, { ...all, maxBytes: 1399 })).toEqual(['good', 'p3', 'old'])
    expect(kept(entries, { ...all, maxBytes: 1299 })).toEqual(['good', 'old'])
    expect(kept(entries, { ...all, maxBytes: 199 })).toEqual(['good'])
    expect(plan(entries, { ...all, maxBytes: 199 }).at(-1)?.reasons).toEqual(['oldest, over keep-max-bytes'])
  })
  test('a limit on the size alone keeps everything that fits, and beside another rule keeps nothing by itself', () => {
    expect(plan(daily(2), { maxBytes: 5000 }).map(({ reasons }) => reasons)).toEqual([
      ['newest verified backup', 'keep-max-bytes'],
      ['keep-max-bytes']
    ])
    expect(kept(daily(3), { maxBytes: 5000, last: 1 })).toEqual(['d2'])
    expect(kept(daily(3), { maxBytes: 5000, yearly: 1 })).toEqual(['d2'])
  })
  test('what is in no manifest that can be read takes no bytes', () => {
    expect(bytesOf([of('a', 2, ['x']), of('b', 3, ['x', 'y']), entry({ unreadable: true })])).toBe(2200)
    expect(bytesOf([])).toBe(0)
  })
})

describe('backups that do not count', () => {
  test('stay while they are newer than the newest that counts, or as long as the rules would keep them if they counted', () => {
    const entries = [
      entry({ id: 'p2', ageMs: 2 * day, manifest: { status: 'partial' } }),
      entry({ id: 'g4', ageMs: 4 * day }),
      entry({ id: 'p5', ageMs: 5 * day, manifest: { status: 'partial' } }),
      entry({ id: 'p6', ageMs: 6 * day, manifest: { status: 'partial' } }),
      entry({ id: 'g7', ageMs: 7 * day })
    ]
    expect(kept(entries, { last: 1 })).toEqual(['p2', 'g4'])
    expect(kept(entries, { last: 2 })).toEqual(['p2', 'g4', 'g7'])
    expect(kept(entries, { last: 3 })).toEqual(['p2', 'g4', 'p5', 'g7'])
    expect(plan(entries, { last: 3 })[2]?.reasons).toEqual(['keep-last 3 of 3, without counting: it is partial'])
  })
})

describe('anomalous backups', () => {
  const anomalous = (id: string, ageMs: number, acknowledged = false) =>
    entry({ id, ageMs, acknowledged, manifest: { status: 'anomalous' } })
  test('T10: each one stays open until it or a later one is acknowledged', () => {
    expect(ids(unacknowledged([entry(), anomalous('a1', 5 * day), anomalous('a2', 4 * day)]))).toEqual(['a2', 'a1'])
    expect(ids(unacknowledged([anomalous('a1', 5 * day, true), anomalous('a2', 4 * day)]))).toEqual(['a2'])
    expect(unacknowledged([anomalous('a1', 5 * day), anomalous('a2', 4 * day, true)])).toEqual([])
    // One in two places is one, and an acknowledgement covers those of its own moment.
    expect(ids(unacknowledged([anomalous('a1', 5 * day), anomalous('a1', 5 * day)]))).toEqual(['a1'])
    expect(unacknowledged([anomalous('a1', 5 * day), anomalous('a2', 5 * day, true)])).toEqual([])
    expect(unacknowledged([entry({ unreadable: true })])).toEqual([])
  })
  test('one that was acknowledged counts', () => {
    expect(kept([anomalous('a', 3 * day, true), ...daily(2, 4)], { last: 1 })).toEqual(['a'])
  })
})
