import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { bytesOfEntries, entriesOfBytes } from '../../../src/archive/pool-index.ts'
import { openEntryTable } from '../../../src/history/compact-set.ts'

const entry = (number: number) => createHash('sha256').update(`entry ${number}`).digest('hex').slice(0, 32)
const entries = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => entry(from + at))

test('every entry is found with its number, the last one that it was added with, and no other is found', () => {
  const writer = openEntryTable()
  for (let pack = 0; pack < 30; pack++) writer.add(bytesOfEntries(entries(pack * 1000, pack * 1000 + 1000)), pack)
  writer.add(bytesOfEntries([entry(5), entry(29_999)]), 77)
  writer.add(new Uint8Array(), 78)
  const table = writer.close()
  for (let number = 0; number < 30_000; number++)
    expect(table.find(entry(number))).toBe(number === 5 || number === 29_999 ? 77 : Math.floor(number / 1000))
  for (let number = 30_000; number < 40_000; number++) expect(table.find(entry(number))).toBeUndefined()
  for (const wrong of ['', 'x', entry(1).slice(0, 30), `${entry(1)}00`]) expect(table.find(wrong)).toBeUndefined()
})

test('entries that begin alike are told apart by all of their digits', () => {
  const alike = Array.from({ length: 500 }, (_, number) => `ffff${String(number).padStart(28, '0')}`)
  const writer = openEntryTable()
  for (const [number, one] of alike.entries()) writer.add(bytesOfEntries([one]), number)
  const table = writer.close()
  for (const [number, one] of alike.entries()) expect(table.find(one)).toBe(number)
  expect(table.find(`ffff${'9'.repeat(28)}`)).toBeUndefined()
})

test('the empty table finds nothing', () => {
  expect(openEntryTable().close().find(entry(1))).toBeUndefined()
})

test('entries are the same after they were bytes', () => {
  expect(entriesOfBytes(bytesOfEntries(entries(0, 100)))).toEqual(entries(0, 100))
  expect(entriesOfBytes(bytesOfEntries([]))).toEqual([])
})
