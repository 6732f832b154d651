import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The file that the runner starts. */
export const bundle = path.join(root, 'dist', 'index.js')

const actionSchema = z.looseObject({
  inputs: z.record(z.string(), z.looseObject({ default: z.union([z.string(), z.number(), z.boolean()]).optional() }))
})

export interface ActionRun {
  /** An empty folder for this run: its RUNNER_TEMP, summary and outputs lie in it. */
  readonly folder: string
  /** Inputs of action.yml as a workflow gives them; the others get their defaults. */
  readonly inputs: Readonly<Record<string, string>>
  readonly serverUrl?: string
  readonly apiUrl?: string
  readonly token?: string
  readonly repository?: string
  /** Set apart, as GitHub does, when several runs are made. */
  readonly runId?: number
}

export interface PreparedRun {
  /** What the runner gives to the action, and nothing of this process but PATH. */
  readonly env: Readonly<Record<string, string>>
  readonly summaryFile: string
  readonly outputFile: string
}

/** Makes the files and the environment that GitHub's runner makes for a JavaScript action. */
export async function prepareRun(run: ActionRun): Promise<PreparedRun> {
  const action = actionSchema.parse(parse(await readFile(path.join(root, 'action.yml'), 'utf8')))
  const unknown = Object.keys(run.inputs).filter((name) => !(name in action.inputs))
  if (unknown.length > 0) throw new Error(`action.yml has no input ${unknown.join(', ')}`)

  const temp = path.join(run.folder, 'temp')
  const home = path.join(run.folder, 'home')
  const workspace = path.join(run.folder, 'workspace')
  for (const place of [temp, home, workspace]) await mkdir(place, { recursive: true })
  const summaryFile = path.join(run.folder, 'summary.md')
  const outputFile = path.join(run.folder, 'output')
  await writeFile(summaryFile, '')
  await writeFile(outputFile, '')

  const env: Record<string, string> = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: home,
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_WORKSPACE: workspace,
    GITHUB_STEP_SUMMARY: summaryFile,
    GITHUB_OUTPUT: outputFile,
    GITHUB_REPOSITORY: run.repository ?? 'demo/project',
    GITHUB_RUN_ID: String(run.runId ?? 1),
    GITHUB_RUN_NUMBER: String(run.runId ?? 1),
    GITHUB_RUN_ATTEMPT: '1',
    GITHUB_JOB: 'backup',
    GITHUB_WORKFLOW: 'Nightly backup',
    GITHUB_EVENT_NAME: 'workflow_dispatch',
    GITHUB_REF: 'refs/heads/main',
    GITHUB_SHA: '0'.repeat(40),
    GITHUB_SERVER_URL: run.serverUrl ?? 'https://github.localhost',
    GITHUB_API_URL: run.apiUrl ?? 'https://github.localhost/api',
    RUNNER_TEMP: temp,
    RUNNER_OS: 'Linux'
  }
  for (const [name, input] of Object.entries(action.inputs)) {
    const byDefault = String(input.default ?? '').replace(/\$\{\{ *github\.token *\}\}/, run.token ?? '')
    env[`INPUT_${name.replaceAll(' ', '_').toUpperCase()}`] = run.inputs[name] ?? byDefault
  }
  return { env, summaryFile, outputFile }
}

/** The outputs that the action set, read as the runner reads them. */
export async function readOutputs(file: string): Promise<Readonly<Record<string, string>>> {
  const outputs: Record<string, string> = {}
  const lines = (await readFile(file, 'utf8')).split(/\r?\n/)
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? ''
    const block = /^([^=<]+)<<(.+)$/.exec(line)
    const single = /^([^=]+)=(.*)$/.exec(line)
    if (block !== null) {
      const end = lines.indexOf(block[2] ?? '', index + 1)
      if (end === -1) throw new Error(`The output ${block[1]} has no end`)
      outputs[block[1] ?? ''] = lines.slice(index + 1, end).join('\n')
      index = end
    } else if (single !== null) {
      outputs[single[1] ?? ''] = single[2] ?? ''
    }
  }
  return outputs
}
