import { fingerprintOf } from '../archive/encryption.ts'
import { connectGithub } from '../clients/github/index.ts'
import { openWorkflows } from '../clients/github/workflows.ts'
import { runCheck } from '../commands/check.ts'
import type { Ports } from '../commands/ports.ts'
import type { CheckInputs } from '../inputs/index.ts'
import type { Result } from '../result.ts'
import type { RunPlace } from './run-context.ts'

/** Runs `command: check`. */
export async function check(inputs: CheckInputs, ports: Ports, place: RunPlace): Promise<Result> {
  const { apiUrl, repository, workflowFile } = place.environment
  const { context } = place
  // The schedule is the smaller half of a check: it waits for GitHub no longer than it must.
  const github = { apiUrl, retries: Math.min(inputs.retries, 2), timeoutMs: 20_000, context }
  return runCheck(
    {
      project: inputs.project,
      maxAgeMs: inputs.maxAgeMs,
      projects: inputs.projects,
      recipients: inputs.recipients.map(fingerprintOf),
      kept: place.kept,
      workflowFile
    },
    {
      ...ports,
      workflows:
        inputs.token === undefined || repository === undefined
          ? undefined
          : openWorkflows(connectGithub({ ...github, token: inputs.token }), repository)
    }
  )
}
