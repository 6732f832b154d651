import { createServer, type Socket, connect as tcpConnect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** What a client of PostgreSQL is about to send: by number, with the statement that it belongs to where that is known. */
export interface Message {
  readonly number: number
  readonly phase: 'before' | 'after'
  readonly what: string
}

/** What becomes of a message, or of its answer: it goes on, or both ends of the connection are broken off. */
export type Verdict = 'go' | 'cut'

export interface MessageGate {
  readonly port: number
  /** Asked at each message that makes the server work: before it is passed on, and when its answer is there and not passed on yet. */
  gate: ((message: Message) => Verdict) | undefined
  close(): Promise<void>
}

/** Parse, Bind, Describe, Close and Flush wait for what comes after them; a password is part of the start. */
const waiting = 'PBDCHp'
const startOfProtocol3 = 0x0003_0000

/** A proxy before a PostgreSQL server, without TLS, that numbers the messages of all its clients. */
export async function startMessageGate(port: number): Promise<MessageGate> {
  const open = new Set<Socket>()
  let count = 0
  const gate: { port: number; gate: MessageGate['gate']; close: MessageGate['close'] } = {
    port: 0,
    gate: undefined,
    async close() {
      for (const socket of open) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    }
  }

  const server = createServer((client) => {
    const target = tcpConnect({ host: '127.0.0.1', port })
    const breakOff = () => {
      client.resetAndDestroy()
      target.resetAndDestroy()
    }
    let answered: (() => Promise<Verdict>) | undefined
    for (const socket of [client, target]) {
      open.add(socket)
      socket.setNoDelay(true)
      socket.on('error', breakOff)
      socket.on('close', () => open.delete(socket))
    }
    const up = async () => {
      const messages = createMessages()
      for await (const chunk of client as AsyncIterable<Buffer>)
        for (const { bytes, what } of messages.of(chunk)) {
          if (what === null) {
            await passed(target, bytes)
            continue
          }
          count += 1
          const number = count
          if ((gate.gate?.({ number, phase: 'before', what }) ?? 'go') === 'cut') return breakOff()
          answered = () => Promise.resolve(gate.gate?.({ number, phase: 'after', what }) ?? 'go')
          await passed(target, bytes)
        }
      target.end()
    }
    const down = async () => {
      for await (const chunk of target as AsyncIterable<Buffer>) {
        const ask = answered
        answered = undefined
        if (ask !== undefined && (await ask()) === 'cut') return breakOff()
        await passed(client, chunk)
      }
      client.end()
    }
    // A broken socket ends its loop with an error, which `breakOff` has passed on to the other side already.
    up().catch(breakOff)
    down().catch(breakOff)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  gate.port = address.port
  return gate
}

function passed(to: Socket, bytes: Uint8Array): Promise<void> {
  // The callback comes with an error, too: the other loop then ends by itself.
  return new Promise((resolve) => {
    to.write(bytes, () => resolve())
  })
}

interface Piece {
  readonly bytes: Buffer
  /** Null for what makes the server do nothing by itself. */
  readonly what: string | null
}

/** Cuts what a client sends into whole messages of protocol 3. */
function createMessages(): { of(chunk: Buffer): Piece[] } {
  let rest = Buffer.alloc(0)
  let started = false
  let statement = ''
  let isCopying = false
  return {
    of(chunk) {
      rest = Buffer.concat([rest, chunk])
      const pieces: Piece[] = []
      for (;;) {
        const head = started ? 1 : 0
        if (rest.length < head + 4) return pieces
        const length = head + rest.readInt32BE(head)
        if (rest.length < length) return pieces
        const bytes = rest.subarray(0, length)
        rest = rest.subarray(length)
        pieces.push({ bytes, what: started ? what(bytes) : null })
        if (!started) started = bytes.readInt32BE(4) === startOfProtocol3
      }
    }
  }

  function what(bytes: Buffer): string | null {
    const type = String.fromCharCode(bytes[0] ?? 0)
    if (type === 'P') statement = bytes.subarray(bytes.indexOf(0, 5) + 1).toString('utf8')
    if (type === 'Q') statement = bytes.subarray(5).toString('utf8')
    // Rows come in many messages: the first and the end of each COPY are enough.
    const isMoreRows = type === 'd' && isCopying
    isCopying = type === 'd'
    if (waiting.includes(type) || type === 'X' || isMoreRows) return null
    const name = type === 'd' ? 'rows of' : type === 'c' ? 'end of' : type === 'f' ? 'failure of' : ''
    return `${name} ${statement.replace(/[\0\s]+/g, ' ').slice(0, 70)}`.trim()
  }
}

/** Waits until nobody but the one who asks is connected to a database. */
export async function quiet(sessions: () => Promise<number>, most = 15_000): Promise<void> {
  for (const until = performance.now() + most; (await sessions()) > 0; await delay(50))
    if (performance.now() > until) throw new Error(`${await sessions()} sessions are still there`)
}
