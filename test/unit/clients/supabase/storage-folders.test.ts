import { describe, expect, test } from 'vitest'
import { type FolderItem, listByFolders } from '../../../../src/clients/supabase/storage-folders.ts'

const pageSize = 1000

/** A folder as the server holds it: sorted, counted from its beginning. `before` runs before each page. */
function folder(names: readonly string[], before: (list: string[], page: number, offset: number) => void) {
  const list = [...names]
  let pages = 0
  return {
    pages: () => pages,
    reader: {
      page: async (prefix: string, offset: number, limit: number): Promise<readonly FolderItem[]> => {
        if (prefix !== '') throw new Error(`not asked for: ${prefix}`)
        pages += 1
        if (pages > 1000) throw new Error('it does not end')
        before(list, pages, offset)
        return list.slice(offset, offset + limit).map((name) => ({ id: `id of ${name}`, name }))
      },
      isThere: () => Promise.reject(new Error('no doubt about any of them'))
    }
  }
}

async function keysOf(reader: Parameters<typeof listByFolders>[0]): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of listByFolders(reader)) keys.push(key)
  return keys
}

const nameOf = (number: number) => `file-${String(number).padStart(7, '0')}`
const names = (count: number) => Array.from({ length: count }, (_, number) => nameOf(number))

describe('F28: a folder of the older list whose pages move while it is read', () => {
  test('100,001 objects, and before each page others are written in front of it: every one once, and it ends', async () => {
    const stay = names(100_001)
    const { reader, pages } = folder(stay, (list, page) => {
      const added = Array.from({ length: 20 }, (_, at) => `a-${String(page).padStart(4, '0')}-${at}`)
      list.splice(page * 7, 0, ...added)
    })
    const keys = await keysOf(reader)
    expect(new Set(keys).size).toBe(keys.length)
    const found = new Set(keys)
    expect(stay.filter((name) => !found.has(name))).toEqual([])
    // Nothing is read anew for what was written.
    expect(pages()).toBeLessThan(110)
  })

  test('100,001 objects, and before each page some that were read are deleted: none that stays is passed over', async () => {
    const all = names(100_001)
    const deleted = new Set<string>()
    const { reader, pages } = folder(all, (list, page) => {
      // Now and then more than a page.
      for (const gone of list.splice(0, page % 10 === 9 ? 1500 : 30)) deleted.add(gone)
    })
    const keys = await keysOf(reader)
    expect(new Set(keys).size).toBe(keys.length)
    const found = new Set(keys)
    expect(all.filter((name) => !deleted.has(name) && !found.has(name))).toEqual([])
    // It goes back by a page at a time, not to the beginning.
    expect(pages()).toBeLessThan(700)
  })

  test.each([
    ['the last item of a page', 999],
    ['the first of the next', 1000],
    ['both, and more than a page around them', 500]
  ])('a change exactly between two pages: %s', async (what, from) => {
    const all = names(3_500)
    const many = what.startsWith('both') ? 1_200 : 1
    const { reader } = folder(all, (list, page) => {
      if (page === 2) list.splice(from, many)
    })
    const keys = await keysOf(reader)
    const stay = all.filter((_, at) => at < from || at >= from + many)
    const found = new Set(keys)
    expect(new Set(keys).size).toBe(keys.length)
    expect(stay.filter((name) => !found.has(name))).toEqual([])
  })

  test('a folder that became empty, or smaller than what was read, ends', async () => {
    const { reader, pages } = folder(names(2_500), (list, page) => {
      if (page === 2) list.length = 0
    })
    expect(await keysOf(reader)).toEqual(names(pageSize))
    expect(pages()).toBeLessThan(5)
    const smaller = folder(names(2_500), (list, page) => {
      if (page === 3) list.length = 10
    })
    expect((await keysOf(smaller.reader)).slice(0, 1999)).toEqual(names(1999))
  })

  test.each([999, 1000, 1001, 1999, 2000])(
    '%i objects that nobody touches come once and in their order',
    async (count) => {
      const { reader } = folder(names(count), () => undefined)
      expect(await keysOf(reader)).toEqual(names(count))
    }
  )
})
