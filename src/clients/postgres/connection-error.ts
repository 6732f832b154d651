import { isIP } from 'node:net'
import { describeConnection } from '../../base/connection-string.ts'
import { isSupabaseHost, noteOnDirectHost } from '../../base/supabase-host.ts'
import type { ErrorCode } from '../../error-codes.ts'
import { asError, UserError } from '../../errors.ts'
import type { ConnectionTarget } from './connection.ts'
import { type ConnectionRule, poolerRule } from './pooler-errors.ts'
import { type ServerError, serverErrorOf } from './server-error.ts'

type Place = Pick<ConnectionTarget, 'host' | 'port' | 'user' | 'database'> & Partial<Pick<ConnectionTarget, 'password'>>

/** SQLSTATEs with one meaning while connecting. Source: PostgreSQL, appendix A. */
const bySqlState: Readonly<Record<string, ConnectionRule>> = {
  '28P01': { code: 'SB104', says: 'refused the password' },
  '3D000': { code: 'SB117', says: 'has no such database' },
  '53300': { code: 'SB115', says: 'has no connection left', mayPass: true },
  '57P03': { code: 'SB116', says: 'takes no connections yet', mayPass: true },
  '57P01': { code: 'SB120', says: 'ended the connection', mayPass: true },
  '57P02': { code: 'SB120', says: 'ended the connection', mayPass: true },
  '42501': { code: 'SB119', says: 'does not let this user in' },
  '42P05': { code: 'SB110', says: 'is a pooler in transaction mode' }
}

/**
 * What servers and poolers write while connecting, the first that fits, where it is none of Supavisor's coded errors: PostgreSQL, PgBouncer, and Supavisor
 * before it had codes. Where text and SQLSTATE speak, a wrong password must win, for it must not be repeated.
 */
const byMessage: readonly (readonly [RegExp, ConnectionRule])[] = [
  [/too many authentication failures/i, { code: 'SB114', says: 'blocks this address after too many wrong passwords' }],
  [/Wrong password|(?:password|SASL) authentication failed/i, { code: 'SB104', says: 'refused the password' }],
  [/Tenant or user not found/i, { code: 'SB105', says: 'does not know the project or the user' }],
  [/not in tenant allow_list/i, { code: 'SB106', says: 'does not take connections from this address' }],
  [/SSL connection is required|connection is insecure|no encryption$/i, { code: 'SB107', says: 'demands TLS' }],
  [/no tenant identifier|Invalid format for user/i, { code: 'SB111', says: 'finds no project in the user name' }],
  [
    /max clients reached|too many (?:clients|connections)|remaining connection slots|no more connections allowed/i,
    { code: 'SB115', says: 'has no connection left', mayPass: true }
  ],
  [/unable to check ?out connection/i, { code: 'SB115', says: 'has no connection left in its pool', mayPass: true }],
  [
    /cannot connect to server|server_login_retry|query_wait_timeout|server conn crashed|server login failed: connect/i,
    { code: 'SB126', says: 'has a pooler that does not reach it for now', mayPass: true }
  ],
  [/prepared statement ".*" already exists/i, { code: 'SB110', says: 'is a pooler in transaction mode' }],
  [/role ".*" does not exist|no such user/i, { code: 'SB118', says: 'has no such role' }],
  [/role ".*" is not permitted to log in/i, { code: 'SB119', says: 'does not let this role log in' }],
  [/database ".*" does not exist/i, { code: 'SB117', says: 'has no such database' }],
  [/no pg_hba\.conf entry|pg_hba\.conf rejects/i, { code: 'SB119', says: 'does not let this user in from here' }],
  [
    /starting up|shutting down|in recovery mode|not (?:yet )?accepting connections/i,
    { code: 'SB116', says: 'takes no connections yet', mayPass: true }
  ]
]

/** Errors of certificates by Node's codes (those of OpenSSL). */
const byCertificate: Readonly<Record<string, ConnectionRule>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: { code: 'SB109', says: 'shows a self-signed certificate' },
  SELF_SIGNED_CERT_IN_CHAIN: { code: 'SB109', says: 'shows a certificate of an unknown authority' },
  UNABLE_TO_GET_ISSUER_CERT: { code: 'SB109', says: 'shows a certificate of an unknown authority' },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: { code: 'SB109', says: 'shows a certificate of an unknown authority' },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: { code: 'SB109', says: 'shows a certificate of an unknown authority' },
  CERT_UNTRUSTED: { code: 'SB109', says: 'shows a certificate that is not trusted' },
  CERT_SIGNATURE_FAILURE: { code: 'SB109', says: 'shows a certificate whose signature is wrong' },
  CERT_REVOKED: { code: 'SB109', says: 'shows a revoked certificate' },
  INVALID_CA: { code: 'SB109', says: 'shows a certificate of an authority that may not sign' },
  INVALID_PURPOSE: { code: 'SB109', says: 'shows a certificate that is not made for servers' },
  CERT_HAS_EXPIRED: { code: 'SB113', says: 'shows an expired certificate' },
  CERT_NOT_YET_VALID: { code: 'SB113', says: 'shows a certificate that is not valid yet' },
  ERR_TLS_CERT_ALTNAME_INVALID: { code: 'SB112', says: 'shows a certificate for another host' }
}

/** Errors of sockets and name servers by errno. */
const byErrno: Readonly<Record<string, ConnectionRule>> = {
  ECONNREFUSED: { code: 'SB101', says: 'refuses the connection: nothing listens there', mayPass: true },
  ETIMEDOUT: { code: 'SB101', says: 'does not answer', mayPass: true },
  EHOSTUNREACH: { code: 'SB101', says: 'cannot be reached from this machine', mayPass: true },
  ENETUNREACH: { code: 'SB101', says: 'cannot be reached from this machine: there is no route', mayPass: true },
  EHOSTDOWN: { code: 'SB101', says: 'does not answer', mayPass: true },
  ECONNRESET: { code: 'SB120', says: 'ended the connection', mayPass: true },
  EPIPE: { code: 'SB120', says: 'ended the connection', mayPass: true },
  ENOTFOUND: { code: 'SB102', says: 'has a host name that does not resolve', mayPass: true },
  ENODATA: { code: 'SB102', says: 'has a host name that does not resolve', mayPass: true },
  EAI_AGAIN: { code: 'SB102', says: 'has a host name that the name server gives no answer for now', mayPass: true },
  EAI_FAIL: { code: 'SB102', says: 'has a host name that does not resolve', mayPass: true },
  ENOENT: { code: 'SB101', says: 'has no socket in this folder', mayPass: true },
  EACCES: { code: 'SB119', says: 'has a socket that this user may not use' }
}

/** The error for a connection that did not come about. It names host, port, user and database, never the password. */
export function connectionError(place: Place, thrown: unknown): UserError {
  if (thrown instanceof UserError) return thrown
  const where = `The database ${describeConnection(place)}`
  const server = serverErrorOf(thrown)
  if (server !== undefined) {
    const rule = ruleOfServer(server)
    return new UserError(rule.code, `${where} ${rule.says}: ${server.message}`, {
      cause: server,
      mayPass: rule.mayPass === true,
      ...(rule.remedy === undefined ? remedyFor(rule.code, place) : { remedy: rule.remedy })
    })
  }
  const error = asError(thrown)
  const errno = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const certificate = byCertificate[errno]
  if (certificate !== undefined)
    return new UserError(certificate.code, `${where} ${certificate.says}.`, { cause: error })
  const rule = byErrno[errno]
  if (rule !== undefined) {
    return new UserError(rule.code, `${where} ${rule.says}.`, {
      cause: error,
      mayPass: rule.mayPass === true,
      ...remedyFor(rule.code, place)
    })
  }
  if (errno.startsWith('ERR_SSL') || errno === 'EPROTO') {
    return new UserError('SB109', `${where} does not speak TLS as it should: ${error.message}`, { cause: error })
  }
  if (/^Connection terminated/.test(error.message)) {
    return new UserError('SB120', `${where} ended the connection.`, { cause: error, mayPass: true })
  }
  if (/^SASL|password must be a/i.test(error.message)) {
    return new UserError('SB104', `${where} could not be logged in to: ${error.message}`, {
      cause: error,
      ...remedyFor('SB104', place)
    })
  }
  return new UserError('SB121', `${where} could not be connected to: ${error.message}`, { cause: error })
}

function ruleOfServer(error: ServerError): ConnectionRule {
  const pooler = poolerRule(error.message)
  if (pooler !== undefined) return pooler
  const text = byMessage.find(([pattern]) => pattern.test(error.message))?.[1]
  const state = bySqlState[error.sqlState]
  if (text?.code === 'SB104' || text?.code === 'SB114') return text
  return state ?? text ?? { code: 'SB119', says: 'refused the connection' }
}

function remedyFor(code: ErrorCode, place: Place): { readonly remedy?: string } {
  if (code === 'SB101' && isSupabaseHost(place.host)) {
    return {
      remedy:
        'Check that the project exists and is not paused, and that its network restrictions or bans do not shut this machine out (project settings, Database).'
    }
  }
  const direct = code === 'SB102' ? noteOnDirectHost(place.host) : undefined
  if (direct !== undefined)
    return {
      remedy:
        'Take the Session pooler string of the dashboard (Connect, Session pooler, port 5432): the direct host of a project has only an IPv6 address, which many runners cannot resolve. Where that fails, too, the ref is misspelt, or the project is paused or deleted and has lost its name.'
    }
  if (code === 'SB119' && place.host.startsWith('/')) {
    return { remedy: 'Allow the user to connect over the socket, and let the user of this job use it.' }
  }
  if (code === 'SB104' && isPlaceholder(place.password ?? '')) {
    return {
      remedy:
        'The password in the connection string stands in brackets or quotes, as in a template: write the password itself there, without them.'
    }
  }
  return {}
}

/** `[YOUR-PASSWORD]`, `[secret]`, `"secret"`, `<secret>`: what belongs to the dashboard's template is kept. */
function isPlaceholder(password: string): boolean {
  return /^(?:\[.*\]|<.*>|".*"|'.*')$/s.test(password)
}

/** The error for a host that has only IPv6 addresses, none of which can be reached from here. */
export function onlyIpv6(place: Place, cause: unknown): UserError {
  const named = isIP(place.host) === 0 ? 'has only an IPv6 address' : 'is an IPv6 address'
  return new UserError(
    'SB103',
    `The database ${describeConnection(place)} ${named}, and this machine has no way to IPv6.`,
    {
      cause,
      ...(isSupabaseHost(place.host)
        ? {}
        : {
            remedy:
              'Use a host name with an IPv4 address, or a runner that has IPv6 (those hosted by GitHub have none).'
          })
    }
  )
}
