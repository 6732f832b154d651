import type { DatabaseFacts } from '../../../../archive/contents-database.ts'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { UserError } from '../../../../errors.ts'
import type { Finding } from '../../../source.ts'
import { readable } from '../../catalog/quote.ts'
import { readGuards } from '../../fingerprint/read-objects.ts'
import { factsOfKind } from '../../pg-archive/kinds.ts'
import type { ArchiveToc, TocEntry } from '../../pg-archive/toc.ts'
import type { EntryRunner } from '../definitions/create-entries.ts'
import { tellBeyondBackup } from '../replace/report-extra-objects.ts'
import { goneWithReplaced } from '../replace/report-lost-objects.ts'
import { together } from '../rows/load-table-data.ts'
import { tellsBeyond } from '../supabase/restore-platform.ts'
import type { Work } from '../work.ts'
import { checkForeignKeys } from './foreign-keys.ts'
import { askedWithoutRows, childrenThatLackRows } from './related-tables.ts'
import { checkInParts } from './verify-in-batches.ts'
import { type CheckAfterOptions, checkAfter, checkedTables, checkTables, isToldAgain } from './verify-restored.ts'

/** Compares those tables that need not wait for the last transaction, over as many sessions and transactions as there are. */
export async function compareEarly(work: Work): Promise<void> {
  const { context, journal, transactions } = work
  const { apart } = transactions
  if (apart === null) return
  const check = checkOf(work)
  const tables = checkedTables(check).filter(
    (table) => !transactions.isLateTable(table) && !check.throughRoot.has(readable(table))
  )
  const sessions = apart.sessions()
  if (sessions.length > 0) await apart.stages.next()
  if (sessions.length === 0) await readAsHashed(work)
  const compared = await checkInParts({
    check,
    tables,
    stages: apart.stages,
    sessions,
    onCompared: (count) => context.log.progress(() => `database: ${count} of ${tables.length} tables compared`)
  })
  journal.findings.push(...assertEqual(compared.findings))
  journal.unequal.push(...compared.unequal)
  for (const table of tables) journal.compared.add(readable(table))
}

/** Values are written again as they were when they were hashed, whatever settings of the source were in force. */
async function readAsHashed({ connection, journal, sessionSettings }: Work): Promise<void> {
  journal.inForce = []
  const names = sessionSettings.map(([name, value]) => `set local ${name} = '${value}'`)
  await connection.query(names.join('; '))
}

/**
 * Compares everything with the backup before the last transaction ends. What differs and is listed already, or hangs on what is, is no difference. Throws SB709
 * where there is one.
 */
export async function verify(work: Work): Promise<void> {
  const { connection, facts, target, replaced, chosen, reader, journal } = work
  const { findings, runner } = journal
  await readAsHashed(work)
  const refused = await unresolvedRefusals(connection, runner, reader.toc, facts)
  const found = await compareLate(work)
  const beyond = tellsBeyond(work) ? await tellBeyondBackup(connection, facts, target) : []
  const sameAgain = new Set(beyond.map(({ subject }) => subject))
  const members = await work.members.check()
  journal.unequal.push(...members.left)
  findings.push(...members.findings, ...withoutReported(refused, found, runner, reader.toc), ...beyond)
  findings.push(...found.filter(({ subject }) => !sameAgain.has(subject.replace(/^(?:owner of|comment) /, ''))))
  if (work.mode !== 'side-schema') findings.push(...(await childrenThatLackRows(connection, facts, chosen)))
  for (const table of askedWithoutRows(facts, work.asked)) {
    journal.unequal.push(readable(table))
    findings.push({
      kind: 'todo',
      subject: `table ${readable(table)}`,
      detail: 'it was asked for by its name, and the backup holds no rows of it: an earlier backup may'
    })
  }
  if (replaced === null) return
  const told = new Set(findings.map(({ subject }) => subject))
  const gone = goneWithReplaced(journal.before, await readGuards(connection), replaced.entries.values(), chosen.whole)
  findings.push(...gone.filter(({ subject }) => !told.has(subject)))
}

async function compareLate(work: Work): Promise<Finding[]> {
  const { connection, journal } = work
  const { refused } = together(journal.loaded)
  const brought = journal.plan.rows.filter((rows) => !refused.has(rows.entry.id))
  const touched = brought.filter((rows) => rows.way === 'exchange' || rows.way === 'missing').map((rows) => rows.facts)
  const dangling = await checkForeignKeys(connection, touched)
  const check = checkOf(work)
  const tables = await checkTables(
    check,
    checkedTables(check).filter((table) => !journal.compared.has(readable(table)))
  )
  journal.unequal.push(...tables.unequal)
  const listed = work.errors === 'list' ? dangling.map((one): Finding => ({ ...one, kind: 'todo' })) : dangling
  if (work.errors === 'list') journal.leftOut.push(...dangling.map(({ subject }) => subject))
  const objects = await checkAfter(check)
  if (work.errors === 'list') journal.leftOut.push(...objects.leftOut)
  return assertEqual([...listed, ...tables.findings, ...objects.findings])
}

/** All partitions of tables that some of the rows went through: the others may hold rows of theirs. */
function mergedTables({ plan, journal }: Pick<Work, 'plan' | 'journal'>): ReadonlyMap<string, string> {
  const used = new Set(journal.throughRoot.values())
  const all = [...plan.roots].map(([table, root]) => [table, readable(root)] as const)
  return new Map(all.filter(([, root]) => used.has(root)))
}

function checkOf(work: Work): CheckAfterOptions {
  const { connection, context, facts, target, reader, errors, whole, journal } = work
  const { plan, runner, keptObjects } = journal
  const { refused } = together(journal.loaded)
  const objects = plan.entries.some((entry) => factsOfKind(entry.kind).isLargeObject)
  return {
    connection,
    clock: context.clock,
    facts,
    rows: plan.rows.filter((rows) => !refused.has(rows.entry.id)),
    entries: plan.entries,
    regranted: plan.regranted,
    ofBackup: reader.toc.entries,
    whole,
    // Where rows alone come back, those that are there stay.
    largeObjects: objects && facts.largeObjects.count !== '0' && work.mode !== 'missing-rows' && keptObjects.size === 0,
    notMade: {
      refused: runner.refused,
      otherOwner: runner.otherOwner,
      stayed: new Set(plan.regranted.map(({ id }) => id)),
      withheld: journal.withheld,
      notValid: new Set([...runner.notValid, ...journal.notValid])
    },
    throughRoot: mergedTables(work),
    tolerant: errors === 'list',
    platform: plan.platform,
    // Grants to roles that are missing are refused to a superuser, too: they are to be listed and not to end the restore.
    superuser: target.superuser && runner.missingRoles.size === 0
  }
}

/** What the target refused, without default privileges that it has already as they should be. */
async function unresolvedRefusals(
  connection: Connection,
  runner: EntryRunner,
  toc: ArchiveToc,
  facts: DatabaseFacts
): Promise<Finding[]> {
  const refused = toc.entries.filter((entry) => entry.kind === 'DEFAULT ACL' && runner.refused.has(entry.id))
  if (refused.length === 0) return [...runner.findings]
  const kept = (guards: DatabaseFacts['guards']) => guards.filter((guard) => guard.kind === 'default privileges')
  const now = kept(await readGuards(connection, facts.server.versionNumber))
  const nameOf = (entry: TocEntry) =>
    `for ${entry.owner}${entry.schema === '' ? '' : ` in schema ${entry.schema}`} on ${entry.tag.replace('DEFAULT PRIVILEGES FOR ', '').toLowerCase()}`
  const equal = refused.filter((entry) => {
    const named = (guard: DatabaseFacts['guards'][number]) => guard.name.replaceAll('"', '') === nameOf(entry)
    return now.find(named)?.definition === kept(facts.guards).find(named)?.definition
  })
  const quiet = new Set(equal.map((entry) => runner.findingOf(entry.id)))
  return runner.findings.filter((finding) => !quiet.has(finding))
}

/** What was refused, without grants that a check after it tells of. */
function withoutReported(
  refused: readonly Finding[],
  checked: readonly Finding[],
  runner: Pick<EntryRunner, 'refused' | 'findingOf'>,
  toc: ArchiveToc
): Finding[] {
  const again = new Set(
    toc.entries
      .filter((entry) => runner.refused.has(entry.id) && isToldAgain(entry, checked))
      .map((entry) => runner.findingOf(entry.id))
  )
  return refused.filter((finding) => !again.has(finding))
}

/** Returns what is no difference; throws SB709 where there is one. */
function assertEqual(found: readonly Finding[]): Finding[] {
  const differences = found.filter((finding) => finding.kind === 'difference')
  if (differences.length === 0) return [...found]
  const words = differences.slice(0, 6).map((finding) => `${finding.subject}: ${finding.detail}`)
  const more = differences.length > 6 ? `; and ${differences.length - 6} more` : ''
  throw new UserError('SB709', `After the restore the target was not what the backup says: ${words.join('; ')}${more}.`)
}
