import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import { connect } from '../../../clients/postgres/connect.ts'
import type { Connection, ConnectionTarget } from '../../../clients/postgres/connection.ts'
import type { ClientPrograms } from '../../../clients/postgres/programs.ts'
import type { Context } from '../../../context.ts'
import { asError, cancelled, UserError } from '../../../errors.ts'
import type { Files, Finding } from '../../source.ts'
import { compareGuards } from '../compare.ts'
import { readGuards } from '../guards.ts'
import { readPlatform } from '../platform.ts'
import type { ArchiveToc, TocEntry } from '../proof/archive-toc.ts'
import { listed, quoteIdentifier, readable } from '../quote.ts'
import { sessionSettings } from '../snapshot.ts'
import { type CatalogTable, readTables } from '../tables.ts'
import { type ArchiveReader, readArchive } from './archive-reader.ts'
import { checkAfter, chosenGuards, isOfPlatform } from './check-after.ts'
import { type Chosen, choose, type RestoreSelection } from './choose.ts'
import { compareRows, type TableComparison } from './compare-rows.ts'
import { clearDefaultPrivileges, readDefaultPrivileges, resetDefaultPrivileges } from './default-privileges.ts'
import { describeEntry } from './entry-sql.ts'
import { checkForeignKeys } from './foreign-keys.ts'
import { assertPlan, assertTarget } from './gates.ts'
import { hasVault, restoreSecrets, scheduleJobs, stageJobs } from './jobs-and-secrets.ts'
import { readKnownObjects } from './known-objects.ts'
import { emptyTables, holdTriggers, type LoadedTable, loadRows } from './load-rows.ts'
import { planRestore, type RestoreMode, type RestorePlan } from './plan.ts'
import { dropReplaced, dumpDefinitions, planReplacing, type Replaced } from './replaced.ts'
import { restoreDatabaseSettings, restoreRoles } from './restore-roles.ts'
import { entryRunner } from './run-entries.ts'
import { makeSideTable, sideSchemaName } from './side-table.ts'
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

/** What a restore did. */
export interface DatabaseRestored {
  readonly tables: readonly LoadedTable[]
  readonly rows: number
  readonly sideSchema: string | null
  readonly findings: readonly Finding[]
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
  const { log, signal, clock } = context

  const open = () =>
    connect(options.target, { clock, signal, retries: options.retries, randomBytes: context.randomBytes })

  async function begin(connection: Connection): Promise<void> {
    const settings = [
      ...sessionSettings(connection.versionNumber, options.lockTimeoutMs),
      ['check_function_bodies', 'off'] as const,
      ['default_tablespace', ''] as const
    ]
    await connection.query(`begin; ${settings.map(([name, value]) => `set local ${name} = '${value}'`).join('; ')}`)
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
    if (locks > target.mostLocks * 2) {
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
        const restored = await restoreAll(connection, reader, prepared)
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

  async function restoreAll(
    connection: Connection,
    reader: ArchiveReader,
    prepared: Prepared
  ): Promise<DatabaseRestored> {
    const { target, toc, plan, chosen, replaced } = prepared
    const findings: Finding[] = [...plan.findings]
    const definitions = plan.entries.length > 0
    const whole =
      chosen.whole &&
      (mode === 'empty' || mode === 'replace') &&
      facts.selection.type === 'full' &&
      isWholeBackup(facts)
    if (whole) findings.push(...(await restoreRoles(connection, facts, target)))
    const defaults =
      definitions || mode === 'side-schema'
        ? await clearDefaultPrivileges(connection, await readDefaultPrivileges(connection))
        : []
    if (replaced !== null) await dropReplaced(connection, replaced)

    let done = 0
    const knownNow = await readKnownObjects(connection)
    const runner = entryRunner({
      connection,
      user: target.user,
      superuser: target.superuser,
      entries: new Map(toc.entries.map((entry) => [entry.id, entry])),
      platform: plan.platform,
      isThere: (entry) => knownNow.has(entry),
      onProgress: (count) => {
        done += count
        log.progress(() => `database: ${done} of ${plan.entries.length} objects made`)
      }
    })
    const passes = passesOf(toc, await withoutPassedSequences(connection, plan))
    await runner.run(passes.before)

    const side = mode === 'side-schema' ? sideSchemaName(clock.now(), (name) => target.schemas.has(name)) : null
    if (side !== null) await connection.query(`create schema ${quoteIdentifier(side)}`)
    const held = await holdTriggers(connection, plan.rows)
    findings.push(...held.findings)
    if (target.replicaRole) await connection.query('set local session_replication_role = replica')
    await emptyTables(connection, plan.rows)
    let jobs = false
    const largeObjects = plan.entries.some((entry) => entry.kind === 'BLOB' || entry.kind === 'BLOB METADATA')
    const loaded = await loadRows({
      connection,
      reader,
      rows: plan.rows,
      largeObjects,
      beside: async (rows) => {
        const definition = toc.entries.find(
          (entry) => entry.kind === 'TABLE' && entry.schema === rows.entry.schema && entry.tag === rows.entry.tag
        )
        const key = toc.entries.find(
          (entry) =>
            entry.kind === 'CONSTRAINT' &&
            definition !== undefined &&
            entry.needs.includes(definition.id) &&
            / PRIMARY KEY \(/.test(entry.definition)
        )
        const table = sideTableName(rows, plan)
        const place = { ...rows.copied, schema: side ?? '', table }
        const exact = await makeSideTable(connection, place.schema, place, definition, key)
        if (!exact)
          findings.push({
            kind: 'note',
            subject: `table ${readable({ schema: place.schema, name: table })}`,
            detail: 'its columns are text: types or functions of the definition are not in the target any more'
          })
        return place
      },
      jobs: async (rows, chunks) => {
        await stageJobs(connection, rows, chunks)
        jobs = true
      },
      onRows: (table, rows) => log.progress(() => `database: ${rows} rows of ${table}`)
    })
    findings.push(...loaded.findings)
    if (target.replicaRole) await connection.query('set local session_replication_role = origin')

    await runner.run(passes.after)
    if (replaced !== null) await giveBack(connection, replaced, runner)
    for (const statement of held.back) await connection.query(statement)
    await runner.run(passes.grants)
    await runner.run(passes.last)
    if (whole) await runner.run(passes.defaults)
    else if (defaults.length > 0) await resetDefaultPrivileges(connection, defaults)
    if (jobs) findings.push(...(await scheduleJobs(connection, target.user)))
    if (whole) {
      findings.push(...(await restoreDatabaseSettings(connection, facts, target)))
      findings.push(...(await secrets(connection, plan)))
    }
    findings.push(...(await stillOpen(connection, runner, toc)))

    const touched = plan.rows
      .filter((rows) => (rows.way === 'exchange' || rows.way === 'missing') && !loaded.refused.has(rows.entry.id))
      .map((rows) => rows.facts)
    const dangling = await checkForeignKeys(connection, touched)
    const listedEntries = toc.entries.filter((entry) => runner.refused.has(entry.id) || runner.otherOwner.has(entry.id))
    const found = await checkAfter({
      connection,
      clock,
      facts,
      rows: plan.rows.filter((rows) => !loaded.refused.has(rows.entry.id)),
      entries: plan.entries,
      whole,
      largeObjects,
      listed: listedEntries,
      platform: plan.platform,
      superuser: target.superuser
    })
    const differences = [...dangling, ...found].filter((finding) => finding.kind === 'difference')
    if (differences.length > 0) {
      const words = differences.slice(0, 6).map((finding) => `${finding.subject}: ${finding.detail}`)
      throw new UserError(
        'SB709',
        `After the restore the target was not what the backup says: ${words.join('; ')}${differences.length > 6 ? `; and ${differences.length - 6} more` : ''}.`
      )
    }
    findings.push(...found)
    return {
      tables: loaded.tables,
      rows: loaded.tables.reduce((sum, table) => sum + table.rows, 0),
      sideSchema: side,
      findings
    }
  }

  /** What the target refused, without default privileges that it has already as they should be. */
  async function stillOpen(
    connection: Connection,
    runner: ReturnType<typeof entryRunner>,
    toc: ArchiveToc
  ): Promise<Finding[]> {
    const refused = toc.entries.filter((entry) => entry.kind === 'DEFAULT ACL' && runner.refused.has(entry.id))
    if (refused.length === 0) return [...runner.findings]
    const kept = (guards: DatabaseFacts['guards']) => guards.filter((guard) => guard.kind === 'default privileges')
    const now = kept(await readGuards(connection, facts.server.versionNumber))
    const nameOf = (entry: TocEntry) =>
      `for ${entry.owner}${entry.schema === '' ? '' : ` in schema ${entry.schema}`} on ${entry.tag.replace('DEFAULT PRIVILEGES FOR ', '').toLowerCase()}`
    const equal = new Set(
      refused.filter((entry) => {
        const named = (guard: DatabaseFacts['guards'][number]) => guard.name.replaceAll('"', '') === nameOf(entry)
        return now.find(named)?.definition === kept(facts.guards).find(named)?.definition
      })
    )
    const quiet = new Set([...equal].map((entry) => runner.findingOf(entry.id)))
    return runner.findings.filter((finding) => !quiet.has(finding))
  }

  async function secrets(connection: Connection, plan: RestorePlan): Promise<Finding[]> {
    if (facts.vault === undefined || !plan.platform.has('vault') || !(await hasVault(connection))) {
      const held = facts.tables.find((table) => table.schema === 'vault' && table.name === 'secrets')?.rows ?? '0'
      return held === '0'
        ? []
        : [
            {
              kind: 'todo',
              subject: 'Vault secrets',
              detail: `${held} secrets cannot be brought back in clear: ${facts.vault === undefined ? 'the backup could not read them' : 'the target has no Vault that takes them'}. Set them again.`
            }
          ]
    }
    const chunks: Uint8Array[] = []
    for await (const chunk of options.files.open('vault.json')) chunks.push(chunk)
    return restoreSecrets(connection, Buffer.concat(chunks).toString('utf8'))
  }

  /** What of others went with the replaced objects comes back from the target's own definitions. */
  async function giveBack(
    connection: Connection,
    replaced: Replaced,
    backup: ReturnType<typeof entryRunner>
  ): Promise<void> {
    const known = await readKnownObjects(connection)
    const entries = replaced.givenBack.filter((entry) => !known.has(entry))
    const runner = entryRunner({
      connection,
      user: '',
      superuser: false,
      entries: replaced.entries,
      platform: new Set(),
      isThere: () => true,
      onProgress: () => undefined
    })
    try {
      await runner.run(entries.filter((entry) => entry.kind !== 'ACL'))
      for (const entry of entries)
        if (entry.kind === 'MATERIALIZED VIEW')
          await backup.attempt(
            entry,
            `REFRESH MATERIALIZED VIEW ${quoteIdentifier(entry.schema)}.${quoteIdentifier(entry.tag)}`
          )
      await runner.run(entries.filter((entry) => entry.kind === 'ACL'))
      const [refused] = runner.findings.filter((finding) => finding.kind === 'todo')
      if (refused !== undefined) throw new UserError('SB708', `${refused.subject}: ${refused.detail}`)
    } catch (error) {
      if (error instanceof UserError && error.code === 'SB708')
        throw new UserError('SB708', `What depends on the replaced objects could not be given back: ${error.message}`, {
          cause: error
        })
      throw asError(error)
    }
  }
}

/** Locks that making an object takes, roughly: a table with its type has one itself and some for its TOAST table. */
const lockWeight: Readonly<Record<string, number>> = {
  TABLE: 3,
  INDEX: 1,
  CONSTRAINT: 1,
  SEQUENCE: 1,
  VIEW: 1,
  'MATERIALIZED VIEW': 3
}

function isWholeBackup(facts: DatabaseFacts): boolean {
  const { schemas, excludeSchemas, tables, excludeTables, excludeTableData } = facts.selection
  return [schemas, excludeSchemas, tables, excludeTables, excludeTableData].every((list) => list.length === 0)
}

/** Sequences of the platform are only ever set forward. */
async function withoutPassedSequences(connection: Connection, plan: RestorePlan): Promise<TocEntry[]> {
  const kept: TocEntry[] = []
  for (const entry of plan.entries) {
    if (entry.kind === 'SEQUENCE SET' && plan.platform.has(entry.schema)) {
      const value = /, (-?\d+), (true|false)\);\s*$/.exec(entry.definition)
      const [now] = await connection.query<{ value: string | null }>(
        'select last_value::text as value from pg_catalog.pg_sequences where schemaname = $1 and sequencename = $2',
        [entry.schema, entry.tag]
      )
      if (
        value === null ||
        now === undefined ||
        value[2] === 'false' ||
        BigInt(value[1] ?? '0') <= BigInt(now.value ?? '-1')
      )
        continue
    }
    kept.push(entry)
  }
  return kept
}

interface Passes {
  readonly before: TocEntry[]
  readonly after: TocEntry[]
  readonly grants: TocEntry[]
  readonly last: TocEntry[]
  readonly defaults: TocEntry[]
}

/** The order of pg_restore: definitions, rows, the rest; then grants; then event triggers and materialized views. Source: pg_backup_archiver.c. */
function passesOf(toc: ArchiveToc, entries: readonly TocEntry[]): Passes {
  const data = toc.entries.findIndex((entry) => entry.section === 3)
  const behind = new Set(data === -1 ? [] : toc.entries.slice(data).map((entry) => entry.id))
  const passes: Passes = { before: [], after: [], grants: [], last: [], defaults: [] }
  for (const entry of entries) {
    if (entry.kind === 'DEFAULT ACL') passes.defaults.push(entry)
    else if (entry.kind === 'ACL') passes.grants.push(entry)
    else if (
      /^(?:EVENT TRIGGER|MATERIALIZED VIEW DATA)$/.test(entry.kind) ||
      (/^(?:COMMENT|SECURITY LABEL)$/.test(entry.kind) && entry.tag.startsWith('EVENT TRIGGER '))
    )
      passes.last.push(entry)
    else if (behind.has(entry.id) && entry.kind !== 'BLOB METADATA') passes.after.push(entry)
    else passes.before.push(entry)
  }
  return passes
}

/** Two tables of one name from two schemas lie beside each other in the side schema. */
function sideTableName(rows: { readonly entry: TocEntry }, plan: RestorePlan): string {
  const same = plan.rows.filter((other) => other.entry.tag === rows.entry.tag)
  return same.length > 1 ? `${rows.entry.schema}_${rows.entry.tag}`.slice(0, 60) : rows.entry.tag
}
