import type { Connection } from '../../../../clients/postgres/connection.ts'
import { asError, UserError } from '../../../../errors.ts'
import { userSchemas } from '../../catalog/catalog.ts'
import type { ArchiveToc } from '../../pg-archive/toc.ts'
import { refusalOf } from '../definitions/refusal.ts'

/** The default of a column, or a check of a table or domain, as the target has it. */
interface Expression {
  /** Column or constraint for people. */
  readonly subject: string
  /** The object that it is of, and where it stands on it. */
  readonly key: string
  readonly sql: string
}

/** What tables and domains of the target use by expressions. */
export interface Expressions {
  readonly all: readonly Expression[]
  /** Objects that are used in no other way, by the object that uses them: both as `classid.objid`, like an archive's table of contents. */
  readonly uses: ReadonlyMap<string, ReadonlySet<string>>
}

/**
 * Reads defaults and checks. When the function, sequence or operator that one uses is dropped, it goes, and its table or domain stays; the column of a
 * generated value goes altogether, and so is no expression here.
 */
export async function readExpressions(connection: Connection): Promise<Expressions> {
  const all = await connection.query<{ subject: string; key: string; sql: string }>(`
select * from (
select 'default of ' || d.adrelid::regclass || '.' || quote_ident(a.attname) as subject, 'd' || d.adrelid || '.' || d.adnum as key,
    'ALTER TABLE ONLY ' || d.adrelid::regclass || ' ALTER COLUMN ' || quote_ident(a.attname) || ' SET DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) || ';' as sql
  from pg_attrdef d join pg_class c on c.oid = d.adrelid join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
  where c.relkind in ('r', 'p', 'f') and a.attgenerated = '' and ${userSchemas}
union all select 'check ' || quote_ident(k.conname) || ' of ' || o.name, 'c' || k.conrelid || '.' || k.contypid || '.' || k.conname,
    'ALTER ' || o.kind || ' ' || o.name || ' ADD CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid) || ';'
      || coalesce(' COMMENT ON CONSTRAINT ' || quote_ident(k.conname) || ' ON ' || case o.kind when 'DOMAIN' then 'DOMAIN ' else '' end || o.name || ' IS ' || quote_literal(obj_description(k.oid, 'pg_constraint')) || ';', '')
  from pg_constraint k join pg_namespace n on n.oid = k.connamespace
  cross join lateral (select case when k.contypid = 0 then 'TABLE' else 'DOMAIN' end as kind, case when k.contypid = 0 then k.conrelid::regclass::text else format_type(k.contypid, null) end as name) o
  -- One that is inherited comes back with its table's.
  where k.contype = 'c' and k.conislocal and ${userSchemas}
) s order by key`)
  const used = await connection.query<{ object: string; used: string[] }>(`
with owned as (
  select d.adrelid as oid, 'pg_class'::regclass::oid as class, 'pg_attrdef'::regclass::oid as classid, d.oid as objid, a.attgenerated = '' as expression
    from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
  union all select case when contypid = 0 then conrelid else contypid end, case when contypid = 0 then 'pg_class'::regclass else 'pg_type'::regclass end, 'pg_constraint'::regclass, oid, true
    from pg_constraint where contype = 'c'
  union all select oid, 'pg_class'::regclass, 'pg_class'::regclass, oid, false from pg_class where relkind in ('r', 'p', 'f')
  union all select oid, 'pg_type'::regclass, 'pg_type'::regclass, oid, false from pg_type where typtype = 'd'
)
select object, array_agg(used) as used from (
  select o.class || '.' || o.oid as object, d.refclassid || '.' || d.refobjid as used
  from owned o join pg_depend d on d.classid = o.classid and d.objid = o.objid
  group by 1, 2 having bool_and(o.expression)
) s group by object`)
  return { all, uses: new Map(used.map((row) => [row.object, new Set(row.used)])) }
}

/** A table of contents whose tables and domains do not need what only their expressions use: they stay without it. */
export function withoutExpressions(toc: ArchiveToc, { uses }: Expressions): ArchiveToc {
  const objects = new Map(toc.entries.map((entry) => [entry.id, `${entry.classId}.${entry.objectId}`]))
  return {
    ...toc,
    entries: toc.entries.map((entry) => {
      const used = /^(?:TABLE|FOREIGN TABLE|DOMAIN)$/.test(entry.kind)
        ? uses.get(objects.get(entry.id) ?? '')
        : undefined
      return used === undefined
        ? entry
        : { ...entry, needs: entry.needs.filter((id) => !used.has(objects.get(id) ?? '')) }
    })
  }
}

/**
 * Sets the expressions again that tables and domains have lost which are still there. Throws SB708 where one cannot be, since what it uses is another by now:
 * the transaction is void then.
 */
export async function giveExpressionsBack(connection: Connection, { all }: Expressions): Promise<void> {
  const present = new Set((await readExpressions(connection)).all.map(({ key }) => key))
  const lost = all.filter(({ key }) => !present.has(key))
  const there = await connection.query<{ key: string }>(
    `select key from json_array_elements_text($1::json) as s (key) where split_part(substr(key, 2), '.', 1)::oid in (select oid from pg_class)
or (split_part(substr(key, 2), '.', 1) = '0' and split_part(key, '.', 2)::oid in (select oid from pg_type))`,
    [JSON.stringify(lost.map(({ key }) => key))]
  )
  const kept = new Set(there.map(({ key }) => key))
  for (const { key, subject, sql } of lost) {
    const error = kept.has(key) ? await refusalOf(connection, sql) : null
    if (error !== null)
      throw new UserError(
        'SB708',
        `What depends on the replaced objects could not be given back: ${subject}: ${asError(error).message}`,
        { cause: error }
      )
  }
}
