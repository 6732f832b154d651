import type { Finding } from '../../../source.ts'
import { qualified, readable } from '../../catalog/quote.ts'
import type { CopiedColumns } from '../../pg-archive/copy-statement.ts'
import { searchPathsOf } from '../definitions/open-runner.ts'
import type { RowsPlan } from '../plan/restore-plan.ts'
import { stageJobs } from '../supabase/cron-jobs.ts'
import { keepPrivate, privateBuckets } from '../supabase/private-buckets.ts'
import type { RowGroup } from '../transactions/transactions.ts'
import type { Work } from '../work.ts'
import { advanceSequences } from './insert-missing.ts'
import { emptyTables, holdTriggers, loadRows } from './load-table-data.ts'
import { tryAgain } from './second-tries.ts'
import { makeSideTable } from './side-schema-table.ts'

/** Brings rows in that come together, in the open transaction and over the sessions beside it; then what the target refused of them at first. */
export async function loadGroup(work: Work, group: RowGroup): Promise<void> {
  const { connection, context, journal } = work
  const gone = tablesNotMade(work)
  const made = group.rows.filter(({ entry, way }) => !(way === 'copy' && gone.has(entry.id)))
  const held = await holdTriggers(connection, made)
  journal.findings.push(...held.findings)
  const hidden = await privateBuckets(connection, made)
  const emptied = await emptyTables(connection, made)
  const rows = made.filter(({ entry }) => !emptied.refused.has(entry.id))
  const options = {
    connection,
    beside: (plan: RowsPlan) => besideOf(work, plan),
    jobs: (plan: RowsPlan, chunks: AsyncIterable<Uint8Array>) => stageJobs(connection, plan, chunks),
    onRows: (table: string, count: number) => context.log.progress(() => `database: ${count} rows of ${table}`),
    steps: group.steps
  }
  const reader = journal.loaded.length === 0 ? work.reader : await work.openArchive()
  const first = await loadRows({
    ...options,
    reader,
    rows,
    largeObjects: group.largeObjects,
    keptObjects: journal.keptObjects,
    ...(group.lanes === undefined ? {} : { lanes: group.lanes })
  })
  const second = await tryAgain({
    ...options,
    refused: first.refused,
    openArchive: work.openArchive,
    searchPaths: searchPathsOf(work),
    rootOf: (plan) => rootOf(work, plan),
    tolerant: work.errors === 'list'
  })
  for (const [table, root] of second.throughRoot) journal.throughRoot.set(table, root)
  journal.checks.push(...second.checks)
  for (const part of [emptied, first.loaded, second.loaded]) {
    journal.loaded.push(part)
    journal.findings.push(...part.findings)
  }
  journal.findings.push(...(await keepPrivate(connection, hidden)))
  for (const statement of held.back) await connection.query(statement)
}

/** Ids of the data of tables that could not be made: their rows have no place. Each table with rows is told as left out. */
function tablesNotMade({ reader, journal }: Work): ReadonlySet<number> {
  const nameOf = ({ schema, tag }: { readonly schema: string; readonly tag: string }) => readable({ schema, name: tag })
  const refused = new Set(
    reader.toc.entries.filter(({ id, kind }) => kind === 'TABLE' && journal.runner.refused.has(id)).map(nameOf)
  )
  const lost = journal.plan.rows.filter(({ entry, way }) => way === 'copy' && refused.has(nameOf(entry)))
  if (lost.length > 0) {
    const left = lost.filter(({ facts }) => facts.rows !== '0').map(({ facts }) => readable(facts))
    journal.unequal.push(...left.filter((name) => !journal.unequal.includes(name)))
  }
  return new Set(lost.map(({ entry }) => entry.id))
}

/** The partitioned table at the top that the rows of a partition belong to, too. */
function rootOf({ plan }: Work, { facts }: RowsPlan): { readonly schema: string; readonly name: string } | undefined {
  return plan.roots.get(readable(facts))
}

/** Sequences that made tables draw from and that stay, since the tables chosen are not all that do. */
export async function advanceOthers({ connection, journal: { plan } }: Work): Promise<Finding[]> {
  const set = new Set(
    plan.entries
      .filter((entry) => entry.kind === 'SEQUENCE SET')
      .map((entry) => readable({ schema: entry.schema, name: entry.tag }))
  )
  const findings: Finding[] = []
  for (const { facts, way } of plan.rows)
    if (way === 'copy') findings.push(...(await advanceSequences(connection, facts, set)))
  return findings
}

async function besideOf({ connection, reader, journal }: Work, rows: RowsPlan): Promise<CopiedColumns> {
  const { entries } = reader.toc
  const schema = journal.sideSchema ?? ''
  const definition = entries.find(
    (entry) => entry.kind === 'TABLE' && entry.schema === rows.entry.schema && entry.tag === rows.entry.tag
  )
  const key = entries.find(
    (entry) =>
      entry.kind === 'CONSTRAINT' &&
      definition !== undefined &&
      entry.needs.includes(definition.id) &&
      / PRIMARY KEY \(/.test(entry.definition)
  )
  // Two tables of one name from two schemas lie beside each other.
  const same = journal.plan.rows.filter((other) => other.entry.tag === rows.entry.tag).length > 1
  const table = same ? `${rows.entry.schema}_${rows.entry.tag}` : rows.entry.tag
  const place = { ...rows.copied, schema, table }
  const exact = await makeSideTable(connection, schema, place, qualified(rows.facts), definition, key)
  const subject = `table ${readable({ schema, name: table })}`
  if (!exact && journal.findings.every((finding) => finding.subject !== subject))
    journal.findings.push({
      kind: 'note',
      subject,
      detail: 'its columns are text: types or functions of the definition are not in the target any more'
    })
  return place
}
