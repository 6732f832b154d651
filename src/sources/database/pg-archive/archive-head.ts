import { type ArchiveToc, notAnArchive, readToc } from './toc.ts'

/** Largest table of contents that is read, in bytes: some 500,000 objects. */
const largestToc = 1024 * 1024 * 1024
/** The table of contents is looked for when so many bytes are there, and again at twice as many: most fit into the first. */
const firstTry = 64 * 1024

export interface ArchiveHead {
  readonly toc: ArchiveToc
  /** The bytes of head and table of contents. */
  readonly bytes: Buffer
  /** What was taken of the data behind them. */
  readonly rest: Buffer
}

/** Gathers the beginning of an archive until its table of contents is whole. */
export interface HeadGatherer {
  /** Takes the next bytes, by copying them; null while more are needed. Throws UserError SB603 when they are no archive. */
  push(chunk: Uint8Array): ArchiveHead | null
  /** Says that nothing follows. Throws SB603 when the table of contents is not whole. */
  end(): ArchiveHead
}

export function gatherHead(): HeadGatherer {
  let parts: Buffer[] = []
  let length = 0
  let tryAt = firstTry

  const parse = (): ArchiveHead | null => {
    const all = Buffer.concat(parts)
    parts = [all]
    const toc = readToc(all)
    return toc === null ? null : { toc, bytes: all.subarray(0, toc.length), rest: all.subarray(toc.length) }
  }
  return {
    push(chunk) {
      parts.push(Buffer.from(chunk))
      length += chunk.byteLength
      if (length > largestToc) throw notAnArchive('its table of contents has no end')
      if (length < tryAt) return null
      tryAt = length * 2
      return parse()
    },
    end() {
      const head = parse()
      if (head === null) throw notAnArchive(length === 0 ? 'it is empty' : 'it ends inside its table of contents')
      return head
    }
  }
}
