import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { DatabaseProof, DatabaseProverOptions } from '../../src/sources/database/verify/prove-database.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, openDesk } from './database-capture-setup.ts'
import { prove } from './proof-setup.ts'

const major = 15
let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres({ major })
  await server.query('create role anon; create role keeper')
})
afterAll(() => server.stop('immediate'))

async function proven(
  database: string,
  statements: readonly string[],
  options: Partial<DatabaseProverOptions> = {},
  create = ''
): Promise<{ facts: DatabaseFacts; proof: DatabaseProof }> {
  await server.query(`create database ${database} ${create}`)
  for (const sql of statements) await server.query(sql, [], server.superuser, database)
  const desk = await openDesk()
  try {
    const { facts } = await capture(desk, server, database)
    return { facts, proof: await prove(desk, facts, major, options) }
  } finally {
    await desk.remove()
  }
}

const told = ({ findings }: DatabaseProof) => findings.map(({ kind, subject }) => `${kind} ${subject}`).toSorted()

test('what differs by nature is noted: nothing of it fails a proof', async () => {
  const { proof } = await proven('nature', [
    // The function gave something else when the row was written.
    `create function public.cased(v text) returns text language sql immutable as 'select lower(v)'`,
    `create table public.changed (id int, v text, c text generated always as (public.cased(v)) stored); insert into public.changed values (1, 'Abc')`,
    `create or replace function public.cased(v text) returns text language sql immutable as 'select upper(v)'`,
    // A column that the parent got later.
    'create table public.parents (id int); create table public.children (x text) inherits (public.parents); alter table public.parents add column late int',
    'insert into public.children values (1, $$a$$, 2)',
    'create extension hstore; comment on extension hstore is null',
    // A policy over who asks: the source is asked over TCP, the copy over a socket.
    `create function public.is_far(id int) returns boolean language sql stable as 'select inet_server_addr() is not null'`,
    'create table public.offers (id int); insert into public.offers values (1), (2)',
    'alter table public.offers enable row level security; create policy far on public.offers using (public.is_far(id)); grant select on public.offers to anon',
    // Names without their schema: at an index, which the planner looks into, and at a view.
    'create table public.pages (id int, title text); insert into public.pages select n, $$T$$ || n from generate_series(1, 20) n',
    `create function public.plain(t text) returns text language sql immutable as 'select lower(t)'; create function public.title_key(t text) returns text language sql immutable as 'select plain(t)'`,
    'create index pages_key on public.pages (public.title_key(title))',
    // Rows whose partition hangs on object numbers.
    `create type public.state as enum ('a', 'b', 'c', 'd', 'e'); create table public.jobs (id int, s public.state) partition by hash (s)`,
    'create table public.jobs0 partition of public.jobs for values with (modulus 2, remainder 0); create table public.jobs1 partition of public.jobs for values with (modulus 2, remainder 1)',
    'insert into public.jobs select g, (enum_range(null::public.state))[1 + g % 5] from generate_series(1, 50) g',
    // A trigger switched off on a partition of the second level.
    'create table public.z (id int, r text) partition by range (id); create table public.zb partition of public.z for values from (0) to (9) partition by list (r); create table public.za partition of public.zb for values in ($$x$$)',
    `create function public.pass() returns trigger language plpgsql as 'begin return new; end'; create trigger watch after insert on public.z for each row execute function public.pass(); alter table public.za disable trigger watch`
  ])
  expect(told(proof)).toEqual([
    'note comment extension hstore',
    'note index public.pages_key',
    'note rows of public.offers that anon sees',
    'note table public.changed',
    'note table public.children'
  ])
  expect(proof).toMatchObject({ verdict: 'proven', level: 'restore', tables: { differing: 0, read: 0 } })
})

test('event triggers of a role that is no superuser come back, last: what they write about is as in the source', async () => {
  const { proof } = await proven('events', [
    'create table public.log (what text); create table public.t (a int); insert into public.t values (1); create materialized view public.seen as select a from public.t',
    `create function public.noted() returns event_trigger language plpgsql as 'begin insert into public.log values (tg_tag); end'`,
    'create event trigger every on ddl_command_end execute function public.noted()',
    `comment on event trigger every is 'all of them'`,
    `update pg_event_trigger set evtowner = 'keeper'::regrole where evtname = 'every'`
  ])
  expect(told(proof)).toEqual([])
  expect(proof).toMatchObject({ verdict: 'proven', level: 'restore' })
})

test('keys and checks that old rows break, and one broken view, are named; everything else is compared', async () => {
  const { proof } = await proven('broken', [
    'create table public.parents (id int primary key); create table public.orphans (p int references public.parents)',
    'set session_replication_role = replica; insert into public.orphans values (7)',
    `create function public.is_new(at timestamptz) returns boolean language sql as 'select at > now()'`,
    `create table public.events (at timestamptz check (public.is_new(at))); insert into public.events values (now() + interval '1 second')`,
    // It selects from itself.
    'create view public.loop as select 1 as a; create or replace view public.loop as select a from public.loop',
    'create table public.good (a int); insert into public.good values (1)',
    'select pg_sleep(1.1)'
  ])
  expect(proof).toMatchObject({ verdict: 'unproven', level: 'none', tables: { restore: 4, differing: 0 } })
  const found = told(proof)
  expect(found).toContain('difference constraint orphans_p_fkey on public.orphans')
  expect(found).toContain('notProven constraint events_at_check on public.events')
  expect(found).toContain('difference view public.loop')
  expect(found.filter((one) => /good|table public\.events|table public\.orphans/.test(one))).toEqual([
    'note table public.events'
  ])
})

test('the copy has the locale of the source, be it of ICU, and its settings while rows come in', async () => {
  const { facts, proof } = await proven(
    'icu',
    [
      `create table public.names (name text, loud text generated always as (upper(name)) stored); insert into public.names values ('Straße')`,
      'create table public.pairs (a text, b text, check (a < b)); insert into public.pairs values ($$apple$$, $$Banana$$)',
      `alter database icu set timezone = 'Pacific/Kiritimati'; alter database icu set app.tenant = 'a b\\c'`,
      // In a session of its own, with the settings of the database.
      `set app.tenant = 'a b\\c'; create table public.tenants (t text check (t = current_setting('app.tenant'))); insert into public.tenants values ('a b\\c')`
    ],
    {},
    `template template0 encoding 'UTF8' locale_provider icu icu_locale 'en-US' lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8'`
  )
  expect(facts.locale).toEqual({ provider: 'icu', name: 'en-US', rules: null })
  expect(told(proof)).toEqual([])
  expect(proof).toMatchObject({ verdict: 'proven', level: 'restore', tables: { restore: 3 } })
})

test('R10: code of the project that holds the copy up costs the proof, never the backup', async () => {
  const { proof } = await proven(
    'slow',
    [
      // The source is asked over TCP, the copy over a socket.
      `create function public.waits(a int) returns boolean language plpgsql as 'begin if inet_server_addr() is null then perform pg_sleep(600); end if; return true; end'`,
      'create table public.t (a int check (public.waits(a))); insert into public.t values (1)'
    ],
    { timeoutMs: 15_000 }
  )
  expect(proof).toMatchObject({ verdict: 'proven', level: 'read', tables: { restore: 0, read: 1 } })
  expect(proof.notRestored).toMatch(/`verify-timeout`/)
})

test('a database without a schema public is proven, and so is one whose schema public has another name now', async () => {
  const absent = await proven('absent', ['drop schema public; create schema own; create table own.t (a int)'])
  expect(absent.proof).toMatchObject({ verdict: 'proven', findings: [] })
  const renamed = await proven('renamed', [
    'alter schema public rename to old_public; create table old_public.t (a int)'
  ])
  expect(renamed.proof).toMatchObject({ verdict: 'proven', findings: [] })
})

test('R11: what a dump passes over in silence is named as not captured', async () => {
  await server.query(`create role hidden; create role peer; grant peer to pg_monitor`)
  await server.query('create database beside')
  await server.query('alter role peer in database beside set work_mem = 8192')
  const { facts, proof } = await proven('silent', [
    'alter database silent connection limit 7; alter database silent is_template true',
    `set allow_system_table_mods = on; insert into pg_shseclabel values ('hidden'::regrole, 'pg_authid'::regclass, 'masks', 'x'), ((select oid from pg_database where datname = 'silent'), 'pg_database'::regclass, 'masks', 'x')`,
    `set allow_system_table_mods = on; create function pg_catalog.mine() returns int language sql as 'select 1'`,
    'create table information_schema.mine (a int)',
    'revoke select on information_schema.tables from public',
    'create extension hstore',
    'create function public.joined() returns int language sql as $$ select 1 $$',
    'alter extension hstore add function public.joined()',
    `select pg_replication_origin_create('elsewhere')`
  ])
  const named = facts.notCaptured.map(({ what }) => what)
  for (const what of [
    'security label of masks on the role hidden',
    'security label of masks on the database',
    'connection limit of the database',
    'that the database is a template',
    'function mine()',
    'table or view information_schema.mine',
    'right of everybody to read information_schema.tables, which was taken away',
    'membership of the role pg_monitor in peer',
    'settings of the role peer in another database',
    'replication origin elsewhere'
  ])
    expect(named).toContain(what)
  // What was added to an extension stands in no dump either; it is taken apart, rows or not.
  expect(named).not.toContain('function public.joined()')
  expect(facts.members?.objects.map(({ subject }) => subject)).toContain('function public.joined()')
  expect(proof.verdict).not.toBe('lacking')
  await server.query('alter database silent is_template false')
})
