import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import { quoteIdentifier, quoteLiteral } from '../catalog/quote.ts'
import { sourceSearchPath } from './source-settings.ts'

/** Failures that come of a name without its schema: no such table, column, function, type or schema. Source: PostgreSQL, errcodes.txt. */
const unknownName = new Set(['42P01', '42703', '42704', '42883', '3F000'])

/** Whether a failure with this SQLSTATE is worth a second try with another search_path. */
export function isUnknownName(sqlState: string | undefined): boolean {
  return sqlState !== undefined && unknownName.has(sqlState)
}

type PathFacts = Pick<DatabaseFacts, 'databaseSettings' | 'roles' | 'source' | 'extensions' | 'guards' | 'tables'>

/**
 * Values of search_path for a second try at what failed with an empty one, since a function that it calls names objects without their schema: what a session of
 * the source has, with the schemas of its extensions; then the schema of the object itself before all others of the source. pg_dump's archives are restored with
 * an empty search_path, so that nobody's function stands in for the server's: only what failed that way is tried again.
 */
export function searchPaths(facts: PathFacts, schema: string): string[] {
  const own = sourceSearchPath(facts)
  const extensions = facts.extensions.map((extension) => quoteIdentifier(extension.schema))
  // Names of the fingerprint are quoted where they must be.
  const schemas = [
    ...facts.guards.filter(({ kind }) => kind === 'schema').map(({ name }) => name),
    ...facts.tables.map((table) => quoteIdentifier(table.schema))
  ]
  const first = joined([own, ...extensions])
  const second = joined([...(schema === '' ? [] : [quoteIdentifier(schema)]), own, ...extensions, ...schemas])
  return [...new Set([first, second])]
}

function joined(parts: readonly string[]): string {
  return [...new Set(parts)].filter((part) => part !== '').join(', ')
}

/** SQL that runs with a search_path of its own; afterwards it is empty again. */
export function withSearchPath(sql: string, path: string): string {
  return `${setSearchPath(path)};\n${sql}\n;${setSearchPath('')}`
}

export function setSearchPath(path: string): string {
  return `select pg_catalog.set_config('search_path', ${quoteLiteral(path)}, true)`
}
