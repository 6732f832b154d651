import { readFile } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import type { ClientPrograms } from '../../../clients/postgres/programs.ts'
import { type RunningChild, startChild } from '../../../clients/process/child-process.ts'
import { dumpError, dumpWarnings } from './dump-errors.ts'

/** Standard error that is kept: the head, where the first error stands. */
const keptErrors = 64 * 1024

export interface DumpOptions {
  readonly programs: Pick<ClientPrograms, 'pgDump'>
  /** The child's whole environment, from `libpqEnvironment`. */
  readonly env: Readonly<Record<string, string>>
  readonly snapshotId: string
  readonly lockTimeoutMs: number
  /** Encoding of the database. */
  readonly encoding: string
  /** Of `selectTables`. */
  readonly selection: readonly string[]
  readonly stdout: 'pipe' | Writable
  readonly signal: AbortSignal
}

export interface RunningDump {
  readonly child: RunningChild
  /** Resolves with pg_dump's warnings; rejects with a UserError SB2xx. */
  readonly done: Promise<readonly string[]>
  /** Bytes written so far, as the system counts them; null where it does not say. */
  written(): Promise<number | null>
}

/** pg_dump's arguments. Nothing here can switch row level security on, and no secret is among them. */
export function dumpArguments(
  options: Pick<DumpOptions, 'snapshotId' | 'lockTimeoutMs' | 'encoding' | 'selection'>
): string[] {
  return [
    '--format=custom',
    '--compress=0',
    `--snapshot=${options.snapshotId}`,
    '--strict-names',
    `--lock-wait-timeout=${options.lockTimeoutMs}`,
    '--no-password',
    // Else it takes the `client_encoding` that somebody set for the database or the role. Names and rows are then read as what they are.
    ...(hasUtf8(options.encoding) ? ['--encoding=UTF8'] : []),
    ...options.selection
  ]
}

/** Whether the server can give its text as UTF8: not what it does not know the encoding of. Source: PostgreSQL, "Character Set Support". */
function hasUtf8(encoding: string): boolean {
  return encoding !== 'SQL_ASCII' && encoding !== 'MULE_INTERNAL'
}

/** Starts pg_dump on a snapshot. */
export function startDump(options: DumpOptions): RunningDump {
  let stderr = ''
  let piped = 0
  const child = startChild({
    command: options.programs.pgDump,
    args: dumpArguments(options),
    env: options.env,
    stdout: options.stdout,
    signal: options.signal,
    onStderr: (text) => {
      if (stderr.length < keptErrors) stderr = (stderr + text).slice(0, keptErrors)
    }
  })
  child.stdout?.on('data', (chunk: Uint8Array) => {
    piped += chunk.byteLength
  })
  // The listener above must not start the flow before the reader is there.
  child.stdout?.pause()
  const done = child.done.then((exit) => {
    if (exit.code !== 0 || exit.signal !== null) throw dumpError(exit, stderr)
    return dumpWarnings(stderr)
  })
  done.catch(() => undefined)
  return {
    child,
    done,
    written: async () => (child.stdout === null ? await writtenByProcess(child.pid) : piped)
  }
}

/** Bytes that a process wrote to files and pipes, where the system tells (Linux); its words to the server are not among them. */
async function writtenByProcess(pid: number): Promise<number | null> {
  try {
    const count = /^wchar: (\d+)$/m.exec(await readFile(`/proc/${pid}/io`, 'utf8'))?.[1]
    return count === undefined ? null : Number(count)
  } catch {
    // No such file: another system, or the process has just ended.
    return null
  }
}
