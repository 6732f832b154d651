import { expect, test } from 'vitest'
import { columnForm } from '../../../../../src/sources/database/catalog/column-form.ts'
import { hashStatement, sumBatches } from '../../../../../src/sources/database/dump/hashes.ts'

test.each([
  ['int4', 'value', undefined],
  ['text', 'collated', undefined],
  ['numeric', 'binary', 'numeric_send'],
  ['jsonb', 'binary', 'jsonb_send'],
  ['bpchar', 'binary', 'bpcharsend'],
  ['_text', 'binary', 'array_send'],
  ['_numeric', 'binary', 'array_send'],
  ['regclass', 'text', undefined],
  ['_regclass', 'text', undefined],
  ['xml', 'text', undefined],
  ['', 'text', undefined],
  ['constructor', 'text', undefined],
  ['_constructor', 'text', undefined]
])('a column of type %s is hashed as %s %s', (type, form, send) => {
  expect(columnForm('c', type)).toEqual({ name: 'c', form, ...(send === undefined ? {} : { send }) })
})

test('names stay names in the statement', () => {
  const sql = hashStatement(
    { schema: 'a"b', name: 'c; drop table d', columns: [columnForm('e") from f --', 'int4')] },
    'record'
  )
  expect(sql).toContain('from only "a""b"."c; drop table d" t')
  expect(sql).toContain('t."e"") from f --"')
})

test('many small tables share a statement, a large one stands alone', () => {
  const request = (bytes: number) => ({ table: { schema: 's', name: 't', columns: [] }, bytes, method: null })
  const sizes = sumBatches([
    request(1),
    request(2),
    request(1e9),
    request(3),
    ...Array.from({ length: 250 }, () => request(0))
  ]).map((batch) => batch.length)
  expect(sizes).toEqual([2, 1, 200, 51])
})
