import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { UserError } from '../../src/errors.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts
const sql = async (database: string, text: string) => (await server.query(text, [], undefined, database)).rows
const ofTables = (...tables: string[]) => ({
  schemas: [],
  excludeSchemas: [],
  tables,
  excludeTables: [],
  excludeTableData: []
})

beforeAll(async () => {
  server = await startPostgres({ major: 17, auth: 'scram' })
  await server.query('create database source')
  await sql(
    'source',
    `create schema auth; create table auth.users (id int primary key); insert into auth.users values (1);
     create table public.profiles (id int primary key references auth.users, body text); insert into public.profiles values (1, 'kept');
     create schema kinds; create domain kinds.short as text check (length(value) < 10); create table public.words (id int primary key, word kinds.short); insert into public.words values (1, 'one')`
  )
  desk = await openDesk()
  facts = (await capture(desk, server, 'source')).facts
})
afterAll(async () => {
  await desk?.remove()
  await server?.stop()
})

async function fresh(name: string, template = 'template1'): Promise<void> {
  await server.query(`drop database if exists ${name} with (force)`)
  await server.query(`create database ${name} template ${template}`)
}

async function failure(work: Promise<unknown>): Promise<UserError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  if (!(error instanceof UserError)) throw error ?? new Error('it did not fail')
  return error
}

const waiting = `select pid from pg_stat_activity where datname = current_database() and application_name like 'supabase-backup%' and wait_event_type = 'Lock'`

/** Holds a table of `database` as long as `work` runs. */
async function whileHeld<T>(database: string, work: () => Promise<T>, mode = 'share'): Promise<T> {
  const held = server.query(
    `set application_name = 'the shop'; begin; lock table public.profiles in ${mode} mode; select pg_sleep(600)`,
    [],
    undefined,
    database
  )
  const ended = held.catch(() => undefined)
  const holder = `select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`
  while ((await sql(database, holder)).length === 0) await delay(20)
  try {
    return await work()
  } finally {
    await sql(database, `select pg_terminate_backend(pid) from (${holder}) h`)
    await ended
  }
}

test('a table that nobody may even read ends the reading of definitions in time', async () => {
  await fresh('closed', 'source')
  const options = { mode: 'replace', selection: ofTables('public.profiles'), lockTimeoutMs: 300 } as const
  const run = () => failure(restoreOf(desk, facts, server, 'closed', options).run())
  const error = await whileHeld('closed', run, 'access exclusive')
  expect(error.code).toBe('SB708')
  expect(error.message).toMatch(/^The definitions of the target could not be read: .*lock/)
  expect(error.remedy).toContain('Nothing was written')
})

test('a table that another session holds: it is named, with what to do', async () => {
  await fresh('held', 'source')
  const options = { mode: 'replace', selection: ofTables('public.profiles'), lockTimeoutMs: 300 } as const
  const [error, pid] = await whileHeld('held', async () => [
    await failure(restoreOf(desk, facts, server, 'held', options).run()),
    (await sql('held', `select pid from pg_stat_activity where application_name = 'the shop'`))[0]?.['pid']
  ])
  expect(error.code).toBe('SB708')
  expect(error.message).toContain(`process ${String(pid)} of the shop, role ${server.superuser}, with public.profiles`)
  expect(error.remedy).toContain(`select pg_terminate_backend(${String(pid)});`)
  expect(error.remedy).toContain('raise `lock-timeout`')
  expect(error.remedy).not.toContain('exclude-tables')
})

test.each(['pg_terminate_backend', 'pg_cancel_backend'])(
  'a session that somebody ends with %s: to be started again',
  async (end) => {
    await fresh('ended', 'source')
    await sql('ended', 'delete from public.profiles')
    const options = { mode: 'missing-rows', selection: ofTables('public.profiles') } as const
    const error = await whileHeld('ended', async () => {
      const running = failure(restoreOf(desk, facts, server, 'ended', options).run())
      while ((await sql('ended', waiting)).length === 0) await delay(20)
      await sql('ended', `select ${end}(pid) from (${waiting}) w`)
      return running
    })
    expect(error.code).toBe('SB708')
    expect(error.remedy).toMatch(/: start again\.$/)
    expect(error.remedy).not.toContain('exclude-tables')
  }
)

test('rows that refer to others that were not chosen: these are named', async () => {
  await fresh('alone')
  await sql('alone', 'create schema auth; create table auth.users (id int primary key)')
  const selection = ofTables('public.profiles')
  const error = await failure(restoreOf(desk, facts, server, 'alone', { selection, errors: 'stop' }).run())
  expect(error.code).toBe('SB708')
  expect(error.remedy).toContain('rows of auth.users that the target does not hold')
  expect(error.remedy).toContain('be chosen as well')
})

test('a wrong password of the target: the input that it comes from is named', async () => {
  await fresh('locked')
  await server.query(`create role gate login password 'right'`)
  const error = await failure(restoreOf(desk, facts, server, 'locked', { user: 'gate' }).settle(true))
  expect(error.code).toBe('SB104')
  expect(error.remedy).toContain('the secret that `target-database-url` reads')
})

test('the source itself: it is not said that it was restored', async () => {
  const error = await failure(restoreOf(desk, facts, server, 'source').run())
  expect(error.code).toBe('SB703')
  expect(error.message).toContain('it is the source as it was then, or a restore of it came to its end')
})
