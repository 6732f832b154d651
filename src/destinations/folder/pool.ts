import { createHash } from 'node:crypto'
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../errors.ts'
import type { Pool, PooledFile } from '../destination.ts'
import { assertLabel, assertPoolName, isFileName, poolName } from '../names.ts'
import { bodyOf, guarded, isFolder, look, makeFolder, partialName, syncFolder, writeBody } from './files.ts'

interface Parts {
  makeRoot(): Promise<string>
  projectFolder(project: string): Promise<string | null>
  random(): string
  readonly signal: AbortSignal
  /** For messages. */
  readonly place: string
}

/** The shared files of a project in `<folder>/<label>/objects/`. */
export function folderPool(parts: Parts): Pool {
  const poolFolder = async (project: string): Promise<string | null> => {
    assertLabel(project)
    const parent = await parts.projectFolder(project)
    if (parent === null) return null
    const path = join(parent, poolName)
    return (await isFolder(path)) ? path : null
  }

  return {
    async list(project) {
      const folder = await poolFolder(project)
      const files: PooledFile[] = []
      if (folder === null) return files
      for (const name of (await guarded(folder, () => readdir(folder))).filter(isFileName).sort()) {
        const found = await look(join(folder, name))
        if (found?.isFile() === true) files.push({ name, bytes: found.size, createdAt: found.mtime })
      }
      return files
    },

    async put(project, name, body) {
      assertLabel(project)
      assertPoolName(name)
      if (body.bytes === 0) throw new Error(`the file ${name} is empty`)
      parts.signal.throwIfAborted()
      const parent = join(await parts.makeRoot(), project)
      await makeFolder(parent)
      const folder = join(parent, poolName)
      await makeFolder(folder)
      const path = join(folder, name)
      if (await holds(path, body.bytes, body.sha256)) return
      const partial = join(folder, partialName(parts.random()))
      await writeBody(partial, body, parts.signal)
      // A file of this name with other bytes is a damaged one: names of packs come from their content.
      await guarded(path, () => rename(partial, path))
      await syncFolder(folder)
    },

    async get(project, name) {
      assertPoolName(name)
      const folder = await poolFolder(project)
      const body = folder === null ? null : await bodyOf(join(folder, name))
      if (body === null)
        throw new UserError('SB404', `There is no shared file ${name} of ${project} in ${parts.place}.`)
      return body
    },

    async delete(project, names) {
      parts.signal.throwIfAborted()
      const folder = await poolFolder(project)
      for (const name of names) {
        assertPoolName(name)
        if (folder !== null) await guarded(join(folder, name), () => rm(join(folder, name), { force: true }))
      }
      if (folder !== null) await syncFolder(folder)
      return []
    }
  }
}

async function holds(path: string, bytes: number, sha256: string): Promise<boolean> {
  const body = await bodyOf(path)
  if (body === null || body.bytes !== bytes) return false
  const digest = createHash('sha256')
  for await (const chunk of body.open()) digest.update(chunk)
  return digest.digest('hex') === sha256
}
