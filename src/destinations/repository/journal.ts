import type { Git, TreeEntry } from '../../clients/git/index.ts'
import { type Journal, largestJournalFile } from '../destination.ts'
import { assertJournalName, assertLabel, isJournalName, journalName, journalTaken } from '../names.ts'
import { memoryVolume } from '../volumes.ts'
import type { Branch } from './branch.ts'
import type { Fetched } from './fetch.ts'
import { entryAt, fileEntry, isStoredFile, labelsIn, withEntry } from './tree.ts'

interface Parts {
  readonly git: Git
  readonly branch: Branch
  readonly fetched: Fetched
  /** Checks that the driver may go on. */
  readonly ready: () => Promise<void>
  readonly place: string
}

/** How many records are read together: they are held in memory. */
const mostTogether = 500

/** The journal of a project in `<label>/journal/` on the branch. */
export function repositoryJournal({ git, branch, fetched, ready, place }: Parts): Journal {
  const entriesOf = async (root: string, project: string): Promise<readonly TreeEntry[]> => {
    const folder = await entryAt(git, root, [project, journalName])
    if (folder?.type !== 'tree') return []
    return (await git.readTree(folder.oid)).filter((entry) => isStoredFile(entry) && isJournalName(entry.name))
  }

  return {
    async add(project, name, content) {
      assertLabel(project)
      assertJournalName(name)
      await ready()
      const oid = await git.writeBlob(memoryVolume(content))
      await branch.publish({
        message: `Journal of ${project}`,
        alone: false,
        apply: (root) =>
          withEntry(git, root, [project, journalName, name], (found) => {
            if (found !== undefined && found.oid !== oid) throw journalTaken(name, project, place)
            return fileEntry(oid)
          })
      })
      await git.dropBlobs([oid])
    },

    async *list(project) {
      if (project !== undefined) assertLabel(project)
      await ready()
      const head = await branch.refresh()
      if (head === null) return
      const labels = await labelsIn(git, head.tree, project)
      for (const { name: label } of labels) {
        const entries = await entriesOf(head.tree, label)
        await fetched.small(entries.map(({ oid }) => oid))
        const sizes = await git.blobSizes([...new Set(entries.map(({ oid }) => oid))])
        const isRead = ({ oid }: TreeEntry) => (sizes.get(oid) ?? 0) <= largestJournalFile
        for (let start = 0; start < entries.length; start += mostTogether) {
          const some = entries.slice(start, start + mostTogether)
          const contents = await git.readBlobs([...new Set(some.filter(isRead).map(({ oid }) => oid))])
          for (const entry of some)
            yield { project: label, name: entry.name, content: contents.get(entry.oid) ?? new Uint8Array() }
        }
      }
    }
  }
}
