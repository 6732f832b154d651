import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'

/**
 * The payload of an age v1 file (https://c2sp.org/age, "Payload"): STREAM with ChaCha20-Poly1305 in chunks of 64 KiB under a
 * key that HKDF-SHA-256 derives from the file key and a nonce of 16 bytes, which stands before the chunks. It is written on
 * node:crypto because the cipher of the age-encryption package is pure JavaScript and about ten times slower.
 */
export const chunkSize = 64 * 1024
export const tagSize = 16
export const payloadNonceSize = 16
const sealedChunkSize = chunkSize + tagSize

/** Why a payload cannot be opened: it was changed, cut, or goes on after its end. */
export class DamagedPayload extends Error {
  override readonly name = 'DamagedPayload'
}

/** Turns pushed bytes into other bytes; what it returns is complete and safe to use. */
export interface ByteStage {
  push(bytes: Uint8Array): Uint8Array[]
  /** Call once, after the last push. */
  end(): Uint8Array[]
}

/** Length of the payload, its nonce included, for so many plain bytes. */
export function payloadSize(plainBytes: number): number {
  return payloadNonceSize + plainBytes + tagSize * Math.max(1, Math.ceil(plainBytes / chunkSize))
}

/** Seals what is pushed; the nonce of 16 fresh random bytes comes out first. */
export function createPayloadSealer(fileKey: Uint8Array, nonce: Uint8Array): ByteStage {
  const key = payloadKey(fileKey, nonce)
  const counter = chunkCounter()
  const seal = (chunk: Uint8Array, last: boolean): Uint8Array[] => {
    const cipher = createCipheriv('chacha20-poly1305', key, counter.next(last), { authTagLength: tagSize })
    const sealed = cipher.update(chunk)
    cipher.final()
    return [sealed, cipher.getAuthTag()]
  }
  const chunks = chunker(chunkSize)
  let nonceIsOut = false
  const first = () => {
    if (nonceIsOut) return []
    nonceIsOut = true
    return [nonce]
  }
  return {
    push: (bytes) => [...first(), ...chunks.push(bytes).flatMap((chunk) => seal(chunk, false))],
    end: () => [...first(), ...seal(chunks.rest(), true)]
  }
}

/**
 * Opens what is pushed, nonce first. A chunk is handed on only after its tag was checked; `end` throws DamagedPayload unless
 * the last chunk was there and nothing came after it.
 */
export function createPayloadOpener(fileKey: Uint8Array): ByteStage {
  const counter = chunkCounter()
  const chunks = chunker(sealedChunkSize)
  const nonce = Buffer.alloc(payloadNonceSize)
  let nonceLength = 0
  let key: KeyObject | undefined
  let opened = 0
  const open = (sealed: Uint8Array, last: boolean): Uint8Array => {
    if (key === undefined || sealed.byteLength < tagSize) throw new DamagedPayload('The encrypted data ends too early.')
    // A final chunk without content is allowed only where the whole file is empty.
    if (last && opened > 0 && sealed.byteLength === tagSize)
      throw new DamagedPayload('The last encrypted chunk is empty.')
    const body = sealed.subarray(0, sealed.byteLength - tagSize)
    const decipher = createDecipheriv('chacha20-poly1305', key, counter.next(last), { authTagLength: tagSize })
    decipher.setAuthTag(sealed.subarray(sealed.byteLength - tagSize))
    const plain = decipher.update(body)
    try {
      decipher.final()
    } catch (error) {
      throw new DamagedPayload(`Encrypted chunk ${opened} is damaged, or the data was cut there.`, { cause: error })
    }
    opened += 1
    return plain
  }
  return {
    push(bytes) {
      let rest = bytes
      if (key === undefined) {
        const taken = rest.subarray(0, payloadNonceSize - nonceLength)
        nonce.set(taken, nonceLength)
        nonceLength += taken.byteLength
        rest = rest.subarray(taken.byteLength)
        if (nonceLength < payloadNonceSize) return []
        key = payloadKey(fileKey, nonce)
      }
      return chunks.push(rest).map((chunk) => open(chunk, false))
    },
    end: () => [open(chunks.rest(), true)]
  }
}

/** A key object: a key given as bytes is wrapped anew for each chunk, which takes as long as half the encryption. */
function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync('sha256', fileKey, nonce, 'payload', 32)))
}

/** Nonces of the chunks: a big-endian counter of 11 bytes and a byte that is 1 for the last chunk. */
function chunkCounter(): { next(last: boolean): Buffer } {
  let count = 0
  return {
    next(last) {
      const nonce = Buffer.alloc(12)
      // 48 bits of chunks are 16 EiB: the upper bytes of the counter stay zero.
      nonce.writeUIntBE(count, 5, 6)
      nonce[11] = last ? 1 : 0
      count += 1
      return nonce
    }
  }
}

/**
 * Cuts pushed bytes into chunks of `size`. A chunk comes out only when a byte after it is known, so that the last one, full or
 * not, is always in `rest`. Chunks are valid until the next call.
 */
function chunker(size: number): { push(bytes: Uint8Array): Uint8Array[]; rest(): Uint8Array } {
  let held = Buffer.alloc(size)
  /** Takes the place of `held` while the caller still works on that. */
  let spare = Buffer.alloc(size)
  let length = 0
  return {
    push(bytes) {
      const full: Uint8Array[] = []
      let rest = bytes
      if (length > 0) {
        const taken = rest.subarray(0, size - length)
        held.set(taken, length)
        length += taken.byteLength
        rest = rest.subarray(taken.byteLength)
        if (rest.byteLength === 0) return full
        full.push(held)
        const next = spare
        spare = held
        held = next
      }
      while (rest.byteLength > size) {
        full.push(rest.subarray(0, size))
        rest = rest.subarray(size)
      }
      held.set(rest)
      length = rest.byteLength
      return full
    },
    rest: () => held.subarray(0, length)
  }
}
