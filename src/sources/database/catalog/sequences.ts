import type { SequenceFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { memberships, numbersExtensionTable, userSchemas } from './catalog.ts'
import { queryAndRelease } from './query-and-release.ts'
import { qualified } from './quote.ts'

export interface SequenceName {
  readonly schema: string
  readonly name: string
  /** Name of the extension that it belongs to. */
  readonly extension: string | null
  /** Whether the session may read its state, which pg_dump must. */
  readonly readable: boolean
}

/** Sequences whose state a dump holds: of those of extensions the ones that the extension declares as its configuration. */
export async function readSequences(connection: Connection): Promise<SequenceName[]> {
  return await connection.query<SequenceName & Record<string, unknown>>(`with ${memberships}
select n.nspname::text as schema, c.relname::text as name, m.extname::text as extension, has_sequence_privilege(c.oid, 'SELECT') as readable
from pg_class c join pg_namespace n on n.oid = c.relnamespace
left join members m on m.classid = 'pg_class'::regclass and m.objid = c.oid left join pg_extension e on e.oid = m.extension
where c.relkind = 'S' and c.relpersistence <> 't' and ${userSchemas}
  and (m.objid is null and not ${numbersExtensionTable('c.oid')} or c.oid = any (e.extconfig))
order by n.nspname collate "C", c.relname collate "C"`)
}

const batch = 500

/** State of each sequence now: sequences do not belong to a snapshot. In the order of `names`. */
export async function readSequenceStates(
  connection: Connection,
  names: readonly Pick<SequenceName, 'schema' | 'name'>[]
): Promise<SequenceFacts['before'][]> {
  const states: SequenceFacts['before'][] = []
  for (let from = 0; from < names.length; from += batch) {
    const parts = names
      .slice(from, from + batch)
      .map(
        (name, index) => `select ${index} as at, last_value::text as value, is_called as called from ${qualified(name)}`
      )
    const rows = await queryAndRelease<{ value: string; called: boolean }>(
      connection,
      `${parts.join(' union all ')} order by at`
    )
    states.push(...rows.map(({ value, called }) => ({ value, called })))
  }
  return states
}
