import type { DatabaseFacts } from '../../../../archive/contents-database.ts'
import type { Finding } from '../../../source.ts'
import { listed, quoteIdentifier, readable } from '../../catalog/quote.ts'
import { leftAlone } from '../../members/member-parts.ts'
import { anew, describeEntry, orReplace } from '../../pg-archive/entry-sql.ts'
import { factsOfKind } from '../../pg-archive/kinds.ts'
import { leaveOutExtensions, withDependants } from '../../pg-archive/skip-entries.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'
import { extensionOf } from '../target/passed-sequences.ts'
import { planReturning } from './plan-returning.ts'
import { planRows, rootsOf, throughRootOf } from './plan-rows.ts'
import type { Obstacle, PlanOptions, RestorePlan } from './restore-plan.ts'

/** Decides about every entry of the archive. Pure: what it needs of the target was read before. */
export function planRestore(options: PlanOptions): RestorePlan {
  const { mode, toc, facts, chosen, target } = options
  const findings: Finding[] = []
  const obstacles: Obstacle[] = []
  const platform = new Set([
    ...[...target.schemas.values()].filter((schema) => schema.platform).map((schema) => schema.name),
    // Their tables are written by their own functions alone, also where this restore creates the extension.
    ...facts.tables.flatMap(({ schema, extension }) =>
      extension !== undefined && leftAlone.includes(extension) ? [schema] : []
    )
  ])
  const definitions = (mode === 'empty' || mode === 'replace') && facts.selection.type !== 'data'

  const missing = new Set(
    facts.extensions
      .filter((extension) => !target.extensions.has(extension.name) && !target.available.has(extension.name))
      .map((extension) => extension.name)
  )
  const leftOut = definitions ? leaveOutExtensions(toc, missing) : new Map<number, string>()
  const run: TocEntry[] = []
  const running = new Set<number>()
  const regranted: TocEntry[] = []
  if (definitions) {
    const ids = new Set(toc.entries.map((entry) => entry.id))
    const sameVersions = new Set([...platform].filter((schema) => sameVersion(schema, facts, options)))
    const grantsChange = new Set<number>()
    for (const entry of toc.entries) {
      if (!chosen.entries.has(entry.id) || factsOfKind(entry.kind).pass === 'never' || leftOut.has(entry.id)) continue
      if (isRegranted(entry, options, platform)) {
        regranted.push(entry)
        grantsChange.add(entry.id)
      }
      const wanted =
        isWanted(entry, { options, platform, running, sameVersions, ids }) ||
        (entry.kind === 'ACL' && entry.needs.some((id) => grantsChange.has(id)))
      const changed = options.changed?.has(entry.id) === true
      if (!wanted && !changed && !isExchanged(entry, options, platform)) continue
      const definition = changed ? anew(entry) : orReplace(entry.definition)
      run.push(wanted ? entry : { ...entry, definition })
      running.add(entry.id)
    }
    regranted.push(...regrantedPublic(options))
    obstacles.push(...extensionsElsewhere(options, run))
    const lost = [...leftOut].flatMap(([id, extension]) => {
      const entry = toc.entries.find((one) => one.id === id)
      return entry === undefined || !chosen.entries.has(id) ? [] : [{ entry, extension }]
    })
    const withRows = lost.filter(
      ({ entry }) =>
        entry.kind === 'TABLE' &&
        (chosen.tables.get(readable({ schema: entry.schema, name: entry.tag }))?.rows ?? '0') !== '0'
    )
    if (withRows.length > 0) {
      const names = [...new Set(withRows.map(({ extension }) => extension))]
      obstacles.push({
        code: 'SB705',
        text: `The target's server does not have the extensions ${names.join(', ')}, which ${withRows.map(({ entry }) => readable({ schema: entry.schema, name: entry.tag })).join(', ')} need.`
      })
    }
    for (const { entry, extension } of lost) {
      if (entry.kind === 'ACL' || entry.kind === 'COMMENT') continue
      findings.push({
        kind: 'todo',
        subject: describeEntry(entry),
        detail: `the target's server does not have the extension ${extension}`,
        ...(entry.definition === '' ? {} : { remedy: entry.definition.trim() })
      })
    }
  }
  if (mode === 'replace' && facts.selection.type === 'data') run.push(...sequencesOf(options, platform))
  if (!definitions && mode !== 'side-schema') run.push(...contentOf(options))
  if (mode === 'side-schema' && chosen.whole && toc.entries.some(({ kind }) => factsOfKind(kind).isLargeObject))
    findings.push({
      kind: 'note',
      subject: 'large objects',
      detail: 'they have no schema, and are not brought back beside those that are there'
    })
  findings.push(...versionsThatDiffer(options))
  const left: string[] = []
  const rows = planRows(options, { platform, running, definitions, findings, obstacles, left })
  const { before } = options
  const returning =
    definitions && mode === 'replace' && before !== undefined && !chosen.whole
      ? planReturning(toc.entries, chosen, running, before, platform)
      : []
  const roots = rootsOf(facts.tables)
  return {
    entries: run,
    rows,
    regranted,
    returning,
    findings,
    obstacles,
    platform,
    left,
    roots,
    throughRoot: throughRootOf(rows, roots)
  }
}

/** What rows alone are not: large objects, as far as the target lacks them, and what materialized views hold. */
function contentOf({ toc, chosen, known, mode }: PlanOptions): TocEntry[] {
  if (!chosen.whole) return []
  const objects = new Set(toc.entries.filter(({ kind }) => factsOfKind(kind).isLargeObject).map(({ id }) => id))
  return toc.entries.filter(
    (entry) =>
      objects.has(entry.id) ||
      (factsOfKind(entry.kind).isAbout && entry.needs.some((id) => objects.has(id))) ||
      (mode === 'replace' &&
        entry.kind === 'MATERIALIZED VIEW DATA' &&
        known.has({ ...entry, kind: 'MATERIALIZED VIEW' }))
  )
}

/** Extensions that the target has in another schema than the backup, where definitions that are about to run name the backup's. */
function extensionsElsewhere({ facts, target, toc }: PlanOptions, run: readonly TocEntry[]): Obstacle[] {
  const moved = facts.extensions.flatMap((extension) => {
    const schema = target.extensionSchemas.get(extension.name)
    const entry = toc.entries.find(({ kind, tag }) => kind === 'EXTENSION' && tag === extension.name)
    if (schema === undefined || schema === extension.schema || entry === undefined) return []
    const using = withDependants(toc, new Map([[entry.id, '']]))
    const users = run.filter(({ id, kind }) => using.has(id) && !/^(?:EXTENSION|COMMENT|ACL)$/.test(kind))
    return users.length === 0 ? [] : [{ extension, schema, users }]
  })
  const sql = moved.map(
    ({ extension: { name, schema } }) =>
      `alter extension ${quoteIdentifier(name)} set schema ${quoteIdentifier(schema)};`
  )
  return moved.map(({ extension, schema, users }) => ({
    code: 'SB723',
    text: `The extension ${extension.name} lies in the schema ${schema} of the target and in ${extension.schema} in the backup, where ${listed(users.map(describeEntry), 3)} look for it.`,
    remedy: `Move it there, and start again: ${sql.join(' ')} One that cannot be moved is dropped and created anew: drop extension ${quoteIdentifier(extension.name)}; create extension ${quoteIdentifier(extension.name)} schema ${quoteIdentifier(extension.schema)};`
  }))
}

/** States of sequences that are in the target: rows without them would get their numbers twice. */
function sequencesOf({ toc, chosen, known }: PlanOptions, platform: ReadonlySet<string>): TocEntry[] {
  return toc.entries.filter(
    (entry) =>
      entry.kind === 'SEQUENCE SET' &&
      chosen.hasSchema(entry.schema) &&
      (chosen.whole || chosen.entries.has(entry.id)) &&
      known.has({ ...entry, kind: 'SEQUENCE' }) &&
      !(platform.has(entry.schema) && /^(?:cron|vault|realtime)$/.test(entry.schema))
  )
}

/** Versions of Auth, Storage and extensions that are others in the target. What that prevents is found table by table. */
function versionsThatDiffer({ facts, target, targetVersions, chosen }: PlanOptions): Finding[] {
  if (!chosen.whole) return []
  const platform = Object.entries(facts.platformVersions).flatMap(([name, version]): Finding[] => {
    const theirs = targetVersions[name]
    if (theirs === undefined || theirs === version || name.startsWith('supabase_migrations.')) return []
    return [{ kind: 'note', subject: name, detail: `version ${version} in the backup, ${theirs} in the target` }]
  })
  const extensions = facts.extensions.flatMap(({ name, version }): Finding[] => {
    const theirs = target.extensions.get(name) ?? target.available.get(name)
    if (theirs === undefined || theirs === version) return []
    return [
      {
        kind: 'note',
        subject: `extension ${name}`,
        detail: `version ${version} in the backup, ${theirs} in the target`
      }
    ]
  })
  return [...platform, ...extensions]
}

/** Whether source and target have the same version of a part of the platform: what is missing there then was made by the user. */
function sameVersion(schema: string, facts: DatabaseFacts, options: PlanOptions): boolean {
  if (schema === 'supabase_migrations' || schema === 'extensions') return true
  const table =
    schema === 'storage'
      ? 'storage.migrations'
      : schema === 'supabase_functions'
        ? 'supabase_functions.migrations'
        : `${schema}.schema_migrations`
  const theirs = options.targetVersions[table]
  return theirs !== undefined && theirs === facts.platformVersions[table]
}

interface Wanting {
  readonly options: PlanOptions
  readonly platform: ReadonlySet<string>
  readonly running: ReadonlySet<number>
  readonly sameVersions: ReadonlySet<string>
  /** All entries of the archive. */
  readonly ids: ReadonlySet<number>
}

function isWanted(entry: TocEntry, { options, platform, running, sameVersions, ids }: Wanting): boolean {
  const { known } = options
  const there = known.has(entry)
  if (factsOfKind(entry.kind).isAbout) {
    if (/^(?:DATABASE|EXTENSION) /.test(entry.tag)) return false
    if (entry.tag === 'SCHEMA public') return true
    if (entry.needs.some((id) => running.has(id))) return true
    // What it is about belongs to an extension, and so is no entry of its own.
    return entry.schema !== '' && !platform.has(entry.schema) && !entry.needs.some((id) => ids.has(id))
  }
  const home = entry.kind === 'SCHEMA' ? entry.tag : entry.schema
  if (entry.kind === 'DEFAULT ACL') return true
  if (entry.kind === 'EXTENSION') return !there
  if (!platform.has(home)) {
    const extension = entry.kind === 'SEQUENCE SET' ? extensionOf(entry, options.facts) : undefined
    if (extension !== undefined)
      return options.target.available.has(extension) || known.has({ ...entry, kind: 'SEQUENCE' })
    if (
      entry.kind === 'SEQUENCE SET' ||
      entry.kind === 'MATERIALIZED VIEW DATA' ||
      entry.kind === 'ROW SECURITY' ||
      entry.kind === 'SEQUENCE OWNED BY'
    )
      return entry.needs.some((id) => running.has(id))
    // One of that name that is there is another table's: it must not pass for that of a table that is made.
    return !there || (entry.kind === 'INDEX' && entry.needs.some((id) => running.has(id)))
  }
  if (entry.kind === 'SEQUENCE SET') return home !== 'cron' && home !== 'vault' && home !== 'realtime'
  if (there || entry.kind === 'SCHEMA') return false
  // What hangs on a platform table that this restore makes comes with it.
  if (entry.needs.some((id) => running.has(id)) && entry.kind !== 'TRIGGER' && entry.kind !== 'POLICY') return true
  if (entry.kind === 'TRIGGER') return !callsOwnSchema(entry)
  if (entry.kind === 'POLICY') return home !== 'cron'
  return (
    sameVersions.has(home) &&
    !/^(?:ROW SECURITY|TABLE ATTACH|INDEX ATTACH|SEQUENCE OWNED BY|DEFAULT)$/.test(entry.kind) &&
    !(home === 'realtime')
  )
}

/** Functions of chosen schemas take the place of those that are there, and what uses them stays. */
function isExchanged(entry: TocEntry, { mode, chosen, byTables }: PlanOptions, platform: ReadonlySet<string>): boolean {
  return (
    mode === 'replace' &&
    !byTables &&
    factsOfKind(entry.kind).family === 'routine' &&
    !platform.has(entry.schema) &&
    !chosen.needed.has(entry.id)
  )
}

/** What the target has of chosen schemas and keeps: grants are all that `replace` changes about it. */
function isRegranted(
  entry: TocEntry,
  { mode, chosen, byTables, known }: PlanOptions,
  platform: ReadonlySet<string>
): boolean {
  if (mode !== 'replace' || byTables || chosen.needed.has(entry.id) || !known.has(entry)) return false
  if (entry.kind !== 'SCHEMA')
    return /^(?:FUNCTION|PROCEDURE|TYPE|DOMAIN)$/.test(entry.kind) && !platform.has(entry.schema)
  return !platform.has(entry.tag)
}

/**
 * The schema `public`, which is no entry of its own as long as it belongs to the owner of the database. Programs before 15 tell its grants from another
 * beginning.
 */
function regrantedPublic({ mode, chosen, byTables, toc, known }: PlanOptions): TocEntry[] {
  if (mode === 'missing-rows' || mode === 'side-schema' || byTables || Number.parseInt(toc.dumpVersion, 10) < 15)
    return []
  const grants = toc.entries.find((entry) => entry.kind === 'ACL' && entry.tag === 'SCHEMA public')
  if (grants === undefined || !chosen.entries.has(grants.id)) return []
  const schema = { ...grants, kind: 'SCHEMA', tag: 'public' }
  return known.has(schema) && !toc.entries.some((entry) => entry.kind === 'SCHEMA' && entry.tag === 'public')
    ? [schema]
    : []
}

/** The platform's triggers call functions of their own schema; a user cannot make any there. */
export function callsOwnSchema(entry: TocEntry): boolean {
  const called = /EXECUTE (?:FUNCTION|PROCEDURE) ("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)\.[^;]*;/.exec(entry.definition)?.[1]
  return called === entry.schema
}

/** What a user has hung on a table of the platform: triggers and policies. Those of pg_cron's tables are its own. */
export function isOnPlatform(entry: TocEntry, isPlatform: (schema: string) => boolean): boolean {
  if (entry.schema === 'cron' || !isPlatform(entry.schema)) return false
  return entry.kind === 'POLICY' || (entry.kind === 'TRIGGER' && !callsOwnSchema(entry))
}
