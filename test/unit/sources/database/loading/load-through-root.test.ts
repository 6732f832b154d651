import { describe, expect, test } from 'vitest'
import type { TableFacts } from '../../../../../src/archive/contents-database.ts'
import { ancestorsOf, mergedByRoot } from '../../../../../src/sources/database/loading/load-through-root.ts'
import { asNotValid } from '../../../../../src/sources/database/loading/not-valid.ts'

const table = (name: string, more: Partial<TableFacts> = {}): TableFacts => ({
  schema: 'public',
  name,
  kind: 'r',
  rows: '2',
  hash: { method: 'mixed', value: '-5' },
  columns: [],
  bytes: 0,
  rowSecurity: false,
  ...more
})

describe('partitions whose rows go through their root', () => {
  test('know the tables above them, the nearest first', () => {
    const tables = new Map([['public.b', table('b', { partitionOf: 'public."user"' })]])
    expect(ancestorsOf(table('a', { partitionOf: 'public.b' }), tables)).toEqual(['public.b', 'public.user'])
  })

  test('count and hash together, and tables of others stay by themselves', () => {
    const roots = new Map([
      ['public.a', 'public."T 1"'],
      ['public.b', 'public."T 1"']
    ])
    const merged = mergedByRoot(
      [table('a'), table('b', { rows: '3', hash: { method: 'mixed', value: '7' } }), table('c')],
      roots
    )
    expect(merged.map(({ name, rows, hash }) => [name, rows, hash?.value])).toEqual([
      ['c', '2', '-5'],
      ['T 1', '5', '2']
    ])
  })

  test('are only counted where one of them has no hash of the same kind', () => {
    const roots = new Map([
      ['public.a', 'public.t'],
      ['public.b', 'public.t']
    ])
    expect(mergedByRoot([table('a'), table('b', { hash: null })], roots)[0]?.hash).toBeNull()
    expect(mergedByRoot([table('a'), table('b', { rows: null })], roots)[0]?.rows).toBeNull()
  })
})

describe('what old rows break', () => {
  test.each([
    [
      'ALTER TABLE ONLY public.b\n    ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES public.a(id) DEFERRABLE;\n',
      'ALTER TABLE ONLY public.b\n    ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES public.a(id) DEFERRABLE NOT VALID;'
    ],
    [
      'ALTER TABLE public.b ADD CONSTRAINT c CHECK ((v > 1)) NOT VALID;',
      'ALTER TABLE public.b ADD CONSTRAINT c CHECK ((v > 1)) NOT VALID;'
    ],
    ['ALTER TABLE ONLY public.b ADD CONSTRAINT b_pkey PRIMARY KEY (id);', null],
    ['CREATE INDEX i ON public.b (a);', null]
  ])('%s', (definition, expected) => {
    expect(asNotValid(definition)).toBe(expected)
  })
})
