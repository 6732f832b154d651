import { sqlStateOf } from '../../../../clients/postgres/server-error.ts'
import { definitionOf } from '../../pg-archive/entry-sql.ts'
import { splitStatements } from '../../pg-archive/split-statements.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'
import type { RowsPlan } from '../plan/restore-plan.ts'
import { type SideSession, shareOut } from './worker-sessions.ts'

/** An index, or a key with its index, of a table that is worth a session of its own. */
export interface LargeIndex {
  readonly entry: TocEntry
  /** Id of the table's entry. */
  readonly table: number
  /** Whether it locks its table against everyone: a plain index lets others of the same table be built beside it. */
  readonly alone: boolean
}

/** From this size on building an index of a table takes longer than the messages about it. Bytes. */
const largeFrom = 1024 * 1024

/** Those of `entries` that are indexes and keys of large tables which came in with their rows. */
export function largeIndexes(
  entries: readonly TocEntry[],
  all: readonly TocEntry[],
  rows: readonly RowsPlan[]
): LargeIndex[] {
  const nameOf = ({ schema, tag }: TocEntry) => JSON.stringify([schema, tag])
  const large = new Set(rows.filter(({ facts }) => facts.bytes >= largeFrom).map(({ entry }) => nameOf(entry)))
  const tables = new Set(all.filter((one) => one.kind === 'TABLE' && large.has(nameOf(one))).map(({ id }) => id))
  return entries.flatMap((entry) => {
    const key =
      entry.kind === 'CONSTRAINT' && /\bADD CONSTRAINT [^;]+ (?:PRIMARY KEY|UNIQUE|EXCLUDE) /.test(entry.definition)
    if (!key && entry.kind !== 'INDEX') return []
    const table = entry.needs.find((id) => tables.has(id))
    if (table === undefined) return []
    return [{ entry, table, alone: key || splitStatements(entry.definition).length > 1 }]
  })
}

/**
 * Builds indexes over several sessions, in their order as far as their locks let it. Resolves with what was built. What the server refuses is left to whoever
 * runs the other definitions, with all that is to be said of a refusal. Rejects when a session is lost.
 */
export async function buildIndexes(
  sessions: readonly SideSession[],
  indexes: readonly LargeIndex[]
): Promise<ReadonlySet<TocEntry>> {
  const built = new Set<TocEntry>()
  await shareOut(
    sessions,
    indexes,
    async ({ connection, begin }, { entry }) => {
      await begin()
      try {
        await connection.query(definitionOf(entry))
        await connection.query('commit')
        built.add(entry)
      } catch (error) {
        if (sqlStateOf(error) === undefined || connection.broken.aborted) throw error
        await connection.query('rollback')
      }
    },
    (one, other) => one.table !== other.table || !(one.alone || other.alone)
  )
  return built
}
