import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { diskError } from './disk-error.ts'

const batchSize = 1024 * 1024
/** The disk is told to write this many bytes while more are made, so that the last `fsync` has little left to do. */
const syncEvery = 64 * 1024 * 1024

export interface StoredFileWriterOptions {
  readonly onProgress?: ((bytes: number) => void) | undefined
  /** A file that this run alone reads, and removes: the disk is not waited for. */
  readonly passing?: boolean
}

/** Writes one stored file and hashes it on the way. Calls must follow one another. */
export interface StoredFileWriter {
  /** Resolves when more may be written: at most one batch of 1 MiB is on its way to the disk. */
  write(parts: readonly Uint8Array[]): Promise<void>
  /** Resolves when all bytes are written: safely on disk, unless the file is a passing one. */
  commit(): Promise<{ readonly bytes: number; readonly sha256: string }>
  /** Closes and removes the file. Never throws; after `commit` as well. */
  discard(): Promise<void>
}

/**
 * Creates `path` (mode 0600; it must not exist, symbolic links are not followed) and, where needed, its folder (mode 0700), and gives its
 * writer. Errors are UserErrors: SB310 disk full, SB311 else.
 */
export async function createStoredFileWriter(
  path: string,
  { onProgress, passing = false }: StoredFileWriterOptions = {}
): Promise<StoredFileWriter> {
  await attempt(path, 0, () => mkdir(dirname(path), { recursive: true, mode: 0o700 }))
  const file = await attempt(path, 0, () =>
    open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
  )
  const hash = createHash('sha256')
  const buffers = [Buffer.allocUnsafe(batchSize), Buffer.allocUnsafe(batchSize)] as const
  let current: 0 | 1 = 0
  let filled = 0
  let bytes = 0
  let unsynced = 0
  let writing: Promise<void> = Promise.resolve()
  let syncing: Promise<void> = Promise.resolve()

  /** Starts to write the filled buffer once the one before is on disk, and goes on with the other. */
  const flush = async (): Promise<void> => {
    const batch = buffers[current].subarray(0, filled)
    current = current === 0 ? 1 : 0
    filled = 0
    await writing
    const at = bytes
    bytes += batch.byteLength
    hash.update(batch)
    writing = attempt(path, at, () => writeWhole(file, batch)).then(() => onProgress?.(batch.byteLength))
    // The next flush or commit waits for it and throws; until then the rejection is not unhandled.
    writing.catch(() => undefined)
    unsynced += batch.byteLength
    if (passing || unsynced < syncEvery) return
    unsynced = 0
    await syncing
    syncing = attempt(path, at, () => file.datasync())
    syncing.catch(() => undefined)
  }

  return {
    async write(parts) {
      for (const part of parts) {
        let rest = part
        while (rest.byteLength > 0) {
          const taken = rest.subarray(0, batchSize - filled)
          buffers[current].set(taken, filled)
          filled += taken.byteLength
          rest = rest.subarray(taken.byteLength)
          if (filled === batchSize) await flush()
        }
      }
    },
    async commit() {
      if (filled > 0) await flush()
      await writing
      await syncing
      if (!passing) await attempt(path, bytes, () => file.sync())
      await attempt(path, bytes, () => file.close())
      return { bytes, sha256: hash.digest('hex') }
    },
    async discard() {
      await Promise.allSettled([writing, syncing])
      // Already closed after a commit; what counts is that the file goes.
      await file.close().catch(() => undefined)
      await rm(path, { force: true }).catch(() => undefined)
    }
  }
}

async function writeWhole(file: FileHandle, batch: Uint8Array): Promise<void> {
  let rest = batch
  while (rest.byteLength > 0) {
    const { bytesWritten } = await file.write(rest)
    rest = rest.subarray(bytesWritten)
  }
}

async function attempt<T>(path: string, written: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw await diskError(path, written, error)
  }
}
