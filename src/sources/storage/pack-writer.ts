import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { type Pack, pack as startTar } from 'tar-stream'
import { type PackRecord, packIndexEntry } from '../../archive/contents-storage.ts'
import type { AddedFile, AddFile } from '../../archive/files.ts'
import { bytesOfEntries } from '../../archive/pool-index.ts'
import type { RandomBytes } from '../../context.ts'
import { asError } from '../../errors.ts'
import type { DownloadedObject } from './download.ts'

/** A pack is closed when it holds this many bytes, or this many files. */
const packBytes = 64 * 1024 * 1024
const packFiles = 8192
const pieceBytes = 256 * 1024

/** A pack as it was stored. */
export interface StoredPack extends AddedFile {
  /** As `bytesOfEntries` has them. */
  readonly entries: Uint8Array
}

/** Puts objects into tar archives of bounded size. One object after the other. */
export interface PackWriter {
  /** Takes the object's bytes; a large one's file is removed. Returns the number of its pack, counted from 0. */
  put(record: PackRecord, body: DownloadedObject['body']): Promise<number>
  /** Closes the last pack and gives all, in the order of their numbers. */
  end(): Promise<readonly StoredPack[]>
  /** Instead of the end: drops the pack that is being filled and resolves when nothing is written any more. Never throws. */
  abandon(reason: Error): Promise<void>
}

interface OpenPack {
  readonly number: number
  readonly tar: Pack
  readonly adding: Promise<AddedFile>
  /** Set when `adding` failed. */
  readonly failure: { reason: Error | null }
  readonly records: PackRecord[]
  bytes: number
}

/** Names of packs are random: one name never stands for two contents, in whatever pool it lies. */
export function openPackWriter(add: AddFile, randomBytes: RandomBytes): PackWriter {
  const done: StoredPack[] = []
  let opened = 0
  let current: OpenPack | null = null
  /** The full pack before the current one: the compressor and the disk finish it while the next one is filled. */
  const closing: { done: Promise<void>; failure: Error | null } = { done: Promise.resolve(), failure: null }

  const open = (): OpenPack => {
    const tar = startTar()
    const name = `objects-${Buffer.from(randomBytes(10)).toString('hex')}.tar`
    const adding = add(name, { bytes: inLargePieces(tar as AsyncIterable<Uint8Array>) })
    const failure: OpenPack['failure'] = { reason: null }
    // Ends what is being written to the archive; each step below looks at it.
    adding.catch((error: unknown) => {
      failure.reason = asError(error)
      tar.destroy(failure.reason)
    })
    opened += 1
    return { number: opened - 1, tar, adding, failure, records: [], bytes: 0 }
  }
  /** A failure of the packer (disk, compressor) is told instead of the broken archive that follows from it. */
  const step = async ({ adding, failure }: OpenPack, work: Promise<void>): Promise<void> => {
    try {
      await work
    } catch (error) {
      await adding
      throw error
    }
    if (failure.reason !== null) throw failure.reason
  }
  const close = async (pack: OpenPack): Promise<void> => {
    const index = Buffer.from(pack.records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    await step(pack, writeEntry(pack.tar, packIndexEntry, index.byteLength, { chunks: [index] }))
    pack.tar.finalize()
    done.push({ ...(await pack.adding), entries: bytesOfEntries(pack.records.map((record) => record.entry)) })
  }

  /** One after the other: so they end in the order of their numbers, and no more than two are open. */
  const beginToClose = async (full: OpenPack): Promise<void> => {
    await closing.done
    closing.done = close(full)
    closing.done.catch((error: unknown) => {
      closing.failure = asError(error)
    })
  }

  return {
    async put(record, body) {
      if (closing.failure !== null) throw closing.failure
      if (current !== null && (current.bytes + record.size > packBytes || current.records.length >= packFiles)) {
        const full = current
        current = null
        await beginToClose(full)
      }
      current ??= open()
      const pack = current
      try {
        await step(pack, writeEntry(pack.tar, record.entry, record.size, body))
      } finally {
        if ('path' in body) await rm(body.path, { force: true })
      }
      pack.records.push(record)
      pack.bytes += record.size
      return pack.number
    },
    async end() {
      if (current !== null) {
        const last = current
        current = null
        await beginToClose(last)
      }
      await closing.done
      return done
    },
    async abandon(reason) {
      const last = current
      current = null
      last?.tar.destroy(reason)
      await Promise.allSettled([closing.done, last?.adding])
    }
  }
}

/** Gathers headers, small files and padding: each piece is a call of its own on its way through the compressor. */
async function* inLargePieces(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of tar) {
    pieces.push(piece)
    bytes += piece.byteLength
    if (bytes < pieceBytes) continue
    yield Buffer.concat(pieces, bytes)
    pieces = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(pieces, bytes)
}

async function writeEntry(tar: Pack, name: string, size: number, body: DownloadedObject['body']): Promise<void> {
  const header = { name, size, mode: 0o600, mtime: new Date(0) }
  if ('path' in body) {
    await pipeline(createReadStream(body.path, { highWaterMark: 256 * 1024 }), tar.entry(header))
    return
  }
  await new Promise<void>((resolve, reject) => {
    const entry = tar.entry(header, (error) => (error === null || error === undefined ? resolve() : reject(error)))
    for (const chunk of body.chunks) if (chunk.byteLength > 0) entry.write(chunk)
    entry.end(null)
  })
}
