import type { DatabaseFacts, TableFacts } from '../../../../archive/contents-database.ts'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { attempt } from '../../../../clients/postgres/savepoint.ts'
import type { Finding } from '../../../source.ts'
import { qualified, quoteLiteral, readable } from '../../catalog/quote.ts'
import { isRefusal } from '../definitions/refusal.ts'
import type { Chosen } from '../plan/select-entries.ts'

/**
 * Tables that refer to chosen ones by a foreign key, were not chosen, and hold fewer rows than in the backup: what deleted the rows of a table may have deleted
 * theirs, too.
 */
export async function childrenThatLackRows(
  connection: Connection,
  facts: Pick<DatabaseFacts, 'tables'>,
  chosen: Pick<Chosen, 'tables' | 'everything'>
): Promise<Finding[]> {
  const parents = [...chosen.tables.values()].filter(({ kind }) => kind === 'r' || kind === 'p')
  if (chosen.everything || parents.length === 0) return []
  const names = parents.map((table) => quoteLiteral(qualified(table))).join(', ')
  const children = await connection.query<{ schema: string; name: string; parent: string }>(
    `select distinct on (1, 2) n.nspname::text as schema, c.relname::text as name, k.confrelid::regclass::text as parent
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f' and k.conrelid <> k.confrelid and k.confrelid in (select to_regclass(p) from unnest(array[${names}]) p) order by 1, 2, 3`
  )
  const held = new Map(facts.tables.map((table) => [readable(table), table]))
  const findings: Finding[] = []
  for (const { parent, ...child } of children) {
    const name = readable(child)
    const before = held.get(name)?.rows ?? null
    if (chosen.tables.has(name) || before === null || before === '0') continue
    const now = await countOf(connection, child)
    if (now === null || now >= BigInt(before)) continue
    findings.push({
      kind: 'todo',
      subject: `table ${name}`,
      detail: `it refers to ${parent} and lacks rows, too: ${now} in the target, ${before} in the backup; it was not chosen`,
      remedy: `restore-mode: missing-rows, tables: ${name}`
    })
  }
  return findings
}

/** Rows of a table; null where the role may not read all of it. */
async function countOf(
  connection: Connection,
  table: { readonly schema: string; readonly name: string }
): Promise<bigint | null> {
  const sql = `select count(*)::text as rows from ${qualified(table)}`
  const counted = await attempt(connection, () => connection.query<{ rows: string }>(sql), isRefusal)
  const [row] = counted.done ? counted.value : []
  return row === undefined ? null : BigInt(row.rows)
}

/** Tables that were asked for by their names and of which the backup holds no rows, or none of its own and of its partitions. */
export function askedWithoutRows(
  facts: Pick<DatabaseFacts, 'tables' | 'selection'>,
  tables: readonly string[]
): TableFacts[] {
  if (facts.selection.type === 'schema') return []
  return facts.tables.filter(
    (table) =>
      table.kind === 'r' &&
      table.rows === '0' &&
      tables.some((name) => name === readable(table) || name === `${table.schema}.${table.name}`)
  )
}
