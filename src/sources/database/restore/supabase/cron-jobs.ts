import type { Connection } from '../../../../clients/postgres/connection.ts'
import { attempt } from '../../../../clients/postgres/savepoint.ts'
import { sqlStateOf } from '../../../../clients/postgres/server-error.ts'
import { asError } from '../../../../errors.ts'
import type { Finding } from '../../../source.ts'
import { quoteIdentifier, quoteLiteral } from '../../catalog/quote.ts'
import type { RowsPlan } from '../plan/restore-plan.ts'
import { tellJobsBeyond } from '../replace/report-extra-objects.ts'

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
  const [cron] = await connection.query<{ there: boolean }>(
    `select to_regclass('cron.job') is not null and exists (select from pg_proc p where p.pronamespace = to_regnamespace('cron') and p.proname = 'schedule') as there`
  )
  for (const job of jobs) {
    const title = job.name ?? job.command.slice(0, 60)
    const schedule = `select cron.schedule(${[...(job.name === null ? [] : [job.name]), job.schedule, job.command].map(quoteLiteral).join(', ')})`
    const subject = `cron job ${title}`
    if (cron?.there !== true) {
      findings.push({
        kind: 'todo',
        subject,
        detail: `the target has no pg_cron: create the extension, then schedule it${job.user === user ? '' : ` as ${job.user}`}`,
        remedy: `${schedule};`
      })
      continue
    }
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
    const error = await refusalOf(connection, async () => {
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

/** Null, or why the server or pg_cron refused it: nothing of it happened. */
async function refusalOf(connection: Connection, work: () => Promise<void>): Promise<unknown> {
  const isRefusal = (error: unknown) =>
    sqlStateOf(error) !== undefined || (error instanceof Error && error.message.startsWith('pg_cron'))
  const outcome = await attempt(connection, work, isRefusal)
  return outcome.done ? null : outcome.error
}
