import { type ArchiveToc, notAnArchive, type TocEntry } from './toc.ts'

const dataBlock = 1
const largeObjectsBlock = 3

/**
 * What comes next in the data of an archive: the data of an entry begins; one of its large objects begins; there are bytes of rows or of a large object, which
 * `take` takes; the rows or the large object end; the last large object of an entry was before. `starved`: more bytes are needed.
 */
export type ScanStep = 'entry' | 'object' | 'bytes' | 'end' | 'lastObject' | 'starved'

/**
 * Follows the data behind a table of contents, block by block, in bytes that others bring. It waits for nothing and makes no objects: pg_dump writes each
 * row as a piece of its own, and there may be billions.
 */
export interface BlockScanner {
  /** The next bytes. Those before must be used up: `step` said `starved`. They are looked at until it says so again. */
  feed(chunk: Buffer): void
  /** Goes on to what comes next. Throws UserError SB603 as soon as something is wrong. */
  step(): ScanStep
  /** Copies what there is of the rows or the large object, across pieces, as far as `target` has room behind `at`; returns where it ends. Without `target` it is passed over. */
  take(target: Buffer | null, at: number): number
  /** Throws SB603 unless the archive may end here, with the data of every entry. */
  end(): void
  /** Of the last step `entry`: whose data begins, and whether it is large objects. */
  readonly entry: TocEntry | null
  readonly isLargeObjects: boolean
  /** Of the last step `object`: its number. */
  readonly oid: number
}

/** What is expected in the bytes. A piece is a length and so many bytes; one of length 0 ends them. */
type Expected = 'block' | 'id' | 'object' | 'length' | 'bytes'

/** An integer is a byte for its sign and four for its value. */
const integerBytes = 5

/** Source of the form: PostgreSQL, bin/pg_dump/pg_backup_custom.c. */
export function scanBlocks(toc: Pick<ArchiveToc, 'entries'>): BlockScanner {
  const waiting = new Map(toc.entries.filter((entry) => entry.hasData).map((entry) => [entry.id, entry]))
  let chunk: Buffer = Buffer.alloc(0)
  let at = 0
  let expected: Expected = 'block'
  /** Bytes of the piece that are still to come. */
  let left = 0
  /** An integer that the end of a chunk cut. */
  const cut = Buffer.alloc(integerBytes)
  let cutBytes = 0
  let entry: TocEntry | null = null
  let isLargeObjects = false
  let oid = 0

  /** The next integer; -1 where it is not whole yet. */
  function integer(): number {
    let bytes = chunk
    let from = at
    if (cutBytes > 0 || chunk.length - at < integerBytes) {
      const taken = Math.min(integerBytes - cutBytes, chunk.length - at)
      chunk.copy(cut, cutBytes, at, at + taken)
      cutBytes += taken
      at += taken
      if (cutBytes < integerBytes) return -1
      cutBytes = 0
      bytes = cut
      from = 0
    } else at += integerBytes
    const value = bytes.readUInt32LE(from + 1)
    if (bytes[from] === 0) return value
    if (expected !== 'object') throw notAnArchive('a block of its data has an impossible length')
    // Numbers of large objects above 2^31 are written as negative ones.
    return 2 ** 32 - value
  }

  return {
    feed(next) {
      chunk = next
      at = 0
    },
    step() {
      for (;;) {
        if (at >= chunk.length) return 'starved'
        if (expected === 'bytes') return 'bytes'
        if (expected === 'block') {
          const kind = chunk[at]
          if (kind !== dataBlock && kind !== largeObjectsBlock)
            throw notAnArchive('there is something between the blocks of its data')
          at += 1
          isLargeObjects = kind === largeObjectsBlock
          expected = 'id'
          continue
        }
        const value = integer()
        if (value === -1) return 'starved'
        if (expected === 'id') {
          entry = waiting.get(value) ?? null
          if (!waiting.delete(value)) throw notAnArchive('it holds data that its table of contents does not know')
          expected = isLargeObjects ? 'object' : 'length'
          return 'entry'
        }
        if (expected === 'object') {
          oid = value
          expected = value === 0 ? 'block' : 'length'
          return value === 0 ? 'lastObject' : 'object'
        }
        if (value === 0) {
          expected = isLargeObjects ? 'object' : 'block'
          return 'end'
        }
        left = value
        expected = 'bytes'
      }
    },
    take(target, from) {
      let end = from
      while (expected === 'bytes' || expected === 'length') {
        if (expected === 'length') {
          // What ends the data, is cut or is wrong is a matter of `step`.
          if (cutBytes > 0 || chunk.length - at < integerBytes || chunk[at] !== 0) return end
          const length = chunk.readUInt32LE(at + 1)
          if (length === 0) return end
          at += integerBytes
          left = length
        }
        const count = Math.min(left, chunk.length - at, target === null ? left : target.length - end)
        if (target !== null) chunk.copy(target, end, at, at + count)
        at += count
        end += count
        left -= count
        expected = left === 0 ? 'length' : 'bytes'
        if (left > 0) return end
      }
      return end
    },
    end() {
      if (expected !== 'block') throw notAnArchive('it ends inside the data of a table')
      if (waiting.size > 0) throw notAnArchive(`the data of ${waiting.size} of its entries is missing`)
    },
    get entry() {
      return entry
    },
    get isLargeObjects() {
      return isLargeObjects
    },
    get oid() {
      return oid
    }
  }
}
