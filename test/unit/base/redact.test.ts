import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRedact, redactTexts } from '../../../src/base/redact.ts'
import { inert } from '../../../src/text/escape.ts'

const secret = fc
  .string({ minLength: 8, maxLength: 30 })
  .filter((text) => text.trim() === text && text.trim().length >= 8)

test('T7: a secret is found in every form in which programs repeat it', () => {
  fc.assert(
    fc.property(secret, fc.string({ maxLength: 7 }), fc.string({ maxLength: 7 }), (value, before, after) => {
      const redact = createRedact([value])
      for (const form of [
        value,
        encodeURIComponent(value),
        JSON.stringify(value).slice(1, -1),
        Buffer.from(value).toString('hex'),
        Buffer.from(value).toString('base64')
      ])
        expect(redact(`<${form}>`)).toBe('<***>')
      const embedded = redact(Buffer.from(`${before}${value}${after}`).toString('base64'))
      const middle = Buffer.from(value).subarray(2, -2).toString('base64').slice(2, -4)
      if (middle.length >= 8) expect(embedded).toContain('***')
    }),
    { numRuns: 2_000 }
  )
})

test('without secrets a text stays as it is, and a short one is found encoded, too', () => {
  for (const secrets of [[], ['', 'abc', '\n\n']]) expect(createRedact(secrets)('abc and more')).toBe('abc and more')
  const redact = createRedact(['k3y!'])
  expect(createRedact(['long enough\n  indented line \r\n'])('indented line')).toBe('***')
  for (const form of [
    'k3y!',
    'k3y%21',
    Buffer.from('k3y!').toString('hex').toUpperCase(),
    Buffer.from('k3y!').toString('hex'),
    Buffer.from('k3y!').toString('base64url')
  ])
    expect(redact(`<${form}>`)).toBe('<***>')
})

test('T7: a secret is found in the middle of a longer text in base64, wherever it begins, in both alphabets', () => {
  const secret = 'c6n>r?~ÿ_long enough'
  const redact = createRedact([secret])
  for (const before of ['', 'a', 'ab', 'abc'])
    for (const after of ['', 'x', 'xy', 'xyz'])
      for (const alphabet of ['base64', 'base64url'] as const) {
        const text = Buffer.from(`${before}${secret}${after}`).toString(alphabet)
        const left = redact(text)
        expect([before, after, alphabet, left.includes('***')]).toEqual([before, after, alphabet, true])
        // What stays are the characters that the neighbours have a part in.
        expect(left.replace('***', '').length).toBeLessThan(14)
      }
})

test('T7: of two secrets, one in the other, no rest stays', () => {
  expect(createRedact(['hunter2', 'hunter2hunter3'])('hunter2hunter3 hunter2')).toBe('*** ***')
  expect(createRedact(['a.c*d'])('aXcccd a.c*d')).toBe('aXcccd ***')
})

test('T7: as programs for the web write it', () => {
  const redact = createRedact([`a <b> & "c" 'd' (é)!`])
  for (const form of [
    'a &lt;b&gt; &amp; &quot;c&quot; &#39;d&#39; (é)!',
    'a+%3Cb%3E+%26+%22c%22+%27d%27+%28%C3%A9%29%21',
    `a%20%3Cb%3E%20%26%20%22c%22%20'd'%20(%C3%A9)!`,
    'a%20%3Cb%3E%20%26%20%22c%22%20%27d%27%20%28%C3%A9%29%21',
    `a%20%3cb%3e%20%26%20%22c%22%20'd'%20(%c3%a9)!`
  ])
    expect(redact(`<<${form}>>`)).toBe('<<***>>')
})

test('T7: as databases and shells quote it', () => {
  const redact = createRedact([String.raw`it's:a\word`])
  for (const form of [
    String.raw`it''s:a\word`,
    String.raw`it\'s:a\\word`,
    String.raw`it's\:a\\word`,
    String.raw`it'\''s:a\word`
  ])
    expect(redact(`<${form}>`)).toBe('<***>')
})

test('T7: in a value every text is looked through, before an escape takes a secret apart', () => {
  const redact = createRedact(['sb_secret_0123456789'])
  const said = { restore: { sources: [{ reason: 'refused: sb_secret_0123456789', rows: 3, at: null }] } }
  expect(redact(inert(said.restore.sources[0]?.reason ?? ''))).toContain('0123456789')
  expect(redactTexts(said, redact)).toEqual({ restore: { sources: [{ reason: 'refused: ***', rows: 3, at: null }] } })
})

test('each line of a key file is a secret; short values are not, for they would cripple every text', () => {
  const redact = createRedact(['# created\nAGE-SECRET-KEY-1QQQ\n', 'abc'])
  expect(redact('key AGE-SECRET-KEY-1QQQ, abc')).toBe('key ***, abc')
})
