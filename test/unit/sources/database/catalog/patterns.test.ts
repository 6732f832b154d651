import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesTable, parsePattern, pgDumpPattern } from '../../../../../src/sources/database/catalog/patterns.ts'

test.each([
  ['public', 'schema', '"public"'],
  ['log_*', 'schema', '"log_"*'],
  ['*', 'schema', '*'],
  ['a.b', 'table', '"a"."b"'],
  ['a.*', 'table', '"a".*'],
  ['b', 'table', '*."b"'],
  ['"a.b"."c*d"', 'table', '"a.b"."c*d"'],
  ['a"b', 'schema', null],
  ['a.b.c', 'table', null],
  ['a.b', 'schema', null],
  ['', 'schema', null],
  ['a.', 'table', null],
  ['x|y', 'schema', '"x|y"'],
  ['"say ""hi"""', 'schema', '"say ""hi"""'],
  ['-t', 'schema', '"-t"']
] as const)('%s as a pattern of a %s is %s for pg_dump', (text, kind, rendered) => {
  if (rendered === null) expect(() => parsePattern(text, kind)).toThrow(/pattern/)
  else expect(pgDumpPattern(parsePattern(text, kind))).toBe(rendered)
})

test('a name in quotes matches itself and nothing else', () => {
  const name = fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => !text.includes('\0'))
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
  fc.assert(
    fc.property(name, name, name, (schema, table, other) => {
      const pattern = parsePattern(`${quoted(schema)}.${quoted(table)}`, 'table')
      expect(matchesTable(pattern, schema, table)).toBe(true)
      expect(matchesTable(pattern, schema, other)).toBe(other === table)
    })
  )
})

test.each([
  ['a*c', 'abc', true],
  ['a*c', 'ac', true],
  ['a*a', 'a', false],
  ['*b*', 'abc', true],
  ['a*b*c', 'axbxbyc', true],
  ['a*b*c', 'acb', false],
  ['A*', 'abc', false]
])('%s on %s: %s', (text, name, expected) => {
  expect(matchesTable(parsePattern(`s.${text}`, 'table'), 's', name)).toBe(expected)
})
