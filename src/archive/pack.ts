import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { asError, cancelled } from '../errors.ts'
import { feed } from './child-stdin.ts'
import type { Codec, Compression } from './compression.ts'
import { type Encryption, sealFile } from './encryption.ts'
import type { AddedFile, AddFile, Content, ContentStart, Files, RunningProducer } from './files.ts'
import { openStoredFile, pourStoredFile } from './stored-bytes.ts'
import { isStorableName, plainNameOf, storedNameOf } from './stored-names.ts'
import { createStoredFileWriter, type StoredFileWriter } from './stored-writer.ts'

/** A file of the backup as it lies in the staging folder, whole. */
export interface StagedFile {
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

/**
 * Packs the files of one backup into a staging folder: each content is compressed, encrypted and hashed in one pass, with
 * memory that does not grow with it. The key of each file stays in this process for as long as the packer lives, so that
 * what was just stored can be read back and proven without any identity.
 */
export interface Packer {
  /** May be called for several files at a time. A file that fails leaves nothing behind and may be added again. */
  readonly add: AddFile
  /** Encrypts like `add` and compresses nothing, so that `age` alone opens it (the canary). */
  addUncompressed(name: string, content: Uint8Array): Promise<void>
  /** Stores bytes as they are, neither compressed nor encrypted (RESTORE.md). */
  addPlain(name: string, content: Uint8Array): Promise<void>
  /** Takes a staged file back: its bytes are removed. One that is not there is no error. */
  remove(storedName: string): Promise<void>
  /** What was staged so far. */
  readonly staged: readonly StagedFile[]
  /** Opens what was staged, from the stored bytes: decrypted with the keys at hand, checked, decompressed. */
  readonly files: Files
  /** Forgets the keys. The staged files stay. */
  close(): void
}

export interface PackerOptions {
  /** Staging folder; made (mode 0700) where it is not there. */
  readonly dir: string
  readonly encryption: Encryption
  readonly compression: Compression
  readonly signal: AbortSignal
  /** Called with the number of stored bytes that were just written. */
  readonly onProgress?: (storedBytes: number) => void
}

/**
 * Makes a packer.
 *
 * `add` rejects with a UserError: SB310 when the disk is full, SB311 when the staging folder cannot be written, SB312 when the compressor
 * failed, the producer's own error when that failed, the signal's reason when it fired. In each case every child has ended and the partial file is gone.
 */
export function createPacker(options: PackerOptions): Packer {
  const { dir, encryption, compression, signal } = options
  const staged = new Map<string, StagedFile>()
  const fileKeys = new Map<string, Uint8Array>()
  const underWay = new Set<string>()
  let closed = false

  const claim = (storedName: string) => {
    if (closed) throw new Error('the packer is closed')
    if (!isStorableName(storedName)) throw new Error(`not a storable name: ${JSON.stringify(storedName)}`)
    if (staged.has(storedName) || underWay.has(storedName)) throw new Error(`packed twice: ${storedName}`)
    underWay.add(storedName)
  }
  const packed = (name: string) => {
    const file = [...staged.values()].find((each) => plainNameOf(each.name) === name)
    if (file === undefined) throw new Error(`not packed: ${name}`)
    const fileKey = fileKeys.get(file.name)
    return { file, fileKeyOf: () => keyInMemory(file.name, fileKey) }
  }
  const writer = (storedName: string): Promise<StoredFileWriter> =>
    createStoredFileWriter(join(dir, storedName), { onProgress: options.onProgress })
  const keep = async (storedName: string, file: StoredFileWriter): Promise<StagedFile> => {
    const { bytes, sha256 } = await file.commit()
    const stagedFile = { name: storedName, path: join(dir, storedName), bytes, sha256 }
    staged.set(storedName, stagedFile)
    return stagedFile
  }
  const addWhole = async (storedName: string, content: readonly Uint8Array[]): Promise<void> => {
    claim(storedName)
    try {
      const file = await writer(storedName)
      try {
        await file.write(content)
        await keep(storedName, file)
      } catch (error) {
        await file.discard()
        throw error
      }
    } finally {
      underWay.delete(storedName)
    }
  }

  return {
    async add(name, content) {
      const storedName = storedNameOf(name, compression.method, encryption.scheme !== 'none')
      claim(storedName)
      try {
        signal.throwIfAborted()
        const seal = encryption.scheme === 'none' ? null : await sealFile(encryption)
        const file = await writer(storedName)
        try {
          if (seal !== null) await file.write([seal.header])
          const plainBytes = await compressInto(content, compression, signal, async (chunk) => {
            await file.write(seal === null ? [chunk] : seal.payload.push(chunk))
          })
          if (seal !== null) await file.write(seal.payload.end())
          const { bytes, sha256 } = await keep(storedName, file)
          if (seal !== null) fileKeys.set(storedName, seal.fileKey)
          return { storedName, plainBytes, storedBytes: bytes, sha256 } satisfies AddedFile
        } catch (error) {
          await file.discard()
          throw error
        }
      } catch (error) {
        throw signal.aborted ? cancelled(signal) : error
      } finally {
        underWay.delete(storedName)
      }
    },
    async addUncompressed(name, content) {
      if (encryption.scheme === 'none') throw new Error(`nothing would seal ${name}`)
      const seal = await sealFile(encryption)
      const storedName = storedNameOf(name, 'none', true)
      await addWhole(storedName, [seal.header, ...seal.payload.push(content), ...seal.payload.end()])
      fileKeys.set(storedName, seal.fileKey)
    },
    addPlain: (name, content) => addWhole(name, [content]),
    async remove(storedName) {
      const file = staged.get(storedName)
      if (file === undefined) return
      staged.delete(storedName)
      fileKeys.get(storedName)?.fill(0)
      fileKeys.delete(storedName)
      await rm(file.path, { force: true })
    },
    get staged() {
      return [...staged.values()]
    },
    files: {
      get names() {
        return [...staged.keys()].map(plainNameOf)
      },
      open(name) {
        const { file, fileKeyOf } = packed(name)
        return openStoredFile(file, fileKeyOf, compression, signal)
      },
      pour(name, into) {
        const { file, fileKeyOf } = packed(name)
        return pourStoredFile(file, fileKeyOf, compression, into, signal)
      }
    },
    close() {
      closed = true
      for (const fileKey of fileKeys.values()) fileKey.fill(0)
      fileKeys.clear()
    }
  }
}

function keyInMemory(storedName: string, fileKey: Uint8Array | undefined): Promise<Uint8Array> {
  return fileKey === undefined
    ? Promise.reject(new Error(`the key of ${storedName} was forgotten`))
    : Promise.resolve(fileKey)
}

/**
 * Runs content through the compressor into `sink` and waits for every stage's end. Returns the number of plain bytes, or null where they
 * did not pass through this process. Of several failures the one nearest to the disk is thrown: the others follow from it.
 */
async function compressInto(
  content: Content,
  compression: Compression,
  signal: AbortSignal,
  sink: (chunk: Uint8Array) => Promise<void>
): Promise<number | null> {
  const stopping = new AbortController()
  const either = AbortSignal.any([signal, stopping.signal])
  const codec = compression.compress(either)
  const stopOn = async <T>(stage: Promise<T>): Promise<PromiseSettledResult<T>> => {
    const [result] = await Promise.allSettled([stage])
    if (result.status === 'rejected') {
      stopping.abort(asError(result.reason))
      codec.input.destroy()
      codec.output.destroy()
    }
    return result
  }
  const writing = stopOn(drain(codec.output, sink))
  const compressing = stopOn(codec.done)
  const producing = stopOn(produce(content, codec, either))
  const [written, compressed, produced] = [await writing, await compressing, await producing]
  for (const result of [written, compressed]) if (result.status === 'rejected') throw result.reason
  if (produced.status === 'rejected') throw produced.reason
  return produced.value
}

/** Writes out what the compressor gives. Rejects only when `sink` does: a compressor that breaks off tells it by its own `done`. */
async function drain(output: Readable, sink: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  const chunks = output[Symbol.asyncIterator]()
  for (;;) {
    const next = await chunks.next().catch(() => null)
    if (next === null || next.done === true) break
    await sink(next.value)
  }
  // A reader that stops must not keep the compressor waiting for it.
  output.destroy()
}

/** Feeds the compressor; resolves when the content's maker ended well. */
async function produce(content: Content, codec: Codec, signal: AbortSignal): Promise<number | null> {
  if ('bytes' in content) return feed(content.bytes, codec.input)
  const producer = startProducer(content.start, codec, signal)
  if (codec.inputIsPipe) {
    // The maker holds the other copy: with this one gone, the end of the maker is the end of input.
    codec.input.destroy()
    await producer.done
    return null
  }
  if (producer.stdout === null) throw new Error('the content was started without a pipe')
  const [fed, ended] = await Promise.allSettled([feed(producer.stdout, codec.input), producer.done])
  if (ended.status === 'rejected') throw ended.reason
  if (fed.status === 'rejected') throw fed.reason
  return fed.value
}

function startProducer(start: ContentStart, codec: Codec, signal: AbortSignal): RunningProducer {
  try {
    return start(codec.inputIsPipe ? codec.input : 'pipe', signal)
  } catch (error) {
    codec.input.destroy()
    throw error
  }
}
