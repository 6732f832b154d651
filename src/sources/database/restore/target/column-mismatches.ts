import type { Connection } from '../../../../clients/postgres/connection.ts'
import { UserError } from '../../../../errors.ts'
import { listed, readable } from '../../catalog/quote.ts'
import type { RowsPlan } from '../plan/restore-plan.ts'
import { readTableKey } from './table-keys.ts'

interface Row {
  readonly table: number
  readonly lacking: string[]
  readonly unfilled: string[]
}

/** Throws SB710 where `readColumnGaps` finds any. */
export async function assertColumns(...given: Parameters<typeof readColumnGaps>): Promise<void> {
  const gaps = await readColumnGaps(...given)
  if (gaps.length === 0) return
  throw new UserError('SB710', gaps.slice(0, 10).join(' '), {
    remedy:
      'Make the columns as they were in the backup (or leave `type: data` out, which brings the tables back with their rows), or choose `restore-mode: side-schema`, which puts the rows beside. With `exclude-tables` a table is left out.'
  })
}

/**
 * Tables of the target that cannot take their rows of the backup, in words: columns of it are gone, or others came that demand a value and have none of their
 * own. Of tables that only get what they lack (`missing`) the latter are left out, unless `certain` says that there is something to bring.
 */
async function readColumnGaps(
  connection: Connection,
  plans: readonly RowsPlan[],
  certain: (plan: RowsPlan) => boolean
): Promise<string[]> {
  const own = plans.filter(({ platform, way }) => !platform && (way === 'exchange' || way === 'missing'))
  if (own.length === 0) return []
  const given = own.map(({ copied: { schema, table, columns } }) => ({ schema, name: table, columns }))
  const rows = await connection.query<Row & Record<string, unknown>>(
    `select (k.at - 1)::int as table,
  array(select name from jsonb_array_elements_text(k.value -> 'columns') name where not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = name and a.attnum > 0 and not a.attisdropped and a.attgenerated = '')) as lacking,
  array(select a.attname::text from pg_attribute a join pg_type t on t.oid = a.atttypid where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef and a.attidentity = ''
    and t.typdefaultbin is null and not k.value -> 'columns' ? a.attname::text order by a.attnum) as unfilled
from jsonb_array_elements($1::jsonb) with ordinality k (value, at) join pg_namespace n on n.nspname = k.value ->> 'schema' join pg_class c on c.relnamespace = n.oid and c.relname = k.value ->> 'name'
order by k.at`,
    [JSON.stringify(given)]
  )
  const told: string[] = []
  for (const { table, lacking, unfilled } of rows) {
    const plan = own[table]
    if (plan === undefined || lacking.length + unfilled.length === 0) continue
    // Without a key none is brought back, which is told of each by its name.
    if (plan.way === 'missing' && (await readTableKey(connection, plan.facts)) === null) continue
    const name = readable(plan.facts)
    if (lacking.length > 0)
      told.push(`The table ${name} of the target lacks columns of the backup: ${listed(lacking)}.`)
    const brings = plan.way === 'exchange' ? plan.facts.rows !== '0' : certain(plan)
    if (unfilled.length > 0 && brings)
      told.push(
        `Columns of the target's table ${name} must have a value, and the backup has none: ${listed(unfilled)}.`
      )
  }
  return told
}
