import { describe, expect, test } from 'vitest'
import type { TocEntry } from '../../../../../../src/sources/database/pg-archive/toc.ts'
import { planReturning } from '../../../../../../src/sources/database/restore/plan/plan-returning.ts'
import { chosenEntries, holding } from '../../../../../kit/restore-plans.ts'
import { entry } from '../../../../../kit/toc-entries.ts'

const orders = entry({ kind: 'TABLE', tag: 'orders' })
const key = entry({ kind: 'CONSTRAINT', tag: 'orders orders_pkey', needs: [orders.id] })
const notes = entry({ kind: 'TABLE', tag: 'notes' })
const reference = entry({ kind: 'FK CONSTRAINT', tag: 'notes notes_order', needs: [notes.id, orders.id, key.id] })
const view = entry({ kind: 'VIEW', tag: 'open', needs: [orders.id] })
const grants = entry({ kind: 'ACL', tag: 'VIEW open', needs: [view.id] })
const entries = [orders, key, notes, view, grants, reference]

/** What comes back beside `orders`, which was chosen with its key, into a target that had `before`. */
function returning(before: readonly TocEntry[], platform: ReadonlySet<string> = new Set()): TocEntry[] {
  const chosen = chosenEntries([orders, key], { whole: false, everything: false })
  return planReturning(entries, chosen, new Set([orders.id, key.id]), holding(before), platform)
}

describe('what went with a table and was not chosen', () => {
  test('comes back when the target lost the table: views with their grants, keys of tables that are there', () => {
    expect(returning([notes])).toEqual([view, grants, reference])
  })

  test('stays away where its own table is gone, too', () => {
    expect(returning([])).toEqual([view, grants])
  })

  test('stays away where the target still has the table: somebody took it away on purpose', () => {
    expect(returning([orders, key, notes])).toEqual([])
  })

  test('is not made twice, and nothing is made in schemas of the platform', () => {
    expect(returning([notes, view, grants, reference])).toEqual([])
    expect(returning([notes], new Set(['public']))).toEqual([])
  })
})
