import { expect, test } from 'vitest'
import type { HistoryEntry } from '../../../src/history/entries.ts'
import { backupRows } from '../../../src/history/history-rows.ts'
import { day, entry, hour, now } from './histories.ts'

const rowOf = (one: HistoryEntry) => backupRows([one], now)[0]
const record = (outcome: 'passed' | 'failed', at: string): HistoryEntry['records'][number] => ({
  format: 1,
  id: 'a',
  project: 'shop',
  tool: 'supabase-backup 0.0.0',
  outcome,
  verification: { level: 'read', at, tables: { restore: 0, read: 0, differing: 0 }, notProven: [] }
})

test('a row says everything that is known of a backup', () => {
  expect(rowOf(entry({ id: 'a', ageMs: 2 * day, bytes: 70, counts: { rows: 12 } }))).toEqual({
    id: 'a',
    project: 'shop',
    createdAt: '2026-11-20T16:00:00.000Z',
    type: 'full',
    kind: 'scheduled',
    status: 'complete',
    verified: 'restore',
    verifiedAt: null,
    sizeBytes: 70,
    rows: 12,
    durationMs: 60_000,
    destination: 'folder',
    url: null,
    pinned: false,
    expiresAt: null
  })
  const more = {
    ...entry({ pinned: true }),
    verifiedAt: new Date('2026-11-21T00:00:00Z'),
    expiresAt: new Date('2026-12-21T00:00:00Z'),
    url: 'https://example.com/x',
    records: [record('failed', '2026-11-20T00:00:00.000Z'), record('passed', '2026-11-21T00:00:00.000Z')]
  }
  expect(rowOf(more)).toMatchObject({
    pinned: true,
    verifiedAt: '2026-11-21T00:00:00.000Z',
    expiresAt: '2026-12-21T00:00:00.000Z',
    url: 'https://example.com/x',
    latestVerification: { outcome: 'passed', level: 'read', at: '2026-11-21T00:00:00.000Z' }
  })
})

test('what is wrong with a backup is its status, and what is not known is null', () => {
  expect(rowOf(entry({ damaged: true }))?.status).toBe('damaged')
  expect(rowOf(entry({ manifest: { status: 'anomalous' } }))?.status).toBe('anomalous')
  expect(rowOf({ ...entry({ unreadable: true, damaged: true }), unreadable: 'install 9.0.0' })).toMatchObject({
    status: 'unreadable',
    type: null,
    kind: null,
    sizeBytes: null,
    rows: null,
    durationMs: null,
    note: 'install 9.0.0'
  })
  expect(rowOf(entry({ counts: {} }))?.rows).toBeNull()
  const storage = [{ source: 'storage' as const, status: 'captured' as const, counts: { rows: 5 } }]
  expect(rowOf(entry({ manifest: { parts: storage } }))?.rows).toBeNull()
  expect(rowOf(entry({ ageMs: -hour }))).not.toHaveProperty('future')
  expect(rowOf(entry({ ageMs: -2 * hour }))).toMatchObject({ future: true })
})

test('rows come newest first', () => {
  const ages = [3, 1, 2]
  expect(
    backupRows(
      ages.map((age) => entry({ id: String(age), ageMs: age * day })),
      now
    ).map(({ id }) => id)
  ).toEqual(['1', '2', '3'])
})
