import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ActionRun, runAction } from '../kit/action.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { contentOf } from './restore-setup.ts'

/** A database of a little more than 256 MiB, whose rows compress to next to nothing. */
const rows = 150_000
let server: PostgresServer
let folder: string
const runs: ActionRun[] = []

async function run(
  inputs: Readonly<Record<string, string>>,
  onStart?: (child: { kill(signal: NodeJS.Signals): void }) => void
): Promise<ActionRun> {
  const done = await runAction({
    inputs: { destinations: 'folder', folder, plaintext: 'public', 'pg-bin': server.binDir, ...inputs },
    ...(onStart === undefined ? {} : { onStart })
  })
  runs.push(done)
  return done
}
const ask = async (sql: string, database: string) => (await server.query(sql, [], undefined, database)).rows[0]

beforeAll(async () => {
  server = await startPostgres({ major: 17, settings: { fsync: 'off', autovacuum: 'off' } })
  folder = await mkdtemp(path.join(tmpdir(), 'sb-e2e-'))
  await server.query('create database source')
  await server.query('create database target')
  const client = await server.connect(undefined, 'source')
  await client.query(
    `create table large (id int primary key, body text); insert into large select n, repeat(chr(97 + n % 26), 1900) from generate_series(1, ${rows}) n;
     create table small (id int primary key references large, body text); insert into small select n, 'small ' || n from generate_series(1, 1000) n; create index on small (body)`
  )
  await client.end()
  const backup = await run({ 'database-url': server.url(undefined, 'source'), project: 'large', verify: 'read' })
  if (backup.code !== 0) throw new Error(backup.log)
})
afterAll(async () => {
  for (const one of runs) await one.cleanUp()
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

test('F68: killed while several sessions share the rows of a large backup, a restore is told, taken back and done anew by the next start', {
  timeout: 300_000
}, async () => {
  const { size } = await ask(`select pg_database_size('source')::int8 > 256 * 1024 * 1024 as size`, 'source')
  expect(size).toBe(true)
  const inputs = {
    command: 'restore',
    'target-database-url': server.url(undefined, 'target'),
    'confirm-target': '127.0.0.1/target',
    'safety-backup': 'false'
  }
  let most = 0
  let ended = false
  let watching: Promise<void> | undefined
  const killed = await run(inputs, (child) => {
    watching = (async () => {
      while (!ended) {
        const { sessions } = await ask(
          `select count(*) filter (where tuples_processed > 1000)::int as sessions from pg_stat_progress_copy where datname = 'target' and command = 'COPY FROM'`,
          'postgres'
        )
        most = Math.max(most, sessions)
        if (most > 1) return child.kill('SIGKILL')
      }
    })()
  })
  ended = true
  await watching
  expect({ most, signal: killed.signal }).toEqual({ most: 2, signal: 'SIGKILL' })
  expect(killed.log).toContain('Several sessions share so many rows: it comes in several transactions')

  const looked = await run({ ...inputs, 'dry-run': 'true' })
  expect(looked.result?.error?.code).toBe('SB719')

  const again = await run(inputs)
  expect({ code: again.code, error: again.result?.error }).toEqual({ code: 0 })
  expect(again.result?.restore?.['takenBack']).toEqual({
    backupId: again.outputs['backup-id'],
    startedAt: expect.any(String)
  })
  expect(again.result?.restore?.['rows']).toBe(rows + 1000)
  expect(await contentOf(server, 'target')).toEqual(await contentOf(server, 'source'))
  expect(
    await ask(
      `select to_regnamespace('supabase_backup_unfinished') as mark, (select count(*)::int from pg_constraint where contype = 'f') as keys`,
      'target'
    )
  ).toEqual({ mark: null, keys: 1 })
})
