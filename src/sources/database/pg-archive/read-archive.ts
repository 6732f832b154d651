import { Readable, type Writable } from 'node:stream'
import { childEnvironment, runChild } from '../../../clients/process/child-process.ts'
import type { Context } from '../../../context.ts'
import { type WalkedArchive, walkArchive } from './blocks.ts'
import { type ArchiveToc, notAnArchive, readToc } from './toc.ts'

/** Opens a fresh stream of an archive; it is destroyed with an error before it ends when anything is wrong. */
export type OpenArchive = () => Readable

/**
 * Lets a fresh copy of an archive run straight into the standard input of a child, which must not be used any more: see `Files.pour`. Null where that
 * cannot be done.
 */
export type PourArchive = (into: Writable) => Promise<boolean> | null

/** Reads an archive to its last byte by this program alone. */
export async function walkWhole(openArchive: OpenArchive): Promise<WalkedArchive> {
  const walk = walkArchive()
  for await (const chunk of openArchive()) walk.push(bufferOf(chunk))
  return walk.end()
}

/**
 * Reads an archive to its last byte, every row decoded by the real pg_restore (which writes it nowhere). Throws UserError SB603 when
 * pg_restore refuses it or it is not whole, and what the stream throws.
 */
export async function readWithPgRestore(
  openArchive: OpenArchive,
  pgRestore: string,
  context: Pick<Context, 'temp' | 'signal'>
): Promise<WalkedArchive> {
  const walk = walkArchive()
  let ended = false
  const result = await runChild({
    command: pgRestore,
    args: ['--format=custom', '--file=/dev/null'],
    env: childEnvironment(context.temp),
    stdin: Readable.from(
      passing(
        openArchive(),
        (chunk) => walk.push(chunk),
        () => {
          ended = true
        }
      ),
      { objectMode: false, highWaterMark: 1024 * 1024 }
    ),
    signal: context.signal
  })
  if (result.code !== 0)
    throw notAnArchive(
      `pg_restore cannot read it: ${lastWords(result.stderr) || `it ended with ${result.code ?? result.signal}`}`
    )
  // A reader that stops before the end has proven nothing about the rest.
  return ended ? walk.end() : walkWhole(openArchive)
}

/** Feeds pg_restore from the stream, for a restore without a file between; the walk sees all of it. */
export function walkedStream(openArchive: OpenArchive): { readonly stream: Readable; whole(): Promise<WalkedArchive> } {
  const walk = walkArchive()
  let ended = false
  const stream = Readable.from(
    passing(
      openArchive(),
      (chunk) => walk.push(chunk),
      () => {
        ended = true
      }
    ),
    { objectMode: false, highWaterMark: 1024 * 1024 }
  )
  return { stream, whole: async () => (ended ? walk.end() : walkWhole(openArchive)) }
}

/** Reads head and table of contents alone, with their bytes. Throws SB603 when they are not those of an archive. */
export async function readHead(
  openArchive: OpenArchive
): Promise<{ readonly toc: ArchiveToc; readonly bytes: Buffer }> {
  const parts: Buffer[] = []
  let length = 0
  let tryAt = 64 * 1024
  const parse = () => {
    const all = Buffer.concat(parts)
    const toc = readToc(all)
    return toc === null ? null : { toc, bytes: all.subarray(0, toc.length) }
  }
  for await (const chunk of openArchive()) {
    const bytes = bufferOf(chunk)
    parts.push(bytes)
    length += bytes.length
    if (length < tryAt) continue
    tryAt = length * 2
    // Leaving the loop ends the stream.
    const head = parse()
    if (head !== null) return head
  }
  const head = parse()
  if (head === null) throw notAnArchive(length === 0 ? 'it is empty' : 'it ends inside its table of contents')
  return head
}

async function* passing(source: Readable, look: (chunk: Buffer) => void, ended: () => void): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    const bytes = bufferOf(chunk)
    look(bytes)
    yield bytes
  }
  ended()
}

function bufferOf(chunk: Uint8Array): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

/** The last of what a program said, on one line. */
export function lastWords(text: string): string {
  return text.trim().split('\n').slice(-4).join(' ').slice(-600)
}
