import {
  type DatabaseFacts,
  type ExtensionFacts,
  type Guard,
  holdsSomeObjects,
  type SequenceFacts,
  type VisibleRows
} from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { majorOf } from '../../../clients/postgres/server-version.ts'
import type { Clock } from '../../../context.ts'
import type { Finding } from '../../source.ts'
import { plainName, qualified, quoteLiteral, readable } from '../catalog/quote.ts'
import { readExtensions } from '../catalog/roles.ts'
import { readSequenceStates, readSequences } from '../catalog/sequences.ts'
import { readTables } from '../catalog/tables.ts'
import {
  type CompareOptions,
  type CopiedTable,
  compareGuards,
  compareLargeObjects,
  compareSequences,
  compareTables,
  compareVisibleRows,
  viewDiffers
} from '../fingerprint/compare.ts'
import { fingerprintVersion, readGuards, readInvalidIndexes, readSwitchedOff } from '../fingerprint/read-objects.ts'
import { searchPaths } from '../loading/search-paths.ts'
import { type HashMethod, type SumRequest, sumBatches, sumLargeObjects, sumTables } from './hashes.ts'
import { recomputeView } from './recomputed-views.ts'
import { repeatVisibleRows } from './visible-rows.ts'

/** What a restored copy holds, read by the same statements as the source's facts. */
export interface DatabaseState {
  readonly versionNumber: number
  readonly tables: readonly CopiedTable[]
  readonly sequences: ReadonlyMap<string, SequenceFacts['before']>
  readonly largeObjects: DatabaseFacts['largeObjects']
  readonly guards: readonly Guard[]
  readonly visibleRows: readonly VisibleRows[]
  readonly extensions: readonly ExtensionFacts[]
}

/** Connections beside the first. */
export interface OtherConnections {
  /** Sum tables side by side. */
  readonly helpers?: readonly Connection[]
  /** Asks what roles see: the first where it is left out, nobody where it is null. */
  readonly asking?: Connection | null
}

/**
 * Reads a copy's state as far as `facts` can be compared with it. Each connection must be that of a superuser, or of a role that reads everything, and be
 * in the transaction that `beginReading` opens; with several of them tables are summed side by side, and large ones in pieces.
 */
export async function readDatabaseState(
  connection: Connection,
  facts: DatabaseFacts,
  clock: Clock,
  others: OtherConnections = {}
): Promise<DatabaseState> {
  const { helpers = [], asking = connection } = others
  const catalog = new Map((await readTables(connection)).map((table) => [readable(table), table]))
  const requests: SumRequest[] = facts.tables.flatMap((table) => {
    const found = catalog.get(readable(table))
    if (found === undefined || table.rows === null || (table.kind === 'm' && found.populated !== true)) return []
    // Columns are those of the source: one that is gone fails here, and is found as a difference of the table before that.
    const known = new Set(found.columns.map((column) => column.name))
    const method: HashMethod | null = table.columns.every((column) => known.has(column.name))
      ? (table.hash?.method ?? null)
      : null
    return [
      {
        table: { schema: table.schema, name: table.name, columns: table.columns, condition: found.condition },
        bytes: found.bytes || table.bytes,
        method
      }
    ]
  })
  const wanted = new Set(facts.sequences.map(readable))
  const readRest = async (using: Connection) => {
    const names =
      facts.sequences.length === 0
        ? []
        : (await readSequences(using)).filter((sequence) => wanted.has(readable(sequence)))
    const states = await readSequenceStates(using, names)
    return {
      sequences: new Map(
        names.flatMap((name, index) => (states[index] === undefined ? [] : [[readable(name), states[index]] as const]))
      ),
      largeObjects:
        facts.largeObjects.count === '0'
          ? { count: '0', hash: '0' }
          : await sumLargeObjects(using, facts.largeObjects.method ?? 'record'),
      guards:
        facts.guards.length === 0
          ? []
          : [
              ...(await readGuards(using, facts.server.versionNumber, { untouched: true })),
              ...(await readSwitchedOff(using)),
              ...(await readInvalidIndexes(using))
            ],
      visibleRows:
        facts.visibleRows.length === 0 || asking === null
          ? []
          : await repeatVisibleRows(asking, facts.visibleRows, clock),
      extensions: await readExtensions(using)
    }
  }
  const split = helpers.length === 0 ? requests : await inPieces(connection, requests, helpers.length + 1)
  const sums = new Map<string, CopiedTable>()
  const sum = async (using: Connection, batch: readonly SumRequest[]) => {
    const results = await sumTables(using, batch, searchPaths(facts, ''))
    for (const [index, { table, method }] of batch.entries()) {
      const result = results[index]
      if (result === undefined) continue
      const name = readable(table)
      const before = sums.get(name)
      const add = (left: string | undefined, right: string) => String(BigInt(left ?? '0') + BigInt(right))
      sums.set(name, {
        schema: table.schema,
        name: table.name,
        rows: add(before?.rows ?? undefined, result.rows),
        hash: method === null || result.hash === null ? null : { method, value: add(before?.hash?.value, result.hash) },
        ...(method === null || result.written === null
          ? {}
          : { writtenHash: { method, value: add(before?.writtenHash?.value, result.written) } })
      })
    }
  }
  // Whoever is free takes the next batch, the large ones first; the first connection begins with everything that is no table's rows.
  const batches = sumBatches(split.toSorted((left, right) => right.bytes - left.bytes))
  const work = async (using: Connection) => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) await sum(using, batch)
  }
  const [rest] = await Promise.all([
    readRest(connection).then(async (found) => work(connection).then(() => found)),
    ...helpers.map(work)
  ])
  const tables = facts.tables.flatMap(({ schema, name }): CopiedTable[] => {
    const found = catalog.get(readable({ schema, name }))
    if (found === undefined) return []
    const summed = sums.get(readable({ schema, name })) ?? { schema, name, rows: null, hash: null }
    return [found.populated === undefined ? summed : { ...summed, populated: found.populated }]
  })
  return { versionNumber: connection.versionNumber, tables: await withRecomputed(connection, facts, tables), ...rest }
}

/** Adds what their definitions give to materialized views that are not as in the source. */
async function withRecomputed(
  connection: Connection,
  facts: Pick<DatabaseFacts, 'tables'>,
  tables: readonly CopiedTable[]
): Promise<CopiedTable[]> {
  const views = new Map(facts.tables.filter((table) => table.kind === 'm').map((table) => [readable(table), table]))
  const all: CopiedTable[] = []
  for (const table of tables) {
    const source = views.get(readable(table))
    if (source === undefined || !viewDiffers(source, table)) all.push(table)
    else all.push({ ...table, recomputed: await recomputeView(connection, source, table.hash?.method ?? null) })
  }
  return all
}

/** Tables above this are summed in pieces. Bytes. */
const pieceBytes = 64 * 1024 * 1024

/** Cuts the requests of large tables into ranges of pages: the sum over a table is that of its pieces. */
async function inPieces(
  connection: Connection,
  requests: readonly SumRequest[],
  workers: number
): Promise<SumRequest[]> {
  // Older servers read the whole table for each range.
  if (connection.versionNumber < 140000) return [...requests]
  const large = requests.filter(({ table, bytes }) => bytes > pieceBytes && table.condition === '')
  if (large.length === 0) return [...requests]
  const sizes = await connection.query<{ pages: string }>(
    `${large.map(({ table }, at) => `select ${at} as at, (pg_catalog.pg_relation_size(${quoteLiteral(qualified(table))}::pg_catalog.regclass) / 8192)::text as pages`).join(' union all ')} order by at`
  )
  return requests.flatMap((request) => {
    const pages = Number(sizes[large.indexOf(request)]?.pages ?? 0)
    if (pages === 0) return [request]
    const step = Math.max(Math.ceil(pages / (workers * 2)), 1)
    const pieces: SumRequest[] = []
    for (let from = 0; from < pages; from += step) {
      const end = from + step < pages ? ` and t.ctid < '(${from + step},0)'` : ''
      pieces.push({
        ...request,
        bytes: request.bytes / (workers * 2),
        table: { ...request.table, condition: `where t.ctid >= '(${from},0)'${end}` }
      })
    }
    return pieces
  })
}

/** Compares a copy with what was captured. An empty list means: everything that the facts tell came back exactly. */
export function compareDatabase(facts: DatabaseFacts, state: DatabaseState): Finding[] {
  const there = new Map(state.extensions.map((extension) => [extension.name, extension]))
  const missing = facts.extensions.filter((extension) => !there.has(extension.name))
  const options: CompareOptions = {
    missingExtensions: new Set(missing.map((extension) => extension.name)),
    sameMajor: majorOf(facts.server.versionNumber) === majorOf(state.versionNumber),
    sameFingerprint: facts.fingerprint === fingerprintVersion
  }
  const needs = new Map(
    facts.guards
      .filter((guard) => /^(?:table|materialized view|foreign table)$/.test(guard.kind))
      .map((guard) => [plainName(guard.name), guard.needs ?? []])
  )
  const whole = facts.guards.length > 0 && facts.selection.schemas.length === 0 && facts.selection.tables.length === 0
  const guards = facts.guards.length === 0 ? [] : compareGuards(facts.guards, narrowedTo(facts, state.guards), options)
  return [
    ...(whole
      ? facts.extensions.flatMap((extension): Finding[] => {
          const found = there.get(extension.name)
          const subject = `extension ${extension.name}`
          if (found === undefined)
            return [
              { kind: 'notProven', reason: 'missing-extension', subject, detail: "the copy's server does not have it" }
            ]
          if (found.schema !== extension.schema)
            return [
              {
                kind: 'difference',
                subject,
                detail: `it lies in the schema ${extension.schema} in the source, in ${found.schema} in the copy`
              }
            ]
          if (found.version === extension.version) return []
          return [
            {
              kind: 'note',
              subject,
              detail: `version ${extension.version} in the source, ${found.version} in the copy`
            }
          ]
        })
      : []),
    // Every new database has plpgsql.
    ...(whole
      ? state.extensions
          .filter(({ name }) => name !== 'plpgsql' && facts.extensions.every((extension) => extension.name !== name))
          .map(
            ({ name }): Finding => ({
              kind: 'difference',
              subject: `extension ${name}`,
              detail: 'it is in the copy, but not in the source'
            })
          )
      : []),
    ...compareTables(facts.tables, state.tables, needs, options),
    ...compareSequences(facts.sequences, state.sequences),
    ...compareLargeObjects(facts.largeObjects, state.largeObjects),
    ...guards,
    ...compareVisibleRows(facts.visibleRows, state.visibleRows)
  ]
}

/** In a narrowed backup the copy's other objects are nobody's concern. */
function narrowedTo(facts: DatabaseFacts, guards: readonly Guard[]): readonly Guard[] {
  if (!holdsSomeObjects(facts)) return guards
  const known = new Set(facts.guards.map((guard) => `${guard.kind}\0${guard.name}`))
  return guards.filter((guard) => known.has(`${guard.kind}\0${guard.name}`))
}
