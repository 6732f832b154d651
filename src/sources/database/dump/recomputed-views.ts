import type { TableFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { asError } from '../../../errors.ts'
import { qualified, quoteLiteral } from '../catalog/quote.ts'
import { type HashMethod, rowHash } from './hashes.ts'

/** What a materialized view's definition gives where it is computed anew. Without keeping anything of it. */
export type RecomputedView =
  | {
      readonly rows: string
      /** Null where no method was asked for. */
      readonly hash: string | null
      /** Its definition, and those of the views that it reads. Hostile. */
      readonly definitions: string
      /** Whether it calls functions of somebody's that may answer otherwise each time. */
      readonly volatile: boolean
    }
  | { readonly failed: string }

/** Most time for one view. Milliseconds. */
const recomputeMs = 120_000

/**
 * Computes the definition of a materialized view as a refresh does: in its owner's name and under the row level security that holds for the owner. Needs
 * an open transaction; nothing can be written by it, and its locks are let go.
 */
export async function recomputeView(
  connection: Connection,
  view: Pick<TableFacts, 'schema' | 'name' | 'columns'>,
  method: HashMethod | null
): Promise<RecomputedView> {
  const hash = method === null ? 'null::numeric' : `coalesce(sum(${rowHash(view.columns, method)}), 0)`
  await connection.query('savepoint computing')
  try {
    const [known] = await connection.query<{
      owner: string
      own: string
      definitions: string
      volatile: boolean
    }>(`with recursive reads as (
    select ${quoteLiteral(qualified(view))}::pg_catalog.regclass::pg_catalog.oid as view
    union select d.refobjid from reads join pg_rewrite r on r.ev_class = reads.view
      join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
      join pg_class c on c.oid = d.refobjid and c.relkind = 'v')
  select pg_catalog.quote_ident(pg_get_userbyid(c.relowner)) as owner, pg_get_viewdef(c.oid) as own,
    (select string_agg(pg_get_viewdef(reads.view), E'\\n') from reads) as definitions,
    exists (select from reads join pg_rewrite r on r.ev_class = reads.view
      join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_proc'::regclass
      join pg_proc p on p.oid = d.refobjid and p.provolatile <> 'i') as volatile
  from pg_class c where c.oid = ${quoteLiteral(qualified(view))}::pg_catalog.regclass`)
    if (known === undefined) return { failed: 'it is not there' }
    const { owner, own, definitions, volatile } = known
    const [sum] = await connection.query<{ rows: string; hash: string | null }>(
      `set local transaction_read_only = on; set local statement_timeout = ${recomputeMs}; set local row_security = on; set local role ${owner};
select count(*)::text as rows, (${hash})::text as hash from (
${own.replace(/;\s*$/, '')}
) t`
    )
    return sum === undefined ? { failed: 'it gave nothing' } : { ...sum, definitions, volatile }
  } catch (error) {
    if (sqlStateOf(error) === undefined || connection.broken.aborted) throw error
    return { failed: asError(error).message }
  } finally {
    if (!connection.broken.aborted)
      await connection.query('rollback to savepoint computing; release savepoint computing')
  }
}
