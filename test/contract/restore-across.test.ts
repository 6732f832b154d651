import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { DatabaseRestoreOptions } from '../../src/sources/database/restore/restore-database.ts'
import type { DatabaseRestored } from '../../src/sources/database/restore/work.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

/** `restore-mode: replace` as the platform's own `postgres`, which is no superuser, between servers that word their definitions otherwise. */
describe('a backup of PostgreSQL 15, in place of what a server of version 18 has', () => {
  let source: PostgresServer
  let target: PostgresServer
  let desk: Desk
  let facts: DatabaseFacts
  const on = async (server: PostgresServer, text: string, user: string | undefined = 'postgres') =>
    (await server.query(text, [], user, 'postgres')).rows

  beforeAll(async () => {
    source = await startPostgres({ major: 15 })
    target = await startPostgres({ major: 18 })
    await loadSupabase(source, { user: false })
    await loadSupabase(target, { user: false })
    await on(
      source,
      `create role app_owner; grant app_owner to postgres; create schema app; grant create, usage on schema app to app_owner; create schema other;
       create type app.mood as enum ('glad', 'sad'); create domain app.positive as int not null constraint positive check (value > 0); create type app.pair as (first int, second app.mood);
       create function app.number(app.mood) returns int language sql immutable as $$ select case $1 when 'glad' then 1 else 2 end $$; create cast (app.mood as int) with function app.number(app.mood);
       create function app.f(x int, more int default 1) returns int language sql immutable as 'select x + more'; create function app.secdef() returns int language sql security definer as 'select 1'; alter function app.secdef() owner to app_owner;
       create table app.notes (id bigint generated always as identity primary key, mood app.mood default 'glad' not null, rank app.positive, pair app.pair, twice int generated always as (app.f(1)) stored, body text not null, check (length(body) < 100));
       insert into app.notes (mood, rank, pair, body) select 'glad', g, row(g, 'sad'::app.mood)::app.pair, 'note ' || g from generate_series(1, 50) g; alter table app.notes owner to app_owner;
       alter table app.notes enable row level security; create policy own on app.notes for select to authenticated using (rank > 1); grant select on app.notes to anon; create index on app.notes (app.f(twice));
       create table app.days (day date not null, v int not null, note bigint references app.notes, primary key (day, v)) partition by range (day); create table app.january partition of app.days for values from ('2026-01-01') to ('2026-02-01');
       create table app.february partition of app.days for values from ('2026-02-01') to ('2026-03-01') partition by list (v); create table app.february_1 partition of app.february for values in (1);
       insert into app.days values ('2026-01-05', 1, 1), ('2026-02-05', 1, 2); create table other.refers (day date, v int, foreign key (day, v) references app.days); insert into other.refers values ('2026-02-05', 1);
       create view other.moods as select mood::int as number, count(*) as n from app.notes group by 1; create materialized view app.counted as select count(*) as n from app.notes; create publication news for table app.notes (id, body) where (id > 1)`
    )
    desk = await openDesk()
    facts = (await capture(desk, source, 'postgres', { user: 'postgres' })).facts
    await restore({ mode: 'empty' })
  })
  afterAll(async () => {
    await desk?.remove()
    await source?.stop()
    await target?.stop()
  })

  const restore = (options: Partial<DatabaseRestoreOptions>): Promise<DatabaseRestored> =>
    restoreOf(desk, facts, target, 'postgres', { mode: 'replace', user: 'postgres', ...options }).run()
  const selection = { schemas: [], excludeSchemas: [], tables: [], excludeTables: [], excludeTableData: [] }
  const state = (server: PostgresServer) =>
    on(
      server,
      `select (select array_agg(n::text order by id) from app.notes n) as notes, (select array_agg(d::text order by day) from app.days d) as days, (select array_agg(m::text order by m) from other.moods m) as moods, (select array_agg(r::text) from other.refers r) as refers,
       enum_range(null::app.mood)::text as labels, (select array_agg(pg_get_constraintdef(oid) order by conname) from pg_constraint where contype = 'c' and connamespace = 'app'::regnamespace) as checks,
       (select array_agg(concat_ws(' ', oid::regprocedure, pg_get_function_arguments(oid), proowner::regrole, proacl::text) order by oid::regprocedure::text) from pg_proc where pronamespace = 'app'::regnamespace) as functions,
       (select array_agg(concat_ws(' ', castsource::regtype, casttarget::regtype, castfunc::regprocedure)) from pg_cast where oid >= 16384 and castsource = 'app.mood'::regtype) as casts,
       (select array_agg(concat_ws(' ', oid::regclass, relowner::regrole, replace(relacl::text, 'm/', '/'), relrowsecurity::text) order by oid::regclass::text) from pg_class where relnamespace in ('app'::regnamespace, 'other'::regnamespace) and relkind in ('r', 'p', 'v', 'm')) as relations,
       (select array_agg(inhrelid::regclass || ' of ' || inhparent::regclass order by inhrelid::regclass::text) from pg_inherits) as partitions, (select array_agg(indexdef order by indexdef) from pg_indexes where schemaname = 'app') as indexes,
       (select array_agg(concat_ws(' ', conrelid::regclass, confrelid::regclass) order by conrelid::regclass::text, confrelid::regclass::text) from pg_constraint where contype = 'f' and connamespace in ('app'::regnamespace, 'other'::regnamespace)) as keys,
       (select array_agg(attname order by attname) from pg_attribute where attrelid = 'app.notes'::regclass and attnotnull and attnum > 0) as filled, (select array_agg(polname) from pg_policy where polrelid = 'app.notes'::regclass) as policies, (select array_agg(concat_ws(' ', tablename, attnames::text, rowfilter)) from pg_publication_tables where pubname = 'news') as published, (select n::int from app.counted) as counted`,
      undefined
    ).then(([row]) => row)
  const open = ({ findings }: DatabaseRestored) =>
    findings.filter(({ kind }) => kind === 'todo' || kind === 'difference')

  test('comes into an empty one', async () => {
    expect(await state(target)).toEqual(await state(source))
  })

  test.each([
    ['a label of an enumeration', `alter type app.mood add value 'cross'; update app.notes set mood = 'sad'`],
    [
      'a check of a domain',
      `alter domain app.positive drop constraint positive; alter domain app.positive add constraint positive check (value > -5)`
    ],
    ['an attribute of a composite type', `alter type app.pair add attribute third int cascade`],
    [
      'a default of a function',
      `create or replace function app.f(x int, more int default 2) returns int language sql immutable as 'select x - more'`
    ],
    [
      'the head of a function, with what uses it',
      `drop function app.f(int, int) cascade; create function app.f(x int, another int default 7) returns int language sql immutable as 'select x'`
    ],
    ['a cast, with the view that uses it', `drop cast (app.mood as int) cascade`],
    ['a partition that is gone', `drop table app.february_1 cascade`],
    [
      'a partition that came',
      `create table app.march partition of app.days for values from ('2026-03-01') to ('2026-04-01'); insert into app.days values ('2026-03-05', 1, 1)`
    ],
    [
      'owners',
      `alter table app.notes owner to postgres; alter function app.secdef() owner to postgres; alter schema other owner to postgres`
    ],
    [
      'what version 18 says of columns that must not be null',
      `alter table app.notes alter body drop not null; alter table app.notes add constraint body_given not null body not valid; alter table app.notes alter mood drop not null`
    ],
    [
      'a virtual column of version 18',
      `alter table app.notes add column thrice int generated always as (id * 3) virtual`
    ],
    ['what a publication has', `alter publication news set table app.notes, app.days`]
  ])('%s is as it was', async (_, change) => {
    await on(target, change)
    expect(await state(target).catch(() => null)).not.toEqual(await state(source))
    expect(open(await restore({}))).toEqual([])
    expect(await state(target)).toEqual(await state(source))
  })

  test('one table comes back, alone', async () => {
    await on(target, `update app.notes set body = 'changed' where id = 1; delete from app.notes where id = 50`)
    expect(open(await restore({ selection: { ...selection, tables: ['app.notes'] } }))).toEqual([])
    expect(await state(target)).toEqual(await state(source))
  })
})
