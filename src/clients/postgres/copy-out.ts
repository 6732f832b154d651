import type pg from 'pg'
import { asError } from '../../errors.ts'

/** Above this the server is not read from until somebody takes what is waiting. Bytes. */
const mostWaiting = 1024 * 1024

/**
 * `COPY ... TO STDOUT` as the driver runs a statement: `submit` and the handlers below are what it calls. Rows are read from the server as fast as they are
 * taken. Source: PostgreSQL, chapter 55, "COPY Operations".
 */
export interface CopyOut extends pg.Submittable {
  /** The rows, as they come; ends when there are none left, after a failure as well: `done` tells. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** Lets the rest pass by. */
  discard(): void
  /** Rejects with the server's error, or that of the connection. */
  readonly done: Promise<void>
}

export function copyOut(sql: string): CopyOut {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  promise.catch(() => undefined)
  const waiting: Uint8Array[] = []
  let bytes = 0
  let ended = false
  let discarding = false
  let failure: Error | undefined
  let wake: () => void = () => undefined
  let paused: pg.Connection | undefined

  const goOn = () => {
    paused?.stream.resume()
    paused = undefined
  }
  const end = () => {
    ended = true
    wake()
  }

  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = waiting.shift()
      if (chunk !== undefined) {
        bytes -= chunk.byteLength
        yield chunk
        continue
      }
      if (ended) return
      goOn()
      await new Promise<void>((woken) => {
        wake = woken
      })
    }
  }

  const handlers = {
    submit(connection: pg.Connection) {
      connection.query(sql)
    },
    handleCopyData({ chunk }: { readonly chunk: Buffer }, connection: pg.Connection) {
      if (discarding) return
      // The driver uses the memory again.
      waiting.push(Uint8Array.from(chunk))
      bytes += chunk.byteLength
      wake()
      if (bytes < mostWaiting || paused !== undefined) return
      paused = connection
      connection.stream.pause()
    },
    handleCommandComplete() {
      // The server is ready only after it.
    },
    handleError(error: unknown) {
      failure ??= asError(error)
      end()
      reject(failure)
    },
    handleReadyForQuery() {
      end()
      if (failure === undefined) resolve()
      else reject(failure)
    },
    handleEmptyQuery() {
      // Nothing was sent to the server that could be one.
    },
    handleRowDescription() {
      // A COPY has no rows to describe.
    },
    handleDataRow() {
      // See above.
    },
    handlePortalSuspended() {
      // Of the extended protocol only.
    }
  }
  return Object.assign(handlers, {
    chunks: chunks(),
    discard() {
      discarding = true
      waiting.length = 0
      bytes = 0
      goOn()
    },
    done: promise
  })
}
