/** One line of the older list: an object, or a folder (`id` null). `name` is the part of the key that comes after the prefix. */
export interface FolderItem {
  readonly id: string | null
  readonly name: string
}

/** What the older list is asked through. */
export interface FolderReader<T extends FolderItem> {
  /** Up to `limit` items whose keys begin with `prefix`, which is empty or ends with a slash, in the order of names. */
  page(prefix: string, offset: number, limit: number): Promise<readonly T[]>
  /** Whether there is an object of this key with this id. */
  isThere(key: string, id: string): Promise<boolean>
}

/** Below the 1,500 that the server's own function stops at. */
const pageSize = 1000

/**
 * Every object of a bucket through the older list, which shows one folder at a time and counts from its beginning: where others write meanwhile, pages
 * move. Each page begins where the one before ended; when nothing in it was seen before, so many items went away that some may have been passed over,
 * and it goes back until it meets one that was seen. The server takes `_` and `%` of a prefix for any characters, and capitals for small letters: what
 * lies in such folders is asked for by its whole key.
 */
export async function* listByFolders<T extends FolderItem>(
  reader: FolderReader<T>
): AsyncGenerator<T & { readonly key: string }> {
  const open: { readonly prefix: string; readonly unsure: boolean }[] = [{ prefix: '', unsure: false }]
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    const { prefix, unsure } = folder
    const folders: string[] = []
    for await (const item of itemsOf(reader, prefix)) {
      const key = `${prefix}${item.name}`
      if (item.id === null) folders.push(item.name)
      else if (!unsure || (await reader.isThere(key, item.id))) yield { ...item, key }
    }
    const counts = new Map<string, number>()
    for (const name of folders) counts.set(name.toLowerCase(), (counts.get(name.toLowerCase()) ?? 0) + 1)
    for (const name of folders.toReversed())
      open.push({
        prefix: `${prefix}${name}/`,
        unsure: unsure || /[%_\\]/.test(name) || counts.get(name.toLowerCase()) !== 1
      })
  }
}

/** The items of one folder, each once. */
async function* itemsOf<T extends FolderItem>(reader: FolderReader<T>, prefix: string): AsyncGenerator<T> {
  const seen = new Set<string>()
  const idOf = (item: T) => `${item.id ?? 'folder'} ${item.name}`
  for (let offset = 0; ; ) {
    const page: readonly T[] = await reader.page(prefix, offset, pageSize)
    // All that stays and comes before an item that was seen was seen, too: from there on nothing is passed over.
    if (offset > 0 && !page.some((item) => seen.has(idOf(item)))) {
      offset = Math.max(0, offset - pageSize + 1)
      continue
    }
    for (const item of page) {
      if (seen.has(idOf(item))) continue
      seen.add(idOf(item))
      yield item
    }
    if (page.length < pageSize) return
    offset += page.length - 1
  }
}
