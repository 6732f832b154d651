import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { access, copyFile, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Context } from '../../context.ts'
import { asError, UserError } from '../../errors.ts'
import { childEnvironment, runChild } from '../process/child-process.ts'
import { type Apt, type AptFile, type AptRepository, openApt } from './apt.ts'
import { packagesOfExtensions } from './extension-packages.ts'
import type { Place } from './find-programs.ts'
import type { PackageCache } from './package-cache.ts'
import { pgdgKey } from './pgdg-key.ts'
import { safetyOf } from './program-versions.ts'

export interface InstallOptions {
  readonly context: Pick<Context, 'clock' | 'signal' | 'temp' | 'log'>
  /** Keeps downloaded packages between runs. */
  readonly cache?: PackageCache
  /** PostgreSQL's own package archive, for this machine's release when left out. */
  readonly repository?: AptRepository
  /** Folder in which the machine's system lies: `/`. */
  readonly root?: string
}

/**
 * Installs pg_dump and pg_restore of a major version (Debian, Ubuntu: apt; macOS: Homebrew) and tells where they are. The distribution's own package is
 * taken where it has no known hole, else that of PostgreSQL's own archive. Throws SB304 when that is not possible here.
 */
export async function installClientPrograms(major: number, options: InstallOptions): Promise<Place> {
  if (process.platform === 'darwin') return brew('libpq', options)
  await installPackages(major, [`postgresql-client-${major}`], [], options)
  return placeOf(major, options)
}

/** Installs the server of a major version and the packages of those extensions that the archive has. No cluster is made or started by it. */
export async function installServerPrograms(
  major: number,
  extensions: readonly string[],
  options: InstallOptions
): Promise<Place> {
  if (process.platform === 'darwin') return brew(`postgresql@${major}`, options)
  await withoutCluster(options, () =>
    installPackages(
      major,
      [`postgresql-${major}`, `postgresql-client-${major}`],
      packagesOfExtensions(major, extensions),
      options
    )
  )
  return placeOf(major, options)
}

async function installPackages(
  major: number,
  required: readonly string[],
  wanted: readonly string[],
  options: InstallOptions
): Promise<void> {
  const { log, signal } = options.context
  const root = options.root ?? '/'
  if (!(await exists(path.join(root, 'etc/debian_version'))) && !(await exists('/usr/bin/apt-get'))) {
    throw new UserError(
      'SB304',
      `PostgreSQL's programs of version ${major} are missing, and this machine has neither apt-get nor Homebrew.`
    )
  }
  const apt = await openApt({ context: options.context, root })
  try {
    const [first = ''] = required
    let own = await apt.candidate(first)
    if (own === undefined || !isSafe(own, major)) {
      try {
        await apt.add(options.repository ?? (await ownRepository(root)))
      } catch (thrown) {
        signal.throwIfAborted()
        log.info(`PostgreSQL's own package archive cannot be used: ${asError(thrown).message}`)
        // A container image has no lists at all until they are fetched.
        if (own === undefined) {
          await apt.update()
          own = await apt.candidate(first)
        }
        if (own === undefined) throw thrown
      }
    }
    const names = [...required]
    for (const name of wanted) if ((await apt.candidate(name)) !== undefined) names.push(name)
    try {
      await installFrom(apt, names, options)
    } catch (thrown) {
      signal.throwIfAborted()
      // The lists were there but old: they name packages that the servers no longer have.
      log.info(`${asError(thrown).message} Fetching the lists of packages once more.`)
      await apt.update()
      await installFrom(apt, names, options)
    }
  } catch (thrown) {
    if (thrown instanceof UserError && thrown.code === 'SB302') {
      throw new UserError(
        'SB304',
        `PostgreSQL's programs of version ${major} are missing and cannot be installed: ${thrown.message}`,
        { cause: thrown }
      )
    }
    throw thrown
  } finally {
    await apt.dispose()
  }
}

/** Version of a Debian package (`17.11-1.pgdg24.04+1`, `15.20-0+deb12u1`) against the table of known holes. */
function isSafe(packageVersion: string, major: number): boolean {
  const minor = new RegExp(`^(?:\\d+:)?${major}\\.(\\d+)`).exec(packageVersion)?.[1]
  return minor !== undefined && safetyOf({ major, minor: Number(minor) }) === 'current'
}

async function installFrom(apt: Apt, names: readonly string[], options: InstallOptions): Promise<void> {
  const { cache, context } = options
  if (cache === undefined) return apt.install(names)
  const files = await apt.files(names)
  // The same path in every run: the platform's cache counts it as part of the key.
  const folder = path.join(tmpdir(), 'supabase-backup-packages')
  if (files.length === 0 || !(await ownFolder(folder))) return apt.install(names)
  try {
    const key = `supabase-backup-packages-1-${createHash('sha256').update(JSON.stringify(files)).digest('hex')}`
    const restored = await cache.restore([folder], key)
    const taken = restored ? await takeVerified(files, folder, apt.archives) : 0
    if (taken > 0) context.log.debug(`${taken} of ${files.length} packages came from the cache.`)
    await apt.install(names)
    if (taken < files.length && !restored) {
      for (const { name } of files)
        await copyFile(path.join(apt.archives, name), path.join(folder, name)).catch(() => undefined)
      if ((await readdir(folder)).length > 0) await cache.save([folder], key)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A fresh folder that nobody else can write; false where others have put something of the name there. */
async function ownFolder(folder: string): Promise<boolean> {
  const found = await lstat(folder).catch(() => undefined)
  if (found !== undefined) {
    if (!found.isDirectory() || found.uid !== process.getuid?.()) return false
    await rm(folder, { recursive: true, force: true })
  }
  await mkdir(folder, { mode: 0o700 })
  return true
}

/**
 * Copies the files that are what the signed lists say. apt itself compares only the size of a package that lies there already, so the hash is compared
 * here, of the copy that apt will use. Returns how many.
 */
async function takeVerified(files: readonly AptFile[], from: string, archives: string): Promise<number> {
  let taken = 0
  for (const { name, bytes, sha256 } of files) {
    if (path.basename(name) !== name) continue
    const copy = path.join(archives, name)
    const found = await lstat(path.join(from, name)).catch(() => undefined)
    if (found?.isFile() !== true || found.size !== bytes) continue
    await copyFile(path.join(from, name), copy, constants.COPYFILE_EXCL)
    const hash = createHash('sha256')
    await pipeline(createReadStream(copy), hash)
    if (hash.digest('hex') === sha256) taken += 1
    else await rm(copy)
  }
  return taken
}

/** PostgreSQL's own archive for this machine's release. */
async function ownRepository(root: string): Promise<AptRepository> {
  const text = await readFile(path.join(root, 'etc/os-release'), 'utf8').catch(() => '')
  const value = (name: string) => new RegExp(`^${name}="?([a-z]+)"?$`, 'm').exec(text)?.[1]
  const codename = value('UBUNTU_CODENAME') ?? value('DEBIAN_CODENAME') ?? value('VERSION_CODENAME')
  if (codename === undefined)
    throw new UserError('SB304', 'The release of this machine is not one that PostgreSQL has packages for.')
  // Slim images lack the roots for https; the packages are signed either way.
  const scheme = (await exists('/etc/ssl/certs/ca-certificates.crt')) ? 'https' : 'http'
  return {
    address: `${scheme}://apt.postgresql.org/pub/repos/apt`,
    suite: `${codename}-pgdg`,
    component: 'main',
    key: pgdgKey
  }
}

/** Debian's server package would make and start a cluster of its own: not while this installs. A setting that is already there stays. */
async function withoutCluster<T>(options: InstallOptions, install: () => Promise<T>): Promise<T> {
  const root = options.root ?? '/'
  const file = path.join(root, 'etc/postgresql-common/createcluster.conf')
  if (await exists(file)) return install()
  const draft = path.join(options.context.temp, 'createcluster.conf')
  await writeFile(draft, 'create_main_cluster = false\nstart_conf = manual\n', { mode: 0o644 })
  const place = async (words: readonly string[]) => {
    const [command = '', ...args] = process.getuid?.() === 0 ? words : ['sudo', '-n', ...words]
    return runChild({ command, args, env: childEnvironment(options.context.temp), signal: options.context.signal })
  }
  const made = await place(['install', '-D', '-m', '644', draft, file]).catch((error: unknown) => {
    throw new UserError('SB304', `PostgreSQL's server cannot be installed: ${asError(error).message}`, { cause: error })
  })
  if (made.code !== 0)
    throw new UserError('SB304', `PostgreSQL's server cannot be installed: ${made.stderr.trim().slice(0, 300)}`)
  await rm(draft, { force: true })
  try {
    return await install()
  } finally {
    // Later installations on this machine are not ours to decide about.
    await place(['rm', '-f', file]).catch(() => undefined)
  }
}

async function brew(formula: string, options: InstallOptions): Promise<Place> {
  const { context } = options
  const env = childEnvironment(process.env.HOME ?? context.temp, {
    HOMEBREW_NO_AUTO_UPDATE: '1',
    HOMEBREW_NO_ANALYTICS: '1',
    HOMEBREW_NO_INSTALL_CLEANUP: '1'
  })
  const run = (args: readonly string[]) => runChild({ command: 'brew', args, env, signal: context.signal })
  try {
    const installed = await run(['install', '--quiet', formula])
    const prefix = await run(['--prefix', formula])
    if (installed.code === 0 && prefix.code === 0) {
      return { binDir: path.join(prefix.stdout.trim(), 'bin'), origin: 'installed by Homebrew' }
    }
    throw new UserError('SB304', `brew install ${formula} failed: ${installed.stderr.trim().slice(-400)}`)
  } catch (thrown) {
    context.signal.throwIfAborted()
    if (thrown instanceof UserError && thrown.code === 'SB302') {
      throw new UserError('SB304', `PostgreSQL's programs are missing, and this machine has no Homebrew.`, {
        cause: thrown
      })
    }
    throw thrown
  }
}

function placeOf(major: number, options: InstallOptions): Place {
  return { binDir: path.join(options.root ?? '/', `usr/lib/postgresql/${major}/bin`), origin: 'installed by apt' }
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false
  )
}
