import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { asError } from '../../errors.ts'
import type { CountedSocket } from '../network/received-bytes.ts'
import type { ConnectionTarget } from './connection.ts'
import { openPlain, type Resolve, systemResolve } from './socket.ts'

/** Bytes that are read at a time: with less, more of the time goes into calls. */
const pieceSize = 256 * 1024

export interface Relay {
  /** Port of this machine's own address that leads to the server. */
  readonly port: number
  /** Ends what is open. Never throws; may be repeated. */
  close(): Promise<void>
}

export interface RelayOptions {
  readonly target: ConnectionTarget
  /** Ends the relay and everything that runs through it. */
  readonly signal: AbortSignal
  /** Told of each connection to the server: what it receives is what left the database. */
  readonly watch: (socket: CountedSocket) => void
  readonly resolve?: Resolve
}

/**
 * Passes connections of a program on to a server, byte by byte, so that they can be counted: no system tells what another process received. TLS stays
 * between the program and the server. Half a second of processor time for each 500 MB, beside the program's own; no time on the clock.
 */
export async function openRelay(options: RelayOptions): Promise<Relay> {
  const open = new Set<Socket>()
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
    keep(open, client)
    pass(client, open, options).catch((error: unknown) => client.destroy(asError(error)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const end = (): void => {
    server.close()
    for (const socket of open) socket.destroy()
  }
  options.signal.addEventListener('abort', end, { once: true })
  return {
    port: portOf(server),
    async close() {
      options.signal.removeEventListener('abort', end)
      const closed = server.listening ? once(server, 'close') : Promise.resolve()
      end()
      await closed
    }
  }
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the relay has no port')
  return address.port
}

function keep(open: Set<Socket>, socket: Socket): void {
  open.add(socket)
  // Whoever is at the other end sees the broken connection; there is nobody here to be told.
  socket.on('error', () => undefined)
  socket.once('close', () => open.delete(socket))
}

/** The server's bytes are read into the same memory again and again, and no further than the program takes them. */
async function pass(client: Socket, open: Set<Socket>, options: RelayOptions): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(pieceSize)
  const server = await openPlain(options.target, options.signal, options.resolve ?? systemResolve, {
    buffer,
    callback(bytes) {
      // The callback of an earlier piece, taken at once, must not let the next one be written over.
      client.write(buffer.subarray(0, bytes), () => {
        if (client.writableLength === 0) server.resume()
      })
      return client.writableLength === 0
    }
  })
  keep(open, server)
  options.watch(server)
  server.setNoDelay(true)
  server.setKeepAlive(true, 30_000)
  server.once('end', () => client.end())
  server.once('close', () => client.destroySoon())
  client.once('close', () => server.destroy())
  client.pipe(server)
}
