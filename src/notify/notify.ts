import { asError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Channel } from './channel.ts'
import type { Notice } from './notice.ts'

/** Tells all channels. Never throws, never waits longer than its time limit, and says in one warning what did not work. */
export interface Notifier {
  /** Tells that the work begins, beside it. */
  start(): void
  /** Tells the result; resolves when all were told or their time was up. */
  tell(notice: Notice): Promise<void>
}

export function createNotifier(channels: readonly Channel[], log: Log, timeoutMs: number): Notifier {
  const failures = new Map<string, string>()
  let started: Promise<unknown> = Promise.resolve()

  async function limited(channel: Channel, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const controller = new AbortController()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const error = new Error(`not done in ${timeoutMs / 1000} s`)
        controller.abort(error)
        reject(error)
      }, timeoutMs)
    })
    try {
      await Promise.race([work(controller.signal), late])
    } catch (thrown) {
      failures.set(channel.name, asError(thrown).message)
      log.debug(`${channel.name}: ${asError(thrown).stack ?? ''}`)
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    start() {
      started = Promise.all(channels.map((channel) => limited(channel, async (signal) => channel.start?.(signal))))
    },
    async tell(notice) {
      // A start that comes after the end would be a run that never ends.
      await started
      await Promise.all(channels.map((channel) => limited(channel, (signal) => channel.tell(notice, signal))))
      if (failures.size === 0) return
      const what = [...failures].map(([name, why]) => `${name} (${why})`).join('; ')
      log.warning(`Not everybody could be told about this run: ${what}. The run itself is not affected.`)
    }
  }
}
