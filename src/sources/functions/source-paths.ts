import { createHash } from 'node:crypto'

/** A file as the server names it. */
export interface NamedFile {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface PlacedFile {
  /** Relative to the folder that all files share, with `/`. Where `name` leads out of every folder: `name` itself. */
  readonly path: string
  /** Whether `path` is one: no `..`, no empty segment, nothing that leads out. */
  readonly inside: boolean
  readonly bytes: Uint8Array
}

export interface PlacedFiles {
  readonly files: readonly PlacedFile[]
  /** The path that `entrypoint` has among the files, or null. */
  readonly entrypoint: string | null
  /** The path that a name (an import map's, for example) has among the files, or null. */
  pathOf(name: string): string | null
}

/**
 * Finds where the files of a function lie to one another. The server's names are absolute (`/tmp/user_fn_.../source/index.ts`,
 * `file:///...`), or relative to its root, or begin with `..` and are relative to the entry point's folder; what they share at the
 * beginning changes with each deployment and is taken away.
 */
export function placeFiles(files: readonly NamedFile[], entrypoint: string | null): PlacedFiles {
  const entrySegments = entrypoint === null ? null : segmentsOf(entrypoint, [])
  const entryFolder = entrySegments?.slice(0, -1) ?? []
  const exact = files.map((file) => ({ ...file, segments: segmentsOf(file.name, entryFolder) }))
  const root = entrySegments === null ? null : relativeRoot(exact, entrySegments)
  // Names relative to a folder of the entry point's: the same tree, from the root on.
  const segmentsIn = (name: string): readonly string[] | null =>
    root !== null && isRelative(name) ? segmentsOf(`/${[...root, name].join('/')}`, []) : segmentsOf(name, entryFolder)
  const resolved = files.map((file) => ({ ...file, segments: segmentsIn(file.name) }))
  const folders = resolved.flatMap(({ segments }) => (segments === null ? [] : [segments.slice(0, -1)]))
  const shared = sharedStart(folders)
  const relative = (segments: readonly string[]): string => segments.slice(shared).join('/')
  const placed = resolved.map(({ name, bytes, segments }) =>
    segments === null ? { path: name, inside: false, bytes } : { path: relative(segments), inside: true, bytes }
  )
  const pathOf = (name: string): string | null => {
    // The root was found by the entry point's own path, which it is no part of.
    const wanted = name === entrypoint ? entrySegments : segmentsIn(name)
    if (wanted === null) return null
    const isThere = resolved.some(({ segments }) => segments !== null && segments.join('/') === wanted.join('/'))
    return isThere ? relative(wanted) : null
  }
  return { files: placed, entrypoint: entrypoint === null ? null : pathOf(entrypoint), pathOf }
}

function isRelative(name: string): boolean {
  return !name.startsWith('/') && !/^[a-z][a-z0-9+.-]*:\/\//i.test(name)
}

/**
 * The folder that relative names start from, where none of the files has the entry point's own path: the entry point's path without the longest
 * end that it shares with one name. Null where it is among the files, or where no name or more than one fits best.
 */
function relativeRoot(
  files: readonly { readonly name: string; readonly segments: readonly string[] | null }[],
  entry: readonly string[]
): readonly string[] | null {
  if (files.some(({ segments }) => segments?.join('/') === entry.join('/'))) return null
  let longest = 0
  let fitting = 0
  for (const { name, segments } of files) {
    if (segments === null || !isRelative(name) || name.startsWith('../') || segments.length > entry.length) continue
    if (entry.slice(-segments.length).join('/') !== segments.join('/')) continue
    if (segments.length > longest) fitting = 0
    longest = Math.max(longest, segments.length)
    if (segments.length === longest) fitting += 1
  }
  return fitting === 1 ? entry.slice(0, -longest) : null
}

/** The segments of a name from the root on; null where it leads out of the root or is no file's name. */
function segmentsOf(name: string, entryFolder: readonly string[]): readonly string[] | null {
  let text = name
  if (/^file:\/\//i.test(name)) {
    try {
      text = decodeURIComponent(new URL(name).pathname)
    } catch {
      return null
    }
  } else if (/^[a-z][a-z0-9+.-]*:\/\//i.test(name)) return null
  if (text === '' || text.includes('\0') || text.endsWith('/')) return null
  const segments: string[] = text.startsWith('../') ? [...entryFolder] : []
  for (const segment of text.split('/')) {
    if (segment === '' || segment === '.') continue
    if (segment === '..') {
      if (segments.length === 0) return null
      segments.pop()
    } else segments.push(segment)
  }
  return segments.length === 0 ? null : segments
}

/** How many segments all the folders begin with in common. */
function sharedStart(folders: readonly (readonly string[])[]): number {
  const [first, ...rest] = folders
  if (first === undefined) return 0
  let length = first.length
  for (const folder of rest) {
    let same = 0
    while (same < length && same < folder.length && folder[same] === first[same]) same += 1
    length = same
  }
  return length
}

const reserved = /^(?:con|prn|aux|nul|com\d|lpt\d|\.git)(?:\.|$)/i

/** Whether a segment means the same on every file system and to every program. */
function isPlain(segment: string): boolean {
  return (
    /^[A-Za-z0-9._@+=~()[\]][A-Za-z0-9._@+=~()[\] -]{0,99}$/.test(segment) &&
    !/^\.{1,2}$|[. ]$/.test(segment) &&
    !reserved.test(segment)
  )
}

/** Gives names inside the archive: the paths themselves where they are harmless, names made from the content where not. */
export function entryNames(): {
  folder(slug: string): string
  file(folder: string, file: PlacedFile): string
} {
  /** Lower case: some file systems know no capitals. */
  const files = new Set<string>()
  const folders = new Set<string>()
  const taken = (name: string): boolean => {
    const lower = name.toLowerCase()
    return files.has(lower) || folders.has(lower) || ancestors(lower).some((ancestor) => files.has(ancestor))
  }
  return {
    folder(slug) {
      const plain = /^[A-Za-z][A-Za-z0-9_-]{0,99}$/.test(slug) && !reserved.test(slug) && !taken(slug)
      const name = plain ? slug : `function-${sha256(Buffer.from(slug)).slice(0, 32)}`
      folders.add(name.toLowerCase())
      return name
    },
    file(folder, file) {
      const harmless = file.inside && file.path.length <= 180 && file.path.split('/').every(isPlain)
      const wanted = `${folder}/source/${file.path}`
      const name = harmless && !taken(wanted) ? wanted : `${folder}/by-hash/${sha256(Buffer.from(file.path))}`
      files.add(name.toLowerCase())
      for (const ancestor of ancestors(name.toLowerCase())) folders.add(ancestor)
      return name
    }
  }
}

function ancestors(name: string): string[] {
  const segments = name.split('/')
  return segments.slice(1).map((_, index) => segments.slice(0, index + 1).join('/'))
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
