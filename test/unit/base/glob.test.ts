import fc from 'fast-check'
import { expect, it } from 'vitest'
import { globMatches, parseGlob } from '../../../src/base/glob.ts'

it.each([
  ['a', 'a', true],
  ['a', 'ab', false],
  ['*', '', true],
  ['*', 'anything', true],
  ['a*', 'a', true],
  ['a*', 'ba', false],
  ['*a', 'ba', true],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['a*b*c', 'axxbyyc', true],
  ['a*b*c', 'acb', false],
  ['a*bc*bc', 'abc', false],
  ['a*bc*bc', 'abcbc', true],
  ['a.c', 'abc', false],
  ['a?c', 'abc', false],
  ['[a]', 'a', false],
  ['A', 'a', false]
])('%s against %s: %s', (glob, name, expected) => {
  expect(globMatches(parseGlob(glob), name)).toBe(expected)
})

it('agrees with the regular expression that means the same', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 })
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 12 })
  fc.assert(
    fc.property(text, name, (glob, value) => {
      const meaning = new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('*', '.*')}$`)
      expect(globMatches(parseGlob(glob), value)).toBe(meaning.test(value))
    }),
    { numRuns: 3000 }
  )
})

it('a pattern that would drown a regular expression is answered at once', () => {
  expect(globMatches(parseGlob(`${'a*'.repeat(200)}b`), 'a'.repeat(100_000))).toBe(false)
  expect(globMatches(parseGlob(`${'*a'.repeat(200)}*b*`), 'a'.repeat(100_000))).toBe(false)
})
