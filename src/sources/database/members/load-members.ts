import type { Readable } from 'node:stream'
import type { MemberTable } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { attempt } from '../../../clients/postgres/savepoint.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { asError } from '../../../errors.ts'
import type { Finding } from '../../source.ts'
import { qualified, quoteLiteral, readable } from '../catalog/quote.ts'
import { sumTables } from '../dump/hashes.ts'
import { compareWhole, insertMissing } from '../restore/rows/insert-missing.ts'
import { copyStatement, rowsOfArchive } from './rows-archive.ts'

export interface LoadMembersOptions {
  readonly connection: Connection
  readonly file: () => Readable
  /** Tables whose rows are meant. */
  readonly tables: readonly MemberTable[]
  /** `copy` into an empty table, else those that are missing; `exchange`: all that is there goes first; `missing`: by key. */
  readonly way: 'copy' | 'exchange' | 'missing'
}

export interface LoadedMembers {
  readonly tables: readonly { readonly table: string; readonly rows: number }[]
  /** Those that hold now what the backup does and nothing else, if all is well. */
  readonly whole: readonly MemberTable[]
  readonly left: readonly string[]
  readonly findings: readonly Finding[]
}

/** Brings rows of tables of extensions back in the open transaction. What the target refuses is told, and hinders nothing else. */
export async function loadMembers(options: LoadMembersOptions): Promise<LoadedMembers> {
  const { connection } = options
  const byEntry = new Map(options.tables.map((table) => [table.entry, table]))
  const tables: { table: string; rows: number }[] = []
  const whole: MemberTable[] = []
  const left: string[] = []
  const findings: Finding[] = []
  const refuse = (table: MemberTable, why: string) => {
    left.push(readable(table))
    findings.push({
      kind: 'todo',
      subject: table.subject,
      detail: `its ${table.rows ?? '0'} rows did not come back, it belongs to the extension ${table.extension}: ${why}`
    })
  }
  for await (const { entry, chunks } of rowsOfArchive(options.file())) {
    const table = byEntry.get(entry)
    if (table === undefined) continue
    const lacking = await columnsLackedBy(connection, table)
    if (lacking === null || lacking.length > 0) {
      refuse(table, lacking === null ? 'the target has no such table' : `it lacks the columns ${lacking.join(', ')}`)
      continue
    }
    const loaded = await attempt(connection, () => loadOne(options, table, chunks), isRefusal)
    if (!loaded.done) refuse(table, asError(loaded.error).message)
    else if (typeof loaded.value === 'string') refuse(table, loaded.value)
    else {
      tables.push({ table: readable(table), rows: loaded.value.count })
      if (loaded.value.whole) whole.push(table)
    }
  }
  return { tables, whole, left, findings }
}

function isRefusal(error: unknown): boolean {
  const state = sqlStateOf(error)
  return state !== undefined && !/^(?:08|40|53|57|58|XX)/.test(state)
}

async function loadOne(
  { connection, way }: LoadMembersOptions,
  table: MemberTable,
  chunks: AsyncIterable<Uint8Array>
): Promise<{ readonly count: number; readonly whole: boolean } | string> {
  if (way === 'exchange') await connection.query(`delete from only ${qualified(table)}`)
  const [held] = await connection.query<{ some: boolean }>(
    `select exists (select from only ${qualified(table)}) as some`
  )
  if (way !== 'missing' && held?.some !== true)
    return { count: await connection.copyIn(copyStatement(table), chunks), whole: true }
  const done = await insertMissing(
    connection,
    { schema: table.schema, table: table.name, columns: table.copied },
    chunks
  )
  if (done.kind === 'done') return { count: done.inserted, whole: false }
  const { extension: _, ...facts } = table
  const compared = await compareWhole(connection, facts)
  if (compared.same) return { count: 0, whole: false }
  return `it has no key to tell which of its rows are missing (${compared.words})`
}

/** Columns of the copied rows that the target's table lacks; null where there is no such table. */
async function columnsLackedBy(connection: Connection, table: MemberTable): Promise<string[] | null> {
  const [there] = await connection.query<{ columns: string[] | null }>(
    `select (select array_agg(attname::text) from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns
from pg_class c where c.oid = to_regclass(${quoteLiteral(qualified(table))})`
  )
  if (there === undefined) return null
  const known = new Set(there.columns ?? [])
  return table.copied.filter((column) => !known.has(column))
}

/** Tables whose rows are not those of the backup. */
export async function unequalMembers(connection: Connection, tables: readonly MemberTable[]): Promise<MemberTable[]> {
  const unequal: MemberTable[] = []
  for (const table of tables) {
    const [sum] = await sumTables(connection, [{ table, bytes: table.bytes, method: table.hash?.method ?? null }])
    if (sum?.rows !== table.rows || (table.hash !== null && sum?.hash !== table.hash.value)) unequal.push(table)
  }
  return unequal
}
