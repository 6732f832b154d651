import { constants } from 'node:fs'
import { access, readdir, realpath } from 'node:fs/promises'
import path from 'node:path'
import { asError, UserError } from '../../errors.ts'
import { childEnvironment, runChild } from '../process/child-process.ts'
import {
  chooseClient,
  isOlderThanServer,
  type ProgramVersion,
  parseProgramVersion,
  safetyOf,
  versionOfNumber
} from './program-versions.ts'
import type { ClientPrograms, ServerPrograms } from './programs.ts'

/** A folder that may hold programs, with the words for where it comes from. */
export interface Place {
  readonly binDir: string
  readonly origin: string
}

interface Search {
  /** The input `pg-bin`: then nothing else is looked at. */
  readonly pgBin?: string | undefined
  /** An existing folder, HOME of the programs that are asked for their version. */
  readonly home: string
  readonly signal: AbortSignal
  /** Where to look without `pg-bin`; `systemPlaces()` when left out. */
  readonly places?: readonly Place[]
}

export interface FindClientOptions extends Search {
  readonly serverMajor: number
  /** `server_version_num`, where it is known: a client as new as the server's minor is preferred. */
  readonly serverVersionNumber?: number
  /** Installs programs of the major when none that serves was found, or only some with a known hole; resolves with where they are. */
  readonly install?: (major: number) => Promise<Place>
}

/**
 * pg_dump and pg_restore for a server, from one folder. Throws SB303 when none serves, SB304 (of `install`) when they cannot be installed, SB305 when
 * those of `pg-bin` do not serve.
 */
export async function findClientPrograms(options: FindClientOptions): Promise<ClientPrograms> {
  const server: Pick<ProgramVersion, 'major' | 'minor'> =
    options.serverVersionNumber === undefined
      ? { major: options.serverMajor, minor: 0 }
      : versionOfNumber(options.serverVersionNumber)
  if (options.pgBin !== undefined) return givenClient(options.pgBin, server, options)

  const found = await clientsIn(options.places ?? (await systemPlaces()), options)
  const chosen = chooseClient(found, server)
  const serves = (client: FoundClient) =>
    safetyOf(client.version) === 'current' && !isOlderThanServer(client.version, server)
  if (chosen !== undefined && serves(chosen)) return described(chosen, server)
  if (options.install === undefined) {
    if (chosen !== undefined) return described(chosen, server)
    throw new UserError('SB303', noneServes(found, server))
  }
  try {
    const installed = await clientsIn([await options.install(server.major)], options)
    const better = chooseClient([...found, ...installed], server)
    if (better !== undefined) return described(better, server)
  } catch (thrown) {
    options.signal.throwIfAborted()
    if (chosen === undefined) throw thrown
    const programs = described(chosen, server)
    return {
      ...programs,
      warnings: [...(programs.warnings ?? []), `A newer one could not be installed: ${asError(thrown).message}`]
    }
  }
  throw new UserError('SB303', noneServes(found, server))
}

interface FoundClient {
  readonly place: Place
  readonly version: ProgramVersion
}

async function givenClient(
  pgBin: string,
  server: Pick<ProgramVersion, 'major' | 'minor'>,
  search: Search
): Promise<ClientPrograms> {
  const binDir = path.resolve(pgBin)
  const refuse = (why: string, cause?: unknown) =>
    new UserError('SB305', `The programs in ${binDir} (input \`pg-bin\`) ${why}.`, { cause })
  const versions: ProgramVersion[] = []
  for (const name of ['pg_dump', 'pg_restore']) {
    const file = executable(binDir, name)
    if (!(await isExecutable(file))) throw refuse(`do not serve: ${name} is not there or cannot be executed`)
    if (path.basename(await realpath(file)) === 'pg_wrapper') {
      throw refuse(
        "do not serve: this is Debian's wrapper; name the folder of one version, such as /usr/lib/postgresql/17/bin"
      )
    }
    const version = await versionOf(file, name, search)
    if (version === undefined)
      throw refuse(`do not serve: ${name} --version does not answer as PostgreSQL's program does`)
    versions.push(version)
  }
  const [dump, restore] = versions
  if (dump === undefined || restore === undefined || dump.text !== restore.text) throw refuse('are of two versions')
  if (dump.major < server.major) {
    throw refuse(
      `are of version ${dump.text}, and the server is of version ${server.major}: pg_dump refuses servers newer than itself`
    )
  }
  if (safetyOf(dump) === 'refused') {
    throw refuse(
      `are of version ${dump.text}: with CVE-2024-7348 a user of the database can run code with the rights of the role that dumps`
    )
  }
  return described({ place: { binDir, origin: 'input pg-bin' }, version: dump }, server)
}

async function clientsIn(places: readonly Place[], search: Search): Promise<FoundClient[]> {
  const found: FoundClient[] = []
  const seen = new Set<string>()
  for (const place of places) {
    const binDir = await programFolder(place.binDir, 'pg_dump')
    if (binDir === undefined || seen.has(binDir)) continue
    seen.add(binDir)
    const version = await versionOf(executable(binDir, 'pg_dump'), 'pg_dump', search)
    const restore = await versionOf(executable(binDir, 'pg_restore'), 'pg_restore', search)
    if (version !== undefined && restore?.text === version.text) found.push({ place: { ...place, binDir }, version })
  }
  return found
}

function described({ place, version }: FoundClient, server: Pick<ProgramVersion, 'major' | 'minor'>): ClientPrograms {
  const warnings: string[] = []
  if (safetyOf(version) === 'below-floor') {
    warnings.push(
      `pg_dump ${version.text} in ${place.binDir} has known holes that a hostile database could use; update it (15.19, 16.15, 17.11, 18.6 or later).`
    )
  }
  if (isOlderThanServer(version, server)) {
    warnings.push(
      `pg_dump ${version.text} came out before the release of the server (${server.major}.${server.minor}): its dump may hold settings that other servers do not know.`
    )
  }
  return {
    binDir: place.binDir,
    version: version.text,
    major: version.major,
    minor: version.minor,
    pgDump: executable(place.binDir, 'pg_dump'),
    pgRestore: executable(place.binDir, 'pg_restore'),
    origin: place.origin,
    warnings
  }
}

function noneServes(found: readonly FoundClient[], server: Pick<ProgramVersion, 'major' | 'minor'>): string {
  const there = found.map(({ version, place }) => `${version.text} in ${place.binDir}`).join(', ')
  return `There is no pg_dump for a server of version ${server.major}: found ${there === '' ? 'none' : there}.`
}

export interface FindServerOptions extends Search {
  /** Folder of the client programs in use: the server's often lie beside them. */
  readonly clientBinDir?: string
}

/** initdb, pg_ctl and postgres of one major; null when the machine has none. */
export async function findServerPrograms(major: number, options: FindServerOptions): Promise<ServerPrograms | null> {
  const places: Place[] = [
    ...(options.pgBin === undefined ? [] : [{ binDir: path.resolve(options.pgBin), origin: 'input pg-bin' }]),
    ...(options.clientBinDir === undefined ? [] : [{ binDir: options.clientBinDir, origin: 'beside pg_dump' }]),
    ...(options.places ?? (await systemPlaces()))
  ]
  const seen = new Set<string>()
  for (const place of places) {
    const binDir = await programFolder(place.binDir, 'postgres')
    if (binDir === undefined || seen.has(binDir)) continue
    seen.add(binDir)
    const [initdb, pgCtl, postgres] = ['initdb', 'pg_ctl', 'postgres'].map((name) => executable(binDir, name))
    if (initdb === undefined || pgCtl === undefined || postgres === undefined) continue
    const version = await versionOf(postgres, 'postgres', options)
    if (version?.major !== major || !(await isExecutable(initdb)) || !(await isExecutable(pgCtl))) continue
    return { binDir, major, version: version.text, initdb, pgCtl, postgres, origin: place.origin }
  }
  return null
}

/** Where this machine may have PostgreSQL's programs, in the order in which they are looked at. */
export async function systemPlaces(): Promise<readonly Place[]> {
  const places: Place[] = []
  for (const [root, pattern, rest] of [
    ['/usr/lib/postgresql', /^\d+$/, 'bin'],
    ['/usr', /^pgsql-\d+$/, 'bin'],
    ['/opt/homebrew/opt', /^(?:libpq|postgresql)(?:@\d+)?$/, 'bin'],
    ['/usr/local/opt', /^(?:libpq|postgresql)(?:@\d+)?$/, 'bin'],
    ['/home/linuxbrew/.linuxbrew/opt', /^(?:libpq|postgresql)(?:@\d+)?$/, 'bin']
  ] as const) {
    const names = await readdir(root).catch(() => [])
    const versions = names
      .filter((name) => pattern.test(name))
      .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
    for (const name of versions)
      places.push({ binDir: path.join(root, name, rest), origin: root === '/usr' ? '/usr/pgsql' : root })
  }
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    if (path.isAbsolute(folder)) places.push({ binDir: folder, origin: 'PATH' })
  }
  // Windows images of GitHub name the folder of their PostgreSQL so.
  if (process.env.PGBIN !== undefined && process.env.PGBIN !== '')
    places.push({ binDir: process.env.PGBIN, origin: 'PGBIN' })
  return places
}

/**
 * The real folder of a program; undefined where it is missing or Debian's wrapper, which starts a version of its own choice (on GitHub's images it went on
 * answering 16 after 17 was installed).
 */
async function programFolder(folder: string, name: string): Promise<string | undefined> {
  const file = executable(folder, name)
  if (!(await isExecutable(file))) return undefined
  const real = await realpath(file)
  return path.basename(real) === 'pg_wrapper' ? undefined : path.dirname(real)
}

async function versionOf(file: string, name: string, search: Search): Promise<ProgramVersion | undefined> {
  const signal = AbortSignal.any([search.signal, AbortSignal.timeout(10_000)])
  try {
    const result = await runChild({
      command: file,
      args: ['--version'],
      env: childEnvironment(search.home),
      signal,
      maxOutput: 4096
    })
    return result.code === 0 ? parseProgramVersion(name, result.stdout) : undefined
  } catch {
    // It cannot be started here (another machine's program, a missing library) or hangs: it does not serve, unless the run itself ends.
    search.signal.throwIfAborted()
    return undefined
  }
}

function executable(folder: string, name: string): string {
  return path.join(folder, process.platform === 'win32' ? `${name}.exe` : name)
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false
  )
}
