import { describe, expect, test } from 'vitest'
import { anomaly } from '../../../src/commands/compare-with-history.ts'
import { alarmsOf, baselineOf, type Measures, measuresOf, median } from '../../../src/history/comparison.ts'
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
    const silent = measures({}, { parts: [{ source: 'storage', status: 'skipped', counts: {} }] })
    expect(alarmsOf(silent, before, 0.5).map(({ detail }) => detail)).toEqual([
      'storage was backed up before, and is not now: left out'
    ])
    // What was skipped before, or could not be had now, is no such alarm.
    expect(kinds(silent, [silent])).toEqual([])
    const impossible = measures({}, { parts: [{ source: 'storage', status: 'impossible', counts: {} }] })
    expect(kinds(impossible, before)).toEqual([])
    const partly = [measures({}, { parts: [{ source: 'storage', status: 'partial', counts: { objects: 100 } }] })]
    expect(kinds(silent, partly)).toEqual(['source'])
    expect(kinds(measures({}, { parts: objects(40) }), partly)).toEqual(['objects'])
  })
  test('Edge Functions that are gone', () => {
    const functions = (count: number): Measures =>
      measures({}, { parts: [{ source: 'functions', status: 'captured', counts: { functions: count } }] })
    expect(alarmsOf(functions(1), [functions(4)], 0.5)).toEqual([
      { kind: 'functions', detail: '1 Edge Functions instead of 4' }
    ])
    expect(kinds(functions(2), [functions(4)])).toEqual([])
  })
  test('at the limit itself nothing is alarming, a step over it everything is', () => {
    const three = [measures(usual), measures(usual), measures(usual)]
    expect(kinds(measures({ ...usual, rows: 2500, authUsers: 150 }, { sizeBytes: 5_000_000 }))).toEqual([])
    expect(kinds(measures({ ...usual, rows: 2499, authUsers: 149 }, { sizeBytes: 4_999_999 }))).toEqual([
      'rows',
      'users',
      'bytes'
    ])
    expect(kinds(measures(usual, { sizeBytes: 30_000_000, durationMs: 180_000 }), three)).toEqual([])
    // Three times as much, but less than a megabyte or five minutes more.
    const small = [1, 2, 3].map(() => measures(usual, { sizeBytes: 400_000, durationMs: 100_000 }))
    expect(kinds(measures(usual, { sizeBytes: 1_400_000, durationMs: 400_000 }), small)).toEqual([])
    expect(kinds(measures(usual, { sizeBytes: 1_400_001, durationMs: 400_001 }), small)).toEqual(['size', 'duration'])
    // As many as before of something that there was none of.
    expect(kinds(measures({ ...usual, rows: 0 }), [measures({ ...usual, rows: 0 })])).toEqual([])
    expect(kinds(measures(usual, { sizeBytes: 0 }), [measures(usual, { sizeBytes: 0 })])).toEqual([])
  })
  test('each number is looked for in the part of its own source, and only where that was taken', () => {
    const parts = (rows: number, status: 'captured' | 'impossible' = 'captured'): Measures['parts'] => [
      {
        source: 'config',
        status: 'captured',
        counts: { rows: 7, objects: 7, functions: 7, authUsers: 7, userTables: 7 }
      },
      { source: 'storage', status: 'captured', counts: { objects: 50, rows: 9 } },
      { source: 'database', status, counts: { rows } }
    ]
    const all = (rows: number, status?: 'captured' | 'impossible') => measures({}, { parts: parts(rows, status) })
    expect(alarmsOf(all(10), [all(1000)], 0.5)).toEqual([{ kind: 'rows', detail: '10 rows instead of 1\u202f000' }])
    // What a part that could not be had says of itself counts for nothing.
    expect(kinds(all(10, 'impossible'), [all(1000)])).toEqual([])
    expect(kinds(all(10), [all(1000, 'impossible')])).toEqual([])
    const some = measures(
      {},
      { parts: parts(10).toSpliced(1, 1, { source: 'storage', status: 'captured', counts: { objects: 1 } }) }
    )
    expect(alarmsOf(some, [all(10)], 0.5)).toEqual([{ kind: 'objects', detail: '1 Storage objects instead of 50' }])
  })
  test('a long run means little while few are known', () => {
    const long = measures(usual, { durationMs: 900_000 })
    expect(kinds(long, [measures(usual), measures(usual)])).toEqual([])
    expect(kinds(long)).toEqual(['duration'])
    // Six minutes more, and yet not three times as long.
    const slow = [1, 2, 3].map(() => measures(usual, { durationMs: 600_000 }))
    expect(kinds(measures(usual, { durationMs: 960_000 }), slow)).toEqual([])
  })
  test('none of the project had Auth users before: none are missed', () => {
    const none = measures({ ...usual, authUsers: 0 })
    expect(kinds(measures({ userTables: 12, rows: 5000 }), [none])).toEqual([])
    const impossible: Measures = measures({}, { parts: [{ source: 'database', status: 'impossible', counts: {} }] })
    expect(kinds(impossible, [measures(usual)])).toEqual([])
  })
  test('a stored backup is measured with the packs that it shares', () => {
    const pack = { name: 'objects-1.tar', bytes: 40, sha256: '0'.repeat(64) }
    const { manifest } = entry({ bytes: 7, shared: [pack, { ...pack, name: 'objects-2.tar', bytes: 2 }] })
    if (manifest === null) throw new Error('not reached')
    expect(measuresOf(manifest)).toEqual({
      parts: manifest.parts,
      sizeBytes: 49,
      compression: 'zstd',
      durationMs: 60_000
    })
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
  test('none that is partial, anomalous, a safety copy, of another type, damaged, unreadable or of the future', () => {
    const [good, other] = [entry({ id: 'good', ageMs: 5 * day }), entry({ id: 'other', ageMs: 6 * day })]
    const young = { ageMs: 2 * day }
    for (const useless of [
      entry({ ...young, manifest: { status: 'partial' } }),
      entry({ ...young, manifest: { status: 'anomalous' } }),
      entry({ ...young, manifest: { kind: 'safety' } }),
      entry({ ...young, manifest: { type: 'schema' } }),
      entry({ ...young, damaged: true }),
      entry({ ...young, unreadable: true }),
      entry({ ageMs: -2 * day }),
      // Acknowledging says something of an anomaly only.
      entry({ ...young, acknowledged: true, manifest: { status: 'partial' } })
    ])
      expect(ids([useless, other, good])).toEqual(['good', 'other'])
  })
  test('an acknowledgement counts in whichever place it was noted, and only for its own backup', () => {
    const odd = entry({ id: 'odd', ageMs: 2 * day, manifest: { status: 'anomalous' } })
    const there = { ...odd, destination: 'release' as const, acknowledged: true }
    expect(ids([odd, there, entry({ id: 'before', ageMs: 3 * day })])).toEqual(['odd'])
    const another = entry({ id: 'another', ageMs: 3 * day, acknowledged: true })
    expect(ids([odd, another])).toEqual(['another'])
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

test('what else is wrong with an anomalous backup is not hidden by that', () => {
  const error = anomaly(
    '20261122T161908Z-k2m7q5xa',
    [{ kind: 'rows', detail: '10 rows instead of 1000' }],
    ['It does not hold everything: storage is missing (SB802: no answer).']
  )
  expect(error.code).toBe('SB907')
  expect(error.message).toMatch(/10 rows instead of 1000\. It does not hold everything: storage is missing/)
})

test('another compression is no fall and no leap of the size', () => {
  const before = Array.from({ length: 4 }, () => measures(usual, { compression: 'zstd', sizeBytes: 100_000_000 }))
  for (const sizeBytes of [10_000_000, 900_000_000]) {
    expect(alarmsOf(measures(usual, { compression: 'gzip', sizeBytes }), before, 0.5)).toEqual([])
    expect(alarmsOf(measures(usual, { compression: 'zstd', sizeBytes }), before, 0.5)).toHaveLength(1)
  }
})
