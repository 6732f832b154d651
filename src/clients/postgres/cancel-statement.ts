import { once } from 'node:events'
import type { ConnectionTarget } from './connection.ts'
import { type EstablishedTls, openSocket, type Resolve } from './socket.ts'

/** Milliseconds for a request to cancel, and for a session to end. */
export const cancelMs = 2_000

/** What the server gave at the login to cancel statements of this session. */
export interface CancelKey {
  readonly processID: number
  readonly secretKey: number
}

/** The request to cancel, on a connection of its own as the protocol wants it; over TLS where the session uses it. */
export async function sendCancel(
  target: ConnectionTarget,
  key: CancelKey,
  tls: EstablishedTls,
  resolve: Resolve
): Promise<void> {
  const signal = AbortSignal.timeout(cancelMs)
  const { socket } = await openSocket(target, tls !== 'none' && tls !== 'socket', signal, resolve)
  const request = Buffer.alloc(16)
  request.writeInt32BE(16, 0)
  request.writeInt32BE(80_877_102, 4)
  request.writeInt32BE(key.processID, 8)
  request.writeInt32BE(key.secretKey, 12)
  try {
    socket.on('error', () => undefined)
    socket.end(request)
    socket.resume()
    await once(socket, 'close', { signal })
  } finally {
    socket.destroy()
  }
}
