import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import type { Clock } from '../../../context.ts'
import { cancelled, UserError } from '../../../errors.ts'
import { quoteLiteral } from '../catalog/quote.ts'

/** Opens one more connection to the same database. */
export type Connect = (signal: AbortSignal) => Promise<Connection>

/** One moment of the database that several connections look at. */
export interface Snapshot {
  /** As `pg_dump --snapshot` takes it. */
  readonly id: string
  readonly at: Date
  /** The connection whose open transaction keeps the snapshot. */
  readonly control: Connection
  /** One more connection inside the snapshot; null where the server has no connection left. */
  join(signal: AbortSignal): Promise<Connection | null>
  /** Fires with a UserError SB212 when the control connection broke. */
  readonly broken: AbortSignal
  /** Ends the transaction and closes the connection. Never throws. */
  close(): Promise<void>
}

/**
 * Settings that fix the text of values and definitions, so that they are equal on source and copy, and that let a long transaction
 * live whatever the role's own limits are (F15).
 */
export function sessionSettings(versionNumber: number, lockTimeoutMs: number): readonly (readonly [string, string])[] {
  return [
    ['search_path', ''],
    ['row_security', 'off'],
    ['statement_timeout', '0'],
    ['lock_timeout', String(lockTimeoutMs)],
    ['idle_in_transaction_session_timeout', '0'],
    ...(versionNumber >= 140000 ? [['idle_session_timeout', '0'] as const] : []),
    ...(versionNumber >= 170000 ? [['transaction_timeout', '0'] as const] : []),
    ['TimeZone', 'UTC'],
    ['DateStyle', 'ISO, YMD'],
    ['IntervalStyle', 'postgres'],
    ['extra_float_digits', '1'],
    ['bytea_output', 'hex'],
    ['xmlbinary', 'base64'],
    ['xmloption', 'content'],
    ['lc_monetary', 'C'],
    ['quote_all_identifiers', 'off'],
    ['standard_conforming_strings', 'on'],
    ['max_parallel_workers_per_gather', '0'],
    ['jit', 'off']
  ]
}

/** Opens a read-only transaction with the fixed settings, in `snapshotId` or in a snapshot of its own, in one round trip. */
export async function beginReading(connection: Connection, lockTimeoutMs: number, snapshotId?: string): Promise<void> {
  const settings = sessionSettings(connection.versionNumber, lockTimeoutMs).map(
    ([name, value]) => `pg_catalog.set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, true)`
  )
  await connection.query(
    [
      'begin isolation level repeatable read, read only',
      // It must come before any query.
      ...(snapshotId === undefined ? [] : [`set transaction snapshot ${quoteLiteral(snapshotId)}`]),
      `select ${settings.join(', ')}`
    ].join('; ')
  )
}

/** Takes a snapshot and keeps it until `close`. */
export async function openSnapshot(options: {
  readonly connect: Connect
  readonly clock: Clock
  readonly lockTimeoutMs: number
  readonly signal: AbortSignal
}): Promise<Snapshot> {
  const { connect, lockTimeoutMs, signal } = options
  const control = await connect(signal)
  try {
    await beginReading(control, lockTimeoutMs)
    const at = options.clock.now()
    const id = await exportSnapshot(control)
    return {
      id,
      at,
      control,
      broken: brokenSignal(control),
      async join(joinSignal) {
        let connection: Connection | undefined
        try {
          connection = await connect(joinSignal)
          await beginReading(connection, lockTimeoutMs, id)
          return connection
        } catch (error) {
          await connection?.close()
          if (noConnectionLeft(error)) return null
          throw error
        }
      },
      close: () => control.close()
    }
  } catch (error) {
    await control.close()
    throw signal.aborted ? cancelled(signal) : error
  }
}

async function exportSnapshot(control: Connection): Promise<string> {
  try {
    const [row] = await control.query<{ id: string }>('select pg_catalog.pg_export_snapshot() as id')
    if (row === undefined || !/^[0-9A-F-]{1,60}$/i.test(row.id)) {
      throw new UserError('SB213', 'The server exported no snapshot that can be used.')
    }
    return row.id
  } catch (error) {
    const state = sqlStateOf(error)
    if (state === '0A000' || state === '25001' || state === '55000') {
      throw new UserError('SB213', 'The server exports no snapshot.', { cause: error })
    }
    throw error
  }
}

function brokenSignal(control: Connection): AbortSignal {
  const broken = new AbortController()
  const fire = () =>
    broken.abort(
      new UserError('SB212', 'The connection that holds the snapshot broke.', {
        cause: control.broken.reason,
        mayPass: true
      })
    )
  if (control.broken.aborted) fire()
  else control.broken.addEventListener('abort', fire, { once: true })
  return broken.signal
}

/** Whether the server or a pooler has no connection left to give. */
function noConnectionLeft(error: unknown): boolean {
  return (error instanceof UserError && error.code === 'SB115') || sqlStateOf(error) === '53300'
}
