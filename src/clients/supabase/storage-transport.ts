import { createClient } from '@supabase/supabase-js'
import { z } from 'zod'
import type { Context } from '../../context.ts'
import { asError, cancelled, UserError } from '../../errors.ts'
import { backoffMs } from '../github/retry.ts'
import { type HttpAnswer, type HttpCall, openKeepAliveHttp } from '../network/keep-alive-http.ts'
import type { CountedSocket } from '../network/received-bytes.ts'

export interface StorageTransportOptions {
  /** Address of the project without a trailing slash; `/storage/v1` is added. */
  readonly url: string
  /** A legacy service_role JWT, or `sb_secret_...`. */
  readonly key: string
  readonly context: Pick<Context, 'clock' | 'randomBytes' | 'signal'>
  /** Repeats after the first try. */
  readonly retries: number
  /** Told of each connection: what it receives is what left the project. */
  readonly watch?: (socket: CountedSocket) => void
}

export type StorageMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface StorageRequest {
  readonly method: StorageMethod
  /** Below `/storage/v1`, encoded. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array<ArrayBuffer> | string
  /** Statuses besides 2xx that the caller looks at himself. */
  readonly accept?: readonly number[]
  /** An answer of 5xx counts as "not there" at once: a server that keeps files in a folder says so of a row without its file. */
  readonly failingIsMissing?: boolean
}

/** HTTP to the Storage API: the right headers for either kind of key, repeats of what may pass, errors as UserErrors. */
export interface StorageTransport {
  readonly base: string
  readonly retries: number
  /** An answer of status 2xx or one of `accept`; `null` where what was asked for is not there. Its body has to be read or dropped. */
  send(request: StorageRequest): Promise<HttpAnswer | null>
  /** The JSON of an answer of status 2xx; `null` where what was asked for is not there. An answer that breaks off or is no JSON is asked for again. */
  sendForJson(request: StorageRequest, longest: number): Promise<{ readonly json: unknown } | null>
  /** Waits before repeat number `attempt` (0 = the first). */
  pause(attempt: number): Promise<void>
  /** supabase-js's own Storage client, on top of `send`'s rules. */
  readonly client: ReturnType<typeof createClient>['storage']
}

/** A page of a list has some hundred kilobytes. */
const longestText = 64 * 1024 * 1024

/** Whether an answer says that it was done. */
export function isWell({ status }: HttpAnswer): boolean {
  return status >= 200 && status < 300
}

/** The body as text. Throws where it breaks off or is longer. */
async function textOf(answer: HttpAnswer, longest: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer.body) {
    bytes += chunk.byteLength
    if (bytes > longest) throw new Error(`the answer is longer than ${longest} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const problemSchema = z.object({
  statusCode: z.union([z.string(), z.number()]).optional(),
  error: z.string().optional(),
  message: z.string().optional()
})

/** Longest wait that a `Retry-After` is followed for, in ms. */
const longestWaitMs = 120_000

export function openStorageTransport(options: StorageTransportOptions): StorageTransport {
  const { context, key, retries } = options
  const { clock, signal } = context
  const base = `${options.url}/storage/v1`

  const call = openKeepAliveHttp(signal, options.watch)
  // A new kind of key is no JWT: as a bearer token it is refused by what reads one. Where the platform's gateway is missing, the header is asked for.
  let asBearer = !key.startsWith('sb_')
  const keyHeaders = (): Readonly<Record<string, string>> => ({
    apikey: key,
    ...(asBearer ? { authorization: `Bearer ${key}` } : {}),
    'accept-encoding': 'identity'
  })
  /** Whether the call is to be made again with the header that this answer asks for. */
  const asksForBearer = (status: number, { text }: StorageProblem, sentAsBearer: boolean): boolean => {
    if (sentAsBearer || (status !== 400 && status !== 401) || !/\bauthorization\b/i.test(text)) return false
    asBearer = true
    return true
  }
  const random = (): number => (context.randomBytes(1)[0] ?? 0) / 255
  const pause = (attempt: number, retryAfter: string | null = null): Promise<void> =>
    clock.sleep(retryAfterMs(retryAfter, clock.now()) ?? backoffMs(attempt, random()), signal)

  /** Repeats what may pass; the last answer or error is the caller's. */
  const sendPatiently = async (given: HttpCall, failingIsMissing = false): Promise<HttpAnswer> => {
    for (let attempt = 0; ; attempt++) {
      if (signal.aborted) throw cancelled(signal)
      let answer: HttpAnswer
      try {
        answer = await call({ ...given, headers: { ...given.headers, ...keyHeaders() } })
      } catch (thrown) {
        if (signal.aborted) throw cancelled(signal)
        if (attempt >= retries) throw unreachable(base, thrown)
        await pause(attempt)
        continue
      }
      if ((answer.status !== 429 && answer.status < 500) || attempt >= retries) return answer
      if (failingIsMissing && answer.status >= 500) return answer
      answer.drop()
      await pause(attempt, answer.header('retry-after'))
    }
  }

  /** With its text. A body that breaks off, or a page of something in between instead of JSON, may not come the next time. */
  const sendForText = async (given: HttpCall, longest: number): Promise<{ answer: HttpAnswer; text: string }> => {
    for (let attempt = 0; ; attempt++) {
      const answer = await sendPatiently(given)
      try {
        const text = await textOf(answer, longest)
        if (!isWell(answer) || answer.status === 204 || isJson(text) || attempt >= retries) return { answer, text }
      } catch (thrown) {
        if (signal.aborted) throw cancelled(signal)
        if (attempt >= retries) throw unreachable(base, thrown)
      }
      await pause(attempt)
    }
  }

  const callOf = (request: StorageRequest): HttpCall => ({
    method: request.method,
    url: `${base}${request.path}`,
    headers: request.headers ?? {},
    ...(request.body === undefined ? {} : { body: request.body })
  })

  const send = async (request: StorageRequest): Promise<HttpAnswer | null> => {
    const sentAsBearer = asBearer
    const answer = await sendPatiently(callOf(request), request.failingIsMissing)
    if (isWell(answer) || request.accept?.includes(answer.status) === true) return answer
    const problem = problemOf(await textOf(answer, longestText).catch(() => ''), key)
    if (asksForBearer(answer.status, problem, sentAsBearer)) return send(request)
    if (request.failingIsMissing === true && answer.status >= 500) return null
    if (isMissing(answer.status, problem)) return null
    throw refusal(answer.status, problem, base)
  }

  const sendForJson = async (request: StorageRequest, longest: number): Promise<{ readonly json: unknown } | null> => {
    const sentAsBearer = asBearer
    const { answer, text } = await sendForText(callOf(request), longest)
    if (!isWell(answer)) {
      const problem = problemOf(text, key)
      if (asksForBearer(answer.status, problem, sentAsBearer)) return sendForJson(request, longest)
      if (isMissing(answer.status, problem)) return null
      throw refusal(answer.status, problem, base)
    }
    try {
      return { json: JSON.parse(text) }
    } catch (cause) {
      throw new UserError('SB803', `${base} answered ${answer.status} with something that is no JSON.`, { cause })
    }
  }

  /** For supabase-js, whose answers are short texts. */
  const asFetch = async (input: unknown, init: RequestInit = {}): Promise<Response> => {
    const headers = Object.fromEntries(new Headers(init.headers))
    for (const name of ['apikey', 'authorization', 'accept-encoding']) delete headers[name]
    const { body } = init
    if (body !== undefined && body !== null && typeof body !== 'string') throw new Error('a body that is no text')
    const given = {
      method: init.method ?? 'GET',
      url: String(input),
      headers,
      ...(typeof body === 'string' ? { body } : {})
    }
    const sentAsBearer = asBearer
    let { answer, text } = await sendForText(given, longestText)
    if (!isWell(answer) && asksForBearer(answer.status, problemOf(text, key), sentAsBearer))
      ({ answer, text } = await sendForText(given, longestText))
    const type = answer.header('content-type')
    return new Response(answer.status === 204 ? null : text, {
      status: answer.status,
      ...(type === null ? {} : { headers: { 'content-type': type } })
    })
  }
  const client = createClient(options.url, key, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    global: { fetch: asFetch }
  })
  return { base, retries, send, sendForJson, pause: (attempt) => pause(attempt), client: client.storage }
}

/** What an error answer says, in the shape of the Storage API where it has one. */
export interface StorageProblem {
  /** The API's own status: it answers 400 for what it calls 403 or 404. */
  readonly status: number | null
  readonly text: string
}

/** A key that was looked up is unknown to what takes secrets out of texts: it must not come back in an answer. */
function problemOf(answer: string, key: string): StorageProblem {
  const text = answer.slice(0, 2000).replaceAll(key, '***')
  try {
    const parsed = problemSchema.parse(JSON.parse(text))
    const status = Number(parsed.statusCode)
    return {
      status: Number.isInteger(status) && status > 0 ? status : null,
      text: [parsed.error, parsed.message].filter((part) => part !== undefined).join(': ')
    }
  } catch {
    return { status: null, text: text.replaceAll(/<[^>]*>/g, ' ').slice(0, 200) }
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Missing things are answered with 400 and "not found", too. */
function isMissing(status: number, problem: StorageProblem): boolean {
  if (status === 404) return problem.status === null || problem.status === 404
  return status === 400 && (problem.status === 404 || /\bnot[ _]?found\b/i.test(problem.text))
}

/** The UserError for an answer that is not repeated any more. */
export function refusal(status: number, problem: StorageProblem, base: string): UserError {
  const said = `${base} answered ${status}${problem.text === '' ? '' : `: ${problem.text}`}`
  const own = problem.status ?? status
  if (status === 402 || own === 402 || /exceed_\w*quota/.test(problem.text))
    return new UserError('SB809', `The project's plan gives no more: ${said}.`)
  if (status === 401 || status === 403 || own === 401 || own === 403 || /signature|jwt|api ?key/i.test(problem.text))
    return new UserError('SB801', `The key is refused: ${said}.`)
  if (status === 413 || own === 413 || /exceeded the maximum allowed size|maximum size exceeded/i.test(problem.text))
    return new UserError('SB808', `It is too large: ${said}.`)
  if (status === 429 || status >= 500) return new UserError('SB802', `${said}.`, { mayPass: true })
  return new UserError('SB803', `${said}.`)
}

/** What supabase-js gives as an error, as the error it came from; the signal's reason where that fired. Whatever else was thrown is SB803. */
export function unwrapped(error: unknown, base: string, signal: AbortSignal): Error {
  if (signal.aborted) return cancelled(signal)
  if (typeof error === 'object' && error !== null) {
    if ('originalError' in error && error.originalError instanceof UserError) return error.originalError
    if ('status' in error && typeof error.status === 'number' && error.status > 0) {
      const own = 'statusCode' in error ? Number(error.statusCode) : Number.NaN
      return refusal(error.status, { status: own > 0 ? own : null, text: asError(error).message }, base)
    }
  }
  return new UserError('SB803', `${base} gave an answer that cannot be read: ${asError(error).message}.`, {
    cause: error
  })
}

function unreachable(base: string, thrown: unknown): UserError {
  const error = asError(thrown)
  const cause = error.cause instanceof Error ? error.cause.message : ''
  return new UserError('SB802', `${base} cannot be reached: ${cause === '' ? error.message : cause}.`, {
    cause: thrown,
    mayPass: true
  })
}

/** The wait that a header `Retry-After` asks for, in seconds or as a date. */
export function retryAfterMs(header: string | null, now: Date): number | null {
  const text = header?.trim()
  if (text === undefined || text === '') return null
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime()
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestWaitMs) : null
}
