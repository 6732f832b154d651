import { createServer, type Socket, connect as tcpConnect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** `down` is what the target sends to the client, `up` what the client sends to the target. */
export type Direction = 'down' | 'up'

export interface ProxyOptions {
  readonly target: { readonly host?: string; readonly port: number }
}

export interface Proxy {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Bytes passed on so far, over all connections. */
  readonly bytes: Readonly<Record<Direction, number>>
  /** Connections accepted so far. */
  readonly connections: number
  /**
   * Every connection that is made from now on, and each open one, is cut by a TCP reset after so many more bytes of its
   * own in that direction (default `down`). `times` limits how many connections that happens to; no limit when left out.
   */
  cutAfter(bytes: number, direction?: Direction, times?: number): void
  /** Turns one bit of the byte at this place (from 0) of the next connection's stream (default `down`); once. */
  flipByte(at: number, direction?: Direction): void
  /** Passes nothing on until `flow`; connections stay open. */
  stall(): void
  flow(): void
  /** At most so many bytes a second and direction; 0 for no limit. */
  throttle(bytesPerSecond: number): void
  /** Breaks all open connections by a TCP reset. */
  reset(): void
  /** Refuses (resets) new connections until called with false. */
  refuse(yes: boolean): void
  close(): Promise<void>
}

/** A TCP proxy on a port of its own that can fail in the ways that networks do. */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const bytes = { down: 0, up: 0 }
  const open = new Set<{
    readonly client: Socket
    readonly target: Socket
    cut: { direction: Direction; left: number } | undefined
  }>()
  let connections = 0
  let cut: { bytes: number; direction: Direction; times: number } | undefined
  let flip: { at: number; direction: Direction } | undefined
  let refusing = false
  let bytesPerSecond = 0
  let stalled: { readonly over: Promise<void>; readonly end: () => void } | undefined

  const server = createServer({ pauseOnConnect: false, allowHalfOpen: true }, (client) => {
    connections += 1
    if (refusing) {
      client.on('error', () => undefined)
      client.resetAndDestroy()
      return
    }
    const target = tcpConnect({
      host: options.target.host ?? '127.0.0.1',
      port: options.target.port,
      allowHalfOpen: true
    })
    const pair = { client, target, cut: takeCut() }
    const toFlip = flip
    flip = undefined
    open.add(pair)

    function breakOff(): void {
      client.resetAndDestroy()
      target.resetAndDestroy()
    }

    async function pass(from: Socket, to: Socket, direction: Direction): Promise<void> {
      let passed = 0
      for await (const received of from as AsyncIterable<Buffer>) {
        let chunk = received
        while (stalled !== undefined) await stalled.over
        if (bytesPerSecond > 0) await delay((chunk.length / bytesPerSecond) * 1000)
        if (toFlip?.direction === direction && toFlip.at >= passed && toFlip.at < passed + chunk.length) {
          chunk = Buffer.from(chunk)
          chunk[toFlip.at - passed] = (chunk[toFlip.at - passed] ?? 0) ^ 1
        }
        const limit = pair.cut?.direction === direction ? pair.cut : undefined
        const ends = limit !== undefined && limit.left <= chunk.length
        if (limit !== undefined && ends) chunk = chunk.subarray(0, limit.left)
        if (limit !== undefined) limit.left -= chunk.length
        passed += chunk.length
        bytes[direction] += chunk.length
        await new Promise<void>((resolve) => {
          // The callback comes with an error, too: the other loop then ends by itself.
          to.write(chunk, () => resolve())
        })
        if (ends) return breakOff()
      }
      to.end()
    }

    for (const socket of [client, target]) {
      socket.setNoDelay(true)
      socket.on('error', breakOff)
      socket.on('close', () => {
        if (client.destroyed && target.destroyed) open.delete(pair)
      })
    }
    // A broken socket ends its loop with an error, which `breakOff` has passed on to the other side already.
    pass(client, target, 'up').catch(breakOff)
    pass(target, client, 'down').catch(breakOff)
  })

  function takeCut(): { direction: Direction; left: number } | undefined {
    if (cut === undefined || cut.times <= 0) return undefined
    cut.times -= 1
    return { direction: cut.direction, left: cut.bytes }
  }

  function flow(): void {
    stalled?.end()
    stalled = undefined
  }

  function reset(): void {
    for (const { client, target } of open) {
      client.resetAndDestroy()
      target.resetAndDestroy()
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port')

  return {
    host: '127.0.0.1',
    port: address.port,
    bytes,
    get connections() {
      return connections
    },
    cutAfter(limit, direction = 'down', times = Number.POSITIVE_INFINITY) {
      cut = { bytes: limit, direction, times }
      for (const pair of open) pair.cut = takeCut()
    },
    flipByte(at, direction = 'down') {
      flip = { at, direction }
    },
    stall() {
      if (stalled !== undefined) return
      const { promise: over, resolve: end } = Promise.withResolvers<void>()
      stalled = { over, end }
    },
    flow,
    throttle(rate) {
      bytesPerSecond = rate
    },
    reset,
    refuse(yes) {
      refusing = yes
    },
    async close() {
      flow()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      reset()
      await closed
    }
  }
}
