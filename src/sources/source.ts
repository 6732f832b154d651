import type { AddFile } from '../archive/files.ts'
import type { StoredFile } from '../archive/manifest.ts'
import type { PartStatus, SourceName } from '../archive/parts.ts'
import type { DestinationName } from '../destinations/destination.ts'

/** Why something differs or was not proven, where more than words hang on it. */
export const findingReasons = [
  // What the server of the copy cannot hold.
  'missing-extension',
  'missing-provider',
  'platform-owner',
  'locale',
  'refused-by-server',
  'role-exists',
  'out-of-time',
  'needs-another',
  // What the backup was not to hold.
  'not-in-backup',
  // What could not be made for a reason that lies in the backup, and what could not be validated.
  'not-made',
  'not-valid',
  'not-refreshed',
  // What was compared less than it could be.
  'not-hashed',
  'not-sampled',
  'reworded',
  'check-not-run'
] as const
export type FindingReason = (typeof findingReasons)[number]

/** Something that a check or a restore found, told in log, summary and result. */
export interface Finding {
  /** `difference`: fails the check. `notProven`: lowers the level for what it names. `note`: only told. `todo`: to be done by hand. */
  readonly kind: 'difference' | 'notProven' | 'note' | 'todo'
  /** The object in the source's own words, for example `policy "own rows" on public.notes`. Hostile text. */
  readonly subject: string
  /** What is the matter. Hostile text. */
  readonly detail: string
  readonly reason?: FindingReason
  /** SQL or a command that a person can run, for `todo`. */
  readonly remedy?: string
}

/** What a source captured. `facts` goes into contents.json under the source's name; counts into the plain manifest. */
export interface Captured<F> {
  readonly status: PartStatus
  /** Why the status is not `captured`. Shown in the plain manifest: no names from inside the project. */
  readonly reason?: string
  readonly facts: F
  /** Numbers only, for manifest and summary: `tables`, `rows`, `objects`, `bytes`, `functions`, ... */
  readonly counts: Readonly<Record<string, number>>
  readonly warnings: readonly string[]
  /** Lists of the facts that may be too long for memory, by their key: one JSON text an item, read once when contents.json is written. */
  readonly lists?: Readonly<Record<string, () => AsyncIterable<string>>>
  /** Which of the added files go to the pool of a place that has one. */
  readonly shared?: SharedPacks
}

/** Files that outlive the backup that made them, in places with a pool. */
export interface SharedPacks {
  /** Stored names of new packs, each with what the next backup has to know of it: its entries, as `bytesOfEntries` has them. */
  readonly fresh: ReadonlyMap<string, Uint8Array>
  /** Stored names of packs whose content the pools hold already: for places without a pool alone. */
  readonly again: ReadonlySet<string>
  /** Packs of earlier backups that this one needs, by the place whose pool they lie in. */
  readonly old: ReadonlyMap<DestinationName, readonly StoredFile[]>
}

/** A part of a project that can be captured. `F` are the facts kept in contents.json (schemas in archive/contents*.ts). */
export interface Source<F> {
  readonly name: SourceName
  /** Asks what can be known before any work: reachable, allowed, versions. Throws a UserError. */
  preflight(signal: AbortSignal): Promise<void>
  /** What the source takes where it lies, known after `preflight`: an estimate for the free space that a run needs. Bytes. */
  readonly sizeBytes?: number | null
  /** Captures. A UserError thrown here fails this part; `add` may have been called. */
  capture(add: AddFile, signal: AbortSignal): Promise<Captured<F>>
  /** Ends connections and children. Never throws. */
  close(): Promise<void>
}
