import type { DatabaseFacts } from '../archive/contents-database.ts'
import { UserError } from '../errors.ts'

/** Where a restore goes, as far as it names the place. */
export interface RestoreTarget {
  /** The Supabase project, where the inputs say which. */
  readonly ref: string | undefined
  readonly database: { readonly host: string; readonly port: number; readonly database: string } | undefined
}

const same = 'same:'

/** What `confirm-target` may say: the project's ref, `host/database`. */
export function namesOf(target: RestoreTarget): string[] {
  return [
    ...(target.ref === undefined ? [] : [target.ref]),
    ...(target.database === undefined ? [] : [`${target.database.host}/${target.database.database}`])
  ]
}

/** Whether the target is where the backup was made. */
export function isSource(target: RestoreTarget, facts: Pick<DatabaseFacts, 'source'> | undefined): boolean {
  return nameOfSource(target, facts) !== undefined
}

/** By which of its names the target is where the backup was made; undefined when it is not. */
function nameOfSource(
  { ref, database }: RestoreTarget,
  facts: Pick<DatabaseFacts, 'source'> | undefined
): string | undefined {
  if (facts === undefined) return undefined
  const { source } = facts
  if (ref !== undefined && ref === source.ref) return ref
  const isSame =
    database !== undefined &&
    database.host.toLowerCase() === source.host.toLowerCase() &&
    database.port === source.port &&
    database.database === source.database
  return isSame ? `${database.host}/${database.database}` : undefined
}

/** `Host/database` with the host in small letters, as connection strings are read: names of hosts know no others. */
function withPlainHost(typed: string): string {
  const slash = typed.indexOf('/')
  return slash === -1 ? typed : typed.slice(0, slash).toLowerCase() + typed.slice(slash)
}

/** Throws SB701 unless `confirm-target` names the target; before anything is asked of anybody. */
export function assertConfirmed(confirmTarget: string, target: RestoreTarget): void {
  const names = namesOf(target)
  const typed = confirmTarget.startsWith(same) ? confirmTarget.slice(same.length) : confirmTarget
  if (names.includes(typed) || names.includes(withPlainHost(typed))) return
  throw new UserError(
    'SB701',
    `\`confirm-target\` says "${confirmTarget}", and the target is ${names.map((name) => `"${name}"`).join(' or ')}.`
  )
}

/** Throws SB702 when the target is the source and `confirm-target` does not say so, and SB701 when it says so of another. */
export function assertMeant(
  confirmTarget: string,
  target: RestoreTarget,
  facts: Pick<DatabaseFacts, 'source'> | undefined
): void {
  const source = nameOfSource(target, facts)
  const said = confirmTarget.startsWith(same)
  if (source !== undefined && !said) {
    throw new UserError('SB702', `The backup was made of this very target: what is in it now would be changed.`, {
      remedy: `Restore into another project first. If this one is really meant, write \`confirm-target: ${same}${source}\`.`
    })
  }
  if (source === undefined && said) {
    throw new UserError(
      'SB701',
      `\`confirm-target\` says that the target is the source of the backup ("${confirmTarget}"), and it is not.`
    )
  }
}
