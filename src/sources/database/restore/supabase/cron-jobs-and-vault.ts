import { z } from 'zod'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import { sqlStateOf } from '../../../../clients/postgres/server-error.ts'
import { asError } from '../../../../errors.ts'
import type { Finding } from '../../../source.ts'
import { quoteIdentifier, quoteLiteral } from '../../catalog/quote.ts'
import type { RowsPlan } from '../plan/types.ts'
import { tellJobsBeyond, tellSecretsBeyond } from '../replace/report-extra-objects.ts'

const stage = 'pg_temp.supabase_backup_jobs'

/** Reads the jobs of pg_cron into a table of this session: they are scheduled when everything that they call is there. */
export async function stageJobs(
  connection: Connection,
  plan: RowsPlan,
  chunks: AsyncIterable<Uint8Array>
): Promise<void> {
  const columns = plan.copied.columns.map(quoteIdentifier)
  await connection.query(
    `create temporary table supabase_backup_jobs (${columns.map((column) => `${column} text`).join(', ')})`
  )
  await connection.copyIn(`COPY ${stage} (${columns.join(', ')}) FROM STDIN`, chunks)
}

interface Job extends Record<string, unknown> {
  name: string | null
  schedule: string
  command: string
  user: string
  active: boolean
}

/**
 * Schedules the jobs anew, paused, since a copy of a project must not send its mails twice. A job that cannot be paused is not scheduled at all. Each is
 * listed with the SQL that enables it. With `beyond` those are, too, that the target alone has.
 */
export async function scheduleJobs(connection: Connection, user: string, beyond = false): Promise<Finding[]> {
  const jobs = await connection.query<Job>(
    `select jobname as name, schedule, command, username as user, active::bool as active from ${stage} order by jobid::bigint`
  )
  const findings: Finding[] = beyond ? await tellJobsBeyond(connection, stage) : []
  await connection.query(`drop table ${stage}`)
  for (const job of jobs) {
    const title = job.name ?? job.command.slice(0, 60)
    const schedule = `select cron.schedule(${[...(job.name === null ? [] : [job.name]), job.schedule, job.command].map(quoteLiteral).join(', ')})`
    const subject = `cron job ${title}`
    if (job.user !== user) {
      findings.push({
        kind: 'todo',
        subject,
        detail: `it runs as ${job.user}: schedule it as that role`,
        remedy: `${schedule};`
      })
      continue
    }
    const [there] = await connection.query(
      `select 1 from cron.job where username = $1 and case when $2::text is null then jobname is null and schedule = $3 and command = $4 else jobname = $2 end`,
      [user, job.name, job.schedule, job.command]
    )
    if (there !== undefined) {
      const which = job.name === null ? 'this very job' : 'a job of this name'
      findings.push({ kind: 'note', subject, detail: `the target has ${which}: it was left as it is` })
      continue
    }
    const error = await attempt(connection, async () => {
      const [made] = await connection.query<{ schedule: string }>(schedule)
      if (made === undefined) throw new Error('pg_cron gave no number')
      await connection.query(`select cron.alter_job(job_id := ${BigInt(made.schedule)}, active := false)`)
    })
    if (error !== null)
      findings.push({
        kind: 'todo',
        subject,
        detail: `it could not be scheduled paused: ${asError(error).message}`,
        remedy: `${schedule};`
      })
    else if (job.active) {
      const which = job.name === null ? `command = ${quoteLiteral(job.command)}` : `jobname = ${quoteLiteral(job.name)}`
      findings.push({
        kind: 'todo',
        subject,
        detail: 'it is there and paused, so that nothing runs twice',
        remedy: `select cron.alter_job(job_id := jobid, active := true) from cron.job where ${which};`
      })
    }
  }
  return findings
}

/** What `vault.json` of a backup must be. */
const vaultSchema = z.object({
  secrets: z.array(
    z.object({
      id: z.string(),
      name: z.string().nullable(),
      description: z.string().nullable(),
      value: z.string().nullable()
    })
  )
})

/**
 * Makes the secrets of Vault again that the target does not have. No value gets into a finding. With `beyond` those are listed, too, that the target alone
 * has.
 */
export async function restoreSecrets(connection: Connection, json: string, beyond = false): Promise<Finding[]> {
  const { secrets } = vaultSchema.parse(JSON.parse(json))
  const findings: Finding[] = beyond ? await tellSecretsBeyond(connection, secrets) : []
  for (const secret of secrets) {
    const subject = `Vault secret ${secret.name ?? secret.id}`
    const error = await attempt(connection, async () => {
      const [there] =
        secret.name === null ? [] : await connection.query('select 1 from vault.secrets where name = $1', [secret.name])
      if (there !== undefined) {
        findings.push({ kind: 'note', subject, detail: 'the target has a secret of this name: it was left as it is' })
        return
      }
      if (secret.value === null) {
        findings.push({ kind: 'todo', subject, detail: 'the backup could not read it: set it again' })
        return
      }
      await connection.query('select vault.create_secret($1, $2, $3)', [
        secret.value,
        secret.name,
        secret.description ?? ''
      ])
    })
    // The server's message may quote a value.
    if (error !== null)
      findings.push({
        kind: 'todo',
        subject,
        detail: `the target refused it [${sqlStateOf(error) ?? ''}]: set it again`
      })
  }
  return findings
}

/** Whether the target has a Vault of the platform that secrets can be given to. */
export async function hasVault(connection: Connection): Promise<boolean> {
  const [row] = await connection.query<{
    there: boolean
  }>(`select exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = 'vault' and p.proname = 'create_secret' and has_function_privilege(p.oid, 'EXECUTE')) as there`)
  return row?.there === true
}

async function attempt(connection: Connection, work: () => Promise<void>): Promise<unknown> {
  await connection.query('savepoint part')
  try {
    await work()
    await connection.query('release savepoint part')
    return null
  } catch (error) {
    if (
      connection.broken.aborted ||
      (sqlStateOf(error) === undefined && !(error instanceof Error && error.message.startsWith('pg_cron')))
    )
      throw error
    await connection.query('rollback to savepoint part; release savepoint part')
    return error
  }
}
