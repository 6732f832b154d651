import type { SourceName } from '../../archive/parts.ts'
import type { BackupRow, Result } from '../../result.ts'

/** The parts of a project, as Supabase's dashboard calls them. */
export const partNames: Readonly<Record<SourceName, string>> = {
  database: 'Database',
  storage: 'Storage',
  functions: 'Edge Functions',
  config: 'Project settings'
}

export const statusMarks: Readonly<Record<Result['status'], string>> = {
  complete: '✅',
  partial: '⚠️',
  unproven: '⚠️',
  anomalous: '⚠️',
  failed: '❌',
  nothing: '❌'
}

/** How far a backup is proven, in a table. */
export const levelWords: Readonly<Record<BackupRow['verified'], string>> = {
  restore: '✅ restored',
  read: '📖 read',
  checksum: '🔢 checksums',
  none: '➖ no'
}

/** How far a backup is proven, in a sentence. */
export const levelSentences: Readonly<Record<BackupRow['verified'], string>> = {
  restore: 'restored into a real PostgreSQL and compared',
  read: 'read to the last byte, not restored',
  checksum: 'checksums compared, not opened',
  none: 'not verified'
}

export const destinationNamesShown: Readonly<Record<BackupRow['destination'], string>> = {
  artifact: 'artifact',
  release: 'release',
  repository: 'branch',
  folder: 'folder',
  s3: 'bucket'
}
