#!/usr/bin/env node
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as core from '@actions/core'
import { compactTime } from './archive/backup-id.ts'
import { runAsCommand } from './cli/index.ts'
import { systemClock } from './clients/process/system.ts'
import { createRunnerLog } from './clients/runner-log.ts'
import { asError } from './errors.ts'
import { namesGiven } from './inputs/index.ts'
import type { Result } from './result.ts'
import { executeRun, type Face, type Told } from './run.ts'
import { outputsOf } from './ui/outputs.ts'
import { renderSummary } from './ui/summary/index.ts'
import { runCommand } from './wiring/run-command.ts'

/** A step of a workflow: inputs by the runner, outputs, a summary and a result file. */
const action: Face = {
  names: namesGiven(process.env),
  get: (name) => core.getInput(name, { trimWhitespace: false }),
  env: process.env,
  mask: maskDerived,
  openLog: createRunnerLog,
  run: runCommand,
  report
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

/** Writes result file, outputs and summary. A place that cannot be written is told and changes nothing about the result. */
async function report(result: Result, { folder, environment, log, redact }: Told): Promise<void> {
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

// The runner starts this file without words; words make it a command. Everything was awaited and closed when a run resolves; what a library may
// still hold open must not keep the job waiting.
const words = process.argv.slice(2)
const isStep =
  process.env['GITHUB_ACTIONS'] === 'true' || Object.keys(process.env).some((name) => name.startsWith('INPUT_'))
void (words.length === 0 && isStep ? executeRun(action) : runAsCommand(words)).then((code) =>
  process.stdout.write('', () => process.exit(code))
)
