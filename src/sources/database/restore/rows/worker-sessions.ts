import type { Connection } from '../../../../clients/postgres/connection.ts'
import { applySettings, type Setting } from '../../loading/source-settings.ts'
import { setReplicaRole, type TargetState } from '../target/target-state.ts'
import { batchesOf, locksOfRows, locksPerBatch, type Steps } from '../transactions/lock-budget.ts'

/** A session beside the first one, with transactions of its own: it takes rows, builds indexes, compares. */
export interface SideSession {
  readonly connection: Connection
  /** Begins a transaction with the settings of a restore, and with those of the source. */
  readonly begin: () => Promise<void>
  /** The same without those of the source: values are compared as they were hashed. */
  readonly beginReading: () => Promise<void>
  /** Where the transaction may end and the next one begin. */
  readonly steps: Steps
}

/** Side sessions over connections that are open; `begin` gives a transaction the settings that every one of a restore has. */
export function sideSessions(
  connections: readonly Connection[],
  begin: (connection: Connection) => Promise<void>,
  target: Pick<TargetState, 'mostLocks' | 'replicaRole'>,
  settings: readonly Setting[]
): SideSession[] {
  const most = Math.max(Math.trunc(locksPerBatch(target.mostLocks) / connections.length), locksOfRows)
  const nothing = () => Promise.resolve()
  return connections.map((connection) => {
    const beginStill = async () => {
      await begin(connection)
      await setReplicaRole(connection, target, true)
      await applySettings(connection, settings)
    }
    return {
      connection,
      begin: beginStill,
      beginReading: () => begin(connection),
      steps: batchesOf({ connection, most, begin: beginStill, atBegin: nothing, atEnd: nothing })
    }
  })
}

/**
 * Does each piece of work in whichever session is free, in their order as far as `mayRunBeside` lets one begin while another runs. Rejects with the first
 * failure when all sessions have stopped.
 */
export async function shareOut<W>(
  sessions: readonly SideSession[],
  pieces: readonly W[],
  work: (session: SideSession, piece: W) => Promise<void>,
  mayRunBeside: (piece: W, running: W) => boolean = () => true
): Promise<void> {
  const waiting = [...pieces]
  const running = new Set<W>()
  const failures: unknown[] = []
  let changed = Promise.withResolvers<void>()
  const next = async (): Promise<W | undefined> => {
    while (waiting.length > 0 && failures.length === 0) {
      const at = waiting.findIndex((piece) => [...running].every((other) => mayRunBeside(piece, other)))
      // It counts as running from here on: whoever asks next must see it.
      const [piece] = at === -1 ? [] : waiting.splice(at, 1)
      if (piece === undefined) await changed.promise
      else {
        running.add(piece)
        return piece
      }
    }
    return undefined
  }
  await Promise.all(
    sessions.map(async (session) => {
      for (let piece = await next(); piece !== undefined; piece = await next()) {
        await work(session, piece).catch((error: unknown) => failures.push(error))
        running.delete(piece)
        changed.resolve()
        changed = Promise.withResolvers()
      }
    })
  )
  if (failures.length > 0) throw failures[0]
}
