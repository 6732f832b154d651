import { expect, it } from 'vitest'
import { compareInside, diffText, type Inside, showText } from '../../../src/cli/contents-report.ts'

const inside = (more: Partial<Inside> = {}): Inside => ({
  id: '20261122T161908Z-k2m7q5xa',
  project: 'shop',
  createdAt: '2026-11-22T16:19:08.000Z',
  type: 'full',
  status: 'complete',
  tables: [
    { name: 'public.orders', rows: '10', hash: 'mixed:1', bytes: 8192 },
    { name: 'public.notes', rows: '3', hash: 'mixed:2', bytes: 8192 }
  ],
  objects: [{ kind: 'policy', name: 'own rows on public.notes', definition: 'using (true)' }],
  buckets: [{ name: 'avatars', files: 2, bytes: 100, digest: 'a' }],
  functions: [{ slug: 'hello', version: 1, digest: 'x' }],
  missing: [],
  ...more
})

it('shows what is inside and what is missing; names cannot move the cursor', () => {
  const text = showText(inside({ missing: [{ what: 'large\u001b[2Jobjects', reason: 'not asked for' }] }))
  for (const words of ['public.orders', '10', 'policy', 'avatars', 'hello', 'What is missing'])
    expect(text).toContain(words)
  expect(text).not.toContain('\u001b')
})

it('names tables by rows and by content, objects, buckets and functions that differ, and nothing else', () => {
  const after = inside({
    id: 'later',
    tables: [
      { name: 'public.orders', rows: '12', hash: 'mixed:9', bytes: 0 },
      { name: 'public.notes', rows: '3', hash: 'mixed:3', bytes: 0 },
      { name: 'public.new', rows: '0', hash: 'mixed:0', bytes: 0 }
    ],
    objects: [{ kind: 'policy', name: 'own rows on public.notes', definition: 'using (false)' }],
    buckets: [{ name: 'avatars', files: 3, bytes: 200, digest: 'b' }],
    functions: []
  })
  const difference = compareInside(inside(), after)
  expect(difference.tables).toEqual([
    { name: 'public.new', before: null, after: '0', change: 'only in the second' },
    { name: 'public.notes', before: '3', after: '3', change: 'same number of rows, other content' },
    { name: 'public.orders', before: '10', after: '12', change: 'rows' }
  ])
  expect(difference.objects).toEqual([{ kind: 'policy', name: 'own rows on public.notes', change: 'other definition' }])
  expect(difference.buckets).toEqual([{ name: 'avatars', before: 2, after: 3, change: 'files' }])
  expect(difference.functions).toEqual([{ name: 'hello', change: 'only in the first' }])
  expect(diffText(compareInside(inside(), inside()))).toContain('Nothing differs.')
})

it('says nothing of content where the hashes were taken in different ways', () => {
  const other = inside({ tables: inside().tables.map((table) => ({ ...table, hash: 'record:7' })) })
  expect(compareInside(inside(), other).tables).toEqual([])
})
