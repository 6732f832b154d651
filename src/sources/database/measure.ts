import type { DatabaseFacts, Guard, TableFacts } from '../../archive/contents-database.ts'
import type { Connection } from '../../clients/postgres/connection.ts'
import type { Clock } from '../../context.ts'
import { readGuards } from './guards.ts'
import {
  type HashedTable,
  hashMethod,
  type SumRequest,
  sumBatches,
  sumLargeObjects,
  sumTables,
  type TableSum
} from './hashes.ts'
import type { Inventory } from './inventory.ts'
import { readNotCaptured } from './not-captured.ts'
import { readPlatform } from './platform.ts'
import { readExtensions, readMemberships, readRoles } from './roles.ts'
import type { Selection } from './selection.ts'
import type { CatalogTable } from './tables.ts'
import { readVault, type VaultFile } from './vault.ts'
import { sampleVisibleRows, type VisibleRowsLimits } from './visible-rows.ts'

export interface MeasureOptions {
  readonly connection: Connection
  readonly inventory: Inventory
  readonly selection: Selection
  readonly clock: Clock
  /** Larger tables are counted, not hashed. Bytes; null without a limit. */
  readonly hashLimitBytes: number | null
  readonly vault: boolean
  readonly visibleRows: VisibleRowsLimits | null
  readonly onTables: (done: number, of: number) => void
}

/** Everything that is taken from the snapshot beside the dump. */
export interface Measured
  extends Pick<
    DatabaseFacts,
    | 'tables'
    | 'roles'
    | 'memberships'
    | 'extensions'
    | 'largeObjects'
    | 'guards'
    | 'visibleRows'
    | 'platformVersions'
    | 'notCaptured'
    | 'warnings'
  > {
  readonly auth: Record<string, number> | undefined
  readonly vault: VaultFile | null
}

/** Takes counts, hashes, fingerprint and the rest, in the snapshot that the connection is in. What is short comes first. */
export async function measure(options: MeasureOptions): Promise<Measured> {
  const { connection, inventory, selection, clock } = options
  const { selected, catalog } = inventory
  const warnings: string[] = []
  const guards = selection.type === 'data' ? [] : guardsOf(await readGuards(connection), inventory, selection)
  const roles = await readRoles(connection)
  const memberships = await readMemberships(connection)
  const extensions = await readExtensions(connection)
  const platform = await readPlatform(connection, catalog)
  const notCaptured = await readNotCaptured(connection, { vault: options.vault, standby: inventory.server.standby })
  const vault = options.vault ? await readVault(connection) : null
  const visibleRows =
    selection.type === 'full' && options.visibleRows !== null
      ? await sampleVisibleRows(
          connection,
          selected.tables.filter((table) => table.kind !== 'r' || selected.withData.has(table)),
          clock,
          options.visibleRows
        )
      : []
  const tables = await sumAll(options)
  const largeObjects = inventory.largeObjects ? await sumLargeObjects(connection) : { count: '0', hash: null }
  if (inventory.largeObjects && largeObjects.hash === null) {
    warnings.push('The content of large objects could be counted but not hashed: the role may not read pg_largeobject.')
  }
  if (selection.type !== 'schema' && selected.narrowed)
    notCaptured.push({ what: 'large objects', reason: 'the backup is narrowed to schemas or tables' })
  return {
    tables,
    roles,
    memberships,
    extensions,
    largeObjects,
    guards,
    visibleRows,
    platformVersions: platform.versions,
    auth: platform.auth,
    notCaptured,
    vault,
    warnings
  }
}

async function sumAll(options: MeasureOptions): Promise<TableFacts[]> {
  const { connection, inventory, hashLimitBytes, selection } = options
  const { selected } = inventory
  const method = hashMethod(connection.versionNumber)
  const tooLarge = (table: CatalogTable) => hashLimitBytes !== null && table.bytes > hashLimitBytes
  const summed = selected.tables.filter(
    (table) =>
      selected.withData.has(table) ||
      (selection.type !== 'schema' && table.kind === 'm' && table.populated === true && table.maySelect)
  )
  const requests: SumRequest[] = summed.map((table) => ({
    table,
    bytes: table.bytes,
    method: tooLarge(table) ? null : method
  }))
  const sums = new Map<HashedTable, TableSum>()
  for (const batch of sumBatches(requests)) {
    const results = await sumTables(connection, batch)
    for (const [index, { table }] of batch.entries()) {
      const result = results[index]
      if (result !== undefined) sums.set(table, result)
    }
    options.onTables(sums.size, summed.length)
  }
  return selected.tables.map((table) => {
    const sum = sums.get(table)
    const skipped =
      table.kind === 'm' && sum === undefined
        ? 'it is computed anew by a restore'
        : table.kind === 'p'
          ? 'its rows are those of its partitions'
          : table.kind === 'f'
            ? 'its rows lie on another server'
            : sum === undefined
              ? 'its rows are not in the backup'
              : tooLarge(table)
                ? `it is larger than the limit of ${hashLimitBytes} bytes`
                : undefined
    return {
      ...factsOf(table),
      // A dump of definitions alone makes them `with no data`.
      ...(selection.type === 'schema' && table.kind === 'm' ? { populated: false } : {}),
      rows: sum?.rows ?? null,
      hash: sum === undefined || sum.hash === null ? null : { method, value: sum.hash },
      ...(skipped === undefined ? {} : { hashSkipped: skipped })
    }
  })
}

/** What contents.json keeps of a table beside count and hash. */
function factsOf(table: CatalogTable): Omit<TableFacts, 'rows' | 'hash' | 'hashSkipped'> {
  const { schema, name, kind, columns, bytes, rowSecurity, populated, extension, partitionOf } = table
  return {
    schema,
    name,
    kind,
    columns,
    bytes,
    rowSecurity,
    ...(populated === undefined ? {} : { populated }),
    ...(extension === undefined ? {} : { extension }),
    ...(partitionOf === undefined ? {} : { partitionOf })
  }
}

/** The whole fingerprint; of a narrowed dump what belongs to its tables. */
function guardsOf(guards: Guard[], { selected }: Inventory, selection: Selection): Guard[] {
  if (selection.type === 'schema') return withoutContent(narrowed(guards, selected, selection))
  return narrowed(guards, selected, selection)
}

/** What a dump of definitions alone brings back: no large objects, and materialized views without their rows. */
export function withoutContent(guards: readonly Guard[]): Guard[] {
  return guards.flatMap((guard) => {
    if (guard.kind === 'large objects') return []
    if (guard.kind !== 'materialized view') return [guard]
    return [{ ...guard, definition: guard.definition.replace(/^populated$/m, 'not populated') }]
  })
}

function narrowed(guards: Guard[], selected: Inventory['selected'], selection: Selection): Guard[] {
  const all = [selection.schemas, selection.excludeSchemas, selection.tables, selection.excludeTables].every(
    (list) => list.length === 0
  )
  if (all) return guards
  const names = new Set(selected.tables.map((table) => table.quoted))
  return guards.filter(
    (guard) =>
      (/(?:^|on |of )(?:(?:foreign )?table|materialized view|row security)$/.test(guard.kind) &&
        names.has(guard.name)) ||
      (/^(?:policy|trigger|constraint|rule)$/.test(guard.kind) &&
        [...names].some((name) => guard.name.endsWith(` on ${name}`)))
  )
}
