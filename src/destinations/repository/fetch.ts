import { Readable } from 'node:stream'
import type { FetchedFile, Git, Head } from '../../clients/git/index.ts'
import type { UserError } from '../../errors.ts'
import type { Body } from '../destination.ts'
import type { Branch } from './branch.ts'

/** Reading files of the branch, with a bound on the space that they take here. */
export interface Fetched {
  /** Sees to it that small blobs are here, in one round trip for those that are not. */
  small(oids: readonly string[]): Promise<void>
  /** The file that `find` finds in the tip of the branch. */
  body(find: (head: Head) => Promise<string | undefined>, missing: () => UserError): Promise<Body>
}

interface Kept {
  readonly file: Promise<FetchedFile>
  /** How many work with it. */
  users: number
  /** 0 until it is here. */
  bytes: number
}

/** Most bytes of fetched files that stay here; a file is fetched again when it is read after it went. */
const mostBytes = 256 * 1024 * 1024

export function fetchedBody(git: Git, branch: Branch): Fetched {
  const here = new Set<string>()
  const files = new Map<string, Kept>()

  const dropOldest = async (): Promise<void> => {
    let bytes = 0
    for (const kept of files.values()) bytes += kept.bytes
    for (const [oid, kept] of files) {
      if (bytes <= mostBytes) return
      if (kept.users > 0) continue
      files.delete(oid)
      bytes -= kept.bytes
      await (await kept.file).drop()
    }
  }
  /** Works with a file that stays here meanwhile; it is fetched when it is not here. */
  const hold = async (oid: string): Promise<{ readonly file: FetchedFile; release(): void }> => {
    const kept: Kept = files.get(oid) ?? { file: branch.repeat(() => git.fetchFile(oid)), users: 0, bytes: 0 }
    files.set(oid, kept)
    kept.users += 1
    try {
      const file = await kept.file
      kept.bytes = file.bytes
      return {
        file,
        release: () => {
          kept.users -= 1
        }
      }
    } catch (error) {
      files.delete(oid)
      throw error
    }
  }
  async function* read(oid: string): AsyncGenerator<Uint8Array> {
    const { file, release } = await hold(oid)
    try {
      yield* file.open()
    } finally {
      release()
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
      let held: Awaited<ReturnType<typeof hold>>
      try {
        held = await hold(oid)
      } catch (error) {
        // Somebody may have deleted it since the branch was last seen.
        if ((await look(await branch.refresh())) === undefined) throw missing()
        throw error
      }
      const { bytes } = held.file
      try {
        await dropOldest()
      } finally {
        held.release()
      }
      const known = oid
      return { bytes, open: () => Readable.from(read(known), { objectMode: false, highWaterMark: 256 * 1024 }) }
    }
  }
}
