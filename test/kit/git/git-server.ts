import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'

/** One request to the git server. `bytes` counts the body received. */
export interface GitRequest {
  readonly method: string
  /** Path without the query. */
  readonly path: string
  readonly query: string
  bytes: number
  /** Bytes answered. */
  sent: number
  status: number
}

/**
 * What goes wrong with a request.
 * - `status`: answers with this code instead of git's answer (301 needs `location`).
 * - `cutPushMidPack`: hands git only this many bytes of the body and ends the connection.
 * - `loseAnswer`: git does all its work, then the connection ends without an answer.
 * - `hang`: no answer, ever.
 */
export type GitFault =
  | { readonly kind: 'status'; readonly status: number; readonly body?: string; readonly location?: string }
  | { readonly kind: 'cutPushMidPack'; readonly after: number }
  | { readonly kind: 'loseAnswer' }
  | { readonly kind: 'hang' }

export interface GitHandlerOptions {
  /** Folder of bare repositories: `<root>/<owner>/<name>.git`. */
  readonly root: string
  /** What the password of `x-access-token` must be. */
  readonly token: string
}

export interface GitHandler {
  /** Answers a request for a path under `/<owner>/<name>.git/`. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** Whether a request is for git; for servers that answer other paths, too. */
  handles(request: IncomingMessage): boolean
  readonly requests: GitRequest[]
  /** Asked before each request; what it returns goes wrong. */
  fault: ((request: GitRequest) => GitFault | undefined) | undefined
}

/** Whether the request carries the pack of a push. */
export const isPush = (request: GitRequest): boolean =>
  request.method === 'POST' && request.path.endsWith('/git-receive-pack')
/** Whether the request asks for objects or refs of a fetch. */
export const isFetch = (request: GitRequest): boolean =>
  request.method === 'POST' && request.path.endsWith('/git-upload-pack')

/** `git http-backend` behind basic authentication, as a handler for any node:http server. */
export function gitHandler(options: GitHandlerOptions): GitHandler {
  const expected = `Basic ${Buffer.from(`x-access-token:${options.token}`).toString('base64')}`
  const handler: GitHandler = {
    requests: [],
    fault: undefined,
    handles: (request) => /^\/[^/]+\/[^/]+\.git\//.test(request.url ?? ''),
    async handle(request, response) {
      const url = new URL(request.url ?? '/', 'http://localhost')
      const entry: GitRequest = {
        method: request.method ?? '',
        path: url.pathname,
        query: url.search.slice(1),
        bytes: 0,
        sent: 0,
        status: 0
      }
      handler.requests.push(entry)
      response.on('finish', () => {
        entry.status = response.statusCode
      })
      const fault = handler.fault?.(entry)
      if (fault?.kind === 'hang') return
      if (fault?.kind === 'status') {
        request.resume()
        response.writeHead(fault.status, fault.location === undefined ? {} : { location: fault.location })
        response.end(fault.body ?? '')
        return
      }
      if (request.headers.authorization?.replace(/^basic/i, 'Basic') !== expected) {
        request.resume()
        response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
        return
      }
      const [, owner = '', name = ''] = url.pathname.split('/')
      if (!existsSync(join(options.root, owner, name, 'HEAD'))) {
        request.resume()
        response.writeHead(404).end('Repository not found.')
        return
      }
      await backend(options.root, url, request, response, entry, fault)
    }
  }
  return handler
}

async function backend(
  root: string,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
  entry: GitRequest,
  fault: GitFault | undefined
): Promise<void> {
  const zipped = request.headers['content-encoding'] === 'gzip'
  const length = request.headers['content-length']
  const child = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      HOME: root,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      REMOTE_USER: 'x-access-token',
      REMOTE_ADDR: '127.0.0.1',
      REQUEST_METHOD: request.method ?? 'GET',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      ...(length === undefined || zipped || fault?.kind === 'cutPushMidPack' ? {} : { CONTENT_LENGTH: length })
    }
  })
  child.stdin.on('error', () => undefined)
  child.stdout.on('error', () => undefined)
  request.on('data', (chunk: Buffer) => {
    entry.bytes += chunk.length
  })
  if (fault?.kind === 'cutPushMidPack') {
    let left = fault.after
    request.on('data', (chunk: Buffer) => {
      if (left <= 0) return
      child.stdin.write(chunk.subarray(0, left))
      left -= chunk.length
      if (left <= 0) {
        child.stdin.end()
        request.socket.destroy()
      }
    })
    request.on('end', () => child.stdin.end())
  } else {
    const body = zipped ? pipeline(request, createGunzip(), child.stdin) : pipeline(request, child.stdin)
    body.catch(() => undefined)
  }
  await answer(child.stdout, request, response, entry, fault)
}

async function answer(
  output: NodeJS.ReadableStream,
  request: IncomingMessage,
  response: ServerResponse,
  entry: GitRequest,
  fault: GitFault | undefined
): Promise<void> {
  let head: Uint8Array | undefined = new Uint8Array(0)
  try {
    for await (const chunk of output) {
      let body = Buffer.from(chunk)
      if (fault?.kind === 'loseAnswer' || fault?.kind === 'cutPushMidPack') continue
      if (head !== undefined) {
        const all = Buffer.concat([head, body])
        head = all
        const end = all.indexOf('\r\n\r\n')
        if (end < 0) continue
        for (const line of all.subarray(0, end).toString('latin1').split('\r\n')) {
          const [, key = '', value = ''] = /^([^:]+): ?(.*)$/.exec(line) ?? []
          if (key === 'Status') response.statusCode = Number.parseInt(value, 10)
          else if (key !== '') response.appendHeader(key, value)
        }
        body = all.subarray(end + 4)
        head = undefined
      }
      entry.sent += body.length
      if (!response.write(body) && !response.destroyed) await drained(response)
    }
  } catch {
    request.socket.destroy()
    return
  }
  if (fault?.kind === 'loseAnswer' || fault?.kind === 'cutPushMidPack') request.socket.destroy()
  else response.end()
}

export interface GitServer extends GitHandler {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** Makes an empty bare repository `owner/name` and returns its folder. */
  create(repository: string, config?: Readonly<Record<string, string>>): string
  close(): Promise<void>
}

/** Runs git on a repository of this machine, with none of the user's settings; returns its output. */
export function gitIn(folder: string, args: readonly string[], input?: string | Uint8Array): string {
  return execFileSync('git', args, {
    cwd: folder,
    input: input ?? '',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      HOME: folder,
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
      GIT_AUTHOR_NAME: 'Somebody Else',
      GIT_AUTHOR_EMAIL: 'somebody@example.org',
      GIT_COMMITTER_NAME: 'Somebody Else',
      GIT_COMMITTER_EMAIL: 'somebody@example.org'
    }
  }).toString('utf8')
}

/** Makes an empty bare repository `<root>/<owner>/<name>.git` that answers as GitHub does, and returns its folder. */
export function createRepository(
  root: string,
  repository: string,
  config: Readonly<Record<string, string>> = {}
): string {
  const folder = join(root, `${repository}.git`)
  mkdirSync(folder, { recursive: true })
  gitIn(folder, ['init', '--bare', '--quiet', '--initial-branch=main'])
  const all = {
    'uploadpack.allowFilter': 'true',
    'uploadpack.allowAnySHA1InWant': 'true',
    'http.receivepack': 'true',
    'gc.auto': '0',
    ...config
  }
  for (const [key, value] of Object.entries(all)) gitIn(folder, ['config', key, value])
  return folder
}

/** Puts a shell script in place of a hook of a repository. */
export function setHook(folder: string, name: 'pre-receive' | 'update' | 'post-receive', script: string): void {
  const path = join(folder, 'hooks', name)
  mkdirSync(join(folder, 'hooks'), { recursive: true })
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
}

/** Adds a commit of somebody else with these files to a branch, keeping what is there; returns it. */
export function commitAs(folder: string, branch: string, files: Readonly<Record<string, string | Uint8Array>>): string {
  const ref = `refs/heads/${branch}`
  const head = gitIn(folder, ['for-each-ref', '--format=%(objectname)', ref]).trim()
  const parts: Uint8Array[] = [
    Buffer.from(`commit ${ref}\ncommitter Somebody Else <somebody@example.org> now\ndata 5\nother\n`),
    Buffer.from(head === '' ? '' : `from ${head}\n`)
  ]
  for (const [path, content] of Object.entries(files)) {
    const bytes = Buffer.from(content)
    parts.push(
      Buffer.from(`M 100644 inline ${JSON.stringify(path)}\ndata ${bytes.byteLength}\n`),
      bytes,
      Buffer.from('\n')
    )
  }
  gitIn(folder, ['fast-import', '--quiet', '--date-format=now'], Buffer.concat(parts))
  return gitIn(folder, ['rev-parse', ref]).trim()
}

/** A git server on a loopback port with repositories under `root`. */
export async function startGitServer(options: GitHandlerOptions): Promise<GitServer> {
  const handler = gitHandler(options)
  const server = createServer((request, response) => {
    handler.handle(request, response).catch(() => request.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return Object.assign(handler, {
    url: `http://127.0.0.1:${port}`,
    create: (repository: string, config?: Readonly<Record<string, string>>) =>
      createRepository(options.root, repository, config),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  })
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}
