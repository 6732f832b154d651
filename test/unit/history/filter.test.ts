import { describe, expect, test } from 'vitest'
import { filterRows, filterWords, type HistoryFilter, narrows, sortRows } from '../../../src/history/filter.ts'
import type { BackupRow } from '../../../src/result.ts'

const none: HistoryFilter = {
  types: [],
  statuses: [],
  levels: [],
  since: undefined,
  until: undefined,
  text: undefined
}

function row(day: number, facts: Partial<BackupRow> = {}): BackupRow {
  return {
    id: `202611${String(day).padStart(2, '0')}T100000Z-aaaaaaaa`,
    project: 'shop',
    createdAt: `2026-11-${String(day).padStart(2, '0')}T10:00:00.000Z`,
    type: 'full',
    kind: 'scheduled',
    status: 'complete',
    verified: 'restore',
    verifiedAt: null,
    sizeBytes: day * 100,
    rows: 1,
    durationMs: 1000 * day,
    destination: 'folder',
    url: null,
    pinned: false,
    expiresAt: null,
    ...facts
  }
}

const rows = [
  row(5, { status: 'unreadable', type: null, kind: null, sizeBytes: null, durationMs: null, verified: 'none' }),
  row(4, { status: 'anomalous', verified: 'read', project: 'blog' }),
  row(3, { type: 'schema', pinned: true }),
  row(2, { status: 'damaged', verified: 'none', destination: 'release' }),
  row(1, { kind: 'safety' })
]
const days = (found: readonly BackupRow[]) => found.map((one) => Number(one.id.slice(6, 8)))
const found = (filter: Partial<HistoryFilter>) => days(filterRows(rows, { ...none, ...filter }))

describe('what the list shows', () => {
  test.each<[string, Partial<HistoryFilter>, number[]]>([
    ['nothing asked', {}, [5, 4, 3, 2, 1]],
    ['type', { types: ['full'] }, [4, 2, 1]],
    ['types', { types: ['schema', 'data'] }, [3]],
    ['status', { statuses: ['anomalous', 'damaged'] }, [4, 2]],
    ['unreadable ones', { statuses: ['unreadable'] }, [5]],
    ['verified', { levels: ['read', 'restore'] }, [4, 3, 1]],
    ['not verified', { levels: ['none'] }, [5, 2]],
    ['since, the moment itself too', { since: new Date('2026-11-03T10:00:00Z') }, [5, 4, 3]],
    ['until, the moment itself too', { until: new Date('2026-11-03T10:00:00Z') }, [3, 2, 1]],
    ['a span', { since: new Date('2026-11-02T00:00:00Z'), until: new Date('2026-11-03T23:59:59.999Z') }, [3, 2]],
    ['a word in any case', { text: 'BLOG' }, [4]],
    ['a word of the id', { text: '20261102t' }, [2]],
    ['all words in any order', { text: 'release  shop' }, [2]],
    ['words of which one is missing', { text: 'release blog' }, []],
    ['what is pinned', { text: 'pinned' }, [3]],
    ['what is a safety copy', { text: 'safety' }, [1]],
    ['text is text, no pattern', { text: '.*' }, []],
    ['all conditions at once', { types: ['full'], statuses: ['complete', 'anomalous'], text: 'folder' }, [4, 1]]
  ])('%s', (_name, filter, expected) => {
    expect(found(filter)).toEqual(expected)
    expect(narrows({ ...none, ...filter })).toBe(Object.keys(filter).length > 0)
  })

  test.each([
    ['newest', [5, 4, 3, 2, 1]],
    ['oldest', [1, 2, 3, 4, 5]],
    ['largest', [4, 3, 2, 1, 5]],
    ['smallest', [1, 2, 3, 4, 5]],
    ['slowest', [4, 3, 2, 1, 5]],
    ['project', [4, 5, 3, 2, 1]]
  ] as const)('%s', (order, expected) => {
    expect(days(sortRows(rows, order))).toEqual(expected)
  })

  test('what is not known comes last wherever it stood, and equal ones stay newest first', () => {
    const unknown = { sizeBytes: null, durationMs: null }
    const mixed = [
      row(6, unknown),
      row(5),
      row(4, unknown),
      row(3, { sizeBytes: 0, durationMs: 0 }),
      row(2, { sizeBytes: 500, durationMs: 5000 })
    ]
    expect(days(sortRows(mixed, 'largest'))).toEqual([5, 2, 3, 6, 4])
    expect(days(sortRows(mixed, 'smallest'))).toEqual([3, 5, 2, 6, 4])
    expect(days(sortRows(mixed, 'slowest'))).toEqual([5, 2, 3, 6, 4])
    const projects = [row(3, { project: 'b' }), row(2, { project: 'a' }), row(1, { project: 'b' })]
    expect(days(sortRows(projects, 'project'))).toEqual([2, 3, 1])
    expect(days(mixed)).toEqual([6, 5, 4, 3, 2])
  })

  test.each<[string, Partial<BackupRow>, string]>([
    ['its date', {}, '2026-11-05t10'],
    ['its type', { type: 'data' }, 'data'],
    ['its proof', { verified: 'checksum' }, 'checksum'],
    ['that it is dated in the future', { future: true }, 'dated in the future'],
    ['the remark', { note: 'its manifest is that of blog/x' }, 'that of BLOG/x']
  ])('a row is found by %s, and no other', (_what, facts, text) => {
    const all = [row(5, facts), row(4)]
    expect(days(filterRows(all, { ...none, text }))).toEqual([5])
    expect(days(filterRows(all, { ...none, text: 'undefined' }))).toEqual([])
    expect(days(filterRows(all, { ...none, text: 'null' }))).toEqual([])
  })

  test('tells in words what was asked for', () => {
    expect(
      filterWords({
        types: ['full', 'data'],
        statuses: ['anomalous'],
        levels: ['none'],
        since: new Date('2026-11-01T00:00:00Z'),
        until: new Date('2026-11-02T00:00:00Z'),
        text: 'a b'
      })
    ).toEqual([
      'type full or data',
      'status anomalous',
      'verified none',
      'since 2026-11-01T00:00:00.000Z',
      'until 2026-11-02T00:00:00.000Z',
      'text "a b"'
    ])
    expect(filterWords(none)).toEqual([])
  })
})
