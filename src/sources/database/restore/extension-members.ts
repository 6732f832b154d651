import type { DatabaseFacts, MemberTable } from '../../../archive/contents-database.ts'
import type { Files } from '../../../archive/files.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import type { Finding } from '../../source.ts'
import { readable } from '../catalog/quote.ts'
import { bringMembers } from '../members/bring-members.ts'
import type { MembersWanted } from '../members/lacking-members.ts'
import { type LoadedMembers, loadMembers, unequalMembers } from '../members/load-members.ts'
import { memberRowsFile } from '../members/rows-archive.ts'
import type { RestoreMode } from './plan/restore-plan.ts'
import type { Chosen } from './plan/select-entries.ts'
import type { TargetState } from './target/target-state.ts'

export interface MemberRestoreOptions {
  readonly connection: Connection
  readonly facts: DatabaseFacts
  readonly files: Files
  readonly mode: RestoreMode
  readonly chosen: Chosen
  readonly target: Pick<TargetState, 'extensions' | 'available'>
}

/** What a restore brings back of what belongs to extensions, in the open transaction and in this order. None of it can fail a restore. */
export interface MemberRestore {
  /** When the extensions are there, and again when everything is there that comes before rows. */
  make(): Promise<void>
  /** With the rows of all other tables: rows of tables, states of sequences, indexes, policies and the like. */
  fill(): Promise<Pick<LoadedMembers, 'tables'>>
  /** At the end: what is not as it was, and the tables whose rows were meant and did not come back. */
  check(): Promise<Pick<LoadedMembers, 'findings' | 'left'>>
}

export function memberRestore(options: MemberRestoreOptions): MemberRestore {
  const { connection, facts, files, mode } = options
  const { wanted, tables } = meant(options)
  const definitions = (mode === 'empty' || mode === 'replace') && facts.selection.type !== 'data'
  const bring = wanted === null || !definitions ? null : bringMembers({ connection, wanted })
  const { possible, lost } = placesOf(tables, options, definitions)
  let loaded: LoadedMembers = { tables: [], whole: [], left: [], findings: [] }
  return {
    async make() {
      await bring?.make()
    },
    async fill() {
      if (possible.length > 0 && mode !== 'side-schema')
        loaded = await loadMembers({
          connection,
          file: () => files.open(memberRowsFile),
          tables: possible,
          way: mode === 'empty' ? 'copy' : mode === 'replace' ? 'exchange' : 'missing'
        })
      await bring?.finish()
      return { tables: loaded.tables }
    },
    async check() {
      const unequal = await unequalMembers(connection, loaded.whole)
      return {
        left: [...lost.map(({ table }) => readable(table)), ...loaded.left, ...unequal.map(readable)],
        findings: [
          ...lost.map(({ table, why }) => notBack(table, why)),
          ...loaded.findings,
          ...unequal.map((table) => notBack(table, 'they are not those of the backup')),
          ...((await bring?.compare()) ?? [])
        ]
      }
    }
  }
}

/** What a dry run can say of it. */
export function foretellMembers(options: Omit<MemberRestoreOptions, 'connection' | 'files'>): {
  readonly tables: number
  readonly rows: number
  readonly findings: readonly Finding[]
} {
  const { facts, mode } = options
  const definitions = (mode === 'empty' || mode === 'replace') && facts.selection.type !== 'data'
  const { possible, lost } = placesOf(meant(options).tables, options, definitions)
  return {
    tables: possible.length,
    rows: possible.reduce((sum, { rows }) => sum + Number(rows ?? '0'), 0),
    findings: lost.map(({ table, why }) => notBack(table, why))
  }
}

function notBack({ subject, rows, extension }: MemberTable, why: string): Finding {
  return {
    kind: 'todo',
    subject,
    detail: `its ${rows ?? '0'} rows are not brought back, it belongs to the extension ${extension}: ${why}`
  }
}

function meant({ facts, chosen }: Pick<MemberRestoreOptions, 'facts' | 'chosen'>): {
  readonly wanted: MembersWanted | null
  readonly tables: readonly MemberTable[]
} {
  const { members } = facts
  if (members === undefined) return { wanted: null, tables: [] }
  const subjects = new Set(members.tables.filter(chosen.hasMember).map(({ subject }) => subject))
  for (const sequence of members.sequences)
    if (chosen.hasMember(sequence)) subjects.add(`sequence ${readable(sequence)}`)
  return {
    wanted: {
      facts: members,
      versions: new Map(facts.extensions.map(({ name, version }) => [name, version])),
      isWanted: (subject) => chosen.whole || subjects.has(subject)
    },
    tables: members.tables.filter(
      (table) =>
        facts.selection.type !== 'schema' &&
        (table.rows ?? '0') !== '0' &&
        chosen.hasMember(table) &&
        chosen.hasRowsOf(table)
    )
  }
}

/** Which rows have a place in the target, and why the others have none. */
function placesOf(
  tables: readonly MemberTable[],
  { mode, target }: Pick<MemberRestoreOptions, 'mode' | 'target'>,
  definitions: boolean
): {
  readonly possible: readonly MemberTable[]
  readonly lost: readonly { readonly table: MemberTable; readonly why: string }[]
} {
  const whyNot = ({ extension }: MemberTable): string | null => {
    if (mode === 'side-schema') return 'they cannot come into another schema; restore them with another `restore-mode`'
    if (target.extensions.has(extension)) return null
    if (!target.available.has(extension)) return "the target's server does not have it"
    return definitions ? null : 'the target does not have it: create it first'
  }
  const judged = tables.map((table) => ({ table, why: whyNot(table) }))
  return {
    possible: judged.flatMap(({ table, why }) => (why === null ? [table] : [])),
    lost: judged.flatMap(({ table, why }) => (why === null ? [] : [{ table, why }]))
  }
}
