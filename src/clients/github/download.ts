import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { asError, UserError } from '../../errors.ts'
import type { Github, Received } from './index.ts'

export interface Download {
  /** What is downloaded, for messages: `database.dump.zst of 2026...`. */
  readonly what: string
  readonly bytes: number
  /** SHA-256 in lower-case hex, where GitHub states one. */
  readonly sha256: string | undefined
  /** Asks for the bytes from `offset` on, each time from a fresh address: addresses are valid for a minute. */
  fetch(offset: number): Promise<Received>
}

/** Files up to this size are checked before their first byte is handed on. */
const checkedFirst = 8 * 1024 * 1024

function tooShort(download: Download, got: number): UserError {
  return new UserError('SB401', `The download of ${download.what} ended after ${got} of ${download.bytes} bytes.`, {
    remedy: 'Run the job again; if it repeats, run `command: verify` to see whether the stored file is whole.',
    mayPass: true
  })
}

function wrongBytes(download: Download): UserError {
  return new UserError('SB501', `The download of ${download.what} gave other bytes than GitHub says it holds.`, {
    mayPass: true
  })
}

/** Copies a chunk; throws when there is more than there should be. */
function checked(download: Download, chunk: Uint8Array, offset: number): Buffer {
  if (offset + chunk.length > download.bytes) throw wrongBytes(download)
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
}

/** Passes over the bytes that came before, where a server ignored the range. */
function unseen(chunk: Uint8Array, at: number, offset: number): Uint8Array {
  return at >= offset ? chunk : chunk.subarray(Math.min(offset - at, chunk.length))
}

async function* pieces(github: Github, download: Download): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  let offset = 0
  let failures = 0
  let reader: AsyncIterator<Uint8Array> | undefined
  let at = 0
  try {
    while (offset < download.bytes) {
      let piece: Buffer
      try {
        if (reader === undefined) {
          const received = await download.fetch(offset)
          reader = received.body[Symbol.asyncIterator]()
          at = received.offset
        }
        const next = await reader.next()
        if (next.done === true) throw tooShort(download, offset)
        const fresh = unseen(next.value, at, offset)
        at += next.value.length
        if (fresh.length === 0) continue
        piece = checked(download, fresh, offset)
      } catch (thrown) {
        reader = undefined
        const lasting = thrown instanceof UserError && !thrown.mayPass
        if (lasting || failures >= github.retries) throw lasting ? thrown : brokenOff(download, offset, thrown)
        await github.pause(failures)
        failures += 1
        continue
      }
      hash.update(piece)
      offset += piece.length
      yield piece
    }
  } finally {
    await reader?.return?.().catch(() => undefined)
  }
  if (download.sha256 !== undefined && hash.digest('hex') !== download.sha256) throw wrongBytes(download)
}

function brokenOff(download: Download, offset: number, thrown: unknown): UserError {
  if (thrown instanceof UserError) return thrown
  return new UserError(
    'SB401',
    `The download of ${download.what} broke off after ${offset} of ${download.bytes} bytes: ${asError(thrown).message}`,
    { mayPass: true, cause: thrown }
  )
}

async function* wholePieces(github: Github, download: Download): AsyncGenerator<Buffer> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const all: Buffer[] = []
      for await (const piece of pieces(github, download)) all.push(piece)
      yield* all
      return
    } catch (thrown) {
      const isWrong = thrown instanceof UserError && thrown.code === 'SB501'
      if (!isWrong || attempt >= github.retries) throw thrown
      await github.pause(attempt)
    }
  }
}

/**
 * A stream over the bytes of a download. A connection that breaks is taken up where it broke, from a fresh address. Short,
 * long or other bytes than stated end it with an error; a small file is checked, and fetched again, before it is handed on.
 */
export function openDownload(github: Github, download: Download): Readable {
  const small = download.bytes <= checkedFirst
  return Readable.from(small ? wholePieces(github, download) : pieces(github, download), { objectMode: false })
}

/** All bytes of a small download. */
export async function readDownload(github: Github, download: Download): Promise<Uint8Array> {
  const all: Buffer[] = []
  for await (const piece of openDownload(github, download)) all.push(Buffer.from(piece))
  return Buffer.concat(all)
}
