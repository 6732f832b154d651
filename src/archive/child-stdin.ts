import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { drained } from '../base/wait-for-drain.ts'

/**
 * Writes everything of `source` to `target` at the pace of the target, ends it and waits until it took the last byte. Returns the number
 * of bytes. When the source fails the target is destroyed; when the target closes early the source is closed, too.
 */
export async function feed(source: AsyncIterable<Uint8Array>, target: Writable): Promise<number> {
  const closed = finished(target, { readable: false })
  closed.catch(() => undefined)
  let bytes = 0
  try {
    for await (const chunk of source) {
      if (target.destroyed) break
      bytes += chunk.byteLength
      if (!target.write(chunk)) await drained(target)
    }
  } catch (error) {
    target.destroy()
    throw error
  }
  if (!target.destroyed) target.end()
  await closed
  return bytes
}
