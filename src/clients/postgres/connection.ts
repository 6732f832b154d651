import type { QueryResultRow } from 'pg'
import type { TlsPolicy } from './tls.ts'

/** Everything needed to reach one database, taken apart; the password never leaves it but into libpq's environment. */
export interface ConnectionTarget {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string | undefined
  readonly database: string
  readonly tls: TlsPolicy
  /** `options` that a pooler needs to find the tenant (`reference=<ref>`). */
  readonly options?: string
  readonly connectTimeoutMs?: number
}

/** One open connection: statements run one after the other. */
export interface Connection {
  /** Backend's process id. */
  readonly pid: number
  /** `server_version_num`: 150020, 170010. */
  readonly versionNumber: number
  /** `server_version` as the server says it. */
  readonly version: string
  /** How the connection is protected: `verify-full`, `require`, `none`, ... as established. */
  readonly tls: string
  /**
   * Runs one statement with parameters and returns its rows; integers of 8 bytes and numerics arrive as text. Throws a
   * UserError (SB1xx, SB2xx) with SQLSTATE and message of the server, `sqlState` in `cause`.
   */
  query<R extends QueryResultRow = QueryResultRow>(sql: string, parameters?: readonly unknown[]): Promise<R[]>
  /** Rows in batches through a cursor, for results that may be large. Needs an open transaction. */
  stream<R extends QueryResultRow = QueryResultRow>(sql: string, parameters?: readonly unknown[], batch?: number): AsyncIterable<R>
  /** Fires (once) when the connection broke by itself. */
  readonly broken: AbortSignal
  /** Closes. Never throws. */
  close(): Promise<void>
}
