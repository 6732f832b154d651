import type { Readable, Writable } from 'node:stream'

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
