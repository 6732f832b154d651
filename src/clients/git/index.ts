import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Context } from '../../context.ts'
import { UserError } from '../../errors.ts'
import { gitError, type PushOutcome, pushOutcome } from './errors.ts'
import { type GitOptions, type GitProcess, gitProcess } from './process.ts'

export type { GitOptions } from './process.ts'

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
  /** Lengths of blobs that are here, in bytes. */
  blobSizes(oids: readonly string[]): Promise<ReadonlyMap<string, number>>
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
  writeCommit(commit: {
    readonly tree: string
    readonly parents: readonly string[]
    readonly message: string
  }): Promise<string>
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
  const git = gitProcess(options, context)
  let filterless = false
  let scratch = 0
  let network: Promise<unknown> = Promise.resolve()

  /** One transfer at a time: transfers of one repository lock each other out by failing. */
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const result = network.then(work, work)
    network = result.catch(() => undefined)
    return result
  }
  const fetch = async (args: readonly string[], more: Parameters<GitProcess['run']>[1] = {}) => {
    const result = await git.run(['fetch', '--quiet', '--no-tags', '--recurse-submodules=no', ...args], more)
    if (/filtering not recognized by server/.test(result.stderr)) filterless = true
    return result
  }

  const fetchInto = async (folder: string, oid: string): Promise<void> => {
    const result = await fetch(['--no-write-fetch-head', '--depth=1', 'origin', oid], { folder })
    if (result.code !== 0) throw gitError('fetch of a file', options.repository, result.stderr)
  }

  /** What git says of a blob before its bytes, or instead of them: `<oid> blob <size>`. */
  const sizeIn = (line: string, oid: string): number => {
    const [, type, size] = line.split(' ')
    if (type === 'blob') return Number(size)
    throw new UserError('SB401', `${options.repository} did not send a manifest or record (${oid}).`, { mayPass: true })
  }

  async function* stream(folder: string, oid: string, bytes: number): AsyncGenerator<Uint8Array> {
    const child = git.start(['cat-file', 'blob', oid], folder)
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
    if (length !== bytes)
      throw new UserError('SB501', `A file of ${options.repository} ended after ${length} of ${bytes} bytes.`)
  }

  return {
    async checkBranch(branch) {
      const { code } = await git.run(['check-ref-format', `refs/heads/${branch}`])
      if (code !== 0 || branch.startsWith('-')) {
        throw new UserError(
          'SB001',
          `The input \`branch\` is ${JSON.stringify(branch)}, which git does not take as the name of a branch.`,
          {
            remedy: 'Use a name such as `backups`.'
          }
        )
      }
    },

    fetchBranch: (branch) =>
      alone(async () => {
        const local = 'refs/backup/head'
        const result = await fetch([
          '--no-write-fetch-head',
          '--depth=1',
          '--filter=blob:none',
          'origin',
          `+refs/heads/${branch}:${local}`
        ])
        if (result.code !== 0) {
          if (/couldn't find remote ref/i.test(result.stderr)) return null
          throw gitError('fetch', options.repository, result.stderr)
        }
        const [commit = '', tree = ''] = (await git.must(['rev-parse', `${local}^{commit}`, `${local}^{tree}`])).split(
          '\n'
        )
        return { commit, tree }
      }),

    async remoteRefs(prefix) {
      const lines = (await git.must(['ls-remote', 'origin', `${prefix}*`])).split('\n').filter((line) => line !== '')
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
        const result = await git.run(
          // As git itself fetches what a blobless repository lacks (promisor-remote.c).
          [
            '-c',
            'fetch.negotiationAlgorithm=noop',
            'fetch',
            '--quiet',
            '--no-tags',
            '--no-write-fetch-head',
            '--recurse-submodules=no',
            '--filter=blob:none',
            '--stdin',
            'origin'
          ],
          { stdin: `${oids.join('\n')}\n` }
        )
        if (result.code !== 0) throw gitError('fetch of manifests', options.repository, result.stderr)
      })
    },

    async blobSizes(oids) {
      const found = new Map<string, number>()
      if (oids.length === 0) return found
      const lines = await git.bytes(['cat-file', '--batch-check'], { stdin: `${oids.join('\n')}\n` })
      const told = lines.toString('latin1').split('\n')
      for (const [at, oid] of oids.entries()) found.set(oid, sizeIn(told[at] ?? '', oid))
      return found
    },

    async readBlobs(oids) {
      const found = new Map<string, Uint8Array>()
      if (oids.length === 0) return found
      const all = await git.bytes(['cat-file', '--batch'], { stdin: `${oids.join('\n')}\n` })
      let at = 0
      for (const oid of oids) {
        const end = all.indexOf(10, at)
        const size = sizeIn(end < 0 ? '' : all.subarray(at, end).toString('latin1'), oid)
        const start = end + 1
        at = start + size + 1
        found.set(oid, all.subarray(start, at - 1))
      }
      return found
    },

    fetchFile: (oid) =>
      alone(async () => {
        // A repository of its own, so that its space can be given back at once.
        const own = !filterless
        const folder = own ? await git.newRepository(`file-${++scratch}.git`) : await git.repository()
        if (own) await fetchInto(folder, oid)
        const bytes = Number(await git.must(['cat-file', '-s', oid], { folder }))
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
          throw new UserError(
            'SB414',
            `A file to be stored has other bytes than stated (${bytes} instead of ${body.bytes}, or another SHA-256).`
          )
        }
      }
      return git.must(['hash-object', '-w', '--stdin'], { stdin: Readable.from(counted(), { objectMode: false }) })
    },

    async dropBlobs(oids) {
      const folder = await git.repository()
      for (const oid of oids) await rm(join(folder, 'objects', oid.slice(0, 2), oid.slice(2)), { force: true })
    },

    async readTree(oid, deep = false) {
      const text = (await git.bytes(['ls-tree', '-z', ...(deep ? ['-r'] : []), oid])).toString('latin1')
      return text
        .split('\0')
        .filter((line) => line !== '')
        .map((line) => {
          const tab = line.indexOf('\t')
          const [mode = '', type = '', id = ''] = line.slice(0, tab).split(' ')
          return {
            mode,
            type: type === 'tree' || type === 'commit' ? type : 'blob',
            oid: id,
            name: line.slice(tab + 1)
          }
        })
    },

    writeTree(entries) {
      // Blobs of other backups are not here, on purpose: `--missing`.
      const lines = entries.map(({ mode, type, oid, name }) => `${mode} ${type} ${oid}\t${name}\0`)
      return git.must(['mktree', '-z', '--missing'], { stdin: Readable.from([Buffer.from(lines.join(''), 'latin1')]) })
    },

    writeCommit({ tree, parents, message }) {
      const date = `${Math.floor(context.clock.now().getTime() / 1000)} +0000`
      return git.must(['commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent])], {
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
        const result = await git.run([
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
          const folder = await git.newRepository(`history-${++scratch}.git`)
          try {
            const result = await fetch(
              [`--depth=${depth}`, '--filter=tree:0', 'origin', `+${head}:refs/backup/history`],
              { folder }
            )
            if (result.code !== 0) throw gitError('fetch of the history', options.repository, result.stderr)
            const log = await logOf(folder)
            let count = 0
            for (const { commit, parents, email } of log) {
              if (email !== committer.email || parents.length > 1) return { count, base: commit }
              count += 1
            }
            const oldest = log.at(-1)?.commit
            const cut = (await git.must(['rev-parse', '--is-shallow-repository'], { folder })) === 'true'
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
      await git.close()
      await network
    }
  }

  async function logOf(folder: string) {
    const text = (
      await git.bytes(['log', '--first-parent', '--format=%H %ce %P', 'refs/backup/history'], { folder })
    ).toString('latin1')
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        // Ours holds no blank; an address of others that does cannot be taken for it.
        const [commit = '', email = '', ...parents] = line.split(' ')
        return { commit, email, parents: parents.filter((parent) => parent !== '') }
      })
  }
}
