import type { QueryResultRow } from 'pg'
import type { TlsPolicy } from './tls.ts'

/** Everything needed to reach one database, taken apart; the password never leaves it but into a password file for libpq. */
export interface ConnectionTarget {
  /** Name, address, or the absolute path of a socket's folder. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string | undefined
  readonly database: string
  readonly tls: TlsPolicy
  /** `options` that a pooler needs to find the tenant (`reference=<ref>`). */
  readonly options?: string
  /** Milliseconds for one try from the first packet to the end of the login (30,000 when left out). */
  readonly connectTimeoutMs?: number
}

/** One open connection: statements run one after the other. */
export interface Connection {
  /** Backend's process id, asked of the server itself: behind a pooler the driver only knows the pooler's. */
  readonly pid: number
  /** `server_version_num`: 150020, 170010. */
  readonly versionNumber: number
  /** `server_version` as the server says it. */
  readonly version: string
  /** How the connection is protected as established: `verify-full`, `verify-ca`, `require` (unchecked), `none`, `socket`. */
  readonly tls: string
  /**
   * Runs one statement with parameters and returns its rows (of the last statement, when `sql` holds several and no parameters). int2, int4, oid
   * arrive as numbers, bool as boolean, text[], name[], int4[], oid[] as arrays; everything else as the server's text (int8, numeric, dates, json).
   *
   * Throws a UserError with the server's message; `sqlStateOf(error)` tells the SQLSTATE. A connection that broke throws SB120 (`mayPass`), a
   * signal that fired its reason.
   */
  query<R extends QueryResultRow = QueryResultRow>(sql: string, parameters?: readonly unknown[]): Promise<R[]>
  /** Rows in batches through a cursor, for results that may be large. Needs an open transaction. */
  stream<R extends QueryResultRow = QueryResultRow>(
    sql: string,
    parameters?: readonly unknown[],
    batch?: number
  ): AsyncIterable<R>
  /**
   * Runs a `COPY ... FROM STDIN` and feeds it with `rows`; resolves with how many rows the server took. Nothing in `rows` is run as a statement. When `rows`
   * throws, the server voids the COPY, and that error is thrown here. Other errors are those of `query`.
   */
  copyIn(sql: string, rows: AsyncIterable<Uint8Array>): Promise<number>
  /** Runs a `COPY ... TO STDOUT` and gives what the server sends. Whoever stops before the end lets the rest pass by. Errors are those of `query`. */
  copyOut(sql: string): AsyncIterable<Uint8Array>
  /** Fires (once) when the connection broke by itself. */
  readonly broken: AbortSignal
  /** Closes; a statement that still runs is cancelled at the server. Never throws. */
  close(): Promise<void>
}
