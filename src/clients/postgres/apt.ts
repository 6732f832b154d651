import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Context } from '../../context.ts'
import { UserError } from '../../errors.ts'
import { type ChildResult, childEnvironment, runChild } from '../process/child-process.ts'

/** A package archive that is asked besides those that the machine knows. */
export interface AptRepository {
  /** `https://apt.postgresql.org/pub/repos/apt` */
  readonly address: string
  readonly suite: string
  readonly component: string
  /** Public key in ASCII armour: nothing that another key signed is taken. */
  readonly key: string
}

export interface AptOptions {
  readonly context: Pick<Context, 'clock' | 'signal' | 'temp' | 'log'>
  /** Folder in which the machine's system lies: `/`. */
  readonly root?: string
}

/** One package as the signed lists describe it. */
export interface AptFile {
  readonly name: string
  readonly bytes: number
  /** Bare hex. */
  readonly sha256: string
}

/** apt-get on this machine, with or without a further repository. Nothing is written below /etc. Failures are UserError SB304. */
export interface Apt {
  /** Where packages are downloaded to; those that lie there with the right size are not downloaded again. */
  readonly archives: string
  /** Version that would be installed; undefined where no list knows the package. */
  candidate(name: string): Promise<string | undefined>
  /** Uses `repository` from now on and fetches its list, and no other. False when the machine uses this repository already. */
  add(repository: AptRepository): Promise<boolean>
  /** Fetches the lists of all repositories, as far as they can be had: one that is broken is somebody else's, and stops nothing. */
  update(): Promise<void>
  /** What would be downloaded to install these packages. */
  files(names: readonly string[]): Promise<readonly AptFile[]>
  install(names: readonly string[]): Promise<void>
  dispose(): Promise<void>
}

/** Waits and options that make apt calm on a busy runner. Source: github.md 11. */
const calm = [
  ['DPkg::Lock::Timeout', '120'],
  ['Acquire::Retries', '5'],
  ['Acquire::http::Timeout', '30'],
  ['Acquire::https::Timeout', '30'],
  ['Dpkg::Use-Pty', '0'],
  ['APT::Update::Error-Mode', 'any'],
  // Images of containers often throw downloads away at once.
  ['APT::Keep-Downloaded-Packages', '1'],
  ['Dpkg::Options::', '--force-confdef'],
  ['Dpkg::Options::', '--force-confold']
] as const

/** What passes when it is tried again. */
const passing =
  /Could not get lock|is locked|frontend lock|pkgcache.*(?:rename|No such file)|Temporary failure in name resolution|Could not connect|Connection (?:failed|timed out|reset)|Unable to connect|Hash Sum mismatch|File has unexpected size|50[0-9] +(?:Internal|Bad|Service|Gateway)|Undetermined Error/i
const tries = 3
const waitMs = 5_000

export async function openApt(options: AptOptions): Promise<Apt> {
  const { context } = options
  const root = options.root ?? '/'
  // Read by apt's own user, so it lies where every user can read it. Nothing in it is secret.
  const folder = await mkdtemp('/tmp/sb-packages-')
  const at = (...names: string[]) => path.join(folder, ...names)
  await run('chmod', ['755', folder], false)
  await mkdir(at('archives', 'partial'), { recursive: true })
  await mkdir(at('parts'))
  let added = false

  /** As root, by sudo without a question where this user is not root. */
  async function run(command: string, args: readonly string[], privileged: boolean): Promise<ChildResult> {
    const env = childEnvironment(context.temp, { ...proxies(), TMPDIR: '/tmp', DEBIAN_FRONTEND: 'noninteractive' })
    const sudo = privileged && process.getuid?.() !== 0
    const words = sudo
      ? [
          'sudo',
          '-n',
          'env',
          ...Object.entries({ ...proxies(), DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }).map(
            ([name, value]) => `${name}=${value}`
          ),
          command,
          ...args
        ]
      : [command, ...args]
    const [first = command, ...rest] = words
    return runChild({ command: first, args: rest, env, signal: context.signal })
  }

  function settings(sources: 'all' | 'added'): string[] {
    const all: (readonly [string, string])[] = [...calm, ['Dir::Cache::archives', at('archives')]]
    if (root !== '/') {
      all.push(
        ['Dir', `${root}/`],
        ['Dir::State::status', path.join(root, 'var/lib/dpkg/status')],
        ['DPkg::Options::', `--root=${root}`]
      )
    }
    if (sources === 'added')
      all.push(
        ['Dir::Etc::sourcelist', at('added.list')],
        ['Dir::Etc::sourceparts', '/dev/null'],
        ['APT::Get::List-Cleanup', '0']
      )
    else if (added) all.push(['Dir::Etc::sourcelist', at('added.list')], ['Dir::Etc::sourceparts', at('parts')])
    return all.flatMap(([name, value]) => ['-o', `${name}=${value}`])
  }

  async function apt(words: readonly string[], sources: 'all' | 'added' = 'all'): Promise<ChildResult> {
    for (let attempt = 1; ; attempt += 1) {
      const result = await run('apt-get', [...settings(sources), ...words], true)
      if (result.code === 0) return result
      const said = `${result.stderr}\n${result.stdout}`
      if (attempt >= tries || !passing.test(said)) {
        throw new UserError('SB304', `apt-get ${words[0] ?? ''} failed: ${reasons(said)}`)
      }
      context.log.info(`apt-get is busy or the network is not there (${reasons(said)}); trying again.`)
      await context.clock.sleep(waitMs * attempt, context.signal)
    }
  }

  async function knows(address: string): Promise<boolean> {
    const result = await run(
      'apt-get',
      [...settings('all'), 'indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'],
      false
    )
    const plain = (text: string) =>
      text
        .trim()
        .replace(/^https?:\/\//, '')
        .replace(/\/+$/, '')
    return result.stdout.split('\n').some((line) => line !== '' && plain(line) === plain(address))
  }

  return {
    archives: at('archives'),
    async candidate(name) {
      const result = await run('apt-cache', [...settings('all'), 'policy', name], false)
      const version = /^ {2}Candidate: (\S+)$/m.exec(result.stdout)?.[1]
      return version === undefined || version === '(none)' ? undefined : version
    },
    async add(repository) {
      // The same repository under two keys is an error of apt's.
      if (await knows(repository.address)) return false
      await writeFile(at('key.asc'), repository.key, { mode: 0o644 })
      const line = `deb [signed-by=${at('key.asc')}] ${repository.address} ${repository.suite} ${repository.component}\n`
      await writeFile(at('added.list'), line, { mode: 0o644 })
      await linkSources(root, at('parts'))
      added = true
      await apt(['update'], 'added')
      return true
    },
    async update() {
      try {
        await apt(['update'])
      } catch (thrown) {
        context.signal.throwIfAborted()
        if (!(thrown instanceof UserError)) throw thrown
        context.log.info(`${thrown.message} Going on with the lists that could be fetched.`)
      }
    },
    async files(names) {
      const result = await apt([
        'install',
        '-y',
        '--no-install-recommends',
        '--print-uris',
        '-o',
        'Acquire::ForceHash=SHA256',
        ...names
      ])
      return filesOf(result.stdout)
    },
    async install(names) {
      await apt(['install', '-y', '--no-install-recommends', ...names])
    },
    async dispose() {
      await rm(folder, { recursive: true, force: true }).catch(async () => {
        // Files that apt wrote as root into a folder of this user.
        await run('rm', ['-rf', '--', folder], true).catch(() => undefined)
      })
    }
  }
}

/** The machine's own lists, seen from another folder, so that one more can stand beside them. */
async function linkSources(root: string, folder: string): Promise<void> {
  const etc = path.join(root, 'etc/apt')
  const names = await readdir(path.join(etc, 'sources.list.d')).catch(() => [])
  for (const name of names) {
    if (/\.(?:list|sources)$/.test(name)) await symlink(path.join(etc, 'sources.list.d', name), path.join(folder, name))
  }
  const main = path.join(etc, 'sources.list')
  const exists = await readFile(main).then(
    () => true,
    () => false
  )
  if (exists) await symlink(main, path.join(folder, 'zz-machine.list'))
}

/** Lines `'address' file size SHA256:hash`; a file without this hash is left out and then never taken from a cache. */
function filesOf(output: string): AptFile[] {
  return [...output.matchAll(/^'[^']*' (\S+\.deb) (\d+) SHA256:([0-9a-f]{64})$/gm)].map(
    ([, name = '', bytes, sha256 = '']) => ({
      name,
      bytes: Number(bytes),
      sha256
    })
  )
}

/** Proxies are the one thing of this process's environment that apt may need. */
function proxies(): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of ['http_proxy', 'https_proxy', 'no_proxy']) {
    const value = process.env[name] ?? process.env[name.toUpperCase()]
    if (value !== undefined && value !== '') found[name] = value
  }
  return found
}

function reasons(said: string): string {
  const lines = said.split('\n').filter((line) => /^(?:E|W|sudo|dpkg): ?|error:/.test(line))
  return (lines.length > 0 ? lines : said.trim().split('\n').slice(-3)).join(' ').slice(0, 600)
}
