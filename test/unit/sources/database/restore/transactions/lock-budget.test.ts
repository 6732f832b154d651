import { describe, expect, test } from 'vitest'
import {
  locksOf,
  locksOfAll,
  locksPerBatch
} from '../../../../../../src/sources/database/restore/transactions/lock-budget.ts'

describe('locks of a restore', () => {
  test('one transaction takes less than half of the room that the server promises, and never next to nothing', () => {
    expect(locksPerBatch(6400)).toBe(2560)
    expect(locksPerBatch(10)).toBe(20)
  })

  test('each entry is counted rather too high for one transaction, and rather too low for the whole', () => {
    const table = { kind: 'TABLE', definition: '' }
    expect(locksOf(table)).toBeGreaterThan(locksOfAll([table]))
    expect(locksOfAll([table, table, { kind: 'COMMENT' }, { kind: 'a kind to come' }])).toBe(2 * locksOfAll([table]))
    expect(locksOf({ kind: 'a kind to come', definition: '' })).toBe(1)
  })

  test('many large objects in one entry take a lock each', () => {
    expect(locksOf({ kind: 'BLOB METADATA', definition: '1\n2\n3' })).toBe(3)
  })
})
