import type { TocEntry } from '../../src/sources/database/pg-archive/toc.ts'
import type { Chosen } from '../../src/sources/database/restore/plan/select-entries.ts'
import type { KnownObjects } from '../../src/sources/database/restore/target/catalog-index.ts'
import type { TargetState } from '../../src/sources/database/restore/target/target-state.ts'

/** A target with the schemas `public` and `shop` of its user, and `auth` of the platform. */
export function targetState(more: Partial<TargetState> = {}): TargetState {
  const schemas = [
    { name: 'public', owner: 'postgres', platform: false },
    { name: 'shop', owner: 'postgres', platform: false },
    { name: 'auth', owner: 'supabase_auth_admin', platform: true }
  ]
  return {
    user: 'postgres',
    database: 'postgres',
    superuser: false,
    version: '15.8',
    versionNumber: 150008,
    encoding: 'UTF8',
    closed: null,
    mayCreate: true,
    bypassRls: true,
    replicaRole: true,
    schemas: new Map(schemas.map((schema) => [schema.name, schema])),
    roles: new Set(),
    extensions: new Map(),
    extensionSchemas: new Map(),
    available: new Map(),
    holds: [],
    sizeBytes: 0,
    mostLocks: 6400,
    ...more
  }
}

/** A choice of entries; of everything unless something else is said. */
export function chosenEntries(entries: readonly TocEntry[], more: Partial<Chosen> = {}): Chosen {
  return {
    whole: true,
    everything: true,
    tables: new Map(),
    withRows: new Set(),
    hasSchema: () => true,
    hasMember: () => true,
    hasRowsOf: () => true,
    entries: new Set(entries.map(({ id }) => id)),
    needed: new Set(),
    ...more
  }
}

/** A catalog that holds just the objects of these entries. */
export function holding(entries: readonly TocEntry[]): KnownObjects {
  const key = ({ kind, schema, tag }: Pick<TocEntry, 'kind' | 'schema' | 'tag'>) => `${kind}\0${schema}\0${tag}`
  const keys = new Set(entries.map(key))
  return { has: (entry) => keys.has(key(entry)) }
}
