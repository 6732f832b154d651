import type { FailedCall } from './errors.ts'

/** What to do after a call failed. */
export type Decision =
  | { readonly kind: 'repeat'; readonly afterMs: number }
  /** A limit refused a stream that is used up: after the wait the caller may send it anew. */
  | { readonly kind: 'send-anew'; readonly afterMs: number }
  /** It stays wrong however often it is tried. */
  | { readonly kind: 'final' }
  /** It may pass later: the tries are used up, or repeating could do it twice. */
  | { readonly kind: 'give-up' }
  /** GitHub lifts its limit only then, which is too late for this run or beyond its tries. */
  | { readonly kind: 'limited'; readonly until: Date }

export interface RetryPolicy {
  /** Repeats after the first try; 0 = none. */
  readonly retries: number
  /** The longest wait that makes sense for this run, in ms. */
  readonly longestWaitMs: number
}

// Nothing of the request can have reached the server.
const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT'
])

// A wrong certificate stays wrong.
const wrongCertificate = /^(?:ERR_TLS_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_)/

/** The wait before repeat number `attempt` (0 = the first) in ms: 1 s, 2 s, 4 s ... up to 60 s, half of it by chance. */
export function backoffMs(attempt: number, random: number): number {
  const longest = Math.min(1000 * 2 ** attempt, 60_000)
  return Math.round(longest / 2 + (longest / 2) * random)
}

/**
 * How long GitHub asks to wait, in ms; null when the answer is no limit. Its rule: `retry-after`, else the time in
 * `x-ratelimit-reset` when nothing remains, else at least a minute, longer each time
 * (https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api).
 */
export function limitWaitMs(failed: FailedCall, attempt: number, now: Date): number | null {
  if (failed.status !== 429 && failed.status !== 403) return null
  const { headers } = failed
  const retryAfter = Number(headers['retry-after'])
  const isLimit =
    failed.status === 429 ||
    headers['retry-after'] !== undefined ||
    headers['x-ratelimit-remaining'] === '0' ||
    /rate limit|abuse detection/i.test(failed.message)
  if (!isLimit) return null
  if (Number.isFinite(retryAfter) && retryAfter >= 0) return retryAfter * 1000
  const reset = Number(headers['x-ratelimit-reset'])
  if (headers['x-ratelimit-remaining'] === '0' && reset > 0) {
    // One second more, since the header has whole seconds.
    return Math.max(reset * 1000 - now.getTime(), 0) + 1000
  }
  return 60_000 * 2 ** attempt
}

/**
 * Decides about a failed call. `repeatable`: doing it twice is the same as doing it once. A refusal for a limit took no
 * effect, so it is repeated whatever the call is; `canResend` is false where the body was a stream that is used up.
 */
export function decide(
  failed: FailedCall,
  call: { readonly repeatable: boolean; readonly canResend: boolean },
  attempt: number,
  policy: RetryPolicy,
  now: Date,
  random: number
): Decision {
  const limited = limitWaitMs(failed, attempt, now)
  if (limited !== null) {
    if (limited > policy.longestWaitMs || attempt >= policy.retries) {
      return { kind: 'limited', until: new Date(now.getTime() + limited) }
    }
    return { kind: call.canResend ? 'repeat' : 'send-anew', afterMs: limited }
  }
  const certificate = failed.networkCode !== undefined && wrongCertificate.test(failed.networkCode)
  const mayPass = (failed.status === null && !certificate) || failed.status === 408 || (failed.status ?? 0) >= 500
  if (!mayPass) return { kind: 'final' }
  const sent = failed.networkCode === undefined || !neverSent.has(failed.networkCode)
  if (attempt >= policy.retries || !call.canResend || (sent && !call.repeatable)) return { kind: 'give-up' }
  const asked = Number(failed.headers['retry-after'])
  const afterMs = Math.max(backoffMs(attempt, random), asked > 0 ? asked * 1000 : 0)
  return afterMs > policy.longestWaitMs ? { kind: 'give-up' } : { kind: 'repeat', afterMs }
}
