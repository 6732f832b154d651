import type { ErrorCode } from '../../error-codes.ts'
import { UserError, type UserErrorDetails } from '../../errors.ts'

/** A call to the Management API that did not succeed. `status` is null where no (whole) answer came. */
export class ManagementError extends UserError {
  readonly status: number | null
  /** The scope that the call needs, as the dashboard names it. */
  readonly scope: string

  constructor(code: ErrorCode, what: string, status: number | null, scope: string, details: UserErrorDetails = {}) {
    super(code, what, details)
    this.name = 'ManagementError'
    this.status = status
    this.scope = scope
  }
}

/**
 * The scope of a route: those of OAuth applications (`projects:read`) with that of fine-grained tokens in brackets.
 * Source: `security` and `x-oauth-scope` of each route in the OpenAPI description of the Management API.
 */
const scopes: readonly (readonly [route: RegExp, oauth: string | null, fine: string])[] = [
  [/^\/functions/, 'edge_functions', 'edge_functions'],
  [/^\/api-keys/, 'secrets', 'api_gateway_keys'],
  [/^\/secrets/, 'secrets', 'edge_functions_secrets'],
  [/^\/config\/auth\/signing-keys/, 'secrets', 'auth_signing_keys'],
  [/^\/config\/auth/, 'auth', 'auth_config'],
  [/^\/postgrest/, 'rest', 'data_api_config'],
  [/^\/config\/database\/postgres/, 'database', 'database_config'],
  [/^\/config\/database\/pooler/, 'database', 'database_pooling_config'],
  [/^\/config\/storage/, null, 'storage_config'],
  [/^\/config\/realtime/, null, 'realtime_config'],
  [/^\/network-restrictions/, 'projects', 'database_network_restrictions'],
  [/^\/ssl-enforcement/, 'database', 'database_ssl_config'],
  [/^\/custom-hostname/, 'domains', 'custom_domain'],
  [/^(?:\/health)?$/, 'projects', 'project_admin']
]

/** The scope that a call needs. `path` is the part after `/v1/projects/{ref}`. */
export function neededManagementScope(method: string, path: string): string {
  const verb = method === 'GET' ? 'read' : 'write'
  const found = scopes.find(([route]) => route.test(path))
  if (found === undefined) return `projects:${verb}`
  const [, oauth, fine] = found
  return oauth === null ? `${fine}_${verb}` : `${oauth}:${verb} (${fine}_${verb})`
}

export interface FailedManagementCall {
  readonly method: string
  /** The part after `/v1/projects/{ref}`. */
  readonly path: string
  readonly status: number | null
  /** What the server or the network said; it goes into the text. */
  readonly message: string
  /** What the token looks like: for the error of one that is refused. */
  readonly tokenForm?: string
  readonly cause?: unknown
}

/** What the form of a token tells when it is refused. Nothing of the token is in it. */
export function formOfToken(token: string): string {
  // access_token.go of the CLI; tokens with scopes may have other forms, so that this is only ever told, never enforced.
  if (/^sbp_(?:oauth_)?[a-f0-9]{40}$/.test(token))
    return 'It has the form of a token: it was revoked, has expired, or its owner left the organisation'
  if (/^(?:eyJ|sb_)/.test(token)) return 'It looks like an API key of a project, not like an access token'
  return token.startsWith('sbp_')
    ? 'It begins like a token: it was copied in part, revoked, or has expired'
    : 'It does not begin like a token (`sbp_`)'
}

/** Makes the error of a call that failed for good. */
export function managementError(failed: FailedManagementCall): ManagementError {
  const { method, path, status, message } = failed
  const scope = neededManagementScope(method, path)
  const call = `${method} ${path === '' ? '(the project)' : path}`
  const said = message === '' ? '' : `: ${message.slice(0, 300)}`
  const make = (code: ErrorCode, what: string, details: UserErrorDetails = {}) =>
    new ManagementError(code, what, status, scope, { ...details, cause: failed.cause })
  if (status === 401) {
    const form = failed.tokenForm === undefined ? '' : ` ${failed.tokenForm}.`
    return make('SB821', `The Management API refused the access token (${call}, status 401${said}).${form}`)
  }
  if (status === 403)
    return make('SB822', `The access token lacks the scope ${scope} (${call}, status 403${said}).`, {
      remedy: `Give the token the scope ${scope}, or use a token of a member of the organisation who has that right.`
    })
  if (status === 404)
    return make('SB823', `The Management API does not find what ${call} asks for (status 404${said}).`)
  if (status === 429)
    return make('SB824', `The Management API takes no more requests for now (${call}, status 429${said}).`, {
      mayPass: true
    })
  if (status !== null && status >= 400 && status < 500 && status !== 408)
    return make('SB829', `The Management API refused ${call} (status ${status}${said}).`)
  const how = status === null ? 'gave no whole answer' : `answered with status ${status}`
  return make('SB825', `The Management API ${how} (${call}${said}).`, { mayPass: true })
}

/** The error for an answer that has another shape than the interface promises. */
export function shapeError(method: string, path: string, detail: string): ManagementError {
  return new ManagementError(
    'SB826',
    `The answer to ${method} ${path === '' ? '(the project)' : path} has another shape: ${detail.slice(0, 300)}.`,
    200,
    neededManagementScope(method, path)
  )
}
