import { createHash, randomBytes } from 'node:crypto'
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ByteStage,
  createPayloadOpener,
  createPayloadSealer,
  DamagedPayload,
  payloadSize
} from '../../../src/archive/age-stream.ts'
import { encryptionFor, keysOf, sealFile } from '../../../src/archive/encryption.ts'
import { splitHeader } from '../../../src/archive/stored-bytes.ts'
import { openVector, readVectors } from './age-vectors.ts'

const chunk = 65_536
const fileKey = Buffer.alloc(16, 7)
const nonce = Buffer.alloc(16, 9)

function run(stage: ByteStage, bytes: Uint8Array, sizes: readonly number[]): Buffer {
  const out: Uint8Array[] = []
  let at = 0
  for (let index = 0; at < bytes.byteLength; index += 1) {
    const size = sizes[index % sizes.length] ?? chunk
    // Copies, because a chunk is the stage's own only until the next push.
    for (const part of stage.push(bytes.subarray(at, at + size))) out.push(Buffer.from(part))
    at += size
  }
  for (const part of stage.end()) out.push(Buffer.from(part))
  return Buffer.concat(out)
}
const seal = (plain: Uint8Array, sizes: readonly number[] = [chunk]) =>
  run(createPayloadSealer(fileKey, nonce), plain, sizes)
const open = (sealed: Uint8Array, sizes: readonly number[] = [chunk]) =>
  run(createPayloadOpener(fileKey), sealed, sizes)

/** What an opener hands on before it fails. */
function handedOn(sealed: Uint8Array): { bytes: Buffer; failed: boolean } {
  const opener = createPayloadOpener(fileKey)
  const out: Uint8Array[] = []
  try {
    for (const part of opener.push(sealed)) out.push(Buffer.from(part))
    for (const part of opener.end()) out.push(Buffer.from(part))
  } catch (error) {
    if (!(error instanceof DamagedPayload)) throw error
    return { bytes: Buffer.concat(out), failed: true }
  }
  return { bytes: Buffer.concat(out), failed: false }
}

describe("the age project's vectors", () => {
  const vectors = readVectors()

  test('there are 143 of them', () => {
    expect(vectors).toHaveLength(143)
  })

  test.each([
    ['whole', Number.MAX_SAFE_INTEGER],
    ['in pieces of 1,000 bytes', 1000],
    ['byte by byte', 1]
  ])('F65: each one opens or fails as it must, read %s', { timeout: 60_000 }, async (_how, size) => {
    for (const vector of vectors) {
      // The three of 16 MiB would take 10 seconds byte by byte and show nothing new.
      const pieces = vector.file.byteLength > 1_000_000 ? Math.max(size, 97) : size
      const { outcome, bytes, sha256 } = await openVector(vector, pieces)
      expect(outcome, vector.name).toBe(vector.expect)
      // Of a damaged payload only whole chunks come out, never the last one.
      if (outcome === 'success') expect(sha256, vector.name).toBe(vector.payloadSha256)
      else expect(bytes % chunk, vector.name).toBe(0)
    }
  })
})

test('what is sealed opens again, whatever its size and however it is cut', () => {
  const size = fc.oneof(
    fc.nat(200),
    fc.integer({ min: chunk - 20, max: chunk + 20 }),
    fc.integer({ min: 2 * chunk - 20, max: 3 * chunk + 20 })
  )
  const cuts = fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(size, cuts, cuts, (length, cutsIn, cutsOut) => {
      const plain = randomBytes(length)
      const sealed = seal(plain, cutsIn)
      expect(sealed.byteLength).toBe(payloadSize(length))
      expect(open(sealed, cutsOut).equals(plain)).toBe(true)
    }),
    { numRuns: 150 }
  )
})

test.each([0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk])(
  'the age-encryption package opens %i bytes sealed here, and the other way round',
  async (length) => {
    const identity = await generateX25519Identity()
    const recipient = await identityToRecipient(identity)
    const plain = randomBytes(length)

    const encryption = encryptionFor([recipient])
    if (encryption.scheme === 'none') throw new Error('not reached')
    const { header, payload } = await sealFile(encryption)
    const decrypter = new Decrypter()
    decrypter.addIdentity(identity)
    const opened = await decrypter.decrypt(Buffer.concat([header, run(payload, plain, [10_000])]))
    expect(Buffer.from(opened).equals(plain)).toBe(true)

    const encrypter = new Encrypter()
    encrypter.addRecipient(recipient)
    const split = splitHeader(await encrypter.encrypt(plain))
    const key = await (await keysOf([identity])).openHeader(split?.header ?? new Uint8Array())
    if (key.kind !== 'opened') throw new Error(key.kind)
    expect(run(createPayloadOpener(key.fileKey), split?.rest ?? new Uint8Array(), [chunk]).equals(plain)).toBe(true)
  }
)

test('F62: every flipped bit of a small payload is found, and nothing of it handed on', () => {
  const sealed = seal(Buffer.from('forty-two bytes of something very private!'))
  for (let at = 0; at < sealed.byteLength; at += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const damaged = Buffer.from(sealed)
      damaged[at] = (damaged[at] ?? 0) ^ (1 << bit)
      expect(handedOn(damaged), `byte ${at} bit ${bit}`).toEqual({ bytes: Buffer.alloc(0), failed: true })
    }
  }
})

test('F63: a cut at every chunk border, one byte around it, and the last bytes is found; only whole authentic chunks came out', () => {
  const plain = randomBytes(3 * chunk + 100)
  const sealed = seal(plain)
  const borders = [0, 1, 2, 3].flatMap((index) => [-1, 0, 1].map((by) => 16 + index * (chunk + 16) + by))
  const lengths = [0, 1, 15, ...borders, ...Array.from({ length: 200 }, (_, index) => sealed.byteLength - 1 - index)]
  for (const length of lengths.filter((each) => each >= 0 && each < sealed.byteLength)) {
    const { bytes, failed } = handedOn(sealed.subarray(0, length))
    expect(failed, `cut at ${length}`).toBe(true)
    expect(bytes.byteLength % chunk).toBe(0)
    expect(plain.subarray(0, bytes.byteLength).equals(bytes)).toBe(true)
  }
})

test('F63: bytes after the end are found', () => {
  for (const length of [10, chunk, 2 * chunk]) {
    for (const junk of [1, 16, 17, chunk + 16]) {
      expect(
        handedOn(Buffer.concat([seal(randomBytes(length)), Buffer.alloc(junk)])).failed,
        `${length} + ${junk}`
      ).toBe(true)
    }
  }
})

test('chunks cannot change places', () => {
  const sealed = seal(randomBytes(3 * chunk))
  const part = (index: number) => sealed.subarray(16 + index * (chunk + 16), 16 + (index + 1) * (chunk + 16))
  expect(handedOn(Buffer.concat([sealed.subarray(0, 16), part(1), part(0), part(2)])).failed).toBe(true)
})

test('the counter of chunks goes on above one byte', () => {
  const plain = Buffer.alloc(300 * chunk, 3)
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
  expect(digest(open(seal(plain)))).toBe(digest(plain))
})
