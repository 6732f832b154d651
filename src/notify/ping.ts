import type { SendHttp } from '../clients/network/http-post.ts'
import { UserError } from '../errors.ts'
import type { Channel } from './channel.ts'

/**
 * Pings a dead man's switch as healthchecks.io takes it: `<url>/start` before the work, `<url>` after success, `<url>/fail`
 * after anything else. Whatever `notify-on` says: what counts there is the ping that does not come.
 */
export function pingChannel(url: URL, send: SendHttp): Channel {
  const ping = async (suffix: string, signal: AbortSignal): Promise<void> => {
    const address = new URL(url)
    if (suffix !== '') address.pathname = `${address.pathname.replace(/\/{1,100}$/, '')}/${suffix}`
    try {
      await send(address, { method: 'GET' }, signal)
    } catch (thrown) {
      // A ping that is lost is an alarm by mistake; one that comes twice is none.
      if (!(thrown instanceof UserError) || !thrown.mayPass || signal.aborted) throw thrown
      await send(address, { method: 'GET' }, signal)
    }
  }
  return {
    name: 'ping',
    // Some switches know only that a ping came: they answer the start with 404, which says nothing of the run.
    start: (signal) =>
      ping('start', signal).catch((thrown: unknown) => {
        if (!(thrown instanceof UserError) || !/\b404\b/.test(thrown.message)) throw thrown
      }),
    tell: (notice, signal) => ping(notice.event === 'success' ? '' : 'fail', signal)
  }
}
