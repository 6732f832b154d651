import { createHash, randomBytes } from 'node:crypto'
import { Decrypter, Encrypter, identityToRecipient } from 'age-encryption'
import { asError, UserError } from '../errors.ts'
import { passphraseIdentity, passphraseRecipient } from './age-passphrase.ts'
import { type ByteStage, createPayloadSealer, payloadNonceSize, tagSize } from './age-stream.ts'
import type { Manifest } from './manifest.ts'

export type EncryptionScheme = Manifest['encryption']['scheme']

/** How the files of a backup are sealed. The passphrase is a secret; recipients are public keys. */
export type Encryption =
  | { readonly scheme: 'none' }
  | { readonly scheme: 'age-x25519' | 'age-pq'; readonly recipients: readonly string[] }
  | { readonly scheme: 'age-scrypt'; readonly passphrase: string }

/** What sealing one file needs; the file key stays in memory so that this process can read back what it wrote. */
export interface FileSeal {
  /** The age header, which goes before everything else. */
  readonly header: Uint8Array
  readonly fileKey: Uint8Array
  readonly payload: ByteStage
}

/** What came of asking keys for a file's key. */
export type OpenedHeader =
  | { readonly kind: 'opened'; readonly fileKey: Uint8Array }
  /** The header is well formed, but was made for other keys. */
  | { readonly kind: 'noMatch' }
  | { readonly kind: 'damaged'; readonly reason: string }

/** Keys that open files: identities or a passphrase. */
export interface Keys {
  readonly kind: 'identities' | 'passphrase'
  /** Fingerprints of the recipients that belong to the identities; empty for a passphrase. */
  readonly fingerprints: readonly string[]
  openHeader(header: Uint8Array): Promise<OpenedHeader>
}

/** `fp:` and the first 16 hexadecimal digits of the SHA-256 of the recipient string. Says which key, opens nothing. */
export function fingerprintOf(recipient: string): string {
  return `fp:${createHash('sha256').update(recipient).digest('hex').slice(0, 16)}`
}

/** What the manifest says of the encryption. */
export function describeEncryption(encryption: Encryption): Manifest['encryption'] {
  const recipients = 'recipients' in encryption ? encryption.recipients.map(fingerprintOf) : []
  return { scheme: encryption.scheme, recipients }
}

/**
 * Encryption for age recipients: `age1...` (X25519) or `age1pq1...` (post-quantum), not both kinds in one backup, since the weaker one
 * would decide. Repeated ones count once. Throws UserError SB001 naming the line of a recipient that is none; the text itself may be a
 * misplaced secret and is never quoted.
 */
export function encryptionFor(recipients: readonly string[]): Encryption {
  const unique = [...new Set(recipients)]
  if (unique.length === 0) throw new UserError('SB003', 'No recipient is given.')
  for (const [index, recipient] of unique.entries()) {
    if (!isRecipient(recipient)) {
      const secret = /^AGE-SECRET-KEY-/i.test(recipient)
      throw new UserError(
        'SB001',
        secret
          ? `Recipient ${index + 1} is an identity, the secret half of the key: treat it as leaked to this workflow.`
          : `Recipient ${index + 1} is not an age recipient.`,
        { remedy: 'Give the public keys, one a line: age-keygen prints them as `Public key: age1...`.' }
      )
    }
  }
  const postQuantum = unique.filter((recipient) => recipient.startsWith('age1pq1'))
  if (postQuantum.length === 0) return { scheme: 'age-x25519', recipients: unique }
  if (postQuantum.length === unique.length) return { scheme: 'age-pq', recipients: unique }
  throw new UserError('SB002', 'Recipients of the kinds age1... and age1pq1... cannot be mixed.', {
    remedy: 'Use recipients of one kind: the weaker kind would decide how safe the backup is.'
  })
}

/** Encryption by a passphrase (scrypt, work factor 2^18: 256 MiB of memory and one to two seconds for each file). */
export function encryptionWith(passphrase: string): Encryption {
  if (passphrase === '') throw new UserError('SB003', 'The passphrase is empty.')
  return { scheme: 'age-scrypt', passphrase }
}

/** Keys of age identities (`AGE-SECRET-KEY-1...`, `AGE-SECRET-KEY-PQ-1...`). Throws UserError SB001 for a malformed one, without quoting it. */
export async function keysOf(identities: readonly string[]): Promise<Keys> {
  if (identities.length === 0) throw new UserError('SB003', 'No identity is given.')
  const decrypter = new Decrypter()
  const fingerprints: string[] = []
  for (const [index, identity] of identities.entries()) {
    try {
      decrypter.addIdentity(identity)
      fingerprints.push(fingerprintOf(await identityToRecipient(identity)))
    } catch {
      // The cause is left out: the decoder's message may quote the identity.
      throw new UserError('SB001', `Identity ${index + 1} is not an age identity.`, {
        remedy: 'Give the secret keys, one a line, as age-keygen wrote them: AGE-SECRET-KEY-1...'
      })
    }
  }
  return { kind: 'identities', fingerprints, openHeader: (header) => openWith(decrypter, header) }
}

/** Keys of a passphrase. */
export function keysOfPassphrase(passphrase: string): Keys {
  const decrypter = new Decrypter()
  decrypter.addIdentity(passphraseIdentity(passphrase))
  return { kind: 'passphrase', fingerprints: [], openHeader: (header) => openWith(decrypter, header) }
}

/** Makes header and payload cipher for one new file. */
export async function sealFile(encryption: Exclude<Encryption, { scheme: 'none' }>): Promise<FileSeal> {
  const encrypter = new Encrypter()
  // The package makes the file key itself and shows it to each recipient; this one adds nothing to the header.
  const shown: { fileKey?: Uint8Array } = {}
  encrypter.addRecipient({
    wrapFileKey(fileKey) {
      shown.fileKey = fileKey.slice()
      return []
    }
  })
  if (encryption.scheme === 'age-scrypt') encrypter.addRecipient(passphraseRecipient(encryption.passphrase))
  else for (const recipient of encryption.recipients) encrypter.addRecipient(recipient)
  const empty = await encrypter.encrypt(new Uint8Array())
  /* v8 ignore next -- the package shows the key to each recipient; were it ever not to, nothing may be sealed with a key that is not known */
  if (shown.fileKey === undefined) throw new Error('age-encryption did not ask its recipients')
  return {
    header: empty.subarray(0, empty.byteLength - payloadNonceSize - tagSize),
    fileKey: shown.fileKey,
    payload: createPayloadSealer(shown.fileKey, randomBytes(payloadNonceSize))
  }
}

/** The error for keys that do not fit: says which were given and which are needed, by fingerprint. */
export function keysDoNotFit(file: string, keys: Keys, needed: Manifest['encryption'] | undefined): UserError {
  const given = keys.kind === 'passphrase' ? 'the passphrase' : `the identity (${keys.fingerprints.join(', ')})`
  const wanted =
    needed === undefined
      ? ''
      : needed.scheme === 'age-scrypt'
        ? ' It was sealed with a passphrase.'
        : ` It was sealed for the recipients ${needed.recipients.join(', ')}.`
  return new UserError('SB502', `${file} cannot be opened with ${given}: it was made for other keys.${wanted}`)
}

function isRecipient(text: string): boolean {
  if (!/^age1(?!tag)[0-9a-z]+$/.test(text)) return false
  try {
    new Encrypter().addRecipient(text)
    return true
  } catch {
    return false
  }
}

async function openWith(decrypter: Decrypter, header: Uint8Array): Promise<OpenedHeader> {
  try {
    return { kind: 'opened', fileKey: await decrypter.decryptHeader(header) }
  } catch (error) {
    const reason = asError(error).message
    // The package tells this case by its text alone; a test holds it to that.
    return reason === "no identity matched any of the file's recipients"
      ? { kind: 'noMatch' }
      : { kind: 'damaged', reason }
  }
}
