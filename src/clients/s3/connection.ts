import { createHash } from 'node:crypto'
import { Agent } from 'node:https'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import type { Context } from '../../context.ts'
import { cancelled } from '../../errors.ts'
import { type Purpose, type S3Error, s3Error } from './errors.ts'
import type { StoreTraits } from './traits.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface S3Options {
  /** Undefined: Amazon's own. */
  readonly endpoint: string | undefined
  readonly region: string
  readonly bucket: string
  readonly credentials: S3Credentials
  readonly traits: StoreTraits
  /** Repeats after the first try. */
  readonly retries: number
  /** CA certificates in PEM besides the system's. */
  readonly rootCertificates?: string
  readonly context: Pick<Context, 'clock' | 'randomBytes' | 'signal' | 'log'>
}

/** A client of one bucket that repeats what may pass. */
export interface Connection {
  readonly bucket: string
  readonly traits: StoreTraits
  /** The bucket in words, without secrets. */
  readonly place: string
  readonly retries: number
  readonly signal: AbortSignal
  readonly log: Context['log']
  /** Runs one call, and again while its failure may pass. */
  call<T>(purpose: Omit<Purpose, 'place'>, work: (client: S3Client, signal: AbortSignal) => Promise<T>): Promise<T>
  /** The same without any key, once: what a stranger sees. */
  anonymously<T>(work: (client: S3Client, signal: AbortSignal) => Promise<T>): Promise<T>
  /** Waits before repeat number `attempt`, longer each time, part of it by chance. */
  pause(attempt: number): Promise<void>
  /** The clock of the store, from its last answer. */
  serverTime(): Date | undefined
  close(): void
}

const idleMs = 60_000

export function openConnection(options: S3Options): Connection {
  const { context, traits } = options
  let skewedBy: number | undefined
  const config: S3ClientConfig = {
    region: options.region,
    credentials: options.credentials,
    forcePathStyle: traits.pathStyle,
    // Checksums of one kind, Content-MD5, every store takes; the others are asked for where they are known to be kept.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: false,
    // Repeats are decided here, where the run's own limit is known.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: 15_000,
      // Time without a byte, not in all: a slow upload is a healthy one.
      socketTimeout: idleMs,
      ...(options.rootCertificates === undefined
        ? {}
        : { httpsAgent: new Agent({ keepAlive: true, maxSockets: 50, ca: options.rootCertificates }) })
    },
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint })
  }
  const client = new S3Client(config)
  // The digest of the body is signed, so that a store refuses other bytes than were meant; without this, it stands as unsigned.
  client.middlewareStack.add(
    (next) => (args) => {
      const { request } = args
      const digest = digestFor(args.input)
      if (digest !== undefined) Object(request).headers['x-amz-content-sha256'] = digest
      return next(args)
    },
    { step: 'build', name: 'signedPayload' }
  )
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const { headers } = Object(result.response)
      const date = Date.parse(String(Object(headers)['date']))
      if (!Number.isNaN(date)) skewedBy = date - context.clock.now().getTime()
      return result
    },
    { step: 'deserialize', name: 'serverClock', priority: 'low' }
  )
  let stranger: S3Client | undefined
  const place = `${traits.name}, bucket ${options.bucket}`

  async function pause(attempt: number): Promise<void> {
    const longest = Math.min(500 * 2 ** attempt, 30_000)
    const chance = (context.randomBytes(1)[0] ?? 0) / 255
    await context.clock.sleep(Math.round(longest / 2 + (longest / 2) * chance), context.signal)
  }

  return {
    bucket: options.bucket,
    traits,
    place,
    retries: options.retries,
    signal: context.signal,
    log: context.log,
    pause,
    serverTime: () => (skewedBy === undefined ? undefined : new Date(context.clock.now().getTime() + skewedBy)),
    async call(purpose, work) {
      let isFresh = false
      for (let attempt = 0; ; attempt += 1) {
        if (context.signal.aborted) throw cancelled(context.signal)
        let failed: S3Error
        try {
          return await work(client, context.signal)
        } catch (thrown) {
          if (context.signal.aborted) throw cancelled(context.signal)
          failed = s3Error(thrown, { ...purpose, place })
        }
        // A store ends connections that were idle, maybe while one is taken up again: that once is no try.
        if (!isFresh && failed.status === null && wasEnded(failed)) {
          isFresh = true
          attempt -= 1
          continue
        }
        if (!failed.mayPass || attempt >= options.retries) throw failed
        context.log.debug(`${failed.message} It is tried again.`)
        await pause(attempt)
      }
    },
    async anonymously(work) {
      stranger ??= new S3Client({ ...config, signer: { sign: async (request) => request } })
      return await work(stranger, context.signal)
    },
    close() {
      client.destroy()
      stranger?.destroy()
    }
  }
}

function wasEnded(failed: S3Error): boolean {
  return ['ECONNRESET', 'EPIPE'].some((code) => failed.message.includes(code))
}

/** SHA-256 of a body in memory, in hex; undefined where a request has none. */
function digestFor(input: object): string | undefined {
  const body: unknown = Object(input)['Body']
  return body instanceof Uint8Array ? createHash('sha256').update(body).digest('hex') : undefined
}
