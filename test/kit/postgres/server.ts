import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { type CertificateOptions, type Certificates, makeCertificates } from './certificates.ts'
import { serverUser, superuser, templateFor, temporaryFolder } from './cluster.ts'
import { type OverlayOptions, programWithExtensions } from './overlay.ts'
import { binDirOf, type Finished, type Major, type RunOptions, run, runOk } from './programs.ts'

export interface PostgresOptions {
  readonly major: Major
  /** How clients prove who they are over TCP: not at all (default), or with `password`. The socket never asks. */
  readonly auth?: 'trust' | 'scram'
  /** Password of the superuser, and of role `postgres` when the fixture is loaded. */
  readonly password?: string
  /** Serve TLS; `required` refuses clients without it. */
  readonly tls?: CertificateOptions & { readonly required?: boolean }
  /** Further lines of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  /** Extensions that this server has and no other: not the one of a proof, neither. */
  readonly extensions?: OverlayOptions
}

/** How the server goes down: `smart` waits for clients, `fast` ends them, `immediate` is as good as a crash. */
export type StopMode = 'smart' | 'fast' | 'immediate'

export interface PostgresServer {
  readonly major: Major
  readonly host: '127.0.0.1'
  readonly port: number
  readonly socketDir: string
  readonly superuser: string
  readonly password: string
  readonly binDir: string
  readonly dataDir: string
  /** The root certificate that clients must trust, where the server speaks TLS. */
  readonly caFile: string | undefined
  /** A connected client of the `pg` package, over TCP; end it yourself, or leave it to `stop`. */
  connect(user?: string, database?: string): Promise<pg.Client>
  /** One query by a client of its own. */
  query(sql: string, values?: readonly unknown[], user?: string, database?: string): Promise<pg.QueryResult>
  url(user?: string, database?: string, host?: string): string
  /** PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSWORD (and PGSSLROOTCERT) for programs of libpq. */
  env(user?: string, database?: string): Record<string, string>
  /** Runs a client program of the server's own version against it. */
  run(
    program: string,
    args: readonly string[],
    options?: RunOptions & { user?: string; database?: string }
  ): Promise<Finished>
  /** Everything that the server logged so far. */
  log(): string
  /** Takes the server down, keeping its data and its port. */
  down(mode?: StopMode): Promise<void>
  /** Brings it up again after `down`. */
  up(): Promise<void>
  restart(mode?: StopMode): Promise<void>
  /** Takes the server down and removes everything of it. */
  stop(mode?: StopMode): Promise<void>
}

const signals: Readonly<Record<StopMode, NodeJS.Signals>> = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' }

/** Starts a server with a fresh, empty cluster in a temporary folder. It dies with this process, however that ends. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const binDir = binDirOf(options.major)
  const user = serverUser()
  const folder = await mkdtemp(path.join(temporaryFolder(), `sb-pg${options.major}-`))
  const dataDir = path.join(folder, 'data')
  const logFile = path.join(folder, 'log')
  const password = options.password ?? 'kit-password'
  const opened = new Set<pg.Client>()
  let certificates: Certificates | undefined
  let server: ChildProcess | undefined
  let watchdog: ChildProcess | undefined
  let port = 0
  let program = path.join(binDir, 'postgres')

  async function prepare(): Promise<void> {
    await runOk('cp', ['-a', '--reflink=auto', await templateFor(options.major, binDir, user), dataDir])
    if (options.extensions !== undefined)
      program = await programWithExtensions(options.major, binDir, options.extensions, user)
    if (options.tls !== undefined) certificates = await makeCertificates(folder, options.tls)
    const host = options.tls?.required ? 'hostssl' : 'host'
    const method = options.auth === 'scram' ? 'scram-sha-256' : 'trust'
    await writeFile(
      path.join(dataDir, 'pg_hba.conf'),
      ['local all all trust', `${host} all all all ${method}`, `${host} replication all all ${method}`, ''].join('\n')
    )
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: folder,
      fsync: 'off',
      full_page_writes: 'off',
      wal_level: 'logical',
      jit: 'off',
      timezone: 'UTC',
      log_timezone: 'UTC',
      ...(certificates === undefined
        ? {}
        : { ssl: 'on', ssl_cert_file: certificates.certFile, ssl_key_file: certificates.keyFile }),
      ...options.settings
    }
    const lines = Object.entries(settings).map(
      ([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`
    )
    await writeFile(path.join(dataDir, 'postgresql.auto.conf'), lines.join(''))
    if (user !== undefined) {
      for (const name of await readdir(folder))
        if (name !== 'data') await chown(path.join(folder, name), user.uid, user.gid)
      await chown(folder, user.uid, user.gid)
    }
    await chmod(folder, 0o755)
    watchdog = watch(folder)
  }

  async function up(): Promise<void> {
    if (port !== 0) return launch()
    for (let attempt = 1; ; attempt += 1) {
      port = await freePort()
      try {
        return await launch()
      } catch (error) {
        // Someone else may take the port between asking for it and using it.
        if (attempt === 5 || !log().includes('could not bind')) throw error
      }
    }
  }

  async function launch(): Promise<void> {
    const logged = openSync(logFile, 'a')
    const child = spawn(program, ['-D', dataDir, '-p', String(port)], {
      cwd: dataDir,
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', logged, logged],
      detached: true,
      ...user
    })
    closeSync(logged)
    let failure: Error | undefined
    child.on('error', (error) => {
      failure = error
    })
    server = child
    const patience = Date.now() + 60_000
    while (!(await isReady(dataDir))) {
      if (failure !== undefined) throw failure
      if (hasEnded(child) || Date.now() > patience) {
        child.kill('SIGKILL')
        throw new Error(`PostgreSQL ${options.major} did not start:\n${log()}`)
      }
      await delay(15)
    }
  }

  async function down(mode: StopMode = 'fast'): Promise<void> {
    const child = server
    if (child === undefined) return
    server = undefined
    if (hasEnded(child)) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill(signals[mode])
    await ended
  }

  async function stop(mode: StopMode = 'immediate'): Promise<void> {
    await Promise.allSettled([...opened].map((client) => client.end()))
    await down(mode)
    watchdog?.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  }

  function log(): string {
    return readFileSync(logFile, 'utf8')
  }

  async function connect(name = superuser, database = 'postgres'): Promise<pg.Client> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      user: name,
      database,
      password,
      // The kit's own connections check nothing: the certificate may be a bad one on purpose.
      ssl: options.tls === undefined ? false : { rejectUnauthorized: false }
    })
    // A connection that the test breaks on purpose must not end the test process.
    client.on('error', () => undefined)
    client.on('end', () => opened.delete(client))
    await client.connect()
    opened.add(client)
    return client
  }

  function env(name = superuser, database = 'postgres'): Record<string, string> {
    return {
      PGHOST: '127.0.0.1',
      PGPORT: String(port),
      PGUSER: name,
      PGDATABASE: database,
      PGPASSWORD: password,
      ...(certificates === undefined ? {} : { PGSSLROOTCERT: certificates.caFile })
    }
  }

  try {
    await prepare()
    await up()
    if (options.auth === 'scram') {
      const literal = `'${password.replaceAll("'", "''")}'`
      const socket = { ...env(), PGHOST: folder }
      const input = `set standard_conforming_strings = on; alter role ${superuser} password ${literal};`
      await runOk(path.join(binDir, 'psql'), ['-X', '-q', '-v', 'ON_ERROR_STOP=1'], { env: socket, input })
    }
  } catch (error) {
    await stop()
    throw error
  }

  return {
    major: options.major,
    host: '127.0.0.1',
    port,
    socketDir: folder,
    superuser,
    password,
    binDir,
    dataDir,
    caFile: certificates?.caFile,
    connect,
    async query(sql, values = [], name = superuser, database = 'postgres') {
      const client = await connect(name, database)
      try {
        return await (values.length === 0 ? client.query(sql) : client.query(sql, [...values]))
      } finally {
        await client.end()
      }
    },
    url(name = superuser, database = 'postgres', host = '127.0.0.1') {
      const secret = options.auth === 'scram' ? `:${encodeURIComponent(password)}` : ''
      return `postgresql://${encodeURIComponent(name)}${secret}@${host}:${port}/${encodeURIComponent(database)}`
    },
    env,
    run(program, args, { user: name, database, ...rest } = {}) {
      return run(path.join(binDir, program), args, { ...rest, env: { ...env(name, database), ...rest.env } })
    },
    log,
    down,
    up,
    async restart(mode) {
      await down(mode)
      await up()
    },
    stop
  }
}

/** Waits outside this process for its end, then takes down what runs in `folder` and removes it. */
function watch(folder: string): ChildProcess {
  const script =
    'cat >/dev/null; pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && ' +
    'grep -q "$1/data" "/proc/$pid/cmdline" && kill -QUIT "$pid"; sleep 1; rm -rf "$1"'
  const child = spawn('sh', ['-c', script, 'sh', folder], {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true
  })
  child.unref()
  // The pipe must stay open as long as this process lives, without keeping it alive.
  const pipe: { unref?: () => void } | null = child.stdin as { unref?: () => void } | null
  pipe?.unref?.()
  return child
}

/** Whether the server said in its pid file that it takes connections. */
async function isReady(dataDir: string): Promise<boolean> {
  const text = await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '')
  return text.split('\n')[7]?.trim() === 'ready'
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** A TCP port on the loopback address that nobody uses now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('no port'))
        else resolve(address.port)
      })
    })
  })
}
