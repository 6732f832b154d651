import { join, resolve, sep } from 'node:path'
import { UserError } from '../errors.ts'
import type { RunnerEnvironment } from '../runner-environment.ts'

/**
 * Where the input `folder` leads. `~` is the home of the user, as a shell has it. A folder in the workspace or in RUNNER_TEMP is emptied by the next job:
 * where it is the only place of a backup, and nobody else takes the files away before that, the backup would be lost behind a green run.
 *
 * @throws UserError SB001, SB013.
 */
export function folderPath(
  typed: string,
  { home, workspace, runnerTemp, isHosted }: Pick<RunnerEnvironment, 'home' | 'workspace' | 'runnerTemp' | 'isHosted'>,
  isOnlyPlaceOfBackup: boolean
): { readonly path: string; readonly warning?: string } {
  const path = expanded(typed, home)
  if (!isOnlyPlaceOfBackup) return { path }
  if (isHosted)
    return {
      path,
      warning:
        '`folder` is the only place of this backup, and this machine ends with the job: it is lost unless a later step of this job takes the folder away.'
    }
  const emptied = [
    { folder: workspace, name: 'the workspace, which the next checkout cleans' },
    { folder: runnerTemp, name: 'RUNNER_TEMP, which the runner empties before and after each job' }
  ].find(({ folder }) => folder !== undefined && isInside(path, resolve(folder)))
  if (emptied === undefined) return { path }
  throw new UserError('SB013', `The input \`folder\` (${path}) lies in ${emptied.name}.`)
}

function expanded(typed: string, home: string | undefined): string {
  if (!typed.startsWith('~')) return resolve(typed)
  if (home === undefined || !/^~(?:\/|$)/.test(typed))
    throw new UserError(
      'SB001',
      `The input \`folder\` is ${JSON.stringify(typed)}: of \`~\` only the own home, \`~/...\`, is known.`
    )
  return join(resolve(home), typed.slice(1))
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)
}
