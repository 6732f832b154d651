import type { Readable } from 'node:stream'
import type { DatabaseFacts, MemberTable } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { attempt } from '../../../clients/postgres/savepoint.ts'
import type { Finding } from '../../source.ts'
import { quoteIdentifier } from '../catalog/quote.ts'
import { bringMembers, readThere } from '../members/bring-members.ts'
import { lackingParts, type MembersWanted } from '../members/lacking-members.ts'
import { type LoadedMembers, loadMembers, unequalMembers } from '../members/load-members.ts'
import { countRows } from '../members/rows-archive.ts'
import { definitionOf, ownerStatement } from '../pg-archive/entry-sql.ts'
import type { ArchiveToc, TocEntry } from '../pg-archive/toc.ts'
import { needsExtension } from './absence.ts'

/** Opens the file with rows of tables that belong to extensions; null where the backup has none. */
export type OpenRows = () => Readable | null

/** What belongs to extensions and no dump holds, on a copy. */
export interface MembersOfCopy {
  /**
   * Into the empty database: those objects that the extensions do not make by themselves, and their rows, before anything of the archive can ask for them.
   * Returns the entries that are made by it.
   */
  prepare(connection: Connection): Promise<ReadonlySet<number>>
  /** When everything of the archive is there: the rest, and the comparison with the source. */
  complete(connection: Connection): Promise<Finding[]>
}

export function membersOfCopy(
  facts: DatabaseFacts,
  toc: ArchiveToc,
  missing: ReadonlySet<string>,
  openRows: OpenRows
): MembersOfCopy {
  const { members } = facts
  if (members === undefined) return { prepare: () => Promise.resolve(new Set()), complete: () => Promise.resolve([]) }
  const wanted: MembersWanted = {
    facts: members,
    versions: new Map(facts.extensions.map(({ name, version }) => [name, version])),
    isWanted: () => true
  }
  const withRows = members.tables.filter(({ rows }) => rows !== null && rows !== '0')
  const possible = withRows.filter(({ extension }) => !missing.has(extension))
  const loads: LoadedMembers[] = []

  async function load(connection: Connection): Promise<void> {
    const done = new Set(loads.flatMap(({ whole }) => whole))
    const tables = possible.filter((table) => !done.has(table))
    if (tables.length === 0) return
    const file = openRows()
    if (file === null) return
    loads.push(await loadMembers({ connection, file: () => file, tables, way: 'copy' }))
  }

  return {
    async prepare(connection) {
      loads.length = 0
      const names = await withWork(connection, facts, toc, wanted, missing)
      if (names.length === 0) return new Set()
      await begin(connection)
      const made = await createExtensions(connection, facts, toc, names)
      const bring = bringMembers({ connection, wanted })
      await bring.make()
      await load(connection)
      await connection.query('commit')
      return made
    },
    async complete(connection) {
      if (possible.length === 0 && members.objects.length === 0) return notProven(withRows)
      await begin(connection)
      const bring = bringMembers({ connection, wanted })
      await bring.make()
      await load(connection)
      await bring.finish()
      const whole = loads.flatMap((one) => one.whole)
      const unequal = await unequalMembers(connection, whole)
      const lacking = await bring.compare()
      const surplus = await bring.surplus()
      await connection.query('commit')
      const refused = (loads.at(-1)?.findings ?? []).map(({ subject, detail }) => notEqual(subject, detail))
      return [
        ...notProven(withRows.filter(({ extension }) => missing.has(extension))),
        ...possible
          .filter((table) => !whole.includes(table) && refused.every(({ subject }) => subject !== table.subject))
          .map(({ subject }) => notEqual(subject, 'the backup does not hold its rows')),
        ...refused,
        ...unequal.map(({ subject }) => notEqual(subject, 'its content differs')),
        ...surplus.map((subject) => notEqual(subject, 'it is in the copy, but not in the source')),
        ...lacking.map(({ subject, detail }): Finding => ({ kind: 'notProven', reason: 'not-made', subject, detail }))
      ]
    }
  }
}

/** What reading tells: tables that the file does not hold the rows of, as many as were counted. */
export async function readMemberRows(facts: DatabaseFacts, openRows: OpenRows): Promise<Finding[]> {
  const tables = (facts.members?.tables ?? []).filter(({ rows }) => rows !== null && rows !== '0')
  if (tables.length === 0) return []
  const file = openRows()
  const counts = file === null ? new Map<string, string>() : await countRows(file)
  return tables
    .filter(({ entry, rows }) => counts.get(entry) !== rows)
    .map(({ subject, entry, rows }) => ({
      kind: 'difference',
      subject,
      detail: `the backup holds ${counts.get(entry) ?? '0'} of its ${rows} rows`
    }))
}

function notProven(tables: readonly MemberTable[]): Finding[] {
  return tables.map(({ subject, extension }) => {
    const { reason, words } = needsExtension([extension])
    return { kind: 'notProven', reason, subject, detail: words }
  })
}

function notEqual(subject: string, detail: string): Finding {
  return { kind: 'difference', subject, detail }
}

async function begin(connection: Connection): Promise<void> {
  await connection.query(
    `begin; set local check_function_bodies = off; set local client_min_messages = error; set local search_path = ''; set local session_replication_role = replica`
  )
}

/** Extensions that do not make all of their objects by themselves. What is made to see that is taken back. */
async function withWork(
  connection: Connection,
  facts: DatabaseFacts,
  toc: ArchiveToc,
  wanted: MembersWanted,
  missing: ReadonlySet<string>
): Promise<string[]> {
  const concerned = new Set(wanted.facts.objects.map(({ extension }) => extension))
  const names = [...concerned].filter((name) => !missing.has(name))
  if (names.length === 0) return []
  await begin(connection)
  try {
    await createExtensions(connection, facts, toc, names)
    const lacking = lackingParts(wanted, await readThere(connection))
    return [...new Set(lacking.map(({ member }) => member.extension))]
  } finally {
    await connection.query('rollback')
  }
}

/** Null, or the server's refusal: nothing of it happened. */
async function tried(connection: Connection, ...statements: readonly string[]): Promise<unknown> {
  const outcome = await attempt(connection, async () => {
    for (const sql of statements) await connection.query(sql)
  })
  return outcome.done ? null : outcome.error
}

/** Creates extensions where the source has them, with the schemas that lie in the archive; returns their entries. */
async function createExtensions(
  connection: Connection,
  facts: DatabaseFacts,
  toc: ArchiveToc,
  names: readonly string[]
): Promise<ReadonlySet<number>> {
  const made = new Set<number>()
  for (const { name, schema } of facts.extensions) {
    if (!names.includes(name)) continue
    const entry = toc.entries.find((one) => one.kind === 'SCHEMA' && one.tag === schema)
    if (entry !== undefined && !made.has(entry.id) && (await makeSchema(connection, entry))) made.add(entry.id)
    await tried(
      connection,
      `create extension if not exists ${quoteIdentifier(name)} with schema ${quoteIdentifier(schema)} cascade`
    )
  }
  return made
}

async function makeSchema(connection: Connection, entry: TocEntry): Promise<boolean> {
  if ((await tried(connection, definitionOf(entry))) !== null) return false
  const owner = ownerStatement(entry)
  if (owner !== null) await tried(connection, owner)
  return true
}
