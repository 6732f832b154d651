import { Readable } from 'node:stream'
import type { FetchedFile, Git, Head } from '../clients/git.ts'
import { UserError } from '../errors.ts'
import type { Body } from './destination.ts'
import type { Branch } from './repository-branch.ts'

/** Reading files of the branch, with a bound on the space that they take here. */
export interface Fetched {
  /** Sees to it that small blobs are here, in one round trip for those that are not. */
  small(oids: readonly string[]): Promise<void>
  /** The file that `find` finds in the tip of the branch. */
  body(find: (head: Head) => Promise<string | undefined>, missing: () => UserError): Promise<Body>
}

/** Most bytes of fetched files that stay here; a file is fetched again when it is read after it went. */
const mostBytes = 256 * 1024 * 1024

export function fetchedBody(git: Git, branch: Branch): Fetched {
  const here = new Set<string>()
  const files = new Map<string, { readonly file: Promise<FetchedFile>; readers: number }>()

  const dropOldest = async (kept: string): Promise<void> => {
    let bytes = 0
    for (const { file } of files.values()) bytes += (await file).bytes
    for (const [oid, { file, readers }] of files) {
      if (bytes <= mostBytes) return
      if (oid === kept || readers > 0) continue
      files.delete(oid)
      const dropped = await file
      bytes -= dropped.bytes
      await dropped.drop()
    }
  }
  const fileOf = async (oid: string) => {
    let entry = files.get(oid)
    if (entry === undefined) {
      entry = { file: branch.repeat(() => git.fetchFile(oid)), readers: 0 }
      files.set(oid, entry)
    }
    try {
      await entry.file
    } catch (error) {
      files.delete(oid)
      throw error
    }
    return entry
  }
  async function* read(oid: string): AsyncGenerator<Uint8Array> {
    const entry = await fileOf(oid)
    entry.readers += 1
    try {
      yield* (await entry.file).open()
    } finally {
      entry.readers -= 1
    }
  }

  return {
    async small(oids) {
      const wanted = [...new Set(oids)].filter((oid) => !here.has(oid))
      await branch.repeat(() => git.fetchBlobs(wanted))
      for (const oid of wanted) here.add(oid)
    },

    async body(find, missing) {
      const look = async (head: Head | null) => (head === null ? undefined : find(head))
      const seen = await branch.seen()
      let oid = await look(seen)
      if (oid === undefined) oid = await look(await branch.refresh())
      if (oid === undefined) throw missing()
      let entry: { readonly file: Promise<FetchedFile> }
      try {
        entry = await fileOf(oid)
      } catch (error) {
        // Somebody may have deleted it since the branch was last seen.
        if ((await look(await branch.refresh())) === undefined) throw missing()
        throw error
      }
      const { bytes } = await entry.file
      await dropOldest(oid)
      const known = oid
      return { bytes, open: () => Readable.from(read(known), { objectMode: false, highWaterMark: 256 * 1024 }) }
    }
  }
}
