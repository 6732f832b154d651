import type pg from 'pg'

/** What one `COPY ... TO STDOUT` gave. */
export type Copied = readonly Buffer[]

/**
 * Runs several `COPY ... TO STDOUT` in one round trip and gives the lines of each. The driver has no such thing: `submit` and the handlers are what it calls.
 */
export function copyOut(client: pg.Client, statements: readonly string[]): Promise<Copied[]> {
  if (statements.length === 0) return Promise.resolve([])
  const { promise, resolve, reject } = Promise.withResolvers<Copied[]>()
  const done: Buffer[][] = []
  let current: Buffer[] = []
  let failure: Error | undefined
  const query = {
    submit(connection: pg.Connection): void {
      connection.query(statements.join(';\n'))
    },
    handleCopyData({ chunk }: { chunk: Buffer }): void {
      current.push(Buffer.from(chunk))
    },
    handleCommandComplete(): void {
      done.push(current)
      current = []
    },
    handleError(error: Error): void {
      failure = error
    },
    handleReadyForQuery(): void {
      if (failure === undefined) resolve(done)
      else reject(failure)
    },
    handleRowDescription: () => undefined,
    handleDataRow: () => undefined,
    handlePortalSuspended: () => undefined,
    handleEmptyQuery: () => undefined
  }
  client.query(query as pg.Submittable)
  return promise
}
