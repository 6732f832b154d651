import { isBackupId } from '../archive/backup-id.ts'
import { UserError } from '../errors.ts'
import { type BackupRef, largestSmallFile, type NotRead } from './destination.ts'

/** The file whose presence makes a backup exist. */
export const manifestName = 'manifest.json'
/** The folder of the pool of shared files, beside the backups of a project. */
export const poolName = 'objects'
/** The folder of the journal, beside the backups of a project. */
export const journalName = 'journal'

const label = /^[a-z0-9-]{1,40}$/
const fileName = /^[A-Za-z0-9._-]{1,200}$/
const record = /^(?:keep|acknowledged|verification-[A-Za-z0-9.-]{1,60}\.json)$/

export function isLabel(text: string): boolean {
  return label.test(text)
}

/** Whether `text` may name a stored file. Names that start with a dot are the drivers' own unfinished files. */
export function isFileName(text: string): boolean {
  return fileName.test(text) && !text.startsWith('.')
}

/** Whether a file beside the manifest is a record (`verification-<UTC time>.json`, `keep` or `acknowledged`) and no part of the backup. */
export function isRecordName(text: string): boolean {
  return record.test(text)
}

/** Whether `text` names a file of the journal: an id as backups have them, and `.txt`. */
export function isJournalName(text: string): boolean {
  return text.endsWith('.txt') && isBackupId(text.slice(0, -'.txt'.length))
}

export function assertJournalName(name: string): void {
  if (!isJournalName(name)) throw new Error(`not a name of a file of the journal: ${JSON.stringify(name)}`)
}

/** A file of the journal of which another one of this name is there. */
export function journalTaken(name: string, project: string, place: string): UserError {
  return new UserError('SB415', `There is another file ${name} in the journal of ${project} in ${place} already.`)
}

/** What a manifest of so many bytes is listed as; null where it is to be read. */
export function tooLargeToRead(bytes: number): NotRead | null {
  return bytes > largestSmallFile
    ? { notRead: `it has ${bytes} bytes, and at most ${largestSmallFile} are read` }
    : null
}

/** Refuses what is no label: a bug of the caller, since labels are checked where they come in. */
export function assertLabel(project: string): void {
  if (!isLabel(project)) throw new Error(`not a label: ${JSON.stringify(project)}`)
}

export function assertRef(backup: BackupRef): void {
  assertLabel(backup.project)
  if (!isBackupId(backup.id)) throw new Error(`not a backup id: ${JSON.stringify(backup.id)}`)
}

/** Refuses a name that no stored file may have, or that belongs to the manifest or a record. */
export function assertPartName(name: string): void {
  if (!isFileName(name) || name === manifestName || isRecordName(name)) {
    throw new Error(`not a name of a stored file: ${JSON.stringify(name)}`)
  }
}

export function assertRecordName(name: string): void {
  if (!isRecordName(name)) throw new Error(`not a name of a record: ${JSON.stringify(name)}`)
}

export function assertPoolName(name: string): void {
  if (!isFileName(name)) throw new Error(`not a name of a shared file: ${JSON.stringify(name)}`)
}
