import { lookup as resolveName } from 'node:dns/promises'
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { asError, UserError } from '../../errors.ts'
import { addressKind } from './network-address.ts'

export interface HttpMessage {
  readonly method: 'GET' | 'POST'
  /** JSON text; only with POST. */
  readonly body?: string
}

export interface HttpPostOptions {
  /** Whether the address may lie in a private network. */
  readonly allowPrivate: boolean
  /** All addresses of a name; the machine's resolver when left out. */
  readonly resolve?: (host: string) => Promise<readonly { readonly address: string; readonly family: number }[]>
  /** Certificate authorities in PEM besides those of Node. */
  readonly rootCertificates?: string
}

/**
 * Sends one message to an address that somebody typed, and nowhere else: every address of the name is looked at before the
 * connection, the connection goes to one of exactly these, no redirect is followed, an answer of more than 64 KiB is cut
 * off. Resolves when the answer is a 2xx; throws UserError SB930 otherwise, which names the host but never path or query.
 */
export type SendHttp = (url: URL, message: HttpMessage, signal: AbortSignal) => Promise<void>

const largestAnswer = 64 * 1024

export function createSendHttp(options: HttpPostOptions): SendHttp {
  const resolve = options.resolve ?? ((host: string) => resolveName(host, { all: true, verbatim: true }))

  return async (url, message, signal) => {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const addresses = await allowedAddresses(url, host, resolve, options.allowPrivate)
    if (signal.aborted) throw refused(host, 'no answer in time')
    const lookup: LookupFunction = (_host, how, done) => {
      const [first] = addresses
      if (how.all === true) done(null, [...addresses])
      else if (first !== undefined) done(null, first.address, first.family)
    }
    await new Promise<void>((answered, failed) => {
      const secure = url.protocol === 'https:'
      const call = (secure ? requestHttps : requestHttp)(url, {
        method: message.method,
        // An agent of its own: no proxy from the environment, which would resolve the name anew.
        agent: secure ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false }),
        lookup,
        signal,
        headers: {
          'user-agent': 'supabase-backup',
          accept: '*/*',
          ...(message.body === undefined
            ? {}
            : { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(message.body) })
        },
        ...(options.rootCertificates === undefined ? {} : { ca: options.rootCertificates })
      })
      call.once('response', (response) => {
        readAnswer(response, host).then(answered, (thrown: unknown) => {
          call.destroy()
          failed(asError(thrown))
        })
      })
      call.once('error', (error: NodeJS.ErrnoException) => {
        const why = signal.aborted ? 'no answer in time' : (error.code ?? error.message)
        failed(refused(host, why, { mayPass: true, cause: error }))
      })
      call.end(message.body)
    })
  }
}

async function readAnswer(response: IncomingMessage, host: string): Promise<void> {
  const status = response.statusCode ?? 0
  if (status >= 300 && status < 400) throw refused(host, `it answered ${status}: redirects are not followed`)
  let bytes = 0
  try {
    for await (const chunk of response) {
      bytes += Buffer.isBuffer(chunk) ? chunk.length : 0
      if (bytes > largestAnswer) throw refused(host, `it answered ${status} with more than ${largestAnswer} bytes`)
    }
  } catch (thrown) {
    if (thrown instanceof UserError) throw thrown
    throw refused(host, 'its answer broke off or came too late', { mayPass: true, cause: thrown })
  }
  if (status < 200 || status >= 300)
    throw refused(host, `it answered ${status}`, { mayPass: status >= 500 || status === 429 })
}

async function allowedAddresses(
  url: URL,
  host: string,
  resolve: NonNullable<HttpPostOptions['resolve']>,
  allowPrivate: boolean
): Promise<readonly { readonly address: string; readonly family: number }[]> {
  const version = isIP(host)
  let addresses: readonly { readonly address: string; readonly family: number }[]
  try {
    addresses = version === 0 ? await resolve(host) : [{ address: host, family: version }]
  } catch (thrown) {
    throw refused(host, 'the name cannot be resolved', { mayPass: true, cause: thrown })
  }
  if (addresses.length === 0) throw refused(host, 'the name has no address')
  // Typed as such; a mapped or translated spelling of it is a private address like others.
  const toThisMachine =
    host === 'localhost' || host.endsWith('.localhost') || host === '::1' || (version === 4 && host.startsWith('127.'))
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && toThisMachine))
    throw refused(host, 'only https is taken')
  for (const { address } of addresses) {
    const kind = addressKind(address)
    // A name that merely leads to this machine is no better than one that leads into its network.
    const allowed = toThisMachine ? kind === 'loopback' : kind === 'public' || (allowPrivate && kind !== 'forbidden')
    if (allowed) continue
    const hint = kind !== 'forbidden' && !toThisMachine ? ', which needs `notify-webhook-private: true`' : ''
    throw refused(host, `${host === address ? 'it' : address} is a ${kind} address${hint}`)
  }
  return addresses
}

function refused(
  host: string,
  why: string,
  details: { readonly mayPass?: boolean; readonly cause?: unknown } = {}
): UserError {
  return new UserError('SB930', `${host}: ${why}`, details)
}
