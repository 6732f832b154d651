import type { Readable, Writable } from 'node:stream'
import type { StoredFile } from '../archive/manifest.ts'
import type { DestinationName } from '../destinations/destination.ts'

/** The parts of a project that can be captured. */
export const sourceNames = ['database', 'storage', 'functions', 'config'] as const
export type SourceName = (typeof sourceNames)[number]

/** How much of a source was captured. */
export const partStatuses = ['captured', 'partial', 'skipped', 'impossible'] as const
export type PartStatus = (typeof partStatuses)[number]

/** A child process that writes to its standard output. */
export interface RunningProducer {
  /** Its standard output when it was started with `'pipe'`, else null. */
  readonly stdout: Readable | null
  /** Resolves when the process ended well; rejects with a UserError when not. Everything it wrote is void then. */
  readonly done: Promise<void>
}

/**
 * Content of a file to be packed: bytes made in this process, or a child process that is started with its standard
 * output connected straight to the compressor (no byte of it passes through JavaScript) or to a pipe.
 */
export type Content = { readonly bytes: AsyncIterable<Uint8Array> } | { readonly start: ContentStart }

/**
 * Starts the child. A `Writable` given as `stdout` goes into `spawn` as it is, nothing else may be done with it. `signal` fires when the
 * run is cancelled or a later stage failed (compressor, disk): the child must end then.
 */
export type ContentStart = (stdout: 'pipe' | Writable, signal: AbortSignal) => RunningProducer

/** Packs one file of a part: compressed, encrypted and hashed on the way to disk. Resolves when it is wholly on disk. */
export type AddFile = (name: string, content: Content) => Promise<AddedFile>

export interface AddedFile {
  /** Name as stored, with the endings of compression and encryption. */
  readonly storedName: string
  /** Bytes before compression; null where they did not pass through this process. */
  readonly plainBytes: number | null
  readonly storedBytes: number
  /** SHA-256 of the stored bytes, in lower-case hex. */
  readonly sha256: string
}

/** Reads packed files back, opened and decompressed. */
export interface Files {
  /** Plain names of the files there are. */
  readonly names: readonly string[]
  /** A fresh stream of the plain content of `name`. It is destroyed with an error before it ends when anything is wrong. */
  open(name: string): Readable
  /**
   * The plain content of `name` for who looks at very much of it once: a piece holds until the next one is asked for, and whoever stops before the end ends the
   * iteration. Throws when anything is wrong. Left out where `open` serves.
   */
  readonly lend?: (name: string) => AsyncGenerator<Uint8Array>
  /**
   * Lets the plain content of `name` run straight into the standard input of a child; `into` must not be used any more. Resolves with true when all of it
   * was written and right, with false when the child stopped reading before its end; rejects when anything is wrong with it, and what the child made of it
   * is void then. Null where that cannot be done, or left out where it never can: `open` serves.
   */
  readonly pour?: (name: string, into: Writable) => Promise<boolean> | null
}

/** Something that a check or a restore found, told in log, summary and result. */
export interface Finding {
  /** `difference`: fails the check. `notProven`: lowers the level for what it names. `note`: only told. `todo`: to be done by hand. */
  readonly kind: 'difference' | 'notProven' | 'note' | 'todo'
  /** The object in the source's own words, for example `policy "own rows" on public.notes`. Hostile text. */
  readonly subject: string
  /** What is the matter. Hostile text. */
  readonly detail: string
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
