import type { ErrorCode } from '../../error-codes.ts'
import { asError, UserError, type UserErrorDetails } from '../../errors.ts'

/** A call that the store refused or that got no answer. */
export class S3Error extends UserError {
  /** HTTP status; null where no answer came. */
  readonly status: number | null
  /** The store's own name of the error, such as `AccessDenied`. */
  readonly reason: string

  constructor(code: ErrorCode, what: string, status: number | null, reason: string, details: UserErrorDetails) {
    super(code, what, details)
    this.status = status
    this.reason = reason
  }
}

export function hasStatus(thrown: unknown, ...statuses: readonly number[]): thrown is S3Error {
  return thrown instanceof S3Error && thrown.status !== null && statuses.includes(thrown.status)
}

/** What a call was for, in the words of messages. */
export interface Purpose {
  /** `store database.dump.zst.age`. */
  readonly what: string
  readonly place: string
  /** The right that it needs, for the remedy: `s3:PutObject`. */
  readonly right: string
}

const wrongKeys = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'InvalidToken',
  'InvalidSecurity',
  'AuthorizationHeaderMalformed',
  'NotSignedUp'
])
const expired = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired', 'RequestExpired'])
const passing = new Set([
  'SlowDown',
  'RequestTimeout',
  'RequestTimeoutException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
  'ServiceUnavailable',
  'InternalError',
  'OperationAborted',
  'ConditionalRequestConflict',
  'TimeoutError',
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  'IncompleteBody'
])
// A wrong certificate stays wrong.
const wrongCertificate = /^(?:ERR_TLS_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_)/

/** The name of what a store answered: letters and digits alone, whatever it sent. */
function nameOf(thrown: unknown): string {
  const { name, Code } = Object(thrown)
  const text = [Code, name].find((one) => typeof one === 'string' && one !== 'Error' && one !== 'UnknownError')
  return typeof text === 'string' ? text.replace(/[^A-Za-z0-9.]/g, '').slice(0, 60) : ''
}

function networkCode(thrown: unknown): string {
  for (let error: unknown = thrown; error instanceof Error; error = error.cause)
    if ('code' in error && typeof error.code === 'string' && /^[A-Z0-9_]{3,60}$/.test(error.code)) return error.code
  return ''
}

/** Turns what the client library throws into an error for the person who chose the bucket. */
export function s3Error(thrown: unknown, purpose: Purpose): S3Error {
  if (thrown instanceof S3Error) return thrown
  const { httpStatusCode } = Object(Object(thrown)['$metadata'])
  const status = typeof httpStatusCode === 'number' ? httpStatusCode : null
  const reason = nameOf(thrown)
  const make = (code: ErrorCode, why: string, details: UserErrorDetails = {}) =>
    new S3Error(code, `${purpose.place}: could not ${purpose.what}: ${why}`, status, reason, {
      ...details,
      cause: thrown
    })
  const answer = status === null ? '' : ` (${[String(status), reason].filter(Boolean).join(' ')})`

  if (status === null) {
    const code = networkCode(thrown)
    const isCertificate = wrongCertificate.test(code)
    return make('SB401', `there was no answer${code === '' ? ` (${asError(thrown).name})` : ` (${code})`}.`, {
      mayPass: !isCertificate,
      remedy: isCertificate
        ? 'The certificate of the store is not trusted: check `s3-endpoint`.'
        : 'Check `s3-endpoint`, and that this machine reaches it; then run the job again.'
    })
  }
  if (expired.has(reason))
    return make('SB402', `the temporary credentials have expired${answer}.`, {
      remedy: 'Let the login that makes them ask for a longer session than the backup takes.'
    })
  if (wrongKeys.has(reason))
    return make('SB402', `the key is not accepted${answer}.`, {
      remedy: 'Check `s3-access-key-id` and `s3-secret-access-key` (or the variables AWS_*), and `s3-region`.'
    })
  if (reason === 'RequestTimeTooSkewed')
    return make('SB401', `the clock of this machine is wrong${answer}.`, { remedy: 'Set the clock of this machine.' })
  if (reason === 'NoSuchBucket') return make('SB428', `there is no bucket of this name${answer}.`)
  if (
    status === 301 ||
    status === 307 ||
    reason === 'PermanentRedirect' ||
    reason === 'IllegalLocationConstraintException'
  )
    return make('SB428', `the bucket lies in another region${answer}.`, {
      remedy: 'Set `s3-region` to the region of the bucket.'
    })
  if (reason === 'QuotaExceeded' || reason === 'EntityTooLarge' || status === 507 || status === 413)
    return make('SB409', `there is no room for it${answer}.`, {
      remedy: 'Raise the quota of the bucket or let old backups go.'
    })
  if (status === 401 || status === 403)
    return make('SB403', `the key may not do this${answer}.`, {
      remedy: `Let the key do \`${purpose.right}\` on this bucket and prefix.`
    })
  if (status === 404) return make('SB404', `it is not there${answer}.`)
  const mayPass = (status >= 500 && status !== 501) || status === 408 || status === 429 || passing.has(reason)
  return make('SB401', `the store answered${answer === '' ? ' with an error' : answer}.`, { mayPass })
}
