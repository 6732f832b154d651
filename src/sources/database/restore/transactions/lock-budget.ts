import type { Connection } from '../../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../../clients/postgres/server-error.ts'
import { UserError } from '../../../../errors.ts'
import { factsOfKind } from '../../pg-archive/kinds.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'

/** Where a restore may end one transaction of the target and begin the next one. */
export interface Steps {
  /** Locks that one transaction may take at most. */
  readonly most: number
  /** Called before work that takes about so many locks. */
  before(locks: number): Promise<void>
}

/** Everything in the one transaction that is open. */
export const singleTransaction: Steps = { most: Number.POSITIVE_INFINITY, before: () => Promise.resolve() }

export interface Batches extends Steps {
  /** Ends the open transaction and begins the next one. */
  next(): Promise<void>
}

/** Several transactions, none with more locks than it may hold. */
export function batchesOf(options: {
  readonly connection: Connection
  readonly most: number
  /** Begins a transaction with its settings. */
  readonly begin: () => Promise<void>
  /** Called in each transaction but the first before anything else, and in each but the last after everything else. */
  readonly atBegin: () => Promise<void>
  readonly atEnd: () => Promise<void>
}): Batches {
  const { connection, most, begin, atBegin, atEnd } = options
  let held = 0
  const next = async () => {
    await atEnd()
    await connection.query('commit')
    await begin()
    await atBegin()
    held = 0
  }
  return {
    most,
    next,
    async before(locks) {
      if (held > 0 && held + locks > most) await next()
      held += locks
    }
  }
}

/** What one transaction may take of the room that the server's settings promise: other sessions need theirs. */
export function locksPerBatch(mostLocks: number): number {
  return Math.max(Math.trunc(mostLocks * 0.4), 20)
}

/** Locks that making an object leaves held until the transaction ends, rather too many than too few. */
export function locksOf(entry: Pick<TocEntry, 'kind' | 'definition'>): number {
  if (entry.kind === 'BLOB METADATA') return Math.max(entry.definition.split('\n').length, 1)
  return factsOfKind(entry.kind).locks
}

/** Locks of reading or filling one table: itself, its TOAST table, their indexes. */
export const locksOfRows = 8

/** Locks that a restore would hold at its end if it were one transaction, at least. */
export function locksOfAll(entries: readonly Pick<TocEntry, 'kind'>[]): number {
  return entries.reduce((sum, entry) => sum + factsOfKind(entry.kind).leastLocks, 0)
}

/** Whether the server had no room for one more lock, wherever in the restore that was met. Source: PostgreSQL, lock.c. */
export function ranOutOfLocks(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof UserError && at.code === 'SB714') return true
    if (sqlStateOf(at) === '53200' && at.message.includes('out of shared memory')) return true
  }
  return false
}

export function tooManyLocks(cause: unknown): UserError {
  if (cause instanceof UserError && cause.code === 'SB714') return cause
  return new UserError('SB714', "The target's server ran out of room for locks.", { cause })
}
