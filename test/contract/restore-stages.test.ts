import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { UserError } from '../../src/errors.ts'
import { contentOf, guardsOf } from '../e2e/restore-setup.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

/** More objects than one transaction of this server may lock. */
const tables = 60
let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts

beforeAll(async () => {
  server = await startPostgres({ major: 15, settings: { max_locks_per_transaction: 10, max_connections: 20 } })
  await server.query('create database source')
  const client = await server.connect(undefined, 'source')
  await client.query(`create role stage_owner; create schema app; create extension citext schema app; create type app.mood as enum ('glad', 'sad');
    create function app.next_number(integer) returns integer language sql immutable as 'select $1 + 1';
    create operator app.### (leftarg = integer, rightarg = integer, function = pg_catalog.int4pl); create type app.span as range (subtype = float8); create domain app.short as text check (length(value) < 100)`)
  for (let number = 0; number < tables; number += 1) {
    await client.query(`create table app.t${number} (id int ${number % 2 === 0 ? 'primary key' : 'generated always as identity primary key'}, mood app.mood default 'glad', body app.short, name app.citext ${number === 0 ? '' : `, before int references app.t${number - 1}`});
      insert into app.t${number} (id, body, name) overriding system value select g, md5(g::text), 'N' || g from generate_series(1, 50) g; create index on app.t${number} (body); alter table app.t${number} enable row level security;
      create policy own on app.t${number} using (app.next_number(id) > 1); grant select on app.t${number} to stage_owner`)
  }
  await client.query(`create view app.all_of_one as select * from app.t1; create materialized view app.counted as select count(*) from app.t2;
    select lo_from_bytea(900001, repeat('x', 100000)::bytea); create publication news for table app.t1, app.t2; alter table app.t5 owner to stage_owner`)
  await client.end()
  desk = await openDesk()
  facts = (await capture(desk, server, 'source')).facts
})
afterAll(async () => {
  await desk?.remove()
  await server?.stop()
})

async function fresh(name: string): Promise<void> {
  await server.query(`drop database if exists ${name} with (force)`)
  await server.query('drop role if exists stage_owner').catch(() => undefined)
  await server.query(`create database ${name}`)
}

/** Everything that a restore can leave in a database, by names. */
async function stateOf(name: string, of = server): Promise<string[]> {
  const { rows } = await of.query(
    `select x from (select 'schema ' || nspname as x from pg_namespace where nspname !~ '^pg_' union all select 'relation ' || oid::regclass || relrowsecurity from pg_class where oid >= 16384 and relnamespace <> 'pg_toast'::regnamespace
       union all select 'function ' || oid::regprocedure from pg_proc where oid >= 16384 union all select 'type ' || typname from pg_type where oid >= 16384 and typname !~ '^_' union all select 'object ' || oid from pg_largeobject_metadata
       union all select 'extension ' || extname from pg_extension union all select 'publication ' || pubname || coalesce(prrelid::regclass::text, '') from pg_publication p left join pg_publication_rel r on r.prpubid = p.oid
       union all select 'constraint ' || conname from pg_constraint where oid >= 16384 union all select 'policy ' || polname || polrelid::regclass from pg_policy union all select 'default ' || defaclacl::text from pg_default_acl
       union all select 'operator ' || oprname from pg_operator where oid >= 16384) s order by x collate "C"`,
    [],
    undefined,
    name
  )
  return rows.map((row: { x: string }) => row.x)
}

async function failure(work: Promise<unknown>): Promise<UserError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  if (!(error instanceof UserError)) throw error ?? new Error('it did not fail')
  return error
}

describe('a restore that one transaction of the target cannot hold', () => {
  test('comes in several, is told before, and is whole at its end', async () => {
    await fresh('staged')
    const preview = await restoreOf(desk, facts, server, 'staged').preview(false)
    expect(preview.inStages).toBe('locks')
    const restored = await restoreOf(desk, facts, server, 'staged').run()
    expect(restored.rows).toBe(tables * 50)
    expect(restored.left).toEqual([])
    expect(restored.findings.filter(({ kind }) => kind !== 'note')).toEqual([])
    expect(await stateOf('staged')).toEqual(await stateOf('source'))
    expect(await restoreOf(desk, facts, server, 'staged').settle(false)).toBeNull()
  })

  test('is refused by the modes that must be one transaction', async () => {
    await fresh('replaced')
    const error = await failure(restoreOf(desk, facts, server, 'replaced', { mode: 'replace' }).preview(false))
    expect(error.code).toBe('SB714')
  })

  test('leaves the target as it was when the check at its end fails', async () => {
    await fresh('wrong')
    await server.query(
      'create table kept (id int); create extension pg_trgm; alter default privileges in schema public grant select on tables to pg_monitor; alter default privileges grant usage on schemas to pg_monitor',
      [],
      undefined,
      'wrong'
    )
    await server.query('drop table kept', [], undefined, 'wrong')
    const before = await stateOf('wrong')
    const lied = {
      ...facts,
      tables: facts.tables.map((table) =>
        table.name === 't40' && table.hash !== null ? { ...table, hash: { ...table.hash, value: '1' } } : table
      )
    }
    const error = await failure(restoreOf(desk, lied, server, 'wrong', { errors: 'stop' }).run())
    expect(error.code).toBe('SB709')
    expect(error.message).toContain('app.t40')
    expect(await stateOf('wrong')).toEqual(before)
  })

  test('F68: cut at 25 moments, the next start tells it, takes back what came in, and restores the whole', {
    timeout: 600_000
  }, async () => {
    const complete = await stateOf('source')
    await fresh('cut')
    const empty = await stateOf('cut')
    const started = performance.now()
    await restoreOf(desk, facts, server, 'cut').run()
    const took = performance.now() - started
    await fresh('cut')
    let halfway = 0
    for (let moment = 0; moment < 25; moment += 1) {
      // Nothing can be taken back by a run that was killed: its connections are refused from the cut on.
      const running = restoreOf(desk, facts, server, 'cut').run()
      const settled = running.then(
        () => true,
        () => false
      )
      await Promise.race([settled, delay((took * (moment + 1)) / 25)])
      await server.query('alter database cut allow_connections false')
      await server.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'cut' and application_name like 'supabase-backup%'`
      )
      const ended = await settled
      await server.query('alter database cut allow_connections true')
      const state = await stateOf('cut')
      if (ended) expect(state).toEqual(complete)
      else if (state.includes('schema supabase_backup_unfinished')) {
        halfway += 1
        const looking = await failure(restoreOf(desk, facts, server, 'cut').settle(false))
        expect(looking.code).toBe('SB719')
        expect(looking.message).toContain('20261122T000000Z-aaaaaaaa')
        const other = await failure(restoreOf(desk, facts, server, 'cut', { mode: 'missing-rows' }).settle(true))
        expect(other.code).toBe('SB719')
        expect(await restoreOf(desk, facts, server, 'cut').settle(true)).toMatchObject({ findings: [] })
        expect(await stateOf('cut')).toEqual(empty)
      } else expect([empty, complete]).toContainEqual(state)
      if (ended || (await stateOf('cut')).length > empty.length) await fresh('cut')
    }
    expect(halfway).toBeGreaterThan(3)
    await restoreOf(desk, facts, server, 'cut').run()
    expect(await stateOf('cut')).toEqual(complete)
  })

  test('what somebody made meanwhile stays', async () => {
    await fresh('used')
    const running = restoreOf(desk, facts, server, 'used').run()
    const settled = running.catch(() => undefined)
    await expect
      .poll(async () => (await stateOf('used')).includes('relation app.t30false'), { interval: 5, timeout: 20_000 })
      .toBe(true)
    await server.query('alter database used allow_connections false')
    await server.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'used' and application_name like 'supabase-backup%'`
    )
    await settled
    await server.query('alter database used allow_connections true')
    await server.query(
      'create table public.mine (id int); create function public.mine() returns int language sql as $$ select 1 $$',
      [],
      undefined,
      'used'
    )
    expect(await restoreOf(desk, facts, server, 'used').settle(true)).not.toBeNull()
    expect(await stateOf('used')).toContain('relation minefalse')
    const error = await failure(restoreOf(desk, facts, server, 'used').run())
    expect(error.code).toBe('SB703')
  })
})

describe('a whole project in several transactions', () => {
  let source: PostgresServer
  let target: PostgresServer
  /** With 20 connections it promises 200 locks, and 208 are needed: one transaction is tried, and mostly runs out of them. */
  async function startTarget(connections = 20): Promise<PostgresServer> {
    const settings = { max_locks_per_transaction: 10, max_connections: connections }
    const made = await startPostgres({ major: 15, settings })
    await loadSupabase(made, { user: false })
    return made
  }
  beforeAll(async () => {
    source = await startPostgres({ major: 15 })
    await loadSupabase(source)
    target = await startTarget()
  })
  afterAll(async () => {
    await source?.stop()
    await target?.stop()
  })

  /** A backup whose check fails at the end of the restore. */
  const lyingAbout = (held: DatabaseFacts): DatabaseFacts => ({
    ...held,
    tables: held.tables.map((table) =>
      table.schema === 'app' && table.name === 'teams' && table.hash !== null
        ? { ...table, hash: { ...table.hash, value: '1' } }
        : table
    )
  })
  const notByRows = /^(?:vault\.secrets|cron\.job|realtime\.messages.*)$/
  async function expectSameRows(): Promise<void> {
    const ours = await contentOf(target)
    for (const [name, content] of await contentOf(source))
      if (!notByRows.test(name)) expect({ name, content: ours.get(name) }).toEqual({ name, content })
  }

  test('rows that the platform had before are there again when it is taken back, and not when it comes to its end', {
    timeout: 300_000
  }, async () => {
    const other = await openDesk()
    try {
      const held = (await capture(other, source, 'postgres')).facts
      await target.query(
        `insert into storage.buckets (id, name) values ('before', 'before'); insert into auth.audit_log_entries (id, payload) values (gen_random_uuid(), '{}')`
      )
      const before = [await contentOf(target), await guardsOf(target), await stateOf('postgres', target)]
      const restore = (what: DatabaseFacts) =>
        restoreOf(other, what, target, 'postgres', { user: 'postgres', errors: 'stop' })
      expect((await failure(restore(lyingAbout(held)).run())).code).toBe('SB709')
      expect([await contentOf(target), await guardsOf(target), await stateOf('postgres', target)]).toEqual(before)
      const restored = await restore(held).run()
      expect(restored.left).toEqual([])
      await expectSameRows()
    } finally {
      await other.remove()
      await target.stop()
      target = await startTarget()
    }
  })

  test('rows that came in or were changed meanwhile stay when it is taken back, and are told', {
    timeout: 300_000
  }, async () => {
    const other = await openDesk()
    try {
      const held = (await capture(other, source, 'postgres')).facts
      // In one transaction, tried first where that may do, no row would be seen before the lock is in the way.
      await target.stop()
      target = await startTarget(15)
      const restore = () => restoreOf(other, held, target, 'postgres', { user: 'postgres' })
      const blocking = await target.connect()
      // Rows come in all the same; the first foreign key to it has to wait.
      await blocking.query('begin; lock table auth.users in row exclusive mode')
      const running = restore()
        .run()
        .catch((error: unknown) => error)
      const users = async () =>
        (await target.query('select email from auth.users order by email')).rows.map(({ email }) => email)
      await expect.poll(async () => (await users()).length, { interval: 20, timeout: 60_000 }).toBeGreaterThan(1)
      const [changed] = await users()
      await target.query('update auth.users set last_sign_in_at = now() where email = $1', [changed])
      await target.query(`insert into auth.users (id, email) values (gen_random_uuid(), 'new@example.com')`)
      await target.query(
        `insert into storage.buckets (id, name) values ('new', 'new'); select lo_from_bytea(777777, 'new'::bytea)`
      )
      other.abort.abort()
      expect(await running).toMatchObject({ name: 'AbortError' })
      await blocking.end()

      const settled = await restoreOf(
        { ...other, context: { ...other.context, signal: new AbortController().signal } },
        held,
        target,
        'postgres',
        { user: 'postgres' }
      ).settle(true)
      const told = settled?.findings.map(({ subject, detail }) => `${subject}: ${detail}`)
      const stays = 'stay: they came in, or were changed, after the restore that was cut had brought its own'
      expect(told).toEqual([
        `table auth.users: 2 rows ${stays}`,
        `table storage.buckets: 1 rows ${stays}`,
        'large objects: 1 that were not there before stay: they belong to others, or were made meanwhile'
      ])
      expect(await users()).toEqual(['new@example.com', changed])
      expect((await target.query('select id from storage.buckets')).rows).toEqual([{ id: 'new' }])
      expect((await target.query('select oid::int from pg_largeobject_metadata')).rows).toEqual([{ oid: 777777 }])
    } finally {
      await other.remove()
      await target.stop()
      target = await startTarget()
    }
  })

  test('is taken back whole, default privileges and rows of the platform included; and comes back whole', {
    timeout: 300_000
  }, async () => {
    const other = await openDesk()
    try {
      const held = (await capture(other, source, 'postgres')).facts
      const restore = (what: DatabaseFacts) =>
        restoreOf(other, what, target, 'postgres', { user: 'postgres', errors: 'stop' })
      const before = [await contentOf(target), await guardsOf(target), await stateOf('postgres', target)]
      expect((await failure(restore(lyingAbout(held)).run())).code).toBe('SB709')
      expect([await contentOf(target), await guardsOf(target), await stateOf('postgres', target)]).toEqual(before)

      const restored = await restore(held).run()
      expect(restored.left).toEqual([])
      await expectSameRows()
      const guards = async (server: PostgresServer) =>
        (await guardsOf(server)).filter((guard) => !guard.includes('made_by_the_platform'))
      expect(await guards(target)).toEqual(await guards(source))
    } finally {
      await other.remove()
    }
  })
})

describe('two restores into one target', () => {
  test('do not meet: the second one waits, and gives up', async () => {
    await fresh('claimed')
    const client = await server.connect(undefined, 'claimed')
    await client.query('select pg_advisory_lock(1396982868, 1)')
    const error = await failure(restoreOf(desk, facts, server, 'claimed', { lockTimeoutMs: 1500 }).run())
    expect(error.code).toBe('SB718')
    await client.end()
    expect((await restoreOf(desk, facts, server, 'claimed').run()).rows).toBe(tables * 50)
  })

  test('what one finished while the other waited for it stays', async () => {
    await fresh('finished')
    const first = await server.connect(undefined, 'finished')
    await first.query('select pg_advisory_lock(1396982868, 1); create table public.arrived (id int)')
    const mark = {
      format: 1,
      backupId: '20261121T000000Z-bbbbbbbb',
      startedAt: '2026-11-22T00:00:00.000Z',
      made: [{ schema: 'public', name: 'arrived' }],
      schemas: [],
      extensions: [],
      others: [],
      roles: [],
      filled: [],
      largeObjects: []
    }
    await first.query(`create schema supabase_backup_unfinished;
      create table supabase_backup_unfinished.restore as select '${JSON.stringify(mark)}'::text as mark`)
    const second = restoreOf(desk, facts, server, 'finished').settle(true)
    await expect
      .poll(
        async () =>
          (
            await server.query(
              `select 1 from pg_stat_activity where datname = 'finished' and query like '%pg_try_advisory_lock%' and application_name like 'supabase-backup%'`
            )
          ).rowCount,
        { interval: 5, timeout: 20_000 }
      )
      .toBe(1)
    await first.query(
      'begin; drop schema supabase_backup_unfinished cascade; commit; select pg_advisory_unlock(1396982868, 1)'
    )
    await first.end()
    expect(await second).toBeNull()
    expect(await stateOf('finished')).toContain('relation arrivedfalse')
  })
})
