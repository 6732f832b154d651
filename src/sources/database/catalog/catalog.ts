/**
 * Pieces of catalog queries. Every query runs with an empty search_path, so that the server's own functions qualify all names but
 * those of pg_catalog.
 */

/** Schemas that belong to the server itself: never part of a dump. */
export const userSchemas = `n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`

/** Objects of extensions: `(classid, objid, extension)`. */
export const memberships = `members as materialized (
  select d.classid, d.objid, e.oid as extension, e.extname from pg_catalog.pg_depend d
  join pg_catalog.pg_extension e on e.oid = d.refobjid
  where d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e')`

/** Whether an object (by class and oid expression) is no member of an extension. Needs `members`. */
export function notOfExtension(classId: string, oid: string): string {
  return `not exists (select from members m where m.classid = 'pg_catalog.${classId}'::pg_catalog.regclass and m.objid = ${oid})`
}

/**
 * Whether the sequence `oid` numbers an identity column of an extension's table: then no dump has it, as it has not its table, whether the extension
 * counts it among its own or not. Needs `members`.
 */
export function numbersExtensionTable(oid: string): string {
  return `exists (select from pg_catalog.pg_depend d join members m on m.classid = d.refclassid and m.objid = d.refobjid
  where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = ${oid} and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype = 'i')`
}
