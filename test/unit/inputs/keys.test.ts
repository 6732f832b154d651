import { generateKeyPairSync } from 'node:crypto'
import { generateHybridIdentity, generateIdentity, identityToRecipient } from 'age-encryption'
import { beforeAll, describe, expect, it } from 'vitest'
import { fingerprintOf } from '../../../src/archive/encryption.ts'
import { supabaseRoot2021, supabaseRoot2025 } from '../../../src/base/supabase-roots.ts'
import {
  keyLines,
  parseAcceptedRecipients,
  parseIdentities,
  parseNewPassphrase,
  parseRecipients,
  parseRootCertificates,
  parseSigningKey,
  parseVerifyKey
} from '../../../src/inputs/keys.ts'

const keys = { identity: '', recipient: '', other: '', quantum: '' }
beforeAll(async () => {
  keys.identity = await generateIdentity()
  keys.recipient = await identityToRecipient(keys.identity)
  keys.other = await identityToRecipient(await generateIdentity())
  keys.quantum = await identityToRecipient(await generateHybridIdentity())
})

function reasonOf(parsed: { ok: true } | { ok: false; code: string; reason: string }): string {
  return parsed.ok ? 'taken' : `${parsed.code} ${parsed.reason}`
}

describe('recipients', () => {
  it('are taken as a file of age has them', () => {
    expect(parseRecipients(`# ops\r\n${keys.recipient}\r\n\n${keys.other},${keys.recipient}`)).toEqual({
      ok: true,
      value: [keys.recipient, keys.other]
    })
    expect(parseRecipients(keys.quantum).ok).toBe(true)
  })

  it('are refused without being quoted', () => {
    const typo = `${keys.recipient.slice(0, -1)}${keys.recipient.endsWith('q') ? 'p' : 'q'}`
    expect(reasonOf(parseRecipients(`${keys.recipient}\n${typo}`))).toBe(
      'SB006 line 2 is no age recipient, though it begins like one: it is cut, or a letter is wrong; copy the whole line again'
    )
    expect(reasonOf(parseRecipients(keys.identity))).toContain('SB006 line 1 is an identity')
    expect(reasonOf(parseRecipients(keys.identity))).not.toContain(keys.identity)
    for (const [wrong, words] of [
      [`x${keys.recipient}`, 'is no age recipient (age1..., as age-keygen prints it)'],
      [`${keys.recipient}x`, 'is no age recipient, though it begins like one'],
      [`${keys.recipient} x`, 'is no age recipient, though it begins like one'],
      ['ssh-ed25519 AAAA', 'is an SSH key: make an age key'],
      ['-----BEGIN PGP PUBLIC KEY BLOCK-----', 'is a PGP or PEM key'],
      ['age1...', 'is still the placeholder'],
      ['<your public key>', 'is still the placeholder'],
      ['key.txt', 'is the name of a file'],
      ['./keys/backup', 'is the name of a file']
    ] as const)
      expect(reasonOf(parseRecipients(wrong))).toContain(`SB006 line 1 ${words}`)
    // As age-keygen prints it, and as YAML quotes it.
    for (const text of [`Public key: ${keys.recipient}`, `"${keys.recipient}"`])
      expect(parseRecipients(text)).toEqual({ ok: true, value: [keys.recipient] })
    expect(reasonOf(parseRecipients('# none'))).toBe('SB006 it holds no recipient')
    expect(reasonOf(parseRecipients(`${keys.recipient}\n${keys.quantum}`))).toContain('cannot be mixed')
  })
})

describe('recipients that may go', () => {
  it('are named by themselves or by their fingerprints', () => {
    expect(parseAcceptedRecipients(`# gone\n${keys.recipient}\nfp:0123456789abcdef, ${keys.quantum}`)).toEqual({
      ok: true,
      value: [fingerprintOf(keys.recipient), 'fp:0123456789abcdef', fingerprintOf(keys.quantum)]
    })
  })
  it('are refused by their line where they are neither', () => {
    const typo = `${keys.recipient.slice(0, -1)}${keys.recipient.endsWith('q') ? 'p' : 'q'}`
    for (const wrong of [
      typo,
      keys.identity,
      'fp:0123456789abcde',
      'fp:0123456789abcdefa',
      'fp:0123456789ABCDEF',
      'age1x'
    ])
      expect(reasonOf(parseAcceptedRecipients(`${keys.recipient}\n${wrong}`))).toMatch(
        /^SB006 line 2 is neither an age recipient/
      )
  })
})

describe('identities', () => {
  it('are taken as age-keygen wrote them', () => {
    expect(parseIdentities(`# created: today\n# public key: ${keys.recipient}\n${keys.identity}\n`)).toEqual({
      ok: true,
      value: [keys.identity]
    })
    expect(keyLines('# a\n\nb\n')).toEqual(['b'])
  })

  it('are refused without being quoted', () => {
    const cut = keys.identity.slice(0, -2)
    for (const text of [cut, keys.recipient, keys.identity.toLowerCase(), 'AGE-PLUGIN-YUBIKEY-1X', '#']) {
      expect(reasonOf(parseIdentities(text))).toContain('SB006')
    }
    expect(reasonOf(parseIdentities(cut))).not.toContain(cut)
    for (const text of [`x${keys.identity}`, `${keys.identity} x`])
      expect(reasonOf(parseIdentities(`${keys.identity}\n${text}`))).toBe(
        'SB006 line 2 is no age identity (AGE-SECRET-KEY-1..., as age-keygen writes it)'
      )
    expect(reasonOf(parseIdentities('#'))).toBe('SB006 it holds no identity')
  })
})

it('passphrases to seal with must be hard to guess', () => {
  expect(parseNewPassphrase('fourteen chars').ok).toBe(true)
  expect(parseNewPassphrase('abcdeabcdeabcde').ok).toBe(true)
  for (const text of ['thirteen-char', 'aaaaaaaaaaaaaaaaaaaa', 'abababababababab', '']) {
    expect(reasonOf(parseNewPassphrase(text))).toContain('SB007')
  }
})

describe('Ed25519 keys', () => {
  const ed = generateKeyPairSync('ed25519')
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = (key: typeof ed.privateKey, type: 'pkcs8' | 'spki') => key.export({ type, format: 'pem' }).toString()

  it('fit together by their fingerprint', () => {
    const signing = parseSigningKey(pem(ed.privateKey, 'pkcs8'))
    const verify = parseVerifyKey(pem(ed.publicKey, 'spki'))
    if (!signing.ok || !verify.ok) throw new Error('refused')
    expect(signing.value.fingerprint).toBe(verify.value.fingerprint)
    expect(parseSigningKey(ed.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64')).ok).toBe(true)
  })

  it('of another kind or half are refused', () => {
    expect(reasonOf(parseSigningKey(pem(rsa.privateKey, 'pkcs8')))).toContain('SB006')
    expect(reasonOf(parseSigningKey(pem(ed.publicKey, 'spki')))).toContain('SB006')
    expect(reasonOf(parseSigningKey('x'))).toBe(
      'SB006 it is no Ed25519 private key: make one with `openssl genpkey -algorithm ed25519`'
    )
    expect(reasonOf(parseVerifyKey('x'))).toBe(
      'SB006 it is no Ed25519 public key: `openssl pkey -in key.pem -pubout` prints it'
    )
    expect(reasonOf(parseVerifyKey(pem(rsa.publicKey, 'spki')))).toContain('SB006')
    expect(reasonOf(parseVerifyKey(pem(ed.privateKey, 'pkcs8')))).toContain('it is a private key')
  })
})

describe('CA certificates', () => {
  it('are taken out of what stands around them', () => {
    expect(parseRootCertificates(`subject=x\n${supabaseRoot2021}\nand\n${supabaseRoot2025}end`)).toEqual({
      ok: true,
      value: `${supabaseRoot2021}${supabaseRoot2025}`
    })
  })

  it('are refused when there is none, one is damaged, or a key lies beside', () => {
    expect(reasonOf(parseRootCertificates('/etc/ssl/ca.pem'))).toContain('SB006 it holds no certificate')
    expect(reasonOf(parseRootCertificates(supabaseRoot2021.replace('MIID', 'MIIC')))).toContain(
      'SB006 certificate 1 is damaged'
    )
    expect(reasonOf(parseRootCertificates(`${supabaseRoot2021}-----BEGIN PRIVATE KEY-----`))).toContain('private key')
  })
})
