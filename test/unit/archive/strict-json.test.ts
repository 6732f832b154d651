import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseStrictJson } from '../../../src/archive/strict-json.ts'

const parse = (text: string) => parseStrictJson(Buffer.from(text))
const reason = (text: string | Uint8Array) => {
  const parsed = typeof text === 'string' ? parse(text) : parseStrictJson(text)
  return parsed.kind === 'refused' ? parsed.reason : `read as ${JSON.stringify(parsed.value)}`
}

describe('F66: what JSON.parse would let through is refused', () => {
  test.each([
    ['a key twice', '{"a":1,"b":{"a":2},"a":3}', 'it holds a key twice'],
    ['a key twice, written differently', '{"a":1,"\\u0061" :2}', 'it holds a key twice'],
    ['a key twice inside an array', '[{"a":1,"a":1}]', 'it holds a key twice'],
    ['__proto__', '{"x":{"__proto__":{"y":1}}}', 'it holds the key __proto__'],
    ['__proto__ in escapes', '{"\\u005f_proto__":1}', 'it holds the key __proto__'],
    ['2^53', '{"a":9007199254740992}', 'it holds a number that cannot be kept exactly'],
    ['-2^53-1', '[-9007199254740993]', 'it holds a number that cannot be kept exactly'],
    ['infinity by overflow', '[1e999]', 'it holds a number that cannot be kept exactly'],
    ['a lone surrogate', '["\\ud800"]', 'it holds half of a character (a lone surrogate)'],
    ['a lone surrogate in a key', '{"\\udc00":1}', 'it holds half of a character (a lone surrogate)'],
    ['a byte order mark', '\uFEFF{}', 'it begins with a byte order mark'],
    ['65 levels', `${'['.repeat(65)}${']'.repeat(65)}`, 'it is nested deeper than 64 levels'],
    ['T12: a million levels', '['.repeat(1_000_000), 'it is nested deeper than 64 levels'],
    ['NaN', '{"a":NaN}', 'it is not valid JSON'],
    ['a comment', '{}//', 'it is not valid JSON'],
    ['a trailing comma', '[1,]', 'it is not valid JSON'],
    ['something after the end', '{}{}', 'it is not valid JSON'],
    ['nothing', '', 'it is not valid JSON'],
    ['a broken string', '["\\x"]', 'it holds a broken string'],
    ['an open string', '["abc', 'it is not valid JSON']
  ])('%s', (_name, text, expected) => {
    expect(reason(text)).toBe(expected)
  })

  test('bytes that are no UTF-8', () => {
    expect(reason(Buffer.from([0x22, 0xff, 0x22]))).toBe('it is not UTF-8')
    expect(reason(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))).toBe('it is not UTF-8')
  })

  test('prototypes stay as they are', () => {
    parse('{"__proto__":{"x":1}}')
    expect(({} as { x?: number }).x).toBeUndefined()
  })
})

test('64 levels, the largest safe integers, pairs of surrogates and equal keys of different objects are read', () => {
  for (const text of [
    `${'['.repeat(64)}${']'.repeat(64)}`,
    '[9007199254740991,-9007199254740991,0.1,-1.5e-7]',
    '["\\ud83d\\ude00"]',
    '{"a":{"b":1},"c":{"b":1}}',
    '{"a":"\\"}{:","b":[":"]}',
    '{"a":"b","c":"a"}'
  ]) {
    expect(parse(text), text).toEqual({ kind: 'ok', value: JSON.parse(text) })
  }
})

test('every JSON that has none of these is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent)
      const parsed = parse(text)
      if (parsed.kind === 'ok') expect(parsed.value).toEqual(JSON.parse(text))
      else expect(parsed.reason).toMatch(/number|surrogate|__proto__/)
    }),
    { numRuns: 2000 }
  )
})

test('no text makes it throw, and what it reads JSON.parse reads, too', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"',
    '\\',
    '\\u',
    'a',
    '1',
    '-',
    'e',
    '.',
    ' ',
    '\n',
    'null',
    '"a"',
    '\\ud800'
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
      const text = parts.join('')
      const parsed = parse(text)
      if (parsed.kind === 'ok') expect(parsed.value).toEqual(JSON.parse(text))
    }),
    { numRuns: 5000 }
  )
})
