import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as core from '@actions/core'
import { compactTime } from './archive/backup-id.ts'
import { fullDisk } from './base/full-disk.ts'
import { createRedact, type Redact, redactTexts } from './base/redact.ts'
import { tool } from './base/version.ts'
import { keepHeapModest } from './clients/process/heap-limit.ts'
import { openRunFolder, type RunFolder } from './clients/process/run-folder.ts'
import { systemClock, systemRandomBytes } from './clients/process/system.ts'
import { createRunnerLog, type RunnerLog } from './clients/runner-log.ts'
import type { Context } from './context.ts'
import { errorTitle } from './error-codes.ts'
import { asError, UserError } from './errors.ts'
import { type Inputs, namesGiven, readInputs, readNotifyInputs, secretsOf } from './inputs/index.ts'
import type { Result } from './result.ts'
import { guardRun } from './run-guard.ts'
import {
  needed,
  type RunnerEnvironment,
  readEvent,
  readRunnerEnvironment,
  refuseUntrustedEvent,
  secretsOfLogin
} from './runner-environment.ts'
import { outputsOf } from './ui/outputs.ts'
import { renderSummary } from './ui/summary/index.ts'
import { verdict } from './ui/summary/verdict.ts'
import { openNotifications, type RunNotifier } from './wiring/notify.ts'
import { runCommand } from './wiring/run-command.ts'

const get = (name: string): string => core.getInput(name, { trimWhitespace: false })

/** From inputs to exit code. Outputs, summary and result file are written whatever happens; the failure comes last. */
async function main(): Promise<number> {
  keepHeapModest()
  const startedAt = systemClock.now()
  const started = systemClock.monotonic()
  const secrets = [...secretsOf(get), ...secretsOfLogin(process.env)]
  maskDerived(secrets)
  const redact = createRedact(secrets)
  // Structured text (ids, labels, JSON) is searched only for long secrets: a password like "postgres" would cripple it.
  const redactWhole = createRedact(secrets.filter((secret) => secret.length >= 12))
  const log = createRunnerLog(systemClock, redact)
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
    verified: 'none',
    destinations: [],
    backups: [],
    url: null,
    path: null,
    warnings: []
  })
  try {
    environment = readRunnerEnvironment(process.env)
    refuseUntrustedEvent(environment, readEvent(environment))
    // Before the inputs are looked at: that one of them is missing must be told, too.
    notifier = openNotifications(notifyInputs, environment, { clock: systemClock, randomBytes: systemRandomBytes, log })
    notifier.start()
    // Before the inputs are looked at, so that a refusal of theirs finds its place in the result file, too.
    folder = await openRunFolder(needed(environment, 'runnerTemp', 'for temporary files'), systemRandomBytes)
    inputs = readInputs(get, namesGiven(process.env))
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
    result = await Promise.race([runCommand(inputs, { context, environment, kept: folder.kept, startedAt }), abandoned])
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
  await report(redactResult(redactTexts(result, redactWhole), redact), folder, environment, log, redactWhole)
  await notifier?.tell(result)
  log.verdict(verdict(result))
  if (bug !== undefined) log.bug(bug)
  else if (result.error !== undefined)
    log.error({ ...result.error, title: errorTitle(result.error.code) ?? result.error.code })
  return result.status === 'complete' ? 0 : 1
}

/**
 * The runner masks the values of secrets, but knows nothing of what is taken out of them: the password inside a connection
 * string, the lines of a key file. Whole inputs are left to the runner.
 */
function maskDerived(secrets: readonly string[]): void {
  const given = new Set(
    Object.keys(process.env)
      .filter((name) => name.startsWith('INPUT_'))
      .map((name) => process.env[name]?.trim())
  )
  for (const secret of secrets) if (!given.has(secret) && secret.length >= 8) core.setSecret(secret)
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

/** Writes result file, outputs and summary. A place that cannot be written is told and changes nothing about the result. */
async function report(
  result: Result,
  folder: RunFolder | undefined,
  environment: RunnerEnvironment | undefined,
  log: RunnerLog,
  redact: Redact
): Promise<void> {
  let resultPath = ''
  if (folder !== undefined) {
    const path = join(
      folder.kept,
      `result-${result.backup?.id ?? compactTime(new Date(result.startedAt))}-${result.command}.json`
    )
    try {
      await writeFile(folder.part, `${redact(JSON.stringify(result, null, 2))}\n`, { mode: 0o600 })
      await rename(folder.part, path)
      resultPath = path
    } catch (thrown) {
      log.warning(`The result file could not be written: ${asError(thrown).message}`)
    }
  }
  try {
    for (const [name, value] of Object.entries(outputsOf(result, resultPath))) core.setOutput(name, redact(value))
  } catch (thrown) {
    log.warning(`The outputs could not be written: ${asError(thrown).message}`)
  }
  if (environment?.stepSummaryPath === undefined) return
  try {
    const summary = renderSummary(result, {
      serverUrl: environment.serverUrl,
      repository: environment.repository,
      action: environment.action,
      now: systemClock.now()
    })
    await writeFile(environment.stepSummaryPath, redact(summary), { flag: 'a' })
  } catch (thrown) {
    log.warning(`The job summary could not be written: ${asError(thrown).message}`)
  }
}

// Everything was awaited and closed when `main` resolves; what a library may still hold open must not keep the job waiting.
void main().then((code) => process.stdout.write('', () => process.exit(code)))
