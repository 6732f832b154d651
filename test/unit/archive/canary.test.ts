import { expect, test } from 'vitest'
import { isCanaryName, isCanaryWord, isHeard, makeCanary, storedCanary } from '../../../src/archive/canary.ts'
import { isStorableName } from '../../../src/archive/stored-names.ts'
import { parseCanaryWords, parseIdentities } from '../../../src/inputs/keys.ts'

const about = {
  id: '20261122T161908Z-k2m7q5xa',
  project: 'shop',
  encryption: { scheme: 'age-x25519' as const, recipients: ['fp:0123456789abcdef', 'fp:fedcba9876543210'] }
}
const counting = (length: number) => Uint8Array.from({ length }, (_, index) => index * 7)
const holding = (name: string) => ({ files: [{ name, bytes: 1, sha256: 'a'.repeat(64) }] })

test('a canary says of which backup it is, for whom, and a word that its name proves', () => {
  const { name, text, word } = makeCanary(about, counting)
  expect(word).toBe('canary-ahov4-dkry7-gnu3c-jqx6f-mt2bi')
  expect(name).toMatch(/^canary-[0-9a-f]{16}\.txt$/)
  expect(isStorableName(`${name}.age`) && isCanaryName(name)).toBe(true)
  for (const part of [about.id, about.project, about.encryption.recipients.join(', '), word])
    expect(text).toContain(part)
  expect(isCanaryWord(word)).toBe(true)
  expect(storedCanary(holding(`${name}.age`))).toBe(`${name}.age`)
  expect(isHeard(holding(`${name}.age`), ['canary-aaaaa-aaaaa-aaaaa-aaaaa-aaaaa', word])).toBe(true)
})

test('a word of another canary is not heard, nor is any where there is no canary', () => {
  const { word } = makeCanary(about, counting)
  const other = makeCanary(about, (length) => new Uint8Array(length))
  expect(isHeard(holding(`${other.name}.age`), [word])).toBe(false)
  expect(isHeard(holding(`${other.name}.age`), [])).toBe(false)
  expect(isHeard(holding('database.dump.zst.age'), [word])).toBe(false)
  // The name is no secret; told as a word it proves nothing.
  expect(isCanaryWord(other.name)).toBe(false)
  expect(storedCanary(holding('canary.txt.age'))).toBeUndefined()
})

test('words are found in whatever was pasted with them, and identities are no words', () => {
  const { word, text } = makeCanary(about, counting)
  expect(parseCanaryWords(`# told by Ada\n${word}\n`)).toEqual({ ok: true, value: [word] })
  expect(parseCanaryWords(text)).toEqual({ ok: true, value: [word] })
  expect(parseCanaryWords(`${word}\nAGE-SECRET-KEY-1NONSENSE`)).toMatchObject({ ok: false, code: 'SB006' })
  expect(parseCanaryWords(word.toUpperCase())).toMatchObject({ ok: false, code: 'SB006' })
  expect(parseIdentities(word)).toMatchObject({
    ok: false,
    reason: expect.stringContaining('give it as `canary`')
  })
})
