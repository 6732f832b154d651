import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Bucket, StoredObject } from '../../clients/s3/index.ts'
import { UserError } from '../../errors.ts'
import { memoryVolume } from '../volumes.ts'
import type { Finder } from './find-objects.ts'

// Copies of manifests and records in one object, so that a listing does not have to ask for each of a thousand. A copy counts only where
// it has the digest that the store itself shows of the file; whoever changes the copies gains nothing.

const mostBytes = 64 * 1024 * 1024
const largestCopy = 256 * 1024
/** As many files are asked for one by one before the copies are written anew. */
const worthWriting = 24

export interface Remembered {
  /** The copy of a file, where there is one of exactly these bytes. */
  copy(project: string, file: StoredObject): Promise<Uint8Array | undefined>
  /** A file that was read or written. */
  learn(project: string, key: string, content: Uint8Array): void
  /** Writes the copies down where many are new. Never fails a run. `alive`: keys that there are; undefined where that is not known. */
  save(project: string): Promise<void>
  /** What a complete listing found: other copies are dropped with the next writing. */
  keepOnly(project: string, keys: ReadonlySet<string>): void
}

interface Shelf {
  readonly copies: Map<string, Buffer>
  fresh: number
}

export function rememberedFiles(
  bucket: Bucket,
  finder: Finder,
  keyOf: (project: string) => string,
  debug: (message: string) => void
): Remembered {
  const shelves = new Map<string, Promise<Shelf>>()

  async function load(project: string): Promise<Shelf> {
    const shelf: Shelf = { copies: new Map(), fresh: 0 }
    try {
      // The newest version: it is no backup, and only saves time.
      const key = keyOf(project)
      let found: StoredObject | null = null
      for await (const one of finder.find(key, () => true)) if (one.key === key) found = one
      if (found === null || found.bytes > mostBytes) return shelf
      for (const [name, content] of parse(await bucket.read(found, found.bytes))) shelf.copies.set(name, content)
    } catch (thrown) {
      if (!(thrown instanceof UserError)) throw thrown
      debug(`copies of manifests are not read: ${thrown.message}`)
    }
    return shelf
  }

  function shelfOf(project: string): Promise<Shelf> {
    let shelf = shelves.get(project)
    if (shelf === undefined) {
      shelf = load(project)
      shelves.set(project, shelf)
      shelf.catch(() => shelves.delete(project))
    }
    return shelf
  }

  return {
    async copy(project, file) {
      const copy = (await shelfOf(project)).copies.get(file.key)
      return copy !== undefined && copy.length === file.bytes && md5(copy) === file.etag ? copy : undefined
    },
    learn(project, key, content) {
      if (content.byteLength > largestCopy) return
      void shelfOf(project).then(
        (shelf) => {
          shelf.copies.set(key, Buffer.from(content))
          shelf.fresh += 1
        },
        () => undefined
      )
    },
    keepOnly(project, keys) {
      void shelves.get(project)?.then(
        (shelf) => {
          for (const key of shelf.copies.keys()) if (!keys.has(key)) shelf.copies.delete(key)
        },
        () => undefined
      )
    },
    async save(project) {
      const shelf = await shelfOf(project)
      if (shelf.fresh <= worthWriting) return
      shelf.fresh = 0
      try {
        await bucket.upload(keyOf(project), memoryVolume(render(shelf.copies)), {})
      } catch (thrown) {
        if (!(thrown instanceof UserError)) throw thrown
        debug(`copies of manifests are not written: ${thrown.message}`)
      }
    }
  }
}

function md5(content: Uint8Array): string {
  return createHash('md5').update(content).digest('hex')
}

function render(copies: ReadonlyMap<string, Buffer>): Buffer {
  const entries = [...copies].map(([key, content]) => [key, content.toString('base64')])
  return gzipSync(Buffer.from(JSON.stringify(entries)), { level: 9 })
}

function parse(packed: Uint8Array): [string, Buffer][] {
  try {
    const entries: unknown = JSON.parse(gunzipSync(packed, { maxOutputLength: 4 * mostBytes }).toString('utf8'))
    return (Array.isArray(entries) ? entries : []).flatMap((entry: unknown): [string, Buffer][] => {
      const [key, content] = Array.isArray(entry) ? entry : []
      return typeof key === 'string' && typeof content === 'string' ? [[key, Buffer.from(content, 'base64')]] : []
    })
  } catch {
    // Changed by somebody or cut off: the files themselves are asked for.
    return []
  }
}
