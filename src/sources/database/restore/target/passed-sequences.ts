import type { Connection } from '../../../../clients/postgres/connection.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'
import type { RestorePlan } from '../plan/types.ts'

/** Sequences of the platform are only ever set forward. */
export async function withoutPassedSequences(
  connection: Connection,
  plan: Pick<RestorePlan, 'entries' | 'platform'>
): Promise<TocEntry[]> {
  const kept: TocEntry[] = []
  for (const entry of plan.entries) {
    if (entry.kind === 'SEQUENCE SET' && plan.platform.has(entry.schema)) {
      const value = /, (-?\d+), (true|false)\);\s*$/.exec(entry.definition)
      const [now] = await connection.query<{ value: string | null }>(
        'select last_value::text as value from pg_catalog.pg_sequences where schemaname = $1 and sequencename = $2',
        [entry.schema, entry.tag]
      )
      if (
        value === null ||
        now === undefined ||
        value[2] === 'false' ||
        BigInt(value[1] ?? '0') <= BigInt(now.value ?? '-1')
      )
        continue
    }
    kept.push(entry)
  }
  return kept
}
