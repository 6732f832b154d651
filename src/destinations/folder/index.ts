import { access, constants, mkdir, readdir, realpath, rename, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { isBackupId } from '../../archive/backup-id.ts'
import { freeBytesIn } from '../../clients/process/run-folder.ts'
import type { Context } from '../../context.ts'
import { cancelled, UserError } from '../../errors.ts'
import type { BackupRef, Destination, ListedBackup, ListedFile, RecordFile } from '../destination.ts'
import {
  assertPartName,
  assertRecordName,
  assertRef,
  isLabel,
  isRecordName,
  journalName,
  manifestName,
  poolName
} from '../names.ts'
import {
  bodyOf,
  guarded,
  isFolder,
  isOfDeadRun,
  look,
  makeFolder,
  partialName,
  partialPrefix,
  readSmall,
  syncFolder,
  writeBody,
  writeSmall
} from './files.ts'
import { folderJournal } from './journal.ts'
import { folderPool } from './pool.ts'

export interface FolderOptions {
  /** Absolute path of the input `folder`; made when it is not there. Links on the way to it are the user's own and followed. */
  readonly path: string
}

/**
 * Backups in a folder of this machine: `<folder>/<label>/<id>/`. A backup is written into a hidden folder beside and renamed by its
 * commit; inside the folder no symbolic link is followed.
 */
export function folderDestination(options: FolderOptions, context: Context): Destination {
  const { signal } = context
  const partials = new Map<string, Promise<string>>()
  let root: Promise<string> | undefined

  const alive = () => {
    if (signal.aborted) throw cancelled(signal)
  }
  const makeRoot = () => {
    root ??= guarded(options.path, async () => {
      await mkdir(options.path, { recursive: true, mode: 0o700 })
      return realpath(options.path)
    })
    return root
  }
  const existingRoot = async (): Promise<string | null> => {
    if (root !== undefined) return root
    if ((await look(options.path)) === null) return null
    return guarded(options.path, () => realpath(options.path))
  }

  /** The folder of a project, null where there is none. */
  const projectFolder = async (project: string): Promise<string | null> => {
    const base = await existingRoot()
    if (base === null) return null
    const path = join(base, project)
    return (await isFolder(path)) ? path : null
  }
  /** The folder of a backup, committed or not, null where there is none. */
  const backupFolder = async (backup: BackupRef): Promise<string | null> => {
    assertRef(backup)
    const parent = await projectFolder(backup.project)
    if (parent === null) return null
    const path = join(parent, backup.id)
    return (await isFolder(path)) ? path : null
  }
  const committedFolder = async (backup: BackupRef): Promise<string> => {
    const path = await backupFolder(backup)
    const manifest = path === null ? null : await look(join(path, manifestName))
    if (path === null || manifest === null) {
      throw new UserError('SB404', `There is no backup ${backup.id} of ${backup.project} in ${options.path}.`)
    }
    return path
  }
  const random = () => Buffer.from(context.randomBytes(6)).toString('hex')

  const partialOf = (backup: BackupRef): Promise<string> => {
    const key = `${backup.project}/${backup.id}`
    let made = partials.get(key)
    if (made === undefined) {
      made = (async () => {
        const parent = join(await makeRoot(), backup.project)
        await makeFolder(parent)
        const path = join(parent, partialName(random()))
        await guarded(path, () => mkdir(path, { mode: 0o700 }))
        return path
      })()
      partials.set(key, made)
      // One that could not be made is tried anew by the next put.
      made.catch(() => partials.delete(key))
    }
    return made
  }

  const listedBackup = async (path: string, project: string, id: string): Promise<ListedBackup | null> => {
    const manifest = await readSmall(join(path, manifestName))
    if (manifest === null) return null
    const records: RecordFile[] = []
    const files = new Map<string, ListedFile>()
    for (const name of (await guarded(path, () => readdir(path))).sort()) {
      const found = await look(join(path, name))
      if (found?.isFile() === true) files.set(name, { bytes: found.size })
      if (!isRecordName(name)) continue
      const content = await readSmall(join(path, name))
      if (content !== null) records.push({ name, content: 'notRead' in content ? new Uint8Array() : content })
    }
    return { project, id, manifest, records, files }
  }

  return {
    name: 'folder',
    limits: {
      largestFile: Number.MAX_SAFE_INTEGER,
      mostFiles: null,
      keepsDays: null,
      canDelete: true,
      keepsAcrossRuns: true
    },
    place: options.path,
    visibility: () => Promise.resolve('local'),
    async assertWritable() {
      const path = await existingRoot()
      if (path !== null) await guarded(path, () => access(path, constants.W_OK | constants.X_OK))
    },
    freeBytes: () => freeBytesIn(options.path),

    async put(backup, name, body) {
      assertRef(backup)
      assertPartName(name)
      if (body.bytes === 0) throw new Error(`the file ${name} is empty`)
      alive()
      const path = join(await partialOf(backup), name)
      // A repeated put replaces what the first one left.
      await guarded(path, () => rm(path, { force: true }))
      await writeBody(path, body, signal)
    },

    async commit(backup, manifest) {
      assertRef(backup)
      alive()
      const partial = await partialOf(backup)
      const target = join(await makeRoot(), backup.project, backup.id)
      if (await isFolder(target)) {
        if ((await look(join(target, manifestName))) !== null) throw taken(backup, options.path)
        // Left over from a delete that was cut off after the manifest: it exists no more.
        await guarded(target, () => rm(target, { recursive: true, force: true }))
      }
      const manifestPath = join(partial, manifestName)
      await guarded(manifestPath, () => rm(manifestPath, { force: true }))
      await writeSmall(manifestPath, manifest, signal)
      await syncFolder(partial)
      alive()
      await guarded(target, async () => {
        try {
          await rename(partial, target)
        } catch (error) {
          if (error instanceof Error && 'code' in error && error.code === 'ENOTEMPTY') throw taken(backup, options.path)
          throw error
        }
      })
      partials.delete(`${backup.project}/${backup.id}`)
      await syncFolder(join(target, '..'))
      return {}
    },

    async *list(project) {
      const base = await existingRoot()
      if (base === null) return
      const labels =
        project === undefined ? (await guarded(base, () => readdir(base))).filter(isLabel).sort() : [project]
      for (const label of labels) {
        if (!isLabel(label)) throw new Error(`not a label: ${JSON.stringify(label)}`)
        const entry = await look(join(base, label))
        // A plain file of this name is somebody else's; a link is not followed but told.
        if (entry === null || (!entry.isDirectory() && !entry.isSymbolicLink())) continue
        const parent = await projectFolder(label)
        if (parent === null) continue
        for (const id of (await guarded(parent, () => readdir(parent))).filter(isBackupId).sort()) {
          if (!(await isFolder(join(parent, id)))) continue
          const found = await listedBackup(join(parent, id), label, id)
          if (found !== null) yield found
        }
      }
    },

    async get(backup, name) {
      const body = await bodyOf(join(await committedFolder(backup), assertedPart(name)))
      if (body === null) throw new UserError('SB404', `The backup ${backup.id} has no file ${name} in ${options.path}.`)
      return body
    },

    async delete(backup) {
      assertRef(backup)
      alive()
      const path = await backupFolder(backup)
      if (path === null) return
      const manifest = join(path, manifestName)
      if ((await look(manifest)) !== null) {
        await guarded(manifest, () => unlink(manifest))
        await syncFolder(path)
      }
      await guarded(path, () => rm(path, { recursive: true, force: true }))
      await syncFolder(join(path, '..'))
    },

    async annotate(backup, name, content) {
      assertRecordName(name)
      alive()
      const folder = await committedFolder(backup)
      const path = join(folder, name)
      if (content === null) {
        await guarded(path, () => rm(path, { force: true }))
      } else {
        const partial = join(folder, partialName(random()))
        await writeSmall(partial, content, signal)
        await guarded(path, () => rename(partial, path))
      }
      await syncFolder(folder)
    },

    async clean(olderThan) {
      const base = await existingRoot()
      const removed: string[] = []
      if (base === null) return removed
      const old = async (path: string) => {
        const found = await look(path)
        return found !== null && found.mtime < olderThan
      }
      const remove = async (path: string, words: string) => {
        await guarded(path, () => rm(path, { recursive: true, force: true }))
        removed.push(words)
      }
      for (const label of (await guarded(base, () => readdir(base))).filter(isLabel).sort()) {
        const parent = join(base, label)
        if (!(await look(parent))?.isDirectory()) continue
        for (const name of await guarded(parent, () => readdir(parent))) {
          const path = join(parent, name)
          if (!(await look(path))?.isDirectory()) continue
          if (name.startsWith(partialPrefix)) {
            if (isOfDeadRun(name) || (await old(path))) await remove(path, `an unfinished backup in ${label}/${name}`)
          } else if (name === poolName || name === journalName || isBackupId(name)) {
            const unfinished = (await guarded(path, () => readdir(path))).filter((file) =>
              file.startsWith(partialPrefix)
            )
            const halfDeleted = isBackupId(name) && (await look(join(path, manifestName))) === null
            if (halfDeleted && (await old(path))) {
              await remove(path, `the rest of the deleted backup ${label}/${name}`)
              continue
            }
            for (const file of unfinished) {
              if (isOfDeadRun(file) || (await old(join(path, file))))
                await remove(join(path, file), `an unfinished file in ${label}/${name}`)
            }
          }
        }
      }
      return removed
    },

    pool: folderPool({ makeRoot, projectFolder, random, signal, place: options.path }),

    journal: folderJournal({ makeRoot, existingRoot, random, signal, place: options.path }),

    async close() {
      for (const [key, made] of partials) {
        partials.delete(key)
        try {
          await rm(await made, { recursive: true, force: true })
        } catch (error) {
          context.log.debug(`an unfinished backup was not removed: ${String(error)}`)
        }
      }
    }
  }
}

function assertedPart(name: string): string {
  assertPartName(name)
  return name
}

function taken(backup: BackupRef, place: string): UserError {
  return new UserError('SB415', `There is a backup ${backup.id} of ${backup.project} in ${place} already.`)
}
