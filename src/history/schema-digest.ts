import { createHash } from 'node:crypto'
import type { DatabaseFacts, TableFacts } from '../archive/contents-database.ts'
import { isShapeKind, type Shape } from '../archive/manifest.ts'
import { countsOfSizes } from './table-sizes.ts'

// The shape of a database in numbers and digests, for the plain manifest: what the next backup is compared with without
// opening this one. It holds no name: a digest covers all objects of a kind together.

/** Schemas that belong to the platform: their tables come and go with its updates. */
const platformSchemas: ReadonlySet<string> = new Set([
  'auth',
  'storage',
  'realtime',
  '_realtime',
  'supabase_functions',
  'supabase_migrations',
  'vault',
  'pgsodium',
  'graphql',
  'graphql_public',
  'extensions',
  'net',
  'cron',
  'pgmq',
  'pgbouncer',
  '_analytics'
])

/** Numbers for the manifest's counts that alarms are raised by. */
export function countsOf(facts: DatabaseFacts): Record<string, number> {
  const userTables = facts.tables.filter(
    (table) =>
      (table.kind === 'r' || table.kind === 'p') &&
      table.extension === undefined &&
      table.partitionOf === undefined &&
      !platformSchemas.has(table.schema)
  )
  const users = facts.auth?.['users']
  return {
    userTables: userTables.length,
    ...countsOfSizes(userTables.map((table) => rowsOf(table, facts.tables))),
    ...(users === undefined ? {} : { authUsers: users })
  }
}

/** As `partitionOf` writes it: in quotes where SQL needs them. */
function named({ schema, name }: Pick<TableFacts, 'schema' | 'name'>): string {
  return [schema, name]
    .map((part) => (/^[a-z_][a-z0-9_$]*$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`))
    .join('.')
}

/** Rows of a table; of a partitioned one those of all its parts. */
export function rowsOf(table: TableFacts, all: readonly TableFacts[]): number {
  const own = Number(table.rows)
  if (table.kind !== 'p') return own
  return all.filter(({ partitionOf }) => partitionOf === named(table)).reduce((sum, part) => sum + rowsOf(part, all), 0)
}

/** What of the facts the shape is made of. */
export interface ShapedFacts {
  readonly extensions: readonly { readonly name: string; readonly version: string; readonly schema: string }[]
  readonly roles: readonly { readonly name: string }[]
  readonly guards: DatabaseFacts['guards']
}

/** `salt` keeps digests of two projects apart. Kinds that nothing is known of are left out. */
export function shapeOf(facts: ShapedFacts, salt: string): Shape {
  const kinds = new Map<string, string[]>()
  const add = (kind: string, item: readonly string[]) => {
    const items = kinds.get(kind) ?? []
    items.push(JSON.stringify(item))
    kinds.set(kind, items)
  }
  for (const { name, version, schema } of facts.extensions) add('extensions', [name, version, schema])
  for (const { name } of facts.roles) add('roles', [name])
  for (const guard of facts.guards) add(pluralOf(guard.kind), [guard.kind, guard.name, guard.definition])
  return Object.fromEntries(
    [...kinds]
      .filter(([kind]) => isShapeKind(kind))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([kind, items]) => [
        kind,
        { count: items.length, digest: digestOf(`${salt}\n${kind}\n${items.sort().join('\n')}`) }
      ])
  )
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** `policy` as `policies`; grants and owners of all kinds of objects together. */
function pluralOf(kind: string): string {
  if (kind.startsWith('grants on ')) return 'grants'
  if (kind.startsWith('owner of ')) return 'owners'
  // Words that are plurals already, or have none.
  if (/(?:objects|privileges|statistics|security)$/.test(kind)) return kind
  if (/[^aeiou]y$/.test(kind)) return `${kind.slice(0, -1)}ies`
  return /(?:s|x|ch|sh)$/.test(kind) ? `${kind}es` : `${kind}s`
}
