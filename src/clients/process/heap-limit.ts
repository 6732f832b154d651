import { setFlagsFromString } from 'node:v8'

/** Percent by which old memory may grow over what lives in it, before it is cleared. Buffers outside of the heap count as well. */
const modest = 100
const roomy = 300

/**
 * Keeps the heap near what is needed. By default V8 clears old memory only when it is several times what lives, and gives new objects up to 128 MiB: a
 * run that lives in 40 MiB then takes 400, the more the longer it goes on. Both options are read at each collection, so that they may be set while
 * the program runs. The runner starts the action itself: there is no command line to put them on.
 */
export function keepHeapModest(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  grow(modest)
}

/**
 * Runs what lets much pass through and keeps nothing of it: collections are the dearer then, the more often they come, and there is little for them to find. In
 * a restore of 1 GB there were 5 of them instead of 30, which took a twentieth of its time, for 10 MB more at its peak.
 */
export async function withRoomyHeap<T>(work: () => Promise<T>): Promise<T> {
  grow(roomy)
  try {
    return await work()
  } finally {
    grow(modest)
  }
}

function grow(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`)
}
