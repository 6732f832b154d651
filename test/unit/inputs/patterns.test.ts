import { expect, it } from 'vitest'
import {
  parseBucketPattern,
  parseSchemaPatterns,
  parseTablePatterns,
  splitPatterns
} from '../../../src/inputs/patterns.ts'

it('lists keep commas inside quotes', () => {
  expect(splitPatterns(' a , "b,c"\n"d""e,f".g,,\n')).toEqual(['a', '"b,c"', '"d""e,f".g'])
})

it('patterns are checked and kept as they were typed', () => {
  expect(parseSchemaPatterns('public, app_*, "My.Schema", *')).toEqual({
    ok: true,
    value: ['public', 'app_*', '"My.Schema"', '*']
  })
  expect(parseTablePatterns('public.*\n"a.b"."c*d", *.log')).toEqual({
    ok: true,
    value: ['public.*', '"a.b"."c*d"', '*.log']
  })
})

it.each([
  [parseSchemaPatterns, 'public.users'],
  [parseSchemaPatterns, ','],
  [parseSchemaPatterns, '"open'],
  [parseSchemaPatterns, 'a\tb\x01'],
  [parseSchemaPatterns, 'x'.repeat(301)],
  [parseSchemaPatterns, 'x,'.repeat(1001)],
  [parseTablePatterns, 'a.b.c'],
  [parseTablePatterns, 'a.'],
  [parseTablePatterns, '.b'],
  [parseTablePatterns, 'public."x']
])('refuses in words: %# %s', (parse, text) => {
  const parsed = parse(text)
  expect(parsed.ok).toBe(false)
  if (!parsed.ok) expect(parsed.reason).toMatch(/^allowed are /)
})

it('says which entry of a list is wrong', () => {
  expect(parseTablePatterns('a.b,a.b.c')).toMatchObject({ ok: false, reason: expect.stringMatching(/^entry 2: /) })
})

it('bucket patterns', () => {
  expect(parseBucketPattern('img-*')).toEqual({ ok: true, value: ['img-', ''] })
  expect(parseBucketPattern('a\nb').ok).toBe(false)
})
