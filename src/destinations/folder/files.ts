import { createHash } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { isDeadRun, readRunMark } from '../../clients/process/run-mark.ts'
import { UserError } from '../../errors.ts'
import type { Body, NotRead, Volume } from '../destination.ts'
import { tooLargeToRead } from '../names.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

const notPlain: NotRead = { notRead: 'it is no plain file' }

/** Names of what is not finished start with this; no stored file's name starts with a dot. */
export const partialPrefix = '.partial-'

/** A new name for something unfinished: it says which run makes it, so that another run can tell when that one is dead. */
export function partialName(random: string): string {
  return `${partialPrefix}${readRunMark() ?? 'unknown'}-${random}`
}

/** Whether it is certain that the run that made this unfinished thing has ended: only on the machine on which it ran. */
export function isOfDeadRun(name: string): boolean {
  const mark = /^\.partial-(.+)-[0-9a-f]+$/.exec(name)?.[1]
  return mark !== undefined && isDeadRun(mark)
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** An error of the file system as one for the person who chose the folder. */
export function folderError(error: unknown, path: string): unknown {
  const code = errorCode(error)
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new UserError('SB410', `There is no room left for ${path} (${code}).`, { cause: error })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new UserError('SB411', `${path} cannot be read or written (${code}).`, { cause: error })
    case 'ELOOP':
      return new UserError('SB412', `${path} is a symbolic link.`, { cause: error })
    case 'ENOTDIR':
      return new UserError('SB412', `${path} goes through something that is no folder.`, { cause: error })
    case 'EIO':
    case 'ESTALE':
    case 'ENXIO':
    case 'ENODEV':
      return new UserError('SB401', `The disk or share that holds ${path} does not answer (${code}).`, {
        cause: error,
        remedy: 'Check that the disk or share is mounted and healthy.'
      })
    default:
      return error
  }
}

/** Runs `work` on `path`; errors of the file system that a person can mend come out as UserErrors. */
export async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw folderError(error, path)
  }
}

/** What lies at `path` itself, links not followed; null when there is nothing. */
export async function look(path: string): Promise<Stats | null> {
  try {
    return await lstat(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw folderError(error, path)
  }
}

/** Whether there is a real folder at `path`. Throws SB412 when something else stands there. */
export async function isFolder(path: string): Promise<boolean> {
  const found = await look(path)
  if (found === null) return false
  if (found.isSymbolicLink()) throw new UserError('SB412', `${path} is a symbolic link.`)
  if (!found.isDirectory()) throw new UserError('SB412', `${path} is no folder.`)
  return true
}

/** Makes a folder that only this user can enter, unless a real one is there. */
export async function makeFolder(path: string): Promise<void> {
  if (await isFolder(path)) return
  await guarded(path, async () => {
    try {
      await mkdir(path, { mode: 0o700 })
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error
    }
  })
  await isFolder(path)
  await syncFolder(dirname(path))
}

/** Makes renames and new names inside a folder last through a power cut. */
export async function syncFolder(path: string): Promise<void> {
  await guarded(path, async () => {
    const handle = await open(path, O_RDONLY | O_DIRECTORY)
    try {
      await handle.sync()
    } catch (error) {
      // Some network file systems cannot sync a folder; there the rename itself is what they promise.
      if (!['EINVAL', 'ENOTSUP', 'EBADF'].includes(errorCode(error) ?? '')) throw error
    } finally {
      await handle.close()
    }
  })
}

/**
 * Writes a body to a new file at `path` (linked when it lies on the same file system as one local file), through to the disk,
 * and reads it back: resolves when its length and SHA-256 are those of the body, else removes it and throws.
 */
export async function writeBody(path: string, body: Volume, signal: AbortSignal): Promise<void> {
  try {
    if (!(await linked(path, body))) await copied(path, body, signal)
    await compare(path, body, signal)
  } catch (error) {
    await rm(path, { force: true })
    throw folderError(error, path)
  }
}

/** Writes a small new file through to the disk and reads it back. */
export async function writeSmall(path: string, content: Uint8Array, signal: AbortSignal): Promise<void> {
  const sha256 = createHash('sha256').update(content).digest('hex')
  await writeBody(
    path,
    { bytes: content.byteLength, sha256, open: () => Readable.from([Buffer.from(content)]) },
    signal
  )
}

async function linked(path: string, body: Volume): Promise<boolean> {
  if (body.path === undefined) return false
  const source = await lstat(body.path)
  if (!source.isFile()) throw new Error(`${body.path} is no plain file`)
  try {
    await link(body.path, path)
    return true
  } catch (error) {
    // Another file system, or one without links, or with too many of them: copy.
    if (['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EACCES'].includes(errorCode(error) ?? ''))
      return false
    throw error
  }
}

async function copied(path: string, body: Volume, signal: AbortSignal): Promise<void> {
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    for await (const chunk of body.open()) {
      signal.throwIfAborted()
      let bytes: Uint8Array = chunk
      while (bytes.byteLength > 0) bytes = bytes.subarray((await handle.write(bytes)).bytesWritten)
    }
  } finally {
    await handle.close()
  }
}

async function compare(path: string, body: Volume, signal: AbortSignal): Promise<void> {
  const handle = await open(path, O_RDONLY | O_NOFOLLOW)
  try {
    await handle.sync()
    const found = await handle.stat()
    if (!found.isFile() || found.size !== body.bytes)
      throw differs(path, `${found.size} bytes instead of ${body.bytes}`)
    const digest = createHash('sha256')
    for await (const chunk of chunks(handle)) {
      signal.throwIfAborted()
      digest.update(chunk)
    }
    if (digest.digest('hex') !== body.sha256) throw differs(path, 'another SHA-256')
  } finally {
    await handle.close()
  }
}

function differs(path: string, how: string): UserError {
  return new UserError('SB414', `${path} has ${how}.`)
}

async function* chunks(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(256 * 1024), 0, 256 * 1024, null)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

/** A small stored file; null when there is none, `NotRead` for what is too large or no plain file. Refuses links. */
export async function readSmall(path: string): Promise<Uint8Array | NotRead | null> {
  return guarded(path, async () => {
    let handle: FileHandle
    try {
      // A pipe that nobody writes to would be waited for.
      handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null
      if (errorCode(error) === 'ENXIO' && (await look(path))?.isSocket() === true) return notPlain
      throw error
    }
    try {
      const found = await handle.stat()
      if (!found.isFile()) return notPlain
      return tooLargeToRead(found.size) ?? (await handle.readFile())
    } finally {
      await handle.close()
    }
  })
}

/** A stored file as a body; null when there is none. */
export async function bodyOf(path: string): Promise<Body | null> {
  const found = await look(path)
  if (found === null) return null
  if (found.isSymbolicLink()) throw new UserError('SB412', `${path} is a symbolic link.`)
  if (!found.isFile()) throw new UserError('SB412', `${path} is no plain file.`)
  return {
    bytes: found.size,
    path,
    open: () => Readable.from(readWhole(path, found.size), { objectMode: false, highWaterMark: 256 * 1024 })
  }
}

async function* readWhole(path: string, bytes: number): AsyncGenerator<Uint8Array> {
  const handle = await guarded(path, () => open(path, O_RDONLY | O_NOFOLLOW))
  let length = 0
  try {
    for await (const chunk of chunks(handle)) {
      length += chunk.byteLength
      if (length > bytes) throw new UserError('SB501', `${path} grew while it was read.`)
      yield chunk
    }
  } finally {
    await handle.close()
  }
  if (length !== bytes) throw new UserError('SB501', `${path} ended after ${length} of ${bytes} bytes.`)
}
