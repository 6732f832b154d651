import type { DatabaseFacts } from '../../../archive/contents-database.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import { UserError } from '../../../errors.ts'
import { readPlatform } from '../catalog/platform.ts'
import { listed, readable } from '../catalog/quote.ts'
import { type CatalogTable, readTables } from '../catalog/tables.ts'
import { sessionSettings } from '../dump/snapshot.ts'
import type { ArchiveReader } from '../pg-archive/archive-reader.ts'
import type { ArchiveToc } from '../pg-archive/toc.ts'
import { holdsAlready } from './check/verify-restored.ts'
import { planRestore } from './plan/plan.ts'
import { planReplacing, type Replaced } from './plan/plan-replacing.ts'
import type { RestorePlan } from './plan/restore-plan.ts'
import { type Chosen, choose } from './plan/select-entries.ts'
import { assertNothingLost } from './replace/describe-drops.ts'
import { dumpDefinitions } from './replace/dump-target.ts'
import type { DatabaseRestoreOptions, RestoreSession } from './restore-session.ts'
import { readKnownObjects } from './target/catalog-index.ts'
import { assertColumns } from './target/column-mismatches.ts'
import { readExpressions } from './target/expressions.ts'
import { assertPlan, assertTarget } from './target/preconditions.ts'
import { readTarget, type TargetState } from './target/target-state.ts'
import { locksOfAll } from './transactions/lock-budget.ts'
import { findMarker, interruptedRestore } from './transactions/restore-marker.ts'
import type { Order } from './work.ts'

export interface Prepared {
  readonly target: TargetState
  readonly toc: ArchiveToc
  readonly chosen: Chosen
  readonly tables: ReadonlyMap<string, CatalogTable>
  readonly plan: RestorePlan
  readonly replaced: Replaced | null
  /** Why it comes in several transactions: one of the target cannot hold it, or several sessions share the rows. Null: it comes in one. */
  readonly inStages: 'locks' | 'size' | null
}

/** From this size on several sessions save more time than the start of each costs. Bytes. */
const usuallyLarge = 64 * 1024 * 1024

/** Looks at backup and target, and plans. Changes nothing. Throws SB7xx where the restore cannot be. */
export async function prepareRestore(
  { options, facts }: RestoreSession,
  connection: Connection,
  { toc }: ArchiveReader
): Promise<Prepared> {
  const { context, mode } = options
  const cut = await findMarker(connection)
  if (cut !== null) throw interruptedRestore(cut)
  const target = await readTarget(connection)
  const catalog = await readTables(connection)
  const tables = new Map(catalog.map((table) => [readable(table), table]))
  try {
    assertTarget(target, facts, toc, mode)
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== 'SB703') throw error
    // A run that was killed when its restore had ended leaves just that, and nobody was told.
    const platform = new Set([...target.schemas.values()].filter((one) => one.platform).map((one) => one.name))
    if (!(await holdsAlready(connection, facts, context.clock, { platform, there: new Set(tables.keys()) })))
      throw error
    throw new UserError(
      'SB703',
      `${error.message} All tables of this backup are there with just its rows: it is the source as it was then, or a restore of it came to its end.`
    )
  }
  const chosen = choose(options.selection, facts, toc)
  const known = await readKnownObjects(connection)
  const definitions = facts.selection.type !== 'data'
  const expressions = mode === 'replace' && definitions ? await readExpressions(connection) : null
  const replaced =
    expressions !== null
      ? planReplacing(
          await dumpDefinitions(
            options.target,
            await options.programs(),
            context,
            connection.tls,
            options.lockTimeoutMs
          ),
          expressions,
          toc,
          chosen,
          target,
          known,
          options.selection.tables.length > 0
        )
      : null
  if (replaced !== null && replaced.endangered.length > 0) {
    throw new UserError(
      'SB713',
      `${listed(replaced.endangered)} would lose columns or go altogether with what would be replaced.`
    )
  }
  if (replaced !== null && facts.selection.type === 'schema') await assertNothingLost(connection, replaced)
  const plan = planRestore({
    mode,
    toc,
    facts,
    chosen,
    byTables: options.selection.tables.length > 0,
    target,
    known: replaced?.known ?? known,
    ...(replaced === null ? {} : { before: known, changed: replaced.changed }),
    tables,
    targetVersions: (await readPlatform(connection, catalog)).versions
  })
  assertPlan(plan, target)
  await assertColumns(connection, plan.rows, () => false)
  const locks = locksOfAll(plan.entries)
  // The server keeps some more room than it promises.
  const tooMany = locks > target.mostLocks * 1.25
  if (tooMany && mode !== 'empty') {
    throw new UserError(
      'SB714',
      `The target's server lets one transaction hold some ${target.mostLocks} locks, and this restore would need ${locks}.`
    )
  }
  const inStages = tooMany
    ? 'locks'
    : mode === 'empty' && options.sessions > 1 && isLarge(plan, chosen, facts, options)
      ? 'size'
      : null
  return { target, toc, chosen, tables, plan, replaced, inStages }
}

/** By the size of the source's database, or of the chosen tables as far as its statistics tell. */
function isLarge(
  { rows }: RestorePlan,
  { whole }: Chosen,
  facts: DatabaseFacts,
  { largeFrom = usuallyLarge }: DatabaseRestoreOptions
): boolean {
  const bytes = whole
    ? facts.sizeBytes
    : rows.reduce((sum, { way, facts: { bytes } }) => sum + (way === 'copy' ? bytes : 0), 0)
  return bytes >= largeFrom
}

/** What a restore carries out. */
export function orderOf(
  { options, facts }: RestoreSession,
  connection: Connection,
  { target, chosen, plan, replaced }: Prepared,
  archive: Pick<Order, 'reader' | 'openArchive' | 'rehearsal'>
): Order {
  const { context, mode } = options
  const errors = options.errors ?? (mode === 'empty' || mode === 'side-schema' ? 'list' : 'stop')
  return {
    connection,
    ...archive,
    context,
    files: options.files,
    facts,
    mode,
    errors,
    target,
    chosen,
    asked: options.selection.tables,
    plan,
    replaced,
    sessionSettings: sessionSettings(connection.versionNumber, options.lockTimeoutMs)
  }
}
