import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import type { Clock } from '../../../context.ts'
import { UserError } from '../../../errors.ts'
import { quoteLiteral } from '../catalog/quote.ts'

interface Row extends Record<string, unknown> {
  what: 'session' | 'waiting'
  pid: number
  state: string | null
  wait: string | null
  moved: string | null
  mode: string | null
  relation: string | null
}

export interface WatchOptions {
  /** A connection that has nothing else to do. */
  readonly connection: Connection
  /** application_name of every session of this backup. */
  readonly applicationName: string
  readonly clock: Clock
  /** Ends the watch. */
  readonly signal: AbortSignal
  /** Bytes that pg_dump wrote; null where unknown. */
  readonly written: () => Promise<number | null>
  readonly everyMs: number
  /** Milliseconds without a byte and without work at the server after which the dump counts as stalled. */
  readonly inactivityMs: number
  /** Milliseconds that another session may wait behind the dump before this gives way; null for as long as the dump lasts. */
  readonly waitLimitMs: number | null
  /** Called after each look, for progress. */
  readonly onLook: (written: number | null) => void
  /** Called once, with the first bytes: pg_dump holds all its locks before it writes any. What it throws ends the watch. */
  readonly onLocked: () => Promise<void>
  readonly onWaiting: (warning: string) => void
  /** Stands still, or is in somebody's way. */
  readonly onStalled: (error: UserError) => void
}

/**
 * Watches a dump while it runs: who waits behind its locks (told once a table), and whether it still moves (F10). It keeps the
 * connection in use, so that nothing on the way takes it for dead. Resolves when the signal fires or the connection breaks.
 */
export async function watchDump(options: WatchOptions): Promise<void> {
  const { clock, signal } = options
  const told = new Set<string>()
  /** Since when a session waits for a lock, by both. */
  let waiting = new Map<string, number>()
  let locked = false
  let last = ''
  let movedAt = clock.monotonic()
  while (!signal.aborted) {
    try {
      await clock.sleep(options.everyMs, signal)
    } catch {
      return
    }
    const answered = await lookInTime(options)
    if (answered === 'closed') return
    if (answered === 'silent') {
      options.onStalled(stalled(options))
      return
    }
    const written = await options.written()
    options.onLook(written)
    if (!locked && (written ?? 0) > 0) {
      locked = true
      await options.onLocked()
    }
    const now = JSON.stringify([written, answered.map((row) => row.moved)])
    const busy = answered.some((row) => row.what === 'session' && row.state === 'active' && row.wait !== 'Client')
    if (now !== last || busy) {
      last = now
      movedAt = clock.monotonic()
    } else if (clock.monotonic() - movedAt > options.inactivityMs) {
      options.onStalled(stalled(options))
      return
    }
    const behind = answered.filter(({ what }) => what === 'waiting')
    waiting = new Map(
      behind.map((row) => {
        const key = `${row.pid}.${row.mode}.${row.relation}`
        return [key, waiting.get(key) ?? clock.monotonic()]
      })
    )
    const longest = clock.monotonic() - Math.min(...waiting.values())
    if (options.waitLimitMs !== null && longest >= options.waitLimitMs) {
      options.onStalled(inTheWay(behind, options.waitLimitMs))
      return
    }
    for (const row of behind) {
      const key = `${row.mode}.${row.relation}`
      if (told.has(key) || told.size >= 100) continue
      told.add(key)
      options.onWaiting(waitingWarning(row.mode, row.relation))
    }
  }
}

function stalled(options: WatchOptions): UserError {
  return new UserError('SB211', `Nothing of the dump came for ${Math.round(options.inactivityMs / 1000)} seconds.`, {
    mayPass: true
  })
}

function inTheWay(behind: readonly Row[], waitedMs: number): UserError {
  const relation = behind.find((row) => row.relation !== null)?.relation
  return new UserError(
    'SB217',
    `Another session waited ${Math.round(waitedMs / 1000)} seconds behind the backup${relation === undefined ? '' : ` for ${relation}`}: the backup gave way.`,
    { mayPass: true }
  )
}

/** Milliseconds that a look under way gets when the watch is to end. */
const lastAnswerMs = 10_000

/** A look that is not answered at all is a network that stands still. When the watch is to end, its last look comes to its end first. */
async function lookInTime(options: WatchOptions): Promise<readonly Row[] | 'closed' | 'silent'> {
  const answered = new AbortController()
  const looking = look(options)
  // When the wait ends first, the answer's failure is that of a connection which is closed soon.
  looking.catch(() => undefined)
  const silence = options.clock.sleep(options.inactivityMs, AbortSignal.any([options.signal, answered.signal])).then(
    () => 'silent' as const,
    () => 'closed' as const
  )
  try {
    const first = await Promise.race([looking, silence])
    if (first !== 'closed' || options.connection.broken.aborted) return first
    // Whoever asks something on this connection next must not come between its savepoint and the end of that.
    const end = options.clock.sleep(lastAnswerMs, AbortSignal.any([answered.signal, options.connection.broken]))
    await Promise.allSettled([Promise.race([looking, end])])
    return first
  } finally {
    answered.abort()
  }
}

/** Never the text of the waiting query: it may hold data. */
function waitingWarning(mode: string | null, relation: string | null): string {
  const kind =
    mode === 'AccessExclusiveLock'
      ? 'A statement that needs the table for itself (ALTER TABLE, DROP, TRUNCATE, ...)'
      : `A statement (${mode ?? 'lock'})`
  return `${kind} waits behind the backup${relation === null ? '' : ` on ${relation}`}; others that come after it wait too.`
}

async function look(options: WatchOptions): Promise<readonly Row[] | 'closed'> {
  const name = quoteLiteral(options.applicationName)
  try {
    // The list of sessions is read once a transaction unless it is cleared.
    const rows = await options.connection.query<Row>(`savepoint watch; select pg_stat_clear_snapshot();
with ours as materialized (
  select pid, state, wait_event_type, query_start, state_change from pg_stat_activity where application_name = ${name} and pid <> pg_backend_pid())
select 'session' as what, pid, state, wait_event_type as wait, query_start::text || state_change::text as moved, null as mode, null as relation from ours
union all
select 'waiting', l.pid, null, null, null, l.mode, l.relation::regclass::text
from pg_locks l where not l.granted and l.pid not in (select pid from ours)
  and pg_blocking_pids(l.pid) && array(select pid from ours union select pg_backend_pid())`)
    await options.connection.query('release savepoint watch')
    return rows
  } catch (error) {
    if (options.connection.broken.aborted || options.signal.aborted) return 'closed'
    if (sqlStateOf(error) === undefined) throw error
    // The look itself failed: that says nothing about the dump, and must not end the transaction that holds the snapshot.
    await options.connection.query('rollback to savepoint watch; release savepoint watch')
    return []
  }
}

/** Tables that other sessions hold so that nobody can read them: for the error of a lock that was waited for in vain. */
export async function lockedTables(connection: Connection): Promise<string[]> {
  const rows = await connection.query<{
    relation: string
  }>(`select distinct l.relation::regclass::text as relation from pg_locks l
join pg_class c on c.oid = l.relation and c.relkind in ('r', 'p', 'm', 'v')
where l.granted and l.mode = 'AccessExclusiveLock' and l.pid <> pg_backend_pid()
  and l.database = (select oid from pg_database where datname = current_database()) order by 1 limit 20`)
  return rows.map((row) => row.relation)
}
