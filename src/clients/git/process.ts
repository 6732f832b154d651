import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Context } from '../../context.ts'
import {
  type ChildResult,
  childEnvironment,
  type RunningChild,
  runChild,
  startChild
} from '../process/child-process.ts'
import { gitError } from './errors.ts'

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

interface StepOptions {
  readonly stdin?: string | Readable
  /** Further environment. */
  readonly extra?: Readonly<Record<string, string>>
  /** The repository to work on; the main one when left out. */
  readonly folder?: string
}

/** Starts git processes with settings and an environment of their own. */
export interface GitProcess {
  /** Makes a bare repository in the run's folder. */
  newRepository(name: string): Promise<string>
  /** The main repository, made at the first call. */
  repository(): Promise<string>
  /** Runs a step; its exit code is the caller's to judge. */
  run(args: readonly string[], step?: StepOptions): Promise<ChildResult>
  /** Runs a step that must succeed; returns its output without the line end. */
  must(args: readonly string[], step?: StepOptions): Promise<string>
  /** All that a step which must succeed writes, as bytes. */
  bytes(args: readonly string[], step?: StepOptions): Promise<Buffer>
  /** Starts a step whose output is streamed. */
  start(args: readonly string[], folder: string): RunningChild
  /** Ends all steps and removes the repositories. Never throws. */
  close(): Promise<void>
}

export function gitProcess(options: GitOptions, context: Context): GitProcess {
  const origin = new URL(options.serverUrl).origin
  const home = join(context.temp, `git-${Buffer.from(context.randomBytes(6)).toString('hex')}`)
  const closing = new AbortController()
  const signal = AbortSignal.any([context.signal, closing.signal])
  const running = new Set<Promise<unknown>>()
  let prepared: Promise<string> | undefined
  // The token is in no environment, which every process of this user can read: git takes it from a file in the run's own folder.
  const credentials = join(home, 'credentials')
  const basic = Buffer.from(`x-access-token:${options.token}`).toString('base64')
  let written: Promise<void> | undefined
  const writeCredentials = async () => {
    await mkdir(home, { recursive: true, mode: 0o700 })
    const text = `[http "${origin}/"]\n\textraheader = "Authorization: Basic ${basic}"\n`
    await writeFile(credentials, text, { mode: 0o600 })
  }

  const settings: Readonly<Record<string, string>> = {
    'remote.origin.url': `${origin}/${options.repository}.git`,
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
      GIT_CONFIG_GLOBAL: credentials,
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

  const start = (
    args: readonly string[],
    folder: string,
    stdin: 'pipe' | 'ignore',
    extra?: Readonly<Record<string, string>>
  ) => {
    const child = startChild({
      command: 'git',
      args,
      env: environment(folder, extra),
      cwd: folder,
      signal,
      stdin,
      stdout: 'pipe'
    })
    track(child.done)
    return child
  }
  const track = (work: Promise<unknown>) => {
    running.add(work)
    const gone = () => running.delete(work)
    work.then(gone, gone)
  }

  const self: GitProcess = {
    async newRepository(name) {
      const folder = join(home, name)
      written ??= writeCredentials()
      await written
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await self.must(['init', '--bare', '--quiet', '--template='], { folder })
      return folder
    },

    repository() {
      prepared ??= self.newRepository('objects.git')
      return prepared
    },

    async run(args, step = {}) {
      const folder = step.folder ?? (await self.repository())
      const result = runChild({
        command: 'git',
        args,
        env: environment(folder, step.extra),
        cwd: folder,
        signal,
        ...(step.stdin === undefined ? {} : { stdin: step.stdin })
      })
      track(result)
      return result
    },

    async must(args, step) {
      const result = await self.run(args, step)
      if (result.code !== 0 || result.cut) throw gitError(args[0] ?? '', options.repository, result.stderr)
      return result.stdout.trimEnd()
    },

    async bytes(args, step = {}) {
      if (step.stdin !== undefined && typeof step.stdin !== 'string')
        throw new Error('only text is given to a step whose output is collected')
      const child = start(
        args,
        step.folder ?? (await self.repository()),
        step.stdin === undefined ? 'ignore' : 'pipe',
        step.extra
      )
      try {
        child.stdin?.end(step.stdin)
        const chunks: Uint8Array[] = []
        for await (const chunk of child.stdout ?? []) chunks.push(chunk)
        const exit = await child.done
        if (exit.code !== 0) throw gitError(args[0] ?? '', options.repository, exit.stderr)
        return Buffer.concat(chunks)
      } catch (error) {
        await child.dispose()
        throw error
      }
    },

    start: (args, folder) => start(args, folder, 'ignore'),

    async close() {
      closing.abort(new Error('closed'))
      await Promise.allSettled(running)
      try {
        await rm(home, { recursive: true, force: true })
      } catch (error) {
        context.log.debug(`git's folder was not removed: ${String(error)}`)
      }
    }
  }
  return self
}
