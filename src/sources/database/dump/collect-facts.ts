import {
  type DatabaseFacts,
  type Guard,
  holdsSomeObjects,
  type TableFacts
} from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import type { Clock } from '../../../context.ts'
import type { Inventory } from '../catalog/inventory.ts'
import { matchesSchema, type Pattern, parsePattern } from '../catalog/patterns.ts'
import { readPlatform } from '../catalog/platform.ts'
import { quoteIdentifier, unquoteIdentifier } from '../catalog/quote.ts'
import { readExtensions, readMemberships, readRoles } from '../catalog/roles.ts'
import type { Selection } from '../catalog/selection.ts'
import type { CatalogTable } from '../catalog/tables.ts'
import { readGuards } from '../fingerprint/read-objects.ts'
import { type CapturedMembers, captureMembers } from '../members/capture-members.ts'
import { holdsMembers } from '../members/member-tables.ts'
import {
  type HashedTable,
  hashMethod,
  type SumRequest,
  sumBatches,
  sumLargeObjects,
  sumTables,
  type TableSum
} from './hashes.ts'
import { readNotCaptured } from './not-captured.ts'
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
  readonly members: CapturedMembers
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
  const passedOver = await readNotCaptured(connection, {
    vault: options.vault,
    standby: inventory.server.standby,
    members: holdsMembers(selection)
  })
  const members = await captureMembers({
    connection,
    selection,
    method: hashMethod(connection.versionNumber),
    hashLimitBytes: options.hashLimitBytes
  })
  // What was added to an extension is in no dump; what is taken apart is captured all the same.
  const takenApart = new Set((members.facts?.objects ?? []).map(({ subject }) => subject))
  const notCaptured = passedOver.filter(({ what }) => !takenApart.has(what))
  notCaptured.push(...members.notCaptured)
  const vault = options.vault ? await readVault(connection) : null
  const sealed = vault?.secrets.filter(({ value }) => value === null) ?? []
  notCaptured.push(...sealed.map(sealedSecret))
  if (sealed.length > 0)
    warnings.push(
      `The database cannot decrypt ${sealed.length} of its ${vault?.secrets.length ?? 0} Vault secrets: their values are not in the backup.`
    )
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
    members,
    warnings
  }
}

function sealedSecret({ id, name }: VaultFile['secrets'][number]): Measured['notCaptured'][number] {
  return {
    what: `value of the Vault secret ${name ?? id}`,
    reason:
      'the database cannot decrypt it, as after a move without the key of the project that it came from; set it again'
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
  const paths = await pathsOf(connection, inventory)
  for (const batch of sumBatches(requests)) {
    const results = await sumTables(connection, batch, paths)
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
      ...(sum === undefined || sum.written === null ? {} : { writtenHash: { method, value: sum.written } }),
      ...(skipped === undefined ? {} : { hashSkipped: skipped })
    }
  })
}

/** Values of search_path that functions of the project may rely on. */
async function pathsOf(connection: Connection, { server, catalog }: Inventory): Promise<string[]> {
  const names = (await readExtensions(connection)).map(({ schema }) => schema)
  const set = server.databaseSettings
    .find((setting) => setting.startsWith('search_path='))
    ?.slice('search_path='.length)
  const usual = [set ?? '"$user", public', ...names.map(quoteIdentifier)]
  const all = [...usual, ...catalog.map(({ schema }) => quoteIdentifier(schema))]
  return [usual, all].map((parts) => [...new Set(parts)].filter((part) => part !== '').join(', '))
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

/** The whole fingerprint; of a narrowed dump what belongs to its tables, and what lies in schemas that it holds whole. */
function guardsOf(guards: Guard[], { selected }: Inventory, selection: Selection): Guard[] {
  if (selection.type === 'schema') return withoutContent(narrowed(guards, selected, selection))
  return narrowed(guards, selected, selection)
}

/** What a dump of definitions alone brings back: no large objects, nor what is said of them, and materialized views without their rows. */
export function withoutContent(guards: readonly Guard[]): Guard[] {
  return guards.flatMap((guard) => {
    if (guard.kind === 'large objects') return []
    if (/^(?:comment|security label)$/.test(guard.kind) && /(?:^| on )large object \d+$/.test(guard.name)) return []
    if (guard.kind !== 'materialized view') return [guard]
    return [{ ...guard, definition: guard.definition.replace(/^populated$/m, 'not populated') }]
  })
}

function narrowed(guards: Guard[], selected: Inventory['selected'], selection: Selection): Guard[] {
  if (!holdsSomeObjects({ selection })) return guards
  const names = new Set(selected.tables.map((table) => table.quoted))
  const whole = wholeSchemas(guards, selection)
  const left = guards
    .filter((guard) => /^(?:foreign table|materialized view|table)$/.test(guard.kind) && !names.has(guard.name))
    .map((guard) => guard.name)
  return guards.filter((guard) => {
    if (/(?:^|on |of )(?:(?:foreign )?table|materialized view|row security)$/.test(guard.kind))
      return names.has(guard.name)
    if (/^(?:policy|trigger|constraint|rule)$/.test(guard.kind))
      return [...names].some((name) => guard.name.endsWith(` on ${name}`))
    if (guard.kind === 'grants on column') return [...names].some((name) => guard.name.startsWith(`${name}.`))
    if (guard.kind === 'index') return [...names].some((name) => guard.definition.includes(` ON ${name} `))
    if (!outsideTables.test(guard.kind) || !whole.has(schemaOf(guard.name))) return false
    // What hangs on a table that is left out is not as it was.
    return !/^(?:sequence|statistics)$/.test(guard.kind) || !left.some((name) => guard.definition.includes(name))
  })
}

/**
 * Kinds of objects that lie in schemas and are dumped with them. Whether one of them is in the archive is seen there: what a dump of chosen schemas leaves
 * out is no difference.
 */
const outsideTables =
  /^(?:(?:owner of|grants on) )?(?:aggregate|collation|composite type|domain|enumeration|function|procedure|range type|sequence|statistics|text search (?:configuration|dictionary)|view)$/

/** Schemas that are in the dump with all their objects, quoted as the fingerprint has them: none where tables were chosen. */
function wholeSchemas(guards: readonly Guard[], selection: Selection): ReadonlySet<string> {
  if (selection.tables.length > 0) return new Set()
  const patterns = (texts: readonly string[]) => texts.map((text) => parsePattern(text, 'schema'))
  const [chosen, excluded] = [patterns(selection.schemas), patterns(selection.excludeSchemas)]
  const matches = (list: readonly Pattern[], schema: string) => list.some((pattern) => matchesSchema(pattern, schema))
  return new Set(
    guards
      .filter((guard) => guard.kind === 'schema')
      .map((guard) => guard.name)
      .filter((name) => {
        const plain = unquoteIdentifier(name)
        return (chosen.length === 0 || matches(chosen, plain)) && !matches(excluded, plain)
      })
  )
}

/** The schema of a qualified name, quoted as it is there. */
function schemaOf(name: string): string {
  return /^(?:"(?:[^"]|"")*"|[^".]+)(?=\.)/.exec(name)?.[0] ?? ''
}
