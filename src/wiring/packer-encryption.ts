import { identityToRecipient } from 'age-encryption'
import type { Compression, CompressionMethod } from '../archive/compression.ts'
import {
  type Encryption,
  encryptionFor,
  encryptionWith,
  type Keys,
  keysOf,
  keysOfPassphrase
} from '../archive/encryption.ts'
import type { Manifest } from '../archive/manifest.ts'
import { type SigningKey, signManifest, type VerifyKey } from '../archive/signature.ts'
import { createCompression, findZstd } from '../clients/process/zstd.ts'
import type { Context } from '../context.ts'

/** How new files are sealed. */
export function encryptionOf(inputs: {
  readonly recipients: readonly string[]
  readonly passphrase: string | undefined
}): Encryption {
  if (inputs.recipients.length > 0) return encryptionFor(inputs.recipients)
  return inputs.passphrase === undefined ? { scheme: 'none' } : encryptionWith(inputs.passphrase)
}

/** The recipients that belong to identities. */
export async function recipientsOf(identities: readonly string[]): Promise<string[]> {
  return Promise.all(identities.map((identity) => identityToRecipient(identity)))
}

/** What opens stored files; null where nothing was given. */
export async function keysFor(inputs: {
  readonly identities: readonly string[]
  readonly passphrase: string | undefined
}): Promise<Keys | null> {
  if (inputs.identities.length > 0) return keysOf(inputs.identities)
  return inputs.passphrase === undefined ? null : keysOfPassphrase(inputs.passphrase)
}

/** Compression of a run: the program `zstd` where there is one. */
export async function compressionOf(
  context: Context,
  method: CompressionMethod = 'zstd',
  level?: number
): Promise<Compression> {
  return createCompression({
    method,
    zstd: await findZstd(),
    home: context.temp,
    ...(level === undefined ? {} : { level })
  })
}

/** Signs manifests with the key of the input `signing-key`; leaves them as they are without one. */
export function signWith(key: SigningKey | undefined): (manifest: Manifest) => Manifest {
  return key === undefined ? (manifest) => manifest : (manifest) => signManifest(manifest, key)
}

/** The key of the input `verify-key`, where it was given. */
export function trustedKeys(key: VerifyKey | undefined): readonly VerifyKey[] {
  return key === undefined ? [] : [key]
}
