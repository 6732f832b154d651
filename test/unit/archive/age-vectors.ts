import { createHash } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import { armor } from 'age-encryption'
import * as vectors from 'cctv-age'
import { createPayloadOpener, DamagedPayload, payloadNonceSize } from '../../../src/archive/age-stream.ts'
import { type Keys, keysOf, keysOfPassphrase } from '../../../src/archive/encryption.ts'
import { splitHeader } from '../../../src/archive/stored-bytes.ts'

/** One of the age project's test vectors (https://c2sp.org/CCTV/age). */
export interface AgeVector {
  readonly name: string
  readonly expect: string
  readonly payloadSha256: string | undefined
  readonly keys: () => Promise<Keys>
  readonly armored: boolean
  readonly file: Uint8Array
}

export function readVectors(): AgeVector[] {
  return Object.entries(vectors).map(([name, bytes]) => {
    const data = Buffer.from(bytes)
    const end = data.indexOf('\n\n')
    const fields = new Map<string, string[]>()
    for (const line of data.subarray(0, end).toString('utf8').split('\n')) {
      const [key = '', ...value] = line.split(': ')
      fields.set(key, [...(fields.get(key) ?? []), value.join(': ')])
    }
    const one = (key: string) => fields.get(key)?.[0]
    const body = data.subarray(end + 2)
    const passphrase = one('passphrase')
    return {
      name,
      // A header that was changed is damaged, whether its form or its MAC shows it.
      expect: (one('expect') ?? '').replace('HMAC', 'header'),
      payloadSha256: one('payload'),
      keys: () =>
        passphrase === undefined ? keysOf(fields.get('identity') ?? []) : Promise.resolve(keysOfPassphrase(passphrase)),
      armored: one('armored') === 'yes',
      file: one('compressed') === 'zlib' ? inflateSync(body) : body
    }
  })
}

/** Opens a vector with pushes of `size` bytes and says what came of it in the vectors' own words, with the digest of what was handed on. */
export async function openVector(
  vector: AgeVector,
  size: number
): Promise<{ outcome: string; bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  const handOn = (parts: readonly Uint8Array[]) => {
    for (const part of parts) {
      hash.update(part)
      bytes += part.byteLength
    }
  }
  const result = async (): Promise<string> => {
    let file = vector.file
    if (vector.armored) {
      try {
        file = armor.decode(Buffer.from(file).toString('latin1'))
      } catch {
        return 'armor failure'
      }
    }
    const split = splitHeader(file)
    if (split === null) return 'header failure'
    const opened = await (await vector.keys()).openHeader(split.header)
    if (opened.kind === 'noMatch') return 'no match'
    if (opened.kind === 'damaged') return 'header failure'
    const opener = createPayloadOpener(opened.fileKey)
    const nonceIsIn = split.rest.byteLength >= payloadNonceSize
    try {
      for (let at = 0; at < split.rest.byteLength; at += size) {
        handOn(opener.push(split.rest.subarray(at, at + size)))
      }
      handOn(opener.end())
    } catch (error) {
      if (!(error instanceof DamagedPayload)) throw error
      // The vectors count a missing nonce among the header's failures.
      return nonceIsIn ? 'payload failure' : 'header failure'
    }
    return 'success'
  }
  return { outcome: await result(), bytes, sha256: hash.digest('hex') }
}
