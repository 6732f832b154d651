import { isNarrowed } from '../../../../archive/contents-database.ts'
import type { Finding } from '../../../source.ts'
import { qualified, readable } from '../../catalog/quote.ts'
import { restoreDatabaseSettings } from '../definitions/database-settings.ts'
import { tellJobsBeyond, tellSecretsBeyond } from '../replace/report-extra-objects.ts'
import { together } from '../rows/load-table-data.ts'
import type { Work } from '../work.ts'
import { scheduleJobs } from './cron-jobs.ts'
import { tellChangedIds } from './vault-ids.ts'
import { type BroughtSecrets, bringSecrets, hasVault, parseVault } from './vault-secrets.ts'

/** What is neither definition nor row of a table: jobs, and where everything is meant the settings of the database and Vault secrets. */
export async function restorePlatform(work: Work): Promise<Finding[]> {
  const { connection, facts, target, all, journal } = work
  const { refused } = together(journal.loaded)
  const beyond = tellsBeyond(work)
  if (!target.replicaRole) await alignRowSecurity(work)
  const planned = journal.plan.rows.filter((rows) => rows.way === 'jobs')
  const jobs = planned.some((rows) => !refused.has(rows.entry.id))
  await bringVault(work)
  return [
    ...(jobs ? await scheduleJobs(connection, target.user, beyond) : []),
    ...(beyond && planned.length === 0 ? await tellJobsBeyond(connection, null) : []),
    ...(all ? await restoreDatabaseSettings(connection, facts, target) : []),
    ...(journal.secrets?.findings ?? []),
    ...(await tellChangedIds(connection, journal.secrets?.changed ?? []))
  ]
}

/** What event triggers of the platform would have said after each definition. */
export async function reloadApi({ connection, journal }: Work): Promise<void> {
  if (journal.plan.platform.size > 0) await connection.query(`select pg_catalog.pg_notify('pgrst', 'reload schema')`)
}

/** Everything is replaced by a backup of everything: what the target has beside it and keeps is told. */
export function tellsBeyond({ mode, chosen, facts }: Pick<Work, 'mode' | 'chosen' | 'facts'>): boolean {
  return mode === 'replace' && chosen.whole && facts.selection.type === 'full' && !isNarrowed(facts)
}

/** Event triggers of the target that switch row security on could not be held still. */
async function alignRowSecurity({ connection, facts, journal }: Work): Promise<void> {
  const made = new Set(
    journal.plan.entries
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

/** Secrets of Vault, once, where everything is meant. */
export async function bringVault(work: Work): Promise<void> {
  if (work.all) work.journal.secrets ??= await secrets(work)
}

async function secrets(work: Work): Promise<BroughtSecrets> {
  const { connection, facts, journal, files } = work
  const beyond = tellsBeyond(work)
  if (facts.vault === undefined || !journal.plan.platform.has('vault') || !(await hasVault(connection))) {
    const held = facts.tables.find((table) => table.schema === 'vault' && table.name === 'secrets')?.rows ?? '0'
    if (held === '0') return { changed: [], findings: beyond ? await tellSecretsBeyond(connection, []) : [] }
    const why = facts.vault === undefined ? 'the backup could not read them' : 'the target has no Vault that takes them'
    const detail = `${held} secrets cannot be brought back in clear: ${why}. Set them again.`
    return { changed: [], findings: [{ kind: 'todo', subject: 'Vault secrets', detail }] }
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of files.open('vault.json')) chunks.push(chunk)
  return bringSecrets(connection, parseVault(Buffer.concat(chunks).toString('utf8')), beyond)
}
