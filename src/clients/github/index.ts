import type { Readable } from 'node:stream'
import { getOctokit } from '@actions/github'
import { defaults, type GitHub } from '@actions/github/lib/utils'
import type { Context } from '../../context.ts'
import { cancelled, UserError } from '../../errors.ts'
import { GithubError, githubError, limitError } from './errors.ts'
import { brokenDownload, type Endpoint, failedCall } from './failed-call.ts'
import { backoffMs, decide } from './retry.ts'

export interface GithubOptions {
  /** GITHUB_API_URL: `https://api.github.com`. */
  readonly apiUrl: string
  readonly token: string
  /** Repeats after the first try; 0 = none. */
  readonly retries: number
  /** When the run must be over: no wait goes beyond it. */
  readonly deadline?: Date
  /** How long one call without a streamed body may take, in ms; 2 minutes when left out. */
  readonly timeoutMs?: number
  readonly context: Context
}

/** `octokit.request`, typed by route: `request('GET /repos/{owner}/{repo}', { owner, repo })`. */
export type GithubRequest = InstanceType<typeof GitHub>['request']

/**
 * GitHub's REST API with its rules kept: limits are waited for, what may pass is repeated, changes start at least one
 * second apart. What fails for good is a `GithubError` (a `UserError` with the HTTP status). A POST that may have taken
 * effect is never repeated here: `once` does that, after looking.
 */
export interface Github {
  readonly request: GithubRequest
  /** Repeats after the first try that this client was given. */
  readonly retries: number
  /**
   * Does a call that must not be done twice. When the answer is lost, `find` looks whether it took effect; only when it
   * did not is it repeated.
   */
  once<T>(call: { readonly create: () => Promise<T>; readonly find: () => Promise<T | undefined> }): Promise<T>
  /** Sends a stream of known length, once: what escapes with `mayPass` may be tried again with a new stream. */
  send(url: string, body: Readable, bytes: number): Promise<unknown>
  /** Asks for bytes of a route that answers with them or with an address of theirs, from byte `offset` on. */
  receive(route: string, parameters: Readonly<Record<string, unknown>>, offset: number): Promise<Received>
  /** The time by GitHub's clock, as its last answer told it; undefined before the first one. */
  serverTime(): Date | undefined
  /** Waits before repeat number `attempt` (0 = the first). */
  pause(attempt: number): Promise<void>
}

export interface Received {
  readonly body: AsyncIterable<Uint8Array>
  /** The first byte of `body`: 0 where the server ignores ranges. */
  readonly offset: number
}

const betweenChangesMs = 1000
const longestWaitMs = 65 * 60 * 1000
const mostRedirects = 5

/** Whether an answer that is called JSON is none: its body broke off. */
function isBroken(response: { readonly headers: object; readonly data: unknown }): boolean {
  const type: unknown = Object(response.headers)['content-type']
  return typeof type === 'string' && type.startsWith('application/json') && typeof response.data === 'string'
}

/** Runs `work` with a signal that fires with `signal` or after `ms`. */
async function withTimeout<T>(signal: AbortSignal, ms: number, work: (until: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const stop = (): void => controller.abort(signal.reason)
  const timer = setTimeout(() => controller.abort(new DOMException(`no answer in ${ms} ms`, 'TimeoutError')), ms)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}

/** The bytes of `body`, ending with an error as soon as they are more or fewer than announced. */
async function* exactly(body: Readable, bytes: number): AsyncGenerator<Uint8Array> {
  let sent = 0
  for await (const chunk of body) {
    sent += chunk.length
    if (sent > bytes) throw new Error(`the file is longer than ${bytes} bytes`)
    yield chunk
  }
  if (sent < bytes) throw new Error(`the file ended after ${sent} of ${bytes} bytes`)
}

export function connectGithub(options: GithubOptions): Github {
  const { context, retries } = options
  const { clock, signal } = context
  const octokit = getOctokit(options.token, { baseUrl: options.apiUrl, log: quiet(context) })
  // Knows the runner's proxy; the type of octokit's options leaves it open.
  const configured: unknown = defaults.request?.fetch
  const plainFetch = typeof configured === 'function' ? (configured as typeof fetch) : fetch
  let nextChange = Number.NEGATIVE_INFINITY
  let told: { readonly time: number; readonly at: number } | undefined

  function noteTime(headers: object): void {
    const time = Date.parse(String(Object(headers).date))
    if (!Number.isNaN(time)) told = { time, at: clock.monotonic() }
  }

  function random(): number {
    return (context.randomBytes(1)[0] ?? 0) / 256
  }

  function longestWait(): number {
    if (options.deadline === undefined) return longestWaitMs
    return Math.min(options.deadline.getTime() - clock.now().getTime(), longestWaitMs)
  }

  async function spaceOut(): Promise<void> {
    const now = clock.monotonic()
    const start = Math.max(now, nextChange)
    nextChange = start + betweenChangesMs
    if (start > now) await clock.sleep(start - now, signal)
  }

  octokit.hook.wrap('request', async (send, given) => {
    const endpoint: Endpoint = { ...given }
    const isChange = given.method !== 'GET' && given.method !== 'HEAD'
    const isStream = given.request?.['streamed'] === true
    // Bodies that stream take as long as they take; a connection that stands still is ended by fetch after 5 minutes.
    const isUnlimited = isStream || given.request?.['parseSuccessResponseBody'] === false
    const call = { repeatable: given.method !== 'POST', canResend: !isStream }
    // A change that is redirected was sent to a repository that has moved; fetch would turn it into a GET.
    const redirect = isChange ? 'manual' : (given.request?.['redirect'] ?? 'follow')
    for (let attempt = 0; ; attempt += 1) {
      if (isChange) await spaceOut()
      if (signal.aborted) throw cancelled(signal)
      try {
        const ask = async (until: AbortSignal): Promise<Awaited<ReturnType<typeof send>>> => {
          // The hooks further in were bound to this object: what is to reach them must be written into it.
          given.request = { ...given.request, signal: until, redirect }
          return await send(given)
        }
        const response = isUnlimited ? await ask(signal) : await withTimeout(signal, options.timeoutMs ?? 120_000, ask)
        noteTime(response.headers)
        if (isChange && response.status >= 300) throw answerError(response, 'moved')
        if (isBroken(response)) throw new Error('the answer broke off')
        return response
      } catch (thrown) {
        if (signal.aborted) throw cancelled(signal)
        if (thrown instanceof UserError) throw thrown
        const failed = failedCall(thrown, endpoint)
        const policy = { retries, longestWaitMs: longestWait() }
        const decision = decide(failed, call, attempt, policy, clock.now(), random())
        if (decision.kind === 'limited') throw limitError(failed, decision.until, false)
        if (decision.kind === 'send-anew') {
          const until = new Date(clock.now().getTime() + decision.afterMs)
          await clock.sleep(decision.afterMs, signal)
          throw limitError(failed, until, true)
        }
        if (decision.kind !== 'repeat') throw githubError(failed, attempt + 1, decision.kind === 'give-up')
        context.log.debug(
          `${failed.method} ${failed.route}: ${failed.status ?? failed.networkCode ?? 'no answer'}, again in ${decision.afterMs} ms`
        )
        await clock.sleep(decision.afterMs, signal)
      }
    }
  })

  /** Fetches from the storage that an answer points to: another host, which must never see the token. */
  async function fetchStorage(address: string, offset: number, endpoint: Endpoint): Promise<Received> {
    const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` }
    let location = address
    for (let hop = 0; hop <= mostRedirects; hop += 1) {
      if (new URL(location).protocol !== 'https:' && options.apiUrl.startsWith('https:')) {
        throw githubError(brokenDownload(endpoint, null, 'redirected to an address that is not https'), 1, false)
      }
      const response = await fetchOnce(location, headers, endpoint)
      const next = response.headers.get('location')
      if (response.status >= 300 && response.status < 400 && next !== null) {
        await response.body?.cancel()
        location = new URL(next, location).href
        continue
      }
      if (response.status === 200 && response.body !== null) return { body: response.body, offset: 0 }
      if (response.status === 206 && response.body !== null) return { body: response.body, offset }
      await response.body?.cancel()
      throw githubError(brokenDownload(endpoint, response.status, 'the storage refused the download'), 1, true)
    }
    throw githubError(brokenDownload(endpoint, null, 'the storage redirects in a circle'), 1, true)
  }

  async function fetchOnce(location: string, headers: Record<string, string>, endpoint: Endpoint): Promise<Response> {
    try {
      return await plainFetch(location, { headers, signal, redirect: 'manual' })
    } catch (thrown) {
      if (signal.aborted) throw cancelled(signal)
      throw githubError(failedCall(thrown, endpoint), 1, true)
    }
  }

  async function pause(attempt: number): Promise<void> {
    await clock.sleep(backoffMs(attempt, random()), signal)
  }

  return {
    request: octokit.request,
    retries,
    serverTime: () => (told === undefined ? undefined : new Date(told.time + clock.monotonic() - told.at)),
    pause,
    async once({ create, find }) {
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await create()
        } catch (thrown) {
          if (!(thrown instanceof GithubError) || !thrown.mayPass) throw thrown
          const found = await find()
          if (found !== undefined) return found
          if (attempt >= retries) throw thrown
          await pause(attempt)
        }
      }
    },
    async send(url, body, bytes) {
      let broken: unknown
      const watched = async function* (): AsyncGenerator<Uint8Array> {
        try {
          yield* exactly(body, bytes)
        } catch (thrown) {
          broken = thrown
          throw thrown
        }
      }
      try {
        const response = await octokit.request({
          method: 'POST',
          url,
          data: watched(),
          // Without a length the stream would go out in chunks, which the upload address refuses.
          headers: { 'content-type': 'application/octet-stream', 'content-length': bytes },
          request: { streamed: true }
        })
        return response.data
      } catch (thrown) {
        // What the source of the bytes says is worth more than the broken request that followed from it.
        throw broken ?? thrown
      } finally {
        body.destroy()
      }
    },
    async receive(route, parameters, offset) {
      const response = await octokit.request(route, {
        ...parameters,
        headers: { accept: 'application/octet-stream', ...(offset === 0 ? {} : { range: `bytes=${offset}-` }) },
        request: { redirect: 'manual', parseSuccessResponseBody: false }
      })
      const [method = '', url = ''] = route.split(' ')
      const endpoint: Endpoint = { ...parameters, method, url, headers: {} }
      const body: unknown = response.data
      if (response.headers.location !== undefined) {
        if (isStreamOfBytes(body)) await body.cancel()
        return await fetchStorage(response.headers.location, offset, endpoint)
      }
      if (!isStreamOfBytes(body)) throw githubError(brokenDownload(endpoint, null, 'the answer has no body'), 1, true)
      return { body, offset: Number(response.status) === 206 ? offset : 0 }
    }
  }
}

function isStreamOfBytes(value: unknown): value is ReadableStream<Uint8Array> {
  return typeof value === 'object' && value !== null && 'getReader' in value
}

/** An answer that octokit takes for a success, as the error that it is. */
function answerError(response: { readonly status: number; readonly headers: object }, message: string): Error {
  return Object.assign(new Error(message), { response })
}

/** Octokit's own messages (deprecations) belong into the debug log: nothing but the log writes to standard output. */
function quiet(context: Context): Record<'debug' | 'info' | 'warn' | 'error', (message: string) => void> {
  const write = (message: string): void => context.log.debug(`octokit: ${message}`)
  return { debug: write, info: write, warn: write, error: write }
}
