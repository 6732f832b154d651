import type { Connection } from '../../../../clients/postgres/connection.ts'
import { UserError } from '../../../../errors.ts'
import type { Finding } from '../../../source.ts'
import { qualified, quoteLiteral } from '../../catalog/quote.ts'
import { withSearchPath } from '../../loading/search-paths.ts'
import { messageOf, refusalOf } from '../definitions/refusal.ts'

interface Check extends Record<string, unknown> {
  /** As the fingerprint calls it: `name on table`. */
  name: string
  schema: string
  dropping: string
  adding: string
  validating: string
  comment: string | null
}

/** Checks of a table that are not there while its rows come in. */
export type AsideChecks = readonly Check[]

/**
 * Drops the checks that rows of a table pass through, in the open transaction: its own, those of the tables it inherits them from, and those of the domains of
 * its columns. The table must be one that this restore has made.
 */
export async function takeChecksAside(
  connection: Connection,
  table: { readonly schema: string; readonly name: string }
): Promise<AsideChecks> {
  const checks = await connection.query<Check>(`with recursive above as (
    select ${quoteLiteral(qualified(table))}::regclass::oid as oid
    union select i.inhparent from above join pg_inherits i on i.inhrelid = above.oid),
  domains as (
    select a.atttypid as oid from pg_attribute a where a.attrelid = ${quoteLiteral(qualified(table))}::regclass and a.attnum > 0 and not a.attisdropped
    union select case when t.typtype = 'd' then t.typbasetype else t.typelem end from domains join pg_type t on t.oid = domains.oid
      where t.typtype = 'd' or t.typelem <> 0)
select quote_ident(k.conname) || ' on ' || o.name as name, n.nspname::text as schema,
  'ALTER ' || o.kind || ' ' || o.name || ' DROP CONSTRAINT ' || quote_ident(k.conname) as dropping,
  'ALTER ' || o.kind || ' ' || o.name || ' ADD CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid) as adding,
  'ALTER ' || o.kind || ' ' || o.name || ' VALIDATE CONSTRAINT ' || quote_ident(k.conname) as validating,
  'COMMENT ON CONSTRAINT ' || quote_ident(k.conname) || ' ON ' || case o.kind when 'DOMAIN' then 'DOMAIN ' else '' end || o.name || ' IS '
    || quote_literal(obj_description(k.oid, 'pg_constraint')) as comment
from pg_constraint k join pg_namespace n on n.oid = k.connamespace
cross join lateral (select case when k.contypid = 0 then 'TABLE' else 'DOMAIN' end as kind,
  case when k.contypid = 0 then k.conrelid::regclass::text else format_type(k.contypid, null) end as name) o
where k.contype = 'c' and k.coninhcount = 0 and (k.conrelid in (select oid from above) or k.contypid in (select oid from domains where oid <> 0))
order by 1`)
  for (const check of checks) await connection.query(check.dropping)
  return checks
}

/**
 * Makes the checks again when all rows are in. One that rows break holds for new rows alone, and is listed with the SQL that validates it; where that is not
 * wanted this throws SB708. Returns the names of those, as the fingerprint has them.
 */
export async function bringChecksBack(
  connection: Connection,
  checks: Iterable<Check>,
  { tolerant, searchPaths }: { readonly tolerant: boolean; readonly searchPaths: (schema: string) => readonly string[] }
): Promise<{ readonly findings: readonly Finding[]; readonly notValid: readonly string[] }> {
  const findings: Finding[] = []
  const notValid: string[] = []
  const done = new Set<string>()
  for (const check of checks) {
    if (done.has(check.name)) continue
    done.add(check.name)
    const { adding, comment } = check
    let error: unknown = null
    for (const path of ['', ...searchPaths(check.schema)]) {
      const refusal = await refusalOf(connection, withSearchPath(adding, path))
      error = refusal === null ? null : (error ?? refusal)
      if (refusal === null) break
    }
    if (error !== null) {
      const subject = `constraint ${check.name}`
      if (!tolerant)
        throw new UserError('SB708', `Rows of the backup break the ${subject}: ${messageOf(error)}`, {
          cause: error,
          remedy:
            'The rows were let in by the source, since the check was another then or hangs on the time, on other tables or on a function. With `restore-errors: list` they come back, the constraint holds for new rows alone, and it is listed.'
        })
      await connection.query(/ NOT VALID$/.test(adding) ? adding : `${adding} NOT VALID`)
      notValid.push(check.name)
      findings.push({
        kind: 'todo',
        subject,
        detail: 'rows of the backup break it: they are there, and it holds for new rows alone',
        remedy: `${check.validating};`
      })
    }
    if (comment !== null) await connection.query(comment)
  }
  return { findings, notValid }
}
