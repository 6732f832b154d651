import type { Clock, RandomBytes } from '../../context.ts'
import { asError, cancelled, UserError } from '../../errors.ts'
import type { CountedSocket } from '../network/received-bytes.ts'
import { systemRandomBytes } from '../process/system.ts'
import type { Connection, ConnectionTarget } from './connection.ts'
import { connectionError } from './connection-error.ts'
import { guardMessages } from './message-guard.ts'
import { driver, openSession } from './session.ts'
import { openSocket, type Resolve, systemResolve } from './socket.ts'

export interface ConnectOptions {
  readonly clock: Clock
  /** Ends the connecting and, later, the connection. */
  readonly signal: AbortSignal
  /** Repeats after the first try, for what may pass (0 = none). */
  readonly retries: number
  /** Shown in pg_stat_activity (`supabase-backup` when left out). */
  readonly applicationName?: string
  /** For the jitter of the waiting. */
  readonly randomBytes?: RandomBytes
  readonly resolve?: Resolve
  /** Told of each socket to the server: what it receives is what left the database. */
  readonly watch?: (socket: CountedSocket) => void
  /** Told before each repeat. */
  readonly onRetry?: (error: UserError, waitMs: number) => void
}

const loginMs = 30_000
const firstWaitMs = 1_000
const longestWaitMs = 15_000

/**
 * Opens a connection whose session answers the same whatever the settings of role, database and server: see `sessionSettings`. Throws a UserError
 * (SB1xx) that names cause and remedy. What may pass (no answer, no connection left, starting up) is repeated with growing, random waits; a wrong
 * password and everything else that stays wrong is tried once, and so is never tried again by a program that runs after this.
 */
export async function connect(target: ConnectionTarget, options: ConnectOptions): Promise<Connection> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await connectOnce(target, options)
    } catch (thrown) {
      if (options.signal.aborted) throw cancelled(options.signal)
      const error = connectionError(target, thrown)
      if (!error.mayPass || attempt >= options.retries) throw error
      const wait = waitBefore(attempt, options.randomBytes ?? systemRandomBytes)
      options.onRetry?.(error, wait)
      await options.clock.sleep(wait, options.signal)
    }
  }
}

/** Milliseconds before repeat number `attempt` (from 0): doubling, half of it random, so that many jobs do not come back at once. */
export function waitBefore(attempt: number, randomBytes: RandomBytes): number {
  const full = Math.min(longestWaitMs, firstWaitMs * 2 ** attempt)
  const [high = 0, low = 0] = randomBytes(2)
  return Math.round(full / 2 + ((high * 256 + low) / 65_535) * (full / 2))
}

/** With `prefer` and `allow` a second way is tried where the first is not offered, as libpq does; never after a refused password. */
async function connectOnce(target: ConnectionTarget, options: ConnectOptions): Promise<Connection> {
  const { mode } = target.tls
  if (target.host.startsWith('/') || mode === 'disable') return logIn(target, false, options)
  if (mode !== 'prefer' && mode !== 'allow') return logIn(target, true, options)
  const tlsFirst = mode === 'prefer'
  try {
    return await logIn(target, tlsFirst, options)
  } catch (thrown) {
    options.signal.throwIfAborted()
    const first = connectionError(target, thrown)
    const mayFallBack = tlsFirst ? ['SB108', 'SB109', 'SB119'] : ['SB107', 'SB119']
    if (!mayFallBack.includes(first.code)) throw first
    return await logIn(target, !tlsFirst, options)
  }
}

async function logIn(target: ConnectionTarget, encrypted: boolean, options: ConnectOptions): Promise<Connection> {
  const deadline = AbortSignal.any([options.signal, AbortSignal.timeout(target.connectTimeoutMs ?? loginMs)])
  const violation = (reason: string) =>
    new UserError('SB121', `What answers at ${target.host}:${target.port} is no sound PostgreSQL server: ${reason}.`)
  const tooSlow = (thrown: unknown): unknown =>
    deadline.aborted && !options.signal.aborted
      ? Object.assign(new Error('the login took too long'), { code: 'ETIMEDOUT' })
      : thrown
  try {
    const opened = await openSocket(target, encrypted, deadline, options.resolve ?? systemResolve, options.watch)
    const guard = guardMessages(opened.socket, violation)
    const aborted = () => guard.destroy(asError(deadline.reason))
    deadline.addEventListener('abort', aborted, { once: true })
    try {
      deadline.throwIfAborted()
      const client = driver(target, guard, options.applicationName ?? 'supabase-backup')
      const session = openSession(client, guard, target, opened.tls, options)
      await client.connect()
      return await session()
    } catch (error) {
      guard.destroy()
      throw error
    } finally {
      deadline.removeEventListener('abort', aborted)
    }
  } catch (thrown) {
    throw tooSlow(thrown)
  }
}
