import { factsOfKind } from '../../pg-archive/kinds.ts'
import { singleTransaction } from './lock-budget.ts'
import type { Transactions } from './transactions.ts'

const nothing = () => Promise.resolve()

/** Everything in the one transaction that is open: it is taken back as a whole, so that no mark is needed and nothing waits. */
export const single: Transactions = {
  steps: singleTransaction,
  leaveMarker: nothing,
  between: nothing,
  async *groups({ journal: { plan, loaded } }) {
    const refused = new Set(loaded.flatMap((part) => [...part.refused]))
    const rows = plan.rows.filter(({ entry }) => !refused.has(entry.id))
    const objects = plan.entries.some(({ kind }) => factsOfKind(kind).isLargeObject)
    yield { rows, largeObjects: objects, steps: singleTransaction }
  },
  lastRows: () => [],
  isLate: () => false,
  isLateTable: () => false,
  apart: null,
  last: nothing,
  removeMark: nothing
}
