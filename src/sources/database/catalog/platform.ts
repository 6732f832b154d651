import type { Connection } from '../../../clients/postgres/connection.ts'
import { qualified, quoteLiteral } from './quote.ts'
import type { CatalogTable } from './tables.ts'

/** Tables in which parts of the platform note what version their schema has, with the expression for it. */
const versionTables: readonly (readonly [schema: string, name: string, column: string, value: string])[] = [
  ['auth', 'schema_migrations', 'version', 'max(version::text collate "C")'],
  ['storage', 'migrations', 'id', 'max(id)::text'],
  ['realtime', 'schema_migrations', 'version', 'max(version)::text'],
  ['_realtime', 'schema_migrations', 'version', 'max(version)::text'],
  ['supabase_functions', 'migrations', 'version', 'max(version::text collate "C")'],
  ['supabase_migrations', 'schema_migrations', 'version', 'max(version::text collate "C")']
]

/** Numbers that describe Auth, with the table and column that each needs. */
const authNumbers: readonly (readonly [label: string, name: string, column: string, value: string])[] = [
  ['users', 'users', 'id', 'count(*)'],
  ['usersWithPassword', 'users', 'encrypted_password', `count(*) filter (where encrypted_password <> '')`],
  ['identities', 'identities', 'id', 'count(*)'],
  ['providers', 'identities', 'provider', 'count(distinct provider)'],
  ['mfaFactors', 'mfa_factors', 'id', 'count(*)'],
  ['sessions', 'sessions', 'id', 'count(*)'],
  ['ssoProviders', 'sso_providers', 'id', 'count(*)']
]

export interface PlatformFacts {
  readonly versions: Record<string, string>
  readonly auth: Record<string, number> | undefined
}

/** Versions of the platform's schemas and Auth in numbers, in one round trip; of what is there and readable. */
export async function readPlatform(connection: Connection, tables: readonly CatalogTable[]): Promise<PlatformFacts> {
  const find = (schema: string, name: string, column: string) =>
    tables.find(
      (table) =>
        table.schema === schema &&
        table.name === name &&
        table.maySelect &&
        table.mayUse &&
        table.columns.some((known) => known.name === column)
    )
  const parts = [
    ...versionTables.flatMap(([schema, name, column, value]) => {
      const table = find(schema, name, column)
      return table === undefined
        ? []
        : [
            `select 'version' as kind, ${quoteLiteral(`${schema}.${name}`)} as name, (${value})::text as value from ${qualified(table)}`
          ]
    }),
    ...authNumbers.flatMap(([label, name, column, value]) => {
      const table = find('auth', name, column)
      return table === undefined
        ? []
        : [`select 'auth', ${quoteLiteral(label)}, (${value})::text from ${qualified(table)}`]
    })
  ]
  if (parts.length === 0) return { versions: {}, auth: undefined }
  const rows = await connection.query<{ kind: string; name: string; value: string | null }>(parts.join('\nunion all\n'))
  const auth = rows.filter((row) => row.kind === 'auth')
  return {
    versions: Object.fromEntries(
      rows.filter((row) => row.kind === 'version').map((row) => [row.name, row.value ?? ''])
    ),
    auth: auth.length === 0 ? undefined : Object.fromEntries(auth.map((row) => [row.name, Number(row.value ?? 0)]))
  }
}
