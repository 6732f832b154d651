import type { Result } from '../result.ts'

/** The outputs of the action, by name; what does not apply is empty. */
export function outputsOf(result: Result, resultPath: string): Readonly<Record<string, string>> {
  return {
    'backup-id': result.backup?.id ?? '',
    status: result.status,
    verified: result.verified,
    'size-bytes': result.backup === undefined ? '' : String(result.backup.sizeBytes),
    'duration-ms': String(result.durationMs),
    url: result.url ?? '',
    path: result.path ?? '',
    backups: JSON.stringify(result.backups),
    result: resultPath,
    matrix: result.matrix === undefined ? '' : JSON.stringify(result.matrix)
  }
}
