import { gatherHead } from './archive-head.ts'
import { type BlockScanner, type ScanStep, scanBlocks } from './block-scanner.ts'
import type { ArchiveToc, TocEntry } from './toc.ts'

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
   * the garbage collector busier than the restore. What a consumer does not read of a block is read over. Ends only when the archive is whole, with the data of
   * every entry and nothing behind it: throws SB603 else.
   */
  blocks(): AsyncIterable<ArchiveBlock>
  /** Lets go of what it reads, at its end or before. */
  close(): Promise<void>
}

/** Reads the table of contents and stands before the data. A piece of `bytes` is done with when the next one is asked for. */
export async function readArchive(bytes: AsyncIterable<Uint8Array>): Promise<ArchiveReader> {
  const source = bytes[Symbol.asyncIterator]()
  const close = async () => {
    await source.return?.()
  }
  try {
    const { toc, rest } = await headOf(source)
    const scanner = scanBlocks(toc)
    scanner.feed(rest)
    return { toc, blocks: () => blocksOf({ source, scanner, buffer: Buffer.allocUnsafe(gathered) }), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function headOf(source: AsyncIterator<Uint8Array>) {
  const head = gatherHead()
  for (let next = await source.next(); next.done !== true; next = await source.next()) {
    const found = head.push(next.value)
    if (found !== null) return found
  }
  return head.end()
}

interface Reading {
  readonly source: AsyncIterator<Uint8Array>
  readonly scanner: BlockScanner
  /** Where the bytes of the data lie that a consumer is given. */
  readonly buffer: Buffer
}

/** Brings the scanner more bytes; false at the end of the archive, which is where it may end. */
async function fed({ source, scanner }: Reading): Promise<boolean> {
  const { done, value } = await source.next()
  if (done === true) {
    scanner.end()
    return false
  }
  scanner.feed(Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength))
  return true
}

/** The next step but `starved`; null at the end. */
async function nextStep(reading: Reading): Promise<Exclude<ScanStep, 'starved'> | null> {
  for (;;) {
    const step = reading.scanner.step()
    if (step !== 'starved') return step
    if (!(await fed(reading))) return null
  }
}

async function* blocksOf(reading: Reading): AsyncGenerator<ArchiveBlock> {
  const { scanner } = reading
  while ((await nextStep(reading)) !== null) {
    const { entry, isLargeObjects } = scanner
    if (entry === null) continue
    if (isLargeObjects) {
      const objects = largeObjects(reading)
      yield { kind: 'largeObjects', entry, objects }
      await readOver(objects)
    } else {
      const chunks = pieces(reading)
      yield { kind: 'rows', entry, chunks }
      await readOver(chunks)
    }
  }
}

async function readOver(rest: AsyncIterator<unknown>): Promise<void> {
  for (let next = await rest.next(); next.done !== true; next = await rest.next());
}

/** An iterator that a `for await` may leave early without ending it: `blocksOf` reads over the rest. */
function resumable<T>(inner: AsyncGenerator<T>): AsyncIterableIterator<T> {
  const iterator: AsyncIterableIterator<T> = { next: () => inner.next(), [Symbol.asyncIterator]: () => iterator }
  return iterator
}

function pieces(reading: Reading): AsyncIterableIterator<Uint8Array> {
  const { scanner, buffer } = reading
  return resumable(
    (async function* () {
      let used = 0
      // Nothing is waited for as long as there are bytes: a row is a few of them.
      for (let step = scanner.step(); step !== 'end'; step = scanner.step()) {
        if (step === 'starved') await fed(reading)
        else used = scanner.take(buffer, used)
        if (used < gathered) continue
        yield buffer
        used = 0
      }
      if (used > 0) yield buffer.subarray(0, used)
    })()
  )
}

function largeObjects(reading: Reading): AsyncIterableIterator<LargeObjectData> {
  const { scanner } = reading
  return resumable(
    (async function* () {
      while ((await nextStep(reading)) === 'object') {
        const chunks = pieces(reading)
        yield { oid: scanner.oid, chunks }
        await readOver(chunks)
      }
    })()
  )
}
