import type { Readable, Writable } from 'node:stream'

export const compressionMethods = ['zstd', 'gzip', 'none'] as const
export type CompressionMethod = (typeof compressionMethods)[number]

/** A running compressor or decompressor. */
export interface Codec {
  /**
   * Where the bytes go in. For an external program it is this process's end of the connection: it can be handed to a child as standard
   * output and has to be destroyed (not ended) here afterwards, so that the end of that child is the end of input.
   */
  readonly input: Writable
  /** True where `input` can be handed to a child process that writes to it directly. */
  readonly inputIsPipe: boolean
  readonly output: Readable
  /** Resolves when it ended well; rejects with a UserError when not (a damaged or cut stream included). */
  readonly done: Promise<void>
}

/** A running decompressor whose output is read piece by piece from memory that is used again. */
export interface Lending {
  /** Where the packed bytes go in. */
  readonly input: Writable
  /** A piece holds until the next one is asked for. */
  readonly output: AsyncIterable<Uint8Array> & { destroy(): unknown }
  /** As that of a codec. */
  readonly done: Promise<void>
}

/** A running decompressor whose output goes straight into another process. */
export interface Pouring {
  /** Where the packed bytes go in. */
  readonly input: Writable
  /** Resolves at its end: true when all came out, false when the reader went away before. Rejects with a UserError when the stream is damaged or cut. */
  readonly done: Promise<boolean>
}

/** Makes codecs: an external program where there is one, Node's own else. */
export interface Compression {
  readonly method: CompressionMethod
  compress(signal: AbortSignal): Codec
  decompress(method: CompressionMethod, signal: AbortSignal): Codec
  /** As `decompress`, for very much that is looked at once: fresh memory for each piece keeps the garbage collector busy. */
  lend(method: CompressionMethod, signal: AbortSignal): Promise<Lending>
  /**
   * Decompresses into the standard input of a child that runs already, past this process. `into` is closed here and must not be used any more. Null
   * where no program does that: then nothing was done.
   */
  decompressInto(method: CompressionMethod, into: Writable, signal: AbortSignal): Pouring | null
}

/** The ending of a stored name: `.zst`, `.gz` or nothing. */
export function compressionEnding(method: CompressionMethod): string {
  switch (method) {
    case 'zstd':
      return '.zst'
    case 'gzip':
      return '.gz'
    case 'none':
      return ''
  }
}
