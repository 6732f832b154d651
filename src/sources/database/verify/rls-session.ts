import { Buffer } from 'node:buffer'
import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import type { RandomBytes } from '../../../context.ts'
import { UserError } from '../../../errors.ts'
import { quoteIdentifier, quoteLiteral } from '../catalog/quote.ts'
import { beginReading } from '../dump/snapshot.ts'
import type { ScratchDatabase } from './scratch-database.ts'

/** How the run's own role on a copy logs in. */
export interface Probe {
  readonly user: string
  readonly password: string
}

/**
 * Makes the role that asks what others see. Policies run functions of the project, which could take `set role` back: a session that logged in as a
 * superuser would be one again. This one may become the roles that are asked for, and is nothing by itself. `made` is told its name before it is made.
 */
export async function makeProbe(
  connection: Connection,
  facts: Pick<DatabaseFacts, 'visibleRows'>,
  database: string,
  randomBytes: RandomBytes,
  made: string[]
): Promise<Probe> {
  const hex = (bytes: number) => Buffer.from(randomBytes(bytes)).toString('hex')
  const probe = { user: `supabase_backup_probe_${hex(6)}`, password: hex(24) }
  const name = quoteIdentifier(probe.user)
  const roles = [...new Set(facts.visibleRows.map((entry) => entry.role))].map(quoteIdentifier)
  made.push(probe.user)
  await connection.query(
    [
      `CREATE ROLE ${name} LOGIN NOINHERIT NOSUPERUSER NOCREATEROLE NOCREATEDB PASSWORD ${quoteLiteral(probe.password)}`,
      `GRANT ${roles.join(', ')} TO ${name}`,
      `GRANT CONNECT ON DATABASE ${quoteIdentifier(database)} TO ${name}`,
      // A trigger that fires at its login is not what it is to look at.
      ...(connection.versionNumber >= 170000 ? [`ALTER ROLE ${name} SET event_triggers = off`] : [])
    ].join('; ')
  )
  return probe
}

/** A connection of that role, in a transaction as `beginReading` opens it; null, told to `refused`, where the server does not let it in. */
export async function openProbe(
  place: ScratchDatabase,
  probe: Probe,
  lockTimeoutMs: number,
  refused: (why: string) => void
): Promise<Connection | null> {
  let connection: Connection | undefined
  try {
    connection = await place.connect(probe)
    await beginReading(connection, lockTimeoutMs)
    return connection
  } catch (error) {
    await connection?.close()
    if (!(error instanceof UserError) || place.ended.aborted) throw error
    refused(error.message)
    return null
  }
}
