import { Buffer } from 'node:buffer'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { qualified, quoteIdentifier } from '../../catalog/quote.ts'
import { gathered } from '../../pg-archive/archive-reader.ts'
import type { CopiedColumns } from '../../pg-archive/copy-statement.ts'
import { isRefusal } from '../definitions/refusal.ts'
import { locksOfRows } from '../transactions/lock-budget.ts'
import { wholeRows } from './split-copy-rows.ts'
import type { SideSession } from './worker-sessions.ts'

/**
 * Several sessions that take rows side by side: those of one large table are shared among them where rows end, those of small tables go to whoever is free.
 * The tables must be there for all of them, and nothing counts before `end` has resolved.
 */
export interface Lanes {
  /** Hands over the rows of one table; resolves when they are under way. Rejects with `RowsFailed` when a session could not go on. */
  put(into: CopiedColumns, chunks: AsyncIterable<Uint8Array>): Promise<void>
  /**
   * Waits for all rows and ends the transactions; resolves with the rows of each table, and with those tables of which the server refused rows: whatever of
   * them came in over other sessions is there, too. Rejects as `put`.
   */
  end(): Promise<{
    readonly counts: ReadonlyMap<CopiedColumns, number>
    readonly refused: ReadonlyMap<CopiedColumns, unknown>
  }>
}

/** The rows of a table at which a session ended; `cause` is the server's error, or that of the connection. */
export class RowsFailed extends Error {
  override readonly name = 'RowsFailed'
  readonly into: CopiedColumns
  constructor(into: CopiedColumns, cause: unknown) {
    super('rows were refused', { cause })
    this.into = into
  }
}

/** Bytes that wait for one session. */
const mostWaiting = 1024 * 1024

/** Sends the rows of one table, or some of them; resolves with their number. */
export async function copyRows(
  connection: Connection,
  into: CopiedColumns,
  chunks: AsyncIterable<Uint8Array>
): Promise<number> {
  const columns = into.columns.length === 0 ? '' : ` (${into.columns.map(quoteIdentifier).join(', ')})`
  return await connection.copyIn(
    `COPY ${qualified({ schema: into.schema, name: into.table })}${columns} FROM STDIN`,
    chunks
  )
}

export function openLanes(sessions: readonly SideSession[]): Lanes {
  const counts = new Map<CopiedColumns, number>()
  const refused = new Map<CopiedColumns, unknown>()
  const failed = new AbortController()
  const lanes = sessions.map((session) =>
    openLane(session, (into, rows) => counts.set(into, (counts.get(into) ?? 0) + rows), refused, failed)
  )
  const free = () => lanes.toSorted((left, right) => left.waiting - right.waiting)[0]

  return {
    async put(into, chunks) {
      let lane = free()
      for await (const { bytes, whole } of wholeRows(chunks)) {
        failed.signal.throwIfAborted()
        if (refused.has(into)) return
        await lane?.add(into, bytes)
        // Whoever has room takes the next rows: a session stays with its table as long as it keeps up.
        if (whole && lane !== undefined && lane.waiting > mostWaiting / 2) lane = free()
      }
      failed.signal.throwIfAborted()
    },
    async end() {
      await Promise.all(lanes.map((lane) => lane.end()))
      failed.signal.throwIfAborted()
      return { counts, refused }
    }
  }
}

interface Lane {
  /** Bytes that wait. */
  readonly waiting: number
  /** Resolves when there is room for more. */
  add(into: CopiedColumns, bytes: Uint8Array): Promise<void>
  end(): Promise<void>
}

function openLane(
  { connection, begin, steps }: SideSession,
  copied: (into: CopiedColumns, rows: number) => void,
  refused: Map<CopiedColumns, unknown>,
  failed: AbortController
): Lane {
  /** Rows that wait, in memory of this lane's own that is used again and again. */
  const queue: { readonly into: CopiedColumns; readonly buffer: Buffer; used: number }[] = []
  const spare: Buffer[] = []
  let waiting = 0
  let ended = false
  let changed = Promise.withResolvers<void>()
  const tell = () => {
    changed.resolve()
    changed = Promise.withResolvers()
  }

  /** The piece that is next, as soon as there is one; undefined at the end. */
  async function next() {
    while (queue.length === 0 && !ended) await changed.promise
    return queue[0]
  }

  async function* rowsOf(into: CopiedColumns): AsyncGenerator<Uint8Array> {
    for (let piece = await next(); piece?.into === into; piece = await next()) {
      queue.shift()
      yield piece.buffer.subarray(0, piece.used)
      spare.push(piece.buffer)
      waiting -= piece.used
      tell()
    }
  }

  const work = (async () => {
    await begin()
    for (let piece = await next(); piece !== undefined; piece = await next()) {
      const { into } = piece
      if (refused.has(into)) {
        for await (const rows of rowsOf(into)) void rows
        continue
      }
      try {
        await steps.before(locksOfRows)
        await connection.query('savepoint rows')
        copied(into, await copyRows(connection, into, rowsOf(into)))
        await connection.query('release savepoint rows')
      } catch (error) {
        if (!isRefusal(error) || connection.broken.aborted) throw new RowsFailed(into, error)
        refused.set(into, error)
        await connection.query('rollback to savepoint rows; release savepoint rows')
      }
    }
    await connection.query('commit')
  })().catch((error: unknown) => {
    failed.abort(error)
    tell()
  })

  return {
    get waiting() {
      return waiting
    },
    async add(into, bytes) {
      const last = queue.at(-1)
      if (last?.into === into && last.used + bytes.byteLength <= last.buffer.length) {
        last.buffer.set(bytes, last.used)
        last.used += bytes.byteLength
      } else {
        const buffer = spare.pop() ?? Buffer.allocUnsafe(gathered)
        buffer.set(bytes)
        queue.push({ into, buffer, used: bytes.byteLength })
      }
      waiting += bytes.byteLength
      tell()
      while (waiting > mostWaiting && !failed.signal.aborted) await changed.promise
      failed.signal.throwIfAborted()
    },
    async end() {
      ended = true
      tell()
      await work
    }
  }
}
