import { asError } from '../../errors.ts'
import type { FailedCall } from './errors.ts'

function networkCodeOf(thrown: unknown): string | undefined {
  for (let error: unknown = thrown; error instanceof Error; error = error.cause) {
    if ('code' in error && typeof error.code === 'string') return error.code
    if (error.name === 'TimeoutError') return 'ETIMEDOUT'
  }
  return undefined
}

function reasonsOf(data: unknown): string[] {
  const errors: unknown = Object(data)['errors']
  if (!Array.isArray(errors)) return []
  return errors.flatMap((error: unknown) => {
    const { code, field, message } = Object(error)
    return [code, field, message, typeof error === 'string' ? error : undefined].filter(
      (one) => typeof one === 'string'
    )
  })
}

/** What octokit was asked: the route as documented, with its parameters. */
export interface Endpoint {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly [key: string]: unknown
}

/** A call that failed, read from what octokit throws. */
export function failedCall(thrown: unknown, endpoint: Endpoint): FailedCall {
  const { owner, repo } = endpoint
  const repository = typeof owner === 'string' && typeof repo === 'string' ? `${owner}/${repo}` : undefined
  const response = Object(Object(thrown)['response'])
  const answered = response['status'] !== undefined
  const data = response['data']
  const message = Object(data)['message']
  const reasons = reasonsOf(data)
  const text = typeof message === 'string' ? message : asError(thrown).message || 'the connection broke'
  return {
    method: endpoint.method,
    route: routeOf(endpoint.url),
    repository,
    status: answered ? response['status'] : null,
    headers: Object(response['headers']),
    message: reasons.length === 0 ? text : `${text} (${reasons.join(', ')})`,
    reasons,
    networkCode: answered ? undefined : networkCodeOf(thrown),
    cause: thrown
  }
}

/** The path of an address without its query, so that no signature gets into a message. */
function routeOf(url: string): string {
  return url
    .replace(/^https?:\/\/[^/]+/, '')
    .replace(/[?{](?:name|sig|label)\b.*$/, '')
    .replace(/\?.*$/, '')
}

/** A download that the storage, not GitHub's API, refused or broke. */
export function brokenDownload(endpoint: Endpoint, status: number | null, message: string): FailedCall {
  const failed = failedCall(new Error(message), endpoint)
  // A refusal by the storage (an address that has expired) says nothing about the token: it counts as no answer.
  return { ...failed, message: status === null ? message : `${message} (${status})` }
}
