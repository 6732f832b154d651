import type { Connection } from '../../../clients/postgres/connection.ts'
import { UserError } from '../../../errors.ts'
import { listed, quoteIdentifier, readable } from './quote.ts'
import { type SelectedTables, type Selection, selectTables } from './selection.ts'
import { readSequences, type SequenceName } from './sequences.ts'
import { readServerFacts, type ServerFacts } from './server.ts'
import { assertReadable, type CatalogTable, readTables } from './tables.ts'

/** What there is in the database, and what of it will be dumped. */
export interface Inventory {
  readonly server: ServerFacts
  readonly catalog: readonly CatalogTable[]
  readonly selected: SelectedTables
  /** Sequences of the dump. */
  readonly sequences: readonly SequenceName[]
  /** Whether all large objects are part of the dump. */
  readonly largeObjects: boolean
}

/**
 * Reads the catalog and refuses what the dump could not read: SB203 and SB204 name all of it at once, SB205 patterns that match
 * nothing. Needs an open transaction of `beginReading`.
 */
export async function takeInventory(connection: Connection, selection: Selection): Promise<Inventory> {
  const server = await readServerFacts(connection)
  const catalog = await readTables(connection)
  const selected = selectTables(selection, catalog, server.schemas, server.standby)
  assertReadable(selected.tables, [...selected.withData], server.user)
  const data = selection.type !== 'schema'
  const sequences = data ? sequencesOf(selected, selection, await readSequences(connection)) : []
  const closed = sequences.filter((sequence) => !sequence.readable)
  if (closed.length > 0) throw notReadable(server.user, `the sequences ${listed(closed.map(readable))}`)
  const largeObjects = data && !selected.narrowed
  if (largeObjects && !server.superuser) await assertLargeObjects(connection, server.user)
  return { server, catalog, selected, sequences, largeObjects }
}

/** In a narrowed dump sequences come with their schemas; which of them a choice of tables takes along is pg_dump's to know. */
function sequencesOf(
  selected: SelectedTables,
  selection: Selection,
  sequences: readonly SequenceName[]
): SequenceName[] {
  if (selection.tables.length > 0) return []
  const schemas = new Set(selected.tables.map((table) => table.schema))
  const narrowed = selected.narrowed || selection.excludeSchemas.length > 0
  // What belongs to an extension is dumped with the extension, which a narrowed dump leaves out.
  const own = selected.narrowed ? sequences.filter(({ extension }) => extension === null) : sequences
  return narrowed ? own.filter((sequence) => schemas.has(sequence.schema)) : [...own]
}

async function assertLargeObjects(connection: Connection, user: string): Promise<void> {
  const rows = await connection.query<{
    name: string
    total: string
  }>(`select m.oid::text as name, count(*) over ()::text as total
from pg_largeobject_metadata m
where not pg_has_role(m.lomowner, 'USAGE') and not exists (select from aclexplode(m.lomacl) a
  where a.privilege_type = 'SELECT' and (a.grantee = 0 or pg_has_role(a.grantee, 'USAGE')))
order by m.oid limit 20`)
  const [first] = rows
  if (first === undefined) return
  throw notReadable(user, `${first.total} large objects (${rows.map((row) => row.name).join(', ')}, ...)`)
}

function notReadable(user: string, what: string): UserError {
  return new UserError('SB203', `The role ${quoteIdentifier(user)} may not read ${what}.`)
}
