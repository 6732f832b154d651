import { expect, test } from 'vitest'
import { sameDefinition, withElementCasts } from '../../../../../src/sources/database/fingerprint/same-definition.ts'

test('the form that the server gives a cast of a whole array after a dump means the same', () => {
  const source = `CHECK (((name)::text = ANY ((ARRAY['a'::character varying, 'it''s, ]'::character varying])::text[])))`
  const copy = `CHECK (((name)::text = ANY (ARRAY[('a'::character varying)::text, ('it''s, ]'::character varying)::text])))`
  expect(withElementCasts(source)).toBe(copy)
  expect(sameDefinition(source, copy)).toBe(true)
})

test.each([
  [`(ARRAY['a'::varchar])::text[]`, `ARRAY[('b'::varchar)::text]`],
  [`(ARRAY['a'::varchar])::text[]`, `ARRAY[('a'::varchar)::citext]`],
  [`(ARRAY['a'::varchar, 'b'::varchar])::text[]`, `ARRAY[('a'::varchar)::text]`],
  ['(id > 1)', '(id > 2)']
])('%s is not %s', (left, right) => {
  expect(sameDefinition(left, right)).toBe(false)
})

test.each(['(ARRAY[', "(ARRAY['", '(ARRAY[1, 2])', '(ARRAY[(1])::text[]', '(ARRAY[f(1, 2), "a,b"])::public.t[]'])(
  '%s ends',
  (text) => {
    expect(typeof withElementCasts(text)).toBe('string')
  }
)
