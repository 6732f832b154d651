import type { SslMode } from '../clients/postgres/tls.ts'
import type { ErrorCode } from '../error-codes.ts'
import { holdsUnencoded, isPasswordPlaceholder, isPlaceholder, slipIn } from './connection-slips.ts'

/** A connection string taken apart, once. Every part of the program works with these fields, never with the text. */
export interface ConnectionFields {
  /** Lower-case name, address without brackets, or the absolute path of a socket's folder. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string | undefined
  readonly database: string
  /** `sslmode` as typed; undefined where none was. */
  readonly sslMode: SslMode | undefined
  readonly applicationName: string | undefined
  readonly connectTimeoutMs: number | undefined
  readonly channelBinding: 'disable' | 'prefer' | 'require' | undefined
  /** The project that `options=reference=<ref>` names to Supabase's pooler. */
  readonly reference: string | undefined
}

/** Fields, or why the text is refused. `reason` never quotes the text: any piece of it may be a part of the password. */
export type ParsedConnection =
  | { readonly ok: true; readonly fields: ConnectionFields }
  | { readonly ok: false; readonly code: ErrorCode; readonly reason: string }

/** Longest connection string that is looked at, in characters. */
export const longestConnectionString = 8192

const sslModes: readonly SslMode[] = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']
const channelBindings = ['disable', 'prefer', 'require'] as const

/** Parameters that are taken, under libpq's names. */
const allowed = new Set([
  'host',
  'port',
  'user',
  'password',
  'dbname',
  'sslmode',
  'application_name',
  'connect_timeout',
  'channel_binding',
  'options'
])

const allowedInWords =
  'host, port, user, password, dbname, sslmode, application_name, connect_timeout, channel_binding and options=reference=<project ref>'

/** Parameters of libpq that are refused, with the reason; a name outside both lists is not repeated, it may be a piece of a password. */
const refused: Readonly<Record<string, string>> = {
  hostaddr: 'it sends the connection to another address than the host says',
  service: 'it takes the connection from a file',
  servicefile: 'it takes the connection from a file',
  passfile: 'it takes the password from a file; write the password into the connection string',
  sslrootcert: 'give the certificate itself in the input `ssl-root-cert`',
  sslcert: 'client certificates are not supported',
  sslkey: 'client certificates are not supported',
  sslpassword: 'client certificates are not supported',
  sslcertmode: 'client certificates are not supported',
  sslcrl: 'revocation lists are not supported',
  sslcrldir: 'revocation lists are not supported',
  sslsni: 'the host name is always sent',
  sslcompression: 'TLS compression is never used',
  sslkeylogfile: 'it writes the keys of the connection to a file',
  sslnegotiation: 'only the negotiation of libpq is used',
  ssl_min_protocol_version: 'the oldest TLS version is fixed',
  ssl_max_protocol_version: 'the newest TLS version is fixed',
  gssencmode: 'GSS encryption is never used',
  krbsrvname: 'GSS is never used',
  gsslib: 'GSS is never used',
  gssdelegation: 'GSS is never used',
  requirepeer: 'it is not supported',
  require_auth: 'it is not supported',
  requiressl: 'write sslmode=require',
  target_session_attrs: 'one host is named, and it is used as it is',
  load_balance_hosts: 'one host is named, and it is used as it is',
  replication: 'it opens another kind of connection',
  client_encoding: 'it is always UTF8',
  fallback_application_name: 'write application_name',
  keepalives: 'it is set by this action',
  keepalives_idle: 'it is set by this action',
  keepalives_interval: 'it is set by this action',
  keepalives_count: 'it is set by this action',
  tcp_user_timeout: 'it is set by this action',
  scram_client_key: 'write the password',
  scram_server_key: 'write the password',
  min_protocol_version: 'it is set by this action',
  max_protocol_version: 'it is set by this action',
  pgbouncer: 'it is a parameter of Prisma; leave it out and use the Session pooler (port 5432)',
  prepared_statements: 'it is a parameter of another client',
  schema: 'it is a parameter of another client; use the input `schemas`',
  connection_limit: 'it is a parameter of another client',
  pool_timeout: 'it is a parameter of another client',
  sslaccept: 'it is a parameter of another client; write sslmode=verify-full'
}

interface Refusal {
  readonly ok: false
  readonly code: ErrorCode
  readonly reason: string
}
const malformed = (reason: string): Refusal => ({ ok: false, code: 'SB004', reason })
const refusedParameter = (reason: string): Refusal => ({ ok: false, code: 'SB005', reason })
const isRefusal = (value: unknown): value is Refusal => typeof value === 'object' && value !== null && 'ok' in value

/** Parameters by name; a Map, since names come from the text. */
type Parameters = Map<string, string>

/**
 * Takes a PostgreSQL connection string apart: `postgresql://user:password@host:port/database?parameter=value` or libpq's
 * `host=... port=... user=...`. Stricter than libpq where its reading would surprise: one host only, nothing given twice, no
 * parameter outside a short list, no `@`, `/` or `?` that could be read in two ways.
 */
export function parseConnectionString(text: string): ParsedConnection {
  if (text.length > longestConnectionString) return malformed(`it is longer than ${longestConnectionString} characters`)
  if (hasControl(text)) return malformed('it holds a line break or another control character')
  const slip = slipIn(text)
  if (slip !== undefined) return malformed(slip)
  const scheme = /^(?:postgresql|postgres):\/\//.exec(text)?.[0]
  if (scheme !== undefined) {
    const parameters = parametersOfUrl(text.slice(scheme.length))
    const parsed = isRefusal(parameters) ? parameters : fieldsOf(parameters)
    return !parsed.ok && holdsUnencoded(text.slice(scheme.length))
      ? malformed(
          'the password holds several of the characters @ / # ? as they are: write @ as %40, / as %2F, # as %23 and ? as %3F in it (and % as %25)'
        )
      : parsed
  }
  if (/^[A-Za-z][A-Za-z0-9+.-]{0,30}:\/\//.test(text)) {
    return malformed('it must begin with postgresql:// or postgres://')
  }
  const parameters = parametersOfKeyValues(text)
  return isRefusal(parameters) ? parameters : fieldsOf(parameters)
}

function parametersOfUrl(rest: string): Parameters | Refusal {
  const queryAt = rest.indexOf('?')
  const slashAt = rest.indexOf('/')
  const atAt = rest.indexOf('@')
  const queryFirst = queryAt !== -1 && (slashAt === -1 || queryAt < slashAt)
  if (queryFirst && atAt > queryAt) {
    return malformed('there is a ? before the @: write ? as %3F in user and password, and @ as %40 in parameters')
  }
  const authorityEnd = queryFirst ? queryAt : slashAt === -1 ? rest.length : slashAt
  const authority = rest.slice(0, authorityEnd)
  const pathEnd = queryAt === -1 ? rest.length : Math.max(queryAt, authorityEnd)
  const path = rest.slice(authorityEnd, pathEnd)
  const query = rest.slice(pathEnd + 1)
  // Also where another @ stands before it and a host seems to follow: a password with @ and / would otherwise show as the name of a database.
  if (authority.includes('@') ? /@[^/]*(?:\/|:\d+$)/.test(path) : path.includes('@')) {
    return malformed('there is a / before the @: write / as %2F in user and password, and @ as %40 in a database name')
  }
  const at = authority.indexOf('@')
  if (at !== authority.lastIndexOf('@'))
    return malformed('there is more than one @: write @ as %40 in user and password')
  const hostPort = authority.slice(at + 1)
  const userInfo = at === -1 ? undefined : authority.slice(0, at)

  const parameters: Parameters = new Map()
  const set = (name: string, encoded: string): Refusal | undefined => {
    const value = decode(encoded)
    if (value === undefined) {
      return malformed(
        'a % is not followed by two hexadecimal digits, or what it stands for is not UTF-8: write % as %25'
      )
    }
    if (hasControl(value)) return malformed('it holds an encoded control character')
    if (parameters.has(name)) return refusedParameter(`${name} is given twice`)
    parameters.set(name, value)
    return undefined
  }

  const problems: (Refusal | undefined)[] = []
  if (userInfo !== undefined) {
    const colon = userInfo.indexOf(':')
    if (colon === 0 || userInfo === '') return malformed('there is no user name before the @')
    problems.push(set('user', colon === -1 ? userInfo : userInfo.slice(0, colon)))
    if (colon !== -1 && colon < userInfo.length - 1) problems.push(set('password', userInfo.slice(colon + 1)))
  }
  const place = splitHostPort(hostPort)
  if (isRefusal(place)) return place
  if (place.host !== '') problems.push(set('host', place.host))
  if (place.port !== '') problems.push(set('port', place.port))
  if (path.length > 1) problems.push(set('dbname', path.slice(1)))
  for (const pair of query === '' ? [] : query.split('&')) {
    const equals = pair.indexOf('=')
    const name = decode(equals === -1 ? pair : pair.slice(0, equals))
    if (equals === -1 || name === undefined) return malformed('a parameter after the ? is not written name=value')
    if (name === 'ssl' && pair.slice(equals + 1) === 'true') {
      problems.push(set('sslmode', 'require'))
      continue
    }
    problems.push(checkName(name) ?? set(name, pair.slice(equals + 1)))
  }
  return problems.find((problem) => problem !== undefined) ?? parameters
}

function splitHostPort(text: string): { host: string; port: string } | Refusal {
  if (text.includes(',')) return malformed('it names several hosts; name the one to read from')
  if (text.startsWith('[')) {
    const close = text.indexOf(']')
    const after = text.slice(close + 1)
    if (close === -1 || (after !== '' && !after.startsWith(':'))) return malformed('the address in [ ] is not closed')
    const inside = text.slice(1, close)
    if (isPlaceholder(text)) return malformed('the host is still a placeholder: put your own there')
    if (!isIpv6(inside)) return malformed('what stands in [ ] is not an IPv6 address')
    return { host: inside, port: after.slice(1) }
  }
  if (isIpv6(text) && text.split(':').length > 2) return malformed('an IPv6 address stands in [ ]: [address]:5432')
  const colon = text.indexOf(':')
  return colon === -1 ? { host: text, port: '' } : { host: text.slice(0, colon), port: text.slice(colon + 1) }
}

/** libpq's `name = value` pairs: values bare or in single quotes, a backslash takes the next character as it is. */
function parametersOfKeyValues(text: string): Parameters | Refusal {
  const parameters: Parameters = new Map()
  let at = 0
  const skipSpaces = () => {
    while (text[at] === ' ') at += 1
  }
  skipSpaces()
  if (at === text.length) return malformed('it is empty')
  while (at < text.length) {
    const start = at
    while (at < text.length && text[at] !== '=' && text[at] !== ' ') at += 1
    const name = text.slice(start, at)
    skipSpaces()
    if (text[at] !== '=') {
      return malformed('it is neither postgresql://user:password@host:5432/database nor host=... user=... dbname=...')
    }
    at += 1
    skipSpaces()
    let value = ''
    if (text[at] === "'") {
      at += 1
      while (at < text.length && text[at] !== "'") {
        if (text[at] === '\\') at += 1
        value += text[at] ?? ''
        at += 1
      }
      if (at >= text.length) return malformed('a quoted value is not closed')
      at += 1
      if (at < text.length && text[at] !== ' ') return malformed('there is no space after a quoted value')
    } else {
      while (at < text.length && text[at] !== ' ') {
        if (text[at] === '\\') at += 1
        value += text[at] ?? ''
        at += 1
      }
    }
    skipSpaces()
    const problem = checkName(name)
    if (problem !== undefined) return problem
    if (parameters.has(name)) return refusedParameter(`${name} is given twice`)
    // libpq reads an empty value as "not given".
    if (value !== '') parameters.set(name, value)
  }
  return parameters
}

function checkName(name: string): Refusal | undefined {
  if (allowed.has(name)) return undefined
  const known = Object.hasOwn(refused, name) ? refused[name] : undefined
  return known === undefined
    ? refusedParameter(`it holds a parameter that is not taken; taken are ${allowedInWords}`)
    : refusedParameter(`the parameter ${name} is not taken: ${known}`)
}

function fieldsOf(parameters: Parameters): ParsedConnection {
  const given = (name: string) => (parameters.get(name) === '' ? undefined : parameters.get(name))
  const host = given('host')
  if (host === undefined) return malformed('it names no host')
  if (isPlaceholder(host)) return malformed('the host is still a placeholder: put your own there')
  const normalHost = normaliseHost(host)
  if (normalHost === undefined) {
    return malformed('the host is neither a name, nor an address, nor the absolute path of a socket folder')
  }
  const portText = given('port') ?? '5432'
  const port = /^[0-9]{1,5}$/.test(portText) ? Number(portText) : 0
  if (port < 1 || port > 65535) return malformed('the port is not a number from 1 to 65535')
  const user = given('user')
  if (user === undefined) return malformed('it names no user')
  if (isPlaceholder(user)) return malformed('the user name holds a placeholder: put the ref of your project there')
  const password = given('password')
  if (password !== undefined && isPasswordPlaceholder(password)) {
    return malformed('the password is still the placeholder [YOUR-PASSWORD]: put the database password there')
  }
  const database = given('dbname') ?? user
  if (/^(?:postgresql|postgres):\/\//.test(database) || database.includes('=')) {
    // libpq expands a database name of this form into a connection string of its own.
    return malformed('the database name holds another connection string')
  }
  const sslText = given('sslmode')
  const sslMode = sslModes.find((mode) => mode === sslText)
  if (sslText !== undefined && sslMode === undefined) {
    return refusedParameter(`sslmode must be one of ${sslModes.join(', ')}`)
  }
  const timeout = given('connect_timeout')
  if (timeout !== undefined && !/^[1-9][0-9]{0,3}$/.test(timeout)) {
    return refusedParameter('connect_timeout must be a number of seconds from 1 to 9999')
  }
  const bindingText = given('channel_binding')
  const channelBinding = channelBindings.find((mode) => mode === bindingText)
  if (bindingText !== undefined && channelBinding === undefined) {
    return refusedParameter(`channel_binding must be one of ${channelBindings.join(', ')}`)
  }
  const options = given('options')
  const reference = options === undefined ? undefined : /^reference=([a-z]{20})$/.exec(options)?.[1]
  if (options !== undefined && reference === undefined) {
    return refusedParameter('options may only be reference=<project ref of 20 letters>')
  }
  return {
    ok: true,
    fields: {
      host: normalHost,
      port,
      user,
      password,
      database,
      sslMode,
      applicationName: given('application_name'),
      connectTimeoutMs: timeout === undefined ? undefined : Number(timeout) * 1000,
      channelBinding,
      reference
    }
  }
}

/** Lower-case, without the root's trailing dot; undefined when it is no host. */
function normaliseHost(host: string): string | undefined {
  if (host.startsWith('/')) return host.length <= 100 && !host.split('/').includes('..') ? host : undefined
  if (isIpv6(host)) return host.toLowerCase()
  const name = host.toLowerCase().replace(/\.$/, '')
  if (name.length > 253) return undefined
  const labels = name.split('.')
  return labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label)) ? name : undefined
}

function isIpv6(text: string): boolean {
  return text.includes(':') && /^[0-9A-Fa-f:.]{2,45}$/.test(text) && URL.canParse(`http://[${text}]/`)
}

/** Percent-decoding as libpq does it (a `+` stays); undefined when it is not UTF-8 or a `%` stands alone. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}

/** `user@host:port/database`, without the password: for messages. Hostile text. */
export function describeConnection(target: {
  readonly user: string
  readonly host: string
  readonly port: number
  readonly database: string
}): string {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host
  return `${target.user}@${host}:${target.port}/${target.database}`
}

/** `host/database`, as `confirm-target` takes it. Hostile text. */
export function hostAndDatabase(target: { readonly host: string; readonly database: string }): string {
  return `${target.host}/${target.database}`
}
