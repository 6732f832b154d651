import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { type Identity, type Recipient, Stanza } from 'age-encryption'

/**
 * age's scrypt recipient and identity (https://c2sp.org/age, "The scrypt recipient type") on node:crypto: the package's own holds the
 * event loop for nearly two seconds a file, this one works in another thread.
 */
const workFactor = 18
/** A file that asks for more than 2^20 (1 GiB of memory) is refused, as the age program and package do. */
const highestWorkFactor = 20
const saltSize = 16
const fileKeySize = 16
const tagSize = 16
const label = Buffer.from('age-encryption.org/v1/scrypt')

export function passphraseRecipient(passphrase: string, logN: number = workFactor): Recipient {
  return {
    async wrapFileKey(fileKey) {
      const salt = randomBytes(saltSize)
      const key = await derive(passphrase, salt, logN)
      const cipher = createCipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: tagSize })
      const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()])
      return [new Stanza(['scrypt', unpadded(salt), String(logN)], body)]
    }
  }
}

export function passphraseIdentity(passphrase: string): Identity {
  return {
    async unwrapFileKey(stanzas) {
      const stanza = stanzas.find((each) => each.args[0] === 'scrypt')
      if (stanza === undefined) return null
      if (stanzas.length !== 1) throw new Error('scrypt recipient is not the only one in the header')
      const [, saltText, logNText, ...more] = stanza.args
      const salt = Buffer.from(saltText ?? '', 'base64')
      if (more.length > 0 || salt.byteLength !== saltSize || unpadded(salt) !== saltText)
        throw new Error('invalid scrypt stanza')
      if (!/^[1-9]\d*$/.test(logNText ?? '')) throw new Error('invalid scrypt stanza')
      const logN = Number(logNText)
      if (logN > highestWorkFactor) throw new Error('scrypt work factor is too high')
      if (stanza.body.byteLength !== fileKeySize + tagSize) throw new Error('invalid scrypt stanza')
      const key = await derive(passphrase, salt, logN)
      const decipher = createDecipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: tagSize })
      decipher.setAuthTag(stanza.body.subarray(fileKeySize))
      const fileKey = decipher.update(stanza.body.subarray(0, fileKeySize))
      try {
        decipher.final()
      } catch {
        // A wrong passphrase and a changed stanza look the same here.
        return null
      }
      return new Uint8Array(fileKey)
    }
  }
}

/** One at a time: each takes 128 * 8 * 2^logN bytes, 256 MiB for 18. */
let last: Promise<unknown> = Promise.resolve()

function derive(passphrase: string, salt: Uint8Array, logN: number): Promise<Buffer> {
  const run = last.then(() => deriveNow(passphrase, salt, logN))
  last = run.catch(() => undefined)
  return run
}

const scryptOf: (
  passphrase: string,
  salt: Uint8Array,
  length: number,
  options: { N: number; r: number; p: number; maxmem: number }
) => Promise<Buffer> = promisify(scrypt)

function deriveNow(passphrase: string, salt: Uint8Array, logN: number): Promise<Buffer> {
  const cost = 2 ** logN
  return scryptOf(passphrase, Buffer.concat([label, salt]), 32, {
    N: cost,
    r: 8,
    p: 1,
    maxmem: 128 * 8 * cost + 1024 * 1024
  })
}

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}
