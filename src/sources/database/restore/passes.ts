import type { Connection } from '../../../clients/postgres/connection.ts'
import type { ArchiveToc, TocEntry } from '../proof/archive-toc.ts'
import type { RestorePlan } from './plan.ts'

/** Sequences of the platform are only ever set forward. */
export async function withoutPassedSequences(connection: Connection, plan: RestorePlan): Promise<TocEntry[]> {
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

export interface Passes {
  /** Schemas and extensions: what the platform does after an extension (grants by its own event triggers) must happen. */
  readonly first: TocEntry[]
  readonly before: TocEntry[]
  after: TocEntry[]
  readonly grants: TocEntry[]
  readonly last: TocEntry[]
  readonly defaults: TocEntry[]
}

/** The order of pg_restore: definitions, rows, the rest; then grants; then event triggers and materialized views. Source: pg_backup_archiver.c. */
export function passesOf(toc: ArchiveToc, entries: readonly TocEntry[]): Passes {
  const data = toc.entries.findIndex((entry) => entry.section === 3)
  const behind = new Set(data === -1 ? [] : toc.entries.slice(data).map((entry) => entry.id))
  const running = new Set(entries.map((entry) => entry.id))
  const tables = new Set(toc.entries.filter((entry) => entry.kind === 'TABLE').map((entry) => entry.id))
  /** A partition of a table that stays: its indexes must be there before, else the server makes some of its own. */
  const isLate = (entry: TocEntry) =>
    entry.kind === 'TABLE ATTACH' && entry.needs.some((id) => tables.has(id) && !running.has(id))
  const late: TocEntry[] = []
  const passes: Passes = { first: [], before: [], after: [], grants: [], last: [], defaults: [] }
  for (const entry of entries) {
    if (isLate(entry)) late.push(entry)
    else if (entry.kind === 'DEFAULT ACL') passes.defaults.push(entry)
    else if (entry.kind === 'ACL') passes.grants.push(entry)
    else if (
      /^(?:EVENT TRIGGER|MATERIALIZED VIEW DATA)$/.test(entry.kind) ||
      (/^(?:COMMENT|SECURITY LABEL)$/.test(entry.kind) && entry.tag.startsWith('EVENT TRIGGER '))
    )
      passes.last.push(entry)
    else if (behind.has(entry.id) && entry.kind !== 'BLOB METADATA') passes.after.push(entry)
    else if (/^(?:SCHEMA|EXTENSION)$/.test(entry.kind)) passes.first.push(entry)
    else passes.before.push(entry)
  }
  if (late.length > 0) {
    const isIndex = ({ kind }: TocEntry) => kind === 'INDEX' || kind === 'CONSTRAINT'
    const { after } = passes
    passes.after = [...after.filter(isIndex), ...late, ...after.filter((entry) => !isIndex(entry))]
  }
  return passes
}
