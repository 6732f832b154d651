import type { ErrorCode } from '../../error-codes.ts'
import { UserError, type UserErrorDetails } from '../../errors.ts'

/** A call to GitHub that did not succeed, as far as an answer came. */
export interface FailedCall {
  readonly method: string
  /** The route as documented, `/repos/{owner}/{repo}/releases`: no values, so nothing secret. */
  readonly route: string
  /** The repository that was asked, where the route names one. */
  readonly repository: string | undefined
  /** The HTTP status; null when no (whole) answer came. */
  readonly status: number | null
  readonly headers: Readonly<Record<string, string | undefined>>
  /** `message` of the answer, or what the network said. */
  readonly message: string
  /** `errors[].code` of the answer, as `already_exists`. */
  readonly reasons: readonly string[]
  /** Code of a network error, as `ECONNRESET`. */
  readonly networkCode: string | undefined
  readonly cause: unknown
}

/** An answer of GitHub that is an error; drivers decide by `status` and `reasons`. */
export class GithubError extends UserError {
  readonly status: number | null
  readonly reasons: readonly string[]

  constructor(
    code: ErrorCode,
    what: string,
    failed: FailedCall,
    details: Pick<UserErrorDetails, 'remedy' | 'mayPass'>
  ) {
    super(code, what, { ...details, cause: failed.cause })
    this.name = 'GithubError'
    this.status = failed.status
    this.reasons = failed.reasons
  }
}

export function hasStatus(thrown: unknown, ...statuses: readonly number[]): thrown is GithubError {
  return thrown instanceof GithubError && thrown.status !== null && statuses.includes(thrown.status)
}

// Permissions by route: https://docs.github.com/rest/overview/permissions-required-for-fine-grained-personal-access-tokens
const scopes: readonly { readonly route: RegExp; readonly read: string; readonly write: string }[] = [
  { route: /\/(?:releases|git)\b|\/contents\//, read: 'contents: read', write: 'contents: write' },
  { route: /\/actions\//, read: 'actions: read', write: 'actions: write' },
  { route: /\/(?:issues|labels)\b/, read: 'issues: read', write: 'issues: write' }
]

/** The permission that a call needs, as it is written under `permissions:` of a workflow. */
export function neededScope(method: string, route: string): string {
  const found = scopes.find((scope) => scope.route.test(route))
  if (found === undefined) return 'metadata: read'
  return method === 'GET' || method === 'HEAD' ? found.read : found.write
}

function named(failed: FailedCall): string {
  const where = failed.repository === undefined ? '' : ` (${failed.repository})`
  return `${failed.method} ${failed.route}${where}`
}

function isSingleSignOn(failed: FailedCall): boolean {
  return failed.headers['x-github-sso'] !== undefined || /\bSAML\b|single sign-on/i.test(failed.message)
}

/** The error that a person reads for a call that failed for good, after `tries` tries. */
export function githubError(failed: FailedCall, tries: number, mayPass: boolean): GithubError {
  const scope = neededScope(failed.method, failed.route)
  const answered = `GitHub answered ${failed.status ?? 'nothing'} to ${named(failed)}: ${failed.message}`
  switch (failed.status) {
    case null: {
      const why = failed.networkCode === undefined ? failed.message : `${failed.networkCode} (${failed.message})`
      const what = `GitHub did not answer ${named(failed)} in ${tries === 1 ? 'one try' : `${tries} tries`}: ${why}`
      return new GithubError('SB401', what, failed, {
        mayPass,
        remedy: 'Check that the runner reaches GitHub, and githubstatus.com; then run the job again.'
      })
    }
    case 401:
      return new GithubError('SB402', `${answered}. The token has expired, was revoked or is wrong.`, failed, {
        remedy:
          'Make a new token and store it in the secret that the input `token` reads. A token of an app (actions/create-github-app-token) lives one hour: make it in the step right before this one, and for a backup that takes longer use `github.token` or a fine-grained token.'
      })
    case 403:
      if (isSingleSignOn(failed)) {
        return new GithubError('SB403', `${answered}. The organisation wants single sign-on.`, failed, {
          remedy:
            'Authorise the token for the organisation: GitHub, Settings, Developer settings, the token, "Configure SSO".'
        })
      }
      if (/\barchived\b/i.test(failed.message))
        return new GithubError('SB403', `${answered}.`, failed, {
          remedy: `Unarchive ${failed.repository ?? 'the repository'} (Settings, "Unarchive this repository"), or keep backups in another one: input \`repository\`.`
        })
      if (/\blifetime\b/i.test(failed.message))
        return new GithubError('SB403', `${answered}.`, failed, {
          remedy: 'Make a token that ends as soon as the organisation asks for; its rule is quoted.'
        })
      return new GithubError('SB403', `${answered}. This needs the permission \`${scope}\`.`, failed, {
        remedy: `Give the job \`permissions: ${scope}\`, or the token that permission on ${failed.repository ?? 'the repository'}.`
      })
    case 404:
      return new GithubError(
        'SB405',
        `${answered}. A 404 from GitHub often means that the token lacks access: this needs \`${scope}\`.`,
        failed,
        {}
      )
    case 301:
    case 302:
    case 307:
    case 308:
      return new GithubError('SB406', `${answered}. The repository was renamed or transferred.`, failed, {})
    case 422:
      if (/rule violations?|restricted by|ruleset/i.test(failed.message))
        return new GithubError('SB407', answered, failed, {
          remedy:
            'Let the ruleset leave out tags that begin with `backup-` (Settings, Rules, Rulesets), or let the owner of the token bypass it.'
        })
      return new GithubError('SB401', answered, failed, { mayPass })
    case 413:
      return new GithubError('SB409', answered, failed, {})
    default:
      return new GithubError('SB401', tries === 1 ? answered : `${answered} (${tries} tries)`, failed, {
        mayPass,
        ...(failed.status >= 500 ? { remedy: 'Look at githubstatus.com and run the job again later.' } : {})
      })
  }
}

/** The error for a request limit that will not be lifted in time; `until` is when GitHub lifts it. */
export function limitError(failed: FailedCall, until: Date, mayPass: boolean): GithubError {
  const time = until.toISOString().replace(/\.\d+Z$/, 'Z')
  return new GithubError(
    'SB416',
    `${named(failed)}: ${failed.message}. GitHub takes requests again at ${time}.`,
    failed,
    {
      mayPass,
      remedy: `Run the job again after ${time}, less often, or with a token of its own: \`github.token\` has 1,000 requests an hour for each repository.`
    }
  )
}
