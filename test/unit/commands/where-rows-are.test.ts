import { expect, test } from 'vitest'
import type { Contents } from '../../../src/archive/contents.ts'
import { whereRowsAre } from '../../../src/commands/where-rows-are.ts'
import { UserError } from '../../../src/errors.ts'
import { readHistory } from '../../../src/history/entries.ts'
import { whereRows } from '../../../src/ui/summary/where-rows.ts'
import { day, earlierBackup } from '../../kit/history.ts'
import { place } from '../../kit/memory-place.ts'
import { factsOf, table } from '../history/facts.ts'

const files = [{ name: 'contents.json.zst', bytes: 100, sha256: '0'.repeat(64) }]
const night = (ageMs: number, more: Parameters<typeof earlierBackup>[1] = {}) =>
  earlierBackup(ageMs, { files, ...more })

test('T23: the latest backups are looked into for the rows of the tables that were asked for', async () => {
  const nights = [
    night(day / 24),
    night(day),
    night(2 * day, { status: 'partial' }),
    night(3 * day, { kind: 'safety' }),
    ...Array.from({ length: 9 }, (_, index) => night((4 + index) * day))
  ]
  const rows = new Map(nights.map(({ ref }, index) => [ref.id, index === 0 ? '0' : '19599']))
  const locked = nights[4]?.ref.id
  const found = await whereRowsAre(
    ['public.orders', 'other.*'],
    await readHistory(place(nights).destination, new Date()),
    async ({ ref, manifest }) => {
      if (ref.id === locked) throw new UserError('SB508', 'Another key.')
      const tables = [
        table('public', 'orders', { rows: rows.get(ref.id) ?? null }),
        table('public', 'customers', { rows: '5' })
      ]
      const { createdAt = '' } = manifest ?? {}
      return { createdAt, id: ref.id, database: factsOf({ tables }) } as unknown as Contents
    },
    new Date()
  )
  expect(found).toHaveLength(10)
  expect(found.map(({ backupId }) => backupId)).not.toContain(nights[3]?.ref.id)
  expect(
    found.slice(0, 4).map(({ tables, doubt }) => [tables?.map((one) => `${one.table} ${one.rows}`), doubt])
  ).toEqual([
    [['public.orders 0'], null],
    [['public.orders 19599'], null],
    [['public.orders 19599'], 'it is partial'],
    [undefined, null]
  ])
  const text = whereRows(found, nights[0]?.ref.id)
  expect(text).toMatch(/^### Where your rows are/)
  expect(text).toMatch(
    /\| \*\*0\*\* \| ◂ this one \|\n.*\| 19\u202f599 \| {2}\|\n.*\| 19\u202f599 \| it is partial \|\n.*\| \? \|/
  )
  expect(whereRows([], undefined)).toBe('')
})
