import type { z } from 'zod'
import type { Context } from '../../context.ts'
import { asError, cancelled } from '../../errors.ts'
import { backoffMs } from '../github/retry.ts'
import { formOfToken, type ManagementError, managementError, shapeError } from './management-errors.ts'

/** Larger answers are refused: functions have at most 20 MB, settings some hundred kB. */
const largestAnswer = 64 * 1024 * 1024
const callTimeoutMs = 60_000
/** The limit is counted by the minute, so a wait beyond this is no limit of this kind. */
const longestWaitMs = 120_000

export interface ManagementOptions {
  /** `https://api.supabase.com`, without a trailing slash and without `/v1`. */
  readonly url: string
  readonly token: string
  /** The project's ref: part of every address. */
  readonly ref: string
  /** Repeats after the first try; 0 = none. */
  readonly retries: number
  readonly context: Context
}

export interface ManagementBody {
  /** `content-type` of the answer as sent; empty where it has none. */
  readonly contentType: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface ManagementChange {
  readonly query?: Readonly<Record<string, string>>
  readonly body?:
    | { readonly json: unknown }
    | { readonly form: FormData }
    | { readonly bytes: Uint8Array<ArrayBuffer>; readonly type: string }
  /** Whether doing it twice is the same as doing it once. Without it: everything but POST. */
  readonly repeatable?: boolean
}

/**
 * The Management API for one project. Paths are those after `/v1/projects/{ref}`. Everything that fails is a
 * `ManagementError`; what may pass (429, 5xx, broken connections) is repeated before. Answers are held in memory.
 */
export interface Management {
  readonly ref: string
  /** Asks for JSON and checks its shape; SB826 when it has another. */
  read<T>(path: string, schema: z.ZodType<T>): Promise<T>
  /** Asks for bytes. */
  readBody(path: string, accept?: string): Promise<ManagementBody>
  /** Changes something; returns the parsed JSON of the answer, or null where there is none. */
  change(method: 'POST' | 'PUT' | 'PATCH', path: string, change: ManagementChange): Promise<unknown>
}

export function connectManagement(options: ManagementOptions): Management {
  const { context, retries } = options
  const { clock, signal } = context
  const base = `${options.url}/v1/projects/${encodeURIComponent(options.ref)}`
  /** On the monotonic clock: the limit is used up until then. */
  let openAgainAt = 0
  /** A call got no answer, however often it was tried: the next ones are tried once, so that an address that is dead costs its wait only once. */
  let isSilent = false

  async function waitForLimit(): Promise<void> {
    const wait = Math.min(openAgainAt - clock.monotonic(), longestWaitMs)
    if (wait <= 0) return
    context.log.debug(`The Management API's limit is used up: waiting ${Math.round(wait)} ms`)
    await clock.sleep(wait, signal)
  }

  async function once(method: string, path: string, init: RequestInit, query: string): Promise<ManagementBody> {
    const until = AbortSignal.any([signal, AbortSignal.timeout(callTimeoutMs)])
    let status: number | null = null
    try {
      const response = await fetch(`${base}${path}${query}`, {
        ...init,
        method,
        // The token must not follow to another address.
        redirect: 'manual',
        signal: until
      })
      const bytes = await readLimited(response)
      // From here on there is a whole answer.
      status = response.status
      if (response.headers.get('x-ratelimit-remaining') === '0')
        openAgainAt = clock.monotonic() + (limitMs(response.headers, clock.now()) ?? 60_000)
      if (status >= 200 && status < 300) return { contentType: response.headers.get('content-type') ?? '', bytes }
      if (status === 429) {
        // A refusal that does not say for how long is tried again as any other fault that passes.
        const limited = limitMs(response.headers, clock.now())
        if (limited !== null) openAgainAt = clock.monotonic() + limited
      }
      throw managementError({ method, path, status, message: messageOf(bytes), tokenForm: formOfToken(options.token) })
    } catch (thrown) {
      if (signal.aborted) throw cancelled(signal)
      if (status !== null) throw thrown
      throw managementError({ method, path, status: null, message: networkMessage(thrown), cause: thrown })
    }
  }

  async function call(
    method: string,
    path: string,
    init: RequestInit,
    query: string,
    repeatable: boolean
  ): Promise<ManagementBody> {
    for (let attempt = 0; ; attempt += 1) {
      if (signal.aborted) throw cancelled(signal)
      await waitForLimit()
      try {
        const answer = await once(method, path, init, query)
        isSilent = false
        return answer
      } catch (thrown) {
        const failed = thrown as ManagementError
        // A request that a limit refused took no effect.
        const again = failed.mayPass === true && (repeatable || failed.status === 429)
        if (!again || attempt >= (isSilent ? 0 : retries)) {
          isSilent = failed.status === null
          throw thrown
        }
        const waitMs = backoffMs(attempt, (context.randomBytes(1)[0] ?? 0) / 256)
        context.log.debug(`${method} ${path}: ${failed.status ?? 'no answer'}, again in ${waitMs} ms`)
        await clock.sleep(waitMs, signal)
      }
    }
  }

  const headers = (more: Readonly<Record<string, string>>): Record<string, string> => ({
    authorization: `Bearer ${options.token}`,
    'user-agent': 'supabase-backup',
    ...more
  })

  return {
    ref: options.ref,
    async read(path, schema) {
      const { bytes } = await call('GET', path, { headers: headers({ accept: 'application/json' }) }, '', true)
      const json = parseJson(bytes)
      if (json === undefined) throw shapeError('GET', path, 'it is no JSON')
      const parsed = schema.safeParse(json)
      if (parsed.success) return parsed.data
      const issue = parsed.error.issues[0]
      throw shapeError(
        'GET',
        path,
        issue === undefined ? 'unknown' : `${issue.path.map(String).join('.') || 'the whole'}: ${issue.message}`
      )
    },
    readBody: (path, accept) => call('GET', path, { headers: headers({ accept: accept ?? '*/*' }) }, '', true),
    async change(method, path, { query, body, repeatable }) {
      const asked = query === undefined ? '' : `?${new URLSearchParams({ ...query }).toString()}`
      const init: RequestInit =
        body === undefined
          ? { headers: headers({}) }
          : 'json' in body
            ? { headers: headers({ 'content-type': 'application/json' }), body: JSON.stringify(body.json) }
            : 'form' in body
              ? { headers: headers({}), body: body.form }
              : { headers: headers({ 'content-type': body.type }), body: body.bytes }
      const { bytes } = await call(method, path, init, asked, repeatable ?? method !== 'POST')
      return bytes.byteLength === 0 ? null : (parseJson(bytes) ?? null)
    }
  }
}

async function readLimited(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  if (response.body !== null) {
    for await (const chunk of response.body) {
      size += chunk.byteLength
      if (size > largestAnswer) throw new Error(`the answer is larger than ${largestAnswer} bytes`)
      chunks.push(chunk)
    }
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}

/** How long the limit holds: `retry-after`, else `x-ratelimit-reset` (seconds from now, or a time); null where neither says it. */
export function limitMs(headers: Headers, now: Date): number | null {
  const retryAfter = headers.get('retry-after')
  if (retryAfter !== null) {
    const seconds = Number(retryAfter)
    const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(retryAfter) - now.getTime()
    if (Number.isFinite(ms) && ms >= 0) return Math.min(ms, longestWaitMs)
  }
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN)
  if (!Number.isFinite(reset)) return null
  // Seconds since 1970 are ten digits; no limit lasts that long.
  const ms = reset > 1_000_000_000 ? reset * 1000 - now.getTime() : reset * 1000
  return Math.min(Math.max(ms, 0), longestWaitMs)
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** `message` of an error's JSON; nothing else of the body, which may be a whole page. */
function messageOf(bytes: Uint8Array): string {
  const json = parseJson(bytes)
  if (typeof json !== 'object' || json === null || !('message' in json)) return ''
  const { message } = json
  return typeof message === 'string' ? message : Array.isArray(message) ? message.map(String).join(', ') : ''
}

function networkMessage(thrown: unknown): string {
  const error = asError(thrown)
  if (error.name === 'TimeoutError') return `no answer in ${callTimeoutMs / 1000} s`
  return error.cause instanceof Error ? error.cause.message || error.cause.name : error.message
}
