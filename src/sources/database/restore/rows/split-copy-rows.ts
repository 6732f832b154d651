import { Buffer } from 'node:buffer'

const lineFeed = 10
/** What pg_dump writes behind the last row of a table. Source: PostgreSQL, bin/pg_dump/pg_dump.c, dumpTableData_copy. */
const endOfRows = Buffer.from('\\.\n\n\n')

/** Some bytes of a table's rows as `COPY` takes them. */
export interface RowsPiece {
  readonly bytes: Uint8Array
  /** Whether a row ends where it ends: if not, the next piece goes on with that row. */
  readonly whole: boolean
}

/**
 * Cuts the rows of one table in `COPY`'s text form, in which a line feed is the end of a row and nothing else, where rows end, so that several sessions can
 * take them. A piece holds until the next one is asked for. Nothing is gathered: a row that lies in several chunks comes in several pieces. What pg_dump writes behind the last row is left out, since only
 * one of the sessions would know it for the end.
 */
export async function* wholeRows(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<RowsPiece> {
  // At least the last bytes wait for the next chunk: they may be the end.
  let kept: Buffer = Buffer.alloc(0)
  let beginsRow = true
  const piece = (bytes: Uint8Array): RowsPiece => {
    beginsRow = bytes.at(-1) === lineFeed
    return { bytes, whole: beginsRow }
  }
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (bytes.length < endOfRows.length) {
      kept = Buffer.concat([kept, bytes])
      continue
    }
    if (kept.length > 0) yield piece(kept)
    const most = bytes.length - endOfRows.length
    const cut = most === 0 ? 0 : bytes.lastIndexOf(lineFeed, most - 1) + 1
    if (cut > 0) yield piece(bytes.subarray(0, cut))
    else if (most > 0) yield piece(bytes.subarray(0, most))
    kept = Buffer.from(bytes.subarray(cut > 0 ? cut : most))
  }
  const end = kept.length - endOfRows.length
  const ends = end >= 0 && kept.subarray(end).equals(endOfRows) && (end === 0 ? beginsRow : kept[end - 1] === lineFeed)
  const rest = ends ? kept.subarray(0, end) : kept
  if (rest.length > 0) yield piece(rest)
}
