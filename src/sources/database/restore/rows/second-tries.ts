import { serverErrorOf, sqlStateOf } from '../../../../clients/postgres/server-error.ts'
import type { Finding } from '../../../source.ts'
import { readable } from '../../catalog/quote.ts'
import { isUnknownName, setSearchPath } from '../../loading/search-paths.ts'
import type { ArchiveReader } from '../../pg-archive/archive-reader.ts'
import { isRefusal } from '../definitions/refusal.ts'
import type { RowsPlan } from '../plan/restore-plan.ts'
import { locksOfRows, type Steps } from '../transactions/lock-budget.ts'
import { type AsideChecks, takeChecksAside } from './checks-aside.ts'
import {
  type Loaded,
  type LoadOptions,
  leftAsTheyAre,
  loadTable,
  notBroughtBack,
  type RefusedRows,
  together
} from './load-table-data.ts'

export interface SecondTriesOptions extends Pick<LoadOptions, 'connection' | 'beside' | 'jobs' | 'onRows'> {
  readonly refused: readonly RefusedRows[]
  /** The archive from its beginning. */
  readonly openArchive: () => Promise<ArchiveReader>
  readonly searchPaths: (schema: string) => readonly string[]
  /** The partitioned table at the top, for rows that another partition of this server is for; undefined where the table is no partition. */
  readonly rootOf: (plan: RowsPlan) => { readonly schema: string; readonly name: string } | undefined
  /** Rows that nothing helps are left out and listed. */
  readonly tolerant: boolean
  readonly steps: Steps
}

export interface SecondTries {
  readonly loaded: Loaded
  /** Partitions, by `readable` name, whose rows went through the table of that name. */
  readonly throughRoot: ReadonlyMap<string, string>
  readonly checks: readonly AsideChecks[]
}

/** One way to bring the rows of a table in. */
interface Way {
  readonly path: string
  readonly withoutChecks: boolean
}

/**
 * Brings in what the target refused at first, now that all other rows are there: checks that look into other tables hold then, functions with unqualified names
 * find what they call with the search_path of the source, and checks that old rows break are set aside until all rows are in. Rows are never withheld for
 * a check. Throws SB708 at what nothing helps, unless it may be left out.
 */
export async function tryAgain(options: SecondTriesOptions): Promise<SecondTries> {
  const { connection, tolerant } = options
  const parts: Loaded[] = []
  const throughRoot = new Map<string, string>()
  const checks: AsideChecks[] = []
  let open = options.refused.map((one) => ({ ...one, first: one.error, ways: waysOf(one, options) }))
  while (open.length > 0) {
    for (const { plan, first } of open.filter(({ ways }) => ways.length === 0)) {
      if (!tolerant) throw notBroughtBack(plan, first)
      parts.push(leftAsTheyAre(plan, first))
    }
    open = open.filter(({ ways }) => ways.length > 0)
    if (open.length === 0) break
    const waiting = new Map(open.map((one) => [one.plan.entry.id, one]))
    const reader = await options.openArchive()
    const next: typeof open = []
    for await (const block of reader.blocks()) {
      const one = block.kind === 'rows' ? waiting.get(block.entry.id) : undefined
      const [way, ...ways] = one?.ways ?? []
      if (one === undefined || way === undefined || block.kind !== 'rows') continue
      await options.steps.before(locksOfRows)
      const root = isOtherPartition(one.error) ? options.rootOf(one.plan) : undefined
      const plan =
        root === undefined
          ? one.plan
          : { ...one.plan, copied: { ...one.plan.copied, schema: root.schema, table: root.name } }
      await connection.query('savepoint way')
      try {
        await connection.query(setSearchPath(way.path))
        const aside = way.withoutChecks ? await takeChecksAside(connection, one.plan.facts) : null
        const loaded = await loadTable(plan, block.chunks, options)
        await connection.query(`${setSearchPath('')}; release savepoint way`)
        if (aside !== null) checks.push(aside)
        if (root !== undefined) throughRoot.set(readable(one.plan.facts), readable(root))
        parts.push({ ...loaded, findings: [...loaded.findings, ...told(one.plan, way)] })
      } catch (error) {
        if (!isRefusal(error) || connection.broken.aborted) throw notBroughtBack(one.plan, error)
        await connection.query('rollback to savepoint way; release savepoint way')
        // The same way once more, into the table above.
        const again = root === undefined && isOtherPartition(error) && options.rootOf(one.plan) !== undefined
        next.push({ ...one, error, ways: again ? [way, ...ways] : ways })
      }
    }
    open = next
  }
  return { loaded: together(parts), throughRoot, checks }
}

function told(plan: RowsPlan, { path }: Way): Finding[] {
  if (path === '') return []
  const detail =
    "its rows came in with the search_path of the source: a function that they pass through names objects without their schema. Set the function's own (`alter function ... set search_path = ...`), so that any restore can bring them in"
  return [{ kind: 'note', subject: `table ${readable(plan.facts)}`, detail }]
}

/** In the order in which they change the least. */
function waysOf({ plan, error }: RefusedRows, { searchPaths }: Pick<SecondTriesOptions, 'searchPaths'>): Way[] {
  const paths = searchPaths(plan.facts.schema)
  const inOrder = isUnknownName(sqlStateOf(error)) ? paths : ['', ...paths]
  const plainly = inOrder.map((path) => ({ path, withoutChecks: false }))
  // Of a table that is there before, checks are nobody's to take away.
  if (plan.way !== 'copy' || plan.platform) return plainly
  return [...plainly, ...['', ...paths].map((path) => ({ path, withoutChecks: true }))]
}

/** Whether the row is for another partition: the only check without a name. Source: PostgreSQL, execMain.c, ExecPartitionCheckEmitError. */
function isOtherPartition(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const answer = serverErrorOf(at)
    if (answer !== undefined) return answer.sqlState === '23514' && answer.constraint === undefined
  }
  return false
}
