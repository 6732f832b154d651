import type pg from 'pg'
import { drained } from '../../drained.ts'
import { asError } from '../../errors.ts'

/** Bytes of a message's kind and length before its content. */
const head = 5

/**
 * `COPY ... FROM STDIN` as the driver runs a statement: `submit` and the handlers below are what it calls. Rows go out as fast as the server takes them, never
 * gathered. A source that fails makes the server void the whole COPY. Source: PostgreSQL, chapter 55, "COPY Operations".
 */
export interface CopyIn extends pg.Submittable {
  /** Rows that the server took. Rejects with the server's error, the source's error, or that of the connection. */
  readonly done: Promise<number>
}

export function copyIn(sql: string, rows: AsyncIterable<Uint8Array>): CopyIn {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  promise.catch(() => undefined)
  let failure: Error | undefined
  let taken = 0

  async function pump(connection: pg.Connection): Promise<void> {
    try {
      for await (const chunk of rows) {
        if (failure !== undefined) return
        const message = Buffer.allocUnsafe(head + chunk.byteLength)
        message[0] = 0x64
        message.writeUInt32BE(head - 1 + chunk.byteLength, 1)
        message.set(chunk, head)
        if (!connection.stream.write(message)) await drained(connection.stream)
      }
      if (failure === undefined) connection.stream.write(Buffer.from([0x63, 0, 0, 0, 4]))
    } catch (thrown) {
      failure ??= asError(thrown)
      const words = Buffer.from('the rows could not be read\0')
      const message = Buffer.alloc(head + words.length)
      message[0] = 0x66
      message.writeUInt32BE(head - 1 + words.length, 1)
      message.set(words, head)
      if (connection.stream.writable) connection.stream.write(message)
    }
  }

  const handlers = {
    submit(connection: pg.Connection) {
      connection.query(sql)
    },
    handleCopyInResponse(connection: pg.Connection) {
      void pump(connection)
    },
    handleCommandComplete(message: { readonly text?: string }) {
      taken = Number(/^COPY (\d+)$/.exec(message.text ?? '')?.[1] ?? '0')
    },
    handleError(error: Error) {
      // The source's own error says more than the server's word that the COPY was given up.
      failure ??= error
      reject(failure)
    },
    handleReadyForQuery() {
      if (failure === undefined) resolve(taken)
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
  return Object.assign(handlers, { done: promise })
}
