import type { Connection } from '../../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../../clients/postgres/server-error.ts'
import { asError, UserError } from '../../../../errors.ts'
import type { Finding } from '../../../source.ts'
import { quoteIdentifier, quoteLiteral } from '../../catalog/quote.ts'
import { isReservedRole } from '../../catalog/roles-sql.ts'
import { asNotValid } from '../../loading/not-valid.ts'
import { isUnknownName, withSearchPath } from '../../loading/search-paths.ts'
import {
  definitionOf,
  describeEntry,
  forEachObject,
  grantParts,
  objectNumbers,
  ownerStatement,
  withoutSessionAuthorization
} from '../../pg-archive/entry-sql.ts'
import { factsOfKind } from '../../pg-archive/kinds.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'
import { isMappingOf } from '../check/consequences.ts'
import { danglingOf } from '../check/foreign-keys.ts'
import { guardNameOf } from '../check/object-names.ts'
import { remedyOfEntry } from '../explain-failure.ts'
import { locksOf, type Steps, singleTransaction } from '../transactions/lock-budget.ts'
import { isRefusal, messageOf, missingRoleOf, refusalOf } from './refusal.ts'
import { fullMembership } from './temporary-memberships.ts'

/** Statements that go to the server in one round trip. */
const batchEntries = 60
const batchBytes = 256 * 1024

export interface EntryRunner {
  /**
   * Runs the definitions of entries, in their order, in the open transaction. What the target refuses the role is listed by object; anything else throws
   * SB708, and the transaction is void.
   */
  run(entries: readonly TocEntry[]): Promise<void>
  /** Takes note of objects that were made another way. */
  count(entries: readonly TocEntry[]): void
  /** Statements of our own for an object, as tolerant as those of its entry. */
  attempt(entry: TocEntry, sql: string): Promise<boolean>
  /** Lists an entry that is not run, with its SQL. */
  leaveOut(entry: TocEntry, why: string): void
  /** Entries that the target refused as a whole, and grants of which it refused some. */
  readonly refused: ReadonlySet<number>
  /** Entries whose object is there, but whose owner the target refused. */
  readonly otherOwner: ReadonlySet<number>
  /** Roles that something was refused for since the target does not have them. */
  readonly missingRoles: ReadonlySet<string>
  /** Of what was refused, or holds for new rows alone: what a restore that is all or nothing would have stopped at, in words. */
  readonly leftOut: readonly string[]
  /** Constraints (`name on table`) that rows of the backup break: they hold for new rows alone. */
  readonly notValid: ReadonlySet<string>
  readonly findings: readonly Finding[]
  findingOf(id: number): Finding | undefined
}

export interface EntryRunnerOptions {
  readonly connection: Connection
  readonly user: string
  readonly superuser: boolean
  readonly entries: ReadonlyMap<number, TocEntry>
  readonly platform: ReadonlySet<string>
  /** Whether an object is in the target, made now or there before. */
  readonly isThere: (entry: TocEntry) => boolean
  readonly onProgress: (done: number) => void
  /** What the target refuses is left out and listed, whatever it is; else only what nobody's rows hang on is, and anything else is thrown. */
  readonly tolerant?: boolean
  /** Values of search_path for a second try at what failed since a function that it calls names objects without their schema. */
  readonly searchPaths?: (schema: string) => readonly string[]
  /** Without it everything runs in the transaction that is open. */
  readonly steps?: Steps
}

const alreadyThere = new Set(['42710', '42P07', '42P06', '42723', '42P16'])
const undefinedObject = new Set(['42P01', '42703', '42704', '42883', '3F000'])

export function entryRunner(options: EntryRunnerOptions): EntryRunner {
  const { connection, user, superuser, platform, steps = singleTransaction, tolerant = false } = options
  const refused = new Set<number>()
  const otherOwner = new Set<number>()
  const missingRoles = new Set<string>()
  const findings: Finding[] = []
  const leftOut: string[] = []
  const notValid = new Set<string>()
  const byEntry = new Map<number, Finding>()
  const done = new Set<number>()
  /** Sequences that were made here. `setval` is never rolled back; for one that was there before, it is when the transaction gave it a new file before. */
  const made = new Set<string>()
  const placeOf = ({ schema, tag }: TocEntry) => JSON.stringify([schema, tag])
  const isDone = (entry: TocEntry) => {
    done.add(entry.id)
    if (entry.kind === 'SEQUENCE') made.add(placeOf(entry))
  }
  /** Schemas with owners that may not make anything there (yet: grants come later). Only who may can be given an object. */
  const lent = new Set<string>()
  const pairOf = ({ schema, owner }: TocEntry) => JSON.stringify([schema, owner])

  function sqlOf(entry: TocEntry): string {
    let sql = definitionOf(entry)
    if (entry.kind === 'ACL' && !superuser && sql.includes('SET SESSION AUTHORIZATION'))
      sql = withoutSessionAuthorization(sql)
    if (entry.kind === 'ACL') {
      const objects = entry.needs.map((id) => options.entries.get(id)).find((need) => need?.kind === 'BLOB METADATA')
      if (objects !== undefined) sql = forEachObject(sql, objectNumbers(objects))
    }
    if (entry.kind === 'SEQUENCE SET' && !made.has(placeOf(entry)))
      sql = `ALTER SEQUENCE ${quoteIdentifier(entry.schema)}.${quoteIdentifier(entry.tag)} RESTART;\n${sql}`
    if (entry.accessMethod !== '' && entry.accessMethod !== 'heap') {
      sql = `SET LOCAL default_table_access_method = ${quoteIdentifier(entry.accessMethod)};\n${sql}\nSET LOCAL default_table_access_method = heap;`
    }
    return sql
  }

  function ownerOf(entry: TocEntry): string | null {
    if (entry.owner === user) return null
    if (factsOfKind(entry.kind).isLargeObject) {
      const oids = entry.kind === 'BLOB' ? [entry.tag].filter((tag) => /^\d+$/.test(tag)) : objectNumbers(entry)
      return oids.map((oid) => `ALTER LARGE OBJECT ${oid} OWNER TO ${quoteIdentifier(entry.owner)};`).join('\n')
    }
    const statement = ownerStatement(entry)
    if (statement === null || !lent.has(pairOf(entry))) return statement
    const [schema, owner] = [quoteIdentifier(entry.schema), quoteIdentifier(entry.owner)]
    return `GRANT CREATE ON SCHEMA ${schema} TO ${owner};\n${statement}\nREVOKE CREATE ON SCHEMA ${schema} FROM ${owner};`
  }

  /** Gives an object to its owner; where he lacks that right he gets it for this one statement. Null, or the first refusal. */
  async function giveToOwner(entry: TocEntry): Promise<unknown> {
    const owner = ownerOf(entry)
    const refusal = owner === null ? null : await refusalOf(connection, owner)
    const pair = pairOf(entry)
    if (sqlStateOf(refusal) !== '42501' || entry.schema === '' || platform.has(entry.schema) || lent.has(pair))
      return refusal
    lent.add(pair)
    if ((await refusalOf(connection, ownerOf(entry) ?? '')) === null) return null
    lent.delete(pair)
    return refusal
  }

  /** The owner's statement for people, after what it takes to be allowed to run it. */
  function ownerRemedy(entry: TocEntry, refusal: unknown): string {
    const statement = ownerStatement(entry) ?? ownerOf(entry) ?? ''
    const lacksRole = /\bSET ROLE\b|\bmember of role\b/.test(asError(refusal).message)
    return lacksRole && !isReservedRole(entry.owner)
      ? `${fullMembership(entry.owner, user, connection.versionNumber)};\n${statement}`
      : statement
  }

  /** Why a refusal is listed and not failed on; null where the restore must not go on. */
  function excuse(entry: TocEntry, error: unknown): string | null {
    const state = sqlStateOf(error) ?? ''
    const home = entry.kind === 'SCHEMA' ? entry.tag : entry.schema
    const message = asError(error).message.replace(/^The database answered: /, '')
    if (!isRefusal(error)) return null
    if (platform.has(home)) return message
    const { isOptional, placesRows } = factsOfKind(entry.kind)
    if (isOptional || (state === '42501' && !placesRows)) return message
    if (state === '42704' && /^role /.test(asError(causeOf(error)).message)) return message
    if (entry.kind === 'ACL' && missingRoleOf(error) !== null) return message
    // What it is about belongs to an extension, and the target's has it not.
    if (entry.kind === 'ACL' && undefinedObject.has(state) && !entry.needs.some((id) => options.entries.has(id)))
      return message
    // PostgreSQL's own limit for some indexes of partitions (exclusion constraints): the index is there, and is no part of the table's.
    if (entry.kind === 'INDEX ATTACH' && state === '42P17') return message
    if (undefinedObject.has(state) && !placesRows && lackedBy(entry).length > 0) return message
    return null
  }

  /** What the entry needs, directly or through others, and that was refused or is not in the target. */
  function lackedBy(entry: TocEntry, seen = new Set<number>()): TocEntry[] {
    return needsOf(entry).flatMap((id) => {
      if (seen.has(id)) return []
      seen.add(id)
      const need = options.entries.get(id)
      if (need === undefined) return []
      if (refused.has(id)) return [need]
      if (!done.has(id) && !options.isThere(need) && !/^(?:TABLE DATA|ACL|COMMENT)$/.test(need.kind)) return [need]
      return lackedBy(need, seen)
    })
  }

  const servers = [...options.entries.values()].filter(({ kind }) => kind === 'SERVER')
  const needsOf = (entry: TocEntry): readonly number[] => [
    ...entry.needs,
    ...servers.filter((server) => isMappingOf(entry, server)).map(({ id }) => id)
  ]

  function noteMissingRole(refusal: unknown): void {
    const role = missingRoleOf(refusal)
    if (role !== null) missingRoles.add(role)
  }

  /** Grants that were refused together, part by part: one role that is missing takes nothing from the others. */
  async function grantsByPart(entry: TocEntry): Promise<void> {
    const reasons = new Set<string>()
    const left: string[] = []
    for (const part of grantParts(sqlOf(entry))) {
      const error = await refusalOf(connection, part)
      if (error === null) continue
      reasons.add(excuseOrFail(entry, error))
      left.push(part)
    }
    if (left.length === 0) done.add(entry.id)
    else list(entry, [...reasons].join('; '), left.join('\n'))
  }

  /** Why a refusal is listed; throws where the restore must not go on. */
  function excuseOrFail(entry: TocEntry, error: unknown): string {
    const reason = excuse(entry, error)
    noteMissingRole(error)
    if (reason !== null) return reason
    if (!tolerant || !isRefusal(error)) throw refusedEntry(entry, error, lackedBy(entry))
    leftOut.push(describeEntry(entry))
    return messageOf(error)
  }

  /** Runs an entry's SQL; null, or the first refusal when nothing helped. */
  async function attempted(entry: TocEntry): Promise<unknown> {
    const sql = sqlOf(entry)
    const error = await refusalOf(connection, sql)
    const state = sqlStateOf(error)
    // Who may set a sequence may not always alter it.
    if (entry.kind === 'SEQUENCE SET' && state === '42501') return refusalOf(connection, definitionOf(entry))
    if (isUnknownName(state))
      for (const path of options.searchPaths?.(entry.schema) ?? [])
        if ((await refusalOf(connection, withSearchPath(sql, path))) === null) {
          findings.push({ kind: 'note', subject: describeEntry(entry), detail: madeWithPath })
          return null
        }
    const mayBreak =
      (tolerant && (state === '23503' || state === '23514')) || (state === '23503' && refersToSecrets(entry))
    return mayBreak && (await madeNotValid(entry)) ? null : error
  }

  /** Makes a constraint that rows of the backup break for new rows alone. */
  async function madeNotValid(entry: TocEntry): Promise<boolean> {
    const sql = asNotValid(definitionOf(entry))
    if (sql === null || (await refusalOf(connection, sql)) !== null) return false
    const [table = '', ...name] = entry.tag.split(' ')
    const place = `${quoteIdentifier(entry.schema)}.${quoteIdentifier(table)}`
    notValid.add(guardNameOf(entry))
    leftOut.push(describeEntry(entry))
    findings.push({
      kind: 'todo',
      subject: describeEntry(entry),
      detail: `rows of the backup break it: they are there, and it holds for new rows alone${await brokenBy(connection, entry, place, name.join(' '))}`,
      remedy: `ALTER TABLE ${place} VALIDATE CONSTRAINT ${quoteIdentifier(name.join(' '))};`
    })
    return true
  }

  function list(entry: TocEntry, detail: string, remedy: string): void {
    refused.add(entry.id)
    const finding: Finding = { kind: 'todo', subject: describeEntry(entry), detail, remedy }
    findings.push(finding)
    byEntry.set(entry.id, finding)
  }

  async function one(entry: TocEntry): Promise<void> {
    const error = await attempted(entry)
    if (error !== null) {
      if (
        alreadyThere.has(sqlStateOf(error) ?? '') &&
        (entry.kind === 'PUBLICATION TABLE' || platform.has(entry.schema))
      )
        return
      if (sqlStateOf(error) === '53200')
        throw new UserError('SB714', `The target's server ran out of room for locks at ${describeEntry(entry)}.`, {
          cause: error
        })
      const reason = excuseOrFail(entry, error)
      if (entry.kind === 'ACL') await grantsByPart(entry)
      else list(entry, reason, sqlOf(entry).trim())
      return
    }
    isDone(entry)
    const notOwned = await giveToOwner(entry)
    if (notOwned === null) return
    otherOwner.add(entry.id)
    noteMissingRole(notOwned)
    findings.push({
      kind: 'todo',
      subject: describeEntry(entry),
      detail: `it belongs to ${user} now, not to ${entry.owner}: ${asError(notOwned).message}`,
      remedy: ownerRemedy(entry, notOwned)
    })
  }

  return {
    refused,
    otherOwner,
    missingRoles,
    leftOut,
    notValid,
    findings,
    findingOf: (id) => byEntry.get(id),
    async run(entries) {
      let batch: TocEntry[] = []
      let bytes = 0
      let locks = 0
      const flush = async () => {
        if (batch.length === 0) return
        const all = batch
        batch = []
        bytes = 0
        await steps.before(locks)
        locks = 0
        const failed =
          all.length === 1
            ? 'alone'
            : await refusalOf(connection, all.map((entry) => `${sqlOf(entry)}\n;${ownerOf(entry) ?? ''}`).join('\n'))
        if (failed === null) for (const entry of all) isDone(entry)
        else for (const entry of all) await one(entry)
        options.onProgress(all.length)
      }
      for (const entry of entries) {
        if (batch.length > 0 && locks + locksOf(entry) > steps.most) await flush()
        batch.push(entry)
        bytes += entry.definition.length
        locks += locksOf(entry)
        if (batch.length >= batchEntries || bytes >= batchBytes) await flush()
      }
      await flush()
    },
    count(entries) {
      for (const entry of entries) done.add(entry.id)
      if (entries.length > 0) options.onProgress(entries.length)
    },
    async attempt(entry, sql) {
      const error = await refusalOf(connection, sql)
      if (error === null) return true
      const reason = excuseOrFail(entry, error)
      refused.add(entry.id)
      findings.push({ kind: 'todo', subject: describeEntry(entry), detail: reason, remedy: sql })
      return false
    },
    leaveOut(entry, why) {
      leftOut.push(describeEntry(entry))
      list(entry, why, sqlOf(entry).trim())
    }
  }
}

/** `findings`, of which the first that needs a role that is missing makes it: what is to be done runs from the first to the last. */
export function rolesFirst(findings: readonly Finding[], missing: ReadonlySet<string>): Finding[] {
  const made = new Set<string>()
  return findings.map((finding) => {
    const { remedy } = finding
    if (finding.kind !== 'todo' || remedy === undefined) return finding
    const needed = [...missing].filter((role) => !made.has(role) && names(remedy, role))
    if (needed.length === 0) return finding
    for (const role of needed) made.add(role)
    const roles = needed.map((role) => `create role ${quoteIdentifier(role)} nologin;\n`)
    return { ...finding, remedy: `${roles.join('')}${remedy}` }
  })
}

/** Whether SQL grants to a role, revokes from it, takes it on or gives something to it. */
function names(sql: string, role: string): boolean {
  const word = [quoteIdentifier(role), ...(/^[a-z_][a-z0-9_$]*$/.test(role) ? [role] : [])]
  const one = word.map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')
  return new RegExp(`(?:\\b(?:TO|FROM|ROLE|AUTHORIZATION)|,)\\s+(?:${one})(?![\\w$"])`, 'i').test(sql)
}

/** How many rows of a foreign key refer to nothing, for people; empty for any other constraint. */
async function brokenBy(connection: Connection, entry: TocEntry, table: string, name: string): Promise<string> {
  if (entry.kind !== 'FK CONSTRAINT') return ''
  const [broken] = await danglingOf(
    connection,
    `k.conrelid = ${quoteLiteral(table)}::regclass and k.conname = ${quoteLiteral(name)}`
  )
  return broken === undefined ? '' : `: ${broken.rows} refer to rows of ${broken.parent} that are not there`
}

const madeWithPath =
  "it was made with the search_path of the source: a function that it calls names objects without their schema. Set the function's own (`alter function ... set search_path = ...`), so that any restore can make it"

function refusedEntry(entry: TocEntry, cause: unknown, lacking: readonly TocEntry[]): UserError {
  const remedy = remedyOfEntry(entry, cause, lacking)
  return new UserError('SB708', `The target refused ${describeEntry(entry)}: ${asError(cause).message}`, {
    cause,
    ...(remedy === undefined ? {} : { remedy })
  })
}

/** Vault gives secrets ids of its own: rows that refer to them by those of the source are brought to the new ones afterwards. */
function refersToSecrets({ kind, definition }: TocEntry): boolean {
  return kind === 'FK CONSTRAINT' && /\bREFERENCES vault\.secrets\b/.test(definition)
}

function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error
}
