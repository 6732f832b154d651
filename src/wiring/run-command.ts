import { tool } from '../base/version.ts'
import { runDelete } from '../commands/delete.ts'
import { runList } from '../commands/list.ts'
import { runPlan } from '../commands/plan.ts'
import type { Ports } from '../commands/ports.ts'
import { runPrune } from '../commands/prune.ts'
import type { Destination } from '../destinations/destination.ts'
import type { Inputs } from '../inputs/index.ts'
import type { Result } from '../result.ts'
import { backup } from './backup.ts'
import { check } from './check.ts'
import { withDashboard } from './dashboard.ts'
import { openDestinations } from './destinations.ts'
import { download } from './download.ts'
import { withRecord } from './note-run.ts'
import { trustedKeys } from './packer-encryption.ts'
import { report } from './report.ts'
import { restore } from './restore.ts'
import type { RunPlace } from './run-context.ts'
import { verify } from './verify.ts'

/** Opens what the command needs, runs it, and closes everything again. */
export function runCommand(inputs: Inputs, place: RunPlace): Promise<Result> {
  return withPorts(inputs, place, (ports) => withRecord(inputs, ports, place, () => dispatch(inputs, ports, place)))
}

/** Opens the destinations for `work`, and closes them again. */
export async function withPorts<T>(inputs: Inputs, place: RunPlace, work: (ports: Ports) => Promise<T>): Promise<T> {
  const { context, environment } = place
  let destinations: readonly Destination[] = []
  try {
    if (inputs.command !== 'plan') destinations = openDestinations(inputs, environment, context)
    const ports: Ports = {
      context,
      tool,
      destinations,
      trusted: 'verifyKey' in inputs ? trustedKeys(inputs.verifyKey) : []
    }
    return await work(ports)
  } finally {
    for (const destination of destinations) await destination.close()
  }
}

async function dispatch(inputs: Inputs, ports: Ports, place: RunPlace): Promise<Result> {
  switch (inputs.command) {
    case 'backup':
      return withDashboard(await backup(inputs, ports, place), inputs, ports, place)
    case 'list':
      return withDashboard(await runList(inputs, ports), inputs, ports, place)
    case 'download':
      return download(inputs, ports, place)
    case 'delete':
      return runDelete({ ...inputs, choice: inputs.backup }, ports)
    case 'check':
      return check(inputs, ports, place)
    case 'report':
      return report(inputs, ports, place)
    case 'plan':
      return runPlan({ file: inputs.projects, project: inputs.project }, ports)
    case 'prune':
      return runPrune(inputs, ports)
    case 'verify':
      return verify(inputs, ports, place)
    case 'restore':
      return restore(inputs, ports, place)
  }
}
