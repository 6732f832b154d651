import { isNarrowed, type TableFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { withRoomyHeap } from '../../../clients/process/heap-limit.ts'
import type { Finding } from '../../source.ts'
import { qualified, readable } from '../catalog/quote.ts'
import { passesOf } from '../loading/restore-order.ts'
import type { ArchiveReader } from '../pg-archive/archive-reader.ts'
import { objectNumbers } from '../pg-archive/entry-sql.ts'
import type { ArchiveToc, TocEntry } from '../pg-archive/toc.ts'
import {
  assertEqual,
  type CarryOutOptions,
  checkOf,
  type DatabaseRestored,
  load,
  notToldAgain,
  restoreBeside,
  runnerOf,
  stillOpen
} from './carry-out.ts'
import { checkForeignKeys } from './check/foreign-keys.ts'
import { checkInParts } from './check/verify-in-batches.ts'
import { checkAfter, checkedTables, checkTables } from './check/verify-restored.ts'
import { rolesFirst } from './definitions/create-entries.ts'
import {
  clearDefaultPrivileges,
  type DefaultPrivileges,
  readDefaultPrivileges,
  resetDefaultPrivileges
} from './definitions/default-privileges.ts'
import { restoreRoles } from './definitions/restore-roles.ts'
import { borrowRoles } from './definitions/temporary-memberships.ts'
import { memberRestore } from './extension-members.ts'
import type { RowsPlan } from './plan/types.ts'
import { buildIndexes, largeIndexes } from './rows/build-indexes.ts'
import { emptyTables, holdTriggers, type Loaded, together } from './rows/load-table-data.ts'
import { openLanes } from './rows/parallel-copy.ts'
import { sideSessions } from './rows/worker-sessions.ts'
import { keepPrivate, privateBuckets } from './supabase/private-buckets.ts'
import { withoutPassedSequences } from './target/passed-sequences.ts'
import { locksPerStage, stagesOf } from './transactions/lock-budget.ts'
import {
  broughtBy,
  type Filled,
  globalKinds,
  leaveMark,
  markFilled,
  removeMark,
  runsOf,
  type Unfinished
} from './transactions/restore-marker.ts'

export interface StagedOptions extends CarryOutOptions {
  readonly mode: 'empty'
  readonly backupId: string
  /** Begins a transaction with the settings of a restore, those of a session beside others where it is one. */
  readonly begin: (connection: Connection, beside?: boolean) => Promise<void>
  readonly openArchive: () => Promise<ArchiveReader>
  /** Sessions beside the first that rows can be shared among; fewer than two are of no use. The caller closes them. */
  readonly openSessions: () => Promise<readonly Connection[]>
}

/**
 * Carries out what one transaction of the target cannot hold, in several. The first one leaves a mark of what is going to be made; the last one, which is open
 * when this resolves, brings what the platform's own objects get (triggers, policies, publications, jobs, settings), compares everything with the backup and
 * removes the mark. Throws as `carryOut`; the caller must take back what the mark names then.
 */
export async function carryOutInStages(options: StagedOptions): Promise<DatabaseRestored> {
  const { connection, context, facts, target, plan, chosen, reader } = options
  const { toc } = reader
  const findings: Finding[] = [...plan.findings]
  const all = chosen.whole && facts.selection.type !== 'data'
  const whole = all && !isNarrowed(facts)
  let replica = false
  let defaults: readonly DefaultPrivileges[] = []
  const still = async (on: boolean) => {
    replica = on
    if (target.replicaRole) await connection.query(`set local session_replication_role = ${on ? 'replica' : 'origin'}`)
  }
  const setAside = async () => {
    defaults = await clearDefaultPrivileges(connection, await readDefaultPrivileges(connection))
  }
  const stages = stagesOf({
    connection,
    most: locksPerStage(target.mostLocks),
    begin: () => options.begin(connection),
    atEnd: () => resetDefaultPrivileges(connection, defaults),
    async atBegin() {
      await setAside()
      await still(replica)
    }
  })
  const passes = passesOf(toc, await withoutPassedSequences(connection, facts, plan))

  await setAside()
  const mark = await markOf(options, passes.before, all)
  await leaveMark(connection, mark)
  if (all) findings.push(...(await restoreRoles(connection, facts, target)))
  // Of those that this restore made: when it is cut, they go, and their members with them.
  const owners = plan.entries.map((entry) => entry.owner).filter((name) => !target.roles.has(name))
  const borrowed = await borrowRoles(connection, owners, target)
  await stages.next()
  const runner = await runnerOf(options, stages)
  await runner.run(passes.first)
  await still(true)
  const members = memberRestore(options)
  await members.make()
  await runner.run(passes.before.filter((entry) => !belongsToLast(entry, plan.platform)))
  await members.make()
  await stages.next()

  const ofPlatform = plan.rows.filter((rows) => rows.way !== 'copy')
  const full = await holdingRows(connection, ofPlatform)
  const free = ofPlatform.filter((rows) => !full.includes(rows))
  const loaded = [await loadPlatform(options, free, 'free', findings)]
  if (full.length === 0) await checkPlatform(connection, free, loaded)
  await markFilled(connection, mark, await filledBy(connection, free))
  await stages.next()
  const largeObjects = plan.entries.some((entry) => entry.kind === 'BLOB' || entry.kind === 'BLOB METADATA')
  const own = { ...plan, rows: plan.rows.filter((rows) => rows.way === 'copy') }
  const connections = own.rows.length === 0 ? [] : await options.openSessions()
  const sessions =
    connections.length < 2 ? [] : sideSessions(connections, (connection) => options.begin(connection, true), target)
  const again = await options.openArchive()
  loaded.push(
    await withRoomyHeap(() =>
      load({ ...options, reader: again, plan: own }, null, largeObjects, findings, {
        steps: stages,
        ...(sessions.length === 0 ? {} : { lanes: openLanes(sessions) })
      })
    )
  )
  findings.push(...together(loaded).findings)
  const waiting = waitingFor(full, toc)
  const isLast = (entry: TocEntry) => belongsToLast(entry, plan.platform) || waiting.hasEntry(entry)
  const early = (entries: readonly TocEntry[]) => entries.filter((entry) => !isLast(entry))
  const after = early(passes.after)
  const built = await buildIndexes(sessions, largeIndexes(after, toc.entries, own.rows))
  runner.count([...built])
  await runner.run(after.filter((entry) => !built.has(entry)))
  await runner.run(early(passes.grants))
  await runner.run(early(passes.last))
  const check = checkOf(options, together(loaded), runner, { whole, largeObjects })
  const tables = checkedTables(check).filter((table) => !waiting.hasTable(table))
  if (sessions.length > 0) await stages.next()
  const compared = await checkInParts({
    check,
    tables,
    stages,
    sessions,
    onCompared: (count) => context.log.progress(() => `database: ${count} of ${tables.length} tables compared`)
  })
  findings.push(...assertEqual(compared.findings))
  const unequal = [...compared.unequal]
  await stages.next()

  if (full.length > 0) {
    const brought = await loadPlatform({ ...options, reader: await options.openArchive() }, full, 'full', findings)
    loaded.push(brought)
    findings.push(...brought.findings)
    await checkPlatform(connection, ofPlatform, loaded)
  }
  const rows = together(loaded)
  const ofExtensions = await members.fill()
  const last = await runnerOf(options)
  await last.run([...passes.before, ...passes.after].filter(isLast))
  await last.run([...passes.grants, ...passes.last].filter(isLast))
  if (whole) await last.run(passes.defaults)
  else await resetDefaultPrivileges(connection, defaults)
  await still(false)
  findings.push(...(await restoreBeside(options, rows.refused, all)))
  const both = {
    ...last,
    refused: union(runner.refused, last.refused),
    otherOwner: runner.otherOwner,
    missingRoles: union(runner.missingRoles, last.missingRoles)
  }
  const refused = [...runner.findings, ...(await stillOpen(connection, last, toc, facts))]
  await removeMark(connection)
  const checkOfAll = checkOf(options, rows, both, { whole, largeObjects })
  const waited = checkedTables(checkOfAll).filter((table) => waiting.hasTable(table))
  if (waited.length > 0) {
    const late = await checkTables(checkOfAll, waited)
    findings.push(...assertEqual(late.findings))
    unequal.push(...late.unequal)
  }
  const checked = assertEqual(await checkAfter(checkOfAll))
  const findingOf = (id: number) => runner.findingOf(id) ?? last.findingOf(id)
  findings.push(...notToldAgain(refused, checked, { refused: both.refused, findingOf }, toc), ...checked)
  const membersChecked = await members.check()
  findings.push(...membersChecked.findings)
  for (const statement of borrowed) await connection.query(statement)
  if (plan.platform.size > 0) await connection.query(`select pg_catalog.pg_notify('pgrst', 'reload schema')`)
  const tablesOfAll = [...rows.tables, ...ofExtensions.tables]
  return {
    tables: tablesOfAll,
    rows: tablesOfAll.reduce((sum, table) => sum + table.rows, 0),
    sideSchema: null,
    left: [...plan.left, ...rows.left, ...unequal, ...membersChecked.left],
    findings: rolesFirst(findings, both.missingRoles)
  }
}

/** Those of tables that hold rows already: they are exchanged in the last transaction, so that taking back never has to bring rows of the target back. */
async function holdingRows(
  connection: Connection,
  rows: CarryOutOptions['plan']['rows']
): Promise<CarryOutOptions['plan']['rows']> {
  const holding: RowsPlan[] = []
  for (const plan of rows) {
    if (plan.way !== 'exchange') continue
    const [there] = await connection.query<{ some: boolean }>(
      `select exists (select from only ${qualified(plan.facts)}) as some`
    )
    if (there?.some === true) holding.push(plan)
  }
  return holding
}

/** What can be made and compared when the rows of these tables are there: foreign keys to them, and materialized views, which may read them. */
function waitingFor(full: CarryOutOptions['plan']['rows'], toc: ArchiveToc) {
  const names = new Set(full.map(({ facts }) => readable(facts)))
  const ids = new Set(
    toc.entries
      .filter((entry) => entry.kind === 'TABLE' && names.has(readable({ schema: entry.schema, name: entry.tag })))
      .map((entry) => entry.id)
  )
  return {
    hasEntry: ({ kind, needs }: TocEntry) =>
      (kind === 'FK CONSTRAINT' && needs.some((id) => ids.has(id))) ||
      (kind === 'MATERIALIZED VIEW DATA' && full.length > 0),
    hasTable: (table: TableFacts) => names.has(readable(table)) || (table.kind === 'm' && full.length > 0)
  }
}

/** Rows of the platform's tables, and the jobs for later, in the open transaction. Nothing is deleted from tables that are free. */
async function loadPlatform(
  options: StagedOptions,
  rows: CarryOutOptions['plan']['rows'],
  tables: 'free' | 'full',
  findings: Finding[]
): Promise<Loaded> {
  const { connection, plan } = options
  if (rows.length === 0) return together([])
  const held = await holdTriggers(connection, rows)
  findings.push(...held.findings)
  const hidden = await privateBuckets(connection, rows)
  const emptied = tables === 'full' ? await emptyTables(connection, rows) : together([])
  const open = rows.filter(({ entry }) => !emptied.refused.has(entry.id))
  const loaded = together([emptied, await load({ ...options, plan: { ...plan, rows: open } }, null, false, findings)])
  findings.push(...(await keepPrivate(connection, hidden)))
  for (const statement of held.back) await connection.query(statement)
  return loaded
}

/** Throws SB709 where rows of the platform's tables refer to nothing. */
async function checkPlatform(
  connection: Connection,
  rows: CarryOutOptions['plan']['rows'],
  loaded: readonly Loaded[]
): Promise<void> {
  const { refused } = together(loaded)
  const touched = rows.filter(({ entry, way }) => way === 'exchange' && !refused.has(entry.id))
  assertEqual(
    await checkForeignKeys(
      connection,
      touched.map(({ facts }) => facts)
    )
  )
}

/** What the open transaction has brought into tables that held nothing. */
async function filledBy(connection: Connection, rows: CarryOutOptions['plan']['rows']): Promise<Filled[]> {
  const filled: Filled[] = []
  for (const { way, facts } of rows) if (way === 'exchange') filled.push(await broughtBy(connection, facts))
  return filled.filter(({ by }) => by.length > 0)
}

/**
 * What is made in the last transaction alone: everything that hangs on objects which the target had before, so that taking back need not know how they
 * were.
 */
function belongsToLast(entry: TocEntry, platform: ReadonlySet<string>): boolean {
  if (/^(?:PUBLICATION|EVENT TRIGGER|DEFAULT ACL)/.test(entry.kind)) return true
  if (/^(?:ACL|COMMENT|SECURITY LABEL)$/.test(entry.kind))
    return platform.has(entry.schema) || /^(?:SCHEMA public$|EVENT TRIGGER |PUBLICATION )/.test(entry.tag)
  return platform.has(entry.schema) && (entry.section === 4 || entry.kind === 'SEQUENCE SET')
}

async function markOf(options: StagedOptions, before: readonly TocEntry[], all: boolean): Promise<Unfinished> {
  const { connection, context, facts, plan, target } = options
  const objects = await connection.query<{ oid: number }>('select oid from pg_catalog.pg_largeobject_metadata')
  const names = (kind: string) => plan.entries.filter((entry) => entry.kind === kind).map((entry) => entry.tag)
  return {
    format: 1,
    backupId: options.backupId,
    startedAt: context.clock.now().toISOString(),
    made: before.filter((entry) => entry.schema !== '').map((entry) => ({ schema: entry.schema, name: entry.tag })),
    schemas: names('SCHEMA').filter((name) => !target.schemas.has(name)),
    extensions: names('EXTENSION'),
    others: before.flatMap((entry) => {
      const kind = globalKinds.find((known) => known === entry.kind)
      return kind === undefined ? [] : [{ kind, name: entry.tag }]
    }),
    roles: all ? facts.roles.map((role) => role.name).filter((name) => !target.roles.has(name)) : [],
    filled: [],
    largeObjects: objects.map((row) => row.oid),
    madeObjects: runsOf(plan.entries.flatMap(numbersOf))
  }
}

/** Large objects that an entry makes. */
function numbersOf(entry: TocEntry): number[] {
  if (entry.kind === 'BLOB') return [Number(entry.tag)]
  return entry.kind === 'BLOB METADATA' ? objectNumbers(entry).map(Number) : []
}

function union<T>(left: ReadonlySet<T>, right: ReadonlySet<T>): Set<T> {
  return new Set([...left, ...right])
}
