import type { Connection } from '../../../../clients/postgres/connection.ts'
import { UserError } from '../../../../errors.ts'
import { listed, qualified, readable } from '../../catalog/quote.ts'
import { describeEntry } from '../../pg-archive/entry-sql.ts'
import type { ArchiveToc, TocEntry } from '../../pg-archive/toc.ts'
import type { Replaced } from '../plan/plan-replacing.ts'

/** Throws SB720 where tables that would come back empty hold rows. */
export async function assertNothingLost(connection: Connection, { roots }: Replaced): Promise<void> {
  const full: string[] = []
  for (const { kind, schema, tag } of roots) {
    if (kind !== 'TABLE') continue
    const name = { schema, name: tag }
    const [row] = await connection.query<{ some: boolean }>(
      `select exists (select from only ${qualified(name)}) as some`
    )
    if (row?.some === true) full.push(readable(name))
  }
  if (full.length === 0) return
  throw new UserError(
    'SB720',
    `The rows that the target holds in ${listed(full)} would be gone: only definitions come back.`
  )
}

/** What goes, in words; tables that the backup does not know with their rows, which nothing brings back. */
export async function describeDropped(
  connection: Connection,
  roots: readonly TocEntry[],
  backup: ArchiveToc
): Promise<string[]> {
  const known = new Set(backup.entries.filter(({ kind }) => kind === 'TABLE').map(describeEntry))
  const words: string[] = []
  for (const entry of roots) {
    const text = describeEntry(entry)
    if (entry.kind !== 'TABLE' || known.has(text)) {
      words.push(text)
      continue
    }
    const name = qualified({ schema: entry.schema, name: entry.tag })
    const [row] = await connection.query<{ rows: string }>(`select count(*)::text as rows from only ${name}`)
    words.push(`${text} (${row?.rows ?? '0'} rows, not in the backup)`)
  }
  return words
}
