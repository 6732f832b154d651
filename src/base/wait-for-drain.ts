import type { Writable } from 'node:stream'

/** Waits until a stream that answered `false` takes more, or until the end of one that failed: its error is told elsewhere. Leaves no listener behind. */
export function drained(stream: Writable): Promise<void> {
  if (stream.destroyed || !stream.writableNeedDrain) return Promise.resolve()
  return new Promise((resolve) => {
    const over = () => {
      stream.off('drain', over)
      stream.off('close', over)
      resolve()
    }
    stream.on('drain', over)
    stream.on('close', over)
  })
}
