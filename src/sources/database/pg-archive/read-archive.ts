import { Readable, type Writable } from 'node:stream'
import { childEnvironment, runChild } from '../../../clients/process/child-process.ts'
import type { Context } from '../../../context.ts'
import { type ArchiveHead, gatherHead } from './archive-head.ts'
import { type ArchiveWalk, walkArchive } from './archive-walk.ts'
import { type ArchiveToc, notAnArchive } from './toc.ts'

/** Opens a fresh stream of an archive; it is destroyed with an error before it ends when anything is wrong. */
export type OpenArchive = () => Readable

/**
 * Lets a fresh copy of an archive run straight into the standard input of a child, which must not be used any more: see `Files.pour`. Null where that
 * cannot be done.
 */
export type PourArchive = (into: Writable) => Promise<boolean> | null

/** Reads an archive to its last byte by this program alone. */
export async function walkWhole(openArchive: OpenArchive): Promise<ArchiveToc> {
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
): Promise<ArchiveToc> {
  const { stream, whole } = walkedStream(openArchive)
  const result = await runChild({
    command: pgRestore,
    args: ['--format=custom', '--file=/dev/null'],
    env: childEnvironment(context.temp),
    stdin: stream,
    signal: context.signal
  })
  if (result.code !== 0)
    throw notAnArchive(
      `pg_restore cannot read it: ${lastWords(result.stderr) || `it ended with ${result.code ?? result.signal}`}`
    )
  return await whole()
}

/** An archive for the standard input of pg_restore, without a file between; the walk sees all of it. */
export function walkedStream(openArchive: OpenArchive): { readonly stream: Readable; whole(): Promise<ArchiveToc> } {
  const walk = walkArchive()
  let ended = false
  const passing = async function* () {
    yield* passed(openArchive(), walk)
    ended = true
  }
  const stream = Readable.from(passing(), { objectMode: false, highWaterMark: 1024 * 1024 })
  // A reader that stops before the end has proven nothing about the rest.
  return { stream, whole: async () => (ended ? walk.end() : walkWhole(openArchive)) }
}

async function* passed(source: Readable, walk: ArchiveWalk): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    const bytes = bufferOf(chunk)
    walk.push(bytes)
    yield bytes
  }
}

/** Reads head and table of contents alone, with their bytes. Throws SB603 when they are not those of an archive. */
export async function readHead(openArchive: OpenArchive): Promise<ArchiveHead> {
  const head = gatherHead()
  for await (const chunk of openArchive()) {
    const found = head.push(bufferOf(chunk))
    // Leaving the loop ends the stream.
    if (found !== null) return found
  }
  return head.end()
}

function bufferOf(chunk: Uint8Array): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

/** The last of what a program said, on one line. */
export function lastWords(text: string): string {
  return text.trim().split('\n').slice(-4).join(' ').slice(-600)
}
