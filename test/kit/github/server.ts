import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type ArtifactService, isTwirp, makeArtifactService, runtimeToken, twirpMethod } from './artifact-service.ts'
import { artifactHandlers } from './artifacts.ts'
import { type BlobServer, startBlobServer } from './blob-server.ts'
import { type Fault, makeFaults } from './faults.ts'
import { listen, type Received, receive, send, sendBytes } from './http.ts'
import { issueHandlers } from './issues.ts'
import { answerFaults, operations, requestFaults } from './openapi.ts'
import { type Permissions, refusal } from './permissions.ts'
import { releaseHandlers } from './releases.ts'
import { repositoryHandlers } from './repositories.ts'
import { type Answer, type Handlers, invalid, notFound, type Origins } from './route.ts'
import { addRepository, type GithubState, makeState, type RepositoryState } from './state.ts'

/** One request that reached the double. */
export interface LoggedCall {
  readonly method: string
  /** Path without query: `/repos/o/r`, `/uploads/...`, `/twirp/...`, `/asset/...`. */
  readonly path: string
  readonly query: string
  /** Whether it carried an Authorization header. */
  readonly authorized: boolean
  readonly contentLength: string | undefined
  /** What was answered; `null` when the connection was reset. */
  status: number | null
}

export interface GithubOptions {
  /** The repository of the run; `acme/backups` when left out. */
  readonly repository?: string
  readonly visibility?: RepositoryState['visibility']
  /** With the artifact service in front of a blob server (takes about a second). */
  readonly artifacts?: boolean
  /** The clock of created_at and the like; the real one when left out. */
  readonly now?: () => Date
  readonly runId?: number
}

/** What serves requests under a prefix of the server's own address, as git's HTTP backend does. */
export type Mounted = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** A moment of a request at which a test may act. */
export interface Moment {
  readonly method: string
  /** As in LoggedCall; git's requests, too. */
  readonly path: string
  /** Whether the request can change anything. */
  readonly writes: boolean
  /** `before` it takes effect; `after`, when only the answer is still to be sent (requests that write alone). */
  readonly phase: 'before' | 'after'
  /** The same for both moments of one request. */
  readonly request: object
}

/** What becomes of the request: it goes on, or its connection ends. */
export type Gate = (moment: Moment) => Promise<'go' | 'cut'>

export interface Github {
  /** The environment that the runner gives to an action. */
  readonly env: Readonly<Record<string, string>>
  readonly token: string
  readonly state: GithubState
  /** The repository of the run. */
  readonly repository: RepositoryState
  readonly calls: readonly LoggedCall[]
  /** What the double itself did wrong: answers that GitHub's description does not allow. */
  readonly defects: readonly string[]
  addRepository(fullName: string, rest?: Parameters<typeof addRepository>[2]): RepositoryState
  failNext(fault: Fault): () => number
  clearFaults(): void
  forgetCalls(): void
  /** Asked at every moment of every request. */
  gate: Gate | undefined
  /** What the token may do; everything while it is undefined. */
  permissions: Permissions | undefined
  /** Serves requests whose path starts with `prefix` under GITHUB_SERVER_URL. */
  mount(prefix: string, handler: Mounted): void
  /** Ends the servers; throws when the double has answered what GitHub never would. */
  stop(): Promise<void>
}

interface Route {
  readonly operation: string
  readonly method: string
  readonly pattern: RegExp
}

/** Parameters whose value may hold slashes. */
const wide = new Set(['path', 'ref', 'tag'])

const routes: readonly Route[] = operations
  .map((operation) => {
    const [method = '', path = ''] = operation.split(' ')
    const pattern = path.replaceAll(
      /\{(\w+)\}/g,
      (_all, name: string) => `(?<${name}>${wide.has(name) ? '.+' : '[^/]+'})`
    )
    return { operation, method, pattern: new RegExp(`^${pattern}$`), fixed: path.replaceAll(/\{\w+\}/g, '').length }
  })
  .sort((a, b) => b.fixed - a.fixed)

const token = 'ghs_testtoken0123456789abcdefghijklmnop'

/** A local double of GitHub: REST, uploads, storage and the artifact service, with state and faults. */
export async function startGithub(options: GithubOptions = {}): Promise<Github> {
  const state = makeState(options.now ?? (() => new Date()))
  const fullName = options.repository ?? 'acme/backups'
  const repository = addRepository(state, fullName, { visibility: options.visibility ?? 'private' })
  const runId = options.runId ?? 42
  const faults = makeFaults()
  const calls: LoggedCall[] = []
  const defects: string[] = []
  const mounted: { readonly prefix: string; readonly handler: Mounted }[] = []
  const blobs: BlobServer | undefined = options.artifacts === true ? await startBlobServer() : undefined

  const main = createServer((incoming, response) => void serve(incoming, response, 'main'))
  const storage = createServer((incoming, response) => void serve(incoming, response, 'storage'))
  const [port, storagePort] = [await listen(main), await listen(storage)]
  const origins: Origins = {
    api: `http://127.0.0.1:${port}/api/v3`,
    uploads: `http://127.0.0.1:${port}/api/uploads`,
    server: `http://github.localhost:${port}`,
    storage: `http://127.0.0.1:${storagePort}`
  }
  const service: ArtifactService | undefined =
    blobs === undefined
      ? undefined
      : makeArtifactService(
          state,
          () => repository,
          blobs,
          () => origins.storage
        )
  const handlers: Handlers = {
    ...releaseHandlers,
    ...artifactHandlers((artifact) =>
      artifact.blob === undefined || blobs === undefined
        ? `${origins.storage}/artifact/${artifact.id}?sig=${artifact.id}`
        : blobs.sign(origins.storage, artifact.blob, 'read')
    ),
    ...repositoryHandlers,
    ...issueHandlers,
    'GET /rate_limit': () => ({ status: 200, body: rateLimitBody() })
  }

  function rateLimitBody(): unknown {
    const { limit, remaining, reset } = state.rateLimit ?? { limit: 5000, remaining: 5000, reset: state.now() }
    const rate = { limit, remaining, reset: Math.floor(reset.getTime() / 1000), used: limit - remaining }
    return { resources: { core: rate, search: rate }, rate }
  }

  function rateHeaders(): Record<string, string> {
    const { limit, remaining, reset } = state.rateLimit ?? { limit: 5000, remaining: 4999, reset: state.now() }
    return {
      date: state.now().toUTCString(),
      'x-ratelimit-limit': String(limit),
      'x-ratelimit-remaining': String(remaining),
      'x-ratelimit-reset': String(Math.ceil(reset.getTime() / 1000))
    }
  }

  function overLimit(): Answer | undefined {
    const { rateLimit } = state
    if (rateLimit === null) return undefined
    if (state.now() >= rateLimit.reset) rateLimit.remaining = rateLimit.limit
    if (rateLimit.remaining > 0) {
      rateLimit.remaining -= 1
      return undefined
    }
    return { status: 403, body: { message: 'API rate limit exceeded for installation.', status: '403' } }
  }

  async function rest(
    incoming: IncomingMessage,
    path: string,
    query: URLSearchParams,
    upload: Received
  ): Promise<Answer> {
    const authorization = incoming.headers.authorization ?? ''
    if (authorization !== `token ${token}` && authorization !== `Bearer ${token}`) {
      return { status: 401, body: { message: 'Bad credentials', status: '401' } }
    }
    const refused = overLimit()
    if (refused !== undefined) return refused
    const decoded = decodeURIComponent(path)
    for (const route of routes) {
      const match = route.method === incoming.method ? route.pattern.exec(decoded) : null
      if (match === null) continue
      const params = match.groups ?? {}
      const denied = github.permissions === undefined ? undefined : refusal(route.operation, github.permissions)
      if (denied !== undefined) return denied
      const target = state.repositories.get(`${params['owner']}/${params['repo']}`)
      if (target === undefined && route.operation.includes('{owner}')) return notFound
      const isUpload = route.operation.endsWith('{release_id}/assets') && route.method === 'POST'
      let body: Record<string, unknown> = {}
      if (!isUpload && upload.bytes.length > 0) {
        body = JSON.parse(upload.bytes.toString())
        const wrong = requestFaults(route.operation, body)
        if (wrong.length > 0) return invalid(`Invalid request. ${wrong.join('; ')}`)
      }
      if (isUpload && incoming.headers['content-length'] === undefined)
        return { status: 411, body: { message: 'Length Required' } }
      const answer = await handlers[route.operation]?.({
        state,
        repository: target ?? repository,
        params,
        query,
        body,
        upload,
        accept: incoming.headers.accept ?? '',
        origins
      })
      if (answer === undefined) throw new Error(`No handler for ${route.operation}`)
      defects.push(
        ...answerFaults(route.operation, answer.status, answer.body).map(
          (fault) => `${route.operation} ${answer.status}: ${fault}`
        )
      )
      return answer
    }
    return notFound
  }

  function stored(path: string): Buffer | undefined {
    const [, kind, id] = path.split('/')
    for (const one of state.repositories.values()) {
      if (kind === 'asset') {
        const asset = one.releases.flatMap((release) => release.assets).find((each) => String(each.id) === id)
        if (asset !== undefined) return asset.content
      }
      const artifact = kind === 'artifact' ? one.artifacts.find((each) => String(each.id) === id) : undefined
      if (artifact?.content !== undefined) return artifact.content
    }
    return undefined
  }

  function isBlob(path: string): boolean {
    return blobs !== undefined && path.startsWith('/devstoreaccount1/')
  }

  /** Hands a blob request on to the real blob server and returns its whole answer. */
  async function proxied(
    incoming: IncomingMessage,
    body: Buffer
  ): Promise<{ readonly status: number; readonly headers: IncomingMessage['headers']; readonly bytes: Buffer }> {
    const outgoing = request({
      host: '127.0.0.1',
      port: blobs?.port,
      // A connection of its own: one that was kept may be closed by the server just now.
      agent: false,
      method: incoming.method,
      path: incoming.url,
      headers: incoming.headers
    })
    outgoing.end(body)
    const [answer]: IncomingMessage[] = await once(outgoing, 'response')
    if (answer === undefined) throw new Error('No answer from the blob server')
    const { bytes } = await receive(answer)
    return { status: answer.statusCode ?? 500, headers: answer.headers, bytes }
  }

  async function fromStorage(
    incoming: IncomingMessage,
    response: ServerResponse,
    path: string,
    fault: Fault | undefined,
    body: Buffer
  ): Promise<void> {
    if (incoming.headers.authorization !== undefined) {
      send(response, { status: 400, body: { message: 'Authorization must not be sent to the storage' } })
      return
    }
    if (isBlob(path)) {
      const answer = await proxied(incoming, body)
      const isDownload = incoming.method === 'GET' && answer.status < 300
      if (isDownload && fault !== undefined) {
        sendBytes(undefined, response, answer.bytes, fault)
        return
      }
      response.writeHead(answer.status, answer.headers).end(answer.bytes)
      return
    }
    const bytes = stored(path)
    if (bytes === undefined) send(response, { status: 404, body: { message: 'BlobNotFound' } })
    else sendBytes(incoming.headers.range, response, bytes, fault)
  }

  async function serve(incoming: IncomingMessage, response: ServerResponse, which: 'main' | 'storage'): Promise<void> {
    try {
      const gate = github.gate
      if (gate !== undefined && !(await passes(gate, incoming, response))) return
      await serveOne(incoming, response, which)
    } catch (error) {
      defects.push(`${incoming.method} ${incoming.url}: ${String(error)}`)
      response.destroy()
    }
  }

  /** False when the request ends here. The answer to one that writes is held until the gate lets it go. */
  async function passes(gate: Gate, incoming: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const moment = momentOf(incoming)
    if ((await gate({ ...moment, phase: 'before' })) === 'cut') {
      response.destroy()
      return false
    }
    if (!moment.writes) return true
    const end = response.end.bind(response)
    const held: Buffer[] = []
    response.write = (chunk: string | Uint8Array) => {
      held.push(Buffer.from(chunk))
      return true
    }
    response.end = (chunk?: unknown) => {
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) held.push(Buffer.from(chunk))
      gate({ ...moment, phase: 'after' }).then(
        (what) => {
          if (what === 'cut') response.destroy()
          else end(Buffer.concat(held))
        },
        (error: unknown) => {
          defects.push(`the gate failed: ${String(error)}`)
          response.destroy()
        }
      )
      return response
    }
    return true
  }

  async function serveOne(
    incoming: IncomingMessage,
    response: ServerResponse,
    which: 'main' | 'storage'
  ): Promise<void> {
    const url = new URL(incoming.url ?? '/', 'http://x')
    const mount = which === 'main' ? mounted.find((one) => url.pathname.startsWith(one.prefix)) : undefined
    if (mount !== undefined) {
      await mount.handler(incoming, response)
      return
    }
    const method = incoming.method ?? 'GET'
    const path = url.pathname.replace(/^\/api\/(v3|uploads)(?=\/)/, '')
    const call: LoggedCall = {
      method,
      path: decodeURIComponent(path),
      query: url.search,
      authorized: incoming.headers.authorization !== undefined,
      contentLength: incoming.headers['content-length'],
      status: null
    }
    calls.push(call)
    response.on('finish', () => {
      call.status = response.statusCode
    })
    const fault = faults.take(method, call.path)
    const isDownload = which === 'storage' && method === 'GET'
    if (fault?.cut !== undefined && !isDownload) {
      // The server's side of an upload breaks; GitHub may keep what came as a dead asset.
      const upload = await receive(incoming, fault.cut)
      if (fault.when === 'after' && which === 'main') await rest(incoming, path, url.searchParams, upload)
      response.destroy()
      return
    }
    const upload = await receive(incoming)
    if (fault?.hang === true) return
    const plain =
      fault === undefined || (isDownload && [fault.cut, fault.breakAfter, fault.flip].some((one) => one !== undefined))
    if (!plain && fault.when !== 'after') {
      strike(response, fault)
      return
    }
    if (which === 'storage') {
      if (plain) {
        await fromStorage(incoming, response, url.pathname, fault, upload.bytes)
        return
      }
      if (isBlob(url.pathname)) await proxied(incoming, upload.bytes)
      strike(response, fault)
      return
    }
    const answer =
      isTwirp(path) && service !== undefined
        ? await service.answer(twirpMethod(path), JSON.parse(upload.bytes.toString() || '{}'))
        : await rest(incoming, path, url.searchParams, upload)
    if (plain) send(response, answer, rateHeaders())
    else strike(response, fault)
  }

  function strike(response: ServerResponse, fault: Fault): void {
    if (fault.status === undefined) {
      response.destroy()
      return
    }
    const body =
      fault.body ?? (fault.status === 204 || fault.status === 302 ? undefined : { message: `Fault ${fault.status}` })
    send(
      response,
      { status: fault.status, ...(body === undefined ? {} : { body }) },
      { ...rateHeaders(), ...fault.headers }
    )
  }

  const github: Github = {
    env: {
      GITHUB_API_URL: origins.api,
      GITHUB_SERVER_URL: origins.server,
      GITHUB_REPOSITORY: fullName,
      GITHUB_RUN_ID: String(runId),
      GITHUB_RUN_ATTEMPT: '1',
      ...(blobs === undefined
        ? {}
        : { ACTIONS_RESULTS_URL: `http://127.0.0.1:${port}/`, ACTIONS_RUNTIME_TOKEN: runtimeToken(runId, 'job-1') })
    },
    token,
    state,
    repository,
    calls,
    defects,
    addRepository: (name, rest) => addRepository(state, name, rest),
    failNext: (fault) => faults.add(fault),
    clearFaults: () => faults.clear(),
    forgetCalls: () => {
      calls.length = 0
    },
    gate: undefined,
    permissions: undefined,
    mount: (prefix, handler) => mounted.push({ prefix, handler }),
    async stop() {
      for (const server of [main, storage]) {
        server.closeAllConnections()
        server.close()
      }
      await blobs?.stop()
      if (defects.length > 0) throw new Error(`The GitHub double is wrong:\n${defects.join('\n')}`)
    }
  }
  return github
}

/** Calls of the artifact service and of git that go by POST and only read. */
const reading = /\/(?:git-upload-pack|ListArtifacts|GetSignedArtifactURL)$/

function momentOf(incoming: IncomingMessage): Omit<Moment, 'phase'> {
  const method = incoming.method ?? 'GET'
  const { pathname } = new URL(incoming.url ?? '/', 'http://x')
  const path = decodeURIComponent(pathname.replace(/^\/api\/(v3|uploads)(?=\/)/, ''))
  return {
    request: incoming,
    method,
    path,
    writes: !['GET', 'HEAD', 'OPTIONS'].includes(method) && !reading.test(path)
  }
}
