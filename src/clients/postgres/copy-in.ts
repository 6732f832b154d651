import type pg from 'pg'
import { asError } from '../../errors.ts'

/** Bytes of a message's kind and length before its content. */
const head = 5

/** Writes parts in one go; resolves when the system has taken them or the stream failed, whose error is told elsewhere. */
function sent(stream: pg.Connection['stream'], parts: readonly Uint8Array[]): Promise<void> {
  return new Promise((resolve) => {
    stream.cork()
    for (const part of parts.slice(0, -1)) stream.write(part)
    stream.write(parts.at(-1), () => resolve())
    stream.uncork()
  })
}

/**
 * `COPY ... FROM STDIN` as the driver runs a statement: `submit` and the handlers below are what it calls. Rows go out as fast as the server takes them, never
 * gathered: the next are asked for when the system has those before, whose memory is free to be used again then. A source that fails makes the server void the whole COPY. Source: PostgreSQL, chapter 55, "COPY Operations".
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
        const message = Buffer.allocUnsafe(head)
        message[0] = 0x64
        message.writeUInt32BE(head - 1 + chunk.byteLength, 1)
        // Together, but not copied together: rows are most of what a restore moves.
        await sent(connection.stream, [message, chunk])
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
