import { gatherHead } from './archive-head.ts'
import { type BlockScanner, scanBlocks } from './block-scanner.ts'
import type { ArchiveToc } from './toc.ts'

/**
 * Looks at an archive while it passes by, from its head to its last block, so that one that is cut, garbled or lacks data is found whatever wrote it. Nothing
 * of it is kept but the table of contents.
 */
export interface ArchiveWalk {
  /** Takes the next bytes. Throws UserError SB603 as soon as something is wrong. */
  push(chunk: Buffer): void
  /** Ends the walk: throws SB603 unless the archive is whole, with the data of every entry and nothing behind it. */
  end(): ArchiveToc
  /** The table of contents, as soon as it has passed. */
  readonly toc: ArchiveToc | null
}

export function walkArchive(): ArchiveWalk {
  const head = gatherHead()
  let toc: ArchiveToc | null = null
  let scanner: BlockScanner | null = null

  const scan = (blocks: BlockScanner, chunk: Buffer) => {
    blocks.feed(chunk)
    for (let step = blocks.step(); step !== 'starved'; step = blocks.step()) if (step === 'bytes') blocks.take(null, 0)
  }
  const begin = ({ toc: found, rest }: { readonly toc: ArchiveToc; readonly rest: Buffer }) => {
    toc = found
    scanner = scanBlocks(found)
    scan(scanner, rest)
    return { toc: found, scanner }
  }
  return {
    push(chunk) {
      if (scanner !== null) return scan(scanner, chunk)
      const found = head.push(chunk)
      if (found !== null) begin(found)
    },
    end() {
      const walked = toc !== null && scanner !== null ? { toc, scanner } : begin(head.end())
      walked.scanner.end()
      return walked.toc
    },
    get toc() {
      return toc
    }
  }
}
