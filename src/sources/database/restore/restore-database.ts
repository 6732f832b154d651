import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import { connect } from '../../../clients/postgres/connect.ts'
import type { Connection, ConnectionTarget } from '../../../clients/postgres/connection.ts'
import type { ClientPrograms } from '../../../clients/postgres/programs.ts'
import type { Context } from '../../../context.ts'
import { cancelled, UserError } from '../../../errors.ts'
import type { Files, Finding } from '../../source.ts'
import { compareGuards } from '../compare.ts'
import { readGuards } from '../guards.ts'
import { readPlatform } from '../platform.ts'
import type { ArchiveToc } from '../proof/archive-toc.ts'
import { listed, readable } from '../quote.ts'
import { sessionSettings } from '../snapshot.ts'
import { type CatalogTable, readTables } from '../tables.ts'
import { type ArchiveReader, readArchive } from './archive-reader.ts'
import { carryOut, type DatabaseRestored } from './carry-out.ts'
import { chosenGuards, isOfPlatform } from './check-after.ts'
import { type Chosen, choose, type RestoreSelection } from './choose.ts'
import { compareRows, type TableComparison } from './compare-rows.ts'
import { describeEntry } from './entry-sql.ts'
import { assertPlan, assertTarget } from './gates.ts'
import { readKnownObjects } from './known-objects.ts'
import { planRestore, type RestoreMode, type RestorePlan } from './plan.ts'
import { dumpDefinitions, planReplacing, type Replaced } from './replaced.ts'
import { readTarget, type TargetState } from './target.ts'

export interface DatabaseRestoreOptions {
  readonly context: Context
  readonly target: ConnectionTarget
  /** `database.dump` of the backup must be fetched, and `vault.json` where there is one. */
  readonly files: Files
  readonly facts: DatabaseFacts
  readonly mode: RestoreMode
  readonly selection: RestoreSelection
  /** pg_dump for the target's version: asked for in mode `replace` only. */
  readonly programs: () => Promise<ClientPrograms>
  readonly lockTimeoutMs: number
  readonly retries: number
}

/** What a restore would do. */
export interface DatabasePreview {
  readonly user: string
  readonly version: string
  readonly objects: number
  readonly tables: number
  readonly rows: number
  /** Mode `replace`: what goes, in words, and what of others is made again. */
  readonly dropped: readonly string[]
  readonly givenBack: readonly string[]
  readonly findings: readonly Finding[]
  /** With `compare` only. */
  readonly comparison?: readonly TableComparison[]
}

/** Brings the database part of a backup back, whole or not at all: everything happens in one transaction of the target. */
export interface DatabaseRestore {
  /** Looks at backup and target and says what would be done; with `compare` down to the rows. Changes nothing. Throws SB7xx where the restore cannot be. */
  preview(compare: boolean): Promise<DatabasePreview>
  /** Does it. Throws SB708 or SB709: the target is as it was then; SB712: not known, since the connection was lost at the very end. */
  run(): Promise<DatabaseRestored>
}

interface Prepared {
  readonly target: TargetState
  readonly toc: ArchiveToc
  readonly chosen: Chosen
  readonly tables: ReadonlyMap<string, CatalogTable>
  readonly plan: RestorePlan
  readonly replaced: Replaced | null
}

export function openDatabaseRestore(options: DatabaseRestoreOptions): DatabaseRestore {
  const { context, facts, mode } = options
  const { signal, clock } = context

  const open = () =>
    connect(options.target, { clock, signal, retries: options.retries, randomBytes: context.randomBytes })

  async function begin(connection: Connection): Promise<void> {
    const settings = [
      ...sessionSettings(connection.versionNumber, options.lockTimeoutMs),
      ['check_function_bodies', 'off'] as const,
      ['default_tablespace', ''] as const
    ]
    await connection.query(`begin; ${settings.map(([name, value]) => `set local ${name} = '${value}'`).join('; ')};
      select pg_catalog.set_config('maintenance_work_mem', '${indexMemory}', true) where pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < pg_catalog.pg_size_bytes('${indexMemory}')`)
  }

  async function prepare(connection: Connection, reader: ArchiveReader): Promise<Prepared> {
    const { toc } = reader
    const target = await readTarget(connection)
    assertTarget(target, facts, toc, mode)
    const chosen = choose(options.selection, facts, toc)
    const catalog = await readTables(connection)
    const tables = new Map(catalog.map((table) => [readable(table), table]))
    const known = await readKnownObjects(connection)
    const definitions = facts.selection.type !== 'data'
    const replaced =
      mode === 'replace' && definitions
        ? planReplacing(
            await dumpDefinitions(options.target, await options.programs(), context, connection.tls),
            toc,
            chosen,
            target,
            known,
            options.selection.tables.length > 0
          )
        : null
    if (replaced !== null && replaced.endangered.length > 0) {
      throw new UserError(
        'SB713',
        `The tables ${listed(replaced.endangered)} use what would be replaced and would lose columns with it.`
      )
    }
    const plan = planRestore({
      mode,
      toc,
      facts,
      chosen,
      byTables: options.selection.tables.length > 0,
      target,
      known: replaced?.known ?? known,
      tables,
      targetVersions: (await readPlatform(connection, catalog)).versions
    })
    assertPlan(plan, target)
    const locks = plan.entries.reduce((sum, entry) => sum + (lockWeight[entry.kind] ?? 0), 0)
    // The server keeps some more room than it promises.
    if (locks > target.mostLocks * 1.25) {
      throw new UserError(
        'SB714',
        `The target's server lets one transaction hold some ${target.mostLocks} locks, and this restore would need ${locks}.`
      )
    }
    return { target, toc, chosen, tables, plan, replaced }
  }

  const openArchive = () => readArchive(options.files.open('database.dump'))

  /** Runs `work` on a connection of its own inside a transaction that is always taken back. */
  async function aside<T>(work: (connection: Connection, reader: ArchiveReader) => Promise<T>): Promise<T> {
    const stream = options.files.open('database.dump')
    const connection = await open()
    try {
      const reader = await readArchive(stream)
      await begin(connection)
      return await work(connection, reader)
    } finally {
      stream.destroy()
      // Closing takes the transaction back.
      await connection.close()
    }
  }

  return {
    preview: (compare) =>
      aside(async (connection, reader) => {
        const prepared = await prepare(connection, reader)
        const { plan, target, replaced, chosen, toc } = prepared
        const comparison = compare
          ? await compareRows(
              connection,
              reader,
              plan.rows.filter((rows) => rows.way !== 'jobs'),
              prepared.tables
            )
          : undefined
        return {
          user: target.user,
          version: target.version,
          objects: plan.entries.length,
          tables: plan.rows.length,
          rows: plan.rows.reduce((sum, rows) => sum + Number(rows.facts.rows ?? '0'), 0),
          dropped: replaced?.roots.map(describeEntry) ?? [],
          givenBack:
            replaced?.givenBack
              .filter((entry) => entry.kind !== 'ACL' && entry.kind !== 'COMMENT')
              .map(describeEntry) ?? [],
          findings: [
            ...plan.findings,
            ...(compare && mode !== 'empty' ? await definitionsThatDiffer(connection, chosen, toc, plan) : [])
          ],
          ...(comparison === undefined ? {} : { comparison })
        }
      }),

    async run() {
      const connection = await open()
      let committing = false
      try {
        const reader = await openArchive()
        await begin(connection)
        const prepared = await prepare(connection, reader)
        const restored = await carryOut({ connection, reader, context, files: options.files, facts, mode, ...prepared })
        const [transaction] = await connection.query<{ id: string }>(
          'select pg_catalog.pg_current_xact_id()::text as id'
        )
        committing = true
        try {
          await connection.query('commit')
        } catch (error) {
          if (!connection.broken.aborted) throw error
          await settleCommit(transaction?.id, error)
        }
        return restored
      } catch (error) {
        if (signal.aborted && !committing) throw cancelled(signal)
        throw error
      } finally {
        await connection.close()
      }
    }
  }

  /** Definitions of the chosen objects that are not those of the backup. */
  async function definitionsThatDiffer(
    connection: Connection,
    chosen: Chosen,
    toc: ArchiveToc,
    plan: RestorePlan
  ): Promise<Finding[]> {
    const guards = chosenGuards(
      { facts, whole: chosen.whole, entries: toc.entries.filter((entry) => chosen.entries.has(entry.id)) },
      await readGuards(connection, facts.server.versionNumber)
    )
    const sameMajor = Math.trunc(facts.server.versionNumber / 10_000) === Math.trunc(connection.versionNumber / 10_000)
    return compareGuards(guards.source, guards.copy, { missingExtensions: new Set(), sameMajor })
      .filter((finding) => finding.kind === 'difference' && !isOfPlatform(finding.subject, plan.platform))
      .map((finding) => ({
        ...finding,
        kind: 'note' as const,
        detail: finding.detail
          .replaceAll('the copy', 'the target')
          .replace('copy: ', 'target: ')
          .replace('source: ', 'backup: ')
          .replaceAll('the source', 'the backup')
      }))
  }

  /** The connection broke while the server ended the transaction: it is asked what came of it. */
  async function settleCommit(id: string | undefined, cause: unknown): Promise<void> {
    const unknown = new UserError('SB712', 'The connection was lost while the target ended the restore.', { cause })
    if (id === undefined) throw unknown
    const again = await open().catch(() => {
      throw unknown
    })
    try {
      for (let tries = 0; tries < 30; tries += 1) {
        const [row] = await again.query<{ status: string }>(
          'select pg_catalog.pg_xact_status($1::text::pg_catalog.xid8) as status',
          [id]
        )
        if (row?.status === 'committed') return
        if (row?.status === 'aborted')
          throw new UserError('SB708', 'The connection to the target was lost, and the server took everything back.', {
            cause
          })
        await clock.sleep(1000, signal)
      }
      throw unknown
    } finally {
      await again.close()
    }
  }
}

/** Memory for one index at a time: what two workers of pg_restore take together by the server's default. */
const indexMemory = '128MB'

/** Locks that making an object takes, roughly: a table with its type has one itself and some for its TOAST table. */
const lockWeight: Readonly<Record<string, number>> = {
  TABLE: 3,
  INDEX: 1,
  CONSTRAINT: 1,
  SEQUENCE: 1,
  VIEW: 1,
  'MATERIALIZED VIEW': 3
}
