import type { Guard } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { objectQueries } from './object-definitions.ts'
import { relationQueries } from './object-relations.ts'
import { type GuardVersion, memberships, notOfExtension, userSchemas } from './object-sql.ts'

/**
 * Version of the queries. It goes up when the same object would be told otherwise than before, or kinds come in: a backup made earlier is compared
 * as far as both tell the same (`compareGuards`).
 */
export const fingerprintVersion = 3

interface Row {
  c: number
  o: number | null
  kind: string
  name: string
  definition: string | null
  owner: string | null
  grants: string | null
  [column: string]: unknown
}

/**
 * The fingerprint of everything that guards and shapes the data, in two round trips. It holds no object numbers and no secrets, and is equal
 * on a source and a copy that pg_restore made of it. `oldestVersion`: `server_version_num` of the oldest server that takes part in
 * the comparison. The session's settings must be those of `beginReading`.
 */
export async function readGuards(
  connection: Connection,
  oldestVersion = connection.versionNumber,
  options: Pick<GuardVersion, 'untouched'> = {}
): Promise<Guard[]> {
  const version: GuardVersion = {
    server: connection.versionNumber,
    oldest: Math.min(oldestVersion, connection.versionNumber),
    ...options
  }
  const rows = await connection.query<Row>(guardsSql(version))
  const needed = await readNeeds(connection)
  const guards: Guard[] = []
  for (const row of rows) {
    const needs = row.o === null ? undefined : needed.get(`${row.c}.${row.o}`)
    const add = (kind: string, definition: string | null) => {
      if (definition !== null)
        guards.push({ kind, name: row.name, definition, ...(needs === undefined ? {} : { needs }) })
    }
    add(row.kind, row.definition)
    add(`owner of ${row.kind}`, row.owner)
    add(`grants on ${row.kind}`, row.grants)
  }
  return guards
}

/**
 * Foreign keys whose checks are switched off (`disable trigger all`). No dump brings that state back, so that a source's is told as not captured
 * (`readNotCaptured`), and a copy must not have any.
 */
export async function readSwitchedOff(connection: Connection): Promise<Guard[]> {
  const rows = await connection.query<{ name: string }>(`with ${memberships}
select distinct quote_ident(k.conname) || ' on ' || k.conrelid::regclass::text as name
from pg_trigger t join pg_constraint k on k.oid = t.tgconstraint
join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
where t.tgisinternal and t.tgenabled <> 'O' and k.contype = 'f' and ${userSchemas} and ${notOfExtension('pg_class', 'c.oid')} order by 1`)
  return rows.map(({ name }) => ({ kind: 'switched-off foreign key', name, definition: '' }))
}

/** Indexes that are not valid: no dump makes one, so that a source's are told as not captured, and a copy's differ from what should be there. */
export async function readInvalidIndexes(connection: Connection): Promise<Guard[]> {
  const rows = await connection.query<{ name: string; definition: string }>(`with ${memberships}
select x.indexrelid::regclass::text as name, pg_get_indexdef(x.indexrelid) as definition
from pg_index x join pg_class c on c.oid = x.indrelid join pg_namespace n on n.oid = c.relnamespace
where not (x.indisvalid and x.indisready) and c.relkind <> 'p' and c.relpersistence <> 't' and ${userSchemas}
  and ${notOfExtension('pg_class', 'c.oid')} order by 1`)
  return rows.map(({ name, definition }) => ({ kind: 'index', name, definition: `not valid: ${definition}` }))
}

/** The whole statement; exported for tests of its parts. */
export function guardsSql(version: GuardVersion): string {
  const queries = [...relationQueries, ...objectQueries].map((query) => query(version))
  return `with ${memberships}
select * from (${queries.join('\nunion all\n')}) as guard (c, o, kind, name, definition, owner, grants)
order by kind collate "C", name collate "C", definition collate "C"`
}

/**
 * Extensions that each object needs, directly or through others, by `class.object`. What fails to be made takes its dependants along: a
 * table with a column, default or check of an extension, the views on it, their rules, ... Bodies of functions are not looked into. Members of an extension need it
 * themselves, and so do grants on its schema that its own script made, which no dump holds.
 */
async function readNeeds(connection: Connection): Promise<Map<string, string[]>> {
  const rows = await connection.query<{ c: number; o: number; extensions: string[] }>(`with recursive ${memberships},
  edges as materialized (
    select classid, objid, refclassid, refobjid from pg_depend where deptype <> 'e'
    union select 'pg_class'::regclass, adrelid, 'pg_attrdef'::regclass, oid from pg_attrdef
    union select 'pg_class'::regclass, conrelid, 'pg_constraint'::regclass, oid from pg_constraint where contype = 'c' and conrelid <> 0
    union select 'pg_type'::regclass, contypid, 'pg_constraint'::regclass, oid from pg_constraint where contypid <> 0
    union select 'pg_class'::regclass, ev_class, 'pg_rewrite'::regclass, oid from pg_rewrite where rulename = '_RETURN'),
  needs as (
    select classid, objid, extname from members where extname <> 'plpgsql'
    union select 'pg_extension'::regclass, oid, extname from pg_extension where extname <> 'plpgsql'
    union select e.classid, e.objid, n.extname from needs n join edges e on e.refclassid = n.classid and e.refobjid = n.objid),
  made as (
    select i.classoid, i.objoid, e.extname from pg_init_privs i join pg_extension e on e.extnamespace = i.objoid
    where i.classoid = 'pg_namespace'::regclass and i.privtype = 'e')
select n.classid as c, n.objid as o, array_agg(n.extname::text order by n.extname collate "C") as extensions
from (select * from needs union select * from made) n group by n.classid, n.objid`)
  return new Map(rows.map((row) => [`${row.c}.${row.o}`, row.extensions]))
}
