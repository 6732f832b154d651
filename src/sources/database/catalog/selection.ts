import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import { UserError } from '../../../errors.ts'
import { exactTable, matchesSchema, matchesTable, type Pattern, parsePattern, pgDumpPattern } from './patterns.ts'
import type { CatalogTable } from './tables.ts'

/** What narrows a dump: the inputs' patterns; empty lists mean everything. */
export type Selection = DatabaseFacts['selection']

/** What a selection means for the tables that there are. */
export interface SelectedTables {
  /** In the dump, in the order of the catalog; pg_dump locks these. */
  readonly tables: readonly CatalogTable[]
  /** Those of `tables` whose rows are in the dump. */
  readonly withData: ReadonlySet<CatalogTable>
  /** pg_dump's options for it. */
  readonly options: readonly string[]
  /** Whether anything but whole schemas was chosen or left out: then objects outside tables are not in the dump. */
  readonly narrowed: boolean
  /** Patterns of the exclude inputs that name nothing. */
  readonly idle: readonly string[]
}

export const everything: Selection = {
  type: 'full',
  schemas: [],
  excludeSchemas: [],
  tables: [],
  excludeTables: [],
  excludeTableData: []
}

/**
 * Applies a selection to the tables and schemas of the database. A pattern for a partitioned table reaches its partitions. Throws
 * SB205 when a pattern of `schemas` or `tables` matches nothing (F17), SB002 when both are given: pg_dump would ignore one.
 */
export function selectTables(
  selection: Selection,
  catalog: readonly CatalogTable[],
  schemaNames: readonly string[],
  standby: boolean
): SelectedTables {
  if (selection.schemas.length > 0 && selection.tables.length > 0) {
    throw new UserError('SB002', '`schemas` and `tables` cannot be combined.', {
      remedy: 'Write whole schemas as `schema.*` in `tables`.'
    })
  }
  const schemas = selection.schemas.map((text) => parsePattern(text, 'schema'))
  const excludeSchemas = selection.excludeSchemas.map((text) => parsePattern(text, 'schema'))
  const wanted = selection.tables.map((text) => parsePattern(text, 'table'))
  const excludeTables = selection.excludeTables.map((text) => parsePattern(text, 'table'))
  const excludeData = selection.excludeTableData.map((text) => parsePattern(text, 'table'))

  const byOid = new Map(catalog.map((table) => [table.oid, table]))
  const named = (patterns: readonly Pattern[], table: CatalogTable) =>
    patterns.some((pattern) => matchesTable(pattern, table.schema, table.name))
  // A partition counts as named with any partitioned table above it.
  const reached = (patterns: readonly Pattern[], table: CatalogTable) =>
    named(patterns, table) ||
    table.above.some((oid) => {
      const ancestor = byOid.get(oid)
      return ancestor !== undefined && named(patterns, ancestor)
    })
  const inSchemas = (patterns: readonly Pattern[], schema: string) =>
    patterns.some((pattern) => matchesSchema(pattern, schema))

  const unmatched = [
    ...schemas.filter((pattern) => !schemaNames.some((schema) => matchesSchema(pattern, schema))),
    ...wanted.filter((pattern) => !catalog.some((table) => matchesTable(pattern, table.schema, table.name)))
  ]
  if (unmatched.length > 0) {
    throw new UserError(
      'SB205',
      `Nothing in the database matches ${unmatched.map((pattern) => pattern.text).join(', ')}.`
    )
  }
  const idle = [
    ...excludeSchemas.filter((pattern) => !schemaNames.some((schema) => matchesSchema(pattern, schema))),
    ...[...excludeTables, ...excludeData].filter(
      (pattern) => !catalog.some((table) => matchesTable(pattern, table.schema, table.name))
    )
  ]

  const narrowed = schemas.length > 0 || wanted.length > 0
  const tables = catalog.filter(
    (table) =>
      (wanted.length === 0 || reached(wanted, table)) &&
      (schemas.length === 0 || inSchemas(schemas, table.schema)) &&
      !inSchemas(excludeSchemas, table.schema) &&
      !reached(excludeTables, table) &&
      // What belongs to an extension is dumped with the extension, which a narrowed dump leaves out.
      !(narrowed && table.extension !== undefined)
  )
  const withData = new Set(
    tables.filter(
      (table) =>
        selection.type !== 'schema' &&
        table.kind === 'r' &&
        !reached(excludeData, table) &&
        !(standby && table.unlogged)
    )
  )

  // Partitions that only their parent's pattern reaches are named one by one: older pg_dumps know no option for it.
  const partitions = (patterns: readonly Pattern[]) =>
    catalog
      .filter((table) => reached(patterns, table) && !named(patterns, table))
      .map((table) => exactTable(table.schema, table.name))
  const option = (name: string, patterns: readonly Pattern[]) =>
    patterns.map((pattern) => `--${name}=${pgDumpPattern(pattern)}`)
  const options = [
    ...(selection.type === 'schema' ? ['--schema-only'] : selection.type === 'data' ? ['--data-only'] : []),
    ...option('schema', schemas),
    ...option('table', [...wanted, ...partitions(wanted)]),
    // With tables chosen pg_dump takes no notice of excluded schemas.
    ...(wanted.length > 0
      ? option(
          'exclude-table',
          excludeSchemas.map((pattern) => ({ ...pattern, table: ['', ''] }))
        )
      : option('exclude-schema', excludeSchemas)),
    ...option('exclude-table', [...excludeTables, ...partitions(excludeTables)]),
    ...option('exclude-table-data', [...excludeData, ...partitions(excludeData)]),
    ...(standby ? ['--no-unlogged-table-data'] : [])
  ]
  return { tables, withData, options, narrowed, idle: idle.map((pattern) => pattern.text) }
}
