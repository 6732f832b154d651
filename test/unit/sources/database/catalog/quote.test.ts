import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  plainName,
  qualified,
  quoteIdentifier,
  readable,
  unquoteIdentifier
} from '../../../../../src/sources/database/catalog/quote.ts'

describe('names in SQL', () => {
  test('any name comes back from its quotes', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect(unquoteIdentifier(quoteIdentifier(name))).toBe(name)
      })
    )
  })

  test('what is not quoted is what it says', () => {
    expect(unquoteIdentifier('notes')).toBe('notes')
    expect(unquoteIdentifier('')).toBe('')
  })

  test('a name of the catalog is written as for people, whose quotes are those that are needed', () => {
    const order = { schema: 'app', name: 'order' }
    expect(plainName('app."order"')).toBe(readable(order))
    expect(plainName(qualified(order))).toBe(readable(order))
    const odd = { schema: 'App', name: 'a "b" c' }
    expect(plainName(qualified(odd))).toBe(readable(odd))
  })
})
