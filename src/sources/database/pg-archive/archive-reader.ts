import { type ArchiveToc, notAnArchive, readToc, type TocEntry } from './toc.ts'

/** Largest table of contents that is read, in bytes: some 500,000 objects. */
const largestToc = 1024 * 1024 * 1024
const dataBlock = 1
const largeObjectsBlock = 3
/** Rows are gathered to pieces of at most this size: pg_dump writes each row as a piece of its own. Bytes. */
export const gathered = 256 * 1024

/** One large object of an archive. */
export interface LargeObjectData {
  readonly oid: number
  /** Must be read to its end before the next one. */
  readonly chunks: AsyncIterable<Uint8Array>
}

/** The data of one entry, in the order of the archive. */
export type ArchiveBlock =
  | { readonly kind: 'rows'; readonly entry: TocEntry; readonly chunks: AsyncIterable<Uint8Array> }
  | { readonly kind: 'largeObjects'; readonly entry: TocEntry; readonly objects: AsyncIterable<LargeObjectData> }

/** A custom-format archive read once, from its head to its last byte, in constant memory. */
export interface ArchiveReader {
  readonly toc: ArchiveToc
  /**
   * The data of every entry. A chunk of it holds until the next one is asked for: they all lie in the same memory, since fresh memory for each would keep
   * the garbage collector busier than the restore. What a consumer does not read of a block is read over. Ends only when the archive is whole, with the data of every entry and
   * nothing behind it: throws SB603 else.
   */
  blocks(): AsyncIterable<ArchiveBlock>
  /** Lets go of what it reads, at its end or before. */
  close(): Promise<void>
}

/**
 * Reads the table of contents and stands before the data. A piece of `bytes` is done with when the next one is asked for. Source of the form: PostgreSQL, bin/pg_dump/pg_backup_custom.c.
 */
export async function readArchive(bytes: AsyncIterable<Uint8Array>): Promise<ArchiveReader> {
  const source = byteSource(bytes)
  try {
    const toc = await source.head()
    return { toc, blocks: () => blocksOf(source, toc), close: () => source.close() }
  } catch (error) {
    await source.close()
    throw error
  }
}

async function* blocksOf(source: ByteSource, toc: ArchiveToc): AsyncGenerator<ArchiveBlock> {
  const waiting = new Map(toc.entries.filter((entry) => entry.hasData).map((entry) => [entry.id, entry]))
  const buffer = Buffer.allocUnsafe(gathered)
  for (let kind = await source.byte(); kind !== null; kind = await source.byte()) {
    if (kind !== dataBlock && kind !== largeObjectsBlock)
      throw notAnArchive('there is something between the blocks of its data')
    const id = await source.integer()
    const entry = waiting.get(id)
    if (entry === undefined) throw notAnArchive('it holds data that its table of contents does not know')
    waiting.delete(id)
    if (kind === dataBlock) {
      const chunks = pieces(source, buffer)
      yield { kind: 'rows', entry, chunks }
      await readOver(chunks)
    } else {
      const objects = largeObjects(source, buffer)
      yield { kind: 'largeObjects', entry, objects }
      await readOver(objects)
    }
  }
  if (waiting.size > 0) throw notAnArchive(`the data of ${waiting.size} of its entries is missing`)
}

async function readOver(rest: AsyncIterator<unknown>): Promise<void> {
  for (let next = await rest.next(); next.done !== true; next = await rest.next());
}

/** An iterator that a `for await` may leave early without ending it: `blocksOf` reads over the rest. */
function resumable<T>(inner: AsyncGenerator<T>): AsyncIterableIterator<T> {
  const iterator: AsyncIterableIterator<T> = { next: () => inner.next(), [Symbol.asyncIterator]: () => iterator }
  return iterator
}

function pieces(source: ByteSource, buffer: Buffer): AsyncIterableIterator<Uint8Array> {
  return resumable(
    (async function* () {
      let used = 0
      for (;;) {
        used = source.copyWhole(buffer, used)
        let length = await source.integer()
        if (length === 0) break
        while (length > 0) {
          const taken = await source.copyInto(buffer, used, Math.min(length, gathered - used))
          used += taken
          length -= taken
          if (used < gathered) continue
          yield buffer
          used = 0
        }
      }
      if (used > 0) yield buffer.subarray(0, used)
    })()
  )
}

function largeObjects(source: ByteSource, buffer: Buffer): AsyncIterableIterator<LargeObjectData> {
  return resumable(
    (async function* () {
      for (let oid = await source.number(); oid !== 0; oid = await source.number()) {
        const chunks = pieces(source, buffer)
        yield { oid, chunks }
        await readOver(chunks)
      }
    })()
  )
}

interface ByteSource {
  /** Head and table of contents; everything behind them stays to be read. */
  head(): Promise<ArchiveToc>
  /** The next byte; null at the end. */
  byte(): Promise<number | null>
  /** A length: never negative. */
  integer(): Promise<number>
  /** The number of a large object: above 2^31 it is written as a negative one. */
  number(): Promise<number>
  /** Copies the pieces (length and content) that lie whole in what was read already, as far as `target` has room for them; returns where they end in it. */
  copyWhole(target: Buffer, at: number): number
  /** Copies up to `most` of the next bytes, at least one; resolves with how many. */
  copyInto(target: Buffer, at: number, most: number): Promise<number>
  close(): Promise<void>
}

function byteSource(source: AsyncIterable<Uint8Array>): ByteSource {
  const iterator: AsyncIterator<Uint8Array> = source[Symbol.asyncIterator]()
  let chunk: Buffer = Buffer.alloc(0)
  let at = 0

  async function more(): Promise<boolean> {
    for (;;) {
      const next = await iterator.next()
      if (next.done === true) return false
      const bytes = next.value
      if (bytes.byteLength === 0) continue
      chunk = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      at = 0
      return true
    }
  }

  async function five(): Promise<Buffer> {
    if (chunk.length - at >= 5) {
      at += 5
      return chunk.subarray(at - 5, at)
    }
    const bytes = Buffer.alloc(5)
    for (let have = 0; have < 5; ) have += await copyInto(bytes, have, 5 - have)
    return bytes
  }

  async function copyInto(target: Buffer, to: number, most: number): Promise<number> {
    if (at >= chunk.length && !(await more())) throw notAnArchive('it ends inside the data of a table')
    const taken = Math.min(most, chunk.length - at)
    chunk.copy(target, to, at, at + taken)
    at += taken
    return taken
  }

  return {
    async head() {
      const parts: Buffer[] = []
      let bytes = 0
      let tryAt = 64 * 1024
      for (;;) {
        const ended = !(await more())
        if (!ended) {
          parts.push(Buffer.from(chunk))
          bytes += chunk.length
        }
        if (bytes > largestToc) throw notAnArchive('its table of contents has no end')
        if (bytes < tryAt && !ended) continue
        tryAt = bytes * 2
        const all = Buffer.concat(parts)
        const toc = readToc(all)
        if (toc !== null) {
          chunk = all
          at = toc.length
          return toc
        }
        if (ended) throw notAnArchive(bytes === 0 ? 'it is empty' : 'it ends inside its table of contents')
        parts.splice(0, parts.length, all)
      }
    },
    async byte() {
      if (at >= chunk.length && !(await more())) return null
      at += 1
      return chunk[at - 1] ?? null
    },
    async integer() {
      const bytes = await five()
      if (bytes[0] !== 0) throw notAnArchive('a block of its data has an impossible length')
      return bytes.readUInt32LE(1)
    },
    async number() {
      const bytes = await five()
      const value = bytes.readUInt32LE(1)
      return bytes[0] === 0 ? value : 2 ** 32 - value
    },
    copyWhole(target, to) {
      let end = to
      while (at + 5 <= chunk.length && chunk[at] === 0) {
        const length = chunk.readUInt32LE(at + 1)
        if (length === 0 || at + 5 + length > chunk.length || end + length > target.length) break
        chunk.copy(target, end, at + 5, at + 5 + length)
        at += 5 + length
        end += length
      }
      return end
    },
    copyInto,
    async close() {
      await iterator.return?.()
    }
  }
}
