import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'
import { cancelled } from '../../errors.ts'
import type { CountedSocket } from './received-bytes.ts'

/** An answer's head; its body has to be read to the end or dropped. */
export interface HttpAnswer {
  readonly status: number
  /** A header by its name in lower case; null where there is none. */
  header(name: string): string | null
  /** Fails where the connection breaks before the length that was told. */
  readonly body: AsyncIterable<Uint8Array>
  /** Reads no further. */
  drop(): void
}

export interface HttpCall {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
}

/** Longest time without a byte in either direction. */
const silenceMs = 300_000
/** What is left of an answer is read up to this length, so that the connection can be used again. */
const cheapToRead = 64 * 1024

/**
 * HTTP over connections that stay open. With `fetch` a small file costs about twice the processor time, and each call leaves a listener on a
 * shared signal until memory is cleared. Redirects are answers like any other. `watch` is told of each connection. A call rejects when no answer came, with the signal's reason when that fired.
 */
export function openKeepAliveHttp(
  signal: AbortSignal,
  watch?: (socket: CountedSocket) => void
): (call: HttpCall) => Promise<HttpAnswer> {
  const how = { keepAlive: true, proxyEnv: process.env }
  const agents = { http: new HttpAgent(how), https: new HttpsAgent(how) }
  const watched = new WeakSet<Socket>()
  const watchOnce = (socket: Socket, tell: (socket: CountedSocket) => void): void => {
    if (watched.has(socket)) return
    watched.add(socket)
    tell(socket)
  }
  const underWay = new Set<{ destroy(error: Error): unknown }>()
  signal.addEventListener('abort', () => {
    for (const one of underWay) one.destroy(cancelled(signal))
  })

  const once = (call: HttpCall): Promise<HttpAnswer> =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(cancelled(signal))
      const secure = call.url.startsWith('https:')
      const options = {
        method: call.method,
        headers: {
          ...call.headers,
          ...(call.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(call.body)) })
        }
      }
      const request = secure
        ? requestHttps(call.url, { ...options, agent: agents.https })
        : requestHttp(call.url, { ...options, agent: agents.http })
      underWay.add(request)
      let answered = false
      if (watch !== undefined) request.once('socket', (socket) => watchOnce(socket, watch))
      request.setTimeout(silenceMs, () => request.destroy(new Error(`no answer in ${silenceMs / 1000} s`)))
      request.once('close', () => underWay.delete(request))
      // Stays: an error after the answer came is told by its body.
      request.on('error', (error: Error & { code?: string }) => {
        if (answered) return
        // The server closed a kept connection just when it was taken up again: nothing was done.
        if (request.reusedSocket && error.code === 'ECONNRESET' && !signal.aborted) once(call).then(resolve, reject)
        else reject(error)
      })
      request.once('response', (message) => {
        answered = true
        resolve(answerOf(message))
      })
      request.end(call.body)
    })
  return once
}

function answerOf(message: IncomingMessage): HttpAnswer {
  // Where nobody listens any more, a break after the end of interest is no fault.
  message.on('error', () => undefined)
  return {
    status: message.statusCode ?? 0,
    header: (name) => {
      const value = message.headers[name]
      return (Array.isArray(value) ? value.join(', ') : value) ?? null
    },
    body: message,
    drop: () => {
      const length = Number(
        message.headers['content-length'] ?? (message.headers['transfer-encoding'] ? Number.NaN : 0)
      )
      if (length <= cheapToRead) message.resume()
      else message.destroy()
    }
  }
}
