import { UserError } from '../errors.ts'
import { type Contents, contentsSchema } from './contents.ts'
import { firstIssue } from './first-issue.ts'
import { formatVersion } from './manifest.ts'
import { parseStrictJson } from './strict-json.ts'

/** Largest contents.json that is read, in bytes. */
export const largestContents = 256 * 1024 * 1024

/** Reads contents.json. Throws UserError SB509 when it is not what its format demands, SB504 when that format is a later one. */
export function parseContents(bytes: Uint8Array): Contents {
  if (bytes.byteLength > largestContents) throw refused(`it is larger than ${largestContents} bytes`)
  const json = parseStrictJson(bytes)
  if (json.kind === 'refused') throw refused(json.reason)
  const parsed = contentsSchema.safeParse(json.value)
  if (parsed.success) return parsed.data
  // A later format may have another shape; the manifest's `minReader` has let it through only if this one may be read.
  const later =
    typeof json.value === 'object' && json.value !== null && 'format' in json.value ? json.value.format : null
  if (typeof later === 'number' && later > formatVersion) {
    throw new UserError('SB504', `contents.json has format ${later}; this version reads up to ${formatVersion}.`)
  }
  throw refused(firstIssue(parsed.error))
}

function refused(reason: string): UserError {
  return new UserError('SB509', `contents.json cannot be read: ${reason}.`)
}
