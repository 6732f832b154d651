import type { Connection } from '../../../../clients/postgres/connection.ts'
import { asError, UserError } from '../../../../errors.ts'
import type { Finding } from '../../../source.ts'
import { listed, readable } from '../../catalog/quote.ts'
import { describeEntry, objectOf } from '../../pg-archive/entry-sql.ts'
import { refusalOf } from '../definitions/refusal.ts'
import type { Replaced } from '../plan/plan-replacing.ts'

/** What dropping left. */
export interface Dropped {
  readonly findings: readonly Finding[]
  /** Numbers of large objects of others, which stay as they are. */
  readonly keptObjects: ReadonlySet<string>
  /** Materialized views that held no data before, by `readable` name. */
  readonly unpopulated: ReadonlySet<string>
}

/**
 * Drops the roots, and with `largeObjects` all large objects that the role may, in the open transaction. What it may not take from the platform's tables or
 * from others is listed.
 */
export async function dropReplaced(
  connection: Connection,
  replaced: Replaced,
  largeObjects: boolean
): Promise<Dropped> {
  const findings: Finding[] = []
  const views = await connection.query<{ schema: string; name: string }>(
    'select schemaname::text as schema, matviewname::text as name from pg_catalog.pg_matviews where not ispopulated'
  )
  const keptObjects = largeObjects ? await unlinkOwn(connection) : new Set<string>()
  if (keptObjects.size > 0)
    findings.push({
      kind: 'todo',
      subject: 'large objects',
      detail: `${keptObjects.size} of other owners stay as they are: ${listed([...keptObjects])}`
    })
  for (const entry of replaced.extras) {
    const error = await refusalOf(connection, entry.dropStatement)
    if (error === null) continue
    findings.push({
      kind: 'todo',
      subject: describeEntry(entry),
      detail: `the backup does not know it, and it could not be dropped: ${asError(error).message}`,
      remedy: entry.dropStatement.trim()
    })
  }
  // Views first: what remains then depends on little.
  const order = ['VIEW', 'MATERIALIZED VIEW']
  const roots = replaced.roots.toSorted((a, b) => order.indexOf(b.kind) - order.indexOf(a.kind))
  for (const entry of roots) {
    const object = objectOf(entry)
    if (object === null) continue
    const error = await refusalOf(connection, `DROP ${entry.kind} IF EXISTS${object.slice(entry.kind.length)} CASCADE`)
    if (error !== null)
      throw new UserError('SB708', `${describeEntry(entry)} could not be replaced: ${asError(error).message}`, {
        cause: error
      })
  }
  return { findings, keptObjects, unpopulated: new Set(views.map(readable)) }
}

/** Unlinks all large objects but those of others, whose numbers it returns. */
async function unlinkOwn(connection: Connection): Promise<Set<string>> {
  await connection.query(
    `select pg_catalog.lo_unlink(oid) from pg_catalog.pg_largeobject_metadata where pg_catalog.pg_has_role(lomowner, 'USAGE')`
  )
  const rows = await connection.query<{ oid: string }>(
    'select oid::text as oid from pg_catalog.pg_largeobject_metadata order by pg_largeobject_metadata.oid'
  )
  return new Set(rows.map(({ oid }) => oid))
}
