import { Buffer } from 'node:buffer'
import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { AddFile } from '../../../archive/files.ts'
import type { CountedSocket } from '../../../clients/network/received-bytes.ts'
import { connect } from '../../../clients/postgres/connect.ts'
import type { Connection, ConnectionTarget } from '../../../clients/postgres/connection.ts'
import { libpqEnvironment } from '../../../clients/postgres/environment.ts'
import type { ClientPrograms } from '../../../clients/postgres/programs.ts'
import { openRelay, type Relay } from '../../../clients/postgres/relay.ts'
import { majorOf } from '../../../clients/postgres/server-version.ts'
import type { Context } from '../../../context.ts'
import { cancelled, UserError } from '../../../errors.ts'
import type { Captured, Source } from '../../source.ts'
import { type Inventory, takeInventory } from '../catalog/inventory.ts'
import { listed, readable } from '../catalog/quote.ts'
import { rolesSql } from '../catalog/roles-sql.ts'
import type { Selection } from '../catalog/selection.ts'
import { readSequenceStates } from '../catalog/sequences.ts'
import { fingerprintVersion } from '../fingerprint/read-objects.ts'
import type { CapturedMembers } from '../members/capture-members.ts'
import { memberRowsFile, packRows } from '../members/rows-archive.ts'
import { captureFault } from './capture-fault.ts'
import { type Measured, measure } from './collect-facts.ts'
import { type RunningDump, startDump } from './dump.ts'
import { rewrittenTables } from './rewritten-tables.ts'
import { beginReading, openSnapshot, type Snapshot } from './snapshot.ts'
import { watchDump } from './snapshot-keeper.ts'
import { defaultLimits, type VisibleRowsLimits } from './visible-rows.ts'

export interface DatabaseSourceOptions {
  readonly context: Context
  readonly target: ConnectionTarget
  /** The Supabase project's ref, where one is known. */
  readonly ref: string | null
  readonly programs: ClientPrograms
  readonly selection: Selection
  readonly lockTimeoutMs: number
  /** Repeats of a connection that did not come about. A broken capture is repeated once, unless this is 0. */
  readonly retries: number
  /** Larger tables are counted, not hashed. Bytes; null without a limit. */
  readonly hashLimitBytes: number | null
  /** Whether secrets of Supabase Vault go into `vault.json` in clear. Only where the backup is encrypted. */
  readonly vault: boolean
  /** Bounds of the behaviour sample; null for none. */
  readonly visibleRows?: VisibleRowsLimits | null
  /** Milliseconds without a byte after which the dump counts as stalled (5 minutes). */
  readonly inactivityMs?: number
  /** Milliseconds between looks at waiting sessions (5 s). */
  readonly watchEveryMs?: number
  /** Milliseconds that a migration may wait behind the dump before the dump gives way and is taken later (30 s). */
  readonly waitLimitMs?: number
  /** Milliseconds until a dump that gave way is taken again (30 s). */
  readonly laterMs?: number
  /** Called once the dump is taken, in its own snapshot, on a connection with an open read-only transaction. It must not throw but when cancelled. */
  readonly inSnapshot?: (connection: Connection) => Promise<void>
  readonly connect?: typeof connect
  /** Told of each socket to the server, pg_dump's included: what they receive is what left the database. */
  readonly watch?: (socket: CountedSocket) => void
}

/** A database that can be captured: `database.dump`, `roles.sql`, and `vault.json` where asked for. */
export interface DatabaseSource extends Source<DatabaseFacts> {
  /** pg_database_size, known after `preflight`: an estimate for free space and progress. */
  readonly sizeBytes: number | null
}

export function openDatabaseSource(options: DatabaseSourceOptions): DatabaseSource {
  const { context, target, programs, selection } = options
  const applicationName = `supabase-backup-${Buffer.from(context.randomBytes(6)).toString('hex')}`
  const open = (signal: AbortSignal) =>
    (options.connect ?? connect)(target, {
      clock: context.clock,
      signal,
      retries: options.retries,
      randomBytes: context.randomBytes,
      applicationName,
      ...(options.watch === undefined ? {} : { watch: options.watch })
    })
  let sizeBytes: number | null = null

  function assertVersion(connection: Connection): void {
    const major = majorOf(connection.versionNumber)
    if (major <= programs.major) return
    throw new UserError('SB209', `The server is PostgreSQL ${connection.version}, pg_dump is ${programs.version}.`, {
      remedy: `Install the client programs of PostgreSQL ${major}, or point \`pg-bin\` to them.`
    })
  }

  /** Takes the database once. Where it is not `patient`, it ends with SB217 and SB218 over what another attempt may be spared. */
  async function attempt(
    add: AddFile,
    signal: AbortSignal,
    attempts: number,
    patient: boolean
  ): Promise<Captured<DatabaseFacts>> {
    const failure = new AbortController()
    const running = AbortSignal.any([signal, failure.signal])
    const snapshot = await openSnapshot({
      connect: open,
      clock: context.clock,
      lockTimeoutMs: options.lockTimeoutMs,
      signal
    })
    const worker: { connection: Connection | null } = { connection: null }
    try {
      assertVersion(snapshot.control)
      const inventory = await takeInventory(snapshot.control, selection)
      sizeBytes = inventory.server.sizeBytes
      const before = await readSequenceStates(snapshot.control, inventory.sequences)
      worker.connection = await snapshot.join(running)
      const taken = await dumpAndMeasure(add, snapshot, worker.connection, inventory, failure, signal, patient)
      const after = await readSequenceStates(snapshot.control, inventory.sequences)
      const sequences = inventory.sequences.flatMap(({ schema, name, extension }, index) => {
        const [first, last] = [before[index], after[index]]
        if (first === undefined || last === undefined) return []
        return [{ schema, name, ...(extension === null ? {} : { extension }), before: first, after: last }]
      })
      await options.inSnapshot?.(snapshot.control)
      const captured = assemble(taken, sequences, inventory, snapshot, attempts)
      await addText(add, 'roles.sql', rolesSql(captured.facts, { supabase: isSupabase(captured.facts) }))
      await addRows(add, snapshot, taken.measured.members)
      if (taken.measured.vault !== null)
        await addText(add, 'vault.json', `${JSON.stringify(taken.measured.vault, null, 2)}\n`)
      return captured
    } catch (error) {
      if (signal.aborted) throw cancelled(signal)
      throw await captureFault(failure.signal.reason ?? error, snapshot.control)
    } finally {
      failure.abort(new Error('the capture is over'))
      await worker.connection?.close()
      await snapshot.close()
    }
  }

  interface Taken {
    readonly measured: Measured
    /** Tables that another session truncated or rewrote between snapshot and lock: the dump holds no row of them. */
    readonly emptied: readonly string[]
    readonly warnings: readonly string[]
  }

  async function dumpAndMeasure(
    add: AddFile,
    snapshot: Snapshot,
    worker: Connection | null,
    inventory: Inventory,
    failure: AbortController,
    signal: AbortSignal,
    patient: boolean
  ): Promise<Taken> {
    const { clock, log } = context
    const warnings: string[] = []
    const stopped = AbortSignal.any([signal, failure.signal, snapshot.broken])
    const watching = new AbortController()
    const state = { tables: 'counting tables', dump: null as RunningDump | null, startedAt: clock.monotonic() }
    if (worker === null)
      warnings.push(
        'The server had no second connection to give: counts and hashes were taken on the connection that holds the snapshot.'
      )
    for (const pattern of inventory.selected.idle)
      warnings.push(`The pattern ${pattern} leaves nothing out: nothing matches it.`)

    const measuring = measure({
      connection: worker ?? snapshot.control,
      inventory,
      selection,
      clock,
      hashLimitBytes: options.hashLimitBytes,
      vault: options.vault,
      visibleRows: options.visibleRows === undefined ? defaultLimits : options.visibleRows,
      onTables: (done, of) => {
        state.tables = `${done} of ${of} tables counted`
      }
    })
    measuring.catch((error: unknown) => failure.abort(error))
    const watch =
      worker === null
        ? Promise.resolve()
        : watchDump({
            connection: snapshot.control,
            applicationName,
            clock,
            signal: AbortSignal.any([stopped, watching.signal]),
            written: async () => (await state.dump?.written()) ?? null,
            everyMs: options.watchEveryMs ?? 5000,
            inactivityMs: options.inactivityMs ?? 300_000,
            waitLimitMs: patient ? null : (options.waitLimitMs ?? 30_000),
            onLocked: async () => {
              const dumped = new Set([...inventory.selected.withData].map(readable))
              const emptied = [...(await rewrittenTables(snapshot.control))].filter((name) => dumped.has(name))
              if (!patient && emptied.length > 0) throw rewritten(emptied)
            },
            onLook: (written) =>
              log.progress(() =>
                progressLine(written, inventory.server.sizeBytes, clock.monotonic() - state.startedAt, state.tables)
              ),
            onWaiting: (warning) => {
              warnings.push(warning)
              log.warning(warning)
            },
            onStalled: (error) => failure.abort(error)
          })
    watch.catch((error: unknown) => failure.abort(error))
    const relay = await relayFor(stopped)
    const environment = await libpqEnvironment(target, context.temp, {
      applicationName,
      established: snapshot.control.tls,
      ...(relay === undefined ? {} : { relayPort: relay.port })
    })
    try {
      await add('database.dump', {
        start: (stdout, stage) => {
          const dump = startDump({
            programs,
            env: environment.env,
            snapshotId: snapshot.id,
            lockTimeoutMs: options.lockTimeoutMs,
            encoding: inventory.server.encoding,
            selection: inventory.selected.options,
            stdout,
            signal: AbortSignal.any([stopped, stage])
          })
          state.dump = dump
          // The file counts only with the counts and hashes of its own snapshot.
          const done = Promise.all([dump.done, measuring]).then(() => stopped.throwIfAborted())
          done.catch((error: unknown) => failure.abort(error))
          return { stdout: dump.child.stdout, done }
        }
      })
      const measured = await measuring
      const said = (await state.dump?.done) ?? []
      // Whoever counted holds a lock on each table until the end: from here on none of them changes its file.
      const others = await rewrittenTables(worker ?? snapshot.control)
      const emptied = measured.tables
        .filter(({ rows }) => rows === '0')
        .map(readable)
        .filter((name) => others.has(name))
      if (!patient && emptied.length > 0) throw rewritten(emptied)
      return { measured, emptied, warnings: [...warnings, ...said, ...measured.warnings] }
    } catch (error) {
      failure.abort(error)
      // Statements on the worker end with `failure`; those that had to run here end with the connection.
      if (worker === null) await snapshot.close()
      throw error
    } finally {
      watching.abort()
      await state.dump?.child.dispose()
      await Promise.allSettled([measuring, watch])
      await environment.dispose()
      await relay?.close()
    }
  }

  /** What pg_dump receives can be counted only where it passes through; a socket of this machine is no egress. */
  async function relayFor(signal: AbortSignal): Promise<Relay | undefined> {
    const { watch } = options
    return watch === undefined || target.host.startsWith('/') ? undefined : openRelay({ target, signal, watch })
  }

  function assemble(
    taken: Taken,
    sequences: DatabaseFacts['sequences'],
    inventory: Inventory,
    snapshot: Snapshot,
    attempts: number
  ): Captured<DatabaseFacts> {
    const { server } = inventory
    const { measured, emptied } = taken
    const { control } = snapshot
    const { unreadable } = measured.members
    const warnings = [
      ...unreadable.map((name) => `The rows of ${name} are not in the backup: the role may not read them.`),
      ...emptied.map(
        (name) =>
          `The rows of ${name} are not in the backup: each time that the backup began, another session truncated or rewrote the table. Run the backup at another hour.`
      ),
      ...taken.warnings
    ]
    const facts: DatabaseFacts = {
      source: { host: target.host, port: target.port, database: target.database, user: target.user, ref: options.ref },
      server: { version: control.version, versionNumber: control.versionNumber },
      client: { version: programs.version },
      snapshotAt: snapshot.at.toISOString(),
      sizeBytes: server.sizeBytes,
      encoding: server.encoding,
      collation: server.collation,
      characterType: server.characterType,
      ...(server.locale === undefined ? {} : { locale: server.locale }),
      databaseOwner: server.databaseOwner,
      databaseGrants: [...server.databaseGrants],
      databaseComment: server.databaseComment,
      databaseSettings: [...server.databaseSettings],
      parameterGrants: [...server.parameterGrants],
      selection,
      tables: measured.tables,
      roles: measured.roles,
      memberships: measured.memberships,
      extensions: measured.extensions,
      largeObjects: measured.largeObjects,
      sequences,
      guards: measured.guards,
      fingerprint: fingerprintVersion,
      visibleRows: measured.visibleRows,
      platformVersions: measured.platformVersions,
      ...(measured.auth === undefined ? {} : { auth: measured.auth }),
      ...(measured.members.facts === null ? {} : { members: measured.members.facts }),
      ...(measured.vault === null ? {} : { vault: { secrets: measured.vault.secrets.length } }),
      attempts,
      notCaptured: measured.notCaptured,
      warnings
    }
    const rows = measured.tables.reduce((sum, table) => sum + (table.kind === 'm' ? 0n : BigInt(table.rows ?? '0')), 0n)
    return {
      ...statusOf(unreadable.length, emptied.length),
      facts,
      counts: {
        tables: measured.tables.length,
        rows: Number(rows),
        bytes: server.sizeBytes,
        roles: measured.roles.length,
        largeObjects: Number(measured.largeObjects.count),
        notCaptured: measured.notCaptured.length
      },
      warnings
    }
  }

  return {
    name: 'database',
    get sizeBytes() {
      return sizeBytes
    },
    async preflight(signal) {
      const connection = await open(signal)
      try {
        assertVersion(connection)
        await beginReading(connection, options.lockTimeoutMs)
        sizeBytes = (await takeInventory(connection, selection)).server.sizeBytes
      } catch (error) {
        if (signal.aborted) throw cancelled(signal)
        throw await captureFault(error, connection)
      } finally {
        await connection.close()
      }
    },
    async capture(add, signal) {
      const told: string[] = []
      let [broken, gaveWay] = [0, 0]
      for (let attempts = 1; ; attempts += 1) {
        try {
          const captured = await attempt(add, signal, attempts, gaveWay === mostGivenWay || options.retries === 0)
          captured.facts.warnings.unshift(...told)
          return { ...captured, warnings: [...told, ...captured.warnings] }
        } catch (error) {
          if (!(error instanceof UserError) || !error.mayPass || signal.aborted || options.retries === 0) throw error
          const asked = error.code === 'SB217' || error.code === 'SB218'
          if (asked) gaveWay += 1
          else broken += 1
          if (broken > 1) throw error
          const warning = `${ordinal(attempts)} attempt broke off (${error.code}: ${error.message}); another one starts, from a new snapshot.`
          told.push(warning)
          context.log.warning(warning)
          await context.clock.sleep(error.code === 'SB217' ? (options.laterMs ?? 30_000) : 2000, signal)
        }
      }
    },
    // Every capture closes what it opened.
    close: () => Promise.resolve()
  }
}

/** How often a dump gives way to others, or is taken anew because of what they did, before it goes through. */
const mostGivenWay = 2

function ordinal(attempts: number): string {
  return ['The first', 'The second', 'The third'][attempts - 1] ?? `The ${attempts}th`
}

function rewritten(names: readonly string[]): UserError {
  const those = names.length === 1 ? 'its rows' : 'their rows'
  return new UserError(
    'SB218',
    `Another session truncated or rewrote ${listed(names)} as the dump began, which cannot see ${those}.`,
    { mayPass: true }
  )
}

function statusOf(unreadable: number, emptied: number): Pick<Captured<DatabaseFacts>, 'status' | 'reason'> {
  const tables = (count: number) => `${count} ${count === 1 ? 'table' : 'tables'}`
  const reasons = [
    ...(unreadable === 0 ? [] : [`rows of ${tables(unreadable)} of extensions may not be read`]),
    ...(emptied === 0 ? [] : [`rows of ${tables(emptied)} that others rewrote are missing`])
  ]
  return reasons.length === 0 ? { status: 'captured' } : { status: 'partial', reason: reasons.join('; ') }
}

/** Rows of tables that belong to extensions, in the dump's snapshot; no file where there are none. */
async function addRows(add: AddFile, snapshot: Snapshot, { facts }: CapturedMembers): Promise<void> {
  const tables = (facts?.tables ?? []).filter(({ rows }) => rows !== null && rows !== '0')
  if (tables.length > 0) await add(memberRowsFile, { bytes: packRows(snapshot.control, tables) })
}

async function addText(add: AddFile, name: string, text: string): Promise<void> {
  async function* bytes() {
    yield new TextEncoder().encode(text)
  }
  await add(name, { bytes: bytes() })
}

function isSupabase(facts: DatabaseFacts): boolean {
  return (
    facts.source.ref !== null ||
    ['anon', 'authenticated', 'service_role'].every((name) => facts.roles.some((role) => role.name === name))
  )
}

/** `database: 12 MB dumped (database 120 MB), 4 MB/s, 3 of 30 tables counted`. */
function progressLine(written: number | null, size: number, ms: number, tables: string): string {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
  if (written === null) return `database: dumping ${mb(size)}, ${tables}`
  return `database: ${mb(written)} dumped (size on the server ${mb(size)}), ${mb(written / Math.max(ms / 1000, 0.001))}/s, ${tables}`
}
