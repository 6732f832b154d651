import { expect, test } from 'vitest'
import { filterRows, filterWords, type HistoryFilter, narrows } from '../../../src/history/filter.ts'
import type { BackupRow } from '../../../src/result.ts'

const none: HistoryFilter = { types: [], since: undefined }

function row(day: number, type: BackupRow['type'] = 'full'): BackupRow {
  return {
    id: `202611${String(day).padStart(2, '0')}T100000Z-aaaaaaaa`,
    project: 'shop',
    createdAt: `2026-11-${String(day).padStart(2, '0')}T10:00:00.000Z`,
    type,
    kind: 'scheduled',
    status: 'complete',
    verified: 'restore',
    verifiedAt: null,
    sizeBytes: 1,
    rows: 1,
    durationMs: 1,
    destination: 'folder',
    url: null,
    pinned: false,
    expiresAt: null
  }
}

const rows = [row(22), row(21, 'schema'), row(20, 'data'), row(19, null)]
const days = (filter: Partial<HistoryFilter>) =>
  filterRows(rows, { ...none, ...filter }).map(({ createdAt }) => Number(createdAt.slice(8, 10)))

test('all conditions hold together, and none hides nothing', () => {
  expect(days({})).toEqual([22, 21, 20, 19])
  expect(days({ types: ['schema', 'data'] })).toEqual([21, 20])
  expect(days({ since: new Date('2026-11-21T10:00:00Z') })).toEqual([22, 21])
  expect(days({ types: ['data'], since: new Date('2026-11-21T00:00:00Z') })).toEqual([])
})

test('what is asked for is said in words', () => {
  const since = new Date('2026-11-21T00:00:00Z')
  expect([narrows(none), narrows({ types: ['data'], since: undefined }), narrows({ types: [], since })]).toEqual([
    false,
    true,
    true
  ])
  expect(filterWords(none)).toEqual([])
  expect(filterWords({ types: ['full', 'data'], since })).toEqual([
    'type full or data',
    'since 2026-11-21T00:00:00.000Z'
  ])
})
