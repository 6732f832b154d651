import { asError, UserError } from '../errors.ts'

/** The error for a disk without room or without a place for one more file, wherever in a run that is noticed; undefined for any other. */
export function fullDisk(thrown: unknown): UserError | undefined {
  const code: unknown = Reflect.get(Object(thrown), 'code')
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return undefined
  const what = code === 'EDQUOT' ? 'The disk quota is used up' : 'The disk is full, or can hold no more files'
  return new UserError('SB310', `${what} (${asError(thrown).message}).`, { cause: thrown })
}
