import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { UserError } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'
import type { Manifest } from './manifest.ts'

/** Stands before what is signed, so that a signature of something else is never one of a manifest. */
const domain = 'supabase-backup/manifest/v1\n'

/** DER in front of the 32 bytes of an Ed25519 key (RFC 8410): private (PKCS #8) and public (SPKI). */
const privatePrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const publicPrefix = Buffer.from('302a300506032b6570032100', 'hex')

export interface SigningKey {
  /** `fp:` and 16 hexadecimal digits, see `publicKeyFingerprint`. */
  readonly fingerprint: string
  readonly key: KeyObject
}

export interface VerifyKey {
  readonly fingerprint: string
  readonly key: KeyObject
}

/** What a look at a manifest's signature found. */
export type SignatureState =
  | { readonly kind: 'valid'; readonly key: string }
  | { readonly kind: 'unsigned' }
  /** Signed by a key that is none of those given. */
  | { readonly kind: 'otherKey'; readonly key: string }
  /** Names one of the keys given, but the manifest was changed afterwards. */
  | { readonly kind: 'invalid'; readonly key: string }

/** Reads `signing-key`: PEM (PKCS #8) as `openssl genpkey -algorithm ed25519` writes it, or base64 of that DER or of the 32 bytes. Throws UserError SB001 without quoting it. */
export function readSigningKey(text: string): SigningKey {
  const key = readKey('signing-key', () =>
    text.includes('-----BEGIN')
      ? createPrivateKey(text)
      : createPrivateKey({ key: withPrefix(text, privatePrefix), format: 'der', type: 'pkcs8' })
  )
  return { key, fingerprint: publicKeyFingerprint(createPublicKey(key)) }
}

/** Reads `verify-key`: PEM (SPKI) as `openssl pkey -pubout` writes it, or base64 of that DER or of the 32 bytes. Throws UserError SB001. */
export function readVerifyKey(text: string): VerifyKey {
  if (text.includes('PRIVATE KEY')) {
    throw new UserError('SB001', 'The input verify-key holds a private key.', {
      remedy: 'Give the public half: openssl pkey -in signing.pem -pubout'
    })
  }
  const key = readKey('verify-key', () =>
    text.includes('-----BEGIN')
      ? createPublicKey(text)
      : createPublicKey({ key: withPrefix(text, publicPrefix), format: 'der', type: 'spki' })
  )
  return { key, fingerprint: publicKeyFingerprint(key) }
}

/** The manifest with its signature; one that it had is replaced. */
export function signManifest(manifest: Manifest, signingKey: SigningKey): Manifest {
  const value = signBytes(signedBytes(manifest), signingKey)
  return { ...manifest, signature: { algorithm: 'ed25519', key: signingKey.fingerprint, value } }
}

/** Compares a manifest's signature with the keys that are trusted. */
export function checkSignature(manifest: Manifest, trusted: readonly VerifyKey[]): SignatureState {
  const { signature } = manifest
  return signature === undefined ? { kind: 'unsigned' } : stateOfSignature(signedBytes(manifest), signature, trusted)
}

/** Signs bytes that say themselves what they are. Base64. */
export function signBytes(bytes: Uint8Array, signingKey: SigningKey): string {
  return Buffer.from(rawSignature(bytes, signingKey)).toString('base64')
}

/** The 64 bytes of a signature, as programs take it from a file. */
export function rawSignature(bytes: Uint8Array, signingKey: SigningKey): Uint8Array {
  return sign(null, bytes, signingKey.key)
}

/** The public half of a signing key. */
export function verifyKeyOf(signingKey: SigningKey): VerifyKey {
  return { key: createPublicKey(signingKey.key), fingerprint: signingKey.fingerprint }
}

/** What a signature over `bytes`, in base64, is worth to whoever trusts these keys. */
export function stateOfSignature(
  bytes: Uint8Array,
  signature: { readonly key: string; readonly value: string },
  trusted: readonly VerifyKey[]
): Exclude<SignatureState, { kind: 'unsigned' }> {
  const named = trusted.filter((each) => each.fingerprint === signature.key)
  if (named.length === 0) return { kind: 'otherKey', key: signature.key }
  const value = Buffer.from(signature.value, 'base64')
  const valid = named.some((each) => verify(null, bytes, each.key, value))
  return { kind: valid ? 'valid' : 'invalid', key: signature.key }
}

/** Why a manifest is not signed by one of the trusted keys, in words; undefined when it is, or where none is demanded. `id` is the backup that was asked for. */
export function whyUnsigned(manifest: Manifest, id: string, trusted: readonly VerifyKey[]): string | undefined {
  if (trusted.length === 0) return undefined
  const state = checkSignature(manifest, trusted)
  const wanted = trusted.map((each) => each.fingerprint).join(', ')
  switch (state.kind) {
    case 'unsigned':
      return `it is not signed; a signature of ${wanted} is demanded`
    case 'otherKey':
      return `it is signed by the key ${state.key}; trusted is ${wanted}`
    case 'invalid':
      return `its manifest was changed after ${state.key} signed it`
    case 'valid':
      return manifest.id === id ? undefined : `in its place lies the signed manifest of ${manifest.id}`
  }
}

/**
 * Throws UserError SB510 unless the manifest is signed by one of the trusted keys, SB507 for a manifest with a valid signature that names another
 * backup: it was put in its place.
 */
export function requireSignature(manifest: Manifest, id: string, trusted: readonly VerifyKey[]): void {
  const why = whyUnsigned(manifest, id, trusted)
  if (why === undefined) return
  const isMixed = checkSignature(manifest, trusted).kind === 'valid'
  throw new UserError(isMixed ? 'SB507' : 'SB510', `The backup ${id} is not the one that was signed: ${why}.`)
}

/** `fp:` and the first 16 hexadecimal digits of the SHA-256 of the 32 bytes of the public key. */
function publicKeyFingerprint(key: KeyObject): string {
  const raw = key.export({ format: 'der', type: 'spki' }).subarray(publicPrefix.byteLength)
  return `fp:${createHash('sha256').update(raw).digest('hex').slice(0, 16)}`
}

/** The digest is left out: it covers the signature. */
function signedBytes(manifest: Manifest): Buffer {
  const { signature: _signature, digest: _digest, ...rest } = manifest
  return Buffer.from(domain + canonicalJson(rest))
}

function withPrefix(base64: string, prefix: Buffer): Buffer {
  const bytes = Buffer.from(base64, 'base64')
  return bytes.byteLength === 32 ? Buffer.concat([prefix, bytes]) : bytes
}

function readKey(input: string, read: () => KeyObject): KeyObject {
  let key: KeyObject
  try {
    key = read()
  } catch {
    // Without the cause: what OpenSSL says may hold parts of the text.
    throw notAKey(input)
  }
  if (key.asymmetricKeyType !== 'ed25519') throw notAKey(input)
  return key
}

function notAKey(input: string): UserError {
  return new UserError('SB001', `The input ${input} is not an Ed25519 key.`, {
    remedy:
      'Make one with: openssl genpkey -algorithm ed25519 -out signing.pem; openssl pkey -in signing.pem -pubout -out verify.pem'
  })
}
