import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../../src/archive/canonical-json.ts'
import { type Manifest, parseManifest, renderManifest } from '../../../src/archive/manifest.ts'
import {
  checkSignature,
  readSigningKey,
  readVerifyKey,
  requireSignature,
  signManifest
} from '../../../src/archive/signature.ts'
import { exampleManifest } from './manifests.ts'

const pair = () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    signing: readSigningKey(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()),
    verify: readVerifyKey(publicKey.export({ format: 'pem', type: 'spki' }).toString()),
    privateKey,
    publicKey
  }
}
const mine = pair()
const signed = signManifest(exampleManifest(), mine.signing)

test('a signature holds through writing and reading, unknown keys included', () => {
  const extended = { ...exampleManifest(), later: [1, { b: 2, a: 'ü' }] }
  const parsed = parseManifest(renderManifest(signManifest(extended, mine.signing)))
  if (parsed.kind !== 'ok') throw new Error(JSON.stringify(parsed))
  expect(checkSignature(parsed.manifest, [mine.verify])).toEqual({ kind: 'valid', key: mine.verify.fingerprint })
  expect(checkSignature({ ...parsed.manifest, later: [1, { b: 2, a: 'u' }] } as Manifest, [mine.verify])).toMatchObject(
    { kind: 'invalid' }
  )
})

test('T8: each changed key of the manifest makes it invalid', () => {
  const changed: Partial<Manifest>[] = [
    { id: '20261122T161908Z-aaaaaaaa' },
    { createdAt: '2026-11-22T16:19:09.000Z' },
    { status: 'partial' },
    { files: [] },
    { files: signed.files.toReversed() },
    { encryption: { scheme: 'none', recipients: [] } },
    { verification: { ...signed.verification, level: 'restore' } },
    { critical: ['files'] }
  ]
  for (const change of changed) {
    expect(checkSignature({ ...signed, ...change }, [mine.verify]), JSON.stringify(change)).toEqual({
      kind: 'invalid',
      key: mine.verify.fingerprint
    })
  }
})

test('T8: unsigned, another key, a replayed backup: each its own message', () => {
  const other = pair()
  const { id } = signed
  const messageOf = (work: () => void) => {
    try {
      work()
    } catch (error) {
      return String(error)
    }
    return 'accepted'
  }
  expect(messageOf(() => requireSignature(signed, id, [other.verify, mine.verify]))).toBe('accepted')
  expect(messageOf(() => requireSignature(exampleManifest(), id, [mine.verify, other.verify]))).toContain(
    `is not signed; a signature of ${mine.verify.fingerprint}, ${other.verify.fingerprint} is demanded.`
  )
  expect(messageOf(() => requireSignature(signed, id, [other.verify]))).toContain(
    `signed by the key ${mine.verify.fingerprint}`
  )
  expect(messageOf(() => requireSignature({ ...signed, durationMs: 1 }, id, [mine.verify]))).toContain(
    'was changed after'
  )
  expect(messageOf(() => requireSignature(signed, '20991231T000000Z-aaaaaaaa', [mine.verify]))).toContain(
    'lies the signed manifest of'
  )
  // The name of a trusted key on the signature of another one.
  const forged = signManifest(exampleManifest(), other.signing)
  const named = {
    ...forged,
    signature: { algorithm: 'ed25519' as const, key: mine.verify.fingerprint, value: forged.signature?.value ?? '' }
  }
  expect(checkSignature(named, [mine.verify])).toMatchObject({ kind: 'invalid' })
})

describe('keys', () => {
  test('PEM, base64 of DER and base64 of the 32 bytes are the same key', () => {
    const privateDer = mine.privateKey.export({ format: 'der', type: 'pkcs8' })
    const publicDer = mine.publicKey.export({ format: 'der', type: 'spki' })
    for (const der of [privateDer, privateDer.subarray(-32)]) {
      expect(readSigningKey(der.toString('base64')).fingerprint).toBe(mine.signing.fingerprint)
    }
    for (const der of [publicDer, publicDer.subarray(-32)]) {
      expect(readVerifyKey(der.toString('base64')).fingerprint).toBe(mine.verify.fingerprint)
    }
    expect(mine.signing.fingerprint).toBe(mine.verify.fingerprint)
  })

  test('anything else is refused without being quoted', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const wrong = [
      '',
      'hunter2',
      Buffer.alloc(31).toString('base64'),
      rsa.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    ]
    for (const text of wrong) expect(() => readSigningKey(text)).toThrow('The input signing-key is not an Ed25519 key.')
    expect(() => readVerifyKey(mine.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())).toThrow(
      'holds a private key'
    )
    expect(() => readVerifyKey('x')).toThrow('The input verify-key is not an Ed25519 key.')
    const refusal = (read: () => unknown) => {
      try {
        return read()
      } catch (error) {
        return error
      }
    }
    expect(refusal(() => readSigningKey('x'))).toMatchObject({
      code: 'SB001',
      remedy: expect.stringContaining('openssl genpkey -algorithm ed25519')
    })
    expect(refusal(() => readVerifyKey('-----BEGIN PRIVATE KEY-----'))).toMatchObject({
      code: 'SB001',
      remedy: 'Give the public half: openssl pkey -in signing.pem -pubout'
    })
  })
})

test('canonical JSON is that of RFC 8785', () => {
  // The example of its section 3.2.2, numbers and strings.
  const value = JSON.parse(
    String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"€$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`
  )
  expect(canonicalJson(value)).toBe(
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`
  )
  // Its section 3.2.3: keys by UTF-16 code units.
  const sorted = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\u{1f600}', '\ufb33']
  const text = canonicalJson(Object.fromEntries(sorted.toReversed().map((key) => [key, 0])))
  expect(text).toBe(`{${sorted.map((key) => `${JSON.stringify(key)}:0`).join(',')}}`)
})
