import type { MemberFacts, MemberTable } from '../../../archive/contents-database.ts'
import { type MemberStep, memberSteps } from '../../../archive/contents-members.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { asError } from '../../../errors.ts'
import type { Finding } from '../../source.ts'
import { qualified, quoteLiteral, readable } from '../catalog/quote.ts'
import { refusalOf } from '../restore/definitions/refusal.ts'
import {
  type LackingPart,
  lackingParts,
  type MembersThere,
  type MembersWanted,
  surplusParts,
  unmakeable
} from './lacking-members.ts'
import { readMembers } from './read-members.ts'

/** Steps that come before rows. */
const early = new Set<MemberStep>(memberSteps.slice(0, memberSteps.indexOf('index')))

/** No refusals: the connection, the disk or the server failed. Source: PostgreSQL, errcodes.txt. */
const noRefusal = /^(?:08|40|53|57|58|XX)/

export interface BringMembersOptions {
  readonly connection: Connection
  readonly wanted: MembersWanted
}

/** Brings back the objects of extensions that no dump holds. Everything happens in the open transaction; what is refused leaves no trace and is told at the end. */
export interface BringMembers {
  /** Makes what rows need, where the extensions are there. To be repeated when more is there that it may need. */
  make(): Promise<void>
  /** Sets sequences, never back, and makes the rest. */
  finish(): Promise<void>
  /** What is not as it was: `todo`, with the SQL. */
  compare(): Promise<Finding[]>
  /** What is there besides: subjects. */
  surplus(): Promise<string[]>
}

export function bringMembers({ connection, wanted }: BringMembersOptions): BringMembers {
  const refused = new Map<string, string>()

  async function run(lacking: readonly LackingPart[], isMeant: (step: MemberStep) => boolean): Promise<void> {
    const parts = lacking
      .filter(({ part, runs }) => runs && isMeant(part.step))
      .toSorted((left, right) => memberSteps.indexOf(left.part.step) - memberSteps.indexOf(right.part.step))
    for (const { part } of parts) {
      const error = await refusalOf(connection, part.sql)
      if (error === null) {
        refused.delete(part.sql)
        continue
      }
      if (noRefusal.test(sqlStateOf(error) ?? '')) throw error
      refused.set(part.sql, asError(error).message)
    }
  }

  return {
    async make() {
      await makeQueues(connection, wanted, await readThere(connection))
      const lacking = lackingParts(wanted, await readThere(connection))
      await run(lacking, (step) => early.has(step))
      // A function may need a table, and a table a function.
      if (refused.size > 0) await run(lackingParts(wanted, await readThere(connection)), (step) => early.has(step))
    },
    async finish() {
      await setSequences(connection, wanted)
      await run(lackingParts(wanted, await readThere(connection)), () => true)
    },
    async compare() {
      const there = await readThere(connection)
      return [
        ...lackingParts(wanted, there).map(({ member, part }) => {
          const reason = refused.get(part.sql)
          return {
            kind: 'todo' as const,
            subject: describe(member.subject, part.step, part.name),
            detail: `of the extension ${member.extension}: ${reason ?? 'it is not as in the backup'}`,
            remedy: `${part.sql};`
          }
        }),
        ...unmakeable(wanted, there).map(({ subject, extension }) => ({
          kind: 'todo' as const,
          subject,
          detail: `somebody put it into the extension ${extension}, which does not make it: make it again`
        }))
      ]
    },
    async surplus() {
      const parts = surplusParts(wanted, await readThere(connection))
      return parts.map(({ member, part }) => describe(member.subject, part.step, part.name))
    }
  }
}

function describe(subject: string, step: MemberStep, name: string): string {
  const made = step === 'function' || step === 'table' || step === 'view' || step === 'sequence'
  return made ? subject : `${step}${name === '' ? '' : ` ${name}`} of ${subject}`
}

/** Extensions of a database with their objects. */
export async function readThere(connection: Connection): Promise<MembersThere> {
  const extensions = await connection.query<{ name: string; version: string }>(
    'select extname::text as name, extversion as version from pg_extension'
  )
  return {
    objects: await readMembers(connection),
    versions: new Map(extensions.map(({ name, version }) => [name, version]))
  }
}

/** Queues are made by pgmq itself where it is of another version than the source's, whose tables may have other columns. */
async function makeQueues(connection: Connection, wanted: MembersWanted, there: MembersThere): Promise<void> {
  const version = there.versions.get('pgmq')
  if (version === undefined || version === wanted.versions.get('pgmq')) return
  const known = new Set(there.objects.map(({ subject }) => subject))
  const captured = new Map(wanted.facts.tables.map((table) => [table.name, table]))
  for (const table of wanted.facts.tables) {
    const name = /^q_([\s\S]+)$/.exec(table.name)?.[1]
    if (table.extension !== 'pgmq' || name === undefined || known.has(table.subject)) continue
    if (!wanted.isWanted(table.subject) || !captured.has(`a_${name}`)) continue
    const how = isUnlogged(wanted.facts, table) ? 'create_unlogged' : 'create_non_partitioned'
    // Where it refuses, the table is made as it was in the source.
    await refusalOf(connection, `select pgmq.${how}(${quoteLiteral(name)})`)
  }
}

function isUnlogged({ objects }: MemberFacts, { subject }: MemberTable): boolean {
  return objects.some(
    (member) => member.subject === subject && member.parts.some(({ sql }) => sql.startsWith('create unlogged '))
  )
}

/** Sequences go on behind what they had counted, or behind what the target counted meanwhile. */
async function setSequences(connection: Connection, { facts, isWanted, versions }: MembersWanted): Promise<void> {
  for (const { schema, name, extension, value, called } of facts.sequences) {
    const sequence = qualified({ schema, name })
    if (!versions.has(extension) || !isWanted(`sequence ${readable({ schema, name })}`)) continue
    const [there] = await connection.query<{ there: boolean }>(
      `select to_regclass(${quoteLiteral(sequence)}) is not null as there`
    )
    if (there?.there !== true) continue
    const error = await refusalOf(
      connection,
      `select pg_catalog.setval(${quoteLiteral(sequence)}, ${value}, ${called}) from ${sequence} s
where ${value} > s.last_value or (${value} = s.last_value and ${called} and not s.is_called)`
    )
    if (error !== null && noRefusal.test(sqlStateOf(error) ?? '')) throw error
  }
}
