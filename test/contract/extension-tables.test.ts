import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { RestoreMode } from '../../src/sources/database/restore/plan/restore-plan.ts'
import { runOk } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { type StandInExtension, standInExtension } from '../kit/postgres/stand-in-extension.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

const major = 17
let server: PostgresServer
let queues: StandInExtension
let desk: Desk
let facts: DatabaseFacts

/** A queue as such an extension makes it: tables and sequence become members of the extension, and none of them is declared as its configuration. */
const extension = `
  create table @.meta (queue_name text unique not null, created_at timestamptz not null default now());
  create function @.made(name text) returns void language plpgsql as $body$ begin
    execute format('create table @.%I (msg_id bigint generated always as identity primary key, vt timestamptz not null, message jsonb)', 'q_' || name);
    execute format('create table @.%I (msg_id bigint primary key, message jsonb)', 'a_' || name);
    execute format('create index %I on @.%I (vt)', 'q_' || name || '_vt', 'q_' || name);
    execute format('alter extension @ add table @.%I', 'q_' || name);
    execute format('alter extension @ add sequence @.%I', 'q_' || name || '_msg_id_seq');
    execute format('alter extension @ add table @.%I', 'a_' || name);
    insert into @.meta values (name, '2026-01-01T00:00:00Z');
  end $body$;
  create function @.shout(t text) returns text language sql immutable as 'select upper(t)';`

const sql = async (database: string, text: string) =>
  (await server.query(text.replaceAll('@', queues.name), [], undefined, database)).rows

async function made(database: string, text = 'select 1'): Promise<void> {
  await server.query(`drop database if exists ${database} with (force)`)
  await server.query(`create database ${database}`)
  await sql(database, text)
}

beforeAll(async () => {
  server = await startPostgres({ major })
  queues = await standInExtension(major, extension)
  await server.query('create role worker; create role app login bypassrls; grant create on database postgres to app')
  await made(
    'source',
    `create extension @; create extension hstore;
     select @.made('orders'), @.made('empty');
     insert into @.q_orders (vt, message) select '2026-02-03T04:05:06Z', jsonb_build_object('n', g) from generate_series(1, 20) g;
     delete from @.q_orders where msg_id <= 3; insert into @.a_orders select g, '{}' from generate_series(1, 3) g;
     alter table @.q_orders enable row level security; create policy mine on @.q_orders to worker using (msg_id > 0);
     grant select on @.q_orders to worker; create index by_message on @.q_orders using gin (message); comment on table @.q_orders is 'orders to send';
     create or replace function @.shout(t text) returns text language sql immutable as 'select upper(t) || ''!''';
     create table public.jobs (id serial, what text, twice text generated always as (what || what) stored); insert into public.jobs (what) values (E'tab\\t new\\n line'), (null);
     create view public.seen as select count(*) from @.q_orders; create function public.helper() returns int language sql as 'select 7';
     create table public.nothing (); alter extension hstore add table public.jobs; alter extension hstore add table public.nothing;
     alter extension hstore add view public.seen; alter extension hstore add function public.helper();
     create view public.waiting as select msg_id from @.q_orders;
     create table public.mine (id int primary key); insert into public.mine values (1)`
  )
  desk = await openDesk()
  facts = (await capture(desk, server, 'source')).facts
})
afterAll(async () => {
  await desk?.remove()
  await queues?.remove()
  await server?.stop()
})

/** Everything that the tests look at, of one database. */
async function stateOf(database: string): Promise<unknown> {
  return sql(
    database,
    `select (select json_agg(q order by msg_id) from @.q_orders q) as messages, (select json_agg(a order by msg_id) from @.a_orders a) as archive, (select json_agg(m order by m) from @.meta m) as meta,
     (select json_agg(j order by id) from public.jobs j) as jobs, @.shout('a') as shout, (select * from public.seen) as seen, public.helper() as helper,
     (select json_agg(1) from pg_depend d join pg_extension e on e.oid = d.refobjid where d.deptype = 'e' and e.extname in ('@', 'hstore')) is not null as members,
     (select array_agg(i.identity order by i.identity) from pg_depend d join pg_extension e on e.oid = d.refobjid, pg_identify_object(d.classid, d.objid, 0) i where d.deptype = 'e' and d.classid = 'pg_class'::regclass)::text as relations,
     (select array_agg(indexdef order by indexdef) from pg_indexes where schemaname = '@')::text as indexes, (select array_agg(polname || polroles::regrole[]::text order by polname) from pg_policy)::text as policies,
     (select array_agg(relname || relrowsecurity order by relname) from pg_class where relname in ('q_orders', 'a_orders'))::text as secured, obj_description('@.q_orders'::regclass) as comment,
     has_table_privilege('worker', '@.q_orders', 'SELECT') as granted, (select last_value from @.q_orders_msg_id_seq) as next, (select count(*) from @.q_empty) as empty, (select count(*) from public.nothing) as nothing`
  )
}

describe('tables that belong to an extension', () => {
  test('are captured with their rows, and nothing of them is told to be missing', () => {
    expect(facts.notCaptured.filter(({ what }) => /table|policy|index/.test(what))).toEqual([])
    expect(facts.members?.tables.map(({ name, rows }) => [name, rows])).toEqual(
      expect.arrayContaining([
        ['q_orders', '17'],
        ['a_orders', '3'],
        ['q_empty', '0'],
        ['meta', '2'],
        ['jobs', '2']
      ])
    )
  })

  test.for<[string, RestoreMode, string]>([
    ['a new database', 'empty', 'select 1'],
    ['a database that has the extension already', 'empty', 'create extension @'],
    ['a database that several sessions fill', 'empty', 'select 1'],
    [
      'a database that has other messages',
      'replace',
      `create extension @; select @.made('orders'); insert into @.q_orders (vt, message) values (now(), '[]')`
    ]
  ])('come back into %s, as members, with what was done to them', async ([title, mode, before]) => {
    await made('back', before)
    const stages = title.includes('sessions') ? { sessions: 3, largeFrom: 0 } : {}
    const preview = await restoreOf(desk, facts, server, 'back', { mode }).preview(false)
    expect(preview.tables).toBeGreaterThan(4)
    const restored = await restoreOf(desk, facts, server, 'back', { mode, ...stages }).run()
    expect(restored.findings.filter(({ kind }) => kind === 'todo')).toEqual([])
    expect(restored.left).toEqual([])
    expect(await stateOf('back')).toEqual(await stateOf('source'))
    // It goes on counting where it was.
    expect(await sql('back', `insert into @.q_orders (vt, message) values (now(), '{}') returning msg_id`)).toEqual([
      { msg_id: '21' }
    ])
  })

  test('and that are missing in a target come back by their key', async () => {
    await made('back')
    await restoreOf(desk, facts, server, 'back').run()
    await sql(
      'back',
      `delete from @.q_orders where msg_id between 5 and 9; update @.q_orders set message = '"own"' where msg_id = 10`
    )
    const restored = await restoreOf(desk, facts, server, 'back', { mode: 'missing-rows' }).run()
    expect(restored.left).toEqual([])
    expect(
      await sql(
        'back',
        `select count(*)::int, (select message from @.q_orders where msg_id = 10) as own from @.q_orders`
      )
    ).toEqual([{ count: 17, own: 'own' }])
  })

  test('are told by name, and make the restore partial, where the target cannot have the extension', async () => {
    const without: DatabaseFacts = JSON.parse(JSON.stringify(facts).replaceAll(queues.name, 'sb_nowhere'))
    await made('back')
    const selection = {
      schemas: [],
      excludeSchemas: [],
      tables: [],
      excludeTables: ['public.waiting'],
      excludeTableData: []
    }
    const restored = await restoreOf(desk, without, server, 'back', { selection }).run()
    expect(restored.left).toEqual(expect.arrayContaining(['sb_nowhere.q_orders', 'sb_nowhere.meta']))
    expect(restored.findings.find(({ subject }) => subject === 'table sb_nowhere.q_orders')).toMatchObject({
      kind: 'todo',
      detail: expect.stringContaining(
        "17 rows are not brought back, it belongs to the extension sb_nowhere: the target's server does not have it"
      )
    })
    const preview = await restoreOf(desk, without, server, 'back', { mode: 'replace' }).preview(false)
    expect(preview.findings.map(({ subject }) => subject)).toContain('table sb_nowhere.q_orders')
  })

  test('come back by hand, with tar and psql alone', async () => {
    await made('by_hand', `create extension @; select @.made('orders')`)
    await runOk('tar', ['-xf', path.join(desk.folder, 'extension-rows.tar'), '-C', desk.folder])
    const entry = facts.members?.tables.find(({ name }) => name === 'q_orders')?.entry ?? ''
    const folder = path.join(desk.folder, entry)
    const copy = await readFile(path.join(folder, 'copy.sql'), 'utf8')
    const script = `cat "${folder}"/rows-* | "${server.binDir}/psql" --no-psqlrc --dbname=by_hand --command="$COPY"`
    await runOk('sh', ['-c', script], { env: { ...server.env(), PATH: '/usr/bin:/bin', COPY: copy } })
    expect(await sql('by_hand', 'select json_agg(q order by msg_id) as rows from @.q_orders q')).toEqual(
      await sql('source', 'select json_agg(q order by msg_id) as rows from @.q_orders q')
    )
  })

  test('one of them can be chosen', async () => {
    await made('back')
    await restoreOf(desk, facts, server, 'back').run()
    await sql('back', 'delete from @.q_orders; delete from @.a_orders')
    await restoreOf(desk, facts, server, 'back', {
      mode: 'replace',
      selection: {
        schemas: [],
        excludeSchemas: [],
        tables: [`${queues.name}.q_orders`],
        excludeTables: [],
        excludeTableData: []
      }
    }).run()
    expect(
      await sql(
        'back',
        'select (select count(*)::int from @.q_orders) as q, (select count(*)::int from @.a_orders) as a'
      )
    ).toEqual([{ q: 17, a: 0 }])
  })
})
