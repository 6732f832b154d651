import { createHash } from 'node:crypto'
import { accepted, type Parse, refused } from './parsed.ts'

/** Longest label, in characters. */
export const longestLabel = 40

/** The input `project`: lower-cased, everything else in it is refused, never silently changed. */
export const parseLabel: Parse<string> = (text) => {
  const label = text.toLowerCase()
  return /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/.test(label)
    ? accepted(label)
    : refused(`allowed are letters, digits and hyphens, at most ${longestLabel}, a letter or digit first and last`)
}

/** What the label of a project is made of. */
export interface LabelSource {
  /** The input `project`, parsed. */
  readonly project: string | undefined
  /** The Supabase project, where the inputs say which. */
  readonly ref: string | undefined
  readonly database: { readonly host: string; readonly port: number; readonly database: string } | undefined
}

/**
 * The label that backups are kept under: the input `project`, else the project ref, else `<host>-<database>` made safe.
 * Where making it safe lost or blurred something (other characters, hyphens, a port besides 5432, length), eight
 * characters of a hash are added, so that two sources never share a label. Undefined when nothing says which project.
 */
export function projectLabel(from: LabelSource): string | undefined {
  if (from.project !== undefined) return from.project
  if (from.ref !== undefined) return from.ref
  if (from.database === undefined) return undefined
  const { host, port, database } = from.database
  const plain = `${host}-${database}`
  if (/^[a-z0-9]+-[a-z0-9]+$/.test(plain) && port === 5432 && plain.length <= longestLabel) return plain
  const hash = createHash('sha256')
    .update(JSON.stringify([host, port, database]))
    .digest('hex')
    .slice(0, 8)
  const safe = plain
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, longestLabel - hash.length - 1)
    .replace(/^-|-$/g, '')
  return safe === '' ? hash : `${safe}-${hash}`
}
