import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { childEnvironment, runChild } from '../../../clients/child-process.ts'
import type { Context } from '../../../context.ts'
import { UserError } from '../../../errors.ts'
import { type WalkedArchive, walkArchive } from './archive-blocks.ts'
import { notAnArchive, offsetKnown } from './archive-toc.ts'

/** Opens a fresh stream of an archive; it is destroyed with an error before it ends when anything is wrong. */
export type OpenArchive = () => Readable

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

/**
 * Writes an archive into a file of its own (0600), with the place of every entry's data noted in its table of contents as if pg_dump had
 * written to a file: several pg_restore workers then find theirs at once.
 */
export async function saveArchive(openArchive: OpenArchive, path: string): Promise<WalkedArchive> {
  const walk = walkArchive()
  let file: FileHandle | undefined
  try {
    file = await open(path, 'wx', 0o600)
    for await (const chunk of openArchive()) {
      const bytes = bufferOf(chunk)
      walk.push(bytes)
      await writeAll(file, bytes)
    }
    const walked = walk.end()
    const note = Buffer.alloc(1 + walked.toc.offsetSize)
    note[0] = offsetKnown
    for (const entry of walked.toc.entries) {
      const offset = walked.offsets.get(entry.id)
      if (offset === undefined) continue
      note.writeBigUInt64LE(BigInt(offset), 1)
      await file.write(note, 0, note.length, entry.offsetAt)
    }
    return walked
  } catch (error) {
    throw diskError(error)
  } finally {
    await file?.close()
  }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten
}

function diskError(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (error instanceof UserError || typeof code !== 'string') return error
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return new UserError(
    full ? 'SB310' : 'SB311',
    full
      ? 'There is no room to unpack the archive for the proof.'
      : `The archive could not be unpacked for the proof (${code}).`,
    { cause: error }
  )
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
