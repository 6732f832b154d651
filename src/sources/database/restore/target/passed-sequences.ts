import type { DatabaseFacts } from '../../../../archive/contents-database.ts'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import type { TocEntry } from '../../pg-archive/toc.ts'
import type { RestorePlan } from '../plan/restore-plan.ts'

/** The extension that makes the sequence of an entry `SEQUENCE SET` and declares it as its configuration: then it is no entry of its own. */
export function extensionOf(
  { schema, tag }: Pick<TocEntry, 'schema' | 'tag'>,
  { sequences }: Pick<DatabaseFacts, 'sequences'>
): string | undefined {
  return sequences.find((sequence) => sequence.schema === schema && sequence.name === tag)?.extension
}

/** Sequences of the platform, and those of extensions that the target has already, are only ever set forward. */
export async function withoutPassedSequences(
  connection: Connection,
  facts: DatabaseFacts,
  plan: RestorePlan
): Promise<TocEntry[]> {
  const kept: TocEntry[] = []
  for (const entry of plan.entries) {
    const ofExtension = extensionOf(entry, facts) !== undefined
    if (entry.kind === 'SEQUENCE SET' && (ofExtension || plan.platform.has(entry.schema))) {
      const value = /, (-?\d+), (true|false)\);\s*$/.exec(entry.definition)
      const [now] = await connection.query<{ value: string | null }>(
        'select last_value::text as value from pg_catalog.pg_sequences where schemaname = $1 and sequencename = $2',
        [entry.schema, entry.tag]
      )
      // The extension is about to make it.
      const isNew = now === undefined && ofExtension && !plan.platform.has(entry.schema)
      if (isNew) kept.push(entry)
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
