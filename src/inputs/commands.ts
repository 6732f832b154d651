import type { CompressionMethod } from '../archive/compression.ts'
import type { SourceName } from '../archive/parts.ts'
import type { SigningKey, VerifyKey } from '../archive/signature.ts'
import type { Glob } from '../base/glob.ts'
import type { ConnectionTarget } from '../clients/postgres/connection.ts'
import type { LockMode } from '../clients/s3/objects.ts'
import type { DestinationName } from '../destinations/destination.ts'
import type { HistoryFilter } from '../history/filter.ts'
import type { BackupChoice } from '../history/select.ts'
import type { Selection } from '../sources/database/catalog/selection.ts'
import type { Moment } from './backup-selector.ts'
import type { DashboardPlace, RepositoryName, SmtpServer } from './places.ts'

/** A database, with what its connection string says of Supabase. */
export interface DatabaseAccess {
  readonly target: ConnectionTarget
  /** The Supabase project it belongs to, where the connection string says so. */
  readonly ref: string | undefined
  readonly onSupabase: boolean
}

/** The Storage API of a project. */
export interface StorageAccess {
  /** Without a trailing slash. */
  readonly url: string
  /** Undefined: to be looked up by the Management API, whose access is given then. */
  readonly serviceRoleKey: string | undefined
}

/** The Management API for one project. */
export interface ManagementAccess {
  /** Without a trailing slash and without `/v1`. */
  readonly url: string
  readonly token: string
  readonly ref: string
}

/** Which sources are meant, and why each is or is not. */
export interface Included {
  readonly sources: readonly SourceName[]
  /** Sources that `include` names and whose credentials are missing: the backup keeps the others and says so. */
  readonly lacking: readonly SourceName[]
  /** One sentence for each of the four sources, for the summary. */
  readonly reasons: Readonly<Record<SourceName, string>>
}

/** Keep rules; at least one is set. */
export interface KeepRules {
  readonly last: number | undefined
  readonly hourly: number | undefined
  readonly daily: number | undefined
  readonly weekly: number | undefined
  readonly monthly: number | undefined
  readonly yearly: number | undefined
  readonly withinMs: number | undefined
  readonly maxBytes: number | undefined
}

/** What is signed with. */
export interface Signing {
  readonly signingKey: SigningKey | undefined
}

/** How new backups are sealed. At most one of the two; neither: unencrypted, where `plaintext` lets it. */
export interface Sealing extends Signing {
  readonly recipients: readonly string[]
  readonly passphrase: string | undefined
  /** May a backup be unencrypted: only where the place is private, never, or in public, too. */
  readonly plaintext: 'private' | 'never' | 'public'
  readonly compression: { readonly method: CompressionMethod; readonly level: number }
}

/** Whom to believe. */
export interface Trust {
  /** Ed25519 public key that a manifest must be signed with to be relied on. */
  readonly verifyKey: VerifyKey | undefined
}

/** What opens stored backups. */
export interface Opening extends Trust {
  readonly identities: readonly string[]
  readonly passphrase: string | undefined
}

/** The user's own statements for the restored copy; each must return true. A file is read when they are needed. */
export type CheckSql =
  | { readonly kind: 'statements'; readonly statements: readonly string[] }
  | { readonly kind: 'file'; readonly path: string }

export const verifyModes = ['auto', 'restore', 'read', 'checksum', 'none'] as const
export type VerifyMode = (typeof verifyModes)[number]

export const restoreModes = ['empty', 'replace', 'missing-rows', 'side-schema'] as const
/** What a restore does about what the target refuses. */
export const restoreErrors = ['stop', 'list'] as const
export type RestoreErrors = (typeof restoreErrors)[number]
export type RestoreMode = (typeof restoreModes)[number]

/** Where results are told. */
export interface Notify {
  readonly on: 'failure' | 'always'
  readonly webhook: URL | undefined
  /** Whether the webhook may lie in a private network. */
  readonly webhookPrivate: boolean
  readonly email:
    | { readonly to: readonly string[]; readonly from: string | undefined; readonly server: SmtpServer }
    | undefined
  readonly issue: boolean
  readonly ping: URL | undefined
}

/** A bucket, and how what lies in it is locked. */
export interface S3Access {
  readonly bucket: string
  /** Without a trailing slash; undefined: Amazon's own. */
  readonly endpoint: string | undefined
  /** Undefined: as the environment or the address says. */
  readonly region: string | undefined
  readonly prefix: string | undefined
  /** Undefined: those that a login left in the environment. */
  readonly credentials:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken: string | undefined }
    | undefined
  readonly lock: { readonly mode: LockMode; readonly days: number } | undefined
}

/** What every command has. */
export interface CommonInputs {
  /** Where backups are kept, in the order given. */
  readonly destinations: readonly DestinationName[]
  /** Undefined: the repository of this run. */
  readonly repository: RepositoryName | undefined
  readonly branch: string
  readonly token: string | undefined
  /** Given whenever `destinations` has `folder`. */
  readonly folder: string | undefined
  /** Given whenever `destinations` has `s3`. */
  readonly s3: S3Access | undefined
  readonly retentionDays: number | undefined
  readonly notify: Notify
  /** Undefined: as many as the machine has processors, within the limits of what is worked on. */
  readonly jobs: number | undefined
  readonly lockTimeoutMs: number
  /** Undefined: no limit of our own. */
  readonly timeoutMs: number | undefined
  /** Repeats after the first try. */
  readonly retries: number
  readonly maxDownloadBytes: number | undefined
  readonly pgBin: string | undefined
  /** CA certificates of `ssl-root-cert` in PEM. */
  readonly rootCertificates: string | undefined
  /** Things to tell at the start: a stricter TLS mode than the one typed, an unprotected connection, ... */
  readonly notes: readonly string[]
  readonly warnings: readonly string[]
}

/** A command that reads: `project` is the label where the inputs say which, else undefined (all labels). */
export interface ReadingInputs extends CommonInputs {
  readonly project: string | undefined
}

export interface BackupInputs extends CommonInputs, Sealing, Trust {
  readonly command: 'backup'
  /** Label under which the backup is kept. */
  readonly project: string
  readonly include: Included
  /** Given when `include.sources` has `database`. */
  readonly source: DatabaseAccess | undefined
  /** Given when `include.sources` has `storage`. */
  readonly storage: StorageAccess | undefined
  /** Patterns of buckets to take; empty: all. */
  readonly buckets: readonly Glob[]
  /** Given when `include.sources` has `functions` or `config`, and whenever token and ref are known. */
  readonly management: ManagementAccess | undefined
  /** The Supabase project, where the inputs say which. */
  readonly ref: string | undefined
  readonly type: Selection['type']
  /** `type` again and the patterns of the database, checked and as they were typed. */
  readonly selection: Selection
  readonly configSecrets: 'omit' | 'include'
  readonly verify: VerifyMode
  readonly verifyDatabase: DatabaseAccess | undefined
  /** Most time for the proof by restoring. Milliseconds. */
  readonly verifyTimeoutMs: number
  readonly checkSql: CheckSql | undefined
  /** Undefined: nothing is pruned. */
  readonly keep: KeepRules | undefined
  /** Fraction above which a fall of rows or bytes is an anomaly: 0.5 for `50%`. */
  readonly shrinkLimit: number
  /** Bytes a month that may leave the project; undefined: no budget. */
  readonly egressBudget: number | undefined
  /** Fingerprints of recipients whose loss, or of the whole set whose sole use, is agreed to. */
  readonly acceptRecipients: readonly string[]
  /** Words of canaries that somebody opened elsewhere, see `Canary`. */
  readonly canaryWords: readonly string[]
  readonly acknowledge: string | undefined
  readonly dashboard: DashboardPlace | undefined
}

export interface VerifyInputs extends ReadingInputs, Opening, Signing {
  readonly command: 'verify'
  /** Words of canaries that somebody opened elsewhere, see `Canary`. */
  readonly canaryWords: readonly string[]
  readonly backup: BackupChoice | { readonly kind: 'all' }
  readonly verify: Exclude<VerifyMode, 'none'>
  readonly verifyDatabase: DatabaseAccess | undefined
  /** Most time for the proof by restoring. Milliseconds. */
  readonly verifyTimeoutMs: number
  readonly checkSql: CheckSql | undefined
}

/** `recipients` (or else the passphrase) seal the safety backup; identities and passphrase open the backup to restore. */
export interface RestoreInputs extends ReadingInputs, Opening, Sealing {
  readonly command: 'restore'
  readonly passphrase: string | undefined
  readonly backup: BackupChoice
  readonly include: Included
  readonly target: {
    readonly database: DatabaseAccess | undefined
    readonly storage: StorageAccess | undefined
    readonly management: ManagementAccess | undefined
    /** The Supabase project of the target, where the inputs say which. */
    readonly ref: string | undefined
  }
  /** What of the database to bring back: everything, definitions or rows. */
  readonly type: Selection['type']
  /** Patterns of the database to bring back; empty lists mean no limit. */
  readonly selection: Omit<Selection, 'type'>
  readonly buckets: readonly Glob[]
  /** As typed; the command compares it with the target. Given unless `dryRun`. */
  readonly confirmTarget: string | undefined
  readonly mode: RestoreMode
  readonly restoreErrors: RestoreErrors
  readonly safetyBackup: boolean
  readonly dryRun: boolean
}

export interface ListInputs extends ReadingInputs, Trust {
  readonly command: 'list'
  readonly pin: string | undefined
  readonly unpin: string | undefined
  /** What to show alone. */
  readonly filter: Pick<HistoryFilter, 'types'> & { readonly since: Moment | undefined }
  /** Path of the YAML file of projects. */
  readonly projects: string | undefined
  readonly dashboard: DashboardPlace | undefined
}

export interface DownloadInputs extends ReadingInputs, Opening {
  readonly command: 'download'
  readonly backup: BackupChoice
}

export interface PruneInputs extends ReadingInputs, Trust, Signing {
  readonly command: 'prune'
  readonly keep: KeepRules
  readonly dryRun: boolean
  readonly acknowledge: string | undefined
}

export interface DeleteInputs extends ReadingInputs {
  readonly command: 'delete'
  readonly backup: BackupChoice
  /** Must equal the id of the backup found. Given unless `dryRun`. */
  readonly confirmTarget: string | undefined
  readonly dryRun: boolean
}

export interface CheckInputs extends ReadingInputs, Trust, Signing {
  readonly command: 'check'
  readonly maxAgeMs: number
  /** Path of the YAML file of projects, each of which should have backups. */
  readonly projects: string | undefined
  /** Recipients that the newest backup should have; empty: not looked at. */
  readonly recipients: readonly string[]
}

export interface ReportInputs extends ReadingInputs, Trust, Signing {
  readonly command: 'report'
  /** From when on; undefined: the last 90 days. */
  readonly since: Moment | undefined
  /** The longest time that may lie between two backups. */
  readonly maxAgeMs: number
  /** Path of the YAML file of projects, each of which should have backups. */
  readonly projects: string | undefined
}

/** `project`: only this one, as typed; undefined: all of the file. */
export interface PlanInputs extends ReadingInputs {
  readonly command: 'plan'
  /** Path of the YAML file. */
  readonly projects: string
}

/** The inputs of a run, parsed and checked: one member for each command. */
export type Inputs =
  | BackupInputs
  | VerifyInputs
  | RestoreInputs
  | ListInputs
  | DownloadInputs
  | PruneInputs
  | DeleteInputs
  | CheckInputs
  | ReportInputs
  | PlanInputs
