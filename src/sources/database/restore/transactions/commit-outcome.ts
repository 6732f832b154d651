import type { Connection } from '../../../../clients/postgres/connection.ts'
import type { Context } from '../../../../context.ts'
import { cancelled, UserError } from '../../../../errors.ts'

/** What is left for asking once a run was cancelled, in ms: GitHub ends it 7.5 s after it asked. */
const afterAbortMs = 5000

/**
 * The connection broke, or the run was cancelled, while the server ended the transaction `id`: it is asked what came of it. Resolves when it was committed.
 * Throws SB708, or that the run was cancelled, when nothing of it is there, and SB712 when that cannot be told. `open` connects anew, until its signal fires.
 */
export async function settleCommit(
  id: string | undefined,
  cause: unknown,
  open: (until: AbortSignal) => Promise<Connection>,
  { signal, clock }: Pick<Context, 'signal' | 'clock'>
): Promise<void> {
  const unknown = new UserError('SB712', 'The connection was lost while the target ended the restore.', { cause })
  if (id === undefined) throw unknown
  const lost = () => {
    throw unknown
  }
  const until = signal.aborted ? AbortSignal.timeout(afterAbortMs) : signal
  const again = await open(until).catch(lost)
  try {
    for (let tries = 0; tries < 30; tries += 1) {
      const [row] = await again
        .query<{ status: string }>('select pg_catalog.pg_xact_status($1::text::pg_catalog.xid8) as status', [id])
        .catch(lost)
      if (row?.status === 'committed') return
      if (row?.status === 'aborted' && signal.aborted) throw cancelled(signal)
      if (row?.status === 'aborted')
        throw new UserError('SB708', 'The connection to the target was lost, and the server took everything back.', {
          cause
        })
      await clock.sleep(signal.aborted ? 100 : 1000, until).catch(lost)
    }
    throw unknown
  } finally {
    await again.close()
  }
}
