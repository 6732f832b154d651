import { quoteIdentifier, quoteLiteral } from '../catalog/quote.ts'
import { factsOfKind } from './kinds.ts'
import { splitStatements } from './split-statements.ts'
import type { TocEntry } from './toc.ts'

/** `TABLE "public"."notes"`: the object of an entry, as statements name it; null for kinds without an owner. */
export function objectOf(entry: Pick<TocEntry, 'kind' | 'schema' | 'tag' | 'dropStatement'>): string | null {
  switch (factsOfKind(entry.kind).ownedAs) {
    case 'in schema':
      return `${entry.kind} ${quoteIdentifier(entry.schema)}.${quoteIdentifier(entry.tag)}`
    case 'name':
      return `${entry.kind} ${quoteIdentifier(entry.tag)}`
    case 'language':
      return `LANGUAGE ${quoteIdentifier(entry.tag)}`
    case 'drop':
      return entry.dropStatement.startsWith(`DROP ${entry.kind} `)
        ? entry.dropStatement.slice('DROP '.length).replace(/;\s*$/, '')
        : null
    default:
      return null
  }
}

/** The statement that gives an object to its owner; null where it has none of its own. */
export function ownerStatement(entry: TocEntry, owner = entry.owner): string | null {
  const object = owner === '' ? null : objectOf(entry)
  return object === null ? null : `ALTER ${object} OWNER TO ${quoteIdentifier(owner)};`
}

/** `pg_attver` is an option that servers at the minors of November 2026 give every column, and that older programs dump although no server takes it back. */
const columnVersion = /^ALTER (?:FOREIGN )?TABLE ONLY [^;]* ALTER COLUMN [^;]* SET \(pg_attver=\d+\)$/

/** The statements that make an entry's object, as SQL to be sent to a server (never to psql). */
export function definitionOf(entry: TocEntry): string {
  const { definition } = entry
  if (entry.kind === 'BLOB METADATA')
    return objectNumbers(entry)
      .map((oid) => `SELECT pg_catalog.lo_create('${oid}');`)
      .join('\n')
  if (entry.kind.endsWith('TABLE') && definition.includes('pg_attver')) {
    return `${splitStatements(definition)
      .filter((statement) => !columnVersion.test(statement))
      .join(';\n')};\n`
  }
  return definition
}

/** Large objects of a `BLOB METADATA` entry: PostgreSQL 17 and later put many into one. */
export function objectNumbers(entry: Pick<TocEntry, 'definition'>): string[] {
  return entry.definition.split('\n').filter((line) => /^\d{1,10}$/.test(line))
}

/** Entries without large objects that stay as they are, and what is said of those alone. */
export function withoutObjects(entries: readonly TocEntry[], kept: ReadonlySet<string>): TocEntry[] {
  if (kept.size === 0) return [...entries]
  const gone = new Set<number>()
  return entries.flatMap((entry) => {
    if (entry.needs.some((id) => gone.has(id))) return []
    if (entry.kind === 'BLOB METADATA') {
      const oids = objectNumbers(entry).filter((oid) => !kept.has(oid))
      if (oids.length > 0) return [{ ...entry, definition: oids.join('\n') }]
    } else if (entry.kind !== 'BLOB' || !kept.has(entry.tag)) return [entry]
    gone.add(entry.id)
    return []
  })
}

/** A grant for the large objects of one entry, said of each of them. Names stand in quotes where they could hold the words. */
export function forEachObject(definition: string, oids: readonly string[]): string {
  return splitStatements(definition)
    .flatMap((statement) =>
      oids.map(
        (oid) =>
          `${statement.replace(/("(?:[^"]|"")*")|\bLARGE OBJECT \d+/g, (text, quoted: string | undefined) => quoted ?? (text === '' ? '' : `LARGE OBJECT ${oid}`))};`
      )
    )
    .join('\n')
}

/**
 * Grants by another than the owner are dumped as `SET SESSION AUTHORIZATION`, which is a superuser's; who is a member of that role may take it on instead.
 */
export function withoutSessionAuthorization(definition: string): string {
  return `${splitStatements(definition)
    .map((statement) => {
      const role = /^SET SESSION AUTHORIZATION ([\s\S]*)$/.exec(statement)?.[1]
      if (role !== undefined) return `SET LOCAL ROLE ${role}`
      return statement === 'RESET SESSION AUTHORIZATION' ? 'RESET ROLE' : statement
    })
    .join(';\n')};\n`
}

/** Grants in the parts that can be run alone: single statements, and whole what somebody else than the owner granted, from taking that role on to giving it back. */
export function grantParts(sql: string): string[] {
  const parts: string[] = []
  let bracket: string[] | null = null
  for (const statement of splitStatements(sql)) {
    if (bracket === null && /^SET (?:SESSION AUTHORIZATION|LOCAL ROLE) /.test(statement)) bracket = []
    if (bracket === null) parts.push(`${statement};`)
    else bracket.push(`${statement};`)
    if (bracket !== null && /^RESET (?:SESSION AUTHORIZATION|ROLE)$/.test(statement)) {
      parts.push(bracket.join('\n'))
      bracket = null
    }
  }
  return bracket === null ? parts : [...parts, bracket.join('\n')]
}

/** A function's definition that takes the place of one that is there, so that what uses it stays. */
export function orReplace(definition: string): string {
  return definition.replace(/^CREATE (FUNCTION|PROCEDURE|AGGREGATE|VIEW) /, 'CREATE OR REPLACE $1 ')
}

/** A trigger or policy in the place of another of its name. Who may make a trigger may exchange it, but not drop it. */
export function anew(entry: Pick<TocEntry, 'definition' | 'dropStatement'>): string {
  if (entry.definition.startsWith('CREATE TRIGGER '))
    return entry.definition.replace('CREATE TRIGGER ', 'CREATE OR REPLACE TRIGGER ')
  return `${entry.dropStatement}${entry.definition}`
}

/** `trigger "on_user" on auth.users` and the like: an entry for people. */
export function describeEntry(entry: Pick<TocEntry, 'kind' | 'schema' | 'tag'>): string {
  const kind = entry.kind.toLowerCase()
  if (entry.kind === 'ACL') return `grants on ${place(entry.schema)}${lowerKind(entry.tag)}`
  if (entry.kind === 'COMMENT' || entry.kind === 'SECURITY LABEL')
    return `${kind} on ${place(entry.schema)}${lowerKind(entry.tag)}`
  if (entry.kind === 'DEFAULT ACL')
    return `default privileges${entry.schema === '' ? '' : ` in schema ${entry.schema}`}: ${entry.tag.replace(/^DEFAULT PRIVILEGES FOR /, 'for ').toLowerCase()}`
  return `${kind} ${place(entry.schema)}${entry.tag}`
}

const place = (schema: string) => (schema === '' ? '' : `${schema}: `)
const lowerKind = (tag: string) => tag.replace(/^([A-Z]+(?: [A-Z]+)*) /, (kind) => kind.toLowerCase())

/** `SET "name" TO 'value'` for one transaction. */
export function setLocal(name: string, value: string): string {
  return `select pg_catalog.set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, true)`
}
