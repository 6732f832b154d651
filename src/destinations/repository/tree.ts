import { isBackupId } from '../../archive/backup-id.ts'
import type { Git, TreeEntry } from '../../clients/git/index.ts'
import { UserError } from '../../errors.ts'
import { largestSmallFile } from '../destination.ts'
import { isFileName, isLabel, isRecordName, manifestName } from '../names.ts'

/** What is to stand at a path of the branch: a file, a folder made of files, or nothing. */
export type NewEntry = Pick<TreeEntry, 'mode' | 'type' | 'oid'> | null

export function fileEntry(oid: string): Exclude<NewEntry, null> {
  return { mode: '100644', type: 'blob', oid }
}

export function folderEntry(oid: string): Exclude<NewEntry, null> {
  return { mode: '040000', type: 'tree', oid }
}

/**
 * A new root tree in which `edit` decided what stands at `path`; all other entries stay as they are, byte for byte. A folder that
 * becomes empty goes away. Null stands for the empty tree. Throws SB412 when a file or link of others stands in the way.
 */
export async function withEntry(
  git: Git,
  tree: string | null,
  path: readonly string[],
  edit: (found: TreeEntry | undefined) => NewEntry | Promise<NewEntry>
): Promise<string | null> {
  const [name, ...rest] = path
  if (name === undefined) throw new Error('an empty path')
  const entries = tree === null ? [] : await git.readTree(tree)
  const found = entries.find((entry) => entry.name === name)
  let replaced: NewEntry
  if (rest.length === 0) {
    replaced = await edit(found)
  } else {
    if (found !== undefined && found.type !== 'tree') {
      throw new UserError('SB412', `A file named ${name} stands on the branch where the folder of a project belongs.`, {
        remedy: 'Give the backups a branch of their own with the input `branch`.'
      })
    }
    const inner = await withEntry(git, found?.oid ?? null, rest, edit)
    replaced = inner === null ? null : folderEntry(inner)
  }
  if (replaced?.oid === found?.oid && replaced?.mode === found?.mode) return tree
  const others = entries.filter((entry) => entry.name !== name)
  const all = replaced === null ? others : [...others, { ...replaced, name }]
  return all.length === 0 ? null : git.writeTree(all)
}

/** What stands at `path`; undefined when nothing does. */
export async function entryAt(git: Git, tree: string, path: readonly string[]): Promise<TreeEntry | undefined> {
  let at: TreeEntry | undefined
  let folder: string | undefined = tree
  for (const name of path) {
    if (folder === undefined) return undefined
    at = (await git.readTree(folder)).find((entry) => entry.name === name)
    folder = at?.type === 'tree' ? at.oid : undefined
  }
  return at
}

/** Where the manifest and records of a backup are, as object ids. */
export interface FoundBackup {
  readonly id: string
  readonly manifest: string
  readonly records: readonly { readonly name: string; readonly oid: string }[]
  /** Names of all files beside the manifest: a tree of git tells no lengths. */
  readonly names: readonly string[]
}

/** The committed backups in the tree of one project, in the order of their ids. */
export async function backupsIn(git: Git, projectTree: string): Promise<readonly FoundBackup[]> {
  // Looked at first without depth: a folder of others may have a label's name and be large.
  if (!(await git.readTree(projectTree)).some((entry) => entry.type === 'tree' && isBackupId(entry.name))) return []
  const found = new Map<string, { manifest?: string; records: { name: string; oid: string }[]; names: string[] }>()
  for (const entry of await git.readTree(projectTree, true)) {
    const [id = '', name = '', ...deeper] = entry.name.split('/')
    if (deeper.length > 0 || !isBackupId(id) || !isStoredFile(entry)) continue
    const backup = found.get(id) ?? { records: [], names: [] }
    found.set(id, backup)
    if (name === manifestName) backup.manifest = entry.oid
    else if (isRecordName(name)) backup.records.push({ name, oid: entry.oid })
    else backup.names.push(name)
  }
  return [...found].flatMap(([id, { manifest, records, names }]) =>
    manifest === undefined ? [] : [{ id, manifest, records: records.sort((a, b) => (a.name < b.name ? -1 : 1)), names }]
  )
}

/** The manifest and the records of a backup. */
export function smallFilesOf(backup: FoundBackup): readonly string[] {
  return [backup.manifest, ...backup.records.map((record) => record.oid)]
}

/** How many backups are read together, and how many bytes: they are held in memory. */
const mostTogether = 50
const mostBytesTogether = largestSmallFile

/** Cuts backups into portions that may be read together; `bytesOf` gives the lengths of what is read of one. */
export function* portions<T extends FoundBackup>(
  found: readonly T[],
  bytesOf: (backup: T) => readonly number[]
): Generator<readonly T[]> {
  let portion: T[] = []
  let bytes = 0
  for (const backup of found) {
    const more = bytesOf(backup).reduce((sum, each) => sum + each, 0)
    if (portion.length === mostTogether || (portion.length > 0 && bytes + more > mostBytesTogether)) {
      yield portion
      portion = []
      bytes = 0
    }
    portion.push(backup)
    bytes += more
  }
  if (portion.length > 0) yield portion
}

/** A plain file: no link, no folder, no submodule. */
export function isStoredFile(entry: TreeEntry): boolean {
  return entry.type === 'blob' && entry.mode !== '120000'
}

/** A tree of files by name. */
export async function treeOf(git: Git, files: ReadonlyMap<string, string>): Promise<string> {
  const entries: TreeEntry[] = []
  for (const [name, oid] of files) {
    if (!isFileName(name)) throw new Error(`not a name of a stored file: ${JSON.stringify(name)}`)
    entries.push({ ...fileEntry(oid), name })
  }
  return git.writeTree(entries)
}

/** The folders of labels at the root of the branch: of one project, or of all. Files of others are none. */
export async function labelsIn(git: Git, root: string, project: string | undefined): Promise<readonly TreeEntry[]> {
  return (await git.readTree(root)).filter(
    (entry) => entry.type === 'tree' && isLabel(entry.name) && (project === undefined || entry.name === project)
  )
}
