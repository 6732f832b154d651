import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Context } from '../context.ts'
import { UserError } from '../errors.ts'
import { childEnvironment, runChild, startChild } from './child-process.ts'
import { gitError, type PushOutcome, pushOutcome } from './git-errors.ts'

/** One entry of a tree. `name` holds one character a byte: names of others need not be UTF-8. */
export interface TreeEntry {
  readonly mode: string
  readonly type: 'blob' | 'tree' | 'commit'
  readonly oid: string
  readonly name: string
}

/** The tip of a branch. */
export interface Head {
  readonly commit: string
  readonly tree: string
}

export interface GitOptions {
  /** `GITHUB_SERVER_URL`: scheme, host and port. */
  readonly serverUrl: string
  /** `owner/name` */
  readonly repository: string
  readonly token: string
  /** Seconds after which a transfer without any byte counts as broken (300 when left out). */
  readonly stallSeconds?: number
  /** Further environment for git, as `https_proxy` or `GIT_SSL_CAINFO`. */
  readonly environment?: Readonly<Record<string, string>>
}

/**
 * git on a private repository in the run's own folder: no work tree, no blobs but those that are asked for, none of the user's or
 * the machine's settings, no hooks, no credential helpers. The token is in the environment of the git processes alone.
 */
export interface Git {
  /** Refuses, with SB001, what git does not take as the name of a branch. */
  checkBranch(branch: string): Promise<void>
  /** The tip of a branch with all its trees, without blobs and history; null where there is no such branch. */
  fetchBranch(branch: string): Promise<Head | null>
  /** Refs of the server under a prefix, with what they point at. */
  remoteRefs(prefix: string): Promise<ReadonlyMap<string, string>>
  /** Brings blobs here in one round trip. */
  fetchBlobs(oids: readonly string[]): Promise<void>
  /** Blobs that are here, whole: for small ones. */
  readBlobs(oids: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>
  /** Fetches one blob of any size into a place of its own. */
  fetchFile(oid: string): Promise<FetchedFile>
  /** Writes a blob; throws SB414 when the bytes read have another length or SHA-256. Returns its object id. */
  writeBlob(body: { readonly bytes: number; readonly sha256: string; open(): Readable }): Promise<string>
  /** Removes written blobs here, once the server has them. */
  dropBlobs(oids: readonly string[]): Promise<void>
  /** Entries of a tree, of that level alone or with all below (paths as names). */
  readTree(oid: string, deep?: boolean): Promise<readonly TreeEntry[]>
  writeTree(entries: readonly TreeEntry[]): Promise<string>
  writeCommit(commit: { readonly tree: string; readonly parents: readonly string[]; readonly message: string }): Promise<string>
  /**
   * Moves a ref of the server, only forwards; with `lease` also elsewhere, but only while it is at that commit. A null commit
   * deletes it. What the parents of the commits to be sent hold is not sent again, and need not be here.
   */
  push(ref: string, commit: string | null, lease?: string): Promise<PushOutcome>
  /** From `head` back: the commits that this program made, up to the first that it did not make. */
  ownHistory(head: string): Promise<OwnHistory>
  /** Brings one commit with its trees here. */
  fetchCommit(commit: string): Promise<void>
  close(): Promise<void>
}

export interface OwnHistory {
  /** How many commits of this program there are before `base`. */
  readonly count: number
  /** The newest commit that must stay: one of somebody else, or where looking back ended. Null when all is ours. */
  readonly base: string | null
}

/** A blob in a place of its own. */
export interface FetchedFile {
  readonly bytes: number
  /** A fresh stream; it ends in an error when git fails or the length differs. */
  open(): Readable
  /** Frees its space. */
  drop(): Promise<void>
}

export const committer = { name: 'Supabase Backup', email: 'supabase-backup@action.invalid' } as const
/** How far back history is looked at. */
const deepest = [1000, 20_000] as const

export function gitClient(options: GitOptions, context: Context): Git {
  const origin = new URL(options.serverUrl).origin
  const url = `${origin}/${options.repository}.git`
  const home = join(context.temp, `git-${Buffer.from(context.randomBytes(6)).toString('hex')}`)
  const closing = new AbortController()
  const signal = AbortSignal.any([context.signal, closing.signal])
  let prepared: Promise<string> | undefined
  let filterless = false
  let scratch = 0
  let network: Promise<unknown> = Promise.resolve()

  const settings: Readonly<Record<string, string>> = {
    [`http.${origin}/.extraheader`]: `Authorization: Basic ${Buffer.from(`x-access-token:${options.token}`).toString('base64')}`,
    'remote.origin.url': url,
    // A redirect could lead the token and the backup elsewhere; a renamed repository is told instead.
    'http.followRedirects': 'false',
    // A server that keeps the connection alive sends a few bytes every 5 s, so only real silence is meant.
    'http.lowSpeedLimit': '1',
    'http.lowSpeedTime': String(options.stallSeconds ?? 300),
    'credential.helper': '',
    'core.askPass': '',
    'core.hooksPath': '/dev/null',
    'core.attributesFile': '/dev/null',
    'core.compression': '0',
    'pack.window': '0',
    'pack.useSparse': 'false',
    'pack.threads': '1',
    'gc.auto': '0',
    'maintenance.auto': 'false',
    'protocol.version': '2',
    'advice.pushUpdateRejected': 'false'
  }
  const environment = (folder: string, extra: Readonly<Record<string, string>> = {}) =>
    childEnvironment(home, {
      ...options.environment,
      GIT_DIR: folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_TERMINAL_PROMPT: '0',
      // Honoured from git 2.45 on: what is not here fails instead of being fetched one by one.
      GIT_NO_LAZY_FETCH: '1',
      GIT_ALLOW_PROTOCOL: new URL(origin).protocol.slice(0, -1),
      GIT_CONFIG_COUNT: String(Object.keys(settings).length),
      ...Object.fromEntries(
        Object.entries(settings).flatMap(([key, value], index) => [
          [`GIT_CONFIG_KEY_${index}`, key],
          [`GIT_CONFIG_VALUE_${index}`, value]
        ])
      ),
      ...extra
    })

  const newRepository = async (name: string): Promise<string> => {
    const folder = join(home, name)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const result = await runChild({
      command: 'git',
      args: ['init', '--bare', '--quiet', '--template='],
      env: environment(folder),
      cwd: folder,
      signal
    })
    if (result.code !== 0) throw gitError('init', options.repository, result.stderr)
    return folder
  }
  const repository = () => {
    prepared ??= newRepository('objects.git')
    return prepared
  }

  const exec = async (
    args: readonly string[],
    more: { stdin?: string | Readable; extra?: Readonly<Record<string, string>>; folder?: string } = {}
  ) => {
    const folder = more.folder ?? (await repository())
    return runChild({
      command: 'git',
      args,
      env: environment(folder, more.extra),
      cwd: folder,
      signal,
      ...(more.stdin === undefined ? {} : { stdin: more.stdin })
    })
  }
  /** Runs a step that must succeed; returns its output without the line end. */
  const must = async (args: readonly string[], more: Parameters<typeof exec>[1] = {}): Promise<string> => {
    const result = await exec(args, more)
    if (result.code !== 0 || result.cut) throw gitError(args[0] ?? '', options.repository, result.stderr)
    return result.stdout.trimEnd()
  }
  /** All that a step writes, as bytes. */
  const bytesOf = async (args: readonly string[], stdin?: string): Promise<Buffer> => {
    const folder = await repository()
    const child = startChild({
      command: 'git',
      args,
      env: environment(folder),
      cwd: folder,
      signal,
      stdin: stdin === undefined ? 'ignore' : 'pipe',
      stdout: 'pipe'
    })
    try {
      child.stdin?.end(stdin)
      const chunks: Uint8Array[] = []
      for await (const chunk of child.stdout ?? []) chunks.push(chunk)
      const exit = await child.done
      if (exit.code !== 0) throw gitError(args[0] ?? '', options.repository, exit.stderr)
      return Buffer.concat(chunks)
    } catch (error) {
      await child.dispose()
      throw error
    }
  }
  /** One transfer at a time: transfers of one repository lock each other out by failing. */
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const result = network.then(work, work)
    network = result.catch(() => undefined)
    return result
  }
  const fetch = async (args: readonly string[], more: Parameters<typeof exec>[1] = {}) => {
    const result = await exec(['fetch', '--quiet', '--no-tags', '--recurse-submodules=no', ...args], more)
    if (/filtering not recognized by server/.test(result.stderr)) filterless = true
    return result
  }

  const fetchInto = async (folder: string, oid: string): Promise<void> => {
    const result = await fetch(['--no-write-fetch-head', '--depth=1', 'origin', oid], { folder })
    if (result.code !== 0) throw gitError('fetch of a file', options.repository, result.stderr)
  }

  async function* stream(folder: string, oid: string, bytes: number): AsyncGenerator<Uint8Array> {
    const child = startChild({ command: 'git', args: ['cat-file', 'blob', oid], env: environment(folder), cwd: folder, signal, stdout: 'pipe' })
    let length = 0
    try {
      for await (const chunk of child.stdout ?? []) {
        length += chunk.length
        yield chunk
      }
      const exit = await child.done
      if (exit.code !== 0) throw gitError('cat-file', options.repository, exit.stderr)
    } finally {
      await child.dispose()
    }
    if (length !== bytes) throw new UserError('SB501', `A file of ${options.repository} ended after ${length} of ${bytes} bytes.`)
  }

  return {
    async checkBranch(branch) {
      const { code } = await exec(['check-ref-format', `refs/heads/${branch}`])
      if (code !== 0 || branch.startsWith('-')) {
        throw new UserError('SB001', `The input \`branch\` is ${JSON.stringify(branch)}, which git does not take as the name of a branch.`, {
          remedy: 'Use a name such as `backups`.'
        })
      }
    },

    fetchBranch: (branch) =>
      alone(async () => {
        const local = 'refs/backup/head'
        const result = await fetch(['--no-write-fetch-head', '--depth=1', '--filter=blob:none', 'origin', `+refs/heads/${branch}:${local}`])
        if (result.code !== 0) {
          if (/couldn't find remote ref/i.test(result.stderr)) return null
          throw gitError('fetch', options.repository, result.stderr)
        }
        const [commit = '', tree = ''] = (await must(['rev-parse', `${local}^{commit}`, `${local}^{tree}`])).split('\n')
        return { commit, tree }
      }),

    async remoteRefs(prefix) {
      const lines = (await must(['ls-remote', 'origin', `${prefix}*`])).split('\n').filter((line) => line !== '')
      return new Map(
        lines.map((line): readonly [string, string] => {
          const [oid = '', ref = ''] = line.split('\t')
          return [ref, oid]
        })
      )
    },

    async fetchBlobs(oids) {
      if (oids.length === 0 || filterless) return
      await alone(async () => {
        const result = await exec(
          // As git itself fetches what a blobless repository lacks (promisor-remote.c).
          ['-c', 'fetch.negotiationAlgorithm=noop', 'fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--recurse-submodules=no', '--filter=blob:none', '--stdin', 'origin'],
          { stdin: `${oids.join('\n')}\n` }
        )
        if (result.code !== 0) throw gitError('fetch of manifests', options.repository, result.stderr)
      })
    },

    async readBlobs(oids) {
      const found = new Map<string, Uint8Array>()
      if (oids.length === 0) return found
      const all = await bytesOf(['cat-file', '--batch'], `${oids.join('\n')}\n`)
      let at = 0
      for (const oid of oids) {
        const end = all.indexOf(10, at)
        const [, type, size = ''] = all.subarray(at, end).toString('latin1').split(' ')
        if (end < 0 || type !== 'blob') throw new UserError('SB401', `${options.repository} did not send a manifest or record (${oid}).`, { mayPass: true })
        const start = end + 1
        at = start + Number(size) + 1
        found.set(oid, all.subarray(start, at - 1))
      }
      return found
    },

    fetchFile: (oid) =>
      alone(async () => {
        // A repository of its own, so that its space can be given back at once.
        const own = !filterless
        const folder = own ? await newRepository(`file-${++scratch}.git`) : await repository()
        if (own) await fetchInto(folder, oid)
        const bytes = Number(await must(['cat-file', '-s', oid], { folder }))
        return {
          bytes,
          open: () => Readable.from(stream(folder, oid, bytes), { objectMode: false, highWaterMark: 256 * 1024 }),
          drop: () => (own ? rm(folder, { recursive: true, force: true }) : Promise.resolve())
        }
      }),

    async writeBlob(body) {
      const digest = createHash('sha256')
      let bytes = 0
      async function* counted(): AsyncGenerator<Uint8Array> {
        for await (const chunk of body.open()) {
          bytes += chunk.length
          digest.update(chunk)
          yield chunk
        }
        if (bytes !== body.bytes || digest.digest('hex') !== body.sha256) {
          throw new UserError('SB414', `A file to be stored has other bytes than stated (${bytes} instead of ${body.bytes}, or another SHA-256).`)
        }
      }
      return must(['hash-object', '-w', '--stdin'], { stdin: Readable.from(counted(), { objectMode: false }) })
    },

    async dropBlobs(oids) {
      const folder = await repository()
      for (const oid of oids) await rm(join(folder, 'objects', oid.slice(0, 2), oid.slice(2)), { force: true })
    },

    async readTree(oid, deep = false) {
      const text = (await bytesOf(['ls-tree', '-z', ...(deep ? ['-r'] : []), oid])).toString('latin1')
      return text
        .split('\0')
        .filter((line) => line !== '')
        .map((line) => {
          const tab = line.indexOf('\t')
          const [mode = '', type = '', id = ''] = line.slice(0, tab).split(' ')
          return { mode, type: type === 'tree' || type === 'commit' ? type : 'blob', oid: id, name: line.slice(tab + 1) }
        })
    },

    writeTree(entries) {
      // Blobs of other backups are not here, on purpose: `--missing`.
      const lines = entries.map(({ mode, type, oid, name }) => `${mode} ${type} ${oid}\t${name}\0`)
      return must(['mktree', '-z', '--missing'], { stdin: Readable.from([Buffer.from(lines.join(''), 'latin1')]) })
    },

    writeCommit({ tree, parents, message }) {
      const date = `${Math.floor(context.clock.now().getTime() / 1000)} +0000`
      return must(['commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent])], {
        stdin: `${message}\n`,
        extra: {
          GIT_AUTHOR_NAME: committer.name,
          GIT_AUTHOR_EMAIL: committer.email,
          GIT_AUTHOR_DATE: date,
          GIT_COMMITTER_NAME: committer.name,
          GIT_COMMITTER_EMAIL: committer.email,
          GIT_COMMITTER_DATE: date
        }
      })
    },

    push: (ref, commit, lease) =>
      alone(async () => {
        const result = await exec([
          'push',
          '--porcelain',
          '--no-verify',
          '--no-signed',
          '--recurse-submodules=no',
          ...(lease === undefined ? [] : [`--force-with-lease=${ref}:${lease}`]),
          'origin',
          `${commit ?? ''}:${ref}`
        ])
        return pushOutcome(options.repository, result.code, result.stdout, result.stderr)
      }),

    ownHistory: (head) =>
      alone(async () => {
        for (const depth of deepest) {
          const folder = await newRepository(`history-${++scratch}.git`)
          try {
            const result = await fetch([`--depth=${depth}`, '--filter=tree:0', 'origin', `+${head}:refs/backup/history`], { folder })
            if (result.code !== 0) throw gitError('fetch of the history', options.repository, result.stderr)
            const log = await bytesOfLog(folder)
            let count = 0
            for (const { commit, parents, email } of log) {
              if (email !== committer.email || parents.length > 1) return { count, base: commit }
              count += 1
            }
            const oldest = log.at(-1)?.commit
            const cut = (await must(['rev-parse', '--is-shallow-repository'], { folder })) === 'true'
            if (!cut) return { count, base: null }
            if (depth === deepest.at(-1) && oldest !== undefined) return { count: count - 1, base: oldest }
          } finally {
            await rm(folder, { recursive: true, force: true })
          }
        }
        return { count: 0, base: head }
      }),

    fetchCommit: (commit) =>
      alone(async () => {
        const result = await fetch(['--no-write-fetch-head', '--depth=1', '--filter=blob:none', 'origin', commit])
        if (result.code !== 0) throw gitError('fetch', options.repository, result.stderr)
      }),

    async close() {
      closing.abort(new Error('closed'))
      await network
      await rm(home, { recursive: true, force: true }).catch((error: unknown) => context.log.debug(`git's folder was not removed: ${String(error)}`))
    }
  }

  async function bytesOfLog(folder: string) {
    const child = await runChild({
      command: 'git',
      args: ['log', '--first-parent', '--format=%H %ce %P', 'refs/backup/history'],
      env: environment(folder),
      cwd: folder,
      signal,
      maxOutput: 64 * 1024 * 1024
    })
    if (child.code !== 0) throw gitError('log', options.repository, child.stderr)
    return child.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        // The address of a committer holds no blank: git strips what it cannot hold, and ours is known.
        const [commit = '', email = '', ...parents] = line.split(' ')
        return { commit, email, parents: parents.filter((parent) => parent !== '') }
      })
  }
}
