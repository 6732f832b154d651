import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { Readable, type Stream, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { asError, cancelled, UserError } from '../../errors.ts'

/** Milliseconds that a child has between SIGTERM and SIGKILL. */
const graceMs = 2000
const tailBytes = 16 * 1024

export interface ChildOptions {
  /** A program of PATH, or its path. */
  readonly command: string
  readonly args: readonly string[]
  /** The whole environment of the child; nothing of this process's is added. See `childEnvironment`. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Ends the child and everything that it started. */
  readonly signal: AbortSignal
  readonly uid?: number
  readonly gid?: number
}

export interface StartOptions extends ChildOptions {
  /** Standard input (`ignore` when left out). A stream must have a file descriptor, as for `spawn`. */
  readonly stdin?: 'pipe' | 'ignore' | Stream | number
  /** Standard output (`ignore` when left out). */
  readonly stdout?: 'pipe' | 'ignore' | Stream | number
  /** Called with what the child writes to standard error as it comes: hostile text, lines may be cut anywhere. */
  readonly onStderr?: (text: string) => void
}

/** How a child ended: with an exit code, or by a signal. */
export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The last 16 KiB of standard error. Hostile text. */
  readonly stderr: string
}

export interface RunningChild {
  readonly pid: number
  /** Its standard input when started with `pipe`. */
  readonly stdin: Writable | null
  /** Its standard output when started with `pipe`; must be read, or `done` never comes. */
  readonly stdout: Readable | null
  /**
   * Resolves when the child ended, whatever its exit code, and its pipes are drained. Rejects with the signal's reason when the signal
   * fired and with UserError SB302 when the program cannot be started.
   */
  readonly done: Promise<ChildExit>
  /** Ends the child and its process group (SIGTERM, after 2 s SIGKILL) and waits for it. Never throws; may be repeated. */
  dispose(): Promise<void>
}

export interface RunOptions extends ChildOptions {
  readonly stdin?: string | Uint8Array | Readable
  /** Most bytes of standard output that are kept (4 MiB when left out); the rest is read and dropped. */
  readonly maxOutput?: number
}

export interface ChildResult extends ChildExit {
  /** Standard output as UTF-8, its first `maxOutput` bytes. Hostile text. */
  readonly stdout: string
  /** Whether standard output was longer than what is kept. */
  readonly cut: boolean
}

/**
 * The environment for a child process: PATH of this process, a neutral locale and time zone, `home` as HOME and TMPDIR, and `extra`.
 * Nothing else of this process gets through: no inputs, no tokens, no PG*, GIT_* or NODE_OPTIONS.
 */
export function childEnvironment(
  home: string,
  extra: Readonly<Record<string, string>> = {}
): Readonly<Record<string, string>> {
  return {
    PATH: process.env.PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: home,
    TMPDIR: home,
    LANG: 'C',
    LC_ALL: 'C',
    TZ: 'UTC',
    ...extra
  }
}

/** Starts a program without a shell, in a process group of its own. */
export function startChild(options: StartOptions): RunningChild {
  options.signal.throwIfAborted()
  const child = spawn(options.command, options.args, {
    env: { ...options.env },
    // A group of its own: a signal to the group reaches what the child started, too.
    detached: true,
    shell: false,
    stdio: [options.stdin ?? 'ignore', options.stdout ?? 'ignore', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid })
  } satisfies SpawnOptions)
  const tail = stderrTail(child, options.onStderr)
  const group = processGroup(child)
  const aborted = () => {
    group.end()
    child.stdout?.destroy(cancelled(options.signal))
    child.stdin?.destroy()
  }
  options.signal.addEventListener('abort', aborted, { once: true })
  // A child that ends without reading all of its input is judged by its exit code.
  child.stdin?.on('error', () => undefined)
  // The consumer of stdout sees its errors through the stream it holds; without a consumer they must not end this process.
  child.stdout?.on('error', () => undefined)

  const ended = new Promise<ChildExit>((resolve, reject) => {
    child.once('error', (error) => {
      if (child.pid === undefined) reject(notStarted(options.command, error))
    })
    child.once('close', (code, signal) => resolve({ code, signal, stderr: tail() }))
  }).finally(() => {
    options.signal.removeEventListener('abort', aborted)
    group.forget()
  })
  const done = ended.then((exit) => {
    if (options.signal.aborted) throw cancelled(options.signal)
    return exit
  })
  // Callers may look at `done` only after they have drained stdout; the rejection stays theirs to see.
  done.catch(() => undefined)

  return {
    pid: child.pid ?? -1,
    stdin: child.stdin,
    stdout: child.stdout,
    done,
    async dispose() {
      group.end()
      child.stdout?.destroy()
      child.stdin?.destroy()
      await ended.then(
        () => undefined,
        () => undefined
      )
    }
  }
}

/**
 * Runs a program to its end and returns what it wrote and how it ended; the exit code is the caller's to judge. Rejects when the
 * signal fires, when the program cannot be started (SB302) and when a stream given as standard input fails.
 */
export async function runChild(options: RunOptions): Promise<ChildResult> {
  const { stdin, maxOutput = 4 * 1024 * 1024, ...rest } = options
  const child = startChild({ ...rest, stdin: stdin === undefined ? 'ignore' : 'pipe', stdout: 'pipe' })
  const kept: Uint8Array[] = []
  let length = 0
  let cut = false
  child.stdout?.on('data', (chunk: Uint8Array) => {
    const room = maxOutput - length
    if (chunk.byteLength > room) cut = true
    if (room <= 0) return
    const part = chunk.subarray(0, room)
    kept.push(part)
    length += part.byteLength
  })
  const fed = stdin === undefined || child.stdin === null ? Promise.resolve() : feed(stdin, child.stdin)
  try {
    const [exit] = await Promise.all([child.done, fed])
    return { ...exit, stdout: Buffer.concat(kept).toString('utf8'), cut }
  } catch (error) {
    await child.dispose()
    throw error
  }
}

async function feed(source: string | Uint8Array | Readable, target: Writable): Promise<void> {
  if (!(source instanceof Readable)) {
    target.end(source)
    return
  }
  let sourceError: Error | undefined
  source.once('error', (error) => {
    sourceError = asError(error)
  })
  try {
    await pipeline(source, target)
  } catch (error) {
    if (sourceError !== undefined && !isClosedPipe(sourceError)) throw sourceError
    if (!isClosedPipe(error)) throw error
  }
}

function isClosedPipe(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return (
    code === 'EPIPE' ||
    code === 'ERR_STREAM_PREMATURE_CLOSE' ||
    code === 'ERR_STREAM_DESTROYED' ||
    code === 'ECONNRESET'
  )
}

function stderrTail(child: ChildProcess, listener: ((text: string) => void) | undefined): () => string {
  let tail = Buffer.alloc(0)
  child.stderr?.on('error', () => undefined)
  child.stderr?.on('data', (chunk: Buffer) => {
    const all = Buffer.concat([tail, chunk])
    tail = all.byteLength > tailBytes ? Buffer.from(all.subarray(all.byteLength - tailBytes)) : all
    listener?.(chunk.toString('utf8'))
  })
  return () => tail.toString('utf8')
}

function processGroup(child: ChildProcess): { end(): void; forget(): void } {
  let timer: NodeJS.Timeout | undefined
  let gone = false
  const send = (signal: NodeJS.Signals) => {
    if (gone || child.pid === undefined) return
    try {
      process.kill(-child.pid, signal)
    } catch {
      // ESRCH: the whole group has ended already, which is what was asked for.
    }
  }
  return {
    end() {
      if (timer !== undefined) return
      send('SIGTERM')
      timer = setTimeout(() => send('SIGKILL'), graceMs)
    },
    forget() {
      gone = true
      clearTimeout(timer)
    }
  }
}

function notStarted(command: string, error: NodeJS.ErrnoException): UserError {
  const why = error.code === 'ENOENT' ? 'was not found' : `could not be started (${error.code ?? error.message})`
  return new UserError('SB302', `The program ${command} ${why}.`, { cause: error })
}
