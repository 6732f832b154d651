import { verifyKeyOf } from '../archive/signature.ts'
import type { Ports } from '../commands/ports.ts'
import { runReport } from '../commands/report.ts'
import type { ReportInputs } from '../inputs/index.ts'
import type { Result } from '../result.ts'
import type { RunPlace } from './run-context.ts'

/** Runs `command: report`. Whoever signs the report believes what the same key signed. */
export async function report(inputs: ReportInputs, ports: Ports, place: RunPlace): Promise<Result> {
  const { signingKey } = inputs
  const trusted = [...(ports.trusted ?? []), ...(signingKey === undefined ? [] : [verifyKeyOf(signingKey)])]
  return runReport(
    {
      project: inputs.project,
      since: inputs.since,
      maxAgeMs: inputs.maxAgeMs,
      projects: inputs.projects,
      signingKey,
      kept: place.kept
    },
    { ...ports, trusted }
  )
}
