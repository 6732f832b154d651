import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Result, resultSchema } from '../../src/result.ts'

export interface RunOptions {
  /** Inputs by their names in action.yml. */
  readonly inputs: Readonly<Record<string, string>>
  /** Environment besides the runner's own: a GitHub double's, for example. */
  readonly env?: Readonly<Record<string, string>>
  /** Keep this RUNNER_TEMP instead of a fresh one that is removed by `cleanUp`. */
  readonly temp?: string
  /** Called with the child as soon as it runs, to send signals. */
  readonly onStart?: (child: { pid: number; kill(signal: NodeJS.Signals): void; stopReading(): void }) => void
  /** Another build than dist/; the environment's SUPABASE_BACKUP_BUNDLE when left out. */
  readonly bundle?: string
}

export interface ActionRun {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Standard output and standard error, as the runner reads both. */
  readonly log: string
  readonly outputs: Readonly<Record<string, string>>
  readonly summary: string
  /** The parsed file of the output `result`; null when there is none. */
  readonly result: Result | null
  readonly temp: string
  /** The file of the outputs as the action wrote it. */
  readonly outputText: string
  cleanUp(): Promise<void>
  /** As `cleanUp`, but RUNNER_TEMP stays for another run. */
  cleanUpFiles(): Promise<void>
}

const root = resolve(import.meta.dirname, '../..')

/** Most tests look at other things than sealing: their backups may be read by whoever reaches the folder. */
const mayBePlain = { plaintext: 'private' }

/** The build that is tested: dist/, or another one that the environment names. */
export function bundlePath(): string {
  return process.env['SUPABASE_BACKUP_BUNDLE'] ?? join(root, 'dist/index.js')
}

/** Runs dist/index.js as the runner does: inputs as INPUT_ variables, files for outputs and summary, nothing else inherited. */
export async function runAction(options: RunOptions): Promise<ActionRun> {
  const bundle = options.bundle ?? bundlePath()
  if (!existsSync(bundle)) throw new Error(`${bundle} is missing: npm run build`)
  const files = await mkdtemp(join(tmpdir(), 'sb-runner-'))
  const temp = options.temp ?? (await mkdtemp(join(tmpdir(), 'sb-temp-')))
  const outputFile = join(files, 'output')
  const summaryFile = join(files, 'summary.md')
  await writeFile(outputFile, '')
  await writeFile(summaryFile, '')
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: process.env['HOME'] ?? '/root',
    LANG: 'C.UTF-8',
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_OUTPUT: outputFile,
    GITHUB_STEP_SUMMARY: summaryFile,
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_API_URL: 'http://127.0.0.1:9',
    GITHUB_REPOSITORY: 'acme/shop',
    GITHUB_RUN_ID: '1001',
    GITHUB_RUN_ATTEMPT: '1',
    GITHUB_RUN_NUMBER: '7',
    GITHUB_JOB: 'backup',
    GITHUB_WORKFLOW: 'Backup',
    GITHUB_WORKFLOW_REF: 'acme/shop/.github/workflows/backup.yml@refs/heads/main',
    GITHUB_EVENT_NAME: 'schedule',
    GITHUB_SHA: '0123456789012345678901234567890123456789',
    GITHUB_REF: 'refs/heads/main',
    GITHUB_WORKSPACE: files,
    RUNNER_TEMP: temp,
    RUNNER_OS: 'Linux',
    ...options.env
  }
  for (const [name, value] of Object.entries({ ...defaultsOfAction(), ...mayBePlain, ...options.inputs }))
    env[`INPUT_${name.replace(/ /g, '_').toUpperCase()}`] = value
  const child = spawn(process.execPath, [bundle], {
    env,
    cwd: files,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: false
  })
  let log = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const { pid } = child
  if (pid === undefined) throw new Error('the action did not start')
  options.onStart?.({
    pid,
    kill: (signal) => void child.kill(signal),
    stopReading: () => {
      child.stdout.destroy()
      child.stderr.destroy()
    }
  })
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((done, failed) => {
    child.once('error', failed)
    child.once('close', (exitCode, exitSignal) => done([exitCode, exitSignal]))
  })
  const outputText = await readFile(outputFile, 'utf8')
  const outputs = parseOutputs(outputText)
  const resultPath = outputs['result'] ?? ''
  const result =
    resultPath !== '' && existsSync(resultPath)
      ? resultSchema.parse(JSON.parse(await readFile(resultPath, 'utf8')))
      : null
  return {
    code,
    signal,
    log,
    outputs,
    summary: await readFile(summaryFile, 'utf8'),
    result,
    temp,
    outputText,
    cleanUpFiles: () => rm(files, { recursive: true, force: true }),
    cleanUp: async () => {
      await rm(files, { recursive: true, force: true })
      await rm(temp, { recursive: true, force: true })
    }
  }
}

/** What a reader of the log sees: the runner takes lines that register a mask for itself. */
export function shown(log: string): string {
  return log.replace(/^::add-mask::.*$/gm, '')
}

/** Inputs that action.yml gives a default which the runner would pass on. */
function defaultsOfAction(): Record<string, string> {
  return { token: 'ghs_defaulttokenofthetests0000000000000' }
}

/** `name<<delimiter` blocks as @actions/core writes them. */
export function parseOutputs(text: string): Record<string, string> {
  const outputs: Record<string, string> = {}
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const head = /^([^<=]+)<<(.+)$/.exec(lines[at] ?? '')
    if (head?.[1] === undefined) continue
    const end = lines.indexOf(head[2] ?? '', at + 1)
    outputs[head[1]] = lines.slice(at + 1, end).join('\n')
    at = end
  }
  return outputs
}
