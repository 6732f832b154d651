import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock, RandomBytes } from '../../context.ts'

/** The machine's clocks. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, signal === undefined ? undefined : { signal })
    } catch (thrown) {
      if (signal?.aborted === true) throw signal.reason
      throw thrown
    }
  }
}

/** The machine's random bytes. */
export const systemRandomBytes: RandomBytes = (length) => randomBytes(length)
