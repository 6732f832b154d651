import type { DatabaseFacts, TableFacts } from '../../../src/archive/contents-database.ts'

export const table = (schema: string, name: string, more: Partial<TableFacts> = {}): TableFacts => ({
  schema,
  name,
  kind: 'r',
  rows: '3',
  hash: null,
  columns: [],
  bytes: 0,
  rowSecurity: false,
  ...more
})

/** What is known of a small database. */
export const factsOf = (more: Partial<DatabaseFacts> = {}): DatabaseFacts => ({
  source: { host: 'localhost', port: 5432, database: 'postgres', user: 'postgres', ref: null },
  server: { version: '17.6', versionNumber: 170006 },
  client: { version: '17.6' },
  snapshotAt: '2026-11-22T00:00:00.000Z',
  sizeBytes: 0,
  encoding: 'UTF8',
  collation: 'C',
  characterType: 'C',
  databaseOwner: 'postgres',
  databaseGrants: [],
  databaseComment: null,
  databaseSettings: [],
  parameterGrants: [],
  selection: { type: 'full', schemas: [], excludeSchemas: [], tables: [], excludeTables: [], excludeTableData: [] },
  tables: [],
  roles: [],
  memberships: [],
  extensions: [],
  largeObjects: { count: '0', hash: null },
  sequences: [],
  guards: [],
  visibleRows: [],
  platformVersions: {},
  attempts: 1,
  notCaptured: [],
  warnings: [],
  ...more
})
