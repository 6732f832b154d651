import { connectManagement, type Management } from '../clients/supabase-management.ts'
import type { Context } from '../context.ts'
import { UserError } from '../errors.ts'
import type { BackupInputs } from '../inputs.ts'
import { openConfigSource } from '../sources/config.ts'
import { openFunctionsSource } from '../sources/functions.ts'
import { lookUpProject, type ProjectState, sessionPooler, unhealthyServices } from '../sources/look-up-project.ts'
import type { Source } from '../sources/source.ts'

/** The project as the Management API shows it. */
export interface OpenedProject {
  readonly management: Management
  readonly before: ProjectState
  /** The sources that are read through it, as far as the inputs include them. */
  readonly sources: readonly Source<unknown>[]
}

/**
 * Asks for the state of the project and opens what is read through the Management API; undefined where no token was given. Throws SB827 or SB828
 * when the project is paused or not running: before anything else is tried.
 */
export async function openProject(inputs: BackupInputs, context: Context, encrypted: boolean): Promise<OpenedProject | undefined> {
  if (inputs.management === undefined) return undefined
  const management = connectManagement({ ...inputs.management, retries: inputs.retries, context })
  const before = await lookUpProject(management, context)
  for (const warning of before.warnings) context.log.warning(warning)
  const { sources } = inputs.include
  return {
    management,
    before,
    sources: [
      ...(sources.includes('functions') ? [openFunctionsSource({ context, management })] : []),
      ...(sources.includes('config')
        ? [openConfigSource({ context, management, includeSecrets: inputs.configSecrets === 'include' && encrypted })]
        : [])
    ]
  }
}

/** Runs `work`; when the database cannot be reached from here, the error tells the address of the session pooler. */
export async function withPoolerRemedy<T>(project: OpenedProject | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    if (project === undefined || !(thrown instanceof UserError) || !['SB101', 'SB102', 'SB103'].includes(thrown.code)) throw thrown
    const address = await sessionPooler(project.management)
    if (address === null) throw thrown
    throw new UserError(thrown.code, thrown.message, {
      remedy: `${thrown.remedy} The Session pooler of this project is ${address}`,
      cause: thrown,
      mayPass: thrown.mayPass
    })
  }
}

/** What is to be told of the project's health after the work: services that were healthy before and are not now. */
export async function healthAfter(project: OpenedProject | undefined, signal: AbortSignal): Promise<readonly string[]> {
  const before = project?.before.unhealthy
  if (project === undefined || before === undefined || before === null || signal.aborted) return []
  const { unhealthy } = await unhealthyServices(project.management)
  const fallen = (unhealthy ?? []).filter((name) => !before.includes(name))
  return fallen.length === 0 ? [] : [`Services of the project that were healthy before the backup and are not now: ${fallen.join(', ')}.`]
}
