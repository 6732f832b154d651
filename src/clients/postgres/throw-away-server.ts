import { existsSync, realpathSync, rmSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Context } from '../../context.ts'
import { asError, cancelled, UserError } from '../../errors.ts'
import { childEnvironment, type RunningChild, runChild, startChild } from '../process/child-process.ts'
import { readRunMark } from '../process/run-mark.ts'
import { type ConfinedCommand, type Confinement, findConfinement } from './confinement.ts'
import type { ConnectionTarget } from './connection.ts'
import { librariesToPreload } from './extension-packages.ts'
import { leftoverPrefix, removeLeftoverServers, runMarkFile } from './leftover-servers.ts'
import type { ServerPrograms } from './programs.ts'
import { type ServerUser, serverUser } from './server-user.ts'

export interface ThrowAwayServerOptions {
  readonly programs: ServerPrograms
  readonly context: Pick<Context, 'clock' | 'signal' | 'temp' | 'log'>
  /** Name of the bootstrap superuser. */
  readonly superuser: string
  /** Of the template databases, and so of all others: `UTF8` when left out. */
  readonly encoding?: string
  /** LC_COLLATE and LC_CTYPE; where the machine lacks one, C.UTF-8 or C takes its place (`warnings`). */
  readonly collation?: string
  readonly characterType?: string
  /** Names of extensions that will be created: their libraries are loaded at the start where that is needed and they are there. */
  readonly extensions?: readonly string[]
  /** Further settings by name. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface ThrowAwayServer {
  /** The superuser in the database `postgres`, over a socket that only this user can reach. */
  readonly target: ConnectionTarget
  readonly dataDir: string
  readonly warnings: readonly string[]
  /** Fires when the server ended by itself. */
  readonly ended: AbortSignal
  /** Ends the server and removes everything of it. Never throws; may be repeated. */
  stop(): Promise<void>
}

const startMs = 60_000
const stopMs = 5_000

/**
 * Fast, small and deaf: nothing survives a crash, nothing listens on the network, and no background worker runs, so that jobs of pg_cron and the like,
 * which come in with the restored data, never start here. The sizes are chosen to stay below 300 MB with two restoring sessions.
 */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '2GB',
  checkpoint_timeout: '1h',
  autovacuum: 'off',
  shared_buffers: '64MB',
  maintenance_work_mem: '32MB',
  work_mem: '8MB',
  max_connections: '30',
  // Also what parallel queries and index builds would use: they would cost memory, and there are two sessions already.
  max_worker_processes: '0',
  max_locks_per_transaction: '512',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
  // What failed is told by those who asked; rows of the project do not belong into this log.
  log_min_messages: 'fatal',
  log_min_error_statement: 'panic'
}

/** Starts an empty server for this run alone. Throws SB306 when it does not start. Whatever ends the run ends the server. */
export async function startThrowAwayServer(options: ThrowAwayServerOptions): Promise<ThrowAwayServer> {
  const { context, programs } = options
  context.signal.throwIfAborted()
  await removeLeftoverServers()
  const user = await serverUser(context.temp, context.signal)
  const folder = await serverFolder(user)
  const dataDir = path.join(folder, 'data')
  const socketDir = path.join(folder, 'socket')
  const rootDir = path.join(folder, 'root')
  const ended = new AbortController()
  let server: RunningChild | undefined
  let confinement: Confinement | undefined
  let stopping: Promise<void> | undefined

  const exiting = () => {
    // A confined server ends with its standard input, which ends with this process.
    if (server !== undefined && confinement?.kind === 'none') quit(server.pid)
    rmSync(folder, { recursive: true, force: true })
  }
  const stop = () => {
    stopping ??= (async () => {
      context.signal.removeEventListener('abort', aborted)
      if (server !== undefined) await endServer(server, confinement?.kind ?? 'none', context)
      process.removeListener('exit', exiting)
      await rm(folder, { recursive: true, force: true, maxRetries: 5 }).catch((error: unknown) => {
        context.log.warning(`${folder} could not be removed: ${asError(error).message}`)
      })
    })()
    return stopping
  }
  const aborted = () => {
    void stop()
  }
  process.once('exit', exiting)
  context.signal.addEventListener('abort', aborted, { once: true })

  try {
    for (const each of [dataDir, socketDir]) {
      await mkdir(each, { mode: 0o700 })
      if (user !== undefined) await chown(each, user.uid, user.gid)
    }
    await mkdir(rootDir, { mode: 0o755 })
    const warnings = await initialise(dataDir, folder, user, options)
    const place = { root: rootDir, data: dataDir, socket: socketDir }
    confinement = await findConfinement(programs.postgres, place, user, folder, context.signal)
    if (confinement.kind === 'none')
      warnings.push(
        `The throw-away server cannot be kept apart from this machine: code that lies in the database runs as the user ${user === undefined ? 'of this job' : 'of the server'} (${confinement.why}).`
      )
    server = launch({ dataDir, socketDir, folder, user, options, confinement })
    const child = server
    child.done.then(
      () => ended.abort(new UserError('SB306', 'The throw-away server ended by itself.')),
      () => ended.abort(new UserError('SB306', 'The throw-away server ended by itself.'))
    )
    await ready(child, dataDir, context)
    return {
      target: {
        host: socketDir,
        port: 5432,
        user: options.superuser,
        password: undefined,
        database: 'postgres',
        tls: { mode: 'disable', rootCertificates: null }
      },
      dataDir,
      warnings,
      ended: ended.signal,
      stop
    }
  } catch (thrown) {
    await stop()
    if (context.signal.aborted) throw cancelled(context.signal)
    if (thrown instanceof UserError && thrown.code === 'SB302') {
      throw new UserError(
        'SB306',
        `The programs in ${programs.binDir} cannot be started by the user that the server runs as: ${thrown.message}`,
        { cause: thrown }
      )
    }
    throw thrown
  }
}

/**
 * A folder that the server's user can reach: as root RUNNER_TEMP may lie where others cannot enter, so the machine's own place is taken then. The
 * path is short, since that of a socket may have some 100 characters.
 */
async function serverFolder(user: ServerUser | undefined): Promise<string> {
  for (const place of [...new Set([tmpdir(), '/tmp', '/var/tmp'])]) {
    if (user !== undefined && !(await isOpenToAll(place))) continue
    const folder = await mkdtemp(path.join(realpathSync(place), leftoverPrefix))
    // Others may pass through to what is theirs, and see nothing.
    if (user !== undefined) await chmod(folder, 0o711)
    await writeFile(path.join(folder, runMarkFile), readRunMark() ?? '', { mode: 0o600, flag: 'wx' })
    return folder
  }
  throw new UserError(
    'SB306',
    'There is no folder for temporary files that the user of the throw-away server can enter.'
  )
}

async function isOpenToAll(folder: string): Promise<boolean> {
  let each = path.resolve(folder)
  for (;;) {
    const found = await stat(each).catch(() => undefined)
    if (found === undefined || (found.mode & 0o001) === 0) return false
    if (path.dirname(each) === each) return true
    each = path.dirname(each)
  }
}

/** initdb with the locale asked for, else with the nearest that the machine has. */
async function initialise(
  dataDir: string,
  folder: string,
  user: ServerUser | undefined,
  options: ThrowAwayServerOptions
): Promise<string[]> {
  const collation = options.collation ?? 'C.UTF-8'
  const characterType = options.characterType ?? collation
  const tries = [
    [collation, characterType],
    ['C.UTF-8', 'C.UTF-8'],
    ['C', 'C']
  ] as const
  let said = ''
  for (const [collate, ctype] of tries) {
    const result = await runChild({
      command: options.programs.initdb,
      args: [
        `--pgdata=${dataDir}`,
        `--username=${options.superuser}`,
        '--auth=trust',
        `--encoding=${options.encoding ?? 'UTF8'}`,
        '--locale=C',
        `--lc-collate=${collate}`,
        `--lc-ctype=${ctype}`,
        '--no-sync',
        ...(options.programs.major >= 18 ? ['--no-data-checksums'] : [])
      ],
      env: childEnvironment(folder),
      cwd: folder,
      signal: options.context.signal,
      ...user
    })
    if (result.code === 0) {
      const same = collate === collation && ctype === characterType
      return same
        ? []
        : [`The locale ${collation} / ${characterType} cannot be had on this machine; the copy uses ${collate}.`]
    }
    said = `${result.stderr}${result.stdout}`
    if (!/invalid locale|locale.*(?:not|does)|encoding mismatch|encodings mismatch/i.test(result.stderr)) break
  }
  throw new UserError('SB306', `initdb failed: ${lastLines(said)}`)
}

interface Launch {
  readonly dataDir: string
  readonly socketDir: string
  readonly folder: string
  readonly user: ServerUser | undefined
  readonly options: ThrowAwayServerOptions
  readonly confinement: Confinement
}

function launch({ dataDir, socketDir, folder, user, options, confinement }: Launch): RunningChild {
  const libraries = librariesToPreload(options.programs, options.extensions ?? [])
  const all: Record<string, string> = {
    ...settings,
    unix_socket_directories: `"${socketDir}"`,
    ...(libraries.length === 0 ? {} : { shared_preload_libraries: libraries.join(',') }),
    // Event triggers of the project are compared, not run; those on login would meet every session of this run.
    ...(options.programs.major >= 17 ? { event_triggers: 'off' } : {}),
    ...(libraries.includes('pg_cron') ? { 'cron.database_name': 'postgres' } : {}),
    ...options.settings
  }
  const args = ['-D', dataDir, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  const sandbox = confinement.kind === 'sandbox'
  const started = sandbox
    ? confinement.command(options.programs.postgres, args)
    : unconfined(options.programs.postgres, args)
  return startChild({
    ...started,
    env: childEnvironment(folder),
    cwd: folder,
    // Ended by `stop` in the way of PostgreSQL: a killed postmaster would leave its sessions running.
    signal: new AbortController().signal,
    // The sandbox itself changes the user; its standard input is what it lives on.
    ...(sandbox ? { stdin: 'pipe' as const } : user)
  })
}

/** At least without a way to other rights (setuid programs such as sudo), and ended with this process. */
function unconfined(program: string, args: readonly string[]): ConfinedCommand {
  const wrapper = deathSignal()
  return wrapper === undefined
    ? { command: program, args }
    : { command: wrapper, args: ['--pdeathsig', 'QUIT', '--no-new-privs', '--', program, ...args] }
}

/** A program of util-linux that lets the kernel end the server when this process is killed. */
function deathSignal(): string | undefined {
  const program = '/usr/bin/setpriv'
  return process.platform === 'linux' && existsSync(program) && path.basename(realpathSync(program)) === 'setpriv'
    ? program
    : undefined
}

async function ready(child: RunningChild, dataDir: string, context: ThrowAwayServerOptions['context']): Promise<void> {
  let exit: string | undefined
  child.done.then(
    ({ stderr, code, signal }) => {
      exit = stderr === '' ? `it ended with ${code ?? signal}` : stderr
    },
    (error: unknown) => {
      exit = asError(error).message
    }
  )
  const deadline = context.clock.monotonic() + startMs
  for (;;) {
    const status = (await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')[7]?.trim()
    if (status === 'ready') return
    if (exit !== undefined) throw new UserError('SB306', `The throw-away server did not start: ${lastLines(exit)}`)
    if (context.clock.monotonic() > deadline)
      throw new UserError('SB306', 'The throw-away server did not start within a minute.')
    await context.clock.sleep(20, context.signal)
  }
}

/** SIGQUIT is PostgreSQL's immediate shutdown: the postmaster ends every session first. In a sandbox the kernel ends all of them at once. */
async function endServer(
  server: RunningChild,
  kind: Confinement['kind'],
  context: ThrowAwayServerOptions['context']
): Promise<void> {
  if (kind === 'none') quit(server.pid)
  else server.stdin?.destroy()
  const gone = server.done.then(
    () => undefined,
    () => undefined
  )
  const patience = new AbortController()
  await Promise.race([gone, context.clock.sleep(stopMs, patience.signal).catch(() => undefined)])
  patience.abort()
  await server.dispose()
}

function quit(pid: number): void {
  if (pid <= 1) return
  try {
    process.kill(pid, 'SIGQUIT')
  } catch {
    // ESRCH: it has ended already.
  }
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-5).join(' ').slice(-600)
}
