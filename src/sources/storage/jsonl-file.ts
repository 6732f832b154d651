import { createReadStream, createWriteStream, type WriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { finished } from 'node:stream/promises'
import { drained } from '../../base/wait-for-drain.ts'
import { UserError } from '../../errors.ts'

/** A list that is too long for memory: one JSON text a line, in a file of this run. */
export interface LineFile {
  readonly count: number
  /** Must be awaited: it waits for the disk. */
  add(item: unknown): Promise<void>
  /** After the last `add`. Throws a UserError SB311 when the disk failed. */
  end(): Promise<void>
  /** The lines as they were added. */
  lines(): AsyncIterable<string>
}

/** Lines are gathered up to so many characters: each write is a task of another thread, and a line is a few hundred. */
const gathered = 64 * 1024

/** Makes the file anew. */
export function openLineFile(path: string): LineFile {
  const stream: WriteStream = createWriteStream(path, { mode: 0o600, highWaterMark: 256 * 1024 })
  let failed: Error | null = null
  stream.on('error', (error) => {
    failed = new UserError('SB311', `${path} could not be written (${error.message}).`, { cause: error })
  })
  let count = 0
  let waiting = ''
  const write = (): boolean => {
    const text = waiting
    waiting = ''
    return stream.write(text)
  }
  return {
    get count() {
      return count
    },
    async add(item) {
      if (failed !== null) throw failed
      count += 1
      // JSON.stringify leaves no line break inside, and no lone surrogate.
      waiting += `${JSON.stringify(item)}\n`
      if (waiting.length >= gathered && !write()) await drained(stream)
    },
    async end() {
      if (waiting !== '') write()
      stream.end()
      await finished(stream).catch(() => undefined)
      if (failed !== null) throw failed
    },
    async *lines() {
      const reader = createInterface({
        input: createReadStream(path, { encoding: 'utf8' }),
        crlfDelay: Number.POSITIVE_INFINITY
      })
      for await (const line of reader) if (line !== '') yield line
    }
  }
}
