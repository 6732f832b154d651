import type { TableFacts } from '../../../../archive/contents-database.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'
import type { RowsPlan } from '../plan/restore-plan.ts'
import type { Lanes } from '../rows/parallel-copy.ts'
import type { SideSession } from '../rows/worker-sessions.ts'
import type { Work } from '../work.ts'
import type { Batches, Steps } from './lock-budget.ts'

/** Rows that come in together. */
export interface RowGroup {
  readonly rows: readonly RowsPlan[]
  /** Where one transaction may end and the next begin: the mark must name what came into tables of the platform with the transaction that brought it. */
  readonly steps: Steps
  /** Large objects come with them. */
  readonly largeObjects: boolean
  /** Rows are shared among several sessions. */
  readonly lanes?: Lanes
}

/** How the phases of a restore are spread over transactions of the target: over one, or over several that take each other back. */
export interface Transactions {
  /** Where the work of a phase may end one transaction and begin the next. */
  readonly steps: Steps
  /** Says what is going to be made, before anything is. */
  leaveMarker(work: Work): Promise<void>
  /** Ends a phase that stands by itself. */
  between(): Promise<void>
  /** Rows in the groups that they come in before the last transaction, each asked for when the one before it is in. */
  groups(work: Work): AsyncIterable<RowGroup>
  /** Rows that come in with the last transaction. */
  lastRows(): readonly RowsPlan[]
  /** Whether an entry or a table waits for the last transaction. */
  isLate(entry: TocEntry): boolean
  isLateTable(table: TableFacts): boolean
  /** Sessions beside the first, and where several transactions are: what compares tables before the last one. */
  readonly apart: { readonly stages: Batches; readonly sessions: () => readonly SideSession[] } | null
  /** Begins the last transaction, in which everything is checked; nothing ends it but the caller. */
  last(): Promise<void>
  /** Takes the mark away. */
  removeMark(work: Work): Promise<void>
}
