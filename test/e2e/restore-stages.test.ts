import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ActionRun, runAction } from '../kit/action.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { contentOf } from './restore-setup.ts'

const bundle = process.env['SUPABASE_BACKUP_BUNDLE']
let server: PostgresServer
let folder: string
const runs: ActionRun[] = []

async function run(
  inputs: Readonly<Record<string, string>>,
  onStart?: (child: { kill(signal: NodeJS.Signals): void }) => void
): Promise<ActionRun> {
  const done = await runAction({
    inputs: {
      destinations: 'folder',
      folder,
      passphrase: 'correct horse battery staple',
      'pg-bin': server.binDir,
      ...inputs
    },
    ...(bundle === undefined ? {} : { bundle }),
    ...(onStart === undefined ? {} : { onStart })
  })
  runs.push(done)
  return done
}

beforeAll(async () => {
  server = await startPostgres({ major: 17, settings: { max_locks_per_transaction: 10, max_connections: 20 } })
  folder = await mkdtemp(path.join(tmpdir(), 'sb-e2e-'))
  await server.query('create database source')
  await server.query('create database target')
  const client = await server.connect(undefined, 'source')
  for (let number = 0; number < 80; number += 1)
    await client.query(
      `create table t${number} (id int primary key, body text); insert into t${number} select g, md5(g::text) from generate_series(1, 200) g; create index on t${number} (body)`
    )
  await client.end()
  const backup = await run({ 'database-url': server.url(undefined, 'source'), project: 'many', verify: 'read' })
  if (backup.code !== 0) throw new Error(backup.log)
})
afterAll(async () => {
  for (const one of runs) await one.cleanUp()
  await server?.stop()
  await rm(folder, { recursive: true, force: true })
})

const isHalfway = async () =>
  (
    await server.query(
      `select to_regclass('supabase_backup_unfinished.restore') is not null as half`,
      [],
      undefined,
      'target'
    )
  ).rows[0].half

test('F68: killed between two of its transactions, a restore is told, taken back and done anew by the next start', {
  timeout: 600_000
}, async () => {
  const inputs = {
    command: 'restore',
    'target-database-url': server.url(undefined, 'target'),
    'confirm-target': '127.0.0.1/target',
    'safety-backup': 'false'
  }
  let watching: Promise<void> | undefined
  const killed = await run(inputs, (child) => {
    watching = (async () => {
      for (;;) {
        const { rows } = await server.query(
          `select to_regclass('public.t40') is not null as there`,
          [],
          undefined,
          'target'
        )
        if (rows[0].there) return child.kill('SIGKILL')
      }
    })()
  })
  await watching
  expect(killed.signal).toBe('SIGKILL')
  expect(await isHalfway()).toBe(true)

  const looked = await run({ ...inputs, 'dry-run': 'true' })
  expect(looked.result?.error?.code).toBe('SB719')
  expect(looked.result?.error?.message).toMatch(
    /a part of the backup \d{8}T\d{6}Z-[a-z2-7]{8}: the restore that began at .* was cut/
  )
  expect(looked.result?.error?.remedy).toContain('restore-mode: empty')
  expect((await run({ ...inputs, 'restore-mode': 'replace' })).result?.error?.code).toBe('SB719')
  expect(await isHalfway()).toBe(true)

  const again = await run(inputs)
  expect({ code: again.code, error: again.result?.error }).toEqual({ code: 0 })
  expect(again.result?.restore?.['takenBack']).toEqual({
    backupId: again.outputs['backup-id'],
    startedAt: expect.any(String)
  })
  expect(again.result?.warnings?.join(' ')).toContain('was taken back before this one began')
  expect(again.log.slice(0, again.log.indexOf('Looking at the target'))).toContain(
    'was taken back before this one began'
  )
  expect(await isHalfway()).toBe(false)
  expect(await contentOf(server, 'target')).toEqual(await contentOf(server, 'source'))

  const whole = await run(inputs)
  expect(whole.result?.error?.code).toBe('SB703')
  expect(whole.result?.error?.message).toContain('a restore of it came to its end')
})
