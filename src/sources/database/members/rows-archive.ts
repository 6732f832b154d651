import type { Readable } from 'node:stream'
import { extract, pack } from 'tar-stream'
import type { MemberTable } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { asError, UserError } from '../../../errors.ts'
import { qualified, quoteIdentifier, readable } from '../catalog/quote.ts'

/** Name of the file with the rows of tables that belong to extensions. */
export const memberRowsFile = 'extension-rows.tar'

/** Rows go into pieces of this many bytes, at most: how long all of them are is known at their end only. */
const pieceBytes = 1024 * 1024

/** The statement that rows of a table are brought back with, by `psql` as well. */
export function copyStatement(table: Pick<MemberTable, 'schema' | 'name' | 'copied'>): string {
  const columns = table.copied.length === 0 ? '' : ` (${table.copied.map(quoteIdentifier).join(', ')})`
  return `COPY ${qualified(table)}${columns} FROM STDIN`
}

/**
 * A tar archive with a folder a table: `copy.sql` with the statement that takes the rows, and the rows as `COPY` writes them, cut into `rows-000001`, ... in
 * their order. Throws SB206 where a table does not hold the rows that were counted.
 */
export async function* packRows(connection: Connection, tables: readonly MemberTable[]): AsyncGenerator<Uint8Array> {
  const archive = pack()
  const write = (name: string, bytes: Uint8Array): Promise<void> =>
    new Promise((done, failed) => {
      const sink = archive.entry({ name, size: bytes.byteLength, mode: 0o644, mtime: new Date(0) }, (error) =>
        error == null ? done() : failed(error)
      )
      sink.end(bytes)
    })
  const produce = async () => {
    for (const table of tables) {
      await write(`${table.entry}/copy.sql`, Buffer.from(`${copyStatement(table)}\n`))
      let pieces = 0
      let rows = 0n
      for await (const piece of inPieces(connection.copyOut(copyOutStatement(table)))) {
        pieces += 1
        for (const byte of piece) if (byte === 0x0a) rows += 1n
        await write(`${table.entry}/rows-${String(pieces).padStart(6, '0')}`, piece)
      }
      if (String(rows) !== table.rows)
        throw new UserError(
          'SB206',
          `The table ${readable(table)} was emptied or written anew while it was read: it held ${table.rows} rows, then ${rows}.`,
          { mayPass: true }
        )
    }
    archive.finalize()
  }
  const produced = produce().catch((thrown: unknown) => {
    archive.destroy(asError(thrown))
    throw thrown
  })
  // It is awaited below; until then its rejection is told by the archive's own error.
  produced.catch(() => undefined)
  try {
    for await (const chunk of archive as AsyncIterable<Uint8Array>) yield chunk
  } finally {
    archive.destroy()
  }
  await produced
}

function copyOutStatement(table: MemberTable): string {
  const columns = table.copied.map((column) => `t.${quoteIdentifier(column)}`).join(', ')
  return `COPY (select ${columns} from only ${qualified(table)} t) TO STDOUT`
}

async function* inPieces(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    held.push(chunk)
    bytes += chunk.byteLength
    if (bytes < pieceBytes) continue
    yield Buffer.concat(held)
    held = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(held)
}

/** The rows of one table as they pass by: they have to be read before the next. */
export interface PassingRows {
  readonly entry: string
  readonly chunks: AsyncIterable<Uint8Array>
}

/** The tables of the archive in their order. Nothing in it is run, and no name in it is a path. Throws SB603 where it cannot be read. */
export async function* rowsOfArchive(file: Readable): AsyncGenerator<PassingRows> {
  const archive = extract()
  file.on('error', (error) => archive.destroy(error))
  file.pipe(archive)
  const pieces = archive[Symbol.asyncIterator]()
  const next = async () => {
    for (;;) {
      const { done, value } = await pieces.next()
      if (done === true) return null
      const place = /^(\d{4,})\/rows-\d{6,}$/.exec(value.header.name)
      if (place !== null) return { entry: place[1] ?? '', piece: value }
      value.resume()
    }
  }
  try {
    let current = await next()
    while (current !== null) {
      const { entry } = current
      yield {
        entry,
        chunks: (async function* () {
          while (current !== null && current.entry === entry) {
            for await (const chunk of current.piece) if (chunk instanceof Uint8Array) yield chunk
            current = await next()
          }
        })()
      }
      // Whoever does not want the rows lets them pass by.
      while (current !== null && current.entry === entry) {
        current.piece.resume()
        current = await next()
      }
    }
  } catch (error) {
    if (error instanceof UserError) throw error
    throw new UserError('SB603', `${memberRowsFile} cannot be read: ${asError(error).message}`, { cause: error })
  } finally {
    file.destroy()
    archive.destroy()
  }
}

/** How many rows the archive holds of each table, by its folder. Reads it to its end. */
export async function countRows(file: Readable): Promise<Map<string, string>> {
  const counts = new Map<string, string>()
  for await (const { entry, chunks } of rowsOfArchive(file)) {
    let rows = 0
    for await (const chunk of chunks) for (const byte of chunk) if (byte === 0x0a) rows += 1
    counts.set(entry, String(rows))
  }
  return counts
}
