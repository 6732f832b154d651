import { appendFile, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { HeldStorageFacts, StoredObject } from '../../archive/contents-storage.ts'
import { plainNameOf } from '../../archive/stored-names.ts'
import { asError, UserError } from '../../errors.ts'

/** The objects of a backup, divided by the pack that holds them here: each pack holds few, the backup any number. */
export interface ObjectsByPack {
  /** Plain names of the packs that hold any. */
  readonly packs: readonly string[]
  /** The objects that one of these packs should hold, by their entries. */
  of(pack: string): Promise<Map<string, StoredObject>>
  /** Removes what lies on the disk. */
  remove(): Promise<void>
}

export interface DivideOptions {
  readonly facts: Pick<HeldStorageFacts, 'packs'>
  readonly objects: AsyncIterable<StoredObject>
  /** Plain names of the files that belong to the backup in this place. */
  readonly names: readonly string[]
  /** Made for this; its name is not there yet. */
  readonly folder: string
  /** Called for an object that none of the files holds. */
  readonly onOrphan: (object: StoredObject) => void
}

/** What waits to be written, in characters. */
const mostWaiting = 4 * 1024 * 1024

/**
 * One pack holds an object in each place; which one, the names of the backup's files there tell. They go to one file a pack, in the order in which they
 * come. Throws a UserError SB311 when the disk failed.
 */
export async function divideByPack(options: DivideOptions): Promise<ObjectsByPack> {
  const { folder } = options
  const here = new Set(options.names)
  const packs = options.facts.packs.map(({ name }) => plainNameOf(name))
  const used = new Map<string, string>()
  const waiting = new Map<string, string[]>()
  let characters = 0
  const flush = async () => {
    for (const [path, lines] of waiting) await appendFile(path, lines.join(''), { mode: 0o600 })
    waiting.clear()
    characters = 0
  }
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for await (const object of options.objects) {
      const number = object.in.find((one) => here.has(packs[one] ?? ''))
      const pack = packs[number ?? -1]
      if (pack === undefined) {
        options.onOrphan(object)
        continue
      }
      const path = used.get(pack) ?? join(folder, `${number}.jsonl`)
      used.set(pack, path)
      const line = `${JSON.stringify(object)}\n`
      const lines = waiting.get(path)
      if (lines === undefined) waiting.set(path, [line])
      else lines.push(line)
      characters += line.length
      if (characters > mostWaiting) await flush()
    }
    await flush()
  } catch (thrown) {
    throw thrown instanceof UserError ? thrown : unwritten(folder, thrown)
  }
  return {
    packs: [...used.keys()],
    async of(pack) {
      const path = used.get(pack)
      const found = new Map<string, StoredObject>()
      if (path === undefined) return found
      const text = await readFile(path, 'utf8').catch((thrown: unknown) => {
        throw unwritten(path, thrown)
      })
      for (const line of text.split('\n')) {
        if (line === '') continue
        // Written above, from what its schema had read.
        const object: StoredObject = JSON.parse(line)
        found.set(object.entry, object)
      }
      return found
    },
    remove: () => rm(folder, { recursive: true, force: true })
  }
}

function unwritten(path: string, cause: unknown): UserError {
  return new UserError('SB311', `${path} could not be written or read (${asError(cause).message}).`, { cause })
}
