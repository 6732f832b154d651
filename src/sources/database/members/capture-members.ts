import type { DatabaseFacts, MemberFacts, MemberTable } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { matchesSchema, matchesTable, type Pattern, parsePattern } from '../catalog/patterns.ts'
import { readable } from '../catalog/quote.ts'
import type { Selection } from '../catalog/selection.ts'
import { type HashMethod, sumBatches, sumTables } from '../dump/hashes.ts'
import { type CatalogMemberTable, holdsMembers, readMemberSequences, readMemberTables } from './member-tables.ts'
import { readMembers } from './read-members.ts'

export interface CapturedMembers {
  /** Null where a choice of schemas or tables leaves extensions out. */
  readonly facts: MemberFacts | null
  readonly notCaptured: DatabaseFacts['notCaptured']
  /** Tables whose rows are lost with their extension: the role may not read them. */
  readonly unreadable: readonly string[]
}

export interface CaptureMembersOptions {
  readonly connection: Connection
  readonly selection: Selection
  readonly method: HashMethod
  readonly hashLimitBytes: number | null
}

/** Takes what belongs to extensions and no dump holds, but for the rows themselves. Needs the dump's snapshot. */
export async function captureMembers(options: CaptureMembersOptions): Promise<CapturedMembers> {
  const { connection, selection } = options
  if (!holdsMembers(selection)) return { facts: null, notCaptured: [], unreadable: [] }
  const isChosen = chosenBy(selection)
  const objects = selection.type === 'data' ? [] : await readMembers(connection)
  const found = (await readMemberTables(connection)).filter(isChosen.table)
  const rows = selection.type === 'schema' ? [] : found.filter(isChosen.rows)
  const sums = await sumAll(
    rows.filter((table) => table.readable),
    options
  )
  const unreadable = rows.filter((table) => !table.readable)
  return {
    facts: {
      objects,
      tables: found.map((table, index) => tableOf(table, index, sums)),
      sequences: selection.type === 'schema' ? [] : (await readMemberSequences(connection)).filter(isChosen.table)
    },
    notCaptured: unreadable.map((table) => ({
      what: `rows of the table ${readable(table)}`,
      reason: `it belongs to the extension ${table.extension}, and the role may not read it`
    })),
    unreadable: unreadable.map(readable)
  }
}

function tableOf(
  { readable: mayRead, ...table }: CatalogMemberTable,
  index: number,
  sums: ReadonlyMap<string, Pick<MemberTable, 'rows' | 'hash' | 'hashSkipped'>>
): MemberTable {
  const entry = String(index + 1).padStart(4, '0')
  const sum = sums.get(readable(table))
  if (sum !== undefined) return { ...table, entry, ...sum }
  const hashSkipped = mayRead ? 'its rows are not in the backup' : 'the role may not read it'
  return { ...table, entry, rows: null, hash: null, hashSkipped }
}

async function sumAll(
  tables: readonly CatalogMemberTable[],
  { connection, method, hashLimitBytes }: CaptureMembersOptions
): Promise<Map<string, Pick<MemberTable, 'rows' | 'hash' | 'hashSkipped'>>> {
  const sums = new Map<string, Pick<MemberTable, 'rows' | 'hash' | 'hashSkipped'>>()
  const tooLarge = ({ bytes }: CatalogMemberTable) => hashLimitBytes !== null && bytes > hashLimitBytes
  const requests = tables.map((table) => ({ table, bytes: table.bytes, method: tooLarge(table) ? null : method }))
  for (const batch of sumBatches(requests)) {
    const results = await sumTables(connection, batch)
    for (const [index, { table, method: used }] of batch.entries()) {
      const sum = results[index]
      if (sum === undefined) continue
      sums.set(readable(table), {
        rows: sum.rows,
        hash: used === null || sum.hash === null ? null : { method: used, value: sum.hash },
        ...(used === null ? { hashSkipped: `it is larger than the limit of ${hashLimitBytes} bytes` } : {})
      })
    }
  }
  return sums
}

function chosenBy(selection: Selection) {
  const patterns = (texts: readonly string[], kind: 'schema' | 'table') => texts.map((text) => parsePattern(text, kind))
  const schemas = patterns(selection.excludeSchemas, 'schema')
  const tables = patterns(selection.excludeTables, 'table')
  const data = patterns(selection.excludeTableData, 'table')
  const named = (list: readonly Pattern[], one: { readonly schema: string; readonly name: string }) =>
    list.some((pattern) => matchesTable(pattern, one.schema, one.name))
  return {
    table: (one: { readonly schema: string; readonly name: string }) =>
      !schemas.some((pattern) => matchesSchema(pattern, one.schema)) && !named(tables, one),
    rows: (one: { readonly schema: string; readonly name: string }) => !named(data, one)
  }
}
