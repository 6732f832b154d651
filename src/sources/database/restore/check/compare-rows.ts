import type { ColumnFacts, TableFacts } from '../../../../archive/contents-database.ts'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { UserError } from '../../../../errors.ts'
import { qualified, quoteIdentifier, readable } from '../../catalog/quote.ts'
import type { CatalogTable } from '../../catalog/tables.ts'
import { hashMethod, rowHash, sumTables } from '../../dump/hashes.ts'
import type { ArchiveReader } from '../../pg-archive/archive-reader.ts'
import type { RowsPlan } from '../plan/restore-plan.ts'
import { stage, stageRows } from '../rows/insert-missing.ts'
import { readTableKey } from '../target/table-keys.ts'

/** How a table of the target differs from the backup. Numbers are null where they cannot be told. */
export interface TableComparison {
  readonly table: string
  readonly rowsInBackup: number
  /** Null: the target has no such table. */
  readonly rowsInTarget: number | null
  readonly missing: number | null
  readonly extra: number | null
  readonly differing: number | null
  readonly note?: string
}

/**
 * Compares rows by key. Where count and content hash are equal nothing is read of the archive; else the backup's rows go into a temporary table of the target, which is
 * gone with the transaction that the caller rolls back: nothing of the target changes. Of `empty`, tables that hold no rows in the backup, those of the target
 * are counted. `differs` is told each table of another content, with what the backup has of it, to be put behind FROM; null where that is nothing.
 */
export async function compareRows(
  connection: Connection,
  reader: ArchiveReader,
  plans: readonly RowsPlan[],
  empty: readonly TableFacts[],
  tables: ReadonlyMap<string, CatalogTable>,
  differs: (table: { readonly schema: string; readonly name: string }, rows: string | null) => Promise<void>
): Promise<TableComparison[]> {
  const results = new Map<string, TableComparison>()
  const open = new Map<number, RowsPlan>()
  for (const plan of plans) {
    const name = readable(plan.facts)
    const there = tables.get(name)
    const rowsInBackup = Number(plan.facts.rows ?? '0')
    if (there === undefined) {
      results.set(name, {
        table: name,
        rowsInBackup,
        rowsInTarget: null,
        missing: rowsInBackup,
        extra: 0,
        differing: 0,
        note: 'the target has no such table'
      })
      continue
    }
    const known = new Set(there.columns.map((column) => column.name))
    const method = plan.facts.columns.every((column) => known.has(column.name))
      ? (plan.facts.hash?.method ?? null)
      : null
    const [sum] = await sumTables(connection, [
      {
        table: { schema: there.schema, name: there.name, columns: plan.facts.columns, condition: there.condition },
        bytes: there.bytes,
        method
      }
    ])
    const rowsInTarget = Number(sum?.rows ?? '0')
    const same = method !== null && sum?.hash === plan.facts.hash?.value && sum?.rows === plan.facts.rows
    if (same || (rowsInBackup === 0 && rowsInTarget === 0))
      results.set(name, { table: name, rowsInBackup, rowsInTarget, missing: 0, extra: 0, differing: 0 })
    else if (rowsInTarget === 0) {
      results.set(name, { table: name, rowsInBackup, rowsInTarget, missing: rowsInBackup, extra: 0, differing: 0 })
      // Into a table that stays: whether they fit is still to be seen.
      if (plan.way === 'missing' || plan.way === 'exchange') open.set(plan.entry.id, plan)
    } else {
      results.set(name, { table: name, rowsInBackup, rowsInTarget, missing: null, extra: null, differing: null })
      open.set(plan.entry.id, plan)
    }
  }
  for (const facts of empty) {
    const table = readable(facts)
    const there = tables.get(table)
    if (results.has(table) || there === undefined || !there.maySelect) continue
    const place = { schema: there.schema, name: there.name, columns: [], condition: there.condition }
    const [sum] = await sumTables(connection, [{ table: place, bytes: there.bytes, method: null }])
    const rowsInTarget = Number(sum?.rows ?? '0')
    results.set(table, { table, rowsInBackup: 0, rowsInTarget, missing: 0, extra: rowsInTarget, differing: 0 })
    if (rowsInTarget > 0) await differs(place, null)
  }
  if (open.size > 0) {
    for await (const block of reader.blocks()) {
      const plan = open.get(block.entry.id)
      const there = plan === undefined ? undefined : tables.get(readable(plan.facts))
      if (plan === undefined || there === undefined || block.kind !== 'rows') continue
      const before = results.get(readable(plan.facts))
      const found = await compareByKey(connection, plan, there, block.chunks, differs)
      if (before !== undefined && before.missing === null) results.set(before.table, { ...before, ...found })
    }
  }
  return [...results.values()]
}

type Difference = Pick<TableComparison, 'missing' | 'extra' | 'differing' | 'note'>

async function compareByKey(
  connection: Connection,
  plan: RowsPlan,
  there: CatalogTable,
  chunks: AsyncIterable<Uint8Array>,
  differs: Parameters<typeof compareRows>[5]
): Promise<Difference> {
  const unknown = (note: string): Difference => ({ missing: null, extra: null, differing: null, note })
  const lacking = plan.copied.columns.filter((column) => !there.columns.some((known) => known.name === column))
  if (lacking.length > 0) return unknown(`the target's table lacks the columns ${lacking.join(', ')}`)
  const place = { schema: plan.facts.schema, name: plan.facts.name }
  const key = await readTableKey(connection, place)
  if (key === null || key.columns.some((column) => !plan.copied.columns.includes(column)))
    return unknown('it has no key to compare rows by')
  try {
    await stageRows(connection, plan.copied, chunks)
  } catch (error) {
    if (!(error instanceof UserError) || error.code === 'SB120') throw error
    throw new UserError('SB707', `The rows of ${readable(place)} cannot be compared: ${error.message}`, {
      cause: error
    })
  }
  await differs(place, stage)
  // Generated columns follow from the others.
  const columns: ColumnFacts[] = there.columns.filter((column) => plan.copied.columns.includes(column.name))
  const side = (from: string) =>
    `select 1 as here, ${key.columns.map((column) => `t.${quoteIdentifier(column)}`).join(', ')}, ${rowHash(columns, hashMethod(connection.versionNumber))} as hash from ${from} t`
  const [row] = await connection.query<{ missing: string; extra: string; differing: string }>(`select
  count(*) filter (where not of_target)::text as missing, count(*) filter (where not of_backup)::text as extra, count(*) filter (where of_target and of_backup and one <> other)::text as differing
from (select t.here is not null as of_target, s.here is not null as of_backup, t.hash as one, s.hash as other
  from (${side(`only ${qualified(place)}`)}) t full join (${side(stage)}) s on ${key.matches}) compared`)
  return {
    missing: Number(row?.missing ?? '0'),
    extra: Number(row?.extra ?? '0'),
    differing: Number(row?.differing ?? '0')
  }
}
