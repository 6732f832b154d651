import type { Readable } from 'node:stream'

/** The kinds of places that backups are kept in. */
export const destinationNames = ['artifact', 'release', 'repository', 'folder', 's3'] as const
export type DestinationName = (typeof destinationNames)[number]

/** Names one backup. */
export interface BackupRef {
  /** Label of the project: `[a-z0-9-]{1,40}`. */
  readonly project: string
  /** `<UTC time>-<8 characters>`, see history/backup-id.ts. */
  readonly id: string
}

/** Bytes with a known length that can be read more than once. */
export interface Body {
  readonly bytes: number
  /** SHA-256 of the bytes in lower-case hex; for what `get` returns, only where the place states one. */
  readonly sha256?: string
  /** A fresh stream over all bytes. A read that ends short or fails destroys the stream with an error. */
  open(): Readable
  /** Where the bytes already lie as one whole local file: a driver may link it instead of copying. */
  readonly path?: string
}

/** A body to store: its digest is known beforehand. */
export interface Volume extends Body {
  readonly sha256: string
}

/** What differs between places, as data. */
export interface Limits {
  /** Largest file in bytes; larger ones are cut into volumes before they reach `put`. */
  readonly largestFile: number
  /** Most files one backup can have, its manifest included; `null` without a limit. */
  readonly mostFiles: number | null
  /** Days after which the place itself forgets a backup; `null` when it keeps them. */
  readonly keepsDays: number | null
  /** Whether `delete` frees the space. */
  readonly canDelete: boolean
  /** Whether files outlive the run and can be shared between backups (the pool of Storage packs). */
  readonly keepsAcrossRuns: boolean
  /** Bytes that all backups together should stay below; left out where nobody says so. */
  readonly mostBytes?: number
}

/** Who can read what is stored. `local`: a folder of this machine. */
export type Visibility = 'private' | 'internal' | 'public' | 'local'

/** A small file beside a committed backup: a verification record, or one of the markers `keep` and `acknowledged`. */
export interface RecordFile {
  /** `verification-<UTC time>.json`, `keep` or `acknowledged`. */
  readonly name: string
  /** Its bytes as stored; empty for what is no plain file or larger than `largestSmallFile`. */
  readonly content: Uint8Array
}

/** Most bytes of a manifest or record that are read: they are held in memory. */
export const largestSmallFile = 64 * 1024 * 1024

/** A manifest that a place does not read, and why in words: whoever may write there can plant one, and it must not hold up the others. */
export interface NotRead {
  readonly notRead: string
}

/** A file as a listing shows it: what the place does not tell without a download is left out. */
export interface ListedFile {
  readonly bytes?: number
  readonly sha256?: string
}

/** One committed backup as a listing shows it. */
export interface ListedBackup extends BackupRef {
  /** The manifest's bytes as stored; `NotRead` for what is no plain file or larger than `largestSmallFile`. */
  readonly manifest: Uint8Array | NotRead
  /** Records beside it, oldest first. */
  readonly records: readonly RecordFile[]
  /** What else lies there of the backup, by stored name: whether its files are there is told by this, without fetching them. */
  readonly files: ReadonlyMap<string, ListedFile>
  /** Why the place cannot say that a run that may write backups wrote this one; left out where it can, or where it tells nothing of writers. */
  readonly unvouched?: string
  /** Page where a person finds the backup, where there is one. */
  readonly url?: string
  /** When the place will forget it, where the place says so. */
  readonly expiresAt?: Date
}

/** Files outside the backups, shared between them. Only where `limits.keepsAcrossRuns`. */
export interface Pool {
  /** All files of the project's pool. A listing that fails throws: it never means "none". */
  list(project: string): Promise<readonly PooledFile[]>
  /** Stores a file; a file of this name with the same digest counts as stored. Read back and compared by digest. */
  put(project: string, name: string, body: Volume): Promise<void>
  /** Throws UserError SB404 when the file is not there. */
  get(project: string, name: string): Promise<Body>
  /** A file that is not there is no error. Returns the names of those that stayed because the place holds them locked. */
  delete(project: string, names: readonly string[]): Promise<readonly string[]>
  /**
   * Sees to it that shared files stay as long as this backup must, where the place locks what it holds. Called before the backup is
   * committed. Throws UserError SB427 where that is not certain, SB506 where one is not there.
   */
  protect?(backup: BackupRef, names: readonly string[]): Promise<void>
}

/** A backup and the names of the stored files that it needs. */
export interface GuardedBackup {
  readonly ref: BackupRef
  readonly files: readonly string[]
  readonly shared: readonly string[]
}

/** Something that somebody did to what is locked, or a lock that ends too soon. */
export interface LockFinding {
  readonly ref: BackupRef
  readonly kind: 'gone' | 'hidden' | 'overwritten' | 'lock-too-short'
  /** Names of stored files and times, nothing from inside a project. */
  readonly detail: string
}

/** One file of the journal. */
export interface JournalFile {
  readonly project: string
  /** `<UTC time>-<8 characters>.txt`, see `isJournalName`: names of one project are in the order of time. */
  readonly name: string
  /** Empty for what is no plain file or larger than `largestJournalFile`. */
  readonly content: Uint8Array
}

/** Most bytes of a file of the journal that are read. */
export const largestJournalFile = 64 * 1024

/** Small files about runs, which only ever become more: no command removes one, and none goes with a backup. Only where `limits.keepsAcrossRuns`. */
export interface Journal {
  /** Adds a file. One of this name with the same bytes counts as added; with others it is refused by UserError SB415, and the first stays. */
  add(project: string, name: string, content: Uint8Array): Promise<void>
  /** All files, of one project or of all, in no particular order. A listing that fails throws, never "none". */
  list(project?: string): AsyncIterable<JournalFile>
}

export interface PooledFile {
  readonly name: string
  readonly bytes: number
  readonly sha256?: string
  readonly createdAt: Date
}

/**
 * A place where backups are kept.
 *
 * - A backup exists there when, and only when, it was committed: `list` and `get` never show one whose `commit` did not
 *   succeed, wherever the process was killed.
 * - Every write is read back, or compared with the digest that the place itself computed, before it counts.
 * - A write whose answer was lost counts as done when reading back shows it.
 * - File names match `[A-Za-z0-9._-]+`; anything else is a bug of the caller.
 * - What may pass (network, 5xx, rate limits) is retried inside the driver within the run's budget; what escapes is a
 *   `UserError` of SB4xx that says what to do.
 */
export interface Destination {
  readonly name: DestinationName
  readonly limits: Limits
  /** The place in words for log and summary, without secrets: `owner/name, branch backups`. */
  readonly place: string
  /** Asks the place who can read it, now. Throws when there is no clear answer. */
  visibility(): Promise<Visibility>
  /** Bytes that are free there now, where that can be told. */
  freeBytes?(): Promise<number | null>
  /**
   * Looks, before the work of a backup begins, whether it could be stored here. Leaves nothing, and throws only where it is certain that it could not: no
   * permission, an archived repository, rules against it.
   */
  assertWritable?(backup: BackupRef): Promise<void>
  /** Stores one file of a backup that is not committed yet. */
  put(backup: BackupRef, name: string, body: Volume): Promise<void>
  /** The last write of a backup, all or nothing: from now on it exists. */
  commit(backup: BackupRef, manifest: Uint8Array): Promise<{ readonly url?: string }>
  /** Committed backups, of one project or of all, in no particular order. A listing that fails throws, never "none". */
  list(project?: string): AsyncIterable<ListedBackup>
  /** A file of a committed backup. Throws UserError SB404 when backup or file is not there. */
  get(backup: BackupRef, name: string): Promise<Body>
  /**
   * Removes a backup, manifest first. One that is not there is no error; a repeated call finishes what was cut off. Throws UserError SB426
   * where the place holds it locked, with the time until which it does.
   */
  delete(backup: BackupRef): Promise<void>
  /** Writes (or with `null` removes) a small record beside a committed backup; the manifest stays as it is. */
  annotate(backup: BackupRef, name: string, content: Uint8Array | null): Promise<void>
  /**
   * Removes what killed runs left unfinished, returning what it removed in words: what is older than `olderThan`, and at once what is
   * known to be of a run on this machine that has ended.
   */
  clean(olderThan: Date): Promise<readonly string[]>
  /**
   * Frees the space of what was deleted, in places where deleting alone does not: called once after a run's deletes.
   * Where the place forbids it, a warning in the log says that the space stays taken.
   */
  reclaim?(): Promise<void>
  /** The time by the clock of the place, where it tells one; never fails. */
  serverTime?(): Promise<Date | undefined>
  /** Looks whether what backups need is as it was written, and locked as long as it should be; only where the place can lock. */
  inspectLocks?(backups: readonly GuardedBackup[]): Promise<readonly LockFinding[]>
  /** The pool of shared files, where the place keeps across runs. */
  readonly pool?: Pool
  /** The journal of runs, where the place keeps across runs. */
  readonly journal?: Journal
  /** Ends children and removes temporary files of the driver. Never throws. */
  close(): Promise<void>
}
