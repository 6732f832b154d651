import type { DatabaseFacts } from '../../../../archive/contents-database.ts'
import { type SideSession, shareOut } from '../rows/worker-sessions.ts'
import { type Batches, locksOfRows } from '../transactions/lock-budget.ts'
import { type CheckAfterOptions, type ComparedTables, checkTables } from './verify-restored.ts'

type Tables = DatabaseFacts['tables']

/** Tables that are compared at once, at most. */
const mostTables = 400
/** From so many bytes on a part is worth a session's questions about the catalog. */
const partBytes = 32 * 1024 * 1024

export interface PartsOptions {
  readonly check: CheckAfterOptions
  readonly tables: Tables
  readonly stages: Batches
  /** Where there are some they do the work: everything must be committed then. */
  readonly sessions: readonly SideSession[]
  readonly onCompared: (tables: number) => void
}

/** Compares tables part by part, none with more locks than a transaction may hold; as `checkTables` altogether. */
export async function checkInParts({
  check,
  tables,
  stages,
  sessions,
  onCompared
}: PartsOptions): Promise<ComparedTables> {
  const findings: ComparedTables['findings'][number][] = []
  const unequal: string[] = []
  let compared = 0
  const take = (part: Tables, found: ComparedTables) => {
    findings.push(...found.findings)
    unequal.push(...found.unequal)
    compared += part.length
    onCompared(compared)
  }
  const most = Math.min(stages.most, ...sessions.map(({ steps }) => steps.most))
  const atOnce = Math.max(Math.min(Math.trunc(most / locksOfRows), mostTables), 1)
  if (sessions.length === 0) {
    for (let at = 0; at < tables.length; at += atOnce) {
      const part = tables.slice(at, at + atOnce)
      await stages.before(part.length * locksOfRows)
      take(part, await checkTables(check, part))
    }
  } else {
    await shareOut(sessions, partsOf(tables, atOnce), async ({ connection, beginReading }, part) => {
      await beginReading()
      take(part, await checkTables({ ...check, connection }, part))
      await connection.query('commit')
    })
  }
  return { findings, unequal }
}

/** The largest first, so that no session is left with one at the end; small ones together. */
function partsOf(tables: Tables, atOnce: number): Tables[] {
  const parts: Tables[] = []
  let part: Tables[number][] = []
  let bytes = 0
  for (const table of tables.toSorted((left, right) => right.bytes - left.bytes)) {
    part.push(table)
    bytes += table.bytes
    if (bytes < partBytes && part.length < atOnce) continue
    parts.push(part)
    part = []
    bytes = 0
  }
  if (part.length > 0) parts.push(part)
  return parts
}
