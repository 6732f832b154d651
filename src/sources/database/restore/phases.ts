import { isNarrowed } from '../../../archive/contents-database.ts'
import { withRoomyHeap } from '../../../clients/process/heap-limit.ts'
import { quoteIdentifier } from '../catalog/quote.ts'
import { readGuards } from '../fingerprint/read-objects.ts'
import { applySettings, sourceSettings } from '../loading/source-settings.ts'
import { withoutObjects } from '../pg-archive/entry-sql.ts'
import { compareEarly, verify } from './check/verify.ts'
import { rolesFirst } from './definitions/create-entries.ts'
import {
  clearDefaultPrivileges,
  readDefaultPrivileges,
  resetDefaultPrivileges
} from './definitions/default-privileges.ts'
import { mendGrants } from './definitions/mend-grants.ts'
import { openRunner, searchPathsOf } from './definitions/open-runner.ts'
import { ownPublic } from './definitions/own-public.ts'
import { resetGrants } from './definitions/reset-acls.ts'
import { restoreRoles } from './definitions/restore-roles.ts'
import { borrowRoles } from './definitions/temporary-memberships.ts'
import { withholdGrants } from './definitions/withhold-grants.ts'
import { memberRestore } from './extension-members.ts'
import { dropReplaced } from './replace/drop-objects.ts'
import { giveBack } from './replace/give-back.ts'
import { bringReturning } from './replace/recreate-dependents.ts'
import { buildIndexes, largeIndexes } from './rows/build-indexes.ts'
import { bringChecksBack } from './rows/checks-aside.ts'
import { advanceOthers, loadGroup } from './rows/load-group.ts'
import { together } from './rows/load-table-data.ts'
import { sideSchemaName } from './rows/side-schema-table.ts'
import { bringVault, reloadApi, restorePlatform } from './supabase/restore-platform.ts'
import { readLargeObjects } from './target/large-objects.ts'
import { setReplicaRole } from './target/target-state.ts'
import { singleTransaction } from './transactions/lock-budget.ts'
import { single } from './transactions/single.ts'
import type { Transactions } from './transactions/transactions.ts'
import type { DatabaseRestored, Order, Work } from './work.ts'

type Phase = (work: Work) => Promise<void>

/**
 * What a restore of a database does, in order. The phases know neither how many transactions there are nor which mode it is: what is not planned is not there.
 * `transactions` decides where one ends, and what waits for the last one.
 */
const phases: readonly Phase[] = [
  // What is made before any object, and what objects are made with.
  suspendDefaultPrivileges,
  leaveMarker,
  createRoles,
  borrowMemberships,
  endTransaction,
  dropWhatIsReplaced,
  createSchemasAndExtensions,
  createTablesAndFunctions,
  endTransaction,
  // Rows, in the order of the archive; then what the target refused of them.
  loadRows,
  createIndexesKeysAndTriggers,
  giveDependentsBack,
  giveGrants,
  refreshViews,
  compareTablesEarly,
  beginLastTransaction,
  // What waits for the last transaction, since it hangs on objects that the target had before.
  loadLastRows,
  createWhatWaited,
  setDefaultPrivileges,
  restorePlatformSettings,
  // Nothing is committed before it was compared with the backup.
  verifyEverything,
  setSequencesOfPlatform,
  giveMembershipsBack,
  reloadApi
]

/** Makes the transactions of a restore; `work` must not be asked for before the first phase. */
export type TransactionsOf = (order: Order, work: () => Work) => Transactions

/**
 * Carries a plan out, and compares the outcome with the backup before the last transaction ends, which is open when this resolves. Throws SB708 where the target
 * refuses what the backup cannot be brought back without, SB709 where it is not what the backup says afterwards: the caller must take back what is there then.
 */
export async function carryOut(order: Order, transactionsOf: TransactionsOf = () => single): Promise<DatabaseRestored> {
  const work = await begin(order, transactionsOf)
  for (const phase of phases) await phase(work)
  const { journal } = work
  const rows = together(journal.loaded)
  const tables = [...rows.tables, ...journal.ofExtensions]
  return {
    tables,
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
    sideSchema: journal.sideSchema,
    left: [...new Set([...journal.plan.left, ...rows.left, ...journal.unequal])],
    leftOut: [...new Set([...journal.leftOut, ...journal.runner.leftOut])],
    findings: rolesFirst(journal.findings, journal.runner.missingRoles)
  }
}

async function begin(order: Order, transactionsOf: TransactionsOf): Promise<Work> {
  const { chosen, facts, mode, plan } = order
  const { type, schemas, tables } = facts.selection
  const all = chosen.everything && (mode === 'empty' || mode === 'replace') && type !== 'data'
  const transactions = transactionsOf(order, () => work)
  const kept = mode === 'missing-rows' || type === 'data' ? await readLargeObjects(order.connection) : new Set<string>()
  const withoutKept = { ...plan, entries: withoutObjects(plan.entries, kept) }
  const work: Work = {
    ...order,
    transactions,
    members: memberRestore(order),
    all,
    hasDefaults: all && schemas.length === 0 && tables.length === 0,
    whole: all && chosen.whole && !isNarrowed(facts),
    journal: {
      findings: [...plan.findings],
      ...(await openRunner(order, withoutKept, transactions.steps)),
      defaults: [],
      borrowed: [],
      before: [],
      dropped: null,
      keptObjects: kept,
      sideSchema: null,
      still: false,
      inForce: [],
      loaded: [],
      ofExtensions: [],
      secrets: null,
      throughRoot: new Map(plan.throughRoot),
      checks: [],
      notValid: new Set(),
      leftOut: [],
      withheld: new Set(),
      unequal: [],
      compared: new Set()
    }
  }
  return work
}

/** What is made from here on has the rights that the backup gives it, and no more. */
async function suspendDefaultPrivileges({ connection, journal, mode }: Work): Promise<void> {
  if (journal.plan.entries.length > 0 || mode === 'side-schema')
    journal.defaults = await clearDefaultPrivileges(connection, await readDefaultPrivileges(connection))
}

function leaveMarker(work: Work): Promise<void> {
  return work.transactions.leaveMarker(work)
}

function endTransaction({ transactions }: Work): Promise<void> {
  return transactions.between()
}

async function createRoles({ connection, facts, target, all, journal }: Work): Promise<void> {
  if (all) journal.findings.push(...(await restoreRoles(connection, facts, target)))
}

async function borrowMemberships({ connection, target, replaced, journal, transactions }: Work): Promise<void> {
  const owners = [...journal.plan.entries, ...(replaced?.givenBack ?? [])].map((entry) => entry.owner)
  // In several transactions only of those that this restore made: when it is cut, they go, and their members with them.
  const meant = transactions.apart === null ? owners : owners.filter((name) => !target.roles.has(name))
  journal.borrowed = await borrowRoles(connection, meant, target)
}

async function dropWhatIsReplaced(work: Work): Promise<void> {
  const { connection, replaced, whole, journal, transactions } = work
  await holdStill(work, true)
  if (replaced === null) return
  journal.before = await readGuards(connection)
  journal.dropped = await dropReplaced(connection, replaced, whole)
  journal.findings.push(...journal.dropped.findings)
  const keptObjects = new Set([...journal.dropped.keptObjects, ...journal.keptObjects])
  journal.keptObjects = keptObjects
  const plan = { ...journal.plan, entries: withoutObjects(journal.plan.entries, keptObjects) }
  Object.assign(journal, await openRunner(work, plan, transactions.steps))
}

async function holdStill({ connection, target, journal }: Work, still: boolean): Promise<void> {
  journal.still = still
  await setReplicaRole(connection, target, still)
}

/** Event triggers of the platform must see an extension: they give its grants. */
async function createSchemasAndExtensions(work: Work): Promise<void> {
  const { journal } = work
  await holdStill(work, false)
  await journal.runner.run(journal.passes.first)
  if (work.all) journal.findings.push(...(await ownPublic(work)))
  await holdStill(work, true)
  await work.members.make()
}

/** From here on settings of the source are in force: defaults, checks and generated columns may hang on them. */
async function createTablesAndFunctions(work: Work): Promise<void> {
  const { connection, context, facts, mode, target, journal, transactions } = work
  journal.inForce = sourceSettings(facts)
  await applySettings(connection, journal.inForce)
  await journal.runner.run(journal.passes.before.filter((entry) => !transactions.isLate(entry)))
  await work.members.make()
  if (mode !== 'side-schema') return
  journal.sideSchema = sideSchemaName(context.clock.now(), (name) => target.schemas.has(name))
  await connection.query(`create schema ${quoteIdentifier(journal.sideSchema)}`)
}

async function loadRows(work: Work): Promise<void> {
  for await (const group of work.transactions.groups(work)) await withRoomyHeap(() => loadGroup(work, group))
  if (work.transactions.apart === null) {
    await fillExtensions(work)
    await bringSecretsBeforeKeys(work)
  }
  if (work.mode === 'replace') work.journal.findings.push(...(await advanceOthers(work)))
}

async function createIndexesKeysAndTriggers(work: Work): Promise<void> {
  const { connection, reader, journal, transactions } = work
  const { runner, plan, passes } = journal
  const after = passes.after.filter((entry) => !transactions.isLate(entry) && !isSequenceOfPlatform(work, entry))
  const built = await buildIndexes(
    transactions.apart?.sessions() ?? [],
    largeIndexes(
      after,
      reader.toc.entries,
      plan.rows.filter(({ way }) => way === 'copy')
    )
  )
  runner.count([...built])
  const checks = await bringChecksBack(connection, journal.checks.flat(), {
    tolerant: work.errors === 'list',
    searchPaths: searchPathsOf(work)
  })
  journal.findings.push(...checks.findings)
  for (const name of checks.notValid) {
    journal.notValid.add(name)
    journal.leftOut.push(`constraint ${name}`)
  }
  await runner.run(after.filter((entry) => !built.has(entry)))
}

async function giveDependentsBack({ connection, replaced, target, journal }: Work): Promise<void> {
  const { dropped, runner, plan, findings } = journal
  const notGivenBack =
    replaced === null || dropped === null ? [] : await giveBack(connection, replaced, target.user, dropped.unpopulated)
  findings.push(...notGivenBack.filter((one) => runner.findings.every(({ subject }) => subject !== one.subject)))
  findings.push(...(await bringReturning(connection, plan.returning, target.user)))
}

async function giveGrants(work: Work): Promise<void> {
  const { connection, journal, transactions } = work
  await resetGrants(connection, journal.plan.regranted)
  const grants = journal.passes.grants.filter((entry) => !transactions.isLate(entry))
  await journal.runner.run(withholdGrants(work, grants))
  if (work.all) await mendGrants(work)
}

/** Event triggers come behind the views: else they would see how those are refreshed. */
function refreshViews({ journal, transactions }: Work): Promise<void> {
  return journal.runner.run(journal.passes.last.filter((entry) => !transactions.isLate(entry)))
}

async function compareTablesEarly(work: Work): Promise<void> {
  if (work.transactions.apart !== null) await compareEarly(work)
}

function beginLastTransaction({ transactions }: Work): Promise<void> {
  return transactions.last()
}

async function loadLastRows(work: Work): Promise<void> {
  const rows = work.transactions.lastRows()
  if (rows.length > 0) await loadGroup(work, { rows, largeObjects: false, steps: singleTransaction })
  if (work.transactions.apart !== null) await fillExtensions(work)
}

/** A trigger of the Vault's own may seal what is written there. */
async function bringSecretsBeforeKeys(work: Work): Promise<void> {
  await holdStill(work, false)
  await bringVault(work)
  await holdStill(work, true)
}

/** In the last transaction where there are several: no mark names what lies in tables of extensions. */
async function fillExtensions({ members, journal }: Work): Promise<void> {
  journal.ofExtensions.push(...(await members.fill()).tables)
}

async function createWhatWaited({ journal, transactions }: Work): Promise<void> {
  const { before, after, grants, last } = journal.passes
  const isLate = (entry: Parameters<typeof transactions.isLate>[0]) => transactions.isLate(entry)
  await journal.runner.run([...before, ...after].filter(isLate))
  await journal.runner.run([...grants, ...last].filter(isLate))
}

/** The target's come back, or those of the backup in their place. */
async function setDefaultPrivileges({ connection, journal, hasDefaults }: Work): Promise<void> {
  if (hasDefaults) await journal.runner.run(journal.passes.defaults)
  else if (journal.defaults.length > 0) await resetDefaultPrivileges(connection, journal.defaults)
}

async function restorePlatformSettings(work: Work): Promise<void> {
  await holdStill(work, false)
  work.journal.findings.push(...(await restorePlatform(work)))
}

async function verifyEverything(work: Work): Promise<void> {
  await work.transactions.removeMark(work)
  await verify(work)
}

/** Those that the role may set, but not alter, stay set when the transaction is taken back: they come when nothing can fail any more. */
async function setSequencesOfPlatform(work: Work): Promise<void> {
  if (work.rehearsal) return
  const { runner, passes, findings } = work.journal
  const listed = runner.findings.length
  const waiting = passes.after.filter((entry) => isSequenceOfPlatform(work, entry))
  await runner.run(waiting.filter((entry) => !work.transactions.isLate(entry)))
  findings.push(...runner.findings.slice(listed))
}

async function giveMembershipsBack({ connection, journal }: Work): Promise<void> {
  for (const statement of journal.borrowed) await connection.query(statement)
}

function isSequenceOfPlatform(
  { journal }: Work,
  { kind, schema }: { readonly kind: string; readonly schema: string }
): boolean {
  return kind === 'SEQUENCE SET' && journal.plan.platform.has(schema)
}
