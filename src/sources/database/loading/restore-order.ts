import { factsOfKind } from '../pg-archive/kinds.ts'
import type { ArchiveToc, TocEntry } from '../pg-archive/toc.ts'

export interface Passes {
  /** Schemas and extensions: what the platform does after an extension (grants by its own event triggers) must happen. */
  readonly first: TocEntry[]
  readonly before: TocEntry[]
  readonly after: TocEntry[]
  readonly grants: TocEntry[]
  readonly last: TocEntry[]
  readonly defaults: TocEntry[]
}

/**
 * The order of pg_restore: definitions, rows, the rest; then grants; then materialized views and event triggers, so that no refresh fires one. Source:
 * pg_backup_archiver.c. Besides, triggers of partitions are switched on and off when all triggers are there: the archive does not know that they need their
 * table's.
 */
export function passesOf(toc: ArchiveToc, entries: readonly TocEntry[]): Passes {
  const data = toc.entries.findIndex((entry) => entry.section === 3)
  const behind = new Set(data === -1 ? [] : toc.entries.slice(data).map((entry) => entry.id))
  const running = new Set(entries.map((entry) => entry.id))
  const tables = new Set(toc.entries.filter((entry) => entry.kind === 'TABLE').map((entry) => entry.id))
  /** A partition of a table that stays: its indexes must be there before, else the server makes some of its own. */
  const isLate = (entry: TocEntry) =>
    entry.kind === 'TABLE ATTACH' && entry.needs.some((id) => tables.has(id) && !running.has(id))
  const late: TocEntry[] = []
  const switched: TocEntry[] = []
  const views: TocEntry[] = []
  const passes: Passes = { first: [], before: [], after: [], grants: [], last: [], defaults: [] }
  for (const entry of entries) {
    const { pass, isAbout } = factsOfKind(entry.kind)
    if (isLate(entry)) late.push(entry)
    else if (pass === 'views') views.push(entry)
    else if (pass === 'defaults' || pass === 'grants' || pass === 'last') passes[pass].push(entry)
    else if (isAbout && entry.tag.startsWith('EVENT TRIGGER ')) passes.last.push(entry)
    else if (isSwitch(entry)) switched.push(entry)
    else if (behind.has(entry.id) && pass !== 'before') passes.after.push(entry)
    else passes[pass === 'first' ? 'first' : 'before'].push(entry)
  }
  const after = late.length === 0 ? passes.after : withLate(passes.after, late, toc, running)
  return { ...passes, after: [...after, ...switched], last: [...views, ...passes.last] }
}

/** Turns a trigger of a partition on or off, and makes none. */
function isSwitch({ kind, definition }: TocEntry): boolean {
  return kind === 'TRIGGER' && definition.includes('ALTER TABLE ') && !definition.includes('CREATE ')
}

/** Puts partitions of tables that stay behind their indexes, which are valid as soon as those of partitions further down are part of them. */
function withLate(
  after: readonly TocEntry[],
  late: readonly TocEntry[],
  toc: ArchiveToc,
  running: ReadonlySet<number>
): TocEntry[] {
  const byId = new Map(toc.entries.map((entry) => [entry.id, entry]))
  const partitions = new Set(late.flatMap(({ needs }) => needs.filter((id) => running.has(id))))
  const isIndex = ({ kind }: TocEntry) => kind === 'INDEX' || kind === 'CONSTRAINT'
  const nameOf = ({ schema, tag }: Pick<TocEntry, 'schema' | 'tag'>) => `${schema}\0${tag}`
  /** Names of the indexes of those partitions themselves: the tag of a constraint begins with its table's. */
  const own = new Set(
    toc.entries.filter(isIndex).flatMap(({ kind, schema, tag, needs }) => {
      const table = byId.get(needs.find((id) => partitions.has(id)) ?? -1)
      if (table === undefined) return []
      return [nameOf({ schema, tag: kind === 'INDEX' ? tag : tag.slice(table.tag.length + 1) })]
    })
  )
  const isBelow = (entry: TocEntry) => entry.kind === 'INDEX ATTACH' && !own.has(nameOf(entry))
  return [
    ...after.filter(isIndex),
    ...after.filter(isBelow),
    ...late,
    ...after.filter((entry) => !isIndex(entry) && !isBelow(entry))
  ]
}
