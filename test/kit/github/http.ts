import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Fault } from './faults.ts'
import type { Answer } from './route.ts'

export interface Received {
  readonly bytes: Buffer
  readonly whole: boolean
}

/** Reads a body whole, or up to `limit` bytes. */
export async function receive(incoming: IncomingMessage, limit = Number.POSITIVE_INFINITY): Promise<Received> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of incoming) {
      chunks.push(chunk)
      size += chunk.length
      if (size >= limit) return { bytes: Buffer.concat(chunks).subarray(0, limit), whole: false }
    }
  } catch {
    // The client went away in the middle: what came is what there is.
    return { bytes: Buffer.concat(chunks), whole: false }
  }
  return { bytes: Buffer.concat(chunks), whole: incoming.complete }
}

export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The double has no port')
  return address.port
}

export function send(response: ServerResponse, answer: Answer, extra: Readonly<Record<string, string>> = {}): void {
  const headers: Record<string, string> = { ...extra, ...answer.headers }
  if (answer.body === undefined) {
    response.writeHead(answer.status, headers).end()
    return
  }
  headers['content-type'] ??= 'application/json; charset=utf-8'
  response.writeHead(answer.status, headers).end(JSON.stringify(answer.body))
}

/** Sends bytes as a storage does, with the faults of downloads. */
export function sendBytes(
  asked: string | undefined,
  response: ServerResponse,
  whole: Buffer,
  fault: Fault | undefined
): void {
  const range = /^bytes=(\d+)-$/.exec(asked ?? '')
  let bytes = range === null ? whole : whole.subarray(Number(range[1]))
  const status = range === null ? 200 : 206
  if (fault?.flip !== undefined) {
    bytes = Buffer.from(bytes)
    bytes[fault.flip] = (bytes[fault.flip] ?? 0) ^ 1
  }
  const length = fault?.cut === undefined ? bytes.length : Math.min(fault.cut, bytes.length)
  response.writeHead(status, { 'content-type': 'application/octet-stream', 'content-length': String(length) })
  if (fault?.breakAfter === undefined) {
    response.end(bytes.subarray(0, length))
    return
  }
  response.write(bytes.subarray(0, fault.breakAfter), () => setTimeout(() => response.destroy(), 20))
}
