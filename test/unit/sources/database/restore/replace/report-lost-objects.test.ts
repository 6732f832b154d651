import { describe, expect, test } from 'vitest'
import {
  goesWith,
  goneWithReplaced
} from '../../../../../../src/sources/database/restore/replace/report-lost-objects.ts'
import { entry } from '../../../../../kit/toc-entries.ts'

const table = { kind: 'table', name: 'public.notes', definition: 'id integer' }
const policy = { kind: 'policy', name: 'own on public.notes', definition: 'USING (true)' }
const made = entry({
  kind: 'POLICY',
  tag: 'notes own',
  definition: 'CREATE POLICY own ON public.notes USING (true);\n',
  dropStatement: 'DROP POLICY own ON public.notes;\n'
})

describe('what went with replaced objects', () => {
  test('a policy that only the target had is to be decided about, with the SQL that makes it again', () => {
    expect(goneWithReplaced([table, policy], [table], [made], false)).toEqual([
      expect.objectContaining({
        kind: 'todo',
        subject: 'policy own on public.notes',
        remedy: 'CREATE POLICY own ON public.notes USING (true);'
      })
    ])
  })

  test('of a replacement of everything it is only noted', () => {
    expect(goneWithReplaced([table, policy], [table], [made], true)).toMatchObject([{ kind: 'note' }])
  })

  test('nothing is said of what hung on a table that is gone altogether, and nothing of what is as it was', () => {
    expect(goneWithReplaced([table, policy], [], [made], false)).toEqual([])
    expect(goneWithReplaced([table, policy], [table, policy], [made], false)).toEqual([])
  })

  test('a policy that is another again is exchanged by its drop and its definition', () => {
    const other = { ...policy, definition: 'USING (false)' }
    expect(goneWithReplaced([table, policy], [table, other], [made], false)).toMatchObject([
      { kind: 'todo', remedy: `${made.dropStatement}${made.definition}`.trim() }
    ])
  })

  test('row security, comments and constraints are given back by statements of their own', () => {
    const before = [
      { kind: 'row security', name: 'public.notes', definition: 'enabled, forced' },
      { kind: 'comment', name: 'table public.notes', definition: "it's" },
      { kind: 'constraint', name: 'positive on public.notes', definition: 'CHECK (id > 0)' }
    ]
    const remedies = goneWithReplaced([table, ...before], [table], [], false).map(({ remedy }) => remedy)
    expect(remedies).toEqual([
      'ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;\nALTER TABLE public.notes FORCE ROW LEVEL SECURITY;',
      "COMMENT ON TABLE public.notes IS 'it''s';",
      'ALTER TABLE public.notes ADD CONSTRAINT positive CHECK (id > 0);'
    ])
  })

  test('what goes with a table: it and what is said of it, and nothing of its schema', () => {
    const goes = goesWith([entry({ kind: 'TABLE', tag: 'notes' })])
    expect([table, policy].every(goes)).toBe(true)
    expect(goes({ ...table, name: 'public.orders' })).toBe(false)
    expect(goes({ kind: 'schema', name: 'public.notes', definition: '' })).toBe(false)
  })
})
