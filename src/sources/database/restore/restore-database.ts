import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Files } from '../../../archive/files.ts'
import { connect } from '../../../clients/postgres/connect.ts'
import type { Connection, ConnectionTarget } from '../../../clients/postgres/connection.ts'
import type { ClientPrograms } from '../../../clients/postgres/programs.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { majorOf } from '../../../clients/postgres/server-version.ts'
import type { Context } from '../../../context.ts'
import { asError, cancelled, UserError } from '../../../errors.ts'
import type { Finding } from '../../source.ts'
import { readPlatform } from '../catalog/platform.ts'
import { listed, readable } from '../catalog/quote.ts'
import { type CatalogTable, readTables } from '../catalog/tables.ts'
import { sessionSettings } from '../dump/snapshot.ts'
import { compareGuards } from '../fingerprint/compare.ts'
import { fingerprintVersion, readGuards } from '../fingerprint/read-objects.ts'
import { type ArchiveReader, readArchive } from '../pg-archive/archive-reader.ts'
import { describeEntry } from '../pg-archive/entry-sql.ts'
import type { ArchiveToc } from '../pg-archive/toc.ts'
import { compareRows, type TableComparison } from './check/compare-rows.ts'
import { foretellDangling, foretellKeyless, foretellRefused, foretellUnkept } from './check/dry-run-conflicts.ts'
import { comparable } from './check/object-names.ts'
import { childrenThatLackRows } from './check/related-tables.ts'
import {
  backupAndTarget,
  chosenGuards,
  entriesOnPlatform,
  holdsAlready,
  isOfPlatform
} from './check/verify-restored.ts'
import { toldForPeople } from './explain-failure.ts'
import { foretellMembers } from './extension-members.ts'
import { carryOut } from './phases.ts'
import { planRestore } from './plan/plan.ts'
import { planReplacing, type Replaced } from './plan/plan-replacing.ts'
import { type Chosen, choose, ofType, type RestoreSelection, type RestoreType } from './plan/select-entries.ts'
import type { RestoreMode, RestorePlan } from './plan/types.ts'
import { assertNothingLost, describeDropped } from './replace/describe-drops.ts'
import { dumpDefinitions } from './replace/dump-target.ts'
import { goesWith } from './replace/report-lost-objects.ts'
import { foretellPlatform } from './supabase/foretell-platform.ts'
import { readKnownObjects } from './target/catalog-index.ts'
import { assertColumns } from './target/column-mismatches.ts'
import { readExpressions } from './target/expressions.ts'
import { assertPlan, assertTarget } from './target/preconditions.ts'
import { claimTarget, holdStill, readTarget, releaseTarget, type TargetState } from './target/target-state.ts'
import { batched } from './transactions/batched.ts'
import { settleCommit } from './transactions/commit-outcome.ts'
import { locksOfAll } from './transactions/lock-budget.ts'
import { findMark, takeBack, type Unfinished } from './transactions/restore-marker.ts'
import type { DatabaseRestored, Order, RestoreErrors } from './work.ts'

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

/** What a restore would do. */
export interface DatabasePreview {
  readonly user: string
  readonly version: string
  readonly objects: number
  readonly tables: number
  readonly rows: number
  /** Why it comes in several transactions: one of the target cannot hold it, or several sessions share the rows. Null: it comes in one. */
  readonly inStages: 'locks' | 'size' | null
  /** Mode `replace`: what goes, in words, and what of others is made again. */
  readonly dropped: readonly string[]
  readonly givenBack: readonly string[]
  readonly findings: readonly Finding[]
  /** With `compare`: what will make the restore fail, in words. */
  readonly refused: readonly string[]
  /** With `compare`, where all was tried and taken back: tables whose rows would not come back, and what would not be made as in the backup. */
  readonly left: readonly string[]
  readonly leftOut: readonly string[]
  /** With `compare` only. */
  readonly comparison?: readonly TableComparison[]
}

/** A restore into the target that was cut. */
export interface CutRestore {
  readonly backupId: string
  readonly startedAt: string
  /** What of it could not be taken back and harms nothing. */
  readonly findings: readonly Finding[]
}

/**
 * Brings the database part of a backup back, whole or not at all: in one transaction of the target, or, where an empty target cannot hold it in one or it is
 * so large that several sessions share its rows, in several that leave a mark until the last one.
 */
export interface DatabaseRestore {
  /**
   * Looks for what a restore in several transactions left that was cut, and takes it back; null where there is nothing. Throws SB719 where there is and
   * `change` is false or the mode is not `empty`: whoever uses the target meanwhile decides.
   */
  settle(change: boolean): Promise<CutRestore | null>
  /** Looks at backup and target and says what would be done; with `compare` down to the rows. Changes nothing. Throws SB7xx where the restore cannot be. */
  preview(compare: boolean): Promise<DatabasePreview>
  /**
   * Does it. Throws SB708 or SB709: the target is as it was then; SB712: not known, since the connection was lost at the very end; SB718: another restore
   * is at work; SB719: what had come in could not be taken back.
   */
  run(): Promise<DatabaseRestored>
}

interface Prepared {
  readonly target: TargetState
  readonly toc: ArchiveToc
  readonly chosen: Chosen
  readonly tables: ReadonlyMap<string, CatalogTable>
  readonly plan: RestorePlan
  readonly replaced: Replaced | null
  readonly inStages: DatabasePreview['inStages']
}

export function openDatabaseRestore(options: DatabaseRestoreOptions): DatabaseRestore {
  const { context, mode } = options
  const facts = ofType(options.facts, options.type ?? 'full')
  const { signal, clock } = context

  const open = (until = signal) =>
    connect(options.target, { clock, signal: until, retries: options.retries, randomBytes: context.randomBytes }).catch(
      (error: unknown) => {
        throw ofTarget(error)
      }
    )

  const errors = options.errors ?? (mode === 'empty' || mode === 'side-schema' ? 'list' : 'stop')

  async function begin(connection: Connection, beside = false): Promise<void> {
    const memory = beside ? indexMemoryBeside : indexMemory
    const settings = [
      ...sessionSettings(connection.versionNumber, options.lockTimeoutMs),
      ['check_function_bodies', 'off'] as const,
      ['default_tablespace', ''] as const,
      ...(beside ? sideBySide.slice(0, 1) : sideBySide)
    ]
    await connection.query(`begin; ${settings.map(([name, value]) => `set local ${name} = '${value}'`).join('; ')};
      select pg_catalog.set_config('maintenance_work_mem', '${memory}', true) where pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < pg_catalog.pg_size_bytes('${memory}')`)
  }

  async function prepare(connection: Connection, reader: ArchiveReader): Promise<Prepared> {
    const { toc } = reader
    const cut = await findMark(connection)
    if (cut !== null) throw cutRestore(cut)
    const target = await readTarget(connection)
    const catalog = await readTables(connection)
    const tables = new Map(catalog.map((table) => [readable(table), table]))
    try {
      assertTarget(target, facts, toc, mode)
    } catch (error) {
      if (!(error instanceof UserError) || error.code !== 'SB703') throw error
      // A run that was killed when its restore had ended leaves just that, and nobody was told.
      const platform = new Set([...target.schemas.values()].filter((one) => one.platform).map((one) => one.name))
      if (!(await holdsAlready(connection, facts, clock, { platform, there: new Set(tables.keys()) }))) throw error
      throw new UserError(
        'SB703',
        `${error.message} All tables of this backup are there with just its rows: it is the source as it was then, or a restore of it came to its end.`
      )
    }
    const chosen = choose(options.selection, facts, toc)
    const known = await readKnownObjects(connection)
    const definitions = facts.selection.type !== 'data'
    const expressions = mode === 'replace' && definitions ? await readExpressions(connection) : null
    const replaced =
      expressions !== null
        ? planReplacing(
            await dumpDefinitions(
              options.target,
              await options.programs(),
              context,
              connection.tls,
              options.lockTimeoutMs
            ),
            expressions,
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
        `${listed(replaced.endangered)} would lose columns or go altogether with what would be replaced.`
      )
    }
    if (replaced !== null && facts.selection.type === 'schema') await assertNothingLost(connection, replaced)
    const plan = planRestore({
      mode,
      toc,
      facts,
      chosen,
      byTables: options.selection.tables.length > 0,
      target,
      known: replaced?.known ?? known,
      ...(replaced === null ? {} : { before: known, changed: replaced.changed }),
      tables,
      targetVersions: (await readPlatform(connection, catalog)).versions
    })
    assertPlan(plan, target)
    await assertColumns(connection, plan.rows, () => false)
    const locks = locksOfAll(plan.entries)
    // The server keeps some more room than it promises.
    const tooMany = locks > target.mostLocks * 1.25
    if (tooMany && mode !== 'empty') {
      throw new UserError(
        'SB714',
        `The target's server lets one transaction hold some ${target.mostLocks} locks, and this restore would need ${locks}.`
      )
    }
    const inStages = tooMany
      ? 'locks'
      : mode === 'empty' && options.sessions > 1 && isLarge(plan, chosen)
        ? 'size'
        : null
    return { target, toc, chosen, tables, plan, replaced, inStages }
  }

  /** By the size of the source's database, or of the chosen tables as far as its statistics tell. */
  const isLarge = ({ rows }: RestorePlan, { whole }: Chosen) =>
    (whole
      ? facts.sizeBytes
      : rows.reduce((sum, { way, facts: { bytes } }) => sum + (way === 'copy' ? bytes : 0), 0)) >=
    (options.largeFrom ?? usuallyLarge)

  /** Sessions for rows, as many as the target gives. */
  async function openSessions(opened: Connection[]): Promise<readonly Connection[]> {
    for (let count = 0; options.sessions > 1 && count < options.sessions; count += 1) {
      const session = await open().catch((error: unknown) => {
        if (signal.aborted) throw error
        context.log.info(`The target gives no further session: ${asError(error).message}`)
        return null
      })
      if (session === null) break
      opened.push(session)
    }
    return opened
  }

  const openArchive = () => {
    const { files } = options
    return readArchive(files.lend?.('database.dump') ?? files.open('database.dump'))
  }

  /** Runs `work` on a connection of its own inside a transaction that is always taken back. */
  async function aside<T>(work: (connection: Connection, reader: ArchiveReader) => Promise<T>): Promise<T> {
    const connection = await open()
    let reader: ArchiveReader | undefined
    try {
      reader = await openArchive()
      await begin(connection)
      return await work(connection, reader)
    } finally {
      await reader?.close()
      // Closing takes the transaction back.
      await connection.close()
    }
  }

  return {
    preview: (compare) =>
      aside(async (connection, reader) => {
        const prepared = await prepare(connection, reader)
        const { plan, target, replaced, chosen, toc } = prepared
        const refused: string[] = []
        const staying = plan.rows.filter(({ way }) => way === 'missing' || way === 'exchange')
        const stays = staying.map(({ facts: { schema, name } }) => ({ schema, name }))
        const into = new Map(staying.map((rows) => [readable(rows.facts), rows.way]))
        const comparison = compare
          ? await compareRows(
              connection,
              reader,
              plan.rows.filter((rows) => rows.way !== 'jobs'),
              [...chosen.tables]
                .filter(([name, table]) => chosen.withRows.has(name) && table.kind === 'r' && table.rows === '0')
                .map(([, table]) => table)
                .filter(({ schema, extension }) => extension === undefined && !plan.platform.has(schema)),
              prepared.tables,
              async (table, rows) => {
                if (replaced !== null) refused.push(...(await foretellUnkept(connection, replaced, table, rows)))
                const way = into.get(readable(table))
                if (rows !== null && way !== undefined)
                  refused.push(...(await foretellDangling(connection, table, rows, stays, way === 'missing')))
              }
            )
          : undefined
        const unequal = new Set(comparison?.flatMap(({ table, missing }) => (missing === 0 ? [] : [table])))
        await assertColumns(connection, plan.rows, (rows) => unequal.has(readable(rows.facts)))
        if (compare && replaced !== null) refused.unshift(...(await foretellRefused(connection, facts, replaced, plan)))
        const brought = plan.rows.filter(({ way }) => way !== 'jobs')
        const members = foretellMembers({ facts, mode, chosen, target })
        const preview = {
          user: target.user,
          version: target.version,
          objects: plan.entries.length,
          tables: brought.length + members.tables,
          rows: brought.reduce((sum, rows) => sum + Number(rows.facts.rows ?? '0'), members.rows),
          inStages: prepared.inStages,
          dropped: replaced === null ? [] : await describeDropped(connection, replaced.roots, toc),
          givenBack: [...(replaced?.givenBack ?? []), ...plan.returning]
            .filter((entry) => entry.kind !== 'ACL' && entry.kind !== 'COMMENT')
            .map(describeEntry),
          findings: [
            ...plan.findings,
            ...members.findings,
            ...(compare ? await childrenThatLackRows(connection, facts, chosen) : []),
            ...(await foretellPlatform(connection, facts, target, plan)),
            ...(await foretellKeyless(
              connection,
              plan.rows.filter(
                ({ way, facts: { schema, name } }) => way === 'missing' && unequal.has(readable({ schema, name }))
              )
            )),
            ...(compare && mode !== 'empty' ? await definitionsThatDiffer(connection, prepared) : [])
          ],
          ...(comparison === undefined ? {} : { comparison })
        }
        if (!compare || prepared.inStages !== null || (mode !== 'empty' && mode !== 'side-schema'))
          return { ...preview, refused, left: [], leftOut: [] }
        const tried = await rehearse(connection, prepared)
        const told = new Set(preview.findings.map(({ subject }) => subject))
        return {
          ...preview,
          refused: [...refused, ...tried.refused],
          left: tried.left,
          leftOut: tried.leftOut,
          findings: [...preview.findings, ...tried.findings.filter(({ subject }) => !told.has(subject))]
        }
      }),

    settle: (change) => settle(change),

    async run() {
      try {
        return await once(false)
      } catch (error) {
        if (!ranOutOfLocks(error) || signal.aborted) throw error
        if (mode !== 'empty') throw tooManyLocks(error)
        context.log.info('The target could not hold the restore in one transaction: it comes in several')
        return await once(true).catch((again: unknown) => {
          throw ranOutOfLocks(again) ? tooManyLocks(again) : again
        })
      }
    }
  }

  /**
   * Does the whole restore in a transaction that the caller takes back: nothing foretells better what the target refuses. The target holds nothing that somebody
   * could wait for, or is not touched beside a schema of its own.
   */
  async function rehearse(
    connection: Connection,
    prepared: Prepared
  ): Promise<Pick<DatabaseRestored, 'findings' | 'left' | 'leftOut'> & { readonly refused: readonly string[] }> {
    const archives: ArchiveReader[] = []
    const openOne = async () => {
      const reader = await openArchive()
      archives.push(reader)
      return reader
    }
    try {
      const order = orderOf(connection, await openOne(), prepared, openOne, true)
      return { ...(await carryOut(order)), refused: [] }
    } catch (error) {
      if (!(error instanceof UserError) || error.mayPass || signal.aborted) throw error
      return { findings: [], left: [], leftOut: [], refused: [error.message] }
    } finally {
      await Promise.all(archives.map((each) => each.close()))
    }
  }

  async function once(forceStages: boolean): Promise<DatabaseRestored> {
    const connection = await open()
    const besides: Connection[] = []
    const archives: ArchiveReader[] = []
    const openOne = async () => {
      const reader = await openArchive()
      archives.push(reader)
      return reader
    }
    let committing = false
    let inStages = false
    try {
      await claimTarget(connection, clock, signal, options.lockTimeoutMs, context.log)
      const reader = await openOne()
      await begin(connection)
      const prepared = await prepare(connection, reader)
      inStages = mode === 'empty' && (forceStages || prepared.inStages !== null)
      const { backupId } = options
      const restored = await carryOut(
        orderOf(connection, reader, prepared, openOne),
        inStages
          ? (order, work) => batched({ backupId, begin, openSessions: () => openSessions(besides) }, order, work)
          : undefined
      )
      const [transaction] = await connection.query<{ id: string }>('select pg_catalog.pg_current_xact_id()::text as id')
      committing = true
      try {
        await connection.query('commit')
      } catch (error) {
        if (!connection.broken.aborted && !signal.aborted) throw error
        await settleCommit(transaction?.id, error, open, context)
      }
      await releaseTarget(connection)
      return restored
    } catch (thrown) {
      // None of them may go on with rows while what came in is taken back.
      await Promise.all(besides.map((each) => each.close()))
      const error = committing || signal.aborted ? thrown : await toldForPeople(thrown, connection)
      await connection.close()
      const unknown = error instanceof UserError && error.code === 'SB712'
      if (inStages && !unknown) await putBack(error)
      if (signal.aborted && !committing) throw cancelled(signal)
      throw error
    } finally {
      await Promise.all([connection, ...besides, ...archives].map((each) => each.close()))
    }
  }

  function orderOf(
    connection: Connection,
    reader: ArchiveReader,
    { target, chosen, plan, replaced }: Prepared,
    open: () => Promise<ArchiveReader>,
    rehearsal = false
  ): Order {
    return {
      connection,
      reader,
      context,
      files: options.files,
      facts,
      mode,
      errors,
      target,
      chosen,
      asked: options.selection.tables,
      plan,
      replaced,
      openArchive: open,
      rehearsal,
      sessionSettings: sessionSettings(connection.versionNumber, options.lockTimeoutMs)
    }
  }

  /** After a failure: takes back what earlier transactions of this restore left. */
  async function putBack(failure: unknown): Promise<void> {
    const words = asError(failure).message
    if (signal.aborted) {
      context.log.warning(
        'The target holds a part of the backup: the next restore with `restore-mode: empty` takes it back before it begins.'
      )
      return
    }
    try {
      const settled = await settle(true)
      for (const { subject, detail } of settled?.findings ?? []) context.log.warning(`${subject}: ${detail}`)
    } catch (error) {
      throw new UserError(
        'SB719',
        `The restore failed, and what had come in could not be taken back. The failure: ${words} The second one: ${asError(error).message}`,
        { cause: failure }
      )
    }
  }

  async function settle(change: boolean): Promise<CutRestore | null> {
    const connection = await open()
    const look = async () => {
      await begin(connection)
      const mark = await findMark(connection)
      await connection.query('rollback')
      return mark
    }
    try {
      const seen = await look()
      if (seen === null) return null
      if (!change || mode !== 'empty') throw cutRestore(seen)
      await claimTarget(connection, clock, signal, options.lockTimeoutMs, context.log)
      // Whoever held the target may have finished meanwhile: what it brought back is no part of a cut restore any more.
      const found = await look()
      if (found === null) {
        await releaseTarget(connection)
        return null
      }
      const { backupId, startedAt } = found
      const findings = await takeBack(connection, found, async () => {
        await begin(connection)
        await holdStill(connection)
      })
      await releaseTarget(connection)
      return { backupId, startedAt, findings }
    } finally {
      await connection.close()
    }
  }

  /** Definitions of the chosen objects that are not those of the backup, with what the target has beside and replacing would take away. */
  async function definitionsThatDiffer(
    connection: Connection,
    { chosen, toc, plan, replaced }: Prepared
  ): Promise<Finding[]> {
    const guards = chosenGuards(
      { facts, whole: chosen.whole, entries: toc.entries.filter((entry) => chosen.entries.has(entry.id)) },
      await readGuards(connection, facts.server.versionNumber),
      goesWith(replaced?.roots ?? [])
    )
    const onPlatform = entriesOnPlatform([...toc.entries, ...(replaced?.extras ?? [])], plan.platform)
    const sameMajor = majorOf(facts.server.versionNumber) === majorOf(connection.versionNumber)
    const sameFingerprint = facts.fingerprint === fingerprintVersion
    return compareGuards(guards.source, guards.copy, {
      sides: backupAndTarget,
      missingExtensions: new Set(),
      sameMajor,
      sameFingerprint
    })
      .filter(
        ({ kind, subject }) =>
          kind === 'difference' && (!isOfPlatform(subject, plan.platform) || onPlatform.has(comparable(subject)))
      )
      .map((finding) => ({ ...finding, kind: 'note' as const }))
  }
}

/** What is said of a connection names the input that a backup reads; a target comes from another. */
function ofTarget(error: unknown): unknown {
  if (!(error instanceof UserError) || !error.remedy.includes('`database-url`')) return error
  const { code, message, mayPass } = error
  const remedy = error.remedy.replaceAll('`database-url`', '`target-database-url`')
  return new UserError(code, message, { remedy, mayPass, cause: error })
}

/** Whether the server had no room for one more lock, wherever in the restore that was met. Source: PostgreSQL, lock.c. */
function ranOutOfLocks(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof UserError && at.code === 'SB714') return true
    if (sqlStateOf(at) === '53200' && at.message.includes('out of shared memory')) return true
  }
  return false
}

function cutRestore({ backupId, startedAt }: Pick<Unfinished, 'backupId' | 'startedAt'>): UserError {
  return new UserError(
    'SB719',
    `The target holds a part of the backup ${backupId}: the restore that began at ${startedAt} was cut.`
  )
}

function tooManyLocks(cause: unknown): UserError {
  if (cause instanceof UserError && cause.code === 'SB714') return cause
  return new UserError('SB714', "The target's server ran out of room for locks.", { cause })
}

/**
 * Indexes are built by helpers of the server's own where it has processors to spare: all of them are in the one transaction. Tables of some megabytes are
 * worth it.
 */
const sideBySide = [
  ['max_parallel_maintenance_workers', '2'],
  ['min_parallel_table_scan_size', '2MB']
] as const

/** From this size on several sessions save more time than the start of each costs. Bytes. */
const usuallyLarge = 64 * 1024 * 1024

/** Memory for one index at a time: what two workers of pg_restore take together by the server's default. */
const indexMemory = '128MB'
/** The same for each of several sessions that build indexes side by side. */
const indexMemoryBeside = '64MB'
