import { noteRun } from '../commands/note-run.ts'
import type { Ports } from '../commands/ports.ts'
import type { RunAsked, RunOrigin } from '../commands/run-records.ts'
import { asError, UserError } from '../errors.ts'
import type { Inputs } from '../inputs/index.ts'
import { keepWords } from '../inputs/keep-rules.ts'
import { nothingStored, type Result } from '../result.ts'
import { type RunnerEnvironment, readEvent } from '../runner-environment.ts'
import type { RunPlace } from './run-context.ts'

/** Runs a command and notes in the journal what came of it, a failure too. */
export async function withRecord(
  inputs: Inputs,
  ports: Ports,
  place: RunPlace,
  work: () => Promise<Result>
): Promise<Result> {
  const options = {
    asked: askedOf(inputs),
    origin: originOf(place.environment),
    signingKey: 'signingKey' in inputs ? inputs.signingKey : undefined
  }
  let result: Result
  try {
    result = await work()
  } catch (thrown) {
    const { clock } = place.context
    const code = thrown instanceof UserError ? thrown.code : 'SB999'
    await noteRun(
      {
        command: inputs.command,
        status: 'failed',
        startedAt: place.startedAt.toISOString(),
        durationMs: Math.max(0, clock.now().getTime() - place.startedAt.getTime()),
        tool: ports.tool,
        project: options.asked.project ?? null,
        error: { code, message: asError(thrown).message, remedy: '' },
        ...nothingStored()
      },
      options,
      ports
    )
    throw thrown
  }
  const warnings = await noteRun(result, options, ports)
  return warnings.length === 0 ? result : { ...result, warnings: [...result.warnings, ...warnings] }
}

function askedOf(inputs: Inputs): RunAsked {
  return {
    command: inputs.command,
    project: inputs.project,
    dryRun: 'dryRun' in inputs && inputs.dryRun,
    keep: 'keep' in inputs && inputs.keep !== undefined ? keepWords(inputs.keep) : [],
    acknowledge: 'acknowledge' in inputs ? inputs.acknowledge : undefined
  }
}

function originOf(environment: RunnerEnvironment): RunOrigin {
  const { serverUrl, repository, runId, runAttempt, eventName, actor, workflowPath, sha, action } = environment
  const schedule: unknown =
    eventName === 'schedule' ? Reflect.get(Object(readEvent(environment)), 'schedule') : undefined
  const run = {
    ...(repository === undefined || runId === undefined
      ? {}
      : { url: `${serverUrl}/${repository}/actions/runs/${runId}` }),
    ...(runAttempt === undefined ? {} : { attempt: runAttempt }),
    ...(eventName === undefined ? {} : { event: eventName }),
    ...(actor === undefined ? {} : { actor }),
    ...(workflowPath === undefined ? {} : { workflow: workflowPath }),
    ...(sha === undefined ? {} : { commit: sha })
  }
  return {
    ...(Object.keys(run).length === 0 ? {} : { run }),
    ...(typeof schedule === 'string' && schedule.length <= 200 ? { schedule } : {}),
    ...(action === undefined ? {} : { action: `${action.repository}@${action.ref}` })
  }
}
