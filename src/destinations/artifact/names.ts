import { timeOfBackupId } from '../../archive/backup-id.ts'
import type { BackupRef } from '../destination.ts'
import { isFileName, isLabel } from '../names.ts'

const pattern = /^([a-z0-9-]{1,40})\.(\d{8}T\d{6}Z-[a-z2-7]{8})\.([^~]+)(?:~[1-9])?$/

/** The name of the artifact that holds a file of a backup. */
export function artifactName(backup: BackupRef, file: string): string {
  return `${backup.project}.${backup.id}.${file}`
}

/**
 * A further name for the same file, where an upload that broke off has burned the first: `<label>.<id>.<file>~1`. No name
 * of a file holds `~`.
 */
export function spareName(name: string, number: number): string {
  return `${name}~${number}`
}

/** What an artifact of ours holds; null for those of others. */
export function parseArtifactName(name: string): { readonly backup: BackupRef; readonly file: string } | null {
  const [, project, id, file] = pattern.exec(name) ?? []
  if (project === undefined || id === undefined || file === undefined) return null
  if (!isLabel(project) || timeOfBackupId(id) === null || !isFileName(file)) return null
  return { backup: { project, id }, file }
}
