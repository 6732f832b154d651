import { hostAndDatabase } from '../base/connection-string.ts'
import { isPooler } from '../base/supabase-host.ts'
import { UserError } from '../errors.ts'

/** Where a restore goes, as far as it names the place. */
export interface RestoreTarget {
  /** The Supabase project, where the inputs say which. */
  readonly ref: string | undefined
  readonly database: { readonly host: string; readonly port: number; readonly database: string } | undefined
  /** Address of the API, where files go. */
  readonly api: string | undefined
}

/** Where a backup was made, as far as its contents say so. */
export interface BackupOrigin {
  readonly database?:
    | {
        readonly source: {
          readonly ref: string | null
          readonly host: string
          readonly port: number
          readonly database: string
        }
      }
    | undefined
  readonly storage?: { readonly url: string; readonly ref: string | null } | undefined
  readonly functions?: { readonly project: string } | undefined
  readonly config?: { readonly project: string } | undefined
}

const same = 'same:'

/**
 * What `confirm-target` may say: the project's ref, `host/database`, and the host of the API where no ref is known. All projects of a region share the
 * host of their pooler, and most the name of the database: it names none of them.
 */
export function namesOf({ ref, database, api }: RestoreTarget): string[] {
  return [
    ...(ref === undefined ? [] : [ref]),
    ...(database === undefined || isPooler(database.host) ? [] : [hostAndDatabase(database)]),
    ...(ref !== undefined || api === undefined ? [] : [placeOfAddress(api)])
  ]
}

/** Whether the target is where the backup was made. */
export function isSource(target: RestoreTarget, contents: BackupOrigin): boolean {
  return nameOfSource(target, contents) !== undefined
}

/** By which of its names the target is where the backup was made; undefined when it is not. Two refs that are known decide alone. */
function nameOfSource({ ref, database, api }: RestoreTarget, contents: BackupOrigin): string | undefined {
  const source = contents.database?.source
  const sourceRef =
    source?.ref ?? contents.storage?.ref ?? contents.functions?.project ?? contents.config?.project ?? undefined
  if (ref !== undefined && sourceRef !== undefined) return ref === sourceRef ? ref : undefined
  if (
    database !== undefined &&
    source !== undefined &&
    !isPooler(database.host) &&
    database.host.toLowerCase() === source.host.toLowerCase() &&
    database.port === source.port &&
    database.database === source.database
  )
    return hostAndDatabase(database)
  if (api === undefined || contents.storage === undefined) return undefined
  const place = placeOfAddress(api)
  if (place !== placeOfAddress(contents.storage.url)) return undefined
  return ref ?? place
}

/** `api.example.com`, with its port where that is not the usual one, and a path where the API lies below one. */
function placeOfAddress(address: string): string {
  const { host, pathname } = new URL(address)
  return `${host}${pathname.replace(/\/+$/, '')}`
}

/** `Host/database` with the host in small letters, as connection strings are read: names of hosts know no others. */
function withPlainHost(typed: string): string {
  const slash = typed.indexOf('/')
  return slash === -1 ? typed.toLowerCase() : typed.slice(0, slash).toLowerCase() + typed.slice(slash)
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
export function assertMeant(confirmTarget: string, target: RestoreTarget, contents: BackupOrigin): void {
  const source = nameOfSource(target, contents)
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
