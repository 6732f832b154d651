import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { UserError } from '../errors.ts'
import type { Body, Volume } from './destination.ts'

/** A whole local file with its known length and digest. */
export interface LocalFile {
  readonly path: string
  readonly bytes: number
  /** SHA-256 in lower-case hex. */
  readonly sha256: string
}

/** A file or a piece of one under the name that it is stored as. */
export interface NamedVolume {
  readonly name: string
  readonly body: Volume
}

/** What a manifest says of a stored file. */
export interface JoinedFile {
  readonly name: string
  readonly bytes: number
  readonly sha256: string
  readonly volumes?: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[] | undefined
}

interface Range {
  readonly suffix: string
  readonly start: number
  readonly bytes: number
}

/**
 * Where a file of `bytes` is cut so that no piece is larger than `largest`; one piece without a suffix when it fits.
 * All suffixes have the same number of digits (three or more), so that `cat name.*` joins in the right order.
 */
export function volumeRanges(bytes: number, largest: number): readonly Range[] {
  if (!Number.isSafeInteger(largest) || largest < 1) throw new Error(`not a size of volumes: ${largest}`)
  if (bytes <= largest) return [{ suffix: '', start: 0, bytes }]
  const count = Math.ceil(bytes / largest)
  const digits = Math.max(3, String(count - 1).length)
  return Array.from({ length: count }, (_, index) => ({
    suffix: `.${String(index).padStart(digits, '0')}`,
    start: index * largest,
    bytes: Math.min(largest, bytes - index * largest)
  }))
}

/**
 * Cuts a local file into volumes no larger than `largestFile`. Reads the file once, to know the digest of each; nothing is
 * copied. Throws UserError SB501 when the file no longer has the length and digest that it is said to have.
 */
export async function cutIntoVolumes(
  name: string,
  file: LocalFile,
  largestFile: number,
  signal: AbortSignal
): Promise<readonly NamedVolume[]> {
  const ranges = volumeRanges(file.bytes, largestFile)
  if (ranges.length === 1) return [{ name, body: localVolume(file) }]
  const whole = createHash('sha256')
  const volumes: NamedVolume[] = []
  for (const range of ranges) {
    const digest = createHash('sha256')
    for await (const chunk of openRange(file.path, range.start, range.bytes)) {
      signal.throwIfAborted()
      digest.update(chunk)
      whole.update(chunk)
    }
    volumes.push({
      name: `${name}${range.suffix}`,
      body: {
        bytes: range.bytes,
        sha256: digest.digest('hex'),
        open: () => openRange(file.path, range.start, range.bytes)
      }
    })
  }
  if (whole.digest('hex') !== file.sha256) {
    throw new UserError('SB501', `The file ${name} changed on this machine after it was written.`, {
      remedy: 'Run the backup again; if it repeats, check the disk of the runner.'
    })
  }
  return volumes
}

/** A whole local file as one volume. */
export function localVolume(file: LocalFile): Volume {
  return { bytes: file.bytes, sha256: file.sha256, path: file.path, open: () => openRange(file.path, 0, file.bytes) }
}

/** Bytes in memory as a volume; for small files. */
export function memoryVolume(content: Uint8Array): Volume {
  return {
    bytes: content.byteLength,
    sha256: createHash('sha256').update(content).digest('hex'),
    open: () => Readable.from(content.byteLength === 0 ? [] : [Buffer.from(content)])
  }
}

/**
 * `bytes` bytes of a local file from `start` on. A file that is shorter than that destroys the stream with an error; what
 * lies behind the range is not read.
 */
export function openRange(path: string, start: number, bytes: number): Readable {
  if (bytes === 0) return Readable.from([])
  return Readable.from(readRange(path, start, bytes), { objectMode: false, highWaterMark: 256 * 1024 })
}

async function* readRange(path: string, start: number, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes
  for await (const chunk of createReadStream(path, { start, end: start + bytes - 1, highWaterMark: 256 * 1024 })) {
    left -= chunk.length
    yield chunk
  }
  if (left !== 0) throw new Error(`${path} is ${left} bytes shorter than expected`)
}

/**
 * The whole file that a manifest names, joined from what `get` returns for its volumes. Length and SHA-256 of each volume and of
 * the whole are compared with the manifest's: at the first difference the stream is destroyed with UserError SB501, always
 * before it would end. What was read until then must not be trusted before the end has come.
 */
export function joinVolumes(file: JoinedFile, get: (name: string) => Promise<Body>): Readable {
  return Readable.from(joined(file, get), { objectMode: false, highWaterMark: 256 * 1024 })
}

async function* joined(file: JoinedFile, get: (name: string) => Promise<Body>): AsyncGenerator<Uint8Array> {
  const whole = createHash('sha256')
  let total = 0
  for (const volume of file.volumes ?? [file]) {
    const body = await get(volume.name)
    if (body.bytes !== volume.bytes) throw damaged(volume.name, `has ${body.bytes} bytes instead of ${volume.bytes}`)
    const digest = createHash('sha256')
    let bytes = 0
    for await (const chunk of body.open()) {
      bytes += chunk.length
      if (bytes > volume.bytes) throw damaged(volume.name, `has more than its ${volume.bytes} bytes`)
      digest.update(chunk)
      whole.update(chunk)
      yield chunk
    }
    if (bytes !== volume.bytes) throw damaged(volume.name, `ended after ${bytes} of ${volume.bytes} bytes`)
    if (digest.digest('hex') !== volume.sha256) throw damaged(volume.name, 'has another SHA-256 than the manifest says')
    total += bytes
  }
  if (total !== file.bytes) throw damaged(file.name, `has ${total} bytes instead of ${file.bytes}`)
  if (whole.digest('hex') !== file.sha256) throw damaged(file.name, 'has another SHA-256 than the manifest says')
}

function damaged(name: string, how: string): UserError {
  return new UserError('SB501', `The stored file ${name} ${how}.`)
}
