import { once } from 'node:events'
import pg, { type QueryResult, type QueryResultRow } from 'pg'
import { asError, cancelled, UserError } from '../../errors.ts'
import { type CancelKey, cancelMs, sendCancel } from './cancel-statement.ts'
import type { Connection, ConnectionTarget } from './connection.ts'
import { copyIn } from './copy-in.ts'
import { copyOut } from './copy-out.ts'
import type { guardMessages } from './message-guard.ts'
import { serverErrorOf, statementError } from './server-error.ts'
import { type EstablishedTls, type Resolve, systemResolve } from './socket.ts'

export interface SessionOptions {
  /** Ends the session. */
  readonly signal: AbortSignal
  readonly resolve?: Resolve
}

/** A client of the driver that takes nothing from this process's environment (PGOPTIONS, PGPASSWORD, PGSSLMODE, ~/.pgpass...). */
export function driver(
  target: ConnectionTarget,
  stream: ReturnType<typeof guardMessages>,
  applicationName: string
): pg.Client {
  const client = new pg.Client({
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    password:
      target.password ??
      (() => {
        throw new UserError(
          'SB124',
          `The database at ${target.host}:${target.port} asks for a password, and the connection string has none.`
        )
      }),
    ssl: false,
    sslnegotiation: 'postgres',
    stream: () => stream,
    types: { getTypeParser }
  })
  // The driver fills what is missing in its start-up packet from the environment: the packet is given whole.
  const packet = {
    user: target.user,
    database: target.database,
    application_name: applicationName,
    client_encoding: 'UTF8',
    ...(target.options === undefined ? {} : { options: target.options })
  }
  return Object.assign(client, { getStartupConf: () => packet })
}

/** Types that do not stay text, by their OIDs: bool, int2, int4, oid, text[], name[], int4[], oid[]. */
const parsedTypes = new Set([16, 21, 23, 26, 1009, 1003, 1007, 1028])

const getTypeParser = ((oid: number) =>
  parsedTypes.has(oid)
    ? pg.types.getTypeParser(oid, 'text')
    : (value: string) => value) as typeof pg.types.getTypeParser

/**
 * Settings of every session, set by SQL since poolers do not hand start-up options on (Supavisor, db_handler.ex). One round trip.
 *
 * - No limits of time: a role or database may have some of a few seconds.
 * - Text that means the same everywhere: UTC, ISO, postgres intervals, hex; extra_float_digits 1 gives floats their shortest exact text on every
 *   server since 12 (any value above 0 does), so that hashes of rows are equal on another server.
 * - search_path without user schemas, so that no user's function or operator takes the place of a built-in one.
 * - row_security off: rows that a policy would hide become an error.
 * - client_connection_check_interval: a server notices within seconds that a killed run is gone.
 */
const sessionSettings = [
  'SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET client_min_messages = error',
  "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET quote_all_identifiers = off; SET jit = off",
  "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; SET bytea_output = 'hex'",
  'SET search_path = pg_catalog; SET row_security = off',
  `SELECT pg_catalog.set_config(name, case name when 'client_connection_check_interval' then '5s' else '0' end, false)
     FROM pg_catalog.pg_settings
    WHERE name IN ('transaction_timeout', 'idle_session_timeout')
       OR name = 'client_connection_check_interval' AND pg_catalog.version() LIKE '%linux%'`,
  `SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.current_setting('server_version_num')::int AS number,
          pg_catalog.current_setting('server_version') AS version`
].join('; ')

interface SessionRow extends QueryResultRow {
  readonly pid: number
  readonly number: number
  readonly version: string
}

/** Listens from before the login on; the function returned sets the session up and makes the `Connection`. */
export function openSession(
  client: pg.Client,
  guard: ReturnType<typeof guardMessages>,
  target: ConnectionTarget,
  tls: EstablishedTls,
  options: SessionOptions
): () => Promise<Connection> {
  const broken = new AbortController()
  let closing = false
  let running = 0
  let cursors = 0
  let queue: Promise<unknown> = Promise.resolve()
  let cancelKey: CancelKey | undefined
  let cause: Error | undefined

  const lost = (error?: Error) => {
    cause ??= error
    if (!closing && !broken.signal.aborted) broken.abort(connectionLost(target, cause))
  }
  client.on('error', lost)
  client.on('end', () => lost())
  client.connection.on('backendKeyData', (key: CancelKey) => {
    cancelKey = key
  })

  /** Ends a statement at the server, too: it would otherwise notice only when it sends rows. Best effort within 2 s. */
  async function cancelStatement(): Promise<void> {
    if (cancelKey === undefined || running === 0) return
    await sendCancel(target, cancelKey, tls, options.resolve ?? systemResolve).catch(() => undefined)
  }

  const aborted = () => {
    void cancelStatement().finally(() => guard.destroy(cancelled(options.signal)))
  }

  function run(sql: string, parameters: readonly unknown[]): Promise<QueryResult | QueryResult[]> {
    return answered(() => (parameters.length === 0 ? client.query(sql) : client.query(sql, [...parameters])))
  }

  async function answered<T>(ask: () => Promise<T>): Promise<T> {
    options.signal.throwIfAborted()
    broken.signal.throwIfAborted()
    running += 1
    try {
      return await ask()
    } catch (thrown) {
      if (options.signal.aborted) throw cancelled(options.signal)
      const server = serverErrorOf(thrown)
      if (server !== undefined) throw statementError(server)
      if (thrown instanceof UserError) throw thrown
      throw connectionLost(target, asError(thrown))
    } finally {
      running -= 1
    }
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = queue.then(work, work)
    queue = turn.catch(() => undefined)
    return turn
  }

  async function rowsOf<R extends QueryResultRow>(sql: string, parameters: readonly unknown[]): Promise<R[]> {
    const result = await inTurn(() => run(sql, parameters))
    const last = Array.isArray(result) ? result.at(-1) : result
    return (last?.rows ?? []) as R[]
  }

  async function* stream<R extends QueryResultRow>(
    sql: string,
    parameters: readonly unknown[] = [],
    batch = 1000
  ): AsyncGenerator<R> {
    cursors += 1
    const name = `supabase_backup_${cursors}`
    await rowsOf(`DECLARE ${name} NO SCROLL CURSOR FOR ${sql}`, parameters)
    let failed = false
    try {
      for (;;) {
        const rows = await rowsOf<R>(`FETCH FORWARD ${Math.max(1, Math.trunc(batch))} FROM ${name}`, [])
        if (rows.length === 0) return
        yield* rows
      }
    } catch (error) {
      failed = true
      throw error
    } finally {
      // After an error the transaction is void and the cursor with it.
      if (!failed && !broken.signal.aborted && !closing) await rowsOf(`CLOSE ${name}`, [])
    }
  }

  async function* rowsOut(sql: string): AsyncGenerator<Uint8Array> {
    const copy = copyOut(sql)
    const finished = inTurn(() => answered(() => client.query(copy).done))
    // It is awaited below; until then its rejection ends the rows.
    finished.catch(() => undefined)
    try {
      yield* copy.chunks
    } finally {
      copy.discard()
    }
    await finished
  }

  async function close(): Promise<void> {
    if (closing) return
    closing = true
    options.signal.removeEventListener('abort', aborted)
    await cancelStatement()
    if (!guard.destroyed) {
      const ended = once(guard, 'close').catch(() => undefined)
      const timer = setTimeout(() => guard.destroy(), cancelMs)
      client.end().catch(() => undefined)
      await ended
      clearTimeout(timer)
    }
  }

  return async () => {
    const [row] = await rowsOf<SessionRow>(sessionSettings, [])
    if (row === undefined) throw connectionLost(target, new Error('the server does not say its version'))
    options.signal.throwIfAborted()
    options.signal.addEventListener('abort', aborted, { once: true })
    return {
      pid: row.pid,
      versionNumber: row.number,
      version: row.version,
      tls,
      broken: broken.signal,
      query: (sql, parameters = []) => rowsOf(sql, parameters),
      stream,
      copyOut: rowsOut,
      copyIn: (sql, rows) => inTurn(() => answered(() => client.query(copyIn(sql, rows)).done)),
      close
    }
  }
}

function connectionLost(target: ConnectionTarget, cause: Error | undefined): UserError {
  if (cause instanceof UserError) return cause
  if (cause !== undefined && /^Received unexpected|^received invalid/.test(cause.message)) {
    return new UserError(
      'SB121',
      `What answers at ${target.host}:${target.port} is no sound PostgreSQL server: ${cause.message}`,
      { cause }
    )
  }
  const why = cause === undefined || /^Connection terminated|^Client /.test(cause.message) ? '' : `: ${cause.message}`
  return new UserError('SB120', `The connection to ${target.host}:${target.port} broke${why}.`, {
    cause,
    mayPass: true
  })
}
