import { type GitOptions, gitClient } from '../../clients/git/index.ts'
import type { Context } from '../../context.ts'
import { UserError } from '../../errors.ts'
import { memoryVolume } from '../volumes.ts'
import { repositoryBranch } from './branch.ts'
import { entryAt, fileEntry, isStoredFile, withEntry } from './tree.ts'

export interface PageOptions extends GitOptions {
  readonly branch: string
  readonly retries: number
  /** Name of the file at the root of the branch. */
  readonly name: string
  /** How a file begins that may be replaced; one that begins otherwise belongs to somebody else. */
  readonly mark: string
  /** The message of the commit. */
  readonly message: string
}

/**
 * Writes one file at the root of the branch that backups are kept on; all others stay as they are. `content` is asked for each tip that it
 * is tried on: what is pushed was made after everything that the tip holds.
 *
 * @returns the page where a person finds the file.
 */
export async function writeRepositoryPage(
  options: PageOptions,
  content: () => Promise<Uint8Array>,
  context: Context
): Promise<string> {
  const git = gitClient(options, context)
  const place = `${options.repository}, branch ${options.branch}`
  try {
    await git.checkBranch(options.branch)
    const branch = repositoryBranch({ git, branch: options.branch, place, retries: options.retries, context })
    await branch.publish({
      message: options.message,
      alone: true,
      apply: async (root) => {
        const found = root === null ? undefined : await entryAt(git, root, [options.name])
        if (found !== undefined) {
          if (!isStoredFile(found)) throw occupied(options.name, place)
          await branch.repeat(() => git.fetchBlobs([found.oid]))
          const bytes = (await git.readBlobs([found.oid])).get(found.oid)
          const mark = Buffer.from(options.mark)
          if (bytes === undefined || !mark.equals(bytes.subarray(0, mark.length))) throw occupied(options.name, place)
        }
        const oid = await git.writeBlob(memoryVolume(await content()))
        return withEntry(git, root, [options.name], () => fileEntry(oid))
      }
    })
  } finally {
    await git.close()
  }
  const path = options.branch.split('/').map(encodeURIComponent).join('/')
  return `${new URL(options.serverUrl).origin}/${options.repository}/blob/${path}/${options.name}`
}

function occupied(name: string, place: string): UserError {
  return new UserError(
    'SB931',
    `${place} has a ${name} at its root that this action did not write. It stays as it is.`,
    {
      remedy: 'Rename that file, or give the backups a branch of their own with the input `branch`.'
    }
  )
}
