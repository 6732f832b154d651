import type { Result } from '../result.ts'

/** The outputs of the action, by name; what does not apply is empty. */
export function outputsOf(result: Result, resultPath: string): Readonly<Record<string, string>> {
  // A backup that no place took does not exist: its id would lead nowhere.
  const exists = result.command !== 'backup' || result.destinations.some((one) => one.stored)
  return {
    'backup-id': exists ? (result.backup?.id ?? deletedId(result) ?? '') : '',
    status: result.status,
    verified: result.verified,
    'size-bytes': result.backup === undefined || !exists ? '' : String(result.backup.sizeBytes),
    'duration-ms': String(result.durationMs),
    url: result.url ?? '',
    path: result.path ?? '',
    backups: JSON.stringify(result.backups),
    result: resultPath,
    matrix: result.matrix === undefined ? '' : JSON.stringify(result.matrix)
  }
}

/** The one backup that `delete` was about; the other commands that remove may be about many. */
function deletedId(result: Result): string | undefined {
  return result.command === 'delete' ? result.retention?.[0]?.id : undefined
}
