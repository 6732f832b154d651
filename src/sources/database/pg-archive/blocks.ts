import { type ArchiveToc, notAnArchive, readToc } from './toc.ts'

/** Largest table of contents that is read, in bytes: some 500,000 objects. */
const largestToc = 1024 * 1024 * 1024
const dataBlock = 1
const largeObjectsBlock = 3

/** Looks at an archive while it passes by. */
export interface ArchiveWalk {
  /** Takes the next bytes. Throws UserError SB603 as soon as something is wrong. */
  push(chunk: Buffer): void
  /** Ends the walk: throws SB603 unless the archive is whole, with the data of every entry and nothing behind it. */
  end(): WalkedArchive
  /** The table of contents, as soon as it has passed. */
  readonly toc: ArchiveToc | null
}

export interface WalkedArchive {
  readonly toc: ArchiveToc
  /** Where the data of each entry begins, by id. */
  readonly offsets: ReadonlyMap<number, number>
  readonly bytes: number
}

/** What the next bytes of the data part are. */
type Expected = 'block' | 'id' | 'object' | 'length' | 'skip'

/**
 * Follows a custom-format archive from its head to its last block, so that one that is cut, garbled or lacks data is found whatever
 * wrote it. Source of the form: PostgreSQL, bin/pg_dump/pg_backup_custom.c.
 */
export function walkArchive(): ArchiveWalk {
  let toc: ArchiveToc | null = null
  const head: Buffer[] = []
  let headBytes = 0
  let tryAt = 64 * 1024
  let position = 0
  const offsets = new Map<number, number>()
  let waiting = new Set<number>()

  let expected: Expected = 'block'
  let skip = 0
  let inLargeObjects = false
  let blockAt = 0
  /** Bytes of an integer that a chunk's end cut. */
  let cut = Buffer.alloc(0)

  const take = (bytes: Buffer, at: number): number | null => {
    if (at + 5 > bytes.length) return null
    const value = bytes.readUInt32LE(at + 1)
    // Numbers of large objects above 2^31 are written as negative ones.
    if (bytes[at] !== 0 && expected !== 'object') throw notAnArchive('a block of its data has an impossible length')
    return value
  }

  const walk = (chunk: Buffer) => {
    let bytes = chunk
    let base = position
    position += chunk.length
    if (cut.length > 0) {
      bytes = Buffer.concat([cut, chunk])
      base -= cut.length
      cut = Buffer.alloc(0)
    }
    let at = 0
    while (at < bytes.length) {
      if (expected === 'skip') {
        const step = Math.min(skip, bytes.length - at)
        at += step
        skip -= step
        if (skip === 0) expected = 'length'
        continue
      }
      if (expected === 'block') {
        const kind = bytes[at]
        if (kind !== dataBlock && kind !== largeObjectsBlock)
          throw notAnArchive('there is something between the blocks of its data')
        inLargeObjects = kind === largeObjectsBlock
        blockAt = base + at
        at += 1
        expected = 'id'
        continue
      }
      const value = take(bytes, at)
      if (value === null) {
        cut = Buffer.from(bytes.subarray(at))
        return
      }
      at += 5
      if (expected === 'id') {
        if (!waiting.delete(value)) throw notAnArchive('it holds data that its table of contents does not know')
        offsets.set(value, blockAt)
        expected = inLargeObjects ? 'object' : 'length'
      } else if (expected === 'object') expected = value === 0 ? 'block' : 'length'
      else if (value === 0) expected = inLargeObjects ? 'object' : 'block'
      else {
        skip = value
        expected = 'skip'
      }
    }
  }

  const parseHead = () => {
    const all = Buffer.concat(head)
    toc = readToc(all)
    if (toc === null) return
    head.length = 0
    waiting = new Set(toc.entries.filter((entry) => entry.hasData).map((entry) => entry.id))
    position = toc.length
    walk(all.subarray(toc.length))
  }

  return {
    push(chunk) {
      if (toc !== null) return walk(chunk)
      head.push(chunk)
      headBytes += chunk.length
      if (headBytes > largestToc) throw notAnArchive('its table of contents has no end')
      if (headBytes < tryAt) return
      tryAt = headBytes * 2
      parseHead()
    },
    end() {
      if (toc === null) parseHead()
      if (toc === null) throw notAnArchive(headBytes === 0 ? 'it is empty' : 'it ends inside its table of contents')
      if (expected !== 'block' || cut.length > 0) throw notAnArchive('it ends inside the data of a table')
      if (waiting.size > 0) throw notAnArchive(`the data of ${waiting.size} of its entries is missing`)
      return { toc, offsets, bytes: position }
    },
    get toc() {
      return toc
    }
  }
}
