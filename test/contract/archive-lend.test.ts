import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { encryptionFor, keysOf } from '../../src/archive/encryption.ts'
import { createPacker } from '../../src/archive/pack.ts'
import { lendStoredFile } from '../../src/archive/stored-bytes.ts'
import { createCompression, findZstd } from '../../src/clients/process/zstd.ts'
import { UserError } from '../../src/errors.ts'

const never = new AbortController().signal
const plain = Buffer.concat([randomBytes(3_000_000), Buffer.alloc(3_000_000, 'rows of a table '), randomBytes(17)])
const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

let temp: string
beforeEach(async () => {
  temp = await mkdtemp(join(tmpdir(), 'archive-lend-'))
})
afterEach(() => rm(temp, { recursive: true, force: true }))

type Method = 'zstd' | 'gzip' | 'none'

/** Packs the plain bytes; what comes back reads them, after `change` was made to the stored bytes. */
async function lentBy(
  zstd: string | null,
  method: Method = 'zstd',
  change: (stored: Buffer) => Uint8Array = (stored) => stored
): Promise<(signal?: AbortSignal) => AsyncGenerator<Uint8Array>> {
  const identity = await generateX25519Identity()
  const compression = createCompression({ method, zstd, home: temp })
  const packer = createPacker({
    dir: join(temp, 'packed'),
    encryption: encryptionFor([await identityToRecipient(identity)]),
    compression,
    signal: never
  })
  const { storedName } = await packer.add('database.dump', { bytes: Readable.from([plain]) })
  packer.close()
  const path = join(temp, 'packed', storedName)
  const bytes = change(await readFile(path))
  await writeFile(path, bytes)
  const keys = await keysOf([identity])
  const file = { name: storedName, path, bytes: bytes.byteLength, sha256: digestOf(bytes) }
  const keyOf = async (header: Uint8Array) => {
    const opened = await keys.openHeader(header)
    if (opened.kind !== 'opened') throw new Error(opened.kind)
    return opened.fileKey
  }
  return (signal = never) => lendStoredFile(file, keyOf, compression, signal)
}

/** Reads to the end as a borrower does: each piece is used before the next one is asked for. */
async function use(pieces: AsyncIterable<Uint8Array>): Promise<{ digest: string; memories: number; pieces: number }> {
  const hash = createHash('sha256')
  const memories = new Set<ArrayBufferLike>()
  let count = 0
  for await (const piece of pieces) {
    hash.update(piece)
    memories.add(piece.buffer)
    count += 1
    // Whoever reads ahead into the same memory would change this piece before it is looked at again.
    const before = digestOf(piece)
    if (count % 7 === 0) await delay(1)
    expect(digestOf(piece)).toBe(before)
  }
  return { digest: hash.digest('hex'), memories: memories.size, pieces: count }
}

/** Processes that have `path` as their folder: those of this test alone. */
async function childrenIn(path: string): Promise<number> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const places = await Promise.all(all.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')))
  return places.filter((place) => place === path).length
}

async function failureOf(work: Promise<unknown>): Promise<UserError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  if (!(error instanceof UserError)) throw error ?? new Error('it did not fail')
  return error
}

describe('a packed file that is looked at once', () => {
  test('comes whole from zstd, all of it through the same memory, and leaves nothing in the folder', async () => {
    const lend = await lentBy(await findZstd())
    const used = await use(lend())
    expect(used.digest).toBe(digestOf(plain))
    expect(used.pieces).toBeGreaterThan(40)
    expect(used.memories).toBe(1)
    expect(await readdir(temp)).toEqual(['packed'])
  })

  test('two at once do not meet', async () => {
    const lend = await lentBy(await findZstd())
    const [one, other] = await Promise.all([use(lend()), use(lend())])
    expect([one.digest, other.digest]).toEqual([digestOf(plain), digestOf(plain)])
  })

  test.each([
    ['zstd of Node', null, 'zstd'],
    ['gzip', '/usr/bin/zstd', 'gzip'],
    ['none', '/usr/bin/zstd', 'none']
  ] as const)('comes whole from %s as well', async (_, zstd, method) => {
    expect((await use((await lentBy(zstd, method))())).digest).toBe(digestOf(plain))
  })

  test('comes whole where there is no program that makes pipes', async () => {
    const lend = await lentBy(await findZstd())
    vi.stubEnv('PATH', join(temp, 'packed'))
    try {
      const used = await use(lend())
      expect(used.digest).toBe(digestOf(plain))
      expect(used.memories).toBeGreaterThan(1)
    } finally {
      vi.unstubAllEnvs()
    }
  })

  test('F62: a flipped bit and a cut end are found', async () => {
    const flipped = await lentBy(await findZstd(), 'zstd', (stored) => {
      const at = Math.trunc(stored.length / 2)
      stored[at] = (stored[at] ?? 0) ^ 1
      return stored
    })
    expect((await failureOf(use(flipped()))).code).toBe('SB501')
    await rm(join(temp, 'packed'), { recursive: true })
    const cut = await lentBy(await findZstd(), 'zstd', (stored) => stored.subarray(0, -70_000))
    expect((await failureOf(use(cut()))).code).toBe('SB501')
  })

  test('a borrower who stops ends the program', async () => {
    const pieces = (await lentBy(await findZstd()))()
    await pieces.next()
    expect(await childrenIn(temp)).toBe(1)
    await pieces.return(undefined)
    expect(await childrenIn(temp)).toBe(0)
  })

  test('a cancelled run ends it in its middle', async () => {
    const stop = new AbortController()
    const pieces = (await lentBy(await findZstd()))(stop.signal)
    await pieces.next()
    stop.abort(new UserError('SB001', 'cancelled'))
    const rest = async () => {
      for (;;) if ((await pieces.next()).done === true) return
    }
    await failureOf(rest())
    expect(await childrenIn(temp)).toBe(0)
  })
})
