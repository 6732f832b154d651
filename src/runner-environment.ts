import { readFileSync } from 'node:fs'
import { UserError } from './errors.ts'

/** What the runner says of the run. Everything that may be missing is undefined and asked for with `needed`. */
export interface RunnerEnvironment {
  /** Without a trailing slash. */
  readonly apiUrl: string
  readonly serverUrl: string
  /** `owner/name` that the run belongs to. */
  readonly repository: string | undefined
  readonly repositoryVisibility: string | undefined
  readonly runId: string | undefined
  readonly runAttempt: string | undefined
  readonly job: string | undefined
  readonly workflow: string | undefined
  readonly workflowRef: string | undefined
  /** File name of the workflow, taken from `workflowRef`: `backup.yml`. */
  readonly workflowFile: string | undefined
  /** Its path in the repository: `.github/workflows/backup.yml`. */
  readonly workflowPath: string | undefined
  readonly eventName: string | undefined
  readonly eventPath: string | undefined
  /** Who started the run. */
  readonly actor: string | undefined
  readonly sha: string | undefined
  readonly ref: string | undefined
  /** Home of the user that the run belongs to. */
  readonly home: string | undefined
  /** GITHUB_WORKSPACE: where repositories are checked out. */
  readonly workspace: string | undefined
  /** Whether the machine is one of GitHub's, which ends with the job. */
  readonly isHosted: boolean
  /** RUNNER_TEMP: a folder that the runner empties before and after each job. */
  readonly runnerTemp: string | undefined
  readonly resultsUrl: string | undefined
  /** A secret. */
  readonly runtimeToken: string | undefined
  readonly stepSummaryPath: string | undefined
  readonly outputPath: string | undefined
  /** Where this action lies, `owner/name`, and the tag, branch or commit it was taken at: for links to its documentation. */
  readonly action: { readonly repository: string; readonly ref: string } | undefined
  /** What a login to AWS left: its variables are the standard ones. */
  readonly aws: {
    readonly accessKeyId: string | undefined
    /** A secret. */
    readonly secretAccessKey: string | undefined
    /** A secret. */
    readonly sessionToken: string | undefined
    readonly region: string | undefined
  }
  /** Whether the run shows debug messages. */
  readonly debug: boolean
}

const variables = {
  repository: 'GITHUB_REPOSITORY',
  repositoryVisibility: 'GITHUB_REPOSITORY_VISIBILITY',
  runId: 'GITHUB_RUN_ID',
  runAttempt: 'GITHUB_RUN_ATTEMPT',
  job: 'GITHUB_JOB',
  workflow: 'GITHUB_WORKFLOW',
  workflowRef: 'GITHUB_WORKFLOW_REF',
  eventName: 'GITHUB_EVENT_NAME',
  eventPath: 'GITHUB_EVENT_PATH',
  actor: 'GITHUB_ACTOR',
  sha: 'GITHUB_SHA',
  ref: 'GITHUB_REF',
  home: 'HOME',
  workspace: 'GITHUB_WORKSPACE',
  runnerTemp: 'RUNNER_TEMP',
  resultsUrl: 'ACTIONS_RESULTS_URL',
  runtimeToken: 'ACTIONS_RUNTIME_TOKEN',
  stepSummaryPath: 'GITHUB_STEP_SUMMARY',
  outputPath: 'GITHUB_OUTPUT'
} as const satisfies Partial<Record<keyof RunnerEnvironment, string>>

/** Reads the runner's environment variables; nothing else in this program does. */
export function readRunnerEnvironment(env: Readonly<Record<string, string | undefined>>): RunnerEnvironment {
  const given = (name: string) => {
    const value = env[name]?.trim()
    return value === '' ? undefined : value
  }
  const address = (name: string, otherwise: string) => {
    const text = given(name) ?? otherwise
    const url = URL.parse(text)
    if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
      throw new UserError('SB010', `The environment variable ${name} is no web address.`)
    }
    return text.replace(/\/{1,100}$/, '')
  }
  const repository = given(variables.repository)
  const workflowRef = given(variables.workflowRef)
  return {
    apiUrl: address('GITHUB_API_URL', 'https://api.github.com'),
    serverUrl: address('GITHUB_SERVER_URL', 'https://github.com'),
    repository: repository !== undefined && /^[\w-]+\/[\w.-]+$/.test(repository) ? repository : undefined,
    repositoryVisibility: given(variables.repositoryVisibility),
    runId: given(variables.runId),
    runAttempt: given(variables.runAttempt),
    job: given(variables.job),
    workflow: given(variables.workflow),
    workflowRef,
    workflowPath: workflowRef === undefined ? undefined : /^[^/]+\/[^/]+\/([^@]{1,300}\.ya?ml)@/.exec(workflowRef)?.[1],
    workflowFile: workflowRef === undefined ? undefined : /\/([\w.-]{1,200}\.ya?ml)@/.exec(workflowRef)?.[1],
    eventName: given(variables.eventName),
    eventPath: given(variables.eventPath),
    actor: given(variables.actor),
    sha: given(variables.sha),
    ref: given(variables.ref),
    home: given(variables.home),
    workspace: given(variables.workspace),
    isHosted: given('RUNNER_ENVIRONMENT') === 'github-hosted',
    runnerTemp: given(variables.runnerTemp),
    resultsUrl: given(variables.resultsUrl),
    runtimeToken: given(variables.runtimeToken),
    stepSummaryPath: given(variables.stepSummaryPath),
    outputPath: given(variables.outputPath),
    action: actionAt(given('GITHUB_ACTION_REPOSITORY'), given('GITHUB_ACTION_REF')),
    aws: {
      accessKeyId: given('AWS_ACCESS_KEY_ID'),
      secretAccessKey: given('AWS_SECRET_ACCESS_KEY'),
      sessionToken: given('AWS_SESSION_TOKEN'),
      region: given('AWS_REGION') ?? given('AWS_DEFAULT_REGION')
    },
    debug: given('RUNNER_DEBUG') === '1'
  }
}

/** Secrets that a login left in the environment: to be kept out of every text. */
export function secretsOfLogin(env: Readonly<Record<string, string | undefined>>): string[] {
  return [env['AWS_SECRET_ACCESS_KEY'], env['AWS_SESSION_TOKEN']].flatMap((value) => {
    const secret = value?.trim() ?? ''
    return secret === '' ? [] : [secret]
  })
}

function actionAt(repository: string | undefined, ref: string | undefined): RunnerEnvironment['action'] {
  if (repository === undefined || ref === undefined) return undefined
  return /^[\w-]+\/[\w.-]+$/.test(repository) && /^[\w.-]{1,100}(?:\/[\w.-]{1,100}){0,5}$/.test(ref)
    ? { repository, ref }
    : undefined
}

/**
 * A variable that the work cannot do without.
 *
 * @param purpose what it is needed for, as in "to keep artifacts".
 * @throws UserError SB010 naming the variable.
 */
export function needed<K extends keyof typeof variables>(
  environment: RunnerEnvironment,
  key: K,
  purpose: string
): NonNullable<RunnerEnvironment[K]> {
  const value = environment[key]
  if (value === undefined || value === null) {
    throw new UserError('SB010', `The environment variable ${variables[key]} is missing; it is needed ${purpose}.`)
  }
  return value
}

/** The event that started the run, as the runner wrote it down; undefined when there is none or it cannot be read. */
export function readEvent(environment: RunnerEnvironment): unknown {
  if (environment.eventPath === undefined) return undefined
  try {
    return JSON.parse(readFileSync(environment.eventPath, 'utf8'))
  } catch {
    // Without a payload `refuseUntrustedEvent` goes by the event's name alone, and refuses what it cannot tell.
    return undefined
  }
}

/**
 * Refuses runs in which secrets meet what a stranger wrote (faults.md T16): `pull_request_target` always; `pull_request` and
 * `workflow_run` that come from a fork, or whose origin cannot be told.
 *
 * @param event the payload, see `readEvent`.
 * @throws UserError SB009.
 */
export function refuseUntrustedEvent(environment: RunnerEnvironment, event: unknown): void {
  const { eventName } = environment
  if (eventName === 'pull_request_target') {
    throw new UserError('SB009', 'The run was started by pull_request_target.')
  }
  if (eventName === undefined || !(eventName.startsWith('pull_request') || eventName === 'workflow_run')) return
  const base = at(event, 'repository', 'full_name')
  const head =
    eventName === 'workflow_run'
      ? at(event, 'workflow_run', 'head_repository', 'full_name')
      : at(event, 'pull_request', 'head', 'repo', 'full_name')
  if (typeof head !== 'string' || typeof base !== 'string' || head.toLowerCase() !== base.toLowerCase()) {
    throw new UserError(
      'SB009',
      eventName === 'workflow_run'
        ? 'The run was started by workflow_run after a run of a fork, or its origin cannot be told.'
        : `The run was started by ${eventName} from a fork, or its origin cannot be told.`
    )
  }
}

function at(value: unknown, ...path: readonly string[]): unknown {
  let here: unknown = value
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined
    here = Reflect.get(here, key)
  }
  return here
}
