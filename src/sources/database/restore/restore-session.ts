import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Files } from '../../../archive/files.ts'
import { connect } from '../../../clients/postgres/connect.ts'
import type { Connection, ConnectionTarget } from '../../../clients/postgres/connection.ts'
import type { ClientPrograms } from '../../../clients/postgres/programs.ts'
import type { Context } from '../../../context.ts'
import { UserError } from '../../../errors.ts'
import { sessionSettings } from '../dump/snapshot.ts'
import { type ArchiveReader, readArchive } from '../pg-archive/archive-reader.ts'
import type { RestoreMode } from './plan/restore-plan.ts'
import { ofType, type RestoreSelection, type RestoreType } from './plan/select-entries.ts'
import type { RestoreErrors } from './work.ts'

export interface DatabaseRestoreOptions {
  readonly context: Context
  readonly target: ConnectionTarget
  /** `database.dump` of the backup must be fetched, and `vault.json` where there is one. */
  readonly files: Files
  readonly facts: DatabaseFacts
  /** Id of the backup, which the mark of a restore in several transactions tells. */
  readonly backupId: string
  readonly mode: RestoreMode
  readonly selection: RestoreSelection
  /** What to do about what the target refuses; without it the mode decides. */
  readonly errors?: RestoreErrors
  /** What of the chosen objects: everything (without it), definitions or rows. */
  readonly type?: RestoreType
  /** pg_dump for the target's version: asked for in mode `replace` only. */
  readonly programs: () => Promise<ClientPrograms>
  readonly lockTimeoutMs: number
  readonly retries: number
  /** Sessions that rows of a large backup are shared among; with fewer than two everything goes over one. */
  readonly sessions: number
  /** From this size of the source's database on a backup counts as large (64 MiB where it is left out). Bytes. */
  readonly largeFrom?: number
}

/** How a restore meets its target and its archive. */
export interface RestoreSession {
  readonly options: DatabaseRestoreOptions
  /** What of the backup is meant, by the type of the restore. */
  readonly facts: DatabaseFacts
  open(until?: AbortSignal): Promise<Connection>
  /** Begins a transaction with the settings of a restore; `beside`: others build indexes at the same time. */
  begin(connection: Connection, beside?: boolean): Promise<void>
  openArchive(): Promise<ArchiveReader>
  /** Archives that are opened again and again, and closed together. */
  openArchives(): { readonly open: () => Promise<ArchiveReader>; readonly close: () => Promise<void> }
  /** Runs `work` on a connection of its own inside a transaction that is always taken back. */
  aside<T>(work: (connection: Connection, reader: ArchiveReader) => Promise<T>): Promise<T>
}

export function restoreSession(options: DatabaseRestoreOptions): RestoreSession {
  const { context } = options
  const { signal, clock } = context
  const session: RestoreSession = {
    options,
    facts: ofType(options.facts, options.type ?? 'full'),
    async open(until = signal) {
      try {
        const { retries, target } = options
        return await connect(target, { clock, signal: until, retries, randomBytes: context.randomBytes })
      } catch (error) {
        throw ofTarget(error)
      }
    },
    async begin(connection, beside = false) {
      const memory = beside ? indexMemoryBeside : indexMemory
      const settings = [
        ...sessionSettings(connection.versionNumber, options.lockTimeoutMs),
        ['check_function_bodies', 'off'] as const,
        ['default_tablespace', ''] as const,
        ...(beside ? sideBySide.slice(0, 1) : sideBySide)
      ]
      await connection.query(`begin; ${settings.map(([name, value]) => `set local ${name} = '${value}'`).join('; ')};
        select pg_catalog.set_config('maintenance_work_mem', '${memory}', true) where pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < pg_catalog.pg_size_bytes('${memory}')`)
    },
    openArchive() {
      const { files } = options
      return readArchive(files.lend?.('database.dump') ?? files.open('database.dump'))
    },
    openArchives() {
      const opened: ArchiveReader[] = []
      const open = async () => {
        const reader = await session.openArchive()
        opened.push(reader)
        return reader
      }
      return {
        open,
        async close() {
          await Promise.all(opened.map((each) => each.close()))
        }
      }
    },
    async aside(work) {
      const connection = await session.open()
      let reader: ArchiveReader | undefined
      try {
        reader = await session.openArchive()
        await session.begin(connection)
        return await work(connection, reader)
      } finally {
        await reader?.close()
        // Closing takes the transaction back.
        await connection.close()
      }
    }
  }
  return session
}

/** What is said of a connection names the input that a backup reads; a target comes from another. */
function ofTarget(error: unknown): unknown {
  if (!(error instanceof UserError) || !error.remedy.includes('`database-url`')) return error
  const { code, message, mayPass } = error
  const remedy = error.remedy.replaceAll('`database-url`', '`target-database-url`')
  return new UserError(code, message, { remedy, mayPass, cause: error })
}

/**
 * Indexes are built by helpers of the server's own where it has processors to spare: all of them are in the one transaction. Tables of some megabytes are
 * worth it.
 */
const sideBySide = [
  ['max_parallel_maintenance_workers', '2'],
  ['min_parallel_table_scan_size', '2MB']
] as const

/** Memory for one index at a time: what two workers of pg_restore take together by the server's default. */
const indexMemory = '128MB'
/** The same for each of several sessions that build indexes side by side. */
const indexMemoryBeside = '64MB'
