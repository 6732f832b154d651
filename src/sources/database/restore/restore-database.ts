import type { Connection } from '../../../clients/postgres/connection.ts'
import { asError, cancelled, UserError } from '../../../errors.ts'
import { toldForPeople } from './explain-failure.ts'
import { carryOut } from './phases.ts'
import { orderOf, prepareRestore } from './prepare-restore.ts'
import { type DatabasePreview, previewRestore } from './preview-restore.ts'
import { type InterruptedRestore, recoverInterrupted, rollBackBatches } from './recover-restore.ts'
import { type DatabaseRestoreOptions, type RestoreSession, restoreSession } from './restore-session.ts'
import { claimTarget, releaseTarget } from './target/target-state.ts'
import { batched } from './transactions/batched.ts'
import { settleCommit } from './transactions/commit-outcome.ts'
import { ranOutOfLocks, tooManyLocks } from './transactions/lock-budget.ts'
import type { DatabaseRestored } from './work.ts'

export type { DatabaseRestoreOptions } from './restore-session.ts'

/**
 * Brings the database part of a backup back, whole or not at all: in one transaction of the target, or, where an empty target cannot hold it in one or it is
 * so large that several sessions share its rows, in several that leave a mark until the last one.
 */
export interface DatabaseRestore {
  /**
   * Looks for what a restore in several transactions left that was cut, and takes it back; null where there is nothing. Throws SB719 where there is and
   * `change` is false or the mode is not `empty`: whoever uses the target meanwhile decides.
   */
  settle(change: boolean): Promise<InterruptedRestore | null>
  /** Looks at backup and target and says what would be done; with `compare` down to the rows. Changes nothing. Throws SB7xx where the restore cannot be. */
  preview(compare: boolean): Promise<DatabasePreview>
  /**
   * Does it. Throws SB708 or SB709: the target is as it was then; SB712: not known, since the connection was lost at the very end; SB718: another restore
   * is at work; SB719: what had come in could not be taken back.
   */
  run(): Promise<DatabaseRestored>
}

export function openDatabaseRestore(options: DatabaseRestoreOptions): DatabaseRestore {
  const session = restoreSession(options)
  const { context, mode } = options
  return {
    settle: (change) => recoverInterrupted(session, change),
    preview: (compare) => session.aside((connection, reader) => previewRestore(session, connection, reader, compare)),

    async run() {
      try {
        return await restoreOnce(session, false)
      } catch (error) {
        if (!ranOutOfLocks(error) || context.signal.aborted) throw error
        if (mode !== 'empty') throw tooManyLocks(error)
        context.log.info('The target could not hold the restore in one transaction: it comes in several')
        return await restoreOnce(session, true).catch((again: unknown) => {
          throw ranOutOfLocks(again) ? tooManyLocks(again) : again
        })
      }
    }
  }
}

/** One try at the whole restore. */
async function restoreOnce(session: RestoreSession, forceStages: boolean): Promise<DatabaseRestored> {
  const { options, open, begin } = session
  const { context, mode, backupId } = options
  const { signal } = context
  const connection = await open()
  const besides: Connection[] = []
  const archives = session.openArchives()
  let committing = false
  let inStages = false
  try {
    await claimTarget(connection, context.clock, signal, options.lockTimeoutMs, context.log)
    const reader = await archives.open()
    await begin(connection)
    const prepared = await prepareRestore(session, connection, reader)
    inStages = mode === 'empty' && (forceStages || prepared.inStages !== null)
    const restored = await carryOut(
      orderOf(session, connection, prepared, { reader, openArchive: archives.open, rehearsal: false }),
      inStages
        ? (order, work) => batched({ backupId, begin, openSessions: () => openSessions(session, besides) }, order, work)
        : undefined
    )
    const [transaction] = await connection.query<{ id: string }>('select pg_catalog.pg_current_xact_id()::text as id')
    committing = true
    try {
      await connection.query('commit')
    } catch (error) {
      if (!connection.broken.aborted && !signal.aborted) throw error
      await settleCommit(transaction?.id, error, open, context)
    }
    await releaseTarget(connection)
    return restored
  } catch (thrown) {
    // None of them may go on with rows while what came in is taken back.
    await Promise.all(besides.map((each) => each.close()))
    const error = committing || signal.aborted ? thrown : await toldForPeople(thrown, connection)
    await connection.close()
    const unknown = error instanceof UserError && error.code === 'SB712'
    if (inStages && !unknown) await rollBackBatches(session, error)
    if (signal.aborted && !committing) throw cancelled(signal)
    throw error
  } finally {
    await Promise.all([connection, ...besides, archives].map((each) => each.close()))
  }
}

/** Sessions for rows, as many as the target gives. */
async function openSessions({ options, open }: RestoreSession, opened: Connection[]): Promise<readonly Connection[]> {
  const { context } = options
  for (let count = 0; options.sessions > 1 && count < options.sessions; count += 1) {
    const session = await open().catch((error: unknown) => {
      if (context.signal.aborted) throw error
      context.log.info(`The target gives no further session: ${asError(error).message}`)
      return null
    })
    if (session === null) break
    opened.push(session)
  }
  return opened
}
