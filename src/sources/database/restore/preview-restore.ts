import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { majorOf } from '../../../clients/postgres/server-version.ts'
import { UserError } from '../../../errors.ts'
import type { Finding } from '../../source.ts'
import { readable } from '../catalog/quote.ts'
import { compareGuards } from '../fingerprint/compare.ts'
import { fingerprintVersion, readGuards } from '../fingerprint/read-objects.ts'
import type { ArchiveReader } from '../pg-archive/archive-reader.ts'
import { describeEntry } from '../pg-archive/entry-sql.ts'
import { compareRows, type TableComparison } from './check/compare-rows.ts'
import { foretellDangling, foretellKeyless, foretellRefused, foretellUnkept } from './check/dry-run-conflicts.ts'
import { comparable } from './check/object-names.ts'
import { childrenThatLackRows } from './check/related-tables.ts'
import { backupAndTarget, chosenGuards, entriesOnPlatform, isOfPlatform } from './check/verify-restored.ts'
import { foretellMembers } from './extension-members.ts'
import { carryOut } from './phases.ts'
import { orderOf, type Prepared, prepareRestore } from './prepare-restore.ts'
import { describeDropped } from './replace/describe-drops.ts'
import { goesWith } from './replace/report-lost-objects.ts'
import type { RestoreSession } from './restore-session.ts'
import { foretellPlatform } from './supabase/foretell-platform.ts'
import { assertColumns } from './target/column-mismatches.ts'
import type { DatabaseRestored } from './work.ts'

/** What a restore would do. */
export interface DatabasePreview {
  readonly user: string
  readonly version: string
  readonly objects: number
  readonly tables: number
  readonly rows: number
  readonly inStages: Prepared['inStages']
  /** Mode `replace`: what goes, in words, and what of others is made again. */
  readonly dropped: readonly string[]
  readonly givenBack: readonly string[]
  readonly findings: readonly Finding[]
  /** With `compare`: what will make the restore fail, in words. */
  readonly refused: readonly string[]
  /** With `compare`, where all was tried and taken back: tables whose rows would not come back, and what would not be made as in the backup. */
  readonly left: readonly string[]
  readonly leftOut: readonly string[]
  /** With `compare` only. */
  readonly comparison?: readonly TableComparison[]
}

/** Looks at backup and target and says what would be done, inside a transaction that the caller takes back; with `compare` down to the rows. */
export async function previewRestore(
  session: RestoreSession,
  connection: Connection,
  reader: ArchiveReader,
  compare: boolean
): Promise<DatabasePreview> {
  const { facts } = session
  const { mode } = session.options
  const prepared = await prepareRestore(session, connection, reader)
  const { plan, target, replaced, chosen, toc } = prepared
  const refused: string[] = []
  const staying = plan.rows.filter(({ way }) => way === 'missing' || way === 'exchange')
  const stays = staying.map(({ facts: { schema, name } }) => ({ schema, name }))
  const into = new Map(staying.map((rows) => [readable(rows.facts), rows.way]))
  const comparison = compare
    ? await compareRows(
        connection,
        reader,
        plan.rows.filter((rows) => rows.way !== 'jobs'),
        [...chosen.tables]
          .filter(([name, table]) => chosen.withRows.has(name) && table.kind === 'r' && table.rows === '0')
          .map(([, table]) => table)
          .filter(({ schema, extension }) => extension === undefined && !plan.platform.has(schema)),
        prepared.tables,
        async (table, rows) => {
          if (replaced !== null) refused.push(...(await foretellUnkept(connection, replaced, table, rows)))
          const way = into.get(readable(table))
          if (rows !== null && way !== undefined)
            refused.push(...(await foretellDangling(connection, table, rows, stays, way === 'missing')))
        }
      )
    : undefined
  const unequal = new Set(comparison?.flatMap(({ table, missing }) => (missing === 0 ? [] : [table])))
  await assertColumns(connection, plan.rows, (rows) => unequal.has(readable(rows.facts)))
  if (compare && replaced !== null) refused.unshift(...(await foretellRefused(connection, facts, replaced, plan)))
  const brought = plan.rows.filter(({ way }) => way !== 'jobs')
  const members = foretellMembers({ facts, mode, chosen, target })
  const preview = {
    user: target.user,
    version: target.version,
    objects: plan.entries.length,
    tables: brought.length + members.tables,
    rows: brought.reduce((sum, rows) => sum + Number(rows.facts.rows ?? '0'), members.rows),
    inStages: prepared.inStages,
    dropped: replaced === null ? [] : await describeDropped(connection, replaced.roots, toc),
    givenBack: [...(replaced?.givenBack ?? []), ...plan.returning]
      .filter((entry) => entry.kind !== 'ACL' && entry.kind !== 'COMMENT')
      .map(describeEntry),
    findings: [
      ...plan.findings,
      ...members.findings,
      ...(compare ? await childrenThatLackRows(connection, facts, chosen) : []),
      ...(await foretellPlatform(connection, facts, target, plan)),
      ...(await foretellKeyless(
        connection,
        plan.rows.filter(
          ({ way, facts: { schema, name } }) => way === 'missing' && unequal.has(readable({ schema, name }))
        )
      )),
      ...(compare && mode !== 'empty' ? await definitionsThatDiffer(facts, connection, prepared) : [])
    ],
    ...(comparison === undefined ? {} : { comparison })
  }
  if (!compare || prepared.inStages !== null || (mode !== 'empty' && mode !== 'side-schema'))
    return { ...preview, refused, left: [], leftOut: [] }
  const tried = await rehearse(session, connection, prepared)
  const told = new Set(preview.findings.map(({ subject }) => subject))
  return {
    ...preview,
    refused: [...refused, ...tried.refused],
    left: tried.left,
    leftOut: tried.leftOut,
    findings: [...preview.findings, ...tried.findings.filter(({ subject }) => !told.has(subject))]
  }
}

/**
 * Does the whole restore in a transaction that the caller takes back: nothing foretells better what the target refuses. The target holds nothing that somebody
 * could wait for, or is not touched beside a schema of its own.
 */
async function rehearse(
  session: RestoreSession,
  connection: Connection,
  prepared: Prepared
): Promise<Pick<DatabaseRestored, 'findings' | 'left' | 'leftOut'> & { readonly refused: readonly string[] }> {
  const archives = session.openArchives()
  try {
    const archive = { reader: await archives.open(), openArchive: archives.open, rehearsal: true }
    const order = orderOf(session, connection, prepared, archive)
    return { ...(await carryOut(order)), refused: [] }
  } catch (error) {
    if (!(error instanceof UserError) || error.mayPass || session.options.context.signal.aborted) throw error
    return { findings: [], left: [], leftOut: [], refused: [error.message] }
  } finally {
    await archives.close()
  }
}

/** Definitions of the chosen objects that are not those of the backup, with what the target has beside and replacing would take away. */
async function definitionsThatDiffer(
  facts: DatabaseFacts,
  connection: Connection,
  { chosen, toc, plan, replaced }: Prepared
): Promise<Finding[]> {
  const guards = chosenGuards(
    { facts, whole: chosen.whole, entries: toc.entries.filter((entry) => chosen.entries.has(entry.id)) },
    await readGuards(connection, facts.server.versionNumber),
    goesWith(replaced?.roots ?? [])
  )
  const onPlatform = entriesOnPlatform([...toc.entries, ...(replaced?.extras ?? [])], plan.platform)
  const sameMajor = majorOf(facts.server.versionNumber) === majorOf(connection.versionNumber)
  const sameFingerprint = facts.fingerprint === fingerprintVersion
  return compareGuards(guards.source, guards.copy, {
    sides: backupAndTarget,
    missingExtensions: new Set(),
    sameMajor,
    sameFingerprint
  })
    .filter(
      ({ kind, subject }) =>
        kind === 'difference' && (!isOfPlatform(subject, plan.platform) || onPlatform.has(comparable(subject)))
    )
    .map((finding) => ({ ...finding, kind: 'note' as const }))
}
