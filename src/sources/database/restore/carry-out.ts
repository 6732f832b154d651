import { type DatabaseFacts, isNarrowed } from '../../../archive/contents-database.ts'
import type { Files } from '../../../archive/files.ts'
import type { Connection } from '../../../clients/postgres/connection.ts'
import type { Context } from '../../../context.ts'
import { UserError } from '../../../errors.ts'
import type { Finding } from '../../source.ts'
import { qualified, quoteIdentifier, readable } from '../catalog/quote.ts'
import { readGuards } from '../fingerprint/read-objects.ts'
import { passesOf } from '../loading/restore-order.ts'
import type { ArchiveReader } from '../pg-archive/archive-reader.ts'
import type { CopiedColumns } from '../pg-archive/copy-statement.ts'
import { withoutObjects } from '../pg-archive/entry-sql.ts'
import type { ArchiveToc, TocEntry } from '../pg-archive/toc.ts'
import { checkForeignKeys } from './check/foreign-keys.ts'
import {
  type CheckAfterOptions,
  type ComparedTables,
  checkAfter,
  checkedTables,
  checkTables,
  isToldAgain
} from './check/verify-restored.ts'
import { type EntryRunner, entryRunner, rolesFirst } from './definitions/create-entries.ts'
import { restoreDatabaseSettings } from './definitions/database-settings.ts'
import {
  clearDefaultPrivileges,
  readDefaultPrivileges,
  resetDefaultPrivileges
} from './definitions/default-privileges.ts'
import { resetGrants } from './definitions/reset-acls.ts'
import { restoreRoles } from './definitions/restore-roles.ts'
import { borrowRoles } from './definitions/temporary-memberships.ts'
import { memberRestore } from './extension-members.ts'
import type { Chosen } from './plan/select-entries.ts'
import type { RestoreMode, RestorePlan, RowsPlan } from './plan/types.ts'
import { bringReturning } from './replace/recreate-dependents.ts'
import { dropReplaced, giveBack, type Replaced } from './replace/replaced.ts'
import { tellBeyondBackup, tellJobsBeyond, tellSecretsBeyond } from './replace/report-extra-objects.ts'
import { goneWithReplaced } from './replace/report-lost-objects.ts'
import { advanceSequences } from './rows/insert-missing.ts'
import {
  emptyTables,
  holdTriggers,
  type Loaded,
  type LoadedTable,
  type LoadOptions,
  loadRows,
  together
} from './rows/load-table-data.ts'
import { makeSideTable, sideSchemaName } from './rows/side-schema-table.ts'
import { hasVault, restoreSecrets, scheduleJobs, stageJobs } from './supabase/cron-jobs-and-vault.ts'
import { keepPrivate, privateBuckets } from './supabase/private-buckets.ts'
import { readKnownObjects } from './target/catalog-index.ts'
import { withoutPassedSequences } from './target/passed-sequences.ts'
import type { TargetState } from './target/target-state.ts'
import { oneStep, type Steps } from './transactions/lock-budget.ts'

export interface CarryOutOptions {
  readonly connection: Connection
  readonly reader: ArchiveReader
  readonly context: Context
  readonly files: Files
  readonly facts: DatabaseFacts
  readonly mode: RestoreMode
  readonly target: TargetState
  readonly chosen: Chosen
  readonly plan: RestorePlan
  readonly replaced: Replaced | null
}

/** What a restore did. */
export interface DatabaseRestored {
  readonly tables: readonly LoadedTable[]
  readonly rows: number
  readonly sideSchema: string | null
  /** Tables whose rows were meant and did not come back; each is among the findings. */
  readonly left: readonly string[]
  readonly findings: readonly Finding[]
}

/**
 * Carries a plan out in the open transaction, and compares the outcome with the backup before that ends. Throws SB708 where the target refuses what the
 * backup cannot be brought back without, SB709 where it is not what the backup says afterwards: the caller must take the transaction back then.
 */
export async function carryOut(given: CarryOutOptions): Promise<DatabaseRestored> {
  const { connection, context, facts, mode, target, chosen, replaced, reader } = given
  const { toc } = reader
  const findings: Finding[] = [...given.plan.findings]
  const definitions = mode === 'empty' || mode === 'replace'
  const all = chosen.whole && definitions && facts.selection.type !== 'data'
  const whole = all && !isNarrowed(facts)
  /** Neither triggers nor event triggers of the target take part; foreign keys are looked at afterwards. */
  const still = async (on: boolean) => {
    if (target.replicaRole) await connection.query(`set local session_replication_role = ${on ? 'replica' : 'origin'}`)
  }

  if (all) findings.push(...(await restoreRoles(connection, facts, target)))
  const owners = [...given.plan.entries, ...(replaced?.givenBack ?? [])].map((entry) => entry.owner)
  const borrowed = await borrowRoles(connection, owners, target)
  const makes = given.plan.entries.length > 0 || mode === 'side-schema'
  const defaults = makes ? await clearDefaultPrivileges(connection, await readDefaultPrivileges(connection)) : []
  await still(true)
  const before = replaced === null ? [] : await readGuards(connection)
  const dropped = replaced === null ? null : await dropReplaced(connection, replaced, whole)
  findings.push(...(dropped?.findings ?? []))
  const keptObjects = dropped?.keptObjects ?? new Set<string>()
  const plan = { ...given.plan, entries: withoutObjects(given.plan.entries, keptObjects) }
  const options = { ...given, plan }
  const runner = await runnerOf(options)
  const passes = passesOf(toc, await withoutPassedSequences(connection, facts, plan))
  await still(false)
  await runner.run(passes.first)
  await still(true)
  const members = memberRestore(options)
  await members.make()
  await runner.run(passes.before)
  await members.make()

  const side = mode === 'side-schema' ? sideSchemaName(context.clock.now(), (name) => target.schemas.has(name)) : null
  if (side !== null) await connection.query(`create schema ${quoteIdentifier(side)}`)
  const held = await holdTriggers(connection, plan.rows)
  findings.push(...held.findings)
  const hidden = await privateBuckets(connection, plan.rows)
  const emptied = await emptyTables(connection, plan.rows)
  const rows = plan.rows.filter(({ entry }) => !emptied.refused.has(entry.id))
  const largeObjects = plan.entries.some((entry) => entry.kind === 'BLOB' || entry.kind === 'BLOB METADATA')
  const brought = await load({ ...options, plan: { ...plan, rows } }, side, largeObjects, findings, { keptObjects })
  const ofExtensions = await members.fill()
  const loaded = together([emptied, brought])
  findings.push(...loaded.findings, ...(await keepPrivate(connection, hidden)))
  if (mode === 'replace') findings.push(...(await advanceOthers(connection, plan)))
  /** Those that the role may set, but not alter, stay set when the transaction is taken back: they come when nothing can fail any more. */
  const isLate = (entry: TocEntry) => entry.kind === 'SEQUENCE SET' && plan.platform.has(entry.schema)
  await runner.run(passes.after.filter((entry) => !isLate(entry)))
  const notGivenBack =
    replaced === null || dropped === null ? [] : await giveBack(connection, replaced, target.user, dropped.unpopulated)
  findings.push(...notGivenBack.filter((one) => runner.findings.every(({ subject }) => subject !== one.subject)))
  findings.push(...(await bringReturning(connection, plan.returning, target.user)))
  for (const statement of held.back) await connection.query(statement)
  await resetGrants(connection, plan.regranted)
  await runner.run(passes.grants)
  await runner.run(passes.last)
  if (whole) await runner.run(passes.defaults)
  else if (defaults.length > 0) await resetDefaultPrivileges(connection, defaults)
  await still(false)
  findings.push(...(await restoreBeside(options, loaded.refused, all)))
  const refused = await stillOpen(connection, runner, toc, facts)
  const compared = { whole, largeObjects: largeObjects && keptObjects.size === 0 }
  const checked = await check(options, loaded, runner, compared)
  const beyond = tellsBeyond(given) ? await tellBeyondBackup(connection, facts, target) : []
  const sameAgain = new Set(beyond.map(({ subject }) => subject))
  const membersChecked = await members.check()
  findings.push(...membersChecked.findings, ...notToldAgain(refused, checked.findings, runner, toc), ...beyond)
  findings.push(
    ...checked.findings.filter(({ subject }) => !sameAgain.has(subject.replace(/^(?:owner of|comment) /, '')))
  )
  if (replaced !== null) {
    const told = new Set(findings.map(({ subject }) => subject))
    const gone = goneWithReplaced(before, await readGuards(connection), replaced.entries.values(), chosen.whole)
    findings.push(...gone.filter(({ subject }) => !told.has(subject)))
  }
  const listed = runner.findings.length
  await runner.run(passes.after.filter(isLate))
  findings.push(...runner.findings.slice(listed))
  for (const statement of borrowed) await connection.query(statement)
  // What event triggers of the platform would have said after each definition.
  if (plan.platform.size > 0) await connection.query(`select pg_catalog.pg_notify('pgrst', 'reload schema')`)
  const tables = [...loaded.tables, ...ofExtensions.tables]
  return {
    tables,
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
    sideSchema: side,
    left: [...plan.left, ...loaded.left, ...checked.unequal, ...membersChecked.left],
    findings: rolesFirst(findings, runner.missingRoles)
  }
}

/** Sequences that made tables draw from and that stay, since the tables chosen are not all that do. */
async function advanceOthers(connection: Connection, { entries, rows }: RestorePlan): Promise<Finding[]> {
  const set = new Set(
    entries
      .filter((entry) => entry.kind === 'SEQUENCE SET')
      .map((entry) => readable({ schema: entry.schema, name: entry.tag }))
  )
  const findings: Finding[] = []
  for (const { facts, way } of rows)
    if (way === 'copy') findings.push(...(await advanceSequences(connection, facts, set)))
  return findings
}

/** What is neither definition nor row of a table: jobs, and with `all` the settings of the database and Vault secrets. */
export async function restoreBeside(
  options: CarryOutOptions,
  refused: ReadonlySet<number>,
  all: boolean
): Promise<Finding[]> {
  const { connection, facts, target, plan } = options
  const beyond = tellsBeyond(options)
  if (!target.replicaRole) await alignRowSecurity(connection, facts, plan.entries)
  const planned = plan.rows.filter((rows) => rows.way === 'jobs')
  const jobs = planned.some((rows) => !refused.has(rows.entry.id))
  return [
    ...(jobs ? await scheduleJobs(connection, target.user, beyond) : []),
    ...(beyond && planned.length === 0 ? await tellJobsBeyond(connection, null) : []),
    ...(all ? await restoreDatabaseSettings(connection, facts, target) : []),
    ...(all ? await secrets(options) : [])
  ]
}

/** Runs entries in the open transaction, or in as many as `steps` makes. */
export async function runnerOf(
  { connection, context, target, plan, reader }: CarryOutOptions,
  steps: Steps = oneStep
): Promise<EntryRunner> {
  const known = await readKnownObjects(connection)
  let done = 0
  return entryRunner({
    connection,
    user: target.user,
    superuser: target.superuser,
    entries: new Map([...reader.toc.entries, ...plan.entries].map((entry) => [entry.id, entry])),
    platform: plan.platform,
    isThere: (entry) => known.has(entry),
    steps,
    onProgress: (count) => {
      done += count
      context.log.progress(() => `database: ${done} of ${plan.entries.length} objects made`)
    }
  })
}

export async function load(
  options: CarryOutOptions,
  side: string | null,
  largeObjects: boolean,
  findings: Finding[],
  more: Pick<LoadOptions, 'lanes' | 'keptObjects'> & { readonly steps?: Steps } = {}
): Promise<Loaded> {
  const { connection, reader, plan, context } = options
  return loadRows({
    connection,
    reader,
    rows: plan.rows,
    largeObjects,
    steps: oneStep,
    ...more,
    beside: (rows) => besideOf(options, rows, side ?? '', findings),
    jobs: (rows, chunks) => stageJobs(connection, rows, chunks),
    onRows: (table, rows) => context.log.progress(() => `database: ${rows} rows of ${table}`)
  })
}

async function besideOf(
  { connection, reader, plan }: CarryOutOptions,
  rows: RowsPlan,
  schema: string,
  findings: Finding[]
): Promise<CopiedColumns> {
  const { entries } = reader.toc
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
  const same = plan.rows.filter((other) => other.entry.tag === rows.entry.tag).length > 1
  const table = same ? `${rows.entry.schema}_${rows.entry.tag}` : rows.entry.tag
  const place = { ...rows.copied, schema, table }
  const exact = await makeSideTable(connection, schema, place, qualified(rows.facts), definition, key)
  if (!exact)
    findings.push({
      kind: 'note',
      subject: `table ${readable({ schema, name: table })}`,
      detail: 'its columns are text: types or functions of the definition are not in the target any more'
    })
  return place
}

/** Event triggers of the target that switch row security on could not be held still. */
async function alignRowSecurity(
  connection: Connection,
  facts: DatabaseFacts,
  entries: readonly TocEntry[]
): Promise<void> {
  const made = new Set(
    entries
      .filter((entry) => entry.kind === 'TABLE')
      .map((entry) => readable({ schema: entry.schema, name: entry.tag }))
  )
  const open = facts.tables.filter((table) => !table.rowSecurity && made.has(readable(table)))
  const rows = await connection.query<{ schema: string; name: string }>(
    `select n.nspname::text as schema, c.relname::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relrowsecurity`
  )
  const closed = new Set(rows.map(readable))
  for (const table of open)
    if (closed.has(readable(table)))
      await connection.query(`alter table ${qualified(table)} disable row level security`)
}

/** Everything is replaced by a backup of everything: what the target has beside it and keeps is told. */
function tellsBeyond({ mode, chosen, facts }: Pick<CarryOutOptions, 'mode' | 'chosen' | 'facts'>): boolean {
  return mode === 'replace' && chosen.whole && facts.selection.type === 'full' && !isNarrowed(facts)
}

async function secrets(options: CarryOutOptions): Promise<Finding[]> {
  const { connection, facts, plan, files } = options
  const beyond = tellsBeyond(options)
  if (facts.vault === undefined || !plan.platform.has('vault') || !(await hasVault(connection))) {
    const held = facts.tables.find((table) => table.schema === 'vault' && table.name === 'secrets')?.rows ?? '0'
    if (held === '0') return beyond ? tellSecretsBeyond(connection, []) : []
    const why = facts.vault === undefined ? 'the backup could not read them' : 'the target has no Vault that takes them'
    return [
      {
        kind: 'todo',
        subject: 'Vault secrets',
        detail: `${held} secrets cannot be brought back in clear: ${why}. Set them again.`
      }
    ]
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of files.open('vault.json')) chunks.push(chunk)
  return restoreSecrets(connection, Buffer.concat(chunks).toString('utf8'), beyond)
}

/** What the target refused, without default privileges that it has already as they should be. */
export async function stillOpen(
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
export function notToldAgain(
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

async function check(
  options: CarryOutOptions,
  loaded: Loaded,
  runner: EntryRunner,
  scope: { readonly whole: boolean; readonly largeObjects: boolean }
): Promise<ComparedTables> {
  const { connection, plan } = options
  const brought = plan.rows.filter((rows) => !loaded.refused.has(rows.entry.id))
  const touched = brought.filter((rows) => rows.way === 'exchange' || rows.way === 'missing').map((rows) => rows.facts)
  const dangling = await checkForeignKeys(connection, touched)
  const what = checkOf(options, loaded, runner, scope)
  const tables = await checkTables(what, checkedTables(what))
  return { ...tables, findings: assertEqual([...dangling, ...tables.findings, ...(await checkAfter(what))]) }
}

/** What `checkAfter` compares of a plan that was carried out. */
export function checkOf(
  { connection, context, facts, plan, target, reader }: CarryOutOptions,
  loaded: Loaded,
  runner: EntryRunner,
  { whole, largeObjects }: { readonly whole: boolean; readonly largeObjects: boolean }
): CheckAfterOptions {
  return {
    connection,
    clock: context.clock,
    facts,
    rows: plan.rows.filter((rows) => !loaded.refused.has(rows.entry.id)),
    entries: plan.entries,
    regranted: plan.regranted,
    ofBackup: reader.toc.entries,
    whole,
    largeObjects,
    listed: reader.toc.entries.filter((entry) => runner.refused.has(entry.id) || runner.otherOwner.has(entry.id)),
    platform: plan.platform,
    // Grants to roles that are missing are refused to a superuser, too: they are to be listed and not to end the restore.
    superuser: target.superuser && runner.missingRoles.size === 0
  }
}

/** Returns what is no difference; throws SB709 where there is one. */
export function assertEqual(found: readonly Finding[]): Finding[] {
  const differences = found.filter((finding) => finding.kind === 'difference')
  if (differences.length === 0) return [...found]
  const words = differences.slice(0, 6).map((finding) => `${finding.subject}: ${finding.detail}`)
  const more = differences.length > 6 ? `; and ${differences.length - 6} more` : ''
  throw new UserError('SB709', `After the restore the target was not what the backup says: ${words.join('; ')}${more}.`)
}
