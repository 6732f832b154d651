import type { DatabaseFacts, TableFacts } from '../../../../archive/contents-database.ts'
import { UserError } from '../../../../errors.ts'
import { matchesSchema, matchesTable, type Pattern, parsePattern } from '../../catalog/patterns.ts'
import { plainName, readable } from '../../catalog/quote.ts'
import { withoutContent } from '../../dump/collect-facts.ts'
import { factsOfKind } from '../../pg-archive/kinds.ts'
import type { ArchiveToc, TocEntry } from '../../pg-archive/toc.ts'

/** What narrows a restore, as typed; empty lists mean everything. */
export type RestoreSelection = Omit<DatabaseFacts['selection'], 'type'>

export type RestoreType = DatabaseFacts['selection']['type']

/** What of a backup is meant. */
export interface Chosen {
  /** Neither schemas nor tables were chosen or left out. */
  readonly whole: boolean
  /** Neither schemas nor tables were chosen, though some may be left out: what belongs to the database itself is meant. */
  readonly everything: boolean
  /** Tables, partitions and materialized views by `readable` name. */
  readonly tables: ReadonlyMap<string, TableFacts>
  /** Of those the ones whose rows are meant, too. */
  readonly withRows: ReadonlySet<string>
  hasSchema(name: string): boolean
  /** Whether a table or sequence of an extension is meant, which is no entry of the archive. */
  hasMember(object: { readonly schema: string; readonly name: string }): boolean
  /** Whether the rows of such a table are meant. */
  hasRowsOf(table: { readonly schema: string; readonly name: string }): boolean
  /** Entries of the table of contents: what was chosen, what belongs to it, and what it needs. */
  readonly entries: ReadonlySet<number>
  /** Of those the ones that are only needed: made where they are missing, never replaced. */
  readonly needed: ReadonlySet<number>
}

/**
 * What a backup would have said of itself with another `type`: of a whole backup the definitions or the rows alone can be brought back. Throws SB710
 * where it does not hold what is asked for.
 */
export function ofType(facts: DatabaseFacts, type: RestoreType): DatabaseFacts {
  const held = facts.selection.type
  if (type === 'full' || type === held) return facts
  if (held !== 'full')
    throw new UserError(
      'SB710',
      `The backup holds ${held === 'data' ? 'rows' : 'definitions'} only, and \`type\` is ${type}.`
    )
  const selection = { ...facts.selection, type }
  if (type === 'data') return { ...facts, selection, largeObjects: { count: '0', hash: '0' } }
  const { vault: _, ...rest } = facts
  return {
    ...rest,
    selection,
    tables: facts.tables.map((table) => ({
      ...table,
      rows: null,
      hash: null,
      ...(table.kind === 'm' ? { populated: false } : {})
    })),
    sequences: [],
    ...(rest.members === undefined ? {} : { members: { ...rest.members, sequences: [] } }),
    largeObjects: { count: '0', hash: '0' },
    visibleRows: [],
    guards: withoutContent(facts.guards)
  }
}

/** Applies a selection to a backup. Throws SB710 when a pattern matches nothing in it, SB002 when schemas and tables are both chosen. */
export function choose(selection: RestoreSelection, facts: DatabaseFacts, toc: ArchiveToc): Chosen {
  if (selection.schemas.length > 0 && selection.tables.length > 0)
    throw new UserError('SB002', '`schemas` and `tables` cannot be combined.')
  const schemas = selection.schemas.map((text) => parsePattern(text, 'schema'))
  const without = selection.excludeSchemas.map((text) => parsePattern(text, 'schema'))
  const wanted = selection.tables.map((text) => parsePattern(text, 'table'))
  const unwanted = selection.excludeTables.map((text) => parsePattern(text, 'table'))
  const noRows = selection.excludeTableData.map((text) => parsePattern(text, 'table'))
  const byName = new Map(facts.tables.map((table) => [readable(table), table]))

  /** A partition counts as named with any table above it. */
  const reached = (patterns: readonly Pattern[], schema: string, name: string): boolean => {
    if (patterns.some((pattern) => matchesTable(pattern, schema, name))) return true
    const above = byName.get(readable({ schema, name }))?.partitionOf
    const parent = above === undefined ? undefined : byName.get(plainName(above))
    return parent?.kind === 'p' && reached(patterns, parent.schema, parent.name)
  }
  const hasSchema = (name: string) =>
    (schemas.length === 0 || schemas.some((pattern) => matchesSchema(pattern, name))) &&
    !without.some((pattern) => matchesSchema(pattern, name))
  const hasTable = (schema: string, name: string) =>
    hasSchema(schema) && (wanted.length === 0 || reached(wanted, schema, name)) && !reached(unwanted, schema, name)

  const unmatched = [
    ...schemas.filter(
      (pattern) =>
        !toc.entries.some((entry) => matchesSchema(pattern, entry.kind === 'SCHEMA' ? entry.tag : entry.schema)) &&
        !facts.members?.tables.some((table) => matchesSchema(pattern, table.schema))
    ),
    ...wanted.filter(
      (pattern) =>
        ![...facts.tables, ...(facts.members?.tables ?? [])].some((table) =>
          matchesTable(pattern, table.schema, table.name)
        ) &&
        !toc.entries.some(
          (entry) => factsOfKind(entry.kind).isRelation && matchesTable(pattern, entry.schema, entry.tag)
        )
    )
  ]
  if (unmatched.length > 0)
    throw new UserError(
      'SB710',
      `Nothing in the backup matches ${unmatched.map((pattern) => pattern.text).join(', ')}.`
    )

  const tables = new Map([...byName].filter(([, table]) => hasTable(table.schema, table.name)))
  const content = facts.selection.type !== 'schema'
  const withRows = new Set(
    [...tables].filter(([, table]) => content && !reached(noRows, table.schema, table.name)).map(([name]) => name)
  )
  const whole = [schemas, without, wanted, unwanted].every((list) => list.length === 0)
  const everything = schemas.length === 0 && wanted.length === 0
  const base = {
    whole,
    everything,
    tables,
    withRows,
    hasSchema,
    hasMember: ({ schema, name }: { readonly schema: string; readonly name: string }) => hasTable(schema, name),
    hasRowsOf: ({ schema, name }: { readonly schema: string; readonly name: string }) => !reached(noRows, schema, name)
  }
  const isMeant = (entry: TocEntry) =>
    content ||
    !(factsOfKind(entry.kind).isContent || (/^(?:ACL|COMMENT)$/.test(entry.kind) && /^LARGE OBJECTS? /.test(entry.tag)))
  if (whole)
    return { ...base, entries: new Set(toc.entries.filter(isMeant).map((entry) => entry.id)), needed: new Set() }

  const byId = new Map(toc.entries.map((entry) => [entry.id, entry]))
  const chosen = new Set<number>()
  for (const entry of toc.entries) {
    const tableLike = factsOfKind(entry.kind).isRelation || entry.kind === 'TABLE DATA'
    const isMeantAlone = wanted.length === 0 && (isOfSchema(entry, hasSchema) || (everything && isOfDatabase(entry)))
    if (tableLike ? hasTable(entry.schema, entry.tag) : isMeantAlone) chosen.add(entry.id)
  }
  for (const entry of toc.entries) {
    if (!tableChosen(entry, byId, hasTable)) chosen.delete(entry.id)
    else if (isAttached(entry, chosen, byId)) chosen.add(entry.id)
  }
  const needed = new Set<number>()
  const queue = [...chosen]
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    const entry = byId.get(id)
    if (entry === undefined) continue
    for (const other of entry.needs) {
      const need = byId.get(other)
      if (need === undefined || chosen.has(other) || needed.has(other) || !mayPull(entry, need)) continue
      needed.add(other)
      queue.push(other)
    }
  }
  // Grants, comments and states of what is made because it is needed.
  for (const entry of toc.entries) {
    if (
      /^(?:ACL|COMMENT|SEQUENCE SET|SEQUENCE OWNED BY)$/.test(entry.kind) &&
      !chosen.has(entry.id) &&
      entry.needs.some((id) => needed.has(id))
    )
      needed.add(entry.id)
  }
  const entries = [...chosen, ...needed].filter((id) => {
    const entry = byId.get(id)
    return entry === undefined || isMeant(entry)
  })
  return { ...base, entries: new Set(entries), needed }
}

/** Everything that lies in a chosen schema, and the schema itself with its grants. */
function isOfSchema(entry: TocEntry, hasSchema: (name: string) => boolean): boolean {
  if (entry.schema !== '') return hasSchema(entry.schema)
  if (entry.kind === 'SCHEMA') return hasSchema(entry.tag)
  const of = /^SCHEMA ([\s\S]*)$/.exec(entry.tag)?.[1]
  return of !== undefined && hasSchema(of.replace(/^"([\s\S]*)"$/, '$1'))
}

/** What lies in no schema, and so in none that is left out. A publication of whole schemas is none of theirs. */
function isOfDatabase({ kind, schema, tag }: TocEntry): boolean {
  return schema === '' && kind !== 'SCHEMA' && kind !== 'PUBLICATION TABLES IN SCHEMA' && !/^SCHEMA /.test(tag)
}

/** In a choice of whole schemas, what hangs on a table that is left out goes with it. */
function tableChosen(
  entry: TocEntry,
  byId: ReadonlyMap<number, TocEntry>,
  hasTable: (schema: string, name: string) => boolean
): boolean {
  if (!factsOfKind(entry.kind).isAttached) return true
  const tables = entry.needs
    .map((id) => byId.get(id))
    .filter((need) => need !== undefined && factsOfKind(need.kind).isRelation && isOn(entry, need))
    // A partition alone comes back into its place: its parent need not be chosen.
    .filter((need) => entry.kind !== 'TABLE ATTACH' || (need?.schema === entry.schema && need.tag === entry.tag))
  return tables.every((table) => table === undefined || hasTable(table.schema, table.tag))
}

function isAttached(entry: TocEntry, chosen: ReadonlySet<number>, byId: ReadonlyMap<number, TocEntry>): boolean {
  if (!factsOfKind(entry.kind).isAttached) return false
  // The index of the partition, and not that of its parent.
  const own = (need: TocEntry) =>
    entry.kind !== 'INDEX ATTACH' || need.tag === entry.tag || need.tag.endsWith(` ${entry.tag}`)
  return entry.needs.some((id) => {
    const need = byId.get(id)
    return need !== undefined && chosen.has(id) && isOn(entry, need) && own(need)
  })
}

/** Whether an entry that needs a table hangs on it, and is not another table's that looks at it. */
export function isOn(
  entry: Pick<TocEntry, 'kind' | 'schema' | 'tag'>,
  table: Pick<TocEntry, 'kind' | 'schema' | 'tag'>
): boolean {
  if (factsOfKind(entry.kind).isNamedByTable)
    return entry.schema === table.schema && entry.tag.startsWith(`${table.tag} `)
  // One that calls a function is its table's, and not the function's.
  if (entry.kind === 'INDEX' || entry.kind === 'STATISTICS') return factsOfKind(table.kind).isRelation
  return true
}

/** What a chosen object takes along: anything but other tables, unless it cannot be made without them. */
function mayPull(entry: TocEntry, need: TocEntry): boolean {
  if (need.kind === 'TABLE DATA' || need.kind === 'INDEX' || need.kind === 'CONSTRAINT') return false
  if (!factsOfKind(need.kind).isRelation) return true
  return factsOfKind(entry.kind).isRelation || entry.kind === 'TABLE ATTACH'
}
