import type { Connection } from '../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../clients/postgres/server-error.ts'
import { UserError } from '../../../errors.ts'
import { rowTooLarge } from './dump-errors.ts'
import { lockedTables } from './snapshot-keeper.ts'

/**
 * The error of a capture in terms of dumping, whichever of its statements or programs failed first. For a lock that was waited for in vain the tables
 * that are locked now are named, as far as the control connection still answers.
 */
export async function captureFault(error: unknown, control: Connection): Promise<unknown> {
  const state = sqlStateOf(error)
  if (state === '55P03' || (error instanceof UserError && error.code === 'SB202')) {
    const tables = await lockedNow(control)
    const named = tables.length === 0 ? '' : ` Locked now: ${tables.join(', ')}.`
    return new UserError(
      'SB202',
      `A table stayed locked by another session for longer than \`lock-timeout\`.${named}`,
      { cause: error }
    )
  }
  if (!(error instanceof UserError) || state === undefined) {
    return error instanceof UserError && error.code === 'SB120' ? broken(error) : error
  }
  if (rowTooLarge.test(error.message)) return new UserError('SB216', error.message, { cause: error })
  // undefined table, column, function, object; schema; internal errors such as "cache lookup failed": something was dropped meanwhile.
  if (['42P01', '42703', '42883', '42704', '3F000', 'XX000'].includes(state)) {
    return new UserError('SB206', `The database was changed while it was read: ${error.message}`, {
      cause: error,
      mayPass: true
    })
  }
  if (state.startsWith('57P') || state.startsWith('08') || state === '40001') return broken(error)
  if (state.startsWith('53') && state !== '53300') return new UserError('SB210', error.message, { cause: error })
  return error
}

function broken(error: UserError): UserError {
  return new UserError('SB207', error.message, { cause: error, mayPass: true })
}

async function lockedNow(control: Connection): Promise<readonly string[]> {
  if (control.broken.aborted) return []
  try {
    // The failed statement may have ended its transaction.
    await control.query('rollback')
    return await lockedTables(control)
  } catch {
    // The names are an addition to the error that is thrown anyway.
    return []
  }
}
