import { describe, expect, test } from 'vitest'
import { passesOf } from '../../../../../src/sources/database/loading/restore-order.ts'
import { entry, tocOf } from '../../../../kit/toc-entries.ts'

describe('the order of a restore', () => {
  test('a trigger of a partition is switched off when all triggers are there, wherever the archive has it', () => {
    const off = entry({
      kind: 'TRIGGER',
      tag: 'a each',
      section: 4,
      definition: 'ALTER TABLE public.a DISABLE TRIGGER each;\n'
    })
    const made = entry({
      kind: 'TRIGGER',
      tag: 'z each',
      section: 4,
      definition: 'CREATE TRIGGER each AFTER INSERT ON public.z;\n'
    })
    const key = entry({ kind: 'FK CONSTRAINT', tag: 'z key', section: 4 })
    const data = entry({ kind: 'TABLE DATA', tag: 'z', section: 3 })
    const passes = passesOf(tocOf([data, off, made, key]), [off, made, key])
    expect(passes.after.map(({ tag }) => tag)).toEqual(['z each', 'z key', 'a each'])
  })

  test('materialized views are filled before the first event trigger is there', () => {
    const trigger = entry({ kind: 'EVENT TRIGGER', tag: 'log', section: 4 })
    const comment = entry({ kind: 'COMMENT', tag: 'EVENT TRIGGER log', section: 1 })
    const view = entry({ kind: 'MATERIALIZED VIEW DATA', tag: 'm', section: 4 })
    expect(passesOf(tocOf([trigger, comment, view]), [trigger, comment, view]).last.map(({ kind }) => kind)).toEqual([
      'MATERIALIZED VIEW DATA',
      'EVENT TRIGGER',
      'COMMENT'
    ])
  })

  test('schemas and extensions come first, grants after everything else, default privileges by themselves', () => {
    const entries = ['ACL', 'TABLE', 'DEFAULT ACL', 'EXTENSION', 'SCHEMA'].map((kind) => entry({ kind, tag: kind }))
    const passes = passesOf(tocOf(entries), entries)
    const kinds = (pass: readonly { readonly kind: string }[]) => pass.map(({ kind }) => kind)
    expect([passes.first, passes.before, passes.after, passes.grants, passes.last, passes.defaults].map(kinds)).toEqual(
      [['EXTENSION', 'SCHEMA'], ['TABLE'], [], ['ACL'], [], ['DEFAULT ACL']]
    )
  })

  test('what the archive has behind its data comes after the rows, but large objects, which rows need', () => {
    const data = entry({ kind: 'TABLE DATA', tag: 't', section: 3 })
    const index = entry({ kind: 'INDEX', tag: 't_key', section: 4 })
    const large = entry({ kind: 'BLOB METADATA', tag: '1', section: 3 })
    const passes = passesOf(tocOf([data, index, large]), [index, large])
    expect(passes.after).toEqual([index])
    expect(passes.before).toEqual([large])
  })
})
