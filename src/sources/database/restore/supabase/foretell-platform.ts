import type { DatabaseFacts } from '../../../../archive/contents-database.ts'
import type { Connection } from '../../../../clients/postgres/connection.ts'
import type { Finding } from '../../../source.ts'
import type { RestorePlan } from '../plan/restore-plan.ts'
import type { TargetState } from '../target/target-state.ts'

/** What a dry run can say of jobs and secrets, which a restore makes anew when all else is there. */
export async function foretellPlatform(
  connection: Connection,
  facts: DatabaseFacts,
  target: Pick<TargetState, 'available' | 'schemas'>,
  plan: Pick<RestorePlan, 'rows'>
): Promise<Finding[]> {
  return [...foretellJobs(target, plan), ...(await foretellSecrets(connection, facts))]
}

function foretellJobs(
  { available, schemas }: Pick<TargetState, 'available' | 'schemas'>,
  { rows }: Pick<RestorePlan, 'rows'>
): Finding[] {
  const jobs = rows.find(({ way }) => way === 'jobs')?.facts.rows ?? '0'
  if (jobs === '0') return []
  const subject = `${jobs} cron jobs`
  if (schemas.has('cron')) return [{ kind: 'note', subject, detail: 'they will be scheduled anew, paused' }]
  if (available.has('pg_cron'))
    return [
      {
        kind: 'note',
        subject,
        detail: 'the target has no pg_cron yet: it will be created, and they will be scheduled anew, paused'
      }
    ]
  return [
    {
      kind: 'todo',
      subject,
      detail: "the target's server has no pg_cron: the restore will list each with the SQL that schedules it"
    }
  ]
}

async function foretellSecrets(connection: Connection, facts: DatabaseFacts): Promise<Finding[]> {
  if (facts.vault === undefined || facts.vault.secrets === 0) return []
  const [target] = await connection.query<{ keeps: boolean | null }>(
    `select (select has_table_privilege(c.oid, 'INSERT') from pg_class c where c.oid = to_regclass('vault.secrets')) as keeps`
  )
  if (target?.keeps === true) return []
  const keys = facts.guards.filter(
    ({ kind, definition }) => kind === 'constraint' && /\bREFERENCES vault\.secrets\b/.test(definition)
  )
  return [
    {
      kind: 'note',
      subject: `${facts.vault.secrets} Vault secrets`,
      detail:
        'Vault will give them new ids: the restore tells old and new ones, and names the columns, options and functions that hold old ones'
    },
    ...keys.map(
      ({ name }): Finding => ({
        kind: 'todo',
        subject: `constraint ${name}`,
        detail:
          'it refers to Vault secrets, whose ids change: it can be validated when the column holds the new ids, which the restore tells'
      })
    )
  ]
}
