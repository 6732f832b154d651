import type { SourceName } from '../archive/parts.ts'
import { refOfApiHost } from '../base/supabase-host.ts'
import type { DatabaseAccess, Included, ManagementAccess, StorageAccess } from './commands.ts'
import type { InputName } from './input-definitions.ts'
import type { Problems } from './problems.ts'

/** What was given for one project, source or target. */
export interface GivenAccess {
  readonly include: 'auto' | readonly SourceName[]
  readonly database: DatabaseAccess | undefined
  /** Whether a connection string was given at all, also when it was refused. */
  readonly databaseGiven: boolean
  readonly ref: string | undefined
  readonly supabaseUrl: string | undefined
  readonly serviceRoleKey: string | undefined
  readonly accessToken: string | undefined
  readonly managementUrl: string
  /** Whether something else than the address says that Storage is meant. */
  readonly bucketsGiven: boolean
  /** Whether sources without credentials are told as such while others are taken; else they are refused. */
  readonly mayLack: boolean
}

/** The names of the inputs for that project. */
export interface AccessNames {
  readonly database: InputName
  readonly ref: InputName
  readonly supabaseUrl: InputName
  readonly serviceRoleKey: InputName
  readonly accessToken: InputName
}

export const sourceAccessNames: AccessNames = {
  database: 'database-url',
  ref: 'project-ref',
  supabaseUrl: 'supabase-url',
  serviceRoleKey: 'service-role-key',
  accessToken: 'access-token'
}

export const targetAccessNames: AccessNames = {
  database: 'target-database-url',
  ref: 'target-project-ref',
  supabaseUrl: 'target-supabase-url',
  serviceRoleKey: 'target-service-role-key',
  accessToken: 'target-access-token'
}

export interface ProjectAccess {
  readonly ref: string | undefined
  readonly storage: StorageAccess | undefined
  readonly management: ManagementAccess | undefined
  readonly include: Included
}

/**
 * Brings the credentials of one project together: finds its ref, refuses inputs that lead to different projects, and
 * decides which sources are included. `auto` takes the database and each other source whose credentials are given.
 */
export function projectAccess(given: GivenAccess, names: AccessNames, problems: Problems): ProjectAccess {
  const ref = soleRef(given, names, problems)
  const url = given.supabaseUrl ?? (ref === undefined ? undefined : `https://${ref}.supabase.co`)
  const lookUp = isLookedUp(given, ref)
  const storage =
    url === undefined || (given.serviceRoleKey === undefined && !lookUp)
      ? undefined
      : { url, serviceRoleKey: given.serviceRoleKey }
  const management =
    ref === undefined || given.accessToken === undefined
      ? undefined
      : { url: given.managementUrl, token: given.accessToken, ref }
  if (given.serviceRoleKey !== undefined && url === undefined) {
    problems.add(
      'SB003',
      `Input \`${names.supabaseUrl}\` is missing: \`${names.serviceRoleKey}\` is of no use without the address of the project.`
    )
  }
  if (given.accessToken !== undefined && ref === undefined) {
    problems.add(
      'SB003',
      `Input \`${names.ref}\` is missing: \`${names.accessToken}\` is of no use without the project that it is for.`
    )
  }
  return { ref, storage, management, include: included(given, names, lookUp, problems) }
}

/**
 * Whether the service-role key is to be looked up with the access token. `auto` does so only where inputs say that Storage is meant: files of any
 * size would come into a backup that was about a database otherwise.
 */
function isLookedUp({ include, ...given }: GivenAccess, ref: string | undefined): boolean {
  if (given.serviceRoleKey !== undefined || given.accessToken === undefined || ref === undefined) return false
  return include === 'auto' ? given.supabaseUrl !== undefined || given.bucketsGiven : include.includes('storage')
}

function soleRef(given: GivenAccess, names: AccessNames, problems: Problems): string | undefined {
  const said: (readonly [InputName, string | undefined])[] = [
    [names.ref, given.ref],
    [names.database, given.database?.ref],
    [names.supabaseUrl, refOfAddress(given.supabaseUrl)]
  ]
  const known = said.flatMap(([name, ref]) => (ref === undefined ? [] : [{ name, ref }]))
  const [first] = known
  const other = known.find(({ ref }) => ref !== first?.ref)
  if (first !== undefined && other !== undefined) {
    problems.add(
      'SB002',
      `Inputs \`${first.name}\` and \`${other.name}\` lead to different projects (${first.ref} and ${other.ref}): what they hold would be mixed.`
    )
  }
  return first?.ref
}

/** The ref in the address of a project's API, where it has one. */
export function refOfAddress(address: string | undefined): string | undefined {
  return address === undefined ? undefined : refOfApiHost(new URL(address).hostname)
}

function included(given: GivenAccess, names: AccessNames, lookUp: boolean, problems: Problems): Included {
  const needs: Readonly<Record<SourceName, readonly (readonly [InputName, boolean])[]>> = {
    database: [[names.database, given.databaseGiven]],
    storage: lookUp ? [[names.accessToken, true]] : [[names.serviceRoleKey, given.serviceRoleKey !== undefined]],
    functions: [[names.accessToken, given.accessToken !== undefined]],
    config: [[names.accessToken, given.accessToken !== undefined]]
  }
  const wanted = given.include
  const isComplete = (source: SourceName) => needs[source].every(([, isGiven]) => isGiven)
  // A database without a connection string is no part that may be missing, and neither is the only one that was asked for.
  const mayLack = (source: SourceName) =>
    given.mayLack && source !== 'database' && wanted !== 'auto' && wanted.some((other) => isComplete(other))
  const lacking: SourceName[] = []
  const judge = (source: SourceName): { readonly taken: boolean; readonly reason: string } => {
    const missing = needs[source].filter(([, isGiven]) => !isGiven).map(([name]) => `\`${name}\``)
    if (wanted === 'auto') {
      if (missing.length === 0)
        return { taken: true, reason: `taken: ${needs[source].map(([name]) => `\`${name}\``).join(', ')} is given` }
      const hint =
        source === 'storage' && given.accessToken !== undefined
          ? ` (where \`include\` names storage, the key is looked up with \`${names.accessToken}\`)`
          : ''
      return { taken: false, reason: `left out: ${missing.join(', ')} is not given${hint}` }
    }
    if (!wanted.includes(source)) return { taken: false, reason: 'left out: `include` does not name it' }
    if (missing.length > 0 && mayLack(source)) {
      lacking.push(source)
      return { taken: false, reason: `\`include\` names it, but ${missing.join(', ')} is not given` }
    }
    if (missing.length > 0) {
      problems.add('SB003', `Input ${missing.join(', ')} is missing: \`include\` names ${source}, which needs it.`)
    }
    return { taken: true, reason: 'taken: `include` names it' }
  }
  const verdicts = {
    database: judge('database'),
    storage: judge('storage'),
    functions: judge('functions'),
    config: judge('config')
  }
  const order: readonly SourceName[] = ['database', 'storage', 'functions', 'config']
  return {
    sources: order.filter((source) => verdicts[source].taken),
    lacking,
    reasons: {
      database: verdicts.database.reason,
      storage: verdicts.storage.reason,
      functions: verdicts.functions.reason,
      config: verdicts.config.reason
    }
  }
}
