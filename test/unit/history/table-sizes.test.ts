import { expect, test } from 'vitest'
import { fallsOf } from '../../../src/history/comparison.ts'
import { countsOfSizes, fallenTables, lossesOf } from '../../../src/history/table-sizes.ts'
import { factsOf, table } from './facts.ts'

/** Thousands are parted by a blank that does not break. */
const plain = (text: string) => text.replace(/[\u00a0\u2009\u202f]/g, ' ')
const counts = (...rows: number[]) => ({ userTables: rows.length, ...countsOfSizes(rows) })

test('numbers alone: how many hold nothing, how many lie in each power of ten, and what they hold', () => {
  expect(countsOfSizes([0, 0, 1, 9, 10, 999, 1000, 18_204])).toEqual({
    emptyTables: 2,
    tables1e0: 2,
    rows1e0: 10,
    tables1e1: 1,
    rows1e1: 10,
    tables1e2: 1,
    rows1e2: 999,
    tables1e3: 1,
    rows1e3: 1000,
    tables1e4: 1,
    rows1e4: 18_204
  })
})

test.each([
  ['a wiped table beside a large one', [1000, 100_000], [0, 100_000], { emptied: 1, shrunk: 0 }],
  ['a wiped table while a new one came with rows', [1000, 50], [0, 50, 70], { emptied: 0, shrunk: 1 }],
  ['half of a large table, past a power of ten', [18_204, 36_408], [9102, 18_204], { emptied: 0, shrunk: 1 }],
  ['a few rows less, past a power of ten', [1003, 5], [998, 5], { emptied: 0, shrunk: 0 }],
  ['a new table without rows', [10, 20], [10, 20, 0], { emptied: 0, shrunk: 0 }],
  ['a table that was dropped', [10, 2000], [10], { emptied: 0, shrunk: 0 }],
  ['growth', [10, 2000], [11, 30_000], { emptied: 0, shrunk: 0 }],
  ['all wiped', [10, 2000], [0, 0], { emptied: 2, shrunk: 0 }]
])('%s', (_what, before, now, losses) => {
  expect(lossesOf(counts(...now), [counts(...before)])).toEqual(losses)
})

test('a table that is empty now and then was not emptied, and older backups say nothing of sizes', () => {
  expect(lossesOf(counts(0, 5), [counts(3, 5), counts(0, 5)])).toEqual({ emptied: 0, shrunk: 0 })
  expect(lossesOf(counts(0, 5), [{ userTables: 2 }])).toEqual({ emptied: 0, shrunk: 0 })
})

test('tables that lost rows are named where their names may be, the greatest loss first', () => {
  const before = factsOf({
    tables: [
      table('public', 'orders', { rows: '18204' }),
      table('public', 'tags', { rows: '3' }),
      table('public', 'logs', { rows: '5000' })
    ]
  })
  const now = factsOf({
    tables: [
      table('public', 'orders', { rows: '0' }),
      table('public', 'tags', { rows: '2' }),
      table('public', 'logs', { rows: '4000' })
    ]
  })
  expect(fallenTables(before, now).map(plain)).toEqual([
    'public.orders holds 0 rows instead of 18 204',
    'public.logs holds 4 000 rows instead of 5 000'
  ])
})

test('what fell by more than a tenth, and less than is an alarm, is told', () => {
  const of = (rows: number) => ({
    parts: [{ source: 'database' as const, status: 'captured' as const, counts: { rows } }],
    sizeBytes: 1,
    durationMs: 1
  })
  expect(fallsOf(of(5600), [of(10_000)], 0.5).map(plain)).toEqual([
    '5 600 rows instead of 10 000 in the backup before: 44 % fewer'
  ])
  expect(fallsOf(of(9500), [of(10_000)], 0.5)).toEqual([])
  expect(fallsOf(of(4000), [of(10_000)], 0.5)).toEqual([])
})
