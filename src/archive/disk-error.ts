import { statfs } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { UserError } from '../errors.ts'

/**
 * The error for a stored file that could not be written: SB310 where the disk or the quota is full, with what is free there, SB311 else.
 *
 * @param written bytes of the file that were written before.
 */
export async function diskError(path: string, written: number, error: unknown): Promise<UserError> {
  const code: unknown = Reflect.get(Object(error), 'code')
  if (code !== 'ENOSPC' && code !== 'EDQUOT') {
    return new UserError('SB311', `${path} could not be written (${String(code)}).`, { cause: error })
  }
  const free = await statfs(dirname(path)).then(
    (disk) => `${disk.bavail * disk.bsize} bytes and ${disk.ffree} files are free there`,
    () => 'how much is free there could not be read'
  )
  const quota = code === 'EDQUOT' ? 'The disk quota is used up' : 'The disk is full'
  return new UserError(
    'SB310',
    `${quota}: ${basename(path)} needs more than the ${written} bytes written so far; ${free}.`,
    { cause: error }
  )
}
