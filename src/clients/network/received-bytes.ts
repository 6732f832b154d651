import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** What is asked of a socket to count what it receives. */
export interface CountedSocket {
  readonly bytesRead: number
  once(event: 'close', listener: () => void): unknown
}

/** Bytes that came in over a number of sockets, those of closed ones included. */
export interface ReceivedBytes {
  /** Counts a socket from its first byte on. */
  readonly watch: (socket: CountedSocket) => void
  readonly bytes: number
}

export function countReceived(): ReceivedBytes {
  const open = new Set<CountedSocket>()
  let closed = 0
  return {
    watch(socket) {
      open.add(socket)
      socket.once('close', () => {
        if (!open.delete(socket)) return
        closed += socket.bytesRead
      })
    },
    get bytes() {
      return [...open].reduce((sum, socket) => sum + socket.bytesRead, closed)
    }
  }
}

/**
 * Tells of each connection that `fetch` makes to an address, since `fetch` itself shows none of its sockets. Returns what ends that.
 * Over TLS such a socket counts what was inside of it: the wire carried about half a percent more.
 */
export function watchFetch(url: string, watch: ReceivedBytes['watch']): () => void {
  const { host, protocol } = new URL(url)
  const connected = (message: unknown): void => {
    if (!isConnected(message)) return
    if (message.connectParams.host === host && message.connectParams.protocol === protocol) watch(message.socket)
  }
  subscribe('undici:client:connected', connected)
  return () => void unsubscribe('undici:client:connected', connected)
}

interface Connected {
  readonly connectParams: { readonly host: string; readonly protocol: string }
  readonly socket: CountedSocket
}

function isConnected(message: unknown): message is Connected {
  return (
    typeof message === 'object' &&
    message !== null &&
    'connectParams' in message &&
    typeof message.connectParams === 'object' &&
    'socket' in message &&
    typeof message.socket === 'object'
  )
}
