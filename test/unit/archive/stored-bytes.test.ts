import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { createPayloadSealer } from '../../../src/archive/age-stream.ts'
import type { Compression } from '../../../src/archive/compression.ts'
import { keysOf, sealFile } from '../../../src/archive/encryption.ts'
import { type FileKeyOf, openStoredFile, pourStoredFile, splitHeader } from '../../../src/archive/stored-bytes.ts'
import { isStorableName, plainNameOf, splitStoredName, storedNameOf } from '../../../src/archive/stored-names.ts'
import { UserError } from '../../../src/errors.ts'
import { codec, collect, failureOf, folderForEach, identity, never, sealed } from './packing.ts'

const folder = folderForEach()
const noKey: FileKeyOf = () => Promise.reject(new Error('no key was to be asked for'))
const fileKeyOf: FileKeyOf = async (header) => {
  const opened = await (await keysOf([identity])).openHeader(header)
  if (opened.kind !== 'opened') throw new UserError('SB502', opened.kind)
  return opened.fileKey
}

async function fileOf(name: string, bytes: Uint8Array) {
  const path = join(folder.path, name)
  await writeFile(path, bytes)
  return { name, path, bytes: bytes.byteLength, sha256: createHash('sha256').update(bytes).digest('hex') }
}
async function sealedBytes(plain: Uint8Array): Promise<Buffer> {
  if (sealed.scheme === 'none') throw new Error('not reached')
  const { header, payload } = await sealFile(sealed)
  return Buffer.concat([header, ...payload.push(plain).map((part) => Buffer.from(part)), ...payload.end()])
}
const opened = (file: Awaited<ReturnType<typeof fileOf>>, keyOf = noKey, signal = never) =>
  collect(openStoredFile(file, keyOf, codec('none'), signal))

describe('opening', () => {
  test('by the endings of the name: as it is, decompressed, decrypted, both', async () => {
    const text = Buffer.from('text '.repeat(50_000))
    expect((await opened(await fileOf('a', text))).equals(text)).toBe(true)
    expect((await opened(await fileOf('a.gz', gzipSync(text)))).equals(text)).toBe(true)
    expect((await opened(await fileOf('a.age', await sealedBytes(text)), fileKeyOf)).equals(text)).toBe(true)
    expect((await opened(await fileOf('a.gz.age', await sealedBytes(gzipSync(text))), fileKeyOf)).equals(text)).toBe(
      true
    )
  })

  test('what is read in several pieces is put together, and a key that does not fit is told in its own words', async () => {
    const large = randomBytes(3 * 1024 * 1024)
    expect((await opened(await fileOf('a', large))).equals(large)).toBe(true)
    const file = await fileOf('a.age', await sealedBytes(large))
    expect((await opened(file, fileKeyOf)).equals(large)).toBe(true)
    const other = () => Promise.reject(new UserError('SB502', 'made for other keys'))
    expect(await failureOf(opened(file, other))).toBe('SB502 made for other keys')
    expect(await failureOf(opened({ ...file, name: 'a.gz.age' }, other))).toBe('SB502 made for other keys')
  })

  test('F62: another length, another SHA-256 and a file that is gone are told apart', async () => {
    const file = await fileOf('a', Buffer.from('text'))
    expect(await failureOf(opened({ ...file, bytes: 5 }))).toBe(
      "SB501 a has 4 bytes on this machine's disk instead of 5."
    )
    expect(await failureOf(opened({ ...file, sha256: '0'.repeat(64) }))).toBe(
      "SB501 a was changed on this machine's disk: its SHA-256 is another one."
    )
    expect(await failureOf(opened({ ...file, path: join(folder.path, 'gone') }))).toBe(
      "SB313 a could not be read from this machine's disk."
    )
  })

  test('F62: what is no age file is refused, without reading all of it into memory', async () => {
    const none = 'SB501 a.age is damaged: It has no encryption header.'
    expect(await failureOf(opened(await fileOf('a.age', Buffer.alloc(0))))).toBe(none)
    expect(await failureOf(opened(await fileOf('a.age', Buffer.from('age-encryption.org/v1\n'))))).toBe(none)
    expect(await failureOf(opened(await fileOf('a.age', Buffer.alloc(5 * 1024 * 1024, 'x'))))).toBe(none)
  })

  test('a header that is longer than what is read at once is put together', async () => {
    const header = Buffer.from(`age-encryption.org/v1\n${'-> X25519 a\nbody\n'.repeat(70_000)}--- mac\n`)
    expect(header.byteLength).toBeGreaterThan(1024 * 1024)
    const fileKey = Buffer.alloc(16, 7)
    const sealer = createPayloadSealer(fileKey, Buffer.alloc(16, 9))
    const payload = [...sealer.push(Buffer.from('text')), ...sealer.end()]
    const keyOf: FileKeyOf = async (found) => {
      if (!header.equals(found)) throw new Error('another header')
      return fileKey
    }
    expect((await opened(await fileOf('a.age', Buffer.concat([header, ...payload])), keyOf)).toString()).toBe('text')
  })

  test('F62: a payload that was changed or cut before it was hashed is damaged, not a bug', async () => {
    const bytes = await sealedBytes(Buffer.from('secret'))
    expect(await failureOf(opened(await fileOf('a.age', bytes.subarray(0, -1)), fileKeyOf))).toMatch(
      /^SB501 a\.age is damaged: Encrypted chunk 0 is damaged/
    )
    const [header] = [splitHeader(bytes)?.header ?? bytes]
    expect(await failureOf(opened(await fileOf('a.age', header), fileKeyOf))).toMatch(/ends too early/)
    await expect(opened(await fileOf('a.age', bytes))).rejects.toThrow('no key was to be asked for')
  })

  test('F62: what cannot be decompressed is damaged', async () => {
    const gzip = gzipSync(Buffer.from('text'.repeat(1000)))
    for (const bytes of [gzip.subarray(0, -9), Buffer.from('no gzip at all'), Buffer.alloc(0)])
      expect(await failureOf(opened(await fileOf('a.gz', bytes)))).toMatch(/^SB501 /)
    const file = await fileOf('a.gz', gzip)
    expect(await failureOf(opened({ ...file, sha256: '0'.repeat(64) }))).toContain('was changed on this machine')
  })

  test('F36: nothing is opened in a run that was cancelled', async () => {
    const signal = AbortSignal.abort(new UserError('SB302', 'time is up'))
    const file = await fileOf('a.gz', gzipSync(Buffer.from('text')))
    expect(await failureOf(opened(file, noKey, signal))).toBe('SB302 time is up')
    expect(await failureOf(opened(file, noKey, AbortSignal.abort('why not')))).toMatch(/^SB301 /)
    expect(await failureOf(opened(await fileOf('a', Buffer.from('text')), noKey, signal))).toBe('SB302 time is up')
  })

  test('a reader that leaves early ends the decompressor', async () => {
    const inner = codec('gzip')
    let ended: Promise<void> | undefined
    const watched = {
      ...inner,
      decompress: (...given: Parameters<typeof inner.decompress>) => {
        const made = inner.decompress(...given)
        ended = made.done
        return made
      }
    }
    const file = await fileOf('a.gz', gzipSync(Buffer.alloc(20_000_000)))
    const stream = openStoredFile(file, noKey, watched, never)
    for await (const _chunk of stream) break
    expect(stream.destroyed).toBe(true)
    await expect(ended).rejects.toThrow()
  })
})

describe('pouring into a child', () => {
  /** Unpacks within this process, as a program beside it would: its end is told apart from the end of its input. */
  const pouring: Compression = {
    ...codec('none'),
    decompressInto: (_method, into) => {
      const gunzip = createGunzip()
      const done = pipeline(gunzip, into).then(
        () => true,
        (cause: unknown) => {
          throw new UserError('SB501', 'cannot be decompressed', { cause })
        }
      )
      return { input: gunzip, done }
    }
  }
  const pour = async (file: Awaited<ReturnType<typeof fileOf>>, signal = never) => {
    const into = new PassThrough()
    into.resume()
    return pourStoredFile(file, noKey, pouring, into, signal)
  }

  test('F62: bytes that are what was stored, but are no stream of the compressor, are damaged', async () => {
    const file = await fileOf('a.gz', Buffer.from('no gzip at all'))
    expect(await failureOf(pour(file))).toBe('SB501 cannot be decompressed')
    expect(await pour(await fileOf('b.gz', gzipSync(Buffer.from('text'))))).toBe(true)
  })

  test('F62: of a file that differs and cannot be decompressed for it, the difference is told', async () => {
    const file = await fileOf('a.gz', Buffer.from('no gzip at all'))
    expect(await failureOf(pour({ ...file, path: join(folder.path, 'gone') }))).toMatch(
      /^SB313 a\.gz could not be read/
    )
    const whole = await fileOf('b.gz', gzipSync(randomBytes(100_000)))
    expect(await failureOf(pour({ ...whole, sha256: '0'.repeat(64) }))).toMatch(/^SB501 b\.gz was changed/)
  })

  test('F36: a run that was cancelled meanwhile says so, however the pouring ended', async () => {
    const signal = AbortSignal.abort(new UserError('SB302', 'time is up'))
    const good = await fileOf('a.gz', gzipSync(Buffer.from('text')))
    const bad = await fileOf('b.gz', Buffer.from('no gzip at all'))
    for (const file of [good, bad]) expect(await failureOf(pour(file, signal))).toBe('SB302 time is up')
  })
})

test('the header of an age file ends with the line of its MAC, not before', () => {
  const split = (text: string) => {
    const found = splitHeader(Buffer.from(text))
    return found === null ? null : [found.header, found.rest].map((part) => Buffer.from(part).toString())
  }
  expect(split('v1\n-> X25519 a\nbody\n--- mac\nrest\n--- x\n')).toEqual([
    'v1\n-> X25519 a\nbody\n--- mac\n',
    'rest\n--- x\n'
  ])
  expect(split('v1\n-> X25519 a\nbody\n--- mac\n')).toEqual(['v1\n-> X25519 a\nbody\n--- mac\n', ''])
  expect(split('v1\n-> X25519 a\nbody\n--- mac')).toBeNull()
  expect(split('v1\n-> X25519 a\nbody\n')).toBeNull()
  expect(split('')).toBeNull()
})

describe('stored names', () => {
  test('say how a file was packed, and back', () => {
    const all = ['zstd', 'gzip', 'none'].flatMap((compression) =>
      [true, false].map((encrypted) => [compression, encrypted])
    )
    expect(
      all.map(([compression, encrypted]) => storedNameOf('a.tar', compression as 'zstd', encrypted === true))
    ).toEqual(['a.tar.zst.age', 'a.tar.zst', 'a.tar.gz.age', 'a.tar.gz', 'a.tar.age', 'a.tar'])
    for (const [compression, encrypted] of all) {
      const name = storedNameOf('a.tar', compression as 'zstd', encrypted === true)
      expect(splitStoredName(name)).toEqual({ plainName: 'a.tar', compression, encrypted })
      expect(plainNameOf(name)).toBe('a.tar')
    }
    expect(plainNameOf('RESTORE.md')).toBe('RESTORE.md')
    expect(plainNameOf('notes.agenda')).toBe('notes.agenda')
  })

  test.each([
    ['a', true],
    ['_a', true],
    ['A-b_c.9', true],
    [`a${'b'.repeat(199)}`, true],
    [`a${'b'.repeat(200)}`, false],
    ['', false],
    ['a.', false],
    ['.a', false],
    ['-a', false],
    ['a/b', false],
    ['a b', false],
    ['ä', false],
    ['a\n', false],
    ['..', false]
  ])('%j may be one: %s', (name, expected) => {
    expect(isStorableName(name)).toBe(expected)
  })
})
