import { readable } from '../../catalog/quote.ts'
import { sameDefinition, withElementCasts } from '../../fingerprint/same-definition.ts'
import { factsOfKind } from '../../pg-archive/kinds.ts'
import { withDependants } from '../../pg-archive/skip-entries.ts'
import type { ArchiveToc, TocEntry } from '../../pg-archive/toc.ts'
import { type KnownObjects, namesTaken } from '../target/catalog-index.ts'
import { type Expressions, withoutExpressions } from '../target/expressions.ts'
import type { TargetState } from '../target/target-state.ts'
import { isOnPlatform } from './plan.ts'
import { type Chosen, isOn } from './select-entries.ts'

/** What has to go from the target before the backup's objects can take its place, and what hangs on it. */
export interface Replaced {
  /** To be dropped, with what depends on it. */
  readonly roots: readonly TocEntry[]
  /** Objects of others that go with the roots and are made again from the target's own definitions: views, foreign keys of other tables, policies, ... */
  readonly givenBack: readonly TocEntry[]
  /** Triggers and policies on tables of the platform that the backup does not know. */
  readonly extras: readonly TocEntry[]
  /** Ids in the backup of triggers and policies on tables of the platform that are others in the target. */
  readonly changed: ReadonlySet<number>
  /** The target's own objects without those that go. */
  readonly known: KnownObjects
  /** Tables and composite types that would lose a column or themselves; the restore must not begin. */
  readonly endangered: readonly string[]
  readonly entries: ReadonlyMap<number, TocEntry>
  /** Defaults and checks of the target before: tables and domains that stay lose them with what they use. */
  readonly expressions: Expressions
}

/** Decides what goes, pure. `held` are the target's definitions, `backup` those of the backup. */
export function planReplacing(
  held: ArchiveToc,
  expressions: Expressions,
  backup: ArchiveToc,
  chosen: Chosen,
  target: TargetState,
  known: KnownObjects,
  byTables: boolean
): Replaced {
  const now = withoutExpressions(held, expressions)
  const own = (schema: string) => schema !== '' && target.schemas.get(schema)?.platform !== true
  const name = nameOf
  const relation = (entry: TocEntry) => `${entry.schema}\0${entry.tag}`
  const wanted = new Set(
    backup.entries
      .filter(
        (entry) => factsOfKind(entry.kind).isRelation && chosen.entries.has(entry.id) && !chosen.needed.has(entry.id)
      )
      .map(relation)
  )
  const inBackup = new Set(backup.entries.map(name))
  const differs = differing(now, backup)
  const excluded = (entry: TocEntry) =>
    !byTables &&
    !chosen.whole &&
    factsOfKind(entry.kind).isRelation &&
    inBackup.has(name(entry)) &&
    !wanted.has(relation(entry))
  const roots = now.entries.filter((entry) => {
    if (!own(entry.schema)) return false
    if (byTables) return factsOfKind(entry.kind).isRelation && wanted.has(relation(entry))
    if (!chosen.hasSchema(entry.schema) || excluded(entry)) return false
    if (factsOfKind(entry.kind).isRelation) return true
    if (entry.kind === 'SEQUENCE') return entry.definition.startsWith('CREATE ')
    return factsOfKind(entry.kind).isReplacedWithSchema && (!inBackup.has(name(entry)) || differs.has(name(entry)))
  })
  // Partitions go with their table: those that came since are no other table's.
  for (let parents = roots; parents.length > 0; ) {
    parents = partitionsOf(now, parents).filter((entry) => !inBackup.has(name(entry)) && !roots.includes(entry))
    roots.push(...parents)
  }
  const schemas = byTables
    ? []
    : now.entries.filter(
        (entry) =>
          entry.kind === 'SCHEMA' &&
          own(entry.tag) &&
          entry.tag !== 'public' &&
          chosen.whole &&
          !inBackup.has(name(entry))
      )
  const publications = chosen.whole ? publicationsThatDiffer(now, backup, target) : []
  roots.push(...publications)
  const first = [...roots, ...schemas].map((entry) => entry.id)
  const lost = withDependants(now, new Map(first.map((id) => [id, ''])))
  // One that uses what goes would stay, without the attribute.
  if (!byTables)
    roots.push(
      ...now.entries.filter(
        (entry) =>
          isComposite(entry) && lost.has(entry.id) && !first.includes(entry.id) && chosen.hasSchema(entry.schema)
      )
    )
  const rootIds = new Set([...roots, ...schemas].map((entry) => entry.id))
  const entries = new Map(now.entries.map((entry) => [entry.id, entry]))

  const gone = new Set(rootIds)
  const givenBack: TocEntry[] = []
  const endangered: string[] = []
  const forgotten = (id: number): boolean => {
    const need = entries.get(id)
    return need !== undefined && gone.has(id) && need.kind !== 'SCHEMA' && !inBackup.has(name(need))
  }
  for (const entry of now.entries) {
    if (!lost.has(entry.id) || rootIds.has(entry.id)) continue
    // Contained in what goes: nobody else's.
    const hangs = isAttached(entry) && entry.needs.some((id) => gone.has(id) && isOn(entry, entries.get(id) ?? entry))
    const published =
      entry.kind.startsWith('PUBLICATION TABLE') && publications.some((one) => entry.needs.includes(one.id))
    // Into the schema that goes it cannot be given back.
    const inSchema = entry.kind === 'EXTENSION' && entry.needs.some((id) => schemas.some((schema) => schema.id === id))
    if (inSchema) roots.push(entry)
    if (hangs || published || inSchema) gone.add(entry.id)
    else if (schemas.some((schema) => schema.tag === entry.schema)) gone.add(entry.id)
    // Needs what the whole backup does not know: a trigger of the platform's table on a function that was not there then.
    else if (chosen.whole && entry.kind !== 'TABLE' && entry.needs.some(forgotten)) gone.add(entry.id)
    else if (entry.kind === 'TABLE' || isComposite(entry))
      endangered.push(readable({ schema: entry.schema, name: entry.tag }))
    else givenBack.push(entry)
  }
  const extras = now.entries.filter(
    (entry) =>
      !byTables &&
      chosen.whole &&
      isOnPlatform(entry, (schema) => target.schemas.get(schema)?.platform === true) &&
      !lost.has(entry.id) &&
      !inBackup.has(name(entry))
  )
  const staying = new Map(now.entries.filter((entry) => !lost.has(entry.id)).map((entry) => [name(entry), entry]))
  const changed = backup.entries.filter((entry) => {
    if (!isOnPlatform(entry, (schema) => target.schemas.get(schema)?.platform === true)) return false
    const other = staying.get(name(entry))
    return (
      other !== undefined &&
      chosen.entries.has(entry.id) &&
      !chosen.needed.has(entry.id) &&
      !sameDefinition(entry.definition, other.definition)
    )
  })
  // A view that stands where the backup has a table makes room for it.
  const dropped = new Set(now.entries.filter((entry) => lost.has(entry.id)).flatMap(namesTaken))
  return {
    roots: [...schemas, ...roots],
    givenBack,
    extras,
    changed: new Set(changed.map((entry) => entry.id)),
    known: { has: (entry) => !dropped.has(namesTaken(entry)[0]) && known.has(entry) },
    endangered,
    entries,
    expressions
  }
}

/** That a table is published is said by the publication, which stays. */
const isAttached = ({ kind }: TocEntry) => factsOfKind(kind).isAttached && kind !== 'PUBLICATION TABLE'

const isComposite = ({ kind, definition }: TocEntry) => kind === 'TYPE' && /^CREATE TYPE [^(']* AS \(/.test(definition)

function partitionsOf(toc: ArchiveToc, parents: readonly TocEntry[]): TocEntry[] {
  const ids = new Set(parents.map((entry) => entry.id))
  const isIt = (attach: TocEntry, entry: TocEntry) => entry.schema === attach.schema && entry.tag === attach.tag
  const attaching = toc.entries.filter(({ kind, needs }) => kind === 'TABLE ATTACH' && needs.some((id) => ids.has(id)))
  return toc.entries.filter(
    (entry) =>
      /^(?:FOREIGN )?TABLE$/.test(entry.kind) &&
      !ids.has(entry.id) &&
      attaching.some((attach) => attach.needs.includes(entry.id) && isIt(attach, entry))
  )
}

/**
 * Publications of the target that the backup has with other tables or settings, as far as the role owns them. Those of the platform's own tables are
 * others in each of its versions.
 */
function publicationsThatDiffer(now: ArchiveToc, backup: ArchiveToc, target: TargetState): TocEntry[] {
  const members = (toc: ArchiveToc, { id }: TocEntry) =>
    toc.entries.filter(({ kind, needs }) => kind.startsWith('PUBLICATION TABLE') && needs.includes(id))
  const form = (toc: ArchiveToc, entry: TocEntry) =>
    [entry, ...members(toc, entry)]
      .map(({ definition }) => definition)
      .toSorted()
      .join('\0')
  const isPlatforms = ({ schema }: TocEntry) => target.schemas.get(schema)?.platform === true
  return now.entries.filter((entry) => {
    if (entry.kind !== 'PUBLICATION' || !(target.superuser || entry.owner === target.user)) return false
    const before = backup.entries.find((one) => one.kind === 'PUBLICATION' && one.tag === entry.tag)
    if (before === undefined || form(now, entry) === form(backup, before)) return false
    return ![...members(now, entry), ...members(backup, before)].some(isPlatforms)
  })
}

type Named = Pick<TocEntry, 'kind' | 'schema' | 'tag'>
const nameOf = (entry: Named) => `${entry.kind}\0${entry.schema}\0${entry.tag}`

/** Names of what is defined otherwise than in the backup. Operators of one name are one: their operands are no part of it. */
function differing(now: ArchiveToc, backup: ArchiveToc): Set<string> {
  const forms = (toc: ArchiveToc) =>
    new Map(
      [...Map.groupBy(toc.entries, nameOf)].map(([name, entries]) => [
        name,
        entries.map(fixedForm).toSorted().join('\0')
      ])
    )
  const before = forms(backup)
  return new Set(
    [...forms(now)].filter(([name, form]) => before.has(name) && before.get(name) !== form).map(([name]) => name)
  )
}

/**
 * What of a definition `OR REPLACE` cannot change. Of functions it is the head (names and defaults of parameters, the result), which pg_dump writes before
 * the language, and whether it is a window function; of anything else everything. Source: PostgreSQL, bin/pg_dump/pg_dump.c, dumpFunc.
 */
function fixedForm({ kind, definition }: TocEntry): string {
  if (kind !== 'FUNCTION' && kind !== 'PROCEDURE') return withElementCasts(definition)
  const head = definition.indexOf('\n    LANGUAGE ')
  if (head === -1) return definition
  return `${definition.slice(0, head)}${/^\n {4}LANGUAGE (?:"(?:[^"]|"")*"|\S+)( WINDOW)?/.exec(definition.slice(head))?.[1] ?? ''}`
}
