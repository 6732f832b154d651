import type { Connection } from '../../../../clients/postgres/connection.ts'
import { userSchemas } from '../../catalog/catalog.ts'
import { type Family, factsOfKind } from '../../pg-archive/kinds.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'

/** Objects of a database, in the words of an archive's table of contents. */
export interface KnownObjects {
  /** Whether there is an object of the entry's kind and name; false for kinds that have no name of their own (grants, comments, data). */
  has(entry: Pick<TocEntry, 'kind' | 'schema' | 'tag'>): boolean
}

/** Families whose objects share their names: where one of them is, none of another kind can be. */
const sharing = new Set<Family | undefined>(['relation', 'type', 'routine'])

/** Names that an object takes in its schema; the first is its own. A table, and a view, is a type as well. */
export function namesTaken({
  kind,
  schema,
  tag
}: Pick<TocEntry, 'kind' | 'schema' | 'tag'>): readonly [string, ...string[]] {
  const { family, isRelation } = factsOfKind(kind)
  const own = key(sharing.has(family) && family !== undefined ? family : kind, schema, tag)
  return isRelation ? [own, key('type', schema, tag)] : [own]
}

const key = (family: string, schema: string, name: string) => `${family}\0${schema}\0${name}`

/** Reads all of them in one round trip. */
export async function readKnownObjects(connection: Connection): Promise<KnownObjects> {
  const since15 = connection.versionNumber >= 150000
  const rows = await connection.query<{ family: string; schema: string; name: string }>(`
select 'relation' as family, n.nspname::text as schema, c.relname::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind <> 't' and c.relkind <> 'c' and c.relpersistence <> 't' and ${userSchemas}
union all select 'type', n.nspname, t.typname from pg_type t join pg_namespace n on n.oid = t.typnamespace where ${userSchemas}
union all select 'routine', n.nspname, p.proname || '(' || oidvectortypes(p.proargtypes) || ')' from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${userSchemas}
union all select 'of table', n.nspname, c.relname || ' ' || t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
  where not t.tgisinternal and ${userSchemas}
union all select 'of table', n.nspname, c.relname || ' ' || p.polname from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace where ${userSchemas}
union all select 'of table', n.nspname, c.relname || ' ' || r.rulename from pg_rewrite r join pg_class c on c.oid = r.ev_class join pg_namespace n on n.oid = c.relnamespace
  where r.rulename <> '_RETURN' and ${userSchemas}
union all select 'of table', n.nspname, c.relname || ' ' || k.conname from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace where ${userSchemas}
union all select 'row security', n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relrowsecurity and ${userSchemas}
union all select 'default', n.nspname, c.relname || ' ' || a.attname from pg_attrdef d join pg_class c on c.oid = d.adrelid join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum where ${userSchemas}
union all select 'schema', '', n.nspname from pg_namespace n where ${userSchemas}
union all select 'extension', '', extname from pg_extension
union all select 'publication', '', pubname from pg_publication
union all select 'publication table', n.nspname, p.pubname || ' ' || c.relname from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
  join pg_class c on c.oid = r.prrelid join pg_namespace n on n.oid = c.relnamespace
${since15 ? `union all select 'publication schema', '', p.pubname || ' ' || n.nspname from pg_publication_namespace r join pg_publication p on p.oid = r.pnpubid join pg_namespace n on n.oid = r.pnnspid` : ''}
union all select 'cast', '', 'CAST (' || format_type(castsource, null) || ' AS ' || format_type(casttarget, null) || ')' from pg_cast where oid >= 16384
union all select 'event trigger', '', evtname from pg_event_trigger
union all select 'language', '', lanname from pg_language
union all select 'collation', n.nspname, k.collname from pg_collation k join pg_namespace n on n.oid = k.collnamespace where ${userSchemas}
union all select 'operator', n.nspname, o.oprname from pg_operator o join pg_namespace n on n.oid = o.oprnamespace where ${userSchemas}
union all select 'operator class', n.nspname, k.opcname from pg_opclass k join pg_namespace n on n.oid = k.opcnamespace where ${userSchemas}
union all select 'operator family', n.nspname, f.opfname from pg_opfamily f join pg_namespace n on n.oid = f.opfnamespace where ${userSchemas}
union all select 'text search', n.nspname, k.cfgname from pg_ts_config k join pg_namespace n on n.oid = k.cfgnamespace where ${userSchemas}
union all select 'text search', n.nspname, d.dictname from pg_ts_dict d join pg_namespace n on n.oid = d.dictnamespace where ${userSchemas}
union all select 'wrapper', '', fdwname from pg_foreign_data_wrapper
union all select 'server', '', srvname from pg_foreign_server
union all select 'statistics', n.nspname, s.stxname from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace where ${userSchemas}`)
  const known = new Set(rows.map((row) => key(row.family, row.schema, row.name)))
  return {
    has(entry) {
      const { family } = factsOfKind(entry.kind)
      if (family === undefined) return false
      const global =
        /^(?:schema|extension|publication|publication schema|cast|event trigger|language|wrapper|server)$/.test(family)
      return known.has(key(family, global ? '' : entry.schema, entry.tag))
    }
  }
}
