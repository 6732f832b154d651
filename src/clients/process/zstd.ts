import { constants as fsConstants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import { type Duplex, PassThrough, type Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import * as zlib from 'node:zlib'
import type { Codec, Compression, CompressionMethod, Lending, Pouring } from '../../archive/compression.ts'
import { asError, cancelled, UserError } from '../../errors.ts'
import { childEnvironment, type RunningChild, startChild } from './child-process.ts'
import { openReusedPipe, type ReusedPipe } from './reused-pipe.ts'

/** Buffers of Node's own codecs: with smaller ones its zstd takes up to 1.7 times as long as the program. */
const nodeChunkSize = 1024 * 1024

export interface CompressionOptions {
  readonly method: CompressionMethod
  /** Level of the method; its default when left out (zstd 3, gzip 6). */
  readonly level?: number
  /** Absolute path of the `zstd` program (see `findZstd`), or null to use Node's own. */
  readonly zstd: string | null
  /** An existing folder that becomes HOME of the program. */
  readonly home: string
}

/**
 * Levels that `compression-level` may have. zstd stops at 19: above, a file needs more memory to decompress than `zstd -d` takes
 * without being asked.
 */
export const compressionLevels: Readonly<
  Record<CompressionMethod, { lowest: number; default: number; highest: number }>
> = {
  zstd: { lowest: 1, default: 3, highest: 19 },
  gzip: { lowest: 1, default: 6, highest: 9 },
  none: { lowest: 0, default: 0, highest: 0 }
}

/** The absolute path of `zstd` in PATH, or null. */
export async function findZstd(path: string = process.env.PATH ?? ''): Promise<string | null> {
  for (const folder of path.split(delimiter)) {
    if (!isAbsolute(folder)) continue
    const candidate = join(folder, 'zstd')
    try {
      await access(candidate, fsConstants.X_OK)
      if ((await stat(candidate)).isFile()) return candidate
    } catch {
      // Not in this folder: the next one may have it.
    }
  }
  return null
}

/** Compression by the `zstd` program where there is one, by Node's zlib else. */
export function createCompression(options: CompressionOptions): Compression {
  const level = options.level ?? compressionLevels[options.method].default
  const { zstd, home } = options
  let lent = 0
  const decompress = (method: CompressionMethod, signal: AbortSignal): Codec => {
    switch (method) {
      case 'zstd':
        return zstd === null
          ? streamCodec(zlib.createZstdDecompress({ chunkSize: nodeChunkSize }), 'decompress', signal)
          : programCodec(zstd, decompressing, home, 'decompress', signal)
      case 'gzip':
        return streamCodec(zlib.createGunzip({ chunkSize: nodeChunkSize }), 'decompress', signal)
      case 'none':
        return streamCodec(new PassThrough(), 'decompress', signal)
    }
  }
  return {
    method: options.method,
    compress(signal) {
      switch (options.method) {
        case 'zstd':
          return zstd === null
            ? streamCodec(zlib.createZstdCompress(zstdOptions(level)), 'compress', signal)
            : programCodec(zstd, ['-q', '-c', '-T0', `-${level}`], home, 'compress', signal)
        case 'gzip':
          return streamCodec(zlib.createGzip({ level, chunkSize: nodeChunkSize }), 'compress', signal)
        case 'none':
          return streamCodec(new PassThrough(), 'compress', signal)
      }
    },
    decompress,
    async lend(method, signal) {
      if (method !== 'zstd' || zstd === null) return decompress(method, signal)
      lent += 1
      const pipe = await openReusedPipe(home, `decompressed-${lent}`, signal)
      return pipe === null ? decompress(method, signal) : await lending(zstd, home, pipe, signal)
    },
    decompressInto: (method, into, signal) =>
      method === 'zstd' && zstd !== null ? pouring(zstd, home, into, signal) : null
  }
}

const decompressing = ['-q', '-d', '-c']

function zstdOptions(level: number): zlib.ZstdOptions {
  // Never ZSTD_c_nbWorkers: Node 24's stream loses the end of its output with it (nodejs/node#59899).
  return {
    chunkSize: nodeChunkSize,
    params: {
      [zlib.constants.ZSTD_c_compressionLevel]: level,
      [zlib.constants.ZSTD_c_checksumFlag]: 1
    }
  }
}

type Direction = 'compress' | 'decompress'

function streamCodec(stream: Duplex, direction: Direction, signal: AbortSignal): Codec {
  const abort = () => stream.destroy(cancelled(signal))
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  const done = finished(stream).then(
    () => undefined,
    (error: unknown) => {
      throw signal.aborted ? cancelled(signal) : failure(direction, asError(error).message, error)
    }
  )
  const watched = done.finally(() => signal.removeEventListener('abort', abort))
  watched.catch(() => undefined)
  return { input: stream, inputIsPipe: false, output: stream, done: watched }
}

/**
 * Runs the program between two streams.
 *
 * `input` may be given to another child as its standard output: that child then writes straight to the program, and this process has
 * to close its own copy (`input.destroy()`, never `end()`, which would shut the connection down for both) so that the end of the other
 * child is seen as the end of input. Node's "pipes" are socket pairs whose parent end does not block; libuv sets the end that a
 * child receives as standard output back to blocking before the child runs, so a slow compressor makes the writer wait
 * instead of failing it with EAGAIN. The other way round (the producer first, its output as the program's input) would lose
 * bytes, since Node starts to read a child's output at once.
 */
function programCodec(
  program: string,
  args: readonly string[],
  home: string,
  direction: Direction,
  signal: AbortSignal
): Codec {
  const child = startChild({
    command: program,
    args,
    env: childEnvironment(home),
    cwd: home,
    signal,
    stdin: 'pipe',
    stdout: 'pipe'
  })
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new Error('zstd was started without pipes')
  return { input: stdin, inputIsPipe: true, output: stdout, done: endedWell(child, direction) }
}

function endedWell(child: RunningChild, direction: Direction): Promise<void> {
  const done = child.done.then((exit) => {
    if (exit.code === 0) return
    const how = exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`
    throw failure(direction, `zstd ended with ${how}: ${exit.stderr.trim()}`, undefined)
  })
  // Looked at by the caller after it has read the output.
  done.catch(() => undefined)
  return done
}

/** Runs the program with its output read into memory that is used again. */
async function lending(program: string, home: string, pipe: ReusedPipe, signal: AbortSignal): Promise<Lending> {
  try {
    const child = startChild({
      command: program,
      args: decompressing,
      env: childEnvironment(home),
      cwd: home,
      signal,
      stdin: 'pipe',
      stdout: pipe.childEnd
    })
    const { stdin } = child
    if (stdin === null) throw new Error('zstd was started without a pipe')
    const output = Object.assign(pipe.pieces, { destroy: () => pipe.destroy() })
    return { input: stdin, output, done: endedWell(child, 'decompress') }
  } catch (error) {
    pipe.destroy()
    throw error
  } finally {
    await pipe.handedOver()
  }
}

/**
 * Runs the program with its output connected straight to a child's input. This process's copy of that is closed: the end of the program is the end
 * of input for the child.
 */
function pouring(program: string, home: string, into: Writable, signal: AbortSignal): Pouring {
  const child = startChild({
    command: program,
    args: decompressing,
    env: childEnvironment(home),
    cwd: home,
    signal,
    stdin: 'pipe',
    stdout: into
  })
  into.destroy()
  const { stdin } = child
  if (stdin === null) throw new Error('zstd was started without a pipe')
  const done = child.done.then((exit) => {
    if (exit.code === 0) return true
    // A reader that ends early ends the program by this signal, or by an error of its write: these pipes are pairs of sockets.
    if (exit.signal === 'SIGPIPE' || /Write error.*(?:Broken pipe|Connection reset)/.test(exit.stderr)) return false
    const how = exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`
    throw failure('decompress', `zstd ended with ${how}: ${exit.stderr.trim()}`, undefined)
  })
  done.catch(() => undefined)
  return { input: stdin, done }
}

function failure(direction: Direction, reason: string, cause: unknown): UserError {
  return direction === 'compress'
    ? new UserError('SB312', `Compressing failed: ${reason}`, { cause })
    : new UserError('SB501', `The data cannot be decompressed: ${reason}`, { cause })
}
