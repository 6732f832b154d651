import { timeOfBackupId } from '../../archive/backup-id.ts'
import type { BackupRef } from '../destination.ts'
import { isLabel } from '../names.ts'

/** What every tag of ours starts with. */
export const tagPrefix = 'backup-'

const idLength = '20261122T161908Z-k2m7q5xa'.length

export function backupTag(backup: BackupRef): string {
  return `${tagPrefix}${backup.project}-${backup.id}`
}

/** The backup that a tag names; null when it is none of ours. */
export function parseBackupTag(tag: string): BackupRef | null {
  if (!tag.startsWith(tagPrefix)) return null
  const id = tag.slice(-idLength)
  const project = tag.slice(tagPrefix.length, -idLength - 1)
  return timeOfBackupId(id) !== null && isLabel(project) && tag === backupTag({ project, id }) ? { project, id } : null
}

export function poolTag(project: string, number: number): string {
  return `${tagPrefix}${project}-objects-${number}`
}

/** A release that is one of a row of a project's. */
export interface NumberedRelease {
  readonly project: string
  readonly number: number
}

/** The project and number of a release of the pool; null when a tag names none. */
export function parsePoolTag(tag: string): NumberedRelease | null {
  return numbered(/^backup-([a-z0-9-]{1,40})-objects-([1-9]\d{0,8})$/.exec(tag))
}

export function journalTag(project: string, number: number): string {
  return `${tagPrefix}${project}-journal-${number}`
}

/** The project and number of a release of the journal; null when a tag names none. */
export function parseJournalTag(tag: string): NumberedRelease | null {
  return numbered(/^backup-([a-z0-9-]{1,40})-journal-([1-9]\d{0,8})$/.exec(tag))
}

function numbered(match: RegExpExecArray | null): NumberedRelease | null {
  const [, project, number] = match ?? []
  return project === undefined || number === undefined ? null : { project, number: Number(number) }
}
