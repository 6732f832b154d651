import type { Connection } from '../../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../../clients/postgres/server-error.ts'
import { asError, UserError } from '../../../../errors.ts'
import type { Finding } from '../../../source.ts'
import { qualified, quoteIdentifier, quoteLiteral, readable } from '../../catalog/quote.ts'
import type { ArchiveBlock, ArchiveReader } from '../../pg-archive/archive-reader.ts'
import type { CopiedColumns } from '../../pg-archive/copy-statement.ts'
import { isRefusal, messageOf, refusalOf } from '../definitions/refusal.ts'
import type { RowsPlan } from '../plan/restore-plan.ts'
import { locksOfRows, type Steps } from '../transactions/lock-budget.ts'
import { advanceSequences, compareWhole, insertMissing } from './insert-missing.ts'
import { copyRows, type Lanes, RowsFailed } from './parallel-copy.ts'

/** What became of the rows of one table. */
export interface LoadedTable {
  /** `schema.name` for people. */
  readonly table: string
  readonly rows: number
  /** `missing-rows` only: rows whose key is free but that another unique key keeps out. */
  readonly inTheWay?: number
  /** Why, in words. */
  readonly why?: string
}

export interface LoadOptions {
  readonly connection: Connection
  readonly reader: ArchiveReader
  readonly rows: readonly RowsPlan[]
  /** Whether large objects are brought back. */
  readonly largeObjects: boolean
  /** Numbers of large objects that stay as they are. */
  readonly keptObjects?: ReadonlySet<string>
  /** Makes the table that rows go into beside the live one; resolves with its name. */
  readonly beside: (plan: RowsPlan) => Promise<CopiedColumns>
  /** Called with the rows of `cron.job`. */
  readonly jobs: (plan: RowsPlan, chunks: AsyncIterable<Uint8Array>) => Promise<void>
  readonly onRows: (table: string, rows: number) => void
  readonly steps: Steps
  /** Take the rows of tables that this restore made, where they are there. */
  readonly lanes?: Lanes
}

export interface Loaded {
  readonly tables: readonly LoadedTable[]
  /** Ids of the entries whose rows the target refused. */
  readonly refused: ReadonlySet<number>
  /** Tables whose rows were not brought back, by name. */
  readonly left: readonly string[]
  readonly findings: readonly Finding[]
}

/** Rows that the target refused, and that are worth a second try. */
export interface RefusedRows {
  readonly plan: RowsPlan
  readonly error: unknown
}

/**
 * Reads the archive's data once, from its first byte to its last, and brings in what is planned. Needs an open transaction. Resolves with those tables, too,
 * whose rows the target refused, and which are as they were.
 */
export async function loadRows(
  options: LoadOptions
): Promise<{ readonly loaded: Loaded; readonly refused: readonly RefusedRows[] }> {
  const { connection, reader } = options
  const plans = new Map(options.rows.map((plan) => [plan.entry.id, plan]))
  const parts: Loaded[] = []
  const refused: RefusedRows[] = []
  const inLanes = new Map<CopiedColumns, RowsPlan>()
  for await (const block of reader.blocks()) {
    if (block.kind === 'largeObjects') {
      if (options.largeObjects) await writeLargeObjects(connection, block, options.keptObjects)
      continue
    }
    const plan = plans.get(block.entry.id)
    if (plan === undefined) continue
    if (options.lanes !== undefined && plan.way === 'copy' && !plan.platform) {
      inLanes.set(plan.copied, plan)
      await options.lanes.put(plan.copied, block.chunks).catch((error: unknown) => {
        throw stoppedAt(error)
      })
      continue
    }
    await options.steps.before(locksOfRows)
    try {
      parts.push(await loadTable(plan, block.chunks, options))
    } catch (error) {
      if (!isRefusal(error) || connection.broken.aborted) throw notBroughtBack(plan, error)
      await connection.query('rollback to savepoint rows; release savepoint rows')
      if (plan.platform && sqlStateOf(error) === '42501') parts.push(leftAsTheyAre(plan, error))
      else refused.push({ plan, error })
    }
  }
  if (options.lanes !== undefined) {
    const ended = await options.lanes.end().catch((error: unknown) => {
      throw stoppedAt(error)
    })
    for (const [copied, plan] of inLanes) {
      const error = ended.refused.get(copied)
      if (error !== undefined) {
        await connection.query(`truncate only ${qualified(plan.facts)}`)
        refused.push({ plan, error })
        continue
      }
      const table = { table: readable(plan.facts), rows: ended.counts.get(copied) ?? 0 }
      parts.push({ ...nothing, tables: [table] })
      options.onRows(table.table, table.rows)
    }
  }
  return { loaded: together(parts), refused }
}

const nothing: Loaded = { tables: [], refused: new Set(), left: [], findings: [] }

/** Brings the rows of one table in, behind a savepoint that the caller goes back to when this rejects. */
export async function loadTable(
  plan: RowsPlan,
  chunks: AsyncIterable<Uint8Array>,
  options: Pick<LoadOptions, 'connection' | 'beside' | 'jobs' | 'onRows'>
): Promise<Loaded> {
  const { connection } = options
  const name = readable(plan.facts)
  const findings: Finding[] = []
  await connection.query('savepoint rows')
  const loaded = await load(plan, chunks, options, findings)
  const compared = loaded === 'noKey' ? await compareWhole(connection, plan.facts) : null
  await connection.query('release savepoint rows')
  if (compared !== null) {
    if (compared.same) return { ...nothing, tables: [{ table: name, rows: 0 }] }
    findings.push({
      kind: 'todo',
      subject: `table ${name}`,
      detail: `it has no primary key and no unique key without nulls: which of its rows are missing cannot be told (${compared.words})`,
      remedy: `restore-mode: side-schema, tables: ${name}`
    })
    return { ...nothing, left: [name], findings }
  }
  if (loaded === null || loaded === 'noKey') return { ...nothing, findings }
  options.onRows(name, loaded.rows)
  if (loaded.inTheWay !== undefined && loaded.inTheWay > 0)
    findings.push({
      kind: 'todo',
      subject: `table ${name}`,
      detail: `${loaded.inTheWay} missing rows were not inserted: ${loaded.why ?? 'another unique key of theirs is taken'}`
    })
  return { ...nothing, tables: [loaded], findings }
}

/** What is said of a table whose rows the target does not take, whatever was tried. */
export function leftAsTheyAre({ entry, facts }: RowsPlan, error: unknown): Loaded {
  const rows = facts.rows ?? '0'
  const name = readable(facts)
  return {
    tables: [],
    refused: new Set([entry.id]),
    left: rows === '0' ? [] : [name],
    findings: [
      { kind: 'todo', subject: `table ${name}`, detail: `its ${rows} rows were not brought back: ${messageOf(error)}` }
    ]
  }
}

export function notBroughtBack(plan: Pick<RowsPlan, 'facts'>, error: unknown): unknown {
  return sqlStateOf(error) === undefined ? error : refusedRowsOf(readable(plan.facts), error)
}

function refusedRowsOf(name: string, error: unknown): UserError {
  return new UserError('SB708', `The rows of ${name} could not be brought back: ${messageOf(error)}`, {
    cause: error
  })
}

/** What a session beside this one met: an answer of the server is told with the table's name, anything else as it is. */
function stoppedAt(error: unknown): unknown {
  if (!(error instanceof RowsFailed)) return error
  const { cause, into } = error
  return sqlStateOf(cause) === undefined
    ? cause
    : refusedRowsOf(readable({ schema: into.schema, name: into.table }), cause)
}

async function load(
  plan: RowsPlan,
  chunks: AsyncIterable<Uint8Array>,
  options: Pick<LoadOptions, 'connection' | 'beside' | 'jobs'>,
  findings: Finding[]
): Promise<LoadedTable | 'noKey' | null> {
  const { connection } = options
  const table = readable(plan.facts)
  switch (plan.way) {
    case 'jobs':
      await options.jobs(plan, chunks)
      return null
    case 'missing': {
      const done = await insertMissing(connection, plan.copied, chunks)
      if (done.kind === 'noKey') return 'noKey'
      findings.push(...done.findings)
      const why = done.why === undefined ? {} : { why: done.why }
      return { table, rows: done.inserted, inTheWay: done.inTheWay, ...why }
    }
    case 'beside':
      return { table, rows: await copyRows(connection, await options.beside(plan), chunks) }
    case 'copy':
      return { table, rows: await copyRows(connection, plan.copied, chunks) }
    case 'exchange': {
      // Emptied already: the role may have no right to write there.
      if (plan.platform && plan.facts.rows === '0') return { table, rows: 0 }
      const rows = await copyRows(connection, plan.copied, chunks)
      if (!plan.platform) findings.push(...(await advanceSequences(connection, plan.facts)))
      return { table, rows }
    }
  }
}

/** The objects themselves were made before, by their entries. */
async function writeLargeObjects(
  connection: Connection,
  block: Extract<ArchiveBlock, { kind: 'largeObjects' }>,
  kept: ReadonlySet<string> = new Set()
): Promise<void> {
  for await (const object of block.objects) {
    if (kept.has(String(object.oid))) continue
    let at = 0
    for await (const chunk of object.chunks) {
      await connection.query(`select pg_catalog.lo_put($1, $2, $3)`, [object.oid, at, Buffer.from(chunk)])
      at += chunk.byteLength
    }
  }
}

/**
 * Deletes what tables hold whose rows are exchanged. Where the platform guards its tables against it, that is asked to stand back; what it refuses all the
 * same is returned as not brought back, and nothing may be put beside it.
 */
export async function emptyTables(connection: Connection, plans: readonly RowsPlan[]): Promise<Loaded> {
  const exchanged = plans.filter((plan) => plan.way === 'exchange')
  const refused = new Set<number>()
  const left: string[] = []
  const findings: Finding[] = []
  const emptied = { tables: [], refused, left, findings }
  if (exchanged.length === 0) return emptied
  await connection.query(`select pg_catalog.set_config('storage.allow_delete_query', 'true', true)`)
  for (const plan of exchanged) {
    const name = qualified(plan.facts)
    const [there] = await connection.query<{ some: boolean }>(`select exists (select from only ${name}) as some`)
    if (there?.some !== true) continue
    const statement = `delete from only ${name}`
    if (!plan.platform) {
      await connection.query(statement)
      continue
    }
    const error = await refusalOf(connection, statement)
    if (error === null) continue
    if (sqlStateOf(error) !== '42501') throw error
    refused.add(plan.entry.id)
    const rows = plan.facts.rows ?? '0'
    if (rows !== '0') left.push(readable(plan.facts))
    findings.push({
      kind: 'todo',
      subject: `table ${readable(plan.facts)}`,
      detail: `it holds what the target had, and not the ${rows} rows of the backup: ${asError(error).message}`
    })
  }
  return emptied
}

/** What came of several parts of a restore. */
export function together(parts: readonly Loaded[]): Loaded {
  return {
    tables: parts.flatMap((part) => part.tables),
    refused: new Set(parts.flatMap((part) => [...part.refused])),
    left: parts.flatMap((part) => part.left),
    findings: parts.flatMap((part) => part.findings)
  }
}

/**
 * Triggers that fire even while rows are replicated are held still, as far as the role may, and set back by the statements returned. Those of tables
 * that this restore makes come after the rows.
 */
export async function holdTriggers(
  connection: Connection,
  plans: readonly RowsPlan[]
): Promise<{ readonly back: readonly string[]; readonly findings: readonly Finding[] }> {
  const back: string[] = []
  const findings: Finding[] = []
  for (const plan of plans) {
    if (plan.way !== 'exchange' && plan.way !== 'missing') continue
    const name = qualified(plan.facts)
    const rows = await connection.query<{ name: string; state: string }>(
      `select tgname::text as name, tgenabled::text as state from pg_trigger where tgrelid = ${quoteLiteral(name)}::regclass and not tgisinternal and tgenabled in ('A', 'R')`
    )
    for (const row of rows) {
      const trigger = quoteIdentifier(row.name)
      const refusal = await refusalOf(connection, `alter table ${name} disable trigger ${trigger}`)
      if (refusal === null)
        back.push(`alter table ${name} enable ${row.state === 'A' ? 'always' : 'replica'} trigger ${trigger}`)
      else
        findings.push({
          kind: 'note',
          subject: `trigger ${trigger} on ${readable(plan.facts)}`,
          detail: 'it fires for every row that comes back: the role may not hold it still'
        })
    }
  }
  return { back, findings }
}
