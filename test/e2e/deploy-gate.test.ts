import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { type ActionRun, runAction } from '../kit/action.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { type Contexts, fillIn } from '../kit/workflows/expressions.ts'

const workflowSchema = z.object({
  jobs: z.record(
    z.string(),
    z.object({
      outputs: z.record(z.string(), z.string()).optional(),
      steps: z.array(
        z.object({ uses: z.string().optional(), with: z.record(z.string(), z.coerce.string()).optional() })
      )
    })
  )
})

let root: string
let server: PostgresServer
let github: Github
const runs: ActionRun[] = []

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-gate-'))
  server = await startPostgres({ major: 15 })
  await server.query('create database shop')
  github = await startGithub({ repository: 'acme/shop', visibility: 'private' })
})
afterAll(async () => {
  for (const run of runs) await run.cleanUp()
  await github.stop()
  await server.stop()
  await rm(root, { recursive: true, force: true })
})

const sql = async (text: string) => (await server.query(text, [], undefined, 'shop')).rows

test('the example: back up, migrate, check; a migration that went wrong is taken back by the backup of its own run', async () => {
  const workflow = workflowSchema.parse(
    parse(await readFile(resolve(import.meta.dirname, '../../examples/before-a-migration.yml'), 'utf8'))
  )
  const identity = await generateIdentity()
  const contexts: Contexts = {
    secrets: {
      SUPABASE_DB_URL: server.url(server.superuser, 'shop'),
      BACKUP_RECIPIENTS: await identityToRecipient(identity),
      BACKUP_IDENTITY: identity
    },
    // The ref of a database that is no Supabase project.
    vars: { SUPABASE_PROJECT_REF: '127.0.0.1/shop' }
  }
  /** Runs the step of the action in one job of the example, with its expressions filled in. */
  const job = async (name: string, more: Contexts = {}): Promise<ActionRun> => {
    const step = workflow.jobs[name]?.steps.find((one) => one.uses?.includes('supabase-backup'))
    const inputs = Object.entries(step?.with ?? {}).map(([input, text]) => [
      input,
      fillIn(text, { ...contexts, ...more })
    ])
    const run = await runAction({
      inputs: { ...Object.fromEntries(inputs), token: github.token, 'pg-bin': binDirOf(15) },
      env: github.env
    })
    runs.push(run)
    return run
  }
  await sql(`create table public.orders (id int primary key, total numeric not null);
    insert into public.orders select g, g * 2 from generate_series(1, 100) g;
    create view public.big_orders as select * from public.orders where total > 100`)
  const backup = await job('backup')
  expect({ code: backup.code, error: backup.result?.error, verified: backup.outputs['verified'] }).toEqual({
    code: 0,
    error: undefined,
    verified: 'restore'
  })
  expect(workflow.jobs['backup']?.outputs).toEqual({ 'backup-id': '${{ steps.backup.outputs.backup-id }}' })

  // The migration that the check does not like.
  await sql(`drop view public.big_orders; alter table public.orders rename column total to amount;
    delete from public.orders where id > 10; create table public.new_thing (id int)`)

  const back = await job('go-back', {
    needs: { backup: { outputs: { 'backup-id': backup.outputs['backup-id'] ?? '' } } }
  })
  expect({ code: back.code, error: back.result?.error, status: back.outputs['status'] }).toEqual({
    code: 0,
    error: undefined,
    status: 'complete'
  })
  expect(await sql('select count(*)::int as rows, sum(total)::int as total from public.orders')).toEqual([
    { rows: 100, total: 10100 }
  ])
  expect(await sql('select count(*)::int as rows from public.big_orders')).toEqual([{ rows: 50 }])
  // What the migration left is there as a safety copy.
  const list = await runAction({
    inputs: { command: 'list', destinations: 'release', token: github.token },
    env: github.env
  })
  runs.push(list)
  expect(list.result?.backups.map(({ kind, rows }) => [kind, rows])).toEqual([
    ['safety', 10],
    ['scheduled', 100]
  ])
})
