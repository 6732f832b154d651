import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { UserError } from '../../src/errors.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts
const sql = async (database: string, text: string) => (await server.query(text, [], undefined, database)).rows

beforeAll(async () => {
  server = await startPostgres({ major: 17 })
  await server.query('create role reader; create role service_role; create role keeper')
  await server.query('create database source')
  await sql(
    'source',
    `create table public.notes (id serial primary key, body text not null); insert into public.notes (body) select 'note ' || g from generate_series(1, 500) g;
     create materialized view public.counted as select count(*) from public.notes; create view public.seen as select * from public.notes;
     create table public.parent (id int primary key); create table public.child (parent int references public.parent); insert into public.parent values (1); insert into public.child values (1);
     create schema auth; create table auth.users (id int primary key); create function public.on_user() returns trigger language plpgsql as $$ begin return new; end $$;
     create trigger mine after insert on auth.users for each row execute function public.on_user();
     select lo_from_bytea(900001, 'large'::bytea)`
  )
  await server.query(`alter database source set "app.settings.color" = 'blue'; alter database source set "app.settings.jwt_secret" = 'very secret'; alter role keeper in database source set work_mem = '9MB';
    comment on database source is 'the shop'; grant create on database source to reader with grant option; revoke temporary on database source from public; grant set on parameter log_statement to keeper;
    alter role service_role set statement_timeout = '11s'`)
  desk = await openDesk()
  facts = (await capture(desk, server, 'source')).facts
})
afterAll(async () => {
  await desk?.remove()
  await server?.stop()
})

async function fresh(name: string): Promise<void> {
  await server.query(`drop database if exists ${name} with (force)`)
  await server.query(`create database ${name}`)
}

async function failure(work: Promise<unknown>): Promise<UserError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  if (!(error instanceof UserError)) throw error ?? new Error('it did not fail')
  return error
}

describe('of a whole backup', () => {
  test('the definitions alone come back with `type: schema`', async () => {
    await fresh('shape')
    const restored = await restoreOf(desk, facts, server, 'shape', { type: 'schema' }).run()
    expect(restored.rows).toBe(0)
    expect(
      await sql(
        'shape',
        `select (select count(*)::int from notes) as notes, (select count(*)::int from pg_matviews where not ispopulated) as views, (select last_value::int from notes_id_seq) as next,
         (select count(*)::int from pg_largeobject_metadata) as objects, (select count(*)::int from pg_constraint where contype = 'f') as keys`
      )
    ).toEqual([{ notes: 0, views: 1, next: 1, objects: 0, keys: 1 }])
  })

  test('the rows alone take the place of others with `type: data`, and numbers go on behind them', async () => {
    await fresh('rows')
    await restoreOf(desk, facts, server, 'rows', { type: 'schema' }).run()
    await sql('rows', `insert into notes (body) values ('new'); create table other (id int)`)
    const restored = await restoreOf(desk, facts, server, 'rows', { type: 'data', mode: 'replace' }).run()
    expect(restored.rows).toBe(502)
    expect(
      await sql(
        'rows',
        `select count(*)::int as notes, max(id) as most, (select last_value::int from notes_id_seq) as next from notes`
      )
    ).toEqual([{ notes: 500, most: 500, next: 500 }])
    await sql('rows', `delete from notes where id > 490; alter sequence notes_id_seq restart with 3`)
    await restoreOf(desk, facts, server, 'rows', {
      type: 'data',
      mode: 'replace',
      selection: { schemas: [], excludeSchemas: [], tables: ['public.notes'], excludeTables: [], excludeTableData: [] }
    }).run()
    expect(await sql('rows', `insert into notes (body) values ('next') returning id`)).toEqual([{ id: 501 }])
  })

  test('F68: rows alone that are refused leave the numbers where the application is, as all the rest', async () => {
    await fresh('numbers')
    await restoreOf(desk, facts, server, 'numbers', {}).run()
    await sql(
      'numbers',
      `create table answers (note int references notes); insert into notes (body) select 'new' from generate_series(1, 100); insert into answers values (600)`
    )
    const before = await sql('numbers', 'select last_value, is_called, (select count(*) from notes) from notes_id_seq')
    const refused = restoreOf(desk, facts, server, 'numbers', { type: 'data', mode: 'replace' }).run()
    expect((await failure(refused)).code).toBe('SB709')
    expect(
      await sql('numbers', 'select last_value, is_called, (select count(*) from notes) from notes_id_seq')
    ).toEqual(before)
    expect(await sql('numbers', `insert into notes (body) values ('goes on') returning id`)).toEqual([{ id: 601 }])
  })

  test('numbers come back into a sequence that the role may set, but not alter', async () => {
    await fresh('of_others')
    await restoreOf(desk, facts, server, 'of_others', {}).run()
    await server.query('drop role if exists setter')
    await server.query('create role setter login bypassrls')
    await sql(
      'of_others',
      `insert into notes (body) values ('new'); grant usage, create on schema public to setter; grant all on all tables in schema public, auth to setter; grant usage on schema auth to setter;
       grant all on sequence notes_id_seq to setter; alter table child drop constraint child_parent_fkey; grant set on parameter session_replication_role to setter`
    )
    await restoreOf(desk, facts, server, 'of_others', {
      type: 'data',
      mode: 'replace',
      user: 'setter',
      selection: { schemas: [], excludeSchemas: [], tables: ['public.notes'], excludeTables: [], excludeTableData: [] }
    }).run()
    expect(
      await sql('of_others', 'select max(id) as most, (select last_value::int from notes_id_seq) as next from notes')
    ).toEqual([{ most: 500, next: 500 }])
  })

  test('what a backup of another type does not hold is told', async () => {
    const preview = async (held: DatabaseFacts, type: 'schema' | 'data') =>
      restoreOf(desk, held, server, 'source', { type }).preview(false)
    const rows = { ...facts, selection: { ...facts.selection, type: 'data' as const } }
    expect((await failure(preview(rows, 'schema'))).code).toBe('SB710')
    const shape = { ...facts, selection: { ...facts.selection, type: 'schema' as const } }
    expect((await failure(preview(shape, 'data'))).code).toBe('SB710')
  })
})

describe('what belongs to the database itself', () => {
  test('comes back where the target has nothing of it, and is listed where it has', async () => {
    await fresh('settings')
    await server.query(
      'alter role service_role reset statement_timeout; revoke set on parameter log_statement from keeper'
    )
    const restored = await restoreOf(desk, facts, server, 'settings').run()
    expect(
      await sql(
        'settings',
        `select has_database_privilege('reader', 'settings', 'create with grant option') as may, shobj_description(d.oid, 'pg_database') as comment, has_parameter_privilege('keeper', 'log_statement', 'set') as parameter,
         array(select unnest(setconfig) from pg_db_role_setting where setdatabase = d.oid order by 1) as settings from pg_database d where datname = 'settings'`
      )
    ).toEqual([
      { may: true, comment: 'the shop', parameter: true, settings: ['app.settings.color=blue', 'work_mem=9MB'] }
    ])
    const todo = restored.findings.filter(({ kind }) => kind === 'todo')
    expect(todo.map(({ subject }) => subject).sort()).toEqual([
      'grants on the database',
      'setting app.settings.jwt_secret of the database',
      'setting statement_timeout of role service_role'
    ])
    expect(JSON.stringify(restored)).not.toContain('very secret')
    for (const { remedy } of todo) if (remedy !== undefined) await sql('settings', remedy)
    expect(
      await sql(
        'settings',
        `select coalesce((select 't' from pg_database d, aclexplode(datacl) a where datname = 'settings' and a.grantee = 0 and a.privilege_type = 'TEMPORARY'), 'f') as temporary`
      )
    ).toEqual([{ temporary: 'f' }])

    await server.query(`alter database settings set "app.settings.color" = 'red'`)
    const again = await restoreOf(desk, facts, server, 'settings', { mode: 'replace' }).run()
    expect(again.findings.filter(({ kind }) => kind === 'todo').map(({ subject }) => subject)).toContain(
      'setting app.settings.color of the database'
    )
  })
})

describe('a role that may not do everything', () => {
  test('rows that the platform refuses are named, and the run is not whole', async () => {
    await sql('source', 'insert into auth.users values (1), (2)')
    const other = await openDesk()
    try {
      const held = (await capture(other, server, 'source')).facts
      await server.query('drop database if exists refuses with (force)')
      await server.query('drop role if exists plain_user')
      await server.query('create role plain_user login; grant set on parameter session_replication_role to plain_user')
      await server.query('create database refuses owner plain_user')
      await sql(
        'refuses',
        `create schema auth; create table auth.users (id int primary key); grant usage on schema auth to plain_user; grant select, references on auth.users to plain_user`
      )
      const restored = await restoreOf(other, held, server, 'refuses', { user: 'plain_user' }).run()
      expect(restored.left).toEqual(['auth.users'])
      expect(restored.findings.find(({ subject }) => subject === 'table auth.users')?.detail).toMatch(
        /^its 2 rows were not brought back: .*permission denied/
      )
      expect(await sql('refuses', 'select count(*)::int as n from public.notes')).toEqual([{ n: 500 }])
    } finally {
      await other.remove()
      await sql('source', 'delete from auth.users')
    }
  })

  test('roles that log in are listed, for their passwords are in no backup', async () => {
    await fresh('roles')
    const role = facts.roles.find(({ name }) => name === 'keeper')
    if (role === undefined) throw new Error('the fixture lacks its role')
    const more = { ...facts, roles: [...facts.roles, { ...role, name: 'signs_in', login: true, databaseSettings: [] }] }
    const restored = await restoreOf(desk, more, server, 'roles').run()
    expect(restored.findings).toContainEqual({
      kind: 'todo',
      subject: 'role signs_in',
      detail: 'it logs in, and passwords are in no backup',
      remedy: `ALTER ROLE "signs_in" PASSWORD '...';`
    })
    await server.query('drop database roles')
    await server.query('drop role signs_in')
  })
})

describe('F68: a server that cannot go on', () => {
  test('is not taken for one that refuses: the target is as it was', async () => {
    await fresh('no_space')
    await sql(
      'no_space',
      `create schema auth; create table auth.users (id int primary key);
       create function auth.full_disk() returns event_trigger language plpgsql as $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
       create event trigger full_disk on ddl_command_end when tag in ('CREATE TRIGGER') execute function auth.full_disk(); alter event trigger full_disk enable always`
    )
    const before = await sql('no_space', 'select count(*)::int as n from pg_class')
    const error = await failure(restoreOf(desk, facts, server, 'no_space').run())
    expect(error.code).toBe('SB708')
    expect(error.message).toContain('No space left on device')
    expect(await sql('no_space', 'select count(*)::int as n from pg_class')).toEqual(before)
    // What the role may not do there is listed instead.
    await sql(
      'no_space',
      `create or replace function auth.full_disk() returns event_trigger language plpgsql as $$ begin raise exception 'must be owner' using errcode = '42501'; end $$`
    )
    const restored = await restoreOf(desk, facts, server, 'no_space').run()
    expect(restored.findings.map(({ subject }) => subject)).toEqual(
      expect.arrayContaining(['trigger auth: users mine', 'event trigger full_disk'])
    )
  })
})
