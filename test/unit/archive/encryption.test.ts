import {
  Decrypter,
  Encrypter,
  generateHybridIdentity,
  generateX25519Identity,
  identityToRecipient,
  Stanza
} from 'age-encryption'
import { describe, expect, test } from 'vitest'
import { passphraseIdentity, passphraseRecipient } from '../../../src/archive/age-passphrase.ts'
import {
  describeEncryption,
  encryptionFor,
  encryptionWith,
  fingerprintOf,
  keysDoNotFit,
  keysOf,
  keysOfPassphrase,
  sealFile
} from '../../../src/archive/encryption.ts'
import { UserError } from '../../../src/errors.ts'

async function pair(): Promise<{ identity: string; recipient: string }> {
  const identity = await generateX25519Identity()
  return { identity, recipient: await identityToRecipient(identity) }
}

async function headerFor(...recipients: string[]): Promise<{ header: Uint8Array; fileKey: Uint8Array }> {
  const encryption = encryptionFor(recipients)
  if (encryption.scheme === 'none') throw new Error('not reached')
  return sealFile(encryption)
}

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof UserError) return error.code
    throw error
  }
  return 'nothing thrown'
}

describe('recipients', () => {
  test('a fingerprint is fp: and 16 digits of the SHA-256 of the recipient', () => {
    // printf %s age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj | sha256sum
    expect(fingerprintOf('age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj')).toMatch(/^fp:[0-9a-f]{16}$/)
    expect(fingerprintOf('')).toBe('fp:e3b0c44298fc1c14')
  })

  test('repeated ones count once', async () => {
    const { recipient } = await pair()
    expect(describeEncryption(encryptionFor([recipient, recipient]))).toEqual({
      scheme: 'age-x25519',
      recipients: [fingerprintOf(recipient)]
    })
  })

  test('F65: an identity given as recipient is refused without being quoted', async () => {
    const { identity } = await pair()
    try {
      encryptionFor([identity])
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ code: 'SB001' })
      expect(String(error)).not.toContain(identity)
      expect(String(error)).toContain('secret half')
    }
  })

  test('a refusal says which one, why, and what to give instead', async () => {
    const [mine, other] = [await pair(), await pair()]
    const quantum = await identityToRecipient(await generateHybridIdentity())
    const refusal = async (work: () => unknown) => {
      try {
        await work()
      } catch (error) {
        if (error instanceof UserError) return [error.code, error.message, error.remedy]
        throw error
      }
      return 'nothing thrown'
    }
    const publicKeys = 'Give the public keys, one a line: age-keygen prints them as `Public key: age1...`.'
    expect(await refusal(() => encryptionFor([mine.recipient, 'x']))).toEqual([
      'SB001',
      'Recipient 2 is not an age recipient.',
      publicKeys
    ])
    expect(await refusal(() => encryptionFor([mine.recipient, other.recipient, mine.identity.toLowerCase()]))).toEqual([
      'SB001',
      'Recipient 3 is an identity, the secret half of the key: treat it as leaked to this workflow.',
      publicKeys
    ])
    expect(await refusal(() => encryptionFor([mine.recipient, quantum]))).toEqual([
      'SB002',
      'Recipients of the kinds age1... and age1pq1... cannot be mixed.',
      'Use recipients of one kind: the weaker kind would decide how safe the backup is.'
    ])
    expect(await refusal(() => keysOf([mine.identity, 'x']))).toEqual([
      'SB001',
      'Identity 2 is not an age identity.',
      'Give the secret keys, one a line, as age-keygen wrote them: AGE-SECRET-KEY-1...'
    ])
    expect(await refusal(() => encryptionFor([]))).toMatchObject(['SB003', 'No recipient is given.', expect.anything()])
    expect(await refusal(() => encryptionWith(''))).toMatchObject([
      'SB003',
      'The passphrase is empty.',
      expect.anything()
    ])
    expect(await refusal(() => keysOf([]))).toMatchObject(['SB003', 'No identity is given.', expect.anything()])
    const both = await keysOf([mine.identity, other.identity])
    const needed = describeEncryption(encryptionFor([mine.recipient, other.recipient]))
    const names = needed.recipients.join(', ')
    expect(both).toMatchObject({ kind: 'identities', fingerprints: needed.recipients })
    expect(keysDoNotFit('x', both, needed).message).toBe(
      `x cannot be opened with the identity (${names}): it was made for other keys. It was sealed for the recipients ${names}.`
    )
    expect(keysOfPassphrase('pass')).toMatchObject({ kind: 'passphrase', fingerprints: [] })
  })

  test('what is no recipient is refused', async () => {
    const { recipient } = await pair()
    for (const wrong of [
      recipient.slice(0, -1),
      recipient.toUpperCase(),
      `${recipient}q`,
      'age1',
      'ssh-ed25519 AAAA',
      ' ',
      '-i'
    ]) {
      expect(
        codeOf(() => encryptionFor([wrong])),
        wrong
      ).toBe('SB001')
    }
    expect(codeOf(() => encryptionFor([]))).toBe('SB003')
    expect(codeOf(() => encryptionWith(''))).toBe('SB003')
  })

  test('post-quantum recipients work, but not mixed with classic ones', { timeout: 30_000 }, async () => {
    const identity = await generateHybridIdentity()
    const recipient = await identityToRecipient(identity)
    expect(codeOf(() => encryptionFor([recipient, recipient]))).toBe('nothing thrown')
    const classic = await pair()
    expect(codeOf(() => encryptionFor([recipient, classic.recipient]))).toBe('SB002')
    expect(encryptionFor([recipient]).scheme).toBe('age-pq')
    const { header, fileKey } = await headerFor(recipient)
    expect(await (await keysOf([identity])).openHeader(header)).toMatchObject({ kind: 'opened', fileKey })
  })
})

describe('keys', () => {
  test('F65: each of several recipients opens; a stranger gets `noMatch`, also with a rotated key', async () => {
    const [daily, offline, stranger] = [await pair(), await pair(), await pair()]
    const { header, fileKey } = await headerFor(daily.recipient, offline.recipient)
    for (const { identity } of [daily, offline]) {
      expect(await (await keysOf([identity])).openHeader(header)).toMatchObject({ kind: 'opened', fileKey })
    }
    expect(await (await keysOf([stranger.identity])).openHeader(header)).toEqual({ kind: 'noMatch' })
    expect(await (await keysOf([stranger.identity, offline.identity])).openHeader(header)).toMatchObject({
      kind: 'opened'
    })
  })

  test('F65: the message names the fingerprints of both sides', async () => {
    const [mine, theirs] = [await pair(), await pair()]
    const keys = await keysOf([mine.identity])
    const text = keysDoNotFit(
      'database.dump.zst.age',
      keys,
      describeEncryption(encryptionFor([theirs.recipient]))
    ).message
    expect(text).toContain(fingerprintOf(mine.recipient))
    expect(text).toContain(fingerprintOf(theirs.recipient))
  })

  test('F65: a passphrase on either side is told as that', async () => {
    const { identity, recipient } = await pair()
    const keys = await keysOf([identity])
    expect(keysDoNotFit('x.age', keysOfPassphrase('pass'), undefined)).toMatchObject({
      code: 'SB502',
      message: 'x.age cannot be opened with the passphrase: it was made for other keys.'
    })
    expect(keysDoNotFit('x.age', keys, describeEncryption(encryptionWith('pass'))).message).toBe(
      `x.age cannot be opened with the identity (${fingerprintOf(recipient)}): it was made for other keys. It was sealed with a passphrase.`
    )
  })

  test('the manifest says of a passphrase, and of no encryption, that there are no recipients', () => {
    expect(describeEncryption(encryptionWith('pass'))).toEqual({ scheme: 'age-scrypt', recipients: [] })
    expect(describeEncryption({ scheme: 'none' })).toEqual({ scheme: 'none', recipients: [] })
  })

  test('F62: every flipped byte of a header is found: damaged, or no longer for this key, never opened', async () => {
    const { identity, recipient } = await pair()
    const { header } = await headerFor(recipient)
    const keys = await keysOf([identity])
    const found = new Map<string, number>()
    for (let at = 0; at < header.byteLength; at += 1) {
      const damaged = Buffer.from(header)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      const { kind } = await keys.openHeader(damaged)
      expect(kind, `byte ${at}`).not.toBe('opened')
      found.set(kind, (found.get(kind) ?? 0) + 1)
    }
    expect(found.get('damaged')).toBeGreaterThan(50)
  })

  test('what is no identity is refused without being quoted', async () => {
    const { identity } = await pair()
    for (const wrong of [identity.slice(0, -1), 'hunter2', identity.toLowerCase()]) {
      await expect(keysOf([wrong])).rejects.toSatisfy(
        (error) => error instanceof UserError && !`${error.message}${String(error.cause)}`.includes(wrong)
      )
    }
    await expect(keysOf([])).rejects.toMatchObject({ code: 'SB003' })
  })
})

describe('passphrases', () => {
  test('F65: the right one opens, a wrong one does not match, identities neither', { timeout: 60_000 }, async () => {
    const encryption = encryptionWith('correct horse battery staple')
    if (encryption.scheme === 'none') throw new Error('not reached')
    const { header, fileKey } = await sealFile(encryption)
    expect(Buffer.from(header).toString('latin1')).toMatch(/^age-encryption.org\/v1\n-> scrypt [A-Za-z0-9+/]{22} 18\n/)
    expect(await keysOfPassphrase('correct horse battery staple').openHeader(header)).toMatchObject({
      kind: 'opened',
      fileKey
    })
    expect(await keysOfPassphrase('correct horse battery stable').openHeader(header)).toEqual({ kind: 'noMatch' })
    expect(await (await keysOf([(await pair()).identity])).openHeader(header)).toEqual({ kind: 'noMatch' })
  })

  test('the package opens what is made here and the other way round', async () => {
    const encrypter = new Encrypter()
    encrypter.addRecipient(passphraseRecipient('pass', 4))
    const decrypter = new Decrypter()
    decrypter.addPassphrase('pass')
    expect(await decrypter.decrypt(await encrypter.encrypt('text'), 'text')).toBe('text')

    const theirs = new Encrypter()
    theirs.setPassphrase('pass')
    theirs.setScryptWorkFactor(4)
    const ours = new Decrypter()
    ours.addIdentity(passphraseIdentity('pass'))
    expect(await ours.decrypt(await theirs.encrypt('text'), 'text')).toBe('text')
  })

  test('a key that cannot be derived fails by itself and holds up no other', async () => {
    const wrap = (logN: number) => passphraseRecipient('pass', logN).wrapFileKey(new Uint8Array(16))
    const both = await Promise.allSettled([wrap(0), wrap(4)])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  })

  test('a stanza that is not just as age writes it is refused', async () => {
    const [good] = await passphraseRecipient('pass', 4).wrapFileKey(new Uint8Array(16).fill(7))
    if (good === undefined) throw new Error('not reached')
    const [, salt = '', logN = ''] = good.args
    const { body } = good
    const open = (...stanzas: Stanza[]) => passphraseIdentity('pass').unwrapFileKey(stanzas)
    expect(await open(good)).toEqual(new Uint8Array(16).fill(7))
    for (const wrong of [
      new Stanza(['scrypt'], body),
      new Stanza(['scrypt', salt], body),
      new Stanza(['scrypt', salt, logN, 'more'], body),
      new Stanza(['scrypt', `${salt}==`, logN], body),
      new Stanza(['scrypt', salt.slice(0, -2), logN], body),
      new Stanza(['scrypt', salt, `0${logN}`], body),
      new Stanza(['scrypt', salt, '0'], body),
      new Stanza(['scrypt', salt, `${logN}.0`], body),
      new Stanza(['scrypt', salt, `x${logN}`], body),
      new Stanza(['scrypt', salt, logN], body.subarray(1)),
      new Stanza(['scrypt', salt, logN], new Uint8Array([...body, 0]))
    ])
      await expect(open(wrong), wrong.args.join(' ')).rejects.toThrow('invalid scrypt stanza')
    await expect(open(good, new Stanza(['X25519', 'x'], body))).rejects.toThrow('not the only one')
    expect(await open(new Stanza(['X25519', 'x'], body))).toBeNull()
    // The highest that is worked on, and the first that is not. 1 GiB is not spent here: the body is wrong, too.
    await expect(open(new Stanza(['scrypt', salt, '21'], body.subarray(1)))).rejects.toThrow('too high')
    await expect(open(new Stanza(['scrypt', salt, '20'], body.subarray(1)))).rejects.toThrow('invalid scrypt stanza')
  })

  test('work that would take more than 1 GiB of memory is refused before it starts', async () => {
    const encrypter = new Encrypter()
    encrypter.addRecipient(passphraseRecipient('pass', 4))
    const file = Buffer.from(await encrypter.encrypt('')).toString('latin1')
    const header = Buffer.from(
      `${file.slice(0, file.indexOf('\n', file.indexOf('\n---') + 1) + 1).replace(' 4\n', ' 21\n')}`,
      'latin1'
    )
    expect(await keysOfPassphrase('pass').openHeader(header)).toEqual({
      kind: 'damaged',
      reason: 'scrypt work factor is too high'
    })
  })
})
