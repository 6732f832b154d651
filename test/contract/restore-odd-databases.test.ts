import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { UserError } from '../../src/errors.ts'
import type { DatabaseRestoreOptions } from '../../src/sources/database/restore/restore-database.ts'
import type { DatabaseRestored } from '../../src/sources/database/restore/work.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

let server: PostgresServer
let count = 0

beforeAll(async () => {
  server = await startPostgres({ major: 15 })
  await server.query(
    `create role anon; create role shop_owner login bypassrls password '${server.password}'; create role boss; grant anon to shop_owner; grant set on parameter session_replication_role to shop_owner`
  )
})
afterAll(async () => {
  await server?.stop()
})

const sql = async (database: string, text: string) => (await server.query(text, [], undefined, database)).rows

/** Two databases of one owner, the first one with what the SQL makes. */
async function made(text: string, more: { readonly owner?: boolean; readonly admin?: string } = {}) {
  count += 1
  const [source, target] = [`odd_${count}`, `odd_${count}_target`]
  const user = more.owner === true ? 'shop_owner' : server.superuser
  for (const name of [source, target]) {
    await server.query(`create database ${name} owner "${user}"`)
    if (more.owner === true)
      await sql(name, `alter schema public owner to ${user}; grant usage on schema public to anon`)
  }
  await sql(source, (more.admin ?? '').replaceAll('THIS', source))
  await sql(source, `set session authorization "${user}"; ${text.replaceAll('THIS', source)}`)
  return { source, target, user }
}

async function brought(
  { source, target, user }: { readonly source: string; readonly target: string; readonly user: string },
  options: Partial<DatabaseRestoreOptions> & { readonly user?: string } = {}
): Promise<DatabaseRestored> {
  const desk = await openDesk()
  try {
    const { facts } = await capture(desk, server, source, { user })
    const restore = restoreOf(desk, facts, server, target, { user, ...options })
    const foretold = await restore.preview(true)
    const restored = await restore.run().catch((error: unknown) => {
      // What the dry run said is what happened.
      if (error instanceof UserError) expect(foretold.refused.join(' ')).toContain(error.message)
      throw error
    })
    if (foretold.inStages === null)
      expect({ refused: [], left: restored.left, leftOut: restored.leftOut }).toEqual({
        refused: foretold.refused,
        left: foretold.left,
        leftOut: foretold.leftOut
      })
    return restored
  } finally {
    await desk.remove()
  }
}

const subjects = ({ findings }: DatabaseRestored, kind = 'todo') =>
  findings.filter((finding) => finding.kind === kind).map(({ subject }) => subject)

async function refusal(work: Promise<unknown>): Promise<UserError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  if (!(error instanceof UserError)) throw error ?? new Error('it did not fail')
  return error
}

describe('rows are never withheld for a rule that they break', () => {
  const orphans = `create table public.parents (id int primary key); create table public.children (id int primary key, parent int constraint of_parent references public.parents);
    insert into public.parents values (1); insert into public.children values (1, 1); set session_replication_role = replica; insert into public.children values (2, 9), (3, 9)`

  test('a foreign key holds for new rows alone and is listed with the number of rows and its SQL', async () => {
    const where = await made(orphans)
    const restored = await brought(where)
    expect(restored.rows).toBe(4)
    expect(restored.left).toEqual([])
    expect(restored.leftOut).toEqual(['fk constraint public: children of_parent'])
    expect(restored.findings.filter(({ kind }) => kind === 'todo')).toEqual([
      {
        kind: 'todo',
        subject: 'fk constraint public: children of_parent',
        detail:
          'rows of the backup break it: they are there, and it holds for new rows alone: 2 refer to rows of public.parents that are not there',
        remedy: 'ALTER TABLE "public"."children" VALIDATE CONSTRAINT "of_parent";'
      }
    ])
    expect(await sql(where.target, "select convalidated from pg_constraint where contype = 'f'")).toEqual([
      { convalidated: false }
    ])
    await expect(sql(where.target, 'insert into children values (4, 8)')).rejects.toThrow(/of_parent/)
  })

  test('which is all or nothing with `stop`', async () => {
    const where = await made(orphans)
    expect((await refusal(brought(where, { errors: 'stop' }))).code).toBe('SB708')
    expect(await sql(where.target, `select to_regclass('public.parents') as there`)).toEqual([{ there: null }])
  })

  test.each([
    [
      'that hangs on the time',
      `check (at > now())`,
      `insert into public.t values (1, 'a', now() + interval '50 ms'); select pg_sleep(0.1)`
    ],
    [
      'whose function was changed',
      `check (public.fits(word))`,
      `insert into public.t values (1, 'a', now()); create or replace function public.fits(text) returns boolean language sql immutable return length($1) > 3`
    ]
  ])('a check %s comes back, with its comment, and is listed', async (_, check, rows) => {
    const where = await made(
      `create function public.fits(text) returns boolean language sql immutable return length($1) > 0;
       create table public.t (id int primary key, word text, at timestamptz, constraint rule ${check}, constraint plain check (id > 0));
       comment on constraint rule on public.t is 'why'; comment on constraint plain on public.t is 'positive'; ${rows}`
    )
    const restored = await brought(where)
    expect(restored.rows).toBe(1)
    expect(restored.leftOut).toEqual(['constraint rule on public.t'])
    expect(subjects(restored)).toEqual(['constraint rule on public.t'])
    expect(
      await sql(
        where.target,
        `select conname, convalidated, obj_description(oid, 'pg_constraint') as said from pg_constraint where contype = 'c' and connamespace = 'public'::regnamespace order by 1`
      )
    ).toEqual([
      { conname: 'plain', convalidated: true, said: 'positive' },
      { conname: 'rule', convalidated: false, said: 'why' }
    ])
  })

  test('a check of a domain, and one that a partition inherits', async () => {
    const where = await made(
      `create function public.fits(text) returns boolean language sql immutable return length($1) > 0; create domain public.word as text constraint fitting check (public.fits(value));
       create table public.d (w public.word, ws public.word[]); create table public.p (id int, w text, constraint inherited check (public.fits(w))) partition by range (id); create table public.p1 partition of public.p for values from (0) to (9);
       insert into public.d values ('a', '{b}'); insert into public.p values (1, 'a'); create or replace function public.fits(text) returns boolean language sql immutable return length($1) > 3`
    )
    const restored = await brought(where)
    expect([restored.rows, restored.left]).toEqual([2, []])
    expect(restored.leftOut.toSorted()).toEqual([
      'constraint fitting on public.word',
      'constraint inherited on public.p'
    ])
  })

  test('over several sessions, too', async () => {
    const where = await made(
      `create function public.fits(text) returns boolean language sql immutable return true; create table public.t (id int primary key, word text constraint rule check (public.fits(word)));
       create table public.other (id int primary key); insert into public.t select g, repeat('x', 200) from generate_series(1, 20000) g; insert into public.other select generate_series(1, 5000);
       create or replace function public.fits(text) returns boolean language sql immutable return false`
    )
    const restored = await brought(where, { largeFrom: 1, sessions: 3 })
    expect([restored.rows, restored.left]).toEqual([25000, []])
    expect(restored.leftOut).toEqual(['constraint rule on public.t'])
    expect(await sql(where.target, 'select count(*)::int as rows, count(distinct id)::int as ids from t')).toEqual([
      { rows: 20000, ids: 20000 }
    ])
  })
})

/** Restores what the SQL makes: nothing is left out, and schemas, relations, constraints and triggers are those of the source. */
async function comesBackWhole(text: string): Promise<void> {
  const where = await made(text)
  const restored = await brought(where)
  expect([restored.left, restored.leftOut, subjects(restored)]).toEqual([[], [], []])
  const state = (database: string) =>
    sql(
      database,
      `select n.nspname || ' of ' || case when nspowner = 'pg_database_owner'::regrole then 'owner' else pg_get_userbyid(nspowner) end || coalesce(nspacl, acldefault('n', nspowner))::text as x from pg_namespace n where nspname !~ '^pg_|^info'
       union all select c.relname || c.relkind::text from pg_class c join pg_namespace n on n.oid = c.relnamespace where nspname !~ '^pg_|^info'
       union all select conname || pg_get_constraintdef(oid) from pg_constraint where connamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
       union all select tgname || tgrelid::regclass::text || tgenabled::text from pg_trigger where not tgisinternal order by 1`
    )
  expect(await state(where.target)).toEqual(expect.arrayContaining(await state(where.source)))
}

describe('comes back whole, with nothing left to do', () => {
  test('a check that looks into a table whose rows come later', () =>
    comesBackWhole(`create table public.z (val text); insert into public.z values ('a'); create function public.known(v text) returns boolean language sql stable as $$ select exists (select 1 from public.z where val = v) $$;
       create table public.a (val text check (public.known(val))); insert into public.a values ('a')`))

  test('one with names that only a session of the source finds', () =>
    comesBackWhole(`create schema s; set search_path = s; create table s.z (val text); insert into s.z values ('a'); create function s.known(v text) returns boolean language sql stable as $$ select exists (select 1 from z where val = v) $$;
       create table s.a (val text check (s.known(val))); insert into s.a values ('a')`))

  test('a generated column, an index and a domain over functions with unqualified names', () =>
    comesBackWhole(`create schema util; create function util.norm(v text) returns text language sql immutable as $$ select lower(v) $$; create function public.slug(v text) returns text language plpgsql immutable as $$ begin return norm(v); end $$;
       set search_path = public, util; create function public.is_slug(v text) returns boolean language plpgsql immutable as $$ begin return slug(v) = v; end $$; create domain public.slugged as text check (public.is_slug(value));
       create table public.pages (id int primary key, title text, slug text generated always as (public.slug(title)) stored, tag public.slugged); insert into public.pages (id, title, tag) values (1, 'A', 'b'); create index by_slug on public.pages (public.slug(title))`))

  test('what hangs on settings of the database', () =>
    comesBackWhole(`alter database THIS set timezone = 'Asia/Kathmandu'; alter database THIS set "app.tenant" = 'acme'; set timezone = 'Asia/Kathmandu'; set "app.tenant" = 'acme';
       create function public.day_of(timestamptz) returns date language sql immutable as $$ select $1::date $$;
       create table public.visits (at timestamptz, day date generated always as (public.day_of(at)) stored, tenant text default current_setting('app.tenant') check (tenant = current_setting('app.tenant')), check (at::date = date '2024-01-02'));
       insert into public.visits (at) values ('2024-01-01 23:30:00+00')`))

  test('partitions by the hash of an enum, whose rows lie elsewhere on another server', () =>
    comesBackWhole(`create type public.state as enum ('a', 'b', 'c', 'd', 'e', 'f'); create table public.t (id int, s public.state) partition by hash (s); create table public.t0 partition of public.t for values with (modulus 2, remainder 0);
       create table public.t1 partition of public.t for values with (modulus 2, remainder 1); insert into public.t select g, (enum_range(null::public.state))[1 + g % 6] from generate_series(1, 60) g`))

  test('a trigger that is off on a partition of the second level', () =>
    comesBackWhole(`create table public.z (id int, r text) partition by range (id); create table public.b partition of public.z for values from (0) to (9) partition by list (r); create table public.a partition of public.b for values in ('x');
       create function public.f() returns trigger language plpgsql as 'begin return new; end'; create trigger w after insert on public.z for each row execute function public.f(); alter table public.a disable trigger w`))

  test('a schema public of another owner', () =>
    comesBackWhole('create table public.t (id int); alter schema public owner to boss'))

  test('no schema public', () => comesBackWhole('create schema app; create table app.t (id int); drop schema public'))

  test('a schema public that got another name', () =>
    comesBackWhole(
      'alter schema public rename to old; create table old.t (id int); create schema public; create table public.t (id int)'
    ))

  test('a log of definitions, which refreshing a view must not write into', () =>
    comesBackWhole(`create table public.log (tag text); create function public.log() returns event_trigger language plpgsql as $$ begin insert into public.log values (tg_tag); end $$;
       create materialized view public.m as select 1 as one; create event trigger log_it on ddl_command_end execute function public.log()`))

  test('rows of such partitions, each in one of them', async () => {
    const where = await made(
      `create type public.kind as enum ('a', 'b', 'c', 'd', 'e', 'f'); create table public.t (id int, k public.kind) partition by hash (k); create table public.t0 partition of public.t for values with (modulus 2, remainder 0);
       create table public.t1 partition of public.t for values with (modulus 2, remainder 1); insert into public.t select g, (enum_range(null::public.kind))[1 + g % 6] from generate_series(1, 60) g`
    )
    for (const options of [{}, { largeFrom: 1, sessions: 2 }]) {
      await server.query(`drop database ${where.target}`)
      await server.query(`create database ${where.target}`)
      expect((await brought(where, options)).rows).toBe(60)
      expect(await sql(where.target, 'select id, k from t order by 1')).toEqual(
        await sql(where.source, 'select id, k from t order by 1')
      )
    }
  })
})

describe('what the target refuses takes along what hangs on it, and nothing else', () => {
  test('a view that selects from itself', async () => {
    const where = await made(
      `create table public.base (id int); insert into public.base values (1); create view public.loop as select id from public.base; create or replace view public.loop as select id from public.loop`
    )
    const restored = await brought(where)
    expect(restored.rows).toBe(1)
    expect(restored.leftOut).toEqual(['view public: loop'])
    expect(restored.findings.find(({ kind }) => kind === 'todo')?.remedy).toMatch(/CREATE VIEW public\.loop/)
  })

  test('a table, with its rows, indexes, keys, views and grants', async () => {
    const where = await made(
      `create type public.odd; create function public.odd_in(cstring) returns public.odd language internal immutable strict as 'textin'; create function public.odd_out(public.odd) returns cstring language internal immutable strict as 'textout';
       create type public.odd (input = public.odd_in, output = public.odd_out, like = text); create table public.t (id int primary key, o public.odd); create table public.r (t int references public.t, note text); create view public.v as select * from public.t;
       create table public.kept (id int primary key); insert into public.t values (1, 'x'); insert into public.r values (1, 'y'); insert into public.kept values (1); grant select on public.t to anon; alter type public.odd owner to shop_owner;
       alter table public.t owner to shop_owner; alter table public.r owner to shop_owner; alter view public.v owner to shop_owner; alter table public.kept owner to shop_owner; alter function public.odd_in owner to shop_owner; alter function public.odd_out owner to shop_owner`
    )
    await server.query(`alter database ${where.target} owner to shop_owner`)
    await sql(where.target, 'alter schema public owner to shop_owner')
    const restored = await brought({ ...where, user: server.superuser }, { user: 'shop_owner' })
    expect(restored.left).toEqual(['public.t'])
    expect(restored.leftOut).toContain('table public: t')
    expect(
      await sql(where.target, 'select (select count(*)::int from kept) as kept, (select count(*)::int from r) as r')
    ).toEqual([{ kept: 1, r: 1 }])
  })

  test('with `stop` only what was always listed is: a wrapper, a mapping of its server, a policy over a function', async () => {
    const where = await made(
      `create table public.p (id int primary key, v text); insert into public.p values (1, 'x'); alter table public.p enable row level security; create policy lp on public.p for select using (public.ok(v)); grant select on public.p to anon`,
      {
        owner: true,
        admin: `create function public.ok(text) returns boolean language sql immutable leakproof as $$ select true $$; alter function public.ok(text) owner to shop_owner;
          create foreign data wrapper fw; create server sv foreign data wrapper fw; create user mapping for shop_owner server sv options (a 'b'); create foreign table public.ft (a int options (x 'y')) server sv;
          create operator class public.oc for type int4 using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 btint4cmp(int, int)`
      }
    )
    const restored = await brought(where, { errors: 'stop' })
    expect(restored.rows).toBe(1)
    expect(subjects(restored)).toEqual(
      expect.arrayContaining(['function public: ok(text)', 'policy public: p lp', 'server sv'])
    )
  })

  test('a table whose row security cannot be as strict gets no grants', async () => {
    const where = await made(
      `create table public.p (id int primary key, v text); insert into public.p values (1, 'x'); alter table public.p enable row level security; create policy wide on public.p for select using (true);
       create policy narrow on public.p as restrictive for select using (public.ok(v)); grant select on public.p to anon`,
      {
        owner: true,
        admin: `create function public.ok(text) returns boolean language sql immutable leakproof as $$ select false $$; alter function public.ok(text) owner to shop_owner`
      }
    )
    const restored = await brought(where)
    expect(subjects(restored)).toContain('grants on public: table p')
    expect(await sql(where.target, `select has_table_privilege('anon', 'public.p', 'select') as may`)).toEqual([
      { may: false }
    ])
  })
})

test('what a role sees may hang on a setting or on the time: it is told, and no difference', async () => {
  const where = await made(
    `create table public.notes (id int primary key); insert into public.notes values (1); alter table public.notes enable row level security;
     create policy open on public.notes for select using (current_setting('odd.mode', true) = 'open'); grant select on public.notes to anon; alter database THIS set "odd.mode" = 'open'`
  )
  const restored = await brought(where)
  expect([restored.left, restored.leftOut, restored.rows]).toEqual([[], [], 1])
})

test('with `exclude-tables` default privileges, roles and settings come all the same', async () => {
  const where = await made(
    `create table public.a (id int); create table public.b (id int); alter default privileges in schema public grant select on tables to anon; alter database THIS set "odd.colour" = 'blue'; create publication news for table public.a, public.b`
  )
  const nothing = { schemas: [], excludeSchemas: [], tables: [], excludeTables: [], excludeTableData: [] }
  await brought(where, { selection: { ...nothing, excludeTables: ['public.b'] } })
  expect(
    await sql(
      where.target,
      `select (select count(*)::int from pg_default_acl) as defaults, (select count(*)::int from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase where datname = current_database()) as settings,
       (select string_agg(tablename, ',') from pg_publication_tables) as published, to_regclass('public.b') as b`
    )
  ).toEqual([{ defaults: 1, settings: 1, published: 'a', b: null }])
})

test('`empty` takes away what the target grants on the schema public and the source does not', async () => {
  const where = await made(
    'revoke usage on schema public from public; create table public.t (id int); alter table public.t enable row level security; grant select on public.t to anon'
  )
  await sql(where.target, 'grant usage on schema public to anon')
  const restored = await brought(where)
  expect([restored.left, restored.leftOut]).toEqual([[], []])
  expect(await sql(where.target, `select has_schema_privilege('anon', 'public', 'usage') as may`)).toEqual([
    { may: false }
  ])
})

test('an extension that lies in another schema of the target is told before anything is written', async () => {
  const where = await made(
    "create extension citext schema public; create table public.t (id int primary key, word public.citext); insert into public.t values (1, 'a')"
  )
  await sql(where.target, 'create schema extensions; create extension citext schema extensions')
  const desk = await openDesk()
  try {
    const { facts } = await capture(desk, server, where.source, { user: where.user })
    const restore = restoreOf(desk, facts, server, where.target, { user: where.user })
    const error = await refusal(restore.preview(true))
    expect(error.code).toBe('SB723')
    expect(error.message).toMatch(/citext lies in the schema extensions .* public in the backup, where table public: t/)
    expect((await refusal(restore.run())).code).toBe('SB723')
    const [, statement = ''] = /(alter extension [^;]*;)/.exec(error.remedy) ?? []
    await sql(where.target, statement)
    expect((await restore.run()).rows).toBe(1)
  } finally {
    await desk.remove()
  }
})
