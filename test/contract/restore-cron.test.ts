import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { loadProject, startProjectServer } from '../kit/project/load.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts

beforeAll(async () => {
  server = await startProjectServer(17)
  await loadProject(server, { database: 'source' })
  await server.query(
    `create extension pg_cron; create function public.work() returns int language sql as 'select 1'`,
    [],
    'postgres',
    'source'
  )
  await server.query(
    `select cron.schedule('nightly', '0 3 * * *', 'select public.work()'), cron.schedule('0 4 * * *', 'select 2')`,
    [],
    'postgres',
    'source'
  )
  desk = await openDesk()
  facts = (await capture(desk, server, 'source', { user: 'postgres' })).facts
})
afterAll(async () => {
  await desk?.remove()
  await server?.stop()
})

test('jobs are scheduled anew, paused, in a target that has no pg_cron before the restore', async () => {
  await loadProject(server, { database: 'fresh' })
  const options = { user: 'postgres' }
  const preview = await restoreOf(desk, facts, server, 'fresh', options).preview(true)
  expect(preview.findings).toContainEqual(
    expect.objectContaining({ subject: '2 cron jobs', detail: expect.stringContaining('no pg_cron yet') })
  )
  const restored = await restoreOf(desk, facts, server, 'fresh', options).run()
  expect(restored.left).toEqual([])
  const jobs = 'select jobname, schedule, command, active from cron.job order by command'
  expect((await server.query(jobs, [], undefined, 'fresh')).rows).toEqual([
    { jobname: null, schedule: '0 4 * * *', command: 'select 2', active: false },
    { jobname: 'nightly', schedule: '0 3 * * *', command: 'select public.work()', active: false }
  ])
  const told = restored.findings.filter(({ subject }) => /cron/.test(subject))
  expect(told.map(({ kind, subject }) => `${kind} ${subject}`)).toEqual([
    'todo cron job nightly',
    'todo cron job select 2'
  ])
  for (const { remedy } of told) await server.query(remedy ?? '', [], 'postgres', 'fresh')
  expect((await server.query('select bool_and(active) as all from cron.job', [], undefined, 'fresh')).rows).toEqual([
    { all: true }
  ])
})

test('jobs are listed with their SQL where the server cannot have pg_cron', async () => {
  const other = await startPostgres({ major: 17 })
  try {
    await loadProject(other).catch(() => undefined)
    await other.query('create database plain')
    const preview = await restoreOf(desk, facts, other, 'plain').preview(false)
    expect(preview.findings).toContainEqual(expect.objectContaining({ kind: 'todo', subject: '2 cron jobs' }))
    const selection = {
      schemas: ['public', 'cron'],
      excludeSchemas: [],
      tables: [],
      excludeTables: [],
      excludeTableData: []
    }
    const restored = await restoreOf(desk, facts, other, 'plain', { selection }).run()
    expect(
      restored.findings.filter(({ subject }) => subject.startsWith('cron job ')).map(({ remedy }) => remedy)
    ).toEqual([
      `select cron.schedule('nightly', '0 3 * * *', 'select public.work()');`,
      `select cron.schedule('0 4 * * *', 'select 2');`
    ])
  } finally {
    await other.stop()
  }
})
