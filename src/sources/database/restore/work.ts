import type { DatabaseFacts, Guard } from '../../../archive/contents-database.ts'
import type { Files } from '../../../archive/files.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import type { Context } from '../../../context.ts'
import type { Finding } from '../../source.ts'
import type { Passes } from '../loading/restore-order.ts'
import type { Setting } from '../loading/source-settings.ts'
import type { ArchiveReader } from '../pg-archive/archive-reader.ts'
import type { EntryRunner } from './definitions/create-entries.ts'
import type { DefaultPrivileges } from './definitions/default-privileges.ts'
import type { MemberRestore } from './extension-members.ts'
import type { Replaced } from './plan/plan-replacing.ts'
import type { RestoreMode, RestorePlan } from './plan/restore-plan.ts'
import type { Chosen } from './plan/select-entries.ts'
import type { Dropped } from './replace/drop-objects.ts'
import type { AsideChecks } from './rows/checks-aside.ts'
import type { Loaded, LoadedTable } from './rows/load-table-data.ts'
import type { BroughtSecrets } from './supabase/vault-secrets.ts'
import type { TargetState } from './target/target-state.ts'
import type { Transactions } from './transactions/transactions.ts'

/** `stop`: all or nothing. `list`: what cannot be made or loaded is left out with what hangs on it, and named with its SQL. */
export type RestoreErrors = 'stop' | 'list'

/** What is carried out, and what it is carried out with. */
export interface Order {
  readonly connection: Connection
  readonly reader: ArchiveReader
  readonly context: Context
  readonly files: Files
  readonly facts: DatabaseFacts
  readonly mode: RestoreMode
  readonly errors: RestoreErrors
  readonly target: TargetState
  readonly chosen: Chosen
  /** Tables as they were typed. */
  readonly asked: readonly string[]
  readonly plan: RestorePlan
  readonly replaced: Replaced | null
  /** The archive from its beginning once more. The caller closes it. */
  readonly openArchive: () => Promise<ArchiveReader>
  /** Everything is taken back at the end: what stays all the same is not done. */
  readonly rehearsal: boolean
  /** What a transaction of a restore begins with. */
  readonly sessionSettings: readonly (readonly [string, string])[]
}

/** What a restore has done so far. Phases write it; nothing else remembers anything. */
export interface Journal {
  readonly findings: Finding[]
  /** Entries that are run, without what stays as it is. */
  plan: RestorePlan
  passes: Passes
  runner: EntryRunner
  /** Default privileges of the target, which are set aside while objects are made. */
  defaults: readonly DefaultPrivileges[]
  /** Statements that give back memberships which the restore borrowed. */
  borrowed: readonly string[]
  /** The fingerprint of the target before anything was replaced. */
  before: readonly Guard[]
  dropped: Dropped | null
  /** Numbers of large objects that stay as they are. */
  keptObjects: ReadonlySet<string>
  sideSchema: string | null
  /** Whether triggers are held still, and settings of the source in force: in each further transaction they must be, too. */
  still: boolean
  inForce: readonly Setting[]
  readonly loaded: Loaded[]
  /** Tables of extensions. */
  readonly ofExtensions: LoadedTable[]
  /** Vault secrets that came back; null until then. */
  secrets: BroughtSecrets | null
  readonly throughRoot: Map<string, string>
  readonly checks: AsideChecks[]
  readonly notValid: Set<string>
  /** Constraints and rows that were left out, in words. */
  readonly leftOut: string[]
  /** Grants that were not given, since what closes their table could not be made. */
  readonly withheld: Set<number>
  readonly unequal: string[]
  /** Tables that were compared before the last transaction, by `readable` name. */
  readonly compared: Set<string>
}

export interface Work extends Order {
  readonly journal: Journal
  readonly transactions: Transactions
  /** Everything was chosen: roles, settings and secrets come, too. */
  readonly all: boolean
  /** Besides, the backup holds everything: what the target has beside it must not be there. */
  readonly whole: boolean
  /** What belongs to extensions, with its rows. */
  readonly members: MemberRestore
  /** The backup says which default privileges there are. */
  readonly hasDefaults: boolean
}

/** What a restore did. */
export interface DatabaseRestored {
  readonly tables: readonly LoadedTable[]
  readonly rows: number
  readonly sideSchema: string | null
  /** Tables whose rows were meant and did not come back; each is among the findings. */
  readonly left: readonly string[]
  /** Objects that could not be made as in the backup, in words; each is among the findings with its SQL. */
  readonly leftOut: readonly string[]
  readonly findings: readonly Finding[]
}
