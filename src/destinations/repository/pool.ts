import { z } from 'zod'
import type { Git, TreeEntry } from '../../clients/git/index.ts'
import type { Clock } from '../../context.ts'
import { UserError } from '../../errors.ts'
import type { Pool, PooledFile } from '../destination.ts'
import { assertLabel, assertPoolName, isFileName, poolName } from '../names.ts'
import { memoryVolume } from '../volumes.ts'
import type { Branch } from './branch.ts'
import type { Fetched } from './fetch.ts'
import { entryAt, fileEntry, isStoredFile, withEntry } from './tree.ts'

/** What is known of a shared file without fetching it. A tree of git names its files but neither their sizes nor their times. */
const noteSchema = z.object({
  bytes: z.number().int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: z.iso.datetime()
})
type Note = z.infer<typeof noteSchema>
/** A note has some 140 bytes. */
const largestNote = 4096
/** The note on `name` lies beside it, hidden. */
const noteName = (name: string) => `.${name}.json`

interface Parts {
  readonly git: Git
  readonly branch: Branch
  readonly fetched: Fetched
  readonly clock: Clock
  /** Checks that the driver may go on. */
  readonly ready: () => Promise<void>
  readonly place: string
  readonly largestFile: number
}

/** The shared files of a project in `<label>/objects/` on the branch. Files stored at the same time share a commit. */
export function repositoryPool(parts: Parts): Pool {
  const { git, branch, fetched } = parts

  const entriesOf = async (root: string, project: string): Promise<readonly TreeEntry[]> => {
    const folder = await entryAt(git, root, [project, poolName])
    return folder?.type === 'tree' ? git.readTree(folder.oid) : []
  }
  /** The notes among these objects that can be read; the others are damaged, or planted by somebody. */
  const notesOf = async (oids: readonly string[]): Promise<ReadonlyMap<string, Note>> => {
    await fetched.small(oids)
    const sizes = await git.blobSizes([...new Set(oids)])
    const small = [...sizes].filter(([, bytes]) => bytes <= largestNote).map(([oid]) => oid)
    const found = new Map<string, Note>()
    for (const [oid, content] of await git.readBlobs(small)) {
      const note = readNote(content)
      if (note !== null) found.set(oid, note)
    }
    return found
  }
  const message = (project: string) => `Shared files of ${project}`

  return {
    async list(project) {
      assertLabel(project)
      await parts.ready()
      const head = await branch.refresh()
      if (head === null) return []
      const entries = (await entriesOf(head.tree, project)).filter(isStoredFile)
      const byName = new Map(entries.map((entry) => [entry.name, entry.oid]))
      const named = [...byName.keys()].filter(isFileName).flatMap((name) => {
        const note = byName.get(noteName(name))
        return note === undefined ? [] : [{ name, note }]
      })
      const notes = await notesOf(named.map(({ note }) => note))
      // A file whose note says nothing is one that nobody can rely on: whoever needs it stores it again, and its note with it.
      return named.flatMap(({ name, note }): PooledFile[] => {
        const facts = notes.get(note)
        return facts === undefined ? [] : [{ name, ...facts, createdAt: new Date(facts.createdAt) }]
      })
    },

    async put(project, name, body) {
      assertLabel(project)
      assertPoolName(name)
      if (body.bytes === 0) throw new Error(`the file ${name} is empty`)
      if (body.bytes > parts.largestFile) throw new Error(`the file ${name} is larger than a volume of this place`)
      await parts.ready()
      const oid = await git.writeBlob(body)
      const facts = { bytes: body.bytes, sha256: body.sha256, createdAt: parts.clock.now().toISOString() }
      const note = await git.writeBlob(memoryVolume(Buffer.from(JSON.stringify(facts))))
      await branch.publish({
        message: message(project),
        alone: false,
        apply: async (root) => {
          const there = root === null ? [] : await entriesOf(root, project)
          const same = there.some((entry) => entry.name === name && entry.oid === oid)
          const old = there.find((entry) => entry.name === noteName(name) && isStoredFile(entry))
          // An equal object id is an equal file: it is stored already, since the time in its note.
          if (same && old !== undefined && (await notesOf([old.oid])).has(old.oid)) return root
          const withFile = await withEntry(git, root, [project, poolName, name], () => fileEntry(oid))
          return withEntry(git, withFile, [project, poolName, noteName(name)], () => fileEntry(note))
        }
      })
      await git.dropBlobs([oid, note])
    },

    async get(project, name) {
      assertLabel(project)
      assertPoolName(name)
      await parts.ready()
      return fetched.body(
        async (head) =>
          (await entriesOf(head.tree, project)).find((entry) => entry.name === name && isStoredFile(entry))?.oid,
        () => new UserError('SB404', `There is no shared file ${name} of ${project} in ${parts.place}.`)
      )
    },

    async delete(project, names) {
      assertLabel(project)
      for (const name of names) assertPoolName(name)
      await parts.ready()
      await branch.publish({
        message: message(project),
        alone: false,
        apply: async (root) => {
          let tree = root
          for (const name of names) {
            for (const each of [name, noteName(name)]) {
              if (tree === null || (await entryAt(git, tree, [project, poolName, each])) === undefined) continue
              tree = await withEntry(git, tree, [project, poolName, each], () => null)
            }
          }
          return tree
        }
      })
      return []
    }
  }
}

function readNote(content: Uint8Array): Note | null {
  try {
    return noteSchema.parse(JSON.parse(Buffer.from(content).toString('utf8')))
  } catch {
    return null
  }
}
