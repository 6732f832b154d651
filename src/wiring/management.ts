import type { Files } from '../archive/files.ts'
import { connectManagement, type Management } from '../clients/supabase/management.ts'
import type { FetchableBackup } from '../commands/fetch-backup.ts'
import type { RestorePart } from '../commands/restore.ts'
import type { Context } from '../context.ts'
import { UserError } from '../errors.ts'
import type { BackupInputs, RestoreInputs } from '../inputs/index.ts'
import { openConfigSource } from '../sources/config/index.ts'
import { restoreConfig } from '../sources/config/restore.ts'
import { openFunctionsSource } from '../sources/functions/index.ts'
import { restoreFunctions } from '../sources/functions/restore.ts'
import { lookUpProject, type ProjectState, sessionPooler, unhealthyServices } from '../sources/look-up-project.ts'
import type { Finding, Source } from '../sources/source.ts'

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
export async function openProject(
  inputs: BackupInputs,
  context: Context,
  encrypted: boolean
): Promise<OpenedProject | undefined> {
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
        ? [
            openConfigSource({
              context,
              management,
              includeSecrets: inputs.configSecrets === 'include' && encrypted,
              encrypted
            })
          ]
        : [])
    ]
  }
}

/** Runs `work`; when the database cannot be reached from here, the error tells the address of the session pooler. */
export async function withPoolerRemedy<T>(project: OpenedProject | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    if (project === undefined || !(thrown instanceof UserError) || !['SB101', 'SB102', 'SB103'].includes(thrown.code))
      throw thrown
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
  return fallen.length === 0
    ? []
    : [`Services of the project that were healthy before the backup and are not now: ${fallen.join(', ')}.`]
}

/** The parts of a restore that go through the Management API of the target; none where no token for it was given. */
export function managementParts(inputs: RestoreInputs, context: Context): readonly RestorePart[] {
  const access = inputs.target.management
  if (access === undefined) return []
  const target = connectManagement({ ...access, retries: inputs.retries, context })
  return [
    partOf('functions', (dryRun) => functionsPart(target, context, dryRun)),
    partOf('config', (dryRun) => configPart(target, context, dryRun))
  ]
}

type BringBack = NonNullable<RestorePart['preview']>

function partOf(name: RestorePart['name'], make: (dryRun: boolean) => BringBack): RestorePart {
  return { name, restore: make(false), preview: make(true) }
}

function functionsPart(target: Management, context: Context, dryRun: boolean): BringBack {
  return async (backup, { functions: facts }) => {
    if (facts === undefined) return []
    const files = await filesOf(backup, 'functions.tar', facts.functions.length > 0)
    const { deployed, equal, findings } = await restoreFunctions({ context, target, files, facts, dryRun })
    return [
      ...deployed.map((slug) => note(`Edge Function ${slug}`, dryRun ? 'would be deployed' : 'deployed')),
      ...equal.map((slug) => note(`Edge Function ${slug}`, 'is there already and equal')),
      ...findings
    ]
  }
}

function configPart(target: Management, context: Context, dryRun: boolean): BringBack {
  return async (backup, { config: facts }) => {
    if (facts === undefined) return []
    const kept = facts.sections.some(({ status }) => status === 'captured')
    if (!kept) return [note('config', 'the backup holds no settings')]
    const files = await filesOf(backup, 'config.json', true)
    const { changes, findings } = await restoreConfig({ context, target, files, facts, dryRun })
    return [
      ...changes
        .filter(({ action }) => action === 'applied' || action === 'would be applied')
        .map(({ setting, inBackup, inTarget, action }) =>
          note(setting, `${action}: ${inBackup} instead of ${inTarget}`)
        ),
      ...findings
    ]
  }
}

function note(subject: string, detail: string): Finding {
  return { kind: 'note', subject, detail }
}

async function filesOf(backup: FetchableBackup, name: string, needed: boolean): Promise<Files> {
  if (needed) await backup.opened.fetch([name])
  return backup.opened.files
}
