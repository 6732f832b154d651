import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { attempt } from '../../../clients/postgres/savepoint.ts'
import { quoteLiteral } from '../catalog/quote.ts'

/** A setting with its value. */
export interface Setting {
  readonly name: string
  readonly value: string
}

/**
 * The server's own settings that change what a check, a generated column or an index makes of a row. All others are left alone: they say how a session reads
 * and writes values, how long it may take, or what it may do. Settings of two parts (`app.tenant`) belong to users and extensions.
 */
const shaping = /^(?:timezone|timezone_abbreviations|default_text_search_config|lc_monetary|lc_numeric|lc_time)$/i

/**
 * Settings that a session of the source has by itself, and that must be in force while its definitions and rows come in, be it into a target or into a scratch
 * database. What belongs to the database comes first, then what belongs to the role: the later one wins.
 */
export function sourceSettings(facts: Pick<DatabaseFacts, 'databaseSettings' | 'roles' | 'source'>): Setting[] {
  return allSettings(facts).filter(({ name }) => shaping.test(name) || name.includes('.'))
}

/** The search_path that a session of the source begins with. Source: PostgreSQL, guc_tables.c, for the server's default. */
export function sourceSearchPath(facts: Pick<DatabaseFacts, 'databaseSettings' | 'roles' | 'source'>): string {
  return allSettings(facts).findLast(({ name }) => name === 'search_path')?.value ?? '"$user", public'
}

function allSettings({
  databaseSettings,
  roles,
  source
}: Pick<DatabaseFacts, 'databaseSettings' | 'roles' | 'source'>): Setting[] {
  // A pooler is told the project behind the role's name.
  const role = roles.find(({ name }) => name === source.user || source.user.startsWith(`${name}.`))
  return [...databaseSettings, ...(role?.settings ?? []), ...(role?.databaseSettings ?? [])].flatMap((text) => {
    const at = text.indexOf('=')
    return at <= 0 ? [] : [{ name: text.slice(0, at), value: text.slice(at + 1) }]
  })
}

/**
 * Puts settings in force, until the transaction ends unless `local` is false. One that this server or role does not take is passed over: what needs it says so
 * itself when it is made. Needs an open transaction.
 */
export async function applySettings(connection: Connection, settings: readonly Setting[], local = true): Promise<void> {
  for (const { name, value } of settings) {
    const sql = `select pg_catalog.set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, ${local})`
    await attempt(connection, () => connection.query(sql))
  }
}
