import type { TableFacts } from '../../../../archive/contents-database.ts'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { qualified, readable } from '../../catalog/quote.ts'
import { applySettings } from '../../loading/source-settings.ts'
import { objectNumbers } from '../../pg-archive/entry-sql.ts'
import { factsOfKind } from '../../pg-archive/kinds.ts'
import type { ArchiveToc, TocEntry } from '../../pg-archive/toc.ts'
import {
  clearDefaultPrivileges,
  readDefaultPrivileges,
  resetDefaultPrivileges
} from '../definitions/default-privileges.ts'
import type { RowsPlan } from '../plan/restore-plan.ts'
import { openLanes } from '../rows/parallel-copy.ts'
import { type SideSession, sideSessions } from '../rows/worker-sessions.ts'
import { setReplicaRole } from '../target/target-state.ts'
import type { Order, Work } from '../work.ts'
import { batchesOf, locksPerBatch, type Steps, singleTransaction } from './lock-budget.ts'
import {
  broughtBy,
  type Filled,
  globalKinds,
  leaveMarker,
  recordFilled,
  removeMark,
  runsOf,
  type Unfinished
} from './restore-marker.ts'
import type { RowGroup, Transactions } from './transactions.ts'

export interface BatchedOptions {
  readonly backupId: string
  /** Begins a transaction with the settings of a restore, those of a session beside others where it is one. */
  readonly begin: (connection: Connection, beside?: boolean) => Promise<void>
  /** Sessions beside the first that rows can be shared among; fewer than two are of no use. The caller closes them. */
  readonly openSessions: () => Promise<readonly Connection[]>
}

/**
 * What one transaction of an empty target cannot hold, or what is large, in several. The first one leaves a mark of what is going to be made; the last one brings
 * what the platform's own objects get (triggers, policies, publications, jobs, settings) and removes the mark. Whoever calls must take back what the mark
 * names when a phase throws. Each transaction but the last gives default privileges back to the target at its end.
 */
export function batched(
  options: BatchedOptions,
  { connection, target, reader }: Order,
  work: () => Work
): Transactions {
  let mark: Unfinished | null = null
  let full: readonly RowsPlan[] = []
  let waiting = waitingFor([], { entries: [] })
  let sessions: readonly SideSession[] = []
  let inLast = false
  const stages = batchesOf({
    connection,
    most: locksPerBatch(target.mostLocks),
    begin: () => options.begin(connection),
    atEnd: () => resetDefaultPrivileges(connection, work().journal.defaults),
    async atBegin() {
      const { journal } = work()
      journal.defaults = await clearDefaultPrivileges(connection, await readDefaultPrivileges(connection))
      if (journal.still) await setReplicaRole(connection, target, true)
      await applySettings(connection, journal.inForce)
    }
  })
  const steps: Steps = {
    most: stages.most,
    before: (locks) => (inLast ? singleTransaction.before(locks) : stages.before(locks))
  }

  async function* groups({ journal: { plan, inForce } }: Work): AsyncGenerator<RowGroup> {
    const ofPlatform = plan.rows.filter((rows) => rows.way !== 'copy')
    full = await holdingRows(connection, ofPlatform)
    waiting = waitingFor(full, reader.toc)
    const free = ofPlatform.filter((rows) => !full.includes(rows))
    if (free.length > 0) yield { rows: free, largeObjects: false, steps: singleTransaction }
    if (mark !== null) await recordFilled(connection, mark, await filledBy(connection, free))
    await stages.next()
    const rows = plan.rows.filter((one) => one.way === 'copy')
    const objects = plan.entries.some((entry) => factsOfKind(entry.kind).isLargeObject)
    const connections = rows.length === 0 ? [] : await options.openSessions()
    if (connections.length >= 2)
      sessions = sideSessions(connections, (session) => options.begin(session, true), target, inForce)
    yield { rows, largeObjects: objects, steps, ...(sessions.length === 0 ? {} : { lanes: openLanes(sessions) }) }
  }

  return {
    steps,
    async leaveMarker(now) {
      mark = await markerOf(now, options.backupId)
      await leaveMarker(connection, mark)
    },
    between: () => stages.next(),
    groups,
    lastRows: () => full,
    isLate: (entry) => belongsToLast(entry, work().journal.plan.platform) || waiting.hasEntry(entry),
    isLateTable: (table) => waiting.hasTable(table),
    apart: { stages, sessions: () => sessions },
    async last() {
      await stages.next()
      inLast = true
    },
    removeMark: () => removeMark(connection)
  }
}

/** Those of tables that hold rows already: they are exchanged in the last transaction, so that taking back never has to bring rows of the target back. */
async function holdingRows(connection: Connection, rows: readonly RowsPlan[]): Promise<readonly RowsPlan[]> {
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
function waitingFor(full: readonly RowsPlan[], toc: Pick<ArchiveToc, 'entries'>) {
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

/** What the open transaction has brought into tables that held nothing. */
async function filledBy(connection: Connection, rows: readonly RowsPlan[]): Promise<Filled[]> {
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
  if (factsOfKind(entry.kind).isAbout)
    return platform.has(entry.schema) || /^(?:SCHEMA public$|EVENT TRIGGER |PUBLICATION )/.test(entry.tag)
  return platform.has(entry.schema) && (entry.section === 4 || entry.kind === 'SEQUENCE SET')
}

async function markerOf(
  { connection, context, facts, target, all, journal: { plan, passes } }: Work,
  backupId: string
): Promise<Unfinished> {
  const { before } = passes
  const objects = await connection.query<{ oid: number }>('select oid from pg_catalog.pg_largeobject_metadata')
  const names = (kind: string) => plan.entries.filter((entry) => entry.kind === kind).map((entry) => entry.tag)
  return {
    format: 1,
    backupId,
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
