import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable, type Writable } from 'node:stream'
import { asError, cancelled, UserError } from '../errors.ts'
import { type ByteStage, createPayloadOpener, DamagedPayload } from './age-stream.ts'
import { feed } from './child-stdin.ts'
import type { Compression, Lending } from './compression.ts'
import type { OpenedHeader } from './encryption.ts'
import { splitStoredName } from './stored-names.ts'

const readSize = 1024 * 1024
/** Longest age header that is read; a header with 20 post-quantum recipients has 32 KiB. */
const longestHeader = 1024 * 1024

/** A whole stored file on this machine. */
export interface LocalStoredFile {
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

/** Finds the file key for a header; throws a UserError where it cannot. */
export type FileKeyOf = (header: Uint8Array) => Promise<Uint8Array>

/**
 * A stream of the plain content of a stored file: decrypted and decompressed on the way, its length and SHA-256 compared with what
 * is expected. It ends only when everything was right, and is destroyed with a UserError else. No byte comes out of it that was not
 * authenticated by the encryption; where there is none, the SHA-256 is only known at the end, and what came before is void on an error.
 */
export function openStoredFile(
  file: LocalStoredFile,
  fileKeyOf: FileKeyOf,
  compression: Compression,
  signal: AbortSignal
): Readable {
  // Ends the decompressor when the reader goes away early.
  const abandoned = new AbortController()
  const either = AbortSignal.any([signal, abandoned.signal])
  const { compression: method } = splitStoredName(file.name)
  const opened = openedBytes(file, fileKeyOf)
  const plain = method === 'none' ? opened : decompressed(file.name, opened, compression.decompress(method, either))
  const stream = Readable.from(plain, { objectMode: false, highWaterMark: readSize })
  stream.once('close', () => abandoned.abort())
  if (signal.aborted) stream.destroy(cancelled(signal))
  return stream
}

/**
 * As `openStoredFile`, for very much that is looked at once: a piece holds until the next one is asked for. Whoever stops before the end must end the
 * iteration (`return`), which ends the decompressor.
 */
export async function* lendStoredFile(
  file: LocalStoredFile,
  fileKeyOf: FileKeyOf,
  compression: Compression,
  signal: AbortSignal
): AsyncGenerator<Uint8Array> {
  if (signal.aborted) throw cancelled(signal)
  const opened = openedBytes(file, fileKeyOf)
  const { compression: method } = splitStoredName(file.name)
  yield* method === 'none' ? opened : decompressed(file.name, opened, await compression.lend(method, signal))
}

/**
 * Lets the plain content of a stored file run into the standard input of a child that runs already, past this process; `into` must not be used any
 * more. Resolves with true when all of it was written and was right, with false when the child stopped reading before its end. Rejects with a
 * UserError when anything is wrong with the stored file: whatever the child made of it is void then. Null where this process itself decompresses:
 * then nothing was done.
 */
export function pourStoredFile(
  file: LocalStoredFile,
  fileKeyOf: FileKeyOf,
  compression: Compression,
  into: Writable,
  signal: AbortSignal
): Promise<boolean> | null {
  const pouring = compression.decompressInto(splitStoredName(file.name).compression, into, signal)
  if (pouring === null) return null
  const feeding = feed(openedBytes(file, fileKeyOf), pouring.input)
  return Promise.allSettled([feeding, pouring.done]).then(([fed, ended]) => {
    if (signal.aborted) throw cancelled(signal)
    // What is wrong with the stored bytes comes first: that the decompressor got no more follows from it.
    if (fed.status === 'rejected' && fed.reason instanceof UserError) throw fed.reason
    if (ended.status === 'rejected') throw asError(ended.reason)
    if (!ended.value) return false
    if (fed.status === 'fulfilled') return true
    throw new UserError('SB501', `${file.name} is damaged: something follows its end.`, { cause: fed.reason })
  })
}

/** The authenticated bytes of a stored file, still compressed. */
function openedBytes(file: LocalStoredFile, fileKeyOf: FileKeyOf): AsyncGenerator<Uint8Array> {
  const sealed = checkedBytes(file)
  return splitStoredName(file.name).encrypted ? decrypted(file.name, sealed, fileKeyOf) : sealed
}

/** Splits the header of an age file off its bytes. `null` while the header's end has not come. */
export function splitHeader(bytes: Uint8Array): { header: Uint8Array; rest: Uint8Array } | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // Only the line of the MAC begins with three hyphens: lines of a stanza begin with `->` or are base64.
  const mac = buffer.indexOf('\n---')
  const end = mac < 0 ? -1 : buffer.indexOf('\n', mac + 1)
  return end < 0 ? null : { header: buffer.subarray(0, end + 1), rest: buffer.subarray(end + 1) }
}

/** The error for an age header that keys could not open, told apart by the caller's words for `noMatch`. */
export function headerError(
  name: string,
  opened: Exclude<OpenedHeader, { kind: 'opened' }>,
  noMatch: () => UserError
): UserError {
  return opened.kind === 'noMatch'
    ? noMatch()
    : new UserError('SB501', `${name} is damaged: its encryption header is not valid (${opened.reason}).`)
}

async function* checkedBytes(file: LocalStoredFile): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const chunk of createReadStream(file.path, { highWaterMark: readSize })) {
      hash.update(chunk)
      bytes += chunk.byteLength
      yield chunk
    }
  } catch (error) {
    throw new UserError('SB313', `${file.name} could not be read from this machine's disk.`, { cause: error })
  }
  if (bytes !== file.bytes) {
    throw new UserError('SB501', `${file.name} has ${bytes} bytes on this machine's disk instead of ${file.bytes}.`)
  }
  if (hash.digest('hex') !== file.sha256) {
    throw new UserError('SB501', `${file.name} was changed on this machine's disk: its SHA-256 is another one.`)
  }
}

async function* decrypted(
  name: string,
  sealed: AsyncIterable<Uint8Array>,
  fileKeyOf: FileKeyOf
): AsyncGenerator<Uint8Array> {
  let stage: ByteStage | undefined
  let head: Uint8Array = new Uint8Array()
  try {
    for await (const chunk of sealed) {
      if (stage !== undefined) {
        yield* joined(stage.push(chunk))
        continue
      }
      head = head.byteLength === 0 ? chunk : Buffer.concat([head, chunk])
      const split = splitHeader(head)
      if (split !== null) {
        stage = createPayloadOpener(await fileKeyOf(split.header))
        yield* joined(stage.push(split.rest))
      } else if (head.byteLength > longestHeader) {
        break
      }
    }
    if (stage === undefined) throw new DamagedPayload('It has no encryption header.')
    yield* joined(stage.end())
  } catch (error) {
    if (!(error instanceof DamagedPayload)) throw error
    throw new UserError('SB501', `${name} is damaged: ${error.message}`, { cause: error })
  }
}

function* joined(parts: readonly Uint8Array[]): Generator<Uint8Array> {
  const first = parts[0]
  if (first === undefined) return
  yield parts.length === 1 ? first : Buffer.concat(parts)
}

async function* decompressed(
  name: string,
  packed: AsyncIterable<Uint8Array>,
  codec: Lending
): AsyncGenerator<Uint8Array> {
  // A decompressor that failed closes its input: then its own error counts, not that of the writing.
  const fed = feed(packed, codec.input).then(
    () => null,
    (error: unknown) => asError(error)
  )
  try {
    yield* codec.output
    const failure = await fed
    if (failure !== null) throw failure
    await codec.done
  } catch (error) {
    codec.input.destroy()
    codec.output.destroy()
    const failure = await fed
    await codec.done.catch(() => undefined)
    if (failure instanceof UserError) throw failure
    if (error instanceof UserError) throw error
    throw new UserError('SB501', `${name} is damaged: it cannot be decompressed.`, { cause: error })
  } finally {
    codec.input.destroy()
    codec.output.destroy()
    await codec.done.catch(() => undefined)
  }
}
