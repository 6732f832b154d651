import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { DatabaseRestore } from '../../src/sources/database/restore/restore-database.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

/** `restore-mode: replace` of one schema whose functions have changed their heads, with tables of another schema that use them. */
describe.each([15, 18] as const)('tables that use what is replaced, PostgreSQL %s', (major) => {
  let server: PostgresServer
  let desk: Desk
  let facts: DatabaseFacts
  const sql = async (database: string, text: string) => (await server.query(text, [], server.superuser, database)).rows

  const functions = {
    f: `create function app.f(x int) returns int language sql immutable as 'select x + 1';`,
    h: `create function app.h(a int default 1, b int default 2) returns int language sql immutable as 'select a + b';`
  }
  async function make(name: string, { f, h }: typeof functions, more = ''): Promise<void> {
    await server.query(`create database ${name}`)
    await sql(
      name,
      `create schema app; create schema other; ${f} ${h}
       create function app.ok(x int) returns boolean language sql immutable as 'select x > 0';
       create operator app.### (leftarg = int, rightarg = int, function = pg_catalog.int4pl);
       create sequence app.numbers start 7; select nextval('app.numbers');
       create function other.g(x int default app.f(1)) returns int language sql immutable as 'select x';
       create domain other.positive as int constraint ok check (app.f(value) > 1); comment on constraint ok on domain other.positive is 'of the domain';
       create table other.uses (id int default app.f(1), number bigint default nextval('app.numbers'), through int default other.g(), sum int default (1 operator(app.###) 2), "Two" int default app.h(), rank other.positive, twice int,
         constraint ok check (app.f(twice) > 1), constraint ok_later check (app.ok(id)) no inherit);
       comment on constraint ok on other.uses is 'of the table'; create index uses_f on other.uses (app.f(twice)); create view other.seen as select app.f(twice) as f from other.uses;
       alter table other.uses enable row level security; create policy p on other.uses using (app.f(id) > 0); create statistics other.uses_f_id (ndistinct) on (app.f(twice)), id from other.uses;
       create function app.on_insert() returns trigger language plpgsql as $$ begin return new; end $$; create trigger t before insert on other.uses for each row when (app.f(new.id) > 0) execute function app.on_insert();
       create rule r as on update to other.uses where app.f(new.id) < 0 do instead nothing;
       create table other.parts (id int default app.f(2), v int constraint ok_part check (app.f(v) > 1)) partition by list (id); create table other.part partition of other.parts (id default app.f(3)) for values in (3);
       insert into other.uses (rank, twice) values (1, 101); insert into other.parts values (3, 1); alter table other.uses add constraint not_yet check (app.f(twice) > 102) not valid; ${more}`
    )
  }

  beforeAll(async () => {
    server = await startPostgres({ major })
    await make('source', functions)
    desk = await openDesk()
    facts = (await capture(desk, server, 'source')).facts
  })
  afterAll(async () => {
    await desk?.remove()
    await server?.stop()
  })

  const replacing = (database: string): DatabaseRestore =>
    restoreOf(desk, facts, server, database, {
      mode: 'replace',
      selection: { schemas: ['app'], excludeSchemas: [], tables: [], excludeTables: [], excludeTableData: [] }
    })
  const state = (name: string) =>
    sql(
      name,
      `select (select array_agg(concat_ws(' ', proname, pg_get_function_arguments(oid)) order by proname) from pg_proc where pronamespace in ('app'::regnamespace, 'other'::regnamespace)) as functions,
       (select array_agg(concat_ws(' ', adrelid::regclass, adnum, pg_get_expr(adbin, adrelid)) order by adrelid::regclass::text, adnum) from pg_attrdef where adrelid >= 16384) as defaults,
       (select array_agg(concat_ws(' ', conrelid::regclass, contypid::regtype, conname, pg_get_constraintdef(oid), conislocal::text, coninhcount, obj_description(oid)) order by conname, conrelid::regclass::text, contypid) from pg_constraint where contype = 'c' and oid >= 16384) as checks,
       (select array_agg(indexdef) from pg_indexes where schemaname = 'other') as indexes, (select array_agg(polname) from pg_policy) as policies, (select array_agg(stxname) from pg_statistic_ext) as statistics, (select array_agg(tgname) from pg_trigger where not tgisinternal) as triggers, (select array_agg(rulename) from pg_rules where schemaname = 'other') as rules, (select array_agg(f) from other.seen) as seen,
       (select array_agg(u::text) from other.uses u) as rows, (select last_value::int from app.numbers) as number`
    )

  const f = (head: string) => ({
    ...functions,
    f: `create function app.f(${head}) returns int language sql immutable as 'select 1 + $1';`
  })

  test.each([
    ['got a default', f('x int default 5')],
    ['calls its parameter otherwise', f('y int')],
    ['got a parameter', f('x int, more int default 0')],
    [
      'lost a parameter',
      {
        ...functions,
        h: `create function app.h(a int default 1) returns int language sql immutable as 'select a'` + ';'
      }
    ],
    [
      'lost a default',
      {
        ...functions,
        h: `create function app.h(a int, b int default 2) returns int language sql immutable as 'select a + b'; create function app.h() returns int language sql immutable as 'select 3';`
      }
    ]
  ])('a function that %s is as it was, and what used it uses it again', async (what, now) => {
    const name = `head_${what.replaceAll(/\W/g, '_')}`
    await make(name, now, 'update other.uses set twice = 102, "Two" = 3')
    const before = await state('source')
    expect(await state(name)).not.toEqual(before)
    const restored = await replacing(name).run()
    expect(await state(name)).toEqual([{ ...before[0], seen: [103], rows: ['(2,8,2,3,3,1,102)'] }])
    expect(restored.findings.filter(({ kind }) => kind !== 'note')).toEqual([])
  })

  test.each([
    [
      'the column of a generated value',
      f('y int'),
      'create table other.generated (v int, w int generated always as (app.f(v)) stored)',
      'SB713',
      'other.generated'
    ],
    [
      'a call that the backup does not have',
      f('x int, more int default 0'),
      'alter table other.uses alter id set default app.f(1, 2)',
      'SB708',
      'default of other.uses.id'
    ],
    [
      'a check that rows do not pass any more',
      f('x int, more int default 300'),
      'alter table other.uses drop constraint not_yet; create or replace function app.f(x int, more int default 300) returns int language sql immutable as $$ select x + more $$; alter table other.uses add constraint high check (app.f(twice) > 300)',
      'SB708',
      'check high of other.uses'
    ]
  ])('%s keeps the restore from being done, and everything is as it was', async (what, now, more, code, named) => {
    const name = `no_${what.replaceAll(/\W/g, '_')}`
    await make(name, now, more)
    const before = await state(name)
    await expect(replacing(name).run()).rejects.toMatchObject({ code, message: expect.stringContaining(named) })
    expect(await state(name)).toEqual(before)
  })
})
