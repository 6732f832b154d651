import { asError, UserError } from '../../../errors.ts'
import type { Finding } from '../../source.ts'
import type { RestoreSession } from './restore-session.ts'
import { claimTarget, holdStill, releaseTarget } from './target/target-state.ts'
import { findMarker, interruptedRestore, undoInterrupted } from './transactions/restore-marker.ts'

/** A restore into the target that was cut. */
export interface InterruptedRestore {
  readonly backupId: string
  readonly startedAt: string
  /** What of it could not be taken back and harms nothing. */
  readonly findings: readonly Finding[]
}

/**
 * Looks for what a restore in several transactions left that was cut, and takes it back; null where there is nothing. Throws SB719 where there is and `change`
 * is false or the mode is not `empty`.
 */
export async function recoverInterrupted(
  { options, open, begin }: RestoreSession,
  change: boolean
): Promise<InterruptedRestore | null> {
  const { mode, context } = options
  const connection = await open()
  const look = async () => {
    await begin(connection)
    const mark = await findMarker(connection)
    await connection.query('rollback')
    return mark
  }
  try {
    const seen = await look()
    if (seen === null) return null
    if (!change || mode !== 'empty') throw interruptedRestore(seen)
    await claimTarget(connection, context.clock, context.signal, options.lockTimeoutMs, context.log)
    // Whoever held the target may have finished meanwhile: what it brought back is no part of a cut restore any more.
    const found = await look()
    if (found === null) {
      await releaseTarget(connection)
      return null
    }
    const { backupId, startedAt } = found
    const findings = await undoInterrupted(connection, found, async () => {
      await begin(connection)
      await holdStill(connection)
    })
    await releaseTarget(connection)
    return { backupId, startedAt, findings }
  } finally {
    await connection.close()
  }
}

/** After a failure: takes back what earlier transactions of this restore left. */
export async function rollBackBatches(session: RestoreSession, failure: unknown): Promise<void> {
  const { context } = session.options
  const words = asError(failure).message
  if (context.signal.aborted) {
    context.log.warning(
      'The target holds a part of the backup: the next restore with `restore-mode: empty` takes it back before it begins.'
    )
    return
  }
  try {
    const settled = await recoverInterrupted(session, true)
    for (const { subject, detail } of settled?.findings ?? []) context.log.warning(`${subject}: ${detail}`)
  } catch (error) {
    throw new UserError(
      'SB719',
      `The restore failed, and what had come in could not be taken back. The failure: ${words} The second one: ${asError(error).message}`,
      { cause: failure }
    )
  }
}
