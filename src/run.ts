import { fullDisk } from './base/full-disk.ts'
import { createRedact, type Redact, redactTexts } from './base/redact.ts'
import { tool } from './base/version.ts'
import { useProxyOfEnvironment } from './clients/network/proxy.ts'
import { keepHeapModest } from './clients/process/heap-limit.ts'
import { openRunFolder, type RunFolder } from './clients/process/run-folder.ts'
import { systemClock, systemRandomBytes } from './clients/process/system.ts'
import type { RunnerLog } from './clients/runner-log.ts'
import type { Clock, Context } from './context.ts'
import { errorTitle } from './error-codes.ts'
import { asError, UserError } from './errors.ts'
import { type Inputs, readInputs, readNotifyInputs, secretsOf } from './inputs/index.ts'
import { nothingStored, type Result } from './result.ts'
import { guardRun } from './run-guard.ts'
import {
  needed,
  type RunnerEnvironment,
  readEvent,
  readRunnerEnvironment,
  refuseUntrustedEvent,
  secretsOfLogin
} from './runner-environment.ts'
import { verdict } from './ui/summary/verdict.ts'
import { openNotifications, type RunNotifier } from './wiring/notify.ts'
import type { RunPlace } from './wiring/run-context.ts'

/** What a run meets people through: a step of a workflow, or a terminal. */
export interface Face {
  /** Names of inputs as they were given, also such as are not known. */
  readonly names: readonly string[]
  /** The text of an input, empty where it is not given. */
  get(name: string): string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Keeps secrets out of what others write of this run. */
  mask(secrets: readonly string[]): void
  openLog(clock: Clock, redact: Redact): RunnerLog
  /** Does what the inputs ask for. */
  run(inputs: Inputs, place: RunPlace): Promise<Result>
  /** Tells what the run came to; one place that cannot be written changes nothing about the result. */
  report(result: Result, told: Told): Promise<void>
}

/** What a report may need besides the result. */
export interface Told {
  readonly folder: RunFolder | undefined
  readonly environment: RunnerEnvironment | undefined
  readonly log: RunnerLog
  readonly redact: Redact
}

/** From inputs to exit code. The report is made whatever happens; the failure comes last. */
export async function executeRun(face: Face): Promise<number> {
  const get = (name: string): string => face.get(name)
  keepHeapModest()
  useProxyOfEnvironment()
  const startedAt = systemClock.now()
  const started = systemClock.monotonic()
  const secrets = [...secretsOf(get), ...secretsOfLogin(face.env)]
  face.mask(secrets)
  const redact = createRedact(secrets)
  // Structured text (ids, labels, JSON) is searched only for long secrets: a password like "postgres" would cripple it.
  const redactWhole = createRedact(secrets.filter((secret) => secret.length >= 12))
  const log = face.openLog(systemClock, redact)
  const cancel = new AbortController()
  let folder: RunFolder | undefined
  const { abandoned } = guardRun({
    cancel,
    log,
    lastWords: (error) => {
      folder?.remove()
      log.bug(error)
    }
  })

  let environment: RunnerEnvironment | undefined
  let inputs: Inputs | undefined
  let notifier: RunNotifier | undefined
  const notifyInputs = readNotifyInputs(get)
  let result: Result
  let bug: Error | undefined
  const failed = (error: UserError): Result => ({
    command: inputs?.command ?? notifyInputs.command ?? 'backup',
    status: 'failed',
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(systemClock.monotonic() - started),
    tool,
    project: inputs !== undefined && 'project' in inputs ? (inputs.project ?? null) : null,
    error: { code: error.code, message: error.message, remedy: error.remedy },
    ...nothingStored()
  })
  try {
    environment = readRunnerEnvironment(face.env)
    refuseUntrustedEvent(environment, readEvent(environment))
    // Before the inputs are looked at: that one of them is missing must be told, too.
    notifier = openNotifications(notifyInputs, environment, { clock: systemClock, randomBytes: systemRandomBytes, log })
    notifier.start()
    // Before the inputs are looked at, so that a refusal of theirs finds its place in the result file, too.
    folder = await openRunFolder(needed(environment, 'runnerTemp', 'for temporary files'), systemRandomBytes)
    inputs = readInputs(get, face.names)
    for (const note of inputs.notes) log.info(note)
    for (const warning of inputs.warnings) log.warning(warning)
    const timer = startTimer(inputs.timeoutMs, cancel)
    const context: Context = {
      clock: systemClock,
      randomBytes: systemRandomBytes,
      log,
      signal: cancel.signal,
      temp: folder.temp
    }
    result = await Promise.race([face.run(inputs, { context, environment, kept: folder.kept, startedAt }), abandoned])
    clearTimeout(timer)
    for (const warning of result.warnings) log.warning(warning)
    if (inputs.warnings.length > 0) result = { ...result, warnings: [...inputs.warnings, ...result.warnings] }
  } catch (thrown) {
    const known = thrown instanceof UserError ? thrown : fullDisk(thrown)
    if (known !== undefined) {
      result = failed(known)
      if (known.cause !== undefined) log.debug(asError(known.cause).stack ?? String(known.cause))
    } else {
      bug = asError(thrown)
      result = failed(new UserError('SB999', `Internal error in this action (a bug): ${bug.message}`, { cause: bug }))
    }
  } finally {
    folder?.remove()
  }
  await face.report(redactResult(redactTexts(result, redactWhole), redact), {
    folder,
    environment,
    log,
    redact: redactWhole
  })
  await notifier?.tell(result)
  log.verdict(verdict(result))
  if (bug !== undefined) log.bug(bug)
  else if (result.error !== undefined)
    log.error({ ...result.error, title: errorTitle(result.error.code) ?? result.error.code })
  return result.status === 'complete' ? 0 : 1
}

/** The free texts of a result without secrets: everything in it that may quote a server or a child process. */
function redactResult(result: Result, redact: Redact): Result {
  return {
    ...result,
    warnings: result.warnings.map(redact),
    ...(result.error === undefined
      ? {}
      : { error: { ...result.error, message: redact(result.error.message), remedy: redact(result.error.remedy) } }),
    ...(result.findings === undefined
      ? {}
      : {
          findings: result.findings.map((finding) => ({
            ...finding,
            subject: redact(finding.subject),
            detail: redact(finding.detail)
          }))
        }),
    destinations: result.destinations.map((one) =>
      one.error === undefined ? one : { ...one, error: redact(one.error) }
    )
  }
}

function startTimer(timeoutMs: number | undefined, cancel: AbortController): NodeJS.Timeout | undefined {
  if (timeoutMs === undefined) return undefined
  return setTimeout(
    () =>
      cancel.abort(
        new UserError('SB301', `The run took longer than \`timeout\` allows (${Math.round(timeoutMs / 1000)} s).`)
      ),
    Math.min(timeoutMs, 2_147_483_647)
  ).unref()
}
