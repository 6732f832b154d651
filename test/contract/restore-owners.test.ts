import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { DatabaseRestoreOptions } from '../../src/sources/database/restore/restore-database.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

const project = `create role app_owner; create role app_reader; create role app_lender; grant app_reader to app_owner; grant app_owner to postgres; create schema app; grant usage, create on schema app to app_owner;
  create table app.owned (id int primary key, body text); insert into app.owned values (1, 'kept'); alter table app.owned owner to app_owner; create index on app.owned (body);
  create function app.secdef() returns int language sql security definer as 'select 1'; alter function app.secdef() owner to app_owner; grant execute on function app.secdef() to app_reader;
  create schema past; grant app_lender to postgres; grant create on schema past to app_lender; create type past.mood as enum ('glad'); alter type past.mood owner to app_lender; revoke create on schema past from app_lender; revoke app_lender from postgres`

const owners = `select x from (select 'table ' || relname || pg_get_userbyid(relowner) as x from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r'
  union all select 'function ' || proname || pg_get_userbyid(proowner) || proacl::text from pg_proc where pronamespace = 'app'::regnamespace
  union all select 'type ' || typname || pg_get_userbyid(typowner) from pg_type where typnamespace = 'past'::regnamespace and typtype = 'e'
  union all select 'schema ' || nspname || coalesce(nspacl::text, 'null') from pg_namespace where nspname = 'app'
  union all select 'right ' || has_schema_privilege('app_lender', 'past', 'CREATE')) s order by x collate "C"`

/** Tables that draw their numbers from one sequence, which neither owns. */
describe('a sequence that several tables draw from', () => {
  let server: PostgresServer
  let desk: Desk
  let facts: DatabaseFacts
  const sql = async (database: string, text: string) => (await server.query(text, [], undefined, database)).rows
  const next = async (database: string) => {
    const [row] = await sql(database, `select nextval('app.shared')::int as next, nextval('app."own Seq"')::int as own`)
    return row
  }
  beforeAll(async () => {
    server = await startPostgres({ major: 17 })
    await server.query('create database source')
    await sql(
      'source',
      `create schema app; create sequence app.shared; create sequence app."own Seq";
       create table app.a (id int primary key default nextval('app.shared'), own bigint default nextval('app."own Seq"'), word text default 'n' || nextval('app.shared'));
       create table app.b (id bigint primary key default nextval('app.shared')); insert into app.b values (1);
       insert into app.a (id, own, word) select g, 1, 'w' from generate_series(1, 50) g; select setval('app.shared', 50), setval('app."own Seq"', 1)`
    )
    desk = await openDesk()
    facts = (await capture(desk, server, 'source')).facts
  })
  afterAll(async () => {
    await desk?.remove()
    await server?.stop()
  })

  test('goes on behind the rows that came back, whichever way', async () => {
    const tables = ['app.a']
    const selection = { schemas: [], excludeSchemas: [], tables, excludeTables: [], excludeTableData: [] }
    for (const options of [{ mode: 'replace' }, { mode: 'missing-rows' }, { mode: 'replace', type: 'data' }] as const) {
      await server.query('drop database if exists behind with (force)')
      await server.query('create database behind template source')
      await sql('behind', `delete from app.a; select setval('app.shared', 3), setval('app."own Seq"', 1, false)`)
      const restored = await restoreOf(desk, facts, server, 'behind', { ...options, selection }).run()
      expect(restored.rows).toBe(50)
      expect({ ...options, ...(await next('behind')) }).toEqual({ ...options, next: 51, own: 2 })
    }
  })

  test('that the role may not set is listed with its SQL', async () => {
    await server.query('create role clerk login')
    await server.query('create database others template source')
    await sql(
      'others',
      `grant usage on schema app to clerk; grant usage on sequence app.shared to clerk; grant usage, select, update on sequence app."own Seq" to clerk; alter table app.a owner to clerk;
       delete from app.a; select setval('app.shared', 3); grant set on parameter session_replication_role to clerk; grant create on database others to clerk`
    )
    const selection = { schemas: [], excludeSchemas: [], tables: ['app.a'], excludeTables: [], excludeTableData: [] }
    const options = { mode: 'missing-rows', selection, user: 'clerk' } as const
    const restored = await restoreOf(desk, facts, server, 'others', options).run()
    const [todo, ...more] = restored.findings.filter(({ kind }) => kind === 'todo')
    expect(more).toEqual([])
    expect(todo?.subject).toBe('sequence app.shared')
    await sql('others', todo?.remedy ?? '')
    expect(await next('others')).toEqual({ next: 51, own: 2 })
  })
})

describe('tables that are empty in the backup', () => {
  let server: PostgresServer
  let desk: Desk
  let facts: DatabaseFacts
  const sql = async (text: string) => (await server.query(text, [], undefined, 'source')).rows
  beforeAll(async () => {
    server = await startPostgres({ major: 17 })
    await server.query('create database source')
    await sql('create schema app; create table app.nothing (id int primary key); create table app.never (id int)')
    desk = await openDesk()
    facts = (await capture(desk, server, 'source')).facts
    await sql('insert into app.nothing values (1), (2)')
  })
  afterAll(async () => {
    await desk?.remove()
    await server?.stop()
  })

  test('are compared: replace would delete what the target holds', async () => {
    for (const mode of ['replace', 'missing-rows', 'side-schema'] as const)
      expect((await restoreOf(desk, facts, server, 'source', { mode }).preview(true)).comparison).toEqual(
        expect.arrayContaining([
          { table: 'app.never', rowsInBackup: 0, rowsInTarget: 0, missing: 0, extra: 0, differing: 0 },
          { table: 'app.nothing', rowsInBackup: 0, rowsInTarget: 2, missing: 0, extra: 2, differing: 0 }
        ])
      )
  })

  test('replace with definitions alone is refused while tables hold rows', async () => {
    const options = { mode: 'replace', type: 'schema' } as const
    for (const work of [
      () => restoreOf(desk, facts, server, 'source', options).preview(true),
      () => restoreOf(desk, facts, server, 'source', options).run()
    ])
      await expect(work()).rejects.toMatchObject({ code: 'SB720', message: expect.stringContaining('app.nothing') })
    expect(await sql('select count(*)::int as rows from app.nothing')).toEqual([{ rows: 2 }])
    const tables = ['app.never']
    const selection = { schemas: [], excludeSchemas: [], tables, excludeTables: [], excludeTableData: [] }
    expect((await restoreOf(desk, facts, server, 'source', { ...options, selection }).run()).rows).toBe(0)
  })
})

describe('jobs of pg_cron', () => {
  let server: PostgresServer
  let desk: Desk
  let facts: DatabaseFacts
  beforeAll(async () => {
    server = await startPostgres({ major: 17 })
    await loadSupabase(server, { user: false })
    await server.query(
      `select cron.schedule('nightly', '0 3 * * *', 'select 1'), cron.schedule('kept', '0 4 * * *', 'select 2'); create table public.notes (id int primary key)`,
      [],
      'postgres'
    )
    await server.query(
      `insert into cron.job (schedule, command, username) values ('0 5 * * *', 'select 3', 'postgres')`,
      [],
      undefined,
      'postgres'
    )
    desk = await openDesk()
    facts = (await capture(desk, server, 'postgres', { user: 'postgres' })).facts
  })
  afterAll(async () => {
    await desk?.remove()
    await server?.stop()
  })

  test('that are gone come back paused with missing-rows, and those that are there stay', async () => {
    const jobs = async () =>
      (await server.query(`select jobname, command, active from cron.job order by command`, [], undefined, 'postgres'))
        .rows
    await server.query(`select cron.unschedule('nightly')`, [], 'postgres')
    const options = { mode: 'missing-rows', user: 'postgres' } as const
    const restored = await restoreOf(desk, facts, server, 'postgres', options).run()
    expect(restored.left).toEqual([])
    const told = restored.findings.filter(({ subject }) => subject.startsWith('cron job '))
    expect(told.map(({ kind, subject }) => [kind, subject])).toEqual([
      ['todo', 'cron job nightly'],
      ['note', 'cron job kept'],
      ['note', 'cron job select 3']
    ])
    expect(await jobs()).toEqual([
      { jobname: 'nightly', command: 'select 1', active: false },
      { jobname: 'kept', command: 'select 2', active: true },
      { jobname: null, command: 'select 3', active: true }
    ])
    await server.query(told[0]?.remedy ?? '', [], 'postgres')
    expect((await jobs())[0]).toMatchObject({ active: true })
  })
})

const roles = `select rolname, rolinherit, rolcreatedb, rolcanlogin, nullif(rolvaliduntil, 'infinity') as until from pg_roles where rolname like 'app!_%' escape '!' order by 1`

describe.each([15, 17] as const)('roles of the project and what belongs to them, on %i', (major) => {
  let server: PostgresServer
  let desk: Desk
  let facts: DatabaseFacts
  let expected: unknown
  /** Memberships of the fixture's own roles. */
  let memberships: unknown
  const as = async (user: string | undefined, database: string, text: string) =>
    (await server.query(text, [], user, database)).rows
  const membershipsNow = () =>
    as(
      undefined,
      'postgres',
      `select pg_get_userbyid(roleid) as role, pg_get_userbyid(member) as member, to_jsonb(m) - '{oid,roleid,member,grantor}'::text[] as options from pg_auth_members m
       where pg_get_userbyid(roleid) like 'app!_%' escape '!' order by 1, 2, 3`
    )
  const restore = (database: string, options: Partial<DatabaseRestoreOptions> = {}) =>
    restoreOf(desk, facts, server, database, { user: 'postgres', ...options })

  beforeAll(async () => {
    server = await startPostgres({ major })
    await loadSupabase(server, { user: false, database: 'source' })
    await as('postgres', 'source', project)
    desk = await openDesk()
    facts = (await capture(desk, server, 'source', { user: 'postgres' })).facts
    expected = await as(undefined, 'source', owners)
    memberships = await membershipsNow()
  })
  afterAll(async () => {
    await desk?.remove()
    await server?.stop()
  })

  /** A project without anything of the user's, on a server that has none of his roles. */
  async function fresh(name: string): Promise<void> {
    for (const database of ['source', 'whole', 'staged', 'kept', 'cut'])
      await server.query(`drop database if exists ${database} with (force)`)
    await server.query('drop role if exists app_owner; drop role if exists app_reader; drop role if exists app_lender')
    await loadSupabase(server, { user: false, database: name })
  }

  test('objects belong to them again, functions that run with their rights included', async () => {
    for (const [name, options] of [
      ['whole', {}],
      ['staged', { largeFrom: 0 }]
    ] as const) {
      await fresh(name)
      const preview = await restore(name, options).preview(false)
      expect(preview.inStages).toBe(name === 'staged' ? 'size' : null)
      const restored = await restore(name, options).run()
      expect(restored.findings.filter(({ kind }) => kind !== 'note')).toEqual([])
      expect(await as(undefined, name, owners)).toEqual(expected)
      expect(await membershipsNow()).toEqual(memberships)
    }
  })

  test('F68: cut between two transactions, the next start takes back what came in, roles and memberships included, and restores the whole', {
    timeout: 300_000
  }, async () => {
    const left = () =>
      as(
        undefined,
        'cut',
        `select (select array_agg(rolname::text) from pg_roles where rolname like 'app!_%' escape '!') as roles, to_regnamespace('app') as app, to_regnamespace('past') as past, to_regnamespace('supabase_backup_unfinished') as mark,
         (select array_agg(concat_ws(' ', defaclrole::regrole, defaclnamespace::regnamespace, defaclacl::text) order by defaclrole::regrole::text, defaclnamespace::regnamespace::text, defaclacl::text) from pg_default_acl) as defaults, (select count(*)::int from pg_auth_members where member = 'postgres'::regrole) as memberships`
      )
    const cutOff = async (when: Promise<unknown>, running: Promise<unknown>) => {
      await Promise.race([when, running])
      await server.query('alter database cut allow_connections false')
      await server.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'cut' and application_name like 'supabase-backup%'`
      )
      const ended = await running
      await server.query('alter database cut allow_connections true')
      return ended
    }
    await fresh('cut')
    const empty = await left()
    const started = performance.now()
    await restore('cut', { largeFrom: 0 }).run()
    const took = performance.now() - started
    let halfway = 0
    for (let moment = 0; moment < 4; moment += 1) {
      await fresh('cut')
      const running = restore('cut', { largeFrom: 0 })
        .run()
        .then(
          () => true,
          () => false
        )
      const ended = await cutOff(delay((took * (moment + 2)) / 7), running)
      if (ended || (await left())[0].mark === null) continue
      halfway += 1
      // The first start after it is cut, too.
      const again = restore('cut')
        .settle(true)
        .then(
          () => true,
          () => false
        )
      if (!(await cutOff(delay(took / 12), again)))
        expect(await restore('cut').settle(true)).toMatchObject({ findings: [] })
      expect(await left()).toEqual(empty)
      const restored = await restore('cut', { largeFrom: 0 }).run()
      expect(restored.findings.filter(({ kind }) => kind !== 'note')).toEqual([])
      expect(await as(undefined, 'cut', owners)).toEqual(expected)
      expect(await membershipsNow()).toEqual(memberships)
    }
    expect(halfway).toBeGreaterThan(0)
  })

  test('roles that were there before are taken on for the restore where that may be, else the remedy makes it work', async () => {
    await fresh('kept')
    await server.query('create role app_owner; create role app_reader; create role app_lender')
    const restored = await restore('kept').run()
    const todo = restored.findings.filter(({ subject }) => subject === 'function app: secdef()')
    if (major === 15) expect(todo).toEqual([])
    else {
      expect(todo).toHaveLength(1)
      expect(todo[0]?.remedy).toMatch(
        /^GRANT "?app_owner"? TO "?postgres"? WITH INHERIT TRUE, SET TRUE;\nALTER FUNCTION /
      )
      for (const { remedy } of restored.findings.filter(({ kind }) => kind === 'todo'))
        await as(undefined, 'kept', remedy ?? '')
    }
    expect(await as(undefined, 'kept', `${owners} offset 0`)).toEqual(expected)
    const left = (await membershipsNow()).filter(({ member }) => member === 'postgres')
    expect(left.length).toBe(major === 15 ? 0 : 3)
  })

  test('that were there before and are others now are listed, with the SQL that makes them as they were', async () => {
    await fresh('whole')
    await restore('whole').run()
    const before = [await membershipsNow(), await as(undefined, 'whole', roles)]
    const options = { mode: 'replace', user: server.superuser } as const
    const told = async () => (await restore('whole', options).run()).findings.filter(({ kind }) => kind === 'todo')
    expect(await told()).toEqual([])
    await as(
      undefined,
      'whole',
      `revoke app_reader from app_owner ${major === 15 ? '' : 'granted by postgres'}; grant app_lender to app_reader; alter role app_reader createdb nologin noinherit valid until '2027-01-01'`
    )
    const todo = await told()
    expect(todo.map(({ subject }) => subject)).toEqual([
      'role app_reader',
      'membership of app_owner in app_reader',
      'membership of app_reader in app_lender'
    ])
    for (const { remedy } of todo) await as(undefined, 'whole', remedy ?? '')
    expect([await membershipsNow(), await as(undefined, 'whole', roles)]).toEqual(before)
    expect(await told()).toEqual([])
  })
})
