import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRedact } from '../../src/redact.ts'

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

test('each line of a key file is a secret; short values are not, for they would cripple every text', () => {
  const redact = createRedact(['# created\nAGE-SECRET-KEY-1QQQ\n', 'abc'])
  expect(redact('key AGE-SECRET-KEY-1QQQ, abc')).toBe('key ***, abc')
})
