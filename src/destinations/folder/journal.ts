import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { type Journal, type JournalFile, largestJournalFile } from '../destination.ts'
import { assertJournalName, assertLabel, isJournalName, isLabel, journalName, journalTaken } from '../names.ts'
import { guarded, isFolder, look, makeFolder, partialName, readSmall, syncFolder, writeSmall } from './files.ts'

interface Parts {
  makeRoot(): Promise<string>
  existingRoot(): Promise<string | null>
  random(): string
  readonly signal: AbortSignal
  /** For messages. */
  readonly place: string
}

/** The journal of a project in `<folder>/<label>/journal/`. */
export function folderJournal(parts: Parts): Journal {
  async function* filesOf(root: string, project: string): AsyncGenerator<JournalFile> {
    // A file or link of this name is somebody else's: the listing of backups tells of it.
    if ((await look(join(root, project)))?.isDirectory() !== true) return
    const folder = join(root, project, journalName)
    if (!(await isFolder(folder))) return
    for (const name of (await guarded(folder, () => readdir(folder))).filter(isJournalName).sort())
      yield { project, name, content: await contentOf(join(folder, name)) }
  }

  return {
    async add(project, name, content) {
      assertLabel(project)
      assertJournalName(name)
      parts.signal.throwIfAborted()
      const parent = join(await parts.makeRoot(), project)
      await makeFolder(parent)
      const folder = join(parent, journalName)
      await makeFolder(folder)
      const path = join(folder, name)
      if ((await look(path)) !== null) {
        if (Buffer.compare(await contentOf(path), content) === 0) return
        throw journalTaken(name, project, parts.place)
      }
      const partial = join(folder, partialName(parts.random()))
      await writeSmall(partial, content, parts.signal)
      await guarded(path, () => rename(partial, path))
      await syncFolder(folder)
    },

    async *list(project) {
      if (project !== undefined) assertLabel(project)
      const root = await parts.existingRoot()
      if (root === null) return
      const labels =
        project === undefined ? (await guarded(root, () => readdir(root))).filter(isLabel).sort() : [project]
      for (const label of labels) yield* filesOf(root, label)
    }
  }
}

async function contentOf(path: string): Promise<Uint8Array> {
  const found = await look(path)
  if (found === null || found.size > largestJournalFile) return new Uint8Array()
  if (!found.isFile()) return new Uint8Array()
  const content = await readSmall(path)
  return content === null || 'notRead' in content ? new Uint8Array() : content
}
