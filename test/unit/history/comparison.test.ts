import { describe, expect, test } from 'vitest'
import { alarmsOf, baselineOf, type Measures, median } from '../../../src/history/comparison.ts'
import { day, entry, now } from './histories.ts'

const measures = (counts: Readonly<Record<string, number>>, rest: Partial<Measures> = {}): Measures => ({
  parts: [{ source: 'database', status: 'captured', counts: { ...counts } }],
  sizeBytes: 10_000_000,
  durationMs: 60_000,
  ...rest
})
const usual = { userTables: 12, rows: 5000, authUsers: 300 }
const objects = (count: number): Measures['parts'] => [
  { source: 'storage', status: 'captured', counts: { objects: count } }
]
const kinds = (
  current: Measures,
  baseline: readonly Measures[] = [measures(usual), measures(usual), measures(usual)],
  limit = 0.5
) => alarmsOf(current, baseline, limit).map((alarm) => alarm.kind)

describe('T10, F73: alarms beside the median of the recent good backups', () => {
  test('none where nothing is known, or nothing has changed much', () => {
    expect(kinds(measures({ userTables: 0, rows: 0 }), [])).toEqual([])
    expect(kinds(measures({ userTables: 14, rows: 2600, authUsers: 151 }, { sizeBytes: 5_100_000 }))).toEqual([])
  })
  test.each([
    ['tables', measures({ ...usual, userTables: 11 }), '11 tables instead of 12'],
    ['rows', measures({ ...usual, rows: 2400 }), '2\u202f400 rows instead of 5\u202f000'],
    ['users', measures({ ...usual, authUsers: 0 }), '0 Auth users instead of 300'],
    ['bytes', measures(usual, { sizeBytes: 4_900_000 }), '4.90 MB stored instead of 10.0 MB'],
    ['size', measures(usual, { sizeBytes: 31_000_000 }), '31.0 MB stored, usually 10.0 MB'],
    ['duration', measures(usual, { durationMs: 600_000 }), 'took 10 min 00 s, usually 1 min 00 s']
  ])('%s', (kind, current, detail) => {
    expect(alarmsOf(current, [measures(usual), measures(usual), measures(usual)], 0.5)).toEqual([{ kind, detail }])
  })
  test('objects gone, and a source that is no longer backed up', () => {
    const before = [measures({}, { parts: objects(100) })]
    expect(kinds(measures({}, { parts: objects(40) }), before)).toEqual(['objects'])
    expect(kinds(measures({}, { parts: objects(60) }), before)).toEqual([])
    const skipped = measures(
      {},
      { parts: [{ source: 'storage', status: 'skipped', reason: 'no key was given', counts: {} }] }
    )
    expect(alarmsOf(skipped, before, 0.5)).toEqual([
      { kind: 'source', detail: 'storage was backed up before, and is not now: no key was given' }
    ])
  })
  test('Auth users that are not in the backup any more are as good as gone; unless they were not in the last one either', () => {
    const without = measures({ userTables: 12, rows: 5000 })
    expect(alarmsOf(without, [measures(usual)], 0.5)).toEqual([
      { kind: 'users', detail: 'Auth users were backed up before (300), and are not now' }
    ])
    expect(kinds(without, [without, measures(usual)])).toEqual([])
    expect(kinds(measures({}, { parts: [] }), [measures(usual)])).toEqual([])
  })
  test('bytes that are missing with a part that could not be had are told by that part', () => {
    const refused = measures(usual, { sizeBytes: 1_000_000 })
    const parts: Measures['parts'] = [...refused.parts, { source: 'functions', status: 'impossible', counts: {} }]
    expect(kinds(refused)).toEqual(['bytes'])
    expect(kinds({ ...refused, parts })).toEqual([])
  })
  test('the limit is the one given, and a total loss is told whatever it is', () => {
    expect(kinds(measures({ ...usual, rows: 4400 }), undefined, 0.1)).toEqual(['rows'])
    expect(kinds(measures({ ...usual, rows: 0 }), undefined, 1)).toEqual(['rows'])
  })
  test('leaps upwards need three backups and more than a trifle', () => {
    expect(kinds(measures(usual, { sizeBytes: 31_000_000 }), [measures(usual), measures(usual)])).toEqual([])
    const small = [1, 2, 3].map(() => measures(usual, { sizeBytes: 10_000, durationMs: 3000 }))
    expect(kinds(measures(usual, { sizeBytes: 900_000, durationMs: 200_000 }), small)).toEqual([])
  })
  test('one odd backup among the recent ones moves nothing', () => {
    expect(kinds(measures(usual), [measures({ ...usual, rows: 900_000 }), measures(usual), measures(usual)])).toEqual(
      []
    )
    expect([median([]), median([3]), median([5, 1]), median([9, 1, 4])]).toEqual([null, 3, 1, 4])
  })
})

describe('what a backup is compared with', () => {
  const ids = (entries: Parameters<typeof baselineOf>[0]) =>
    baselineOf(entries, 'full', now).map((manifest) => manifest.id)
  test('the newest five good ones of its type, each once', () => {
    const good = Array.from({ length: 7 }, (_, index) => entry({ id: `g${index}`, ageMs: (index + 1) * day }))
    const others = [
      entry({ manifest: { status: 'partial' } }),
      entry({ manifest: { status: 'anomalous' } }),
      entry({ manifest: { kind: 'safety' } }),
      entry({ manifest: { type: 'schema' } }),
      entry({ damaged: true }),
      entry({ unreadable: true }),
      entry({ ageMs: -3 * day })
    ].map((one) => ({ ...one, createdAt: one.manifest?.kind === 'safety' ? now : one.createdAt }))
    expect(ids([...good, ...others, ...good])).toEqual(['g0', 'g1', 'g2', 'g3', 'g4'])
  })
  test('an acknowledged anomaly is the new normal: what lies before it is not compared with', () => {
    const entries = [
      entry({ id: 'after', ageMs: 1 * day }),
      entry({ id: 'odd', ageMs: 2 * day, acknowledged: true, manifest: { status: 'anomalous' } }),
      entry({ id: 'before', ageMs: 3 * day })
    ]
    expect(ids(entries)).toEqual(['after', 'odd'])
  })
})
