import { lookup } from 'node:dns/promises'
import { connect as connectSocket, isIP, type OnReadOpts, type Socket } from 'node:net'
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect as connectTls,
  getCACertificates,
  type TLSSocket
} from 'node:tls'
import { UserError } from '../../errors.ts'
import type { ConnectionTarget } from './connection.ts'
import { onlyIpv6 } from './connection-error.ts'
import type { TlsPolicy } from './tls.ts'

/** Resolves a host name to its addresses. */
export type Resolve = (host: string) => Promise<readonly { readonly address: string; readonly family: number }[]>

/** The name resolution of the machine, hosts file included. */
export const systemResolve: Resolve = (host) => lookup(host, { all: true, verbatim: true })

/** How a connection is protected as established. `socket`: it does not leave the machine. */
export type EstablishedTls = 'verify-full' | 'verify-ca' | 'require' | 'none' | 'socket'

export interface OpenSocket {
  readonly socket: Socket | TLSSocket
  readonly tls: EstablishedTls
}

/** The request for TLS of PostgreSQL's protocol: length 8, code 80877103. */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
const perAddressMs = 10_000
const keepAliveMs = 30_000

/**
 * Opens a socket and, if asked, TLS on it; nothing of the login has been sent when it resolves. Rejects with the error of socket, name server
 * or certificate, or with a UserError. The socket is destroyed when `signal` fires.
 */
export async function openSocket(
  target: ConnectionTarget,
  encrypted: boolean,
  signal: AbortSignal,
  resolve: Resolve,
  watch?: (socket: Socket) => void
): Promise<OpenSocket> {
  const plain = await openPlain(target, signal, resolve)
  watch?.(plain)
  // Between two steps nobody else listens; the step that follows sees the broken socket itself.
  plain.on('error', () => undefined)
  try {
    plain.setNoDelay(true)
    if (target.host.startsWith('/')) return { socket: plain, tls: 'socket' }
    plain.setKeepAlive(true, keepAliveMs)
    if (!encrypted) return { socket: plain, tls: 'none' }
    await requestTls(plain, target, signal)
    return { socket: await secure(plain, target, signal), tls: strengthOf(target.tls) }
  } catch (error) {
    plain.destroy()
    throw error
  }
}

/** A socket without TLS, to the first address that answers. `onread`: the memory that is read into, where that is the caller's. */
export async function openPlain(
  target: ConnectionTarget,
  signal: AbortSignal,
  resolve: Resolve,
  onread?: OnReadOpts
): Promise<Socket> {
  const reading = onread === undefined ? {} : { onread }
  if (target.host.startsWith('/')) {
    return reach({ path: `${target.host}/.s.PGSQL.${target.port}`, ...reading }, signal)
  }
  const literal = isIP(target.host)
  const found = literal === 0 ? await resolve(target.host) : [{ address: target.host, family: literal }]
  // IPv4 first: where both exist, a machine without IPv6 loses no time.
  const addresses = [...found].sort((a, b) => a.family - b.family)
  let last: unknown = Object.assign(new Error('the name has no address'), { code: 'ENOTFOUND' })
  for (const { address, family } of addresses) {
    try {
      return await reach({ host: address, port: target.port, family, ...reading }, signal)
    } catch (error) {
      signal.throwIfAborted()
      last = error
    }
  }
  if (addresses.length > 0 && addresses.every(({ family }) => family === 6) && isWithoutRoute(last)) {
    throw onlyIpv6(target, last)
  }
  throw last
}

/** What a machine without IPv6 answers; a silent firewall (ETIMEDOUT) does not prove it. */
function isWithoutRoute(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENETUNREACH' || code === 'EHOSTUNREACH' || code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT'
}

function reach(
  where: ({ path: string } | { host: string; port: number; family: number }) & { onread?: OnReadOpts },
  signal: AbortSignal
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const socket = connectSocket(where)
    const timer = setTimeout(() => {
      socket.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }))
    }, perAddressMs)
    const aborted = () => socket.destroy(signal.reason)
    signal.addEventListener('abort', aborted, { once: true })
    const settled = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', aborted)
    }
    socket.once('connect', () => {
      settled()
      socket.removeListener('error', reject)
      resolve(socket)
    })
    socket.once('error', (error) => {
      settled()
      reject(error)
    })
  })
}

/** Asks for TLS and reads exactly one byte: what comes before the handshake was not protected and must not count (CVE-2021-23222). */
function requestTls(socket: Socket, target: ConnectionTarget, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      signal.removeEventListener('abort', aborted)
      socket.removeAllListeners('data')
      socket.removeListener('error', settle)
      socket.removeListener('close', closed)
      socket.pause()
      if (error === undefined) resolve()
      else reject(error)
    }
    const aborted = () => settle(signal.reason)
    const closed = () => settle(Object.assign(new Error('the server ended the connection'), { code: 'ECONNRESET' }))
    signal.addEventListener('abort', aborted, { once: true })
    socket.once('error', settle)
    socket.once('close', closed)
    socket.once('end', closed)
    socket.once('data', (answer: Buffer) => {
      const where = `The server ${target.host}:${target.port}`
      if (answer.length === 1 && answer[0] === 0x53) settle()
      else if (answer.length === 1 && answer[0] === 0x4e) settle(new UserError('SB108', `${where} does not offer TLS.`))
      else if (answer[0] === 0x45) settle(new UserError('SB108', `${where} answers the request for TLS with an error.`))
      else settle(new UserError('SB121', `${where} does not answer the request for TLS as PostgreSQL does.`))
    })
    socket.write(sslRequest)
  })
}

function secure(socket: Socket, target: ConnectionTarget, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const encrypted = connectTls({ socket, ...tlsOptions(target.tls, target.host) })
    const aborted = () => encrypted.destroy(signal.reason)
    signal.addEventListener('abort', aborted, { once: true })
    const closed = () => fail(Object.assign(new Error('the server ended the connection'), { code: 'ECONNRESET' }))
    const fail = (error: unknown) => {
      signal.removeEventListener('abort', aborted)
      encrypted.destroy()
      reject(error)
    }
    encrypted.once('close', closed)
    encrypted.once('error', fail)
    encrypted.once('secureConnect', () => {
      signal.removeEventListener('abort', aborted)
      encrypted.removeListener('error', fail)
      encrypted.removeListener('close', closed)
      resolve(encrypted)
    })
  })
}

/** Whether the chain is checked; libpq, too, checks it with `require` as soon as it has a root. */
function checksChain(policy: TlsPolicy): boolean {
  return (
    policy.mode === 'verify-full' ||
    policy.mode === 'verify-ca' ||
    (policy.mode === 'require' && policy.rootCertificates !== null)
  )
}

function strengthOf(policy: TlsPolicy): EstablishedTls {
  if (policy.mode === 'verify-full') return 'verify-full'
  return checksChain(policy) ? 'verify-ca' : 'require'
}

function tlsOptions(policy: TlsPolicy, host: string): ConnectionOptions {
  const name = isIP(host) === 0 ? { servername: host } : {}
  if (!checksChain(policy)) return { rejectUnauthorized: false, ...name }
  return {
    rejectUnauthorized: true,
    ca: rootsOf(policy),
    checkServerIdentity: (_name, certificate) =>
      policy.mode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined,
    ...name
  }
}

/** The certificates that count, in PEM: those given, else those that the machine trusts, else those built into Node. */
export function rootsOf(policy: TlsPolicy): string[] {
  if (policy.rootCertificates !== null) {
    return policy.rootCertificates.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  }
  const system = getCACertificates('system')
  return system.length > 0 ? system : getCACertificates('bundled')
}
