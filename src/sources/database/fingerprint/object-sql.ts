import { memberships, notOfExtension, numbersExtensionTable, userSchemas } from '../catalog/catalog.ts'

/** What decides about the text of the fingerprint's queries. */
export interface GuardVersion {
  /** The server that is asked. */
  readonly server: number
  /** The oldest of the servers whose fingerprints are compared: what only newer ones know is left out. */
  readonly oldest: number
  /** Whether grants on objects of extensions are told that nobody has changed, too (`extensionGrants`). */
  readonly untouched?: boolean
}

/**
 * One query of the fingerprint. Columns: `c`, `o` (class and object number, to find what it depends on), `kind`, `name`,
 * `definition`, `owner`, `grants` (null where there is none). `members` can be used.
 */
export type GuardQuery = (version: GuardVersion) => string

export { memberships, notOfExtension, numbersExtensionTable, userSchemas }

/** Class number of a catalog. */
export const classOf = (catalog: string) => `'pg_catalog.${catalog}'::regclass::oid`

/** A role's name, quoted where needed; PUBLIC for 0. */
export const roleName = (oid: string) =>
  `case when ${oid} = 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(${oid})) end`

/** `schema.name`, quoted where needed. */
export const qualifiedName = (schema: string, name: string) => `quote_ident(${schema}) || '.' || quote_ident(${name})`

/**
 * An access list in lines `role=PRIVILEGE,PRIVILEGE*` (`*`: with grant option) `/grantor`, sorted. A list that was never set is the
 * default of its kind, so that "none" and the default written out are equal.
 */
export function grantLines(acl: string, type: string, owner: string, version: GuardVersion): string {
  const known = version.oldest >= 170000 ? '' : `where x.privilege_type <> 'MAINTAIN'`
  return `(select coalesce(string_agg(l.line, E'\\n' order by l.line collate "C"), '') from (
    select ${roleName('x.grantee')} || '=' || string_agg(x.privilege_type || case when x.is_grantable then '*' else '' end, ',' order by x.privilege_type collate "C")
      || '/' || ${roleName('x.grantor')} as line
    from aclexplode(coalesce(${acl}, acldefault('${type}', ${owner}))) x ${known} group by x.grantee, x.grantor) l)`
}

/** Names of options without their values, which may be secrets. */
export const optionNames = (options: string) =>
  `(select coalesce(string_agg(split_part(o, '=', 1), ', ' order by o collate "C"), '') from unnest(${options}) o)`

/** Digest of options with their values, in whatever order. It stands in the contents beside the values themselves, and is never shown. */
export const optionsDigest = (options: string) =>
  `(select encode(sha256(convert_to(coalesce(string_agg(quote_literal(o), ', ' order by o collate "C"), ''), 'UTF8')), 'hex') from unnest(${options}) o)`

/** Options with their values, sorted. */
export const optionValues = (options: string) =>
  `(select coalesce(string_agg(o, ', ' order by o collate "C"), '') from unnest(${options}) o)`

/** Text that is joined where it is not null, each on a line of its own. */
export const lines = (...parts: readonly string[]) => `concat_ws(E'\\n', ${parts.join(', ')})`

/** `word || text` where `condition` holds, else null. */
export const when = (condition: string, text: string) => `case when ${condition} then ${text} end`
