import { close, constants, open } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { asError, UserError } from '../../errors.ts'
import { childEnvironment, runChild } from './child-process.ts'

const openFile = promisify(open)
const closeFile = promisify(close)

/** Bytes that one piece may have: a pipe of Linux holds 64 KiB at a time. */
const pieceSize = 128 * 1024

/** A pipe from a child that is to be started, read into the same memory again and again. */
export interface ReusedPipe {
  /** The end that the child gets as its standard output. */
  readonly childEnd: number
  /** Closes this process's copy of that end: to be called once the child was started, or could not be. */
  handedOver(): Promise<void>
  /** What the child writes, to its end. A piece holds until the next one is asked for. */
  readonly pieces: AsyncIterable<Uint8Array>
  /** Closes this end: a child that still writes is ended by SIGPIPE. */
  destroy(): void
}

/**
 * Node reads a child's output into fresh memory for each piece, which V8 only sees as 64 MiB that it has to look after: a gigabyte that runs through costs
 * dozens of full collections, a tenth of a restore. Only a socket made from a descriptor reads into memory that it is given (`onread` of `net.Socket`), and
 * a pipe with a name is the one kind whose two ends can be had without an interface of Node's own. The name is gone before this resolves. Null where the
 * machine has no program that makes one, or the folder takes none: it is only a matter of speed.
 */
export async function openReusedPipe(folder: string, name: string, signal: AbortSignal): Promise<ReusedPipe | null> {
  const path = join(folder, name)
  const made = await runChild({
    command: 'mkfifo',
    args: ['-m', '600', '--', path],
    env: childEnvironment(folder),
    cwd: folder,
    signal
  }).catch((error: unknown) => {
    if (error instanceof UserError && error.code === 'SB302') return null
    throw error
  })
  if (made?.code !== 0) return null
  // Reading first, without waiting: opening the other end waits for a reader.
  const ours = await openFile(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const childEnd = await openFile(path, constants.O_WRONLY)
    .catch(async (error: unknown) => {
      await closeFile(ours)
      throw error
    })
    .finally(() => rm(path, { force: true }))

  const buffer = Buffer.allocUnsafeSlow(pieceSize)
  let filled = 0
  let ended = false
  let failure: Error | undefined
  let changed = Promise.withResolvers<void>()
  const tell = () => {
    changed.resolve()
    changed = Promise.withResolvers()
  }
  const socket = new Socket({
    fd: ours,
    readable: true,
    writable: false,
    onread: {
      buffer,
      callback(bytes) {
        filled = bytes
        tell()
        // No more before this was used up.
        return false
      }
    }
  })
  socket.on('error', (error) => {
    failure = asError(error)
  })
  for (const event of ['end', 'close'])
    socket.on(event, () => {
      ended = true
      tell()
    })

  return {
    childEnd,
    handedOver: () => closeFile(childEnd),
    pieces: {
      async *[Symbol.asyncIterator]() {
        for (;;) {
          if (filled === 0 && !ended) socket.resume()
          while (filled === 0 && !ended) await changed.promise
          if (failure !== undefined) throw failure
          if (filled === 0) return
          const piece = buffer.subarray(0, filled)
          filled = 0
          yield piece
        }
      }
    },
    destroy: () => void socket.destroy()
  }
}
