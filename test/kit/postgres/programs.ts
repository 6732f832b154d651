import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The PostgreSQL major versions that the tests have server and client programs of. */
export type Major = 15 | 17 | 18
export const majors: readonly Major[] = [15, 17, 18]

/**
 * The folder with the server programs (initdb, pg_ctl, postgres) and the client programs (pg_dump, pg_restore, psql,
 * pg_dumpall) of one major version: what the input `pg-bin` takes. Every user of the machine can read it.
 */
export function binDirOf(major: Major): string {
  const folder =
    major === 15
      ? '/usr/lib/postgresql/15/bin'
      : fileURLToPath(new URL(`../../../.parts/postgresql-${major}/bin`, import.meta.url))
  if (!existsSync(`${folder}/pg_dump`) || !existsSync(`${folder}/postgres`)) {
    throw new Error(`The programs of PostgreSQL ${major} are not in ${folder}. Run: sh scripts/install-parts`)
  }
  return realpathSync(folder)
}

/** What a child process left behind. */
export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Buffer
  readonly cwd?: string
  readonly uid?: number
  readonly gid?: number
}

/** Runs a program to its end, whatever its exit code, with a small environment of its own. Never through a shell. */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.cwd ?? '/',
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', HOME: '/nonexistent', ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid })
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    // A child that ends without reading its input breaks the pipe: its exit code tells more than that does.
    child.stdin.on('error', () => undefined)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString('utf8') })
    })
    child.stdin.end(options.input ?? '')
  })
}

/** Like `run`, but a non-zero exit is an error that shows what the program wrote. */
export async function runOk(file: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const finished = await run(file, args, options)
  if (finished.code !== 0) {
    throw new Error(`${file} ended with ${finished.code ?? finished.signal}:\n${finished.stderr.slice(0, 20_000)}`)
  }
  return finished
}
