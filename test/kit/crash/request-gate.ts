import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { listen } from '../github/http.ts'
import type { MessageGate } from './message-gate.ts'

/** Addresses in front of HTTP servers, whose requests are numbered together: before they are passed on, and when their answers are there. */
export interface RequestGate extends Pick<MessageGate, 'gate' | 'close'> {
  /** By the names that were given. */
  readonly urls: Readonly<Record<string, string>>
}

/** `targets` gives the address behind each name, asked anew for each request. */
export async function startRequestGate(targets: Readonly<Record<string, () => string>>): Promise<RequestGate> {
  let count = 0
  const urls: Record<string, string> = {}
  const servers = Object.entries(targets).map(([name, target]) => ({
    name,
    server: createServer((request, response) => {
      // A side that broke off takes the other one with it.
      pass(name, target(), request, response).catch(() => request.socket.destroy())
    })
  }))
  const gate: RequestGate = {
    urls,
    gate: undefined,
    async close() {
      for (const { server } of servers) {
        server.closeAllConnections()
        await new Promise<void>((resolve) => server.close(() => resolve()))
      }
    }
  }

  async function pass(name: string, target: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    count += 1
    const number = count
    const what = `${request.method} ${name} ${request.url?.replace(/\?.*/, '')}`
    const ask = (phase: 'before' | 'after') => gate.gate?.({ number, phase, what }) ?? 'go'
    if (ask('before') === 'cut') return void request.socket.destroy()
    const onward = send(new URL(request.url ?? '/', target), { method: request.method, headers: request.headers })
    const answered = new Promise<IncomingMessage>((resolve, reject) =>
      onward.once('response', resolve).once('error', reject)
    )
    const [answer] = await Promise.all([answered, pipeline(request, onward)])
    if (ask('after') === 'cut') return void request.socket.destroy()
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    await pipeline(answer, response)
  }

  for (const { name, server } of servers) urls[name] = `http://127.0.0.1:${await listen(server)}`
  return gate
}
