import { describe, expect, test } from 'vitest'
import { type FailedCall, githubError, neededScope } from '../../../../src/clients/github/errors.ts'
import { backoffMs, decide, limitWaitMs } from '../../../../src/clients/github/retry.ts'

const now = new Date('2026-11-22T12:00:00Z')
const policy = { retries: 3, longestWaitMs: 600_000 }
const again = { repeatable: true, canResend: true }

function failed(rest: Partial<FailedCall>): FailedCall {
  return {
    method: 'GET',
    route: '/repos/{owner}/{repo}',
    repository: 'acme/backups',
    status: 500,
    headers: {},
    message: 'x',
    reasons: [],
    networkCode: undefined,
    cause: undefined,
    ...rest
  }
}

const noAnswer = (networkCode: string) => failed({ status: null, networkCode })

describe('F59: limits', () => {
  const reset = String(now.getTime() / 1000 + 40)

  test.each([
    ['retry-after', { 'retry-after': '7', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }, 'x', 7000],
    [
      'the time of reset when nothing remains',
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset },
      'x',
      41_000
    ],
    ['a reset that is past', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1' }, 'x', 1000],
    ['a minute and more without a header', {}, 'You have exceeded a secondary rate limit', 240_000]
  ])('obeys %s', (_name, headers, message, wait) => {
    expect(limitWaitMs(failed({ status: 403, headers, message }), 2, now)).toBe(wait)
  })

  test('a missing permission is no limit; other answers are none either', () => {
    const message = 'Resource not accessible by integration'
    expect(limitWaitMs(failed({ status: 403, headers: { 'x-ratelimit-remaining': '99' }, message }), 0, now)).toBeNull()
    expect(limitWaitMs(failed({ status: 503, headers: { 'retry-after': '9' } }), 0, now)).toBeNull()
  })

  test('beyond the budget, or the tries, it ends with the time of reset', () => {
    const limited = failed({ status: 429, headers: { 'retry-after': '601' } })
    expect(decide(limited, again, 0, policy, now, 0)).toEqual({
      kind: 'limited',
      until: new Date(now.getTime() + 601_000)
    })
    const short = failed({ status: 429, headers: { 'retry-after': '5' } })
    expect(decide(short, again, 3, policy, now, 0).kind).toBe('limited')
    expect(decide(short, again, 2, policy, now, 0)).toEqual({ kind: 'repeat', afterMs: 5000 })
    expect(decide(short, again, 0, { ...policy, retries: 0 }, now, 0).kind).toBe('limited')
  })

  test('a POST that was refused for a limit took no effect and is repeated; a used-up stream is sent anew', () => {
    const limited = failed({ status: 429, headers: { 'retry-after': '5' }, method: 'POST' })
    expect(decide(limited, { repeatable: false, canResend: true }, 0, policy, now, 0).kind).toBe('repeat')
    expect(decide(limited, { repeatable: false, canResend: false }, 0, policy, now, 0)).toEqual({
      kind: 'send-anew',
      afterMs: 5000
    })
  })
})

describe('F61: what may pass', () => {
  test.each([500, 502, 503, 408])('%i is repeated, but not a POST, which may have taken effect', (status) => {
    expect(decide(failed({ status }), again, 0, policy, now, 0).kind).toBe('repeat')
    expect(decide(failed({ status }), { repeatable: false, canResend: true }, 0, policy, now, 0).kind).toBe('give-up')
  })

  test('a POST that never left is repeated; one whose connection broke is not', () => {
    const post = { repeatable: false, canResend: true }
    for (const code of ['ECONNREFUSED', 'EAI_AGAIN', 'ENOTFOUND']) {
      expect(decide(noAnswer(code), post, 0, policy, now, 0).kind).toBe('repeat')
    }
    for (const code of ['ECONNRESET', 'UND_ERR_SOCKET', 'ETIMEDOUT']) {
      expect(decide(noAnswer(code), post, 0, policy, now, 0).kind).toBe('give-up')
    }
  })

  test.each([400, 401, 403, 404, 409, 410, 422, 451])('%i stays wrong', (status) => {
    expect(decide(failed({ status }), again, 0, policy, now, 0)).toEqual({ kind: 'final' })
  })

  test('a wrong certificate stays wrong', () => {
    expect(decide(noAnswer('SELF_SIGNED_CERT_IN_CHAIN'), again, 0, policy, now, 0).kind).toBe('final')
  })

  test('`retries` counts repeats: 0 is none', () => {
    expect(decide(failed({}), again, 0, { ...policy, retries: 0 }, now, 0).kind).toBe('give-up')
    expect(decide(failed({}), again, 2, policy, now, 0).kind).toBe('repeat')
    expect(decide(failed({}), again, 3, policy, now, 0).kind).toBe('give-up')
  })

  test('waits double up to a minute, between half and all of it', () => {
    expect([0, 1, 2, 9].map((attempt) => backoffMs(attempt, 0))).toEqual([500, 1000, 2000, 30_000])
    expect([0, 1, 2, 9].map((attempt) => backoffMs(attempt, 1))).toEqual([1000, 2000, 4000, 60_000])
  })
})

test('F60: the permission is named by what was tried', () => {
  expect(neededScope('POST', '/repos/{owner}/{repo}/releases')).toBe('contents: write')
  expect(neededScope('GET', '/repos/{owner}/{repo}/releases')).toBe('contents: read')
  expect(neededScope('DELETE', '/repos/{owner}/{repo}/git/refs/{ref}')).toBe('contents: write')
  expect(neededScope('DELETE', '/repos/{owner}/{repo}/actions/artifacts/{artifact_id}')).toBe('actions: write')
  expect(neededScope('GET', '/repos/{owner}/{repo}/actions/workflows')).toBe('actions: read')
  expect(neededScope('POST', '/repos/{owner}/{repo}/issues/{issue_number}/comments')).toBe('issues: write')
  expect(neededScope('GET', '/repos/{owner}/{repo}')).toBe('metadata: read')
  const error = githubError(failed({ status: 404, method: 'POST', route: '/repos/{owner}/{repo}/issues' }), 1, false)
  expect([error.code, error.mayPass]).toEqual(['SB405', false])
  expect(error.message).toContain('issues: write')
})
