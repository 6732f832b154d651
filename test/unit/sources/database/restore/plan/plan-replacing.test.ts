import { describe, expect, test } from 'vitest'
import type { TocEntry } from '../../../../../../src/sources/database/pg-archive/toc.ts'
import { planReplacing } from '../../../../../../src/sources/database/restore/plan/plan-replacing.ts'
import type { Chosen } from '../../../../../../src/sources/database/restore/plan/select-entries.ts'
import { chosenEntries, holding, targetState } from '../../../../../kit/restore-plans.ts'
import { entry, tocOf } from '../../../../../kit/toc-entries.ts'

const noExpressions = { all: [], uses: new Map() }

/** What goes from a target with `held` when a choice of a backup with `backup` takes its place. */
function planned(
  held: readonly TocEntry[],
  backup: readonly TocEntry[],
  { byTables = false, ...more }: Partial<Chosen> & { readonly byTables?: boolean } = {}
) {
  return planReplacing(
    tocOf(held),
    noExpressions,
    tocOf(backup),
    chosenEntries(backup, more),
    targetState(),
    holding(held),
    byTables
  )
}
const tags = (entries: readonly TocEntry[]) => entries.map(({ tag }) => tag)

const orders = entry({ kind: 'TABLE', tag: 'orders', definition: 'CREATE TABLE public.orders ();' })
const notes = entry({ kind: 'TABLE', tag: 'notes', definition: 'CREATE TABLE public.notes ();' })
const view = entry({ kind: 'VIEW', tag: 'open', schema: 'shop', needs: [orders.id] })
const oneTable = { byTables: true, whole: false, everything: false, entries: new Set([orders.id]) }

describe('what replacing takes away', () => {
  test('everything: all relations of the user, and no table of the platform', () => {
    const users = entry({ kind: 'TABLE', tag: 'users', schema: 'auth' })
    expect(tags(planned([orders, notes, view, users], [orders]).roots)).toEqual(['orders', 'notes', 'open'])
  })

  test('one table alone; what others have on it is given back, what is its own is not', () => {
    const index = entry({ kind: 'INDEX', tag: 'orders_key', needs: [orders.id] })
    const trigger = entry({ kind: 'TRIGGER', tag: 'orders stamp', needs: [orders.id] })
    const key = entry({ kind: 'FK CONSTRAINT', tag: 'notes notes_order', needs: [notes.id, orders.id] })
    const published = entry({ kind: 'PUBLICATION TABLE', tag: 'feed orders', needs: [orders.id] })
    const { roots, givenBack } = planned([orders, notes, index, trigger, view, key, published], [orders], oneTable)
    expect(tags(roots)).toEqual(['orders'])
    expect(givenBack).toEqual([view, key, published])
  })

  test('a table that goes with another is in danger, and so is a composite type', () => {
    const child = entry({ kind: 'TABLE', tag: 'child', needs: [orders.id] })
    const pair = entry({
      kind: 'TYPE',
      tag: 'pair',
      needs: [orders.id],
      definition: 'CREATE TYPE public.pair AS (a x);'
    })
    expect(planned([orders, child, pair], [orders], oneTable).endangered).toEqual(['public.child', 'public.pair'])
  })

  test('partitions that came after the backup go with their table', () => {
    const late = entry({ kind: 'TABLE', tag: 'orders_2027' })
    const attach = entry({ kind: 'TABLE ATTACH', tag: 'orders_2027', needs: [orders.id, late.id] })
    expect(tags(planned([orders, late, attach], [orders], oneTable).roots)).toEqual(['orders', 'orders_2027'])
  })

  test('a table that is left out of a choice stays', () => {
    const choice = { whole: false, entries: new Set([notes.id]) }
    expect(tags(planned([orders, notes], [orders, notes], choice).roots)).toEqual(['notes'])
  })

  describe('functions and types', () => {
    const made = (head: string, body: string) =>
      entry({
        kind: 'FUNCTION',
        tag: 'f(integer)',
        definition: `CREATE FUNCTION public.f(${head}) RETURNS int\n    LANGUAGE sql\n    AS $$${body}$$;\n`
      })
    test.each([
      ['another body', [made('a int', 'select 1')], [made('a int', 'select 2')], []],
      ['another name of a parameter', [made('a int', '')], [made('b int', '')], ['f(integer)']],
      ['unknown to the backup', [made('a int', '')], [], ['f(integer)']]
    ])('%s', (_, held, backup, expected) => {
      expect(tags(planned(held, backup).roots)).toEqual(expected)
    })

    test('a type is replaced where it is another, and stays where it is the same', () => {
      const type = (labels: string) =>
        entry({ kind: 'TYPE', tag: 'state', definition: `CREATE TYPE public.state AS ENUM (${labels});` })
      expect(planned([type("'a'")], [type("'a'")]).roots).toEqual([])
      expect(tags(planned([type("'a', 'b'")], [type("'a'")]).roots)).toEqual(['state'])
    })
  })

  test('a schema that the backup does not know goes with all that lies in it; public never does', () => {
    const shop = entry({ kind: 'SCHEMA', tag: 'shop', schema: '' })
    const open = entry({ kind: 'SCHEMA', tag: 'public', schema: '' })
    const f = entry({ kind: 'CONVERSION', tag: 'c', schema: 'shop', needs: [shop.id] })
    const { roots, givenBack } = planned([shop, open, f], [])
    expect(tags(roots)).toEqual(['shop'])
    expect(givenBack).toEqual([])
  })

  test('on tables of the platform: what the backup does not know goes, what is another there is exchanged', () => {
    const trigger = (name: string, call: string) =>
      entry({
        kind: 'TRIGGER',
        tag: `users ${name}`,
        schema: 'auth',
        definition: `CREATE TRIGGER ${name} AFTER INSERT ON auth.users EXECUTE FUNCTION public.${call}();`
      })
    const [same, other, extra] = [trigger('same', 'f'), trigger('other', 'g'), trigger('extra', 'h')]
    const backup = [trigger('same', 'f'), trigger('other', 'f')]
    const { extras, changed } = planned([same, other, extra], backup)
    expect(extras).toEqual([extra])
    expect([...changed]).toEqual([backup[1]?.id])
  })

  test('names of what goes count as free, for another kind that shares them, too', () => {
    const { known } = planned([view, orders], [orders])
    expect(known.has(view)).toBe(false)
    expect(known.has({ ...view, kind: 'TABLE' })).toBe(false)
  })
})
