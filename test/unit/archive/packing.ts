import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterEach, beforeEach } from 'vitest'
import type { Compression, CompressionMethod } from '../../../src/archive/compression.ts'
import { type Encryption, encryptionFor } from '../../../src/archive/encryption.ts'
import type { Content } from '../../../src/archive/files.ts'
import { createCompression } from '../../../src/clients/process/zstd.ts'
import { UserError } from '../../../src/errors.ts'

export const never = new AbortController().signal
export const identity = await generateX25519Identity()
export const sealed = encryptionFor([await identityToRecipient(identity)])
export const plain: Encryption = { scheme: 'none' }

/** Node's own codecs: without a child process. */
export const codec = (method: CompressionMethod): Compression =>
  createCompression({ method, zstd: null, home: tmpdir() })

/** A folder of its own for each test of a file, gone afterwards. */
export function folderForEach(): { readonly path: string } {
  const folder = { path: '' }
  beforeEach(() => {
    folder.path = mkdtempSync(join(tmpdir(), 'packing-'))
  })
  afterEach(() => rmSync(folder.path, { recursive: true, force: true }))
  return folder
}

export function bytesOf(text: string | Uint8Array): Content {
  return { bytes: Readable.from([Buffer.from(text)]) }
}

export async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Code and text of the UserError that work fails with; else what came of it. */
export async function failureOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => 'it worked',
    (thrown: unknown) => thrown
  )
  return error instanceof UserError ? `${error.code} ${error.message}` : String(error)
}
