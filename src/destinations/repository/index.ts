import { timeOfBackupId } from '../../archive/backup-id.ts'
import { type GitOptions, gitClient, type Head } from '../../clients/git/index.ts'
import type { Context } from '../../context.ts'
import { cancelled, UserError } from '../../errors.ts'
import type { BackupRef, Destination, Visibility } from '../destination.ts'
import { assertLabel, assertPartName, assertRecordName, assertRef, manifestName, tooLargeToRead } from '../names.ts'
import { memoryVolume } from '../volumes.ts'
import { repositoryBranch } from './branch.ts'
import { fetchedBody } from './fetch.ts'
import { repositoryJournal } from './journal.ts'
import { repositoryPool } from './pool.ts'
import {
  backupsIn,
  entryAt,
  fileEntry,
  folderEntry,
  isStoredFile,
  labelsIn,
  portions,
  smallFilesOf,
  treeOf,
  withEntry
} from './tree.ts'

export interface RepositoryOptions extends GitOptions {
  /** The input `branch`. It need not exist yet; what others keep on it stays as it is. */
  readonly branch: string
  /** Asks GitHub who can read the repository, now. */
  readonly visibility: () => Promise<Visibility>
  /** The time by the server's clock, where something tells it; never fails. */
  readonly serverTime?: () => Promise<Date | undefined>
  /** Looks whether the token may write there; throws only where it is certain that it may not. */
  readonly assertWritable?: (backup: BackupRef) => Promise<void>
  /** Repeats after the first try (the input `retries`). */
  readonly retries: number
  /** Most bytes of one push (1 GiB when left out). GitHub refuses pushes of 2 GB. */
  readonly largestPush?: number
}

/** GitHub refuses files of 100 MB and warns from 50 MiB on. */
const largestFile = 45 * 1024 * 1024
/** https://docs.github.com/repositories/creating-and-managing-repositories/repository-limits: recommended on disk. */
const mostBytes = 10e9
const steps = 'refs/heads/supabase-backup-tmp/'

interface OpenBackup {
  readonly files: Map<string, { readonly oid: string; readonly bytes: number }>
  /** Object ids that the server does not have yet. */
  readonly unsent: Set<string>
  /** The tip of the ref that holds what was sent before the commit. */
  step: string | null
  /** Steps happen one after the other. */
  line: Promise<void>
}

/**
 * Backups on a branch of a repository: `<label>/<id>/<file>`, one commit a backup, made without a work tree and without fetching what
 * others stored. A commit moves the branch at once, so a backup is there whole or not at all.
 */
export function repositoryDestination(options: RepositoryOptions, context: Context): Destination {
  const { signal } = context
  const largestPush = options.largestPush ?? 1024 ** 3
  if (!/^[A-Za-z0-9][A-Za-z0-9-]*\/[A-Za-z0-9._-]+$/.test(options.repository)) {
    throw new UserError(
      'SB001',
      `The input \`repository\` is ${JSON.stringify(options.repository)}, which is no \`owner/name\`.`
    )
  }
  const git = gitClient(options, context)
  const place = `${options.repository}, branch ${options.branch}`
  const branch = repositoryBranch({ git, branch: options.branch, place, retries: options.retries, context })
  const open = new Map<string, OpenBackup>()
  const fetched = fetchedBody(git, branch)
  let checked: Promise<void> | undefined

  const ready = async () => {
    if (signal.aborted) throw cancelled(signal)
    checked ??= git.checkBranch(options.branch)
    await checked
  }
  const keyOf = (backup: BackupRef) => `${backup.project}/${backup.id}`
  const pageOf = (backup: BackupRef) => {
    const path = options.branch.split('/').map(encodeURIComponent).join('/')
    return `${new URL(options.serverUrl).origin}/${options.repository}/tree/${path}/${keyOf(backup)}`
  }
  const missing = (backup: BackupRef, name?: string) =>
    new UserError(
      'SB404',
      `There is no ${name === undefined ? '' : `file ${name} of a `}backup ${backup.id} of ${backup.project} in ${place}.`
    )

  const openBackup = (backup: BackupRef): OpenBackup => {
    const found = open.get(keyOf(backup))
    if (found !== undefined) return found
    const made = { files: new Map(), unsent: new Set<string>(), step: null, line: Promise.resolve() }
    open.set(keyOf(backup), made)
    return made
  }
  const stepRef = (backup: BackupRef) => `${steps}${backup.project}-${backup.id}`
  const oidsOf = (backup: OpenBackup) => new Map([...backup.files].map(([name, { oid }]) => [name, oid]))

  /** Sends what has come together on a ref of its own, so that no push gets too large; the branch does not move. */
  const sendStep = async (backup: BackupRef, state: OpenBackup): Promise<void> => {
    const sent = [...state.unsent]
    const folder = folderEntry(await treeOf(git, oidsOf(state)))
    const tree = await withEntry(git, null, [backup.project, backup.id], () => folder)
    if (tree === null) return
    const commit = await git.writeCommit({
      tree,
      parents: state.step === null ? [] : [state.step],
      message: `Part of backup ${backup.project} ${backup.id}`
    })
    await branch.moveOwn(stepRef(backup), commit)
    state.step = commit
    for (const oid of sent) state.unsent.delete(oid)
    await git.dropBlobs(sent)
  }
  /**
   * Sends the commit itself by the backup's own ref first, as a merge with what was sent before. git leaves out what the parents of
   * the sent commits hold, and the files sent in steps are held by no parent on the branch: they would be sent, and are gone here.
   */
  const announce = async (backup: BackupRef, state: OpenBackup, commit: string, tree: string): Promise<void> => {
    if (state.step === null) return
    const merge = await git.writeCommit({
      tree,
      parents: [state.step, commit],
      message: `All of backup ${backup.project} ${backup.id}`
    })
    await branch.moveOwn(stepRef(backup), merge)
    state.step = merge
  }
  const unsentBytes = (state: OpenBackup) => {
    let bytes = 0
    for (const { oid, bytes: size } of state.files.values()) if (state.unsent.has(oid)) bytes += size
    return bytes
  }

  const committed = async (head: Head | null, backup: BackupRef) => {
    if (head === null) return null
    const folder = await entryAt(git, head.tree, [backup.project, backup.id])
    if (folder?.type !== 'tree') return null
    const entries = await git.readTree(folder.oid)
    return entries.some((entry) => entry.name === manifestName && isStoredFile(entry)) ? entries : null
  }

  return {
    name: 'repository',
    limits: { largestFile, mostFiles: null, keepsDays: null, canDelete: true, keepsAcrossRuns: true, mostBytes },
    place,
    visibility: options.visibility,
    ...(options.serverTime === undefined ? {} : { serverTime: options.serverTime }),
    ...(options.assertWritable === undefined ? {} : { assertWritable: options.assertWritable }),

    async put(backup, name, body) {
      assertRef(backup)
      assertPartName(name)
      if (body.bytes === 0) throw new Error(`the file ${name} is empty`)
      if (body.bytes > largestFile) throw new Error(`the file ${name} is larger than a volume of this place`)
      await ready()
      const state = openBackup(backup)
      const oid = await git.writeBlob(body)
      const work = state.line.then(async () => {
        if (unsentBytes(state) + body.bytes > largestPush && state.unsent.size > 0) await sendStep(backup, state)
        state.files.set(name, { oid, bytes: body.bytes })
        state.unsent.add(oid)
      })
      // A step that failed is told to the put that needed it; the next put tries again.
      state.line = work.catch(() => undefined)
      await work
    },

    async commit(backup, manifest) {
      assertRef(backup)
      await ready()
      const state = openBackup(backup)
      await state.line
      const oid = await git.writeBlob(memoryVolume(manifest))
      const folder = await treeOf(git, oidsOf(state).set(manifestName, oid))
      await branch.publish({
        message: `Backup ${backup.project} ${backup.id}`,
        alone: true,
        apply: (root) =>
          withEntry(git, root, [backup.project, backup.id], async (found) => {
            if (found !== undefined && found.oid !== folder) {
              const there = found.type === 'tree' ? await git.readTree(found.oid) : []
              if (found.type !== 'tree' || there.some((entry) => entry.name === manifestName)) {
                throw new UserError('SB415', `There is a backup ${backup.id} of ${backup.project} in ${place} already.`)
              }
            }
            return folderEntry(folder)
          }),
        prepare: (commit, tree) => announce(backup, state, commit, tree)
      })
      open.delete(keyOf(backup))
      await git.dropBlobs([...state.unsent])
      if (state.step !== null) {
        try {
          await branch.moveOwn(stepRef(backup), null, state.step)
        } catch (error) {
          context.log.warning(
            `${place}: the ref ${stepRef(backup)} is left for the next run to remove: ${String(error)}`
          )
        }
      }
      return { url: pageOf(backup) }
    },

    async *list(project) {
      if (project !== undefined) assertLabel(project)
      await ready()
      const head = await branch.refresh()
      if (head === null) return
      const labels = await labelsIn(git, head.tree, project)
      const found = []
      for (const label of labels) {
        for (const backup of await backupsIn(git, label.oid)) found.push({ project: label.name, ...backup })
      }
      await fetched.small(found.flatMap(smallFilesOf))
      const sizes = await git.blobSizes([...new Set(found.flatMap(smallFilesOf))])
      const sizeOf = (oid: string): number => sizes.get(oid) ?? 0
      const isRead = (oid: string): boolean => tooLargeToRead(sizeOf(oid)) === null
      for (const some of portions(found, (backup) => smallFilesOf(backup).filter(isRead).map(sizeOf))) {
        const contents = await git.readBlobs([...new Set(some.flatMap(smallFilesOf).filter(isRead))])
        const contentOf = (oid: string): Uint8Array => {
          if (!isRead(oid)) return new Uint8Array()
          const content = contents.get(oid)
          if (content === undefined) throw new Error(`git did not give the object ${oid}`)
          return content
        }
        for (const { project: label, id, manifest, records, names } of some) {
          yield {
            project: label,
            id,
            manifest: tooLargeToRead(sizeOf(manifest)) ?? contentOf(manifest),
            records: records.map((record) => ({ name: record.name, content: contentOf(record.oid) })),
            files: new Map(names.map((name) => [name, {}])),
            url: pageOf({ project: label, id })
          }
        }
      }
    },

    async get(backup, name) {
      assertRef(backup)
      assertPartName(name)
      await ready()
      return fetched.body(
        async (head) =>
          (await committed(head, backup))?.find((entry) => entry.name === name && isStoredFile(entry))?.oid,
        () => missing(backup, name)
      )
    },

    async delete(backup) {
      assertRef(backup)
      await ready()
      // One commit removes the whole folder, the manifest with it: there is no state in between.
      await branch.publish({
        message: `Delete ${backup.project} ${backup.id}`,
        alone: false,
        apply: (root) => (root === null ? Promise.resolve(null) : removed(root, backup))
      })
    },

    async annotate(backup, name, content) {
      assertRef(backup)
      assertRecordName(name)
      await ready()
      const oid = content === null ? null : await git.writeBlob(memoryVolume(content))
      await branch.publish({
        message: `Record of ${backup.project} ${backup.id}`,
        alone: false,
        apply: async (root) => {
          if (root === null || (await committed({ commit: '', tree: root }, backup)) === null) throw missing(backup)
          return withEntry(git, root, [backup.project, backup.id, name], () => (oid === null ? null : fileEntry(oid)))
        }
      })
    },

    async clean(olderThan) {
      await ready()
      const done: string[] = []
      for (const [ref, commit] of await branch.repeat(() => git.remoteRefs(steps))) {
        const time = timeOfBackupId(/[^-]+-[^-]+$/.exec(ref)?.[0] ?? '')
        if (time === null || time >= olderThan) continue
        await branch.moveOwn(ref, null, commit)
        done.push(`the unfinished backup ${ref.slice(steps.length)} in ${options.repository}`)
      }
      return done
    },

    async reclaim() {
      await ready()
      await branch.squash()
    },

    pool: repositoryPool({ git, branch, fetched, clock: context.clock, ready, place, largestFile }),

    journal: repositoryJournal({ git, branch, fetched, ready, place }),

    async close() {
      await git.close()
      open.clear()
    }
  }

  async function removed(root: string, backup: BackupRef): Promise<string | null> {
    const found = await entryAt(git, root, [backup.project, backup.id])
    return found?.type === 'tree' ? withEntry(git, root, [backup.project, backup.id], () => null) : root
  }
}
