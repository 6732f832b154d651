import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listen, receive } from '../github/http.ts'

export interface DoubleFunction {
  slug: string
  name: string
  verify_jwt: boolean
  status: 'ACTIVE' | 'REMOVED' | 'THROTTLED'
  version: number
  entrypoint_path: string
  import_map_path: string | null
  /** By the paths that were sent at deployment; the server puts a folder of its own before them. */
  files: Map<string, Buffer>
  /** Where it was deployed in its packed form: the bytes; else they are made from the files. */
  bundle: Buffer | null
  /** Files that the unbundled form leaves out, as the real server does with import maps at times. */
  hidden: Set<string>
}

export interface DoubleProject {
  readonly ref: string
  status: string
  readonly functions: Map<string, DoubleFunction>
  /** Values; only digests are told. */
  readonly secrets: Map<string, string>
  /** Values of API keys by name: `service_role` and `anon` are legacy ones, others secret ones of the role `service_role`. */
  readonly apiKeys: Map<string, string>
  /** Answers of the settings' routes by their path after the project. */
  readonly settings: Map<string, unknown>
  readonly health: Map<string, boolean>
}

export interface ManagementFault {
  readonly path: RegExp
  readonly method?: string
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** What is answered instead; with `status` 200: another shape. A text is sent as it is. */
  readonly body?: unknown
  /** Without the headers of the limit that every other answer has. */
  readonly bare?: true
  /** Break the connection after this many bytes of the real answer. */
  readonly cutAfter?: number
  times: number
}

export interface ManagementCall {
  readonly method: string
  readonly path: string
  readonly body: string
}

export interface ManagementDouble {
  readonly url: string
  readonly calls: ManagementCall[]
  /** A project with the settings of a fresh one. */
  addProject(ref: string): DoubleProject
  /** Scopes as in `functions`, `secrets`, `config/auth`, ...: beginnings of paths; without them everything is allowed. */
  addToken(token: string, scopes?: readonly string[]): void
  removeToken(token: string): void
  fail(fault: Omit<ManagementFault, 'times'> & { times?: number }): void
  clearFaults(): void
  /** Requests that are taken until the limit refuses; counted down. */
  remaining: number
  stop(): Promise<void>
}

/** A Management API that keeps state. Shapes: the OpenAPI description of api.supabase.com/v1. */
export async function startManagement(): Promise<ManagementDouble> {
  const projects = new Map<string, DoubleProject>()
  const tokens = new Map<string, readonly string[] | 'all'>()
  const calls: ManagementCall[] = []
  let faults: ManagementFault[] = []
  const server = createServer((request, response) => void handle(request, response))
  const double: ManagementDouble = {
    url: '',
    calls,
    addProject(ref) {
      const project: DoubleProject = {
        ref,
        status: 'ACTIVE_HEALTHY',
        functions: new Map(),
        apiKeys: new Map(),
        secrets: new Map([['SUPABASE_URL', `https://${ref}.supabase.co`]]),
        settings: freshSettings(ref),
        health: new Map(['auth', 'db', 'pooler', 'realtime', 'rest', 'storage'].map((name) => [name, true]))
      }
      projects.set(ref, project)
      return project
    },
    addToken: (token, scopes) => void tokens.set(token, scopes ?? 'all'),
    removeToken: (token) => void tokens.delete(token),
    fail: (fault) => void faults.push({ times: 1, ...fault }),
    clearFaults: () => {
      faults = []
    },
    remaining: 10_000,
    stop: () => new Promise((done) => server.close(() => done()))
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { bytes } = await receive(request)
    const url = new URL(request.url ?? '/', 'http://double')
    const method = request.method ?? 'GET'
    const found = /^\/v1\/projects\/([^/]+)(\/.*)?$/.exec(url.pathname)
    const path = found?.[2] ?? ''
    calls.push({ method, path, body: bytes.toString('latin1') })
    const limit = {
      'x-ratelimit-limit': '120',
      'x-ratelimit-remaining': String(Math.max(double.remaining - 1, 0)),
      'x-ratelimit-reset': '1'
    }
    const answer = (status: number, body?: unknown, headers: Readonly<Record<string, string>> = {}): void => {
      const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...limit, ...headers }).end(text)
    }
    const fault = faults.find((one) => one.times > 0 && one.path.test(path) && (one.method ?? method) === method)
    if (fault !== undefined) {
      fault.times -= 1
      if (fault.bare === true) {
        response.writeHead(fault.status ?? 500, { 'content-type': 'application/json' }).end('{"message":"fault"}')
        return
      }
      if (fault.cutAfter === undefined)
        return answer(fault.status ?? 500, fault.body ?? { message: 'fault' }, fault.headers)
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100000' })
      response.write('['.repeat(fault.cutAfter))
      setTimeout(() => response.destroy(), 10)
      return
    }
    if (double.remaining <= 0) return answer(429, { message: 'ThrottlerException: Too Many Requests' })
    double.remaining -= 1
    const scopes = tokens.get((request.headers.authorization ?? '').replace(/^Bearer /, ''))
    if (scopes === undefined) return answer(401, { message: 'Unauthorized' })
    const project = projects.get(found?.[1] ?? '')
    if (project === undefined) return answer(404, { message: 'Project not found' })
    if (scopes !== 'all' && !scopes.some((scope) => path.slice(1).startsWith(scope) && (scope !== '' || path === '')))
      return answer(403, { message: 'Your account does not have the necessary privileges to access this endpoint.' })
    await route(project, method, path, url.searchParams, { request, bytes, answer, response })
  }

  const port = await listen(server)
  return Object.assign(double, { url: `http://127.0.0.1:${port}` })
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly bytes: Buffer
  readonly answer: (status: number, body?: unknown) => void
}

async function route(
  project: DoubleProject,
  method: string,
  path: string,
  query: URLSearchParams,
  exchange: Exchange
): Promise<void> {
  const { answer, bytes } = exchange
  if (path === '')
    return answer(200, {
      id: project.ref,
      ref: project.ref,
      organization_id: 'o',
      organization_slug: 'o',
      name: 'Shop',
      region: 'eu-central-1',
      created_at: '2026-01-01T00:00:00Z',
      status: project.status,
      database: {
        host: `db.${project.ref}.supabase.co`,
        version: '15.8.1.060',
        postgres_engine: '15',
        release_channel: 'ga'
      }
    })
  if (path === '/health')
    return answer(
      200,
      query.getAll('services').map((name) => ({
        name,
        healthy: project.health.get(name) ?? false,
        status: project.health.get(name) === true ? 'ACTIVE_HEALTHY' : 'UNHEALTHY'
      }))
    )
  if (path === '/api-keys')
    return answer(
      200,
      [...project.apiKeys].map(([name, value]) => ({
        name,
        type: value.startsWith('sb_') ? 'secret' : 'legacy',
        api_key: query.get('reveal') === 'true' ? value : null,
        prefix: value.slice(0, 15),
        secret_jwt_template: value.startsWith('sb_') ? { role: 'service_role' } : null
      }))
    )
  if (path === '/secrets')
    return answer(
      200,
      [...project.secrets].map(([name, value]) => ({ name, value: createHash('sha256').update(value).digest('hex') }))
    )
  if (path.startsWith('/functions')) return routeFunctions(project, method, path, query, exchange)
  const target = path === '/network-restrictions/apply' ? '/network-restrictions' : path
  const current = project.settings.get(target)
  if (method === 'GET') return current === undefined ? answer(404, { message: 'Not found' }) : answer(200, current)
  const change = JSON.parse(bytes.toString('utf8'))
  return changeSettings(project, method, target, change, current, answer)
}

/** Names that the real API does not take, besides those of other types: for tests of refusals. */
export const refusedSettings = new Set(['mailer_otp_length'])

function changeSettings(
  project: DoubleProject,
  method: string,
  path: string,
  change: Record<string, unknown>,
  current: unknown,
  answer: Exchange['answer']
): void {
  const refused = Object.keys(change).find((name) => refusedSettings.has(name) || change[name] === null)
  if (refused !== undefined) {
    answer(400, { message: [`${refused} is not allowed`] })
    return
  }
  if (path === '/config/auth/third-party-auth') {
    const made = { id: randomUUID(), type: 'oidc', ...change, inserted_at: 'now', updated_at: 'now' }
    project.settings.set(path, [...(Array.isArray(current) ? current : []), made])
    answer(201, made)
    return
  }
  if (path === '/network-restrictions')
    project.settings.set(path, { ...Object(current), config: change, status: 'applied' })
  else if (path === '/ssl-enforcement')
    project.settings.set(path, { currentConfig: change['requestedConfig'], appliedSuccessfully: true })
  else if (path === '/config/database/pooler')
    project.settings.set(
      path,
      (current as object[]).map((each) => ({ ...each, ...change }))
    )
  else if (method === 'PUT') project.settings.set(path, change)
  else project.settings.set(path, merge(current, change))
  answer(path === '/config/realtime' ? 204 : 200, path === '/config/realtime' ? undefined : project.settings.get(path))
}

function merge(current: unknown, change: unknown): unknown {
  if (typeof change !== 'object' || change === null || Array.isArray(change)) return change
  const entries = Object.entries(change).map(([name, value]) => [name, merge(Object(current)[name], value)] as const)
  return { ...Object(current), ...Object.fromEntries(entries) }
}

async function routeFunctions(
  project: DoubleProject,
  method: string,
  path: string,
  query: URLSearchParams,
  { request, response, bytes, answer }: Exchange
): Promise<void> {
  const listed = (one: DoubleFunction): object => ({
    id: `id-${one.slug}`,
    slug: one.slug,
    name: one.name,
    status: one.status,
    version: one.version,
    created_at: 1,
    updated_at: 2,
    verify_jwt: one.verify_jwt,
    import_map: one.import_map_path !== null,
    entrypoint_path: `file://${folderOf(project, one)}/${one.entrypoint_path}`,
    ...(one.import_map_path === null
      ? {}
      : { import_map_path: `file://${folderOf(project, one)}/${one.import_map_path}` }),
    ezbr_sha256: createHash('sha256').update(bundleOf(one)).digest('hex')
  })
  if (path === '/functions' && method === 'GET') return answer(200, [...project.functions.values()].map(listed))
  if (path === '/functions/deploy' && method === 'POST') {
    const form = await new Response(new Uint8Array(bytes), {
      headers: { 'content-type': request.headers['content-type'] ?? '' }
    }).formData()
    const metadata = JSON.parse(String(form.get('metadata')))
    const slug = query.get('slug') ?? ''
    const files = new Map<string, Buffer>()
    for (const file of form.getAll('file'))
      if (file instanceof File) files.set(file.name, Buffer.from(await file.arrayBuffer()))
    if (!files.has(metadata.entrypoint_path)) return answer(400, { message: 'Entrypoint path does not exist' })
    if (project.functions.size >= 100 && !project.functions.has(slug))
      return answer(402, { message: 'Maximum number of functions reached for Plan' })
    const one: DoubleFunction = {
      slug,
      name: metadata.name ?? slug,
      verify_jwt: metadata.verify_jwt ?? true,
      status: 'ACTIVE',
      version: (project.functions.get(slug)?.version ?? 0) + 1,
      entrypoint_path: metadata.entrypoint_path,
      import_map_path: metadata.import_map_path ?? null,
      files,
      bundle: null,
      hidden: new Set()
    }
    project.functions.set(slug, one)
    return answer(201, listed(one))
  }
  if ((path === '/functions' && method === 'POST') || (method === 'PATCH' && /^\/functions\/[^/]+$/.test(path))) {
    const slug = query.get('slug') ?? ''
    const one: DoubleFunction = {
      slug,
      name: query.get('name') ?? slug,
      verify_jwt: query.get('verify_jwt') !== 'false',
      status: 'ACTIVE',
      version: (project.functions.get(slug)?.version ?? 0) + 1,
      entrypoint_path: (query.get('entrypoint_path') ?? 'index.ts').replace(/^.*\//, ''),
      import_map_path: query.get('import_map_path')?.replace(/^.*\//, '') ?? null,
      files: new Map(),
      bundle: Buffer.from(bytes),
      hidden: new Set()
    }
    project.functions.set(slug, one)
    return answer(method === 'POST' ? 201 : 200, listed(one))
  }
  const body = /^\/functions\/([^/]+)\/body$/.exec(path)
  const one = project.functions.get(decodeURIComponent(body?.[1] ?? ''))
  if (one === undefined) return answer(404, { message: 'Function not found' })
  if (request.headers.accept !== 'multipart/form-data') {
    response.writeHead(200, { 'content-type': 'application/vnd.denoland.eszip' }).end(bundleOf(one))
    return
  }
  if (one.bundle !== null) return answer(400, { message: 'Function cannot be unbundled' })
  const boundary = `----formdata-${randomUUID()}`
  const chunks: Buffer[] = []
  const part = (headers: string, content: Buffer): void =>
    void chunks.push(Buffer.from(`--${boundary}\r\n${headers}\r\n\r\n`), content, Buffer.from('\r\n'))
  part(
    'Content-Disposition: form-data; name="metadata"\r\nContent-Type: application/json',
    Buffer.from(JSON.stringify({ deno2_entrypoint_path: `${folderOf(project, one)}/${one.entrypoint_path}` }))
  )
  for (const [name, content] of one.files)
    if (!one.hidden.has(name))
      part(
        `Content-Disposition: form-data; name="file"; filename="${folderOf(project, one)}/${name}"\r\nContent-Type: application/octet-stream`,
        content
      )
  chunks.push(Buffer.from(`--${boundary}--\r\n`))
  response.writeHead(200, { 'content-type': `multipart/form-data; boundary=${boundary}` }).end(Buffer.concat(chunks))
}

/** The server's own folder: another one for each project and version. */
function folderOf(project: DoubleProject, one: DoubleFunction): string {
  return `/tmp/user_fn_${project.ref}_${one.slug}_${one.version}/source`
}

function bundleOf(one: DoubleFunction): Buffer {
  if (one.bundle !== null) return one.bundle
  return Buffer.concat([
    Buffer.from('ESZIP2.3'),
    ...[...one.files].flatMap(([name, content]) => [Buffer.from(`\0${name}\0`), content])
  ])
}

/** Puts a function into a project, as a deployment would. */
export function putFunction(
  project: DoubleProject,
  slug: string,
  files: Readonly<Record<string, string>>,
  more: Partial<DoubleFunction> = {}
): DoubleFunction {
  const one: DoubleFunction = {
    slug,
    name: slug,
    verify_jwt: true,
    status: 'ACTIVE',
    version: 3,
    entrypoint_path: Object.keys(files)[0] ?? 'index.ts',
    import_map_path: null,
    files: new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text, 'utf8')])),
    bundle: null,
    hidden: new Set(),
    ...more
  }
  project.functions.set(slug, one)
  return one
}

function freshSettings(ref: string): Map<string, unknown> {
  return new Map<string, unknown>([
    [
      '/config/auth',
      {
        site_url: 'http://localhost:3000',
        uri_allow_list: '',
        disable_signup: false,
        jwt_exp: 3600,
        mailer_otp_length: 6,
        password_min_length: 6,
        rate_limit_token_refresh: 150,
        external_email_enabled: true,
        external_apple_enabled: false,
        external_apple_client_id: null,
        external_apple_secret: null,
        smtp_host: null,
        smtp_user: null,
        smtp_pass: null,
        custom_oauth_max_providers: 3
      }
    ],
    [
      '/postgrest',
      {
        db_schema: 'public,graphql_public',
        max_rows: 1000,
        db_extra_search_path: 'public,extensions',
        db_pool: null,
        jwt_secret: `jwt-secret-of-${ref}`
      }
    ],
    [
      '/config/database/pooler',
      [
        {
          identifier: ref,
          database_type: 'PRIMARY',
          is_using_scram_auth: true,
          db_user: `postgres.${ref}`,
          db_host: 'aws-0-eu-central-1.pooler.supabase.com',
          db_port: 6543,
          db_name: 'postgres',
          connection_string: `postgres://postgres.${ref}:[YOUR-PASSWORD]@aws-0-eu-central-1.pooler.supabase.com:6543/postgres`,
          default_pool_size: 15,
          max_client_conn: 200,
          pool_mode: 'transaction'
        }
      ]
    ],
    [
      '/config/storage',
      {
        fileSizeLimit: 52428800,
        features: { imageTransformation: { enabled: false }, s3Protocol: { enabled: true } },
        capabilities: { list_v2: true, iceberg_catalog: false },
        external: { upstreamTarget: 'main' },
        migrationVersion: 'x',
        databasePoolMode: 'transaction'
      }
    ],
    [
      '/config/realtime',
      { private_only: false, connection_pool: 2, max_concurrent_users: 200, suspend: false, presence_enabled: true }
    ],
    ['/config/auth/third-party-auth', []],
    ['/config/auth/sso/providers', { items: [] }],
    [
      '/config/auth/signing-keys',
      {
        keys: [
          {
            id: randomUUID(),
            algorithm: 'ES256',
            status: 'in_use',
            public_jwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' },
            created_at: 'c',
            updated_at: 'u'
          }
        ]
      }
    ],
    ['/config/database/postgres', {}],
    ['/ssl-enforcement', { currentConfig: { database: false }, appliedSuccessfully: true }],
    [
      '/network-restrictions',
      {
        entitlement: 'allowed',
        config: { dbAllowedCidrs: ['0.0.0.0/0'], dbAllowedCidrsV6: ['::/0'] },
        status: 'applied'
      }
    ]
  ])
}
