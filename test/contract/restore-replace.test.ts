import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { DatabaseRestore, DatabaseRestoreOptions } from '../../src/sources/database/restore/restore-database.ts'
import type { DatabaseRestored } from '../../src/sources/database/restore/work.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

/** `restore-mode: replace` as the platform's own `postgres`, which is no superuser, on copies of the source that changed since. */
let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts
const admin = async (database: string, text: string) => (await server.query(text, [], undefined, database)).rows
const sql = async (database: string, text: string) => (await server.query(text, [], 'postgres', database)).rows

beforeAll(async () => {
  server = await startPostgres({ major: 17 })
  await loadSupabase(server, { user: false, database: 'source' })
  await sql(
    'source',
    `create schema app; grant usage on schema app to anon; create schema other;
     create type app.mood as enum ('glad', 'sad'); create domain app.positive as int constraint positive check (value > 0); create type app.pair as (first int, second app.mood);
     create collation app.plain (locale = 'C'); create text search configuration app.words (copy = pg_catalog.simple);
     create function app.plus(integer, integer) returns integer language sql immutable as 'select $1 + $2';
     create operator app.### (leftarg = integer, rightarg = integer, function = app.plus);
     create function app.f(x int) returns int language sql immutable as 'select x'; revoke all on function app.f(int) from public; grant execute on function app.f(int) to authenticated;
     create function app.open() returns int language sql as 'select 1';
     create function app.secret() returns int language sql as 'select 2'; revoke all on function app.secret() from public; create type app.plain_type as enum ('x');
     create function app.moods_number(app.mood) returns int language sql as 'select 1';
     create function app.moods(app.mood) returns app.positive language sql as 'select 1';
     create table app.notes (id bigint generated always as identity primary key, mood app.mood, rank app.positive, pair app.pair, twice int generated always as (app.f(2)) stored);
     insert into app.notes (mood, rank) select 'glad', g from generate_series(1, 5) g;
     create table app.days (day date not null, v int, note text, unique (note, day), primary key (day, v)) partition by range (day); create index on app.days (v);
     create table app.january partition of app.days for values from ('2026-01-01') to ('2026-02-01'); create table app.february partition of app.days for values from ('2026-02-01') to ('2026-03-01');
     insert into app.days (day, v) values ('2026-01-05', 1), ('2026-02-05', 2), ('2026-02-06', 3);
     create table app.parent (id int primary key); insert into app.parent values (1), (2); create table app.child (id int primary key, parent int references app.parent); insert into app.child values (1, 1);
     create view other.parents as select * from app.parent; grant select on other.parents to anon; create view other.of_view as select id from other.parents; create materialized view other.counted as select count(*) as n from app.parent; create index on other.counted (n);
     create function other.all_parents() returns setof app.parent language sql as 'select * from app.parent';
     create table other.bare (id int); insert into other.bare values (1), (2); create index bare_id on other.bare (id);
     create table other.guarded (id int); alter table other.guarded enable row level security; create policy by_parent on other.guarded using (exists (select from app.parent p where p.id = guarded.id));
     create publication news for table app.notes, other.guarded; create publication stays for table app.child;
     select lo_from_bytea(900001, 'mine'::bytea), lo_from_bytea(900002, 'somebody''s'::bytea);
     create cast (app.mood as int) with function app.moods_number(app.mood);
     create view app.seen as select id, app.f(rank) as f from app.notes`
  )
  await sql(
    'source',
    `create function public.on_user() returns trigger language plpgsql as $$ begin return new; end $$; create trigger on_user after insert on auth.users for each row execute function public.on_user()`
  )
  await admin(
    'source',
    `create policy mine on storage.objects for select to authenticated using (owner_id = auth.uid()::text)`
  )
  await admin('source', `insert into storage.buckets (id, name, public) values ('open', 'open', true)`)
  desk = await openDesk()
  facts = (await capture(desk, server, 'source', { user: 'postgres' })).facts
})
afterAll(async () => {
  await desk?.remove()
  await server?.stop()
})

/** A copy of the source as a database of its own. */
async function copy(name: string, change: string): Promise<void> {
  await server.query(`create database ${name} template source owner postgres`)
  await sql(name, change)
}

const everything = { schemas: [], excludeSchemas: [], tables: [], excludeTables: [], excludeTableData: [] }
const replacing = (
  database: string,
  options: Partial<DatabaseRestoreOptions> & { readonly user?: string } = {}
): DatabaseRestore => restoreOf(desk, facts, server, database, { mode: 'replace', user: 'postgres', ...options })
const replace = (database: string, options?: Parameters<typeof replacing>[1]): Promise<DatabaseRestored> =>
  replacing(database, options).run()
const ofTables = (...tables: string[]) => ({ ...everything, tables })
const ofSchema = (...schemas: string[]) => ({ ...everything, schemas })
/** What is left to do by hand, but for settings: a copy of a database has none. */
const open = ({ findings }: Pick<DatabaseRestored, 'findings'>) =>
  findings
    .filter(({ kind, subject }) => kind === 'todo' && !subject.startsWith('setting '))
    .map(({ subject }) => subject)

describe('after an ordinary migration', () => {
  test.each([
    ['a label of an enumeration', `alter type app.mood add value 'cross'`],
    [
      'a check of a domain',
      `alter domain app.positive drop constraint positive; alter domain app.positive add constraint positive check (value > -5)`
    ],
    ['an attribute of a composite type', `alter type app.pair add attribute third int cascade`],
    ['a mapping of a text search configuration', `alter text search configuration app.words drop mapping for email`],
    ['a collation', `drop collation app.plain; create collation app.plain (locale = 'POSIX')`],
    [
      'an operator',
      `drop operator app.### (integer, integer); create operator app.### (leftarg = integer, rightarg = integer, function = app.plus, commutator = operator(app.###))`
    ],
    [
      'the result of a function',
      `drop function app.moods(app.mood); create function app.moods(app.mood) returns text language sql as $$ select 'x' $$`
    ],
    [
      'the name of a parameter that views and columns use',
      `drop function app.f(int) cascade; create function app.f(y int) returns int language sql immutable as 'select y'; create view other.uses_f as select app.f(1)`
    ]
  ])('%s is as it was', async (what, change) => {
    const name = `migrated_${what.replaceAll(/\W/g, '_')}`.slice(0, 60)
    await copy(name, change)
    const restored = await replace(name)
    expect(open(restored)).toEqual([])
    expect(await sql(name, 'select count(*)::int as n, max(f) as most from app.seen')).toEqual([{ n: 5, most: 5 }])
  })

  test('a choice of schemas gives others back what used them', async () => {
    await copy(
      'by_schema',
      `alter type app.mood add value 'cross'; create view other.moods as select app.moods('glad') as one; create function other.same(app.mood) returns app.mood language sql as 'select $1'`
    )
    await replace('by_schema', { selection: ofSchema('app') })
    expect(
      await sql(
        'by_schema',
        `select enum_range(null::app.mood)::text as all, (select one from other.moods) as one, other.same('sad')::text as same`
      )
    ).toEqual([{ all: '{glad,sad}', one: 1, same: 'sad' }])
  })
})

describe('what the role may not take away', () => {
  test('rows of the platform and large objects of others stay, are listed, and nothing else is held up', async () => {
    await copy('refused', `update app.notes set rank = 99; select lo_put(900001, 0, 'else')`)
    await admin(
      'refused',
      `insert into storage.buckets_vectors (id) values ('vectors'); alter large object 900002 owner to supabase_admin; select lo_from_bytea(900003, 'new'::bytea)`
    )
    const restored = await replace('refused')
    expect(open(restored)).toEqual(['large objects', 'table storage.buckets_vectors'])
    expect(restored.findings.find(({ subject }) => subject === 'large objects')?.detail).toContain('900002, 900003')
    expect(restored.left).toEqual([])
    expect(
      await admin('refused', `select convert_from(lo_get(900001), 'UTF8') as mine, max(rank) as most from app.notes`)
    ).toEqual([{ mine: 'mine', most: 5 }])
  })

  test('does not keep the remains of a restore that was cut from being taken back', async () => {
    await copy('cut_before', 'select 1')
    await admin(
      'cut_before',
      `insert into storage.buckets_vectors (id) values ('vectors'); alter large object 900002 owner to supabase_admin`
    )
    const by = (await admin('cut_before', 'select xmin::text as by from storage.buckets_vectors')).map(({ by }) => by)
    const mark = {
      format: 1,
      backupId: '20261122T000000Z-aaaaaaaa',
      startedAt: '2026-11-22T00:00:00.000Z',
      made: [{ schema: 'app', name: 'seen' }],
      schemas: [],
      extensions: [],
      others: [],
      roles: [],
      filled: [{ schema: 'storage', name: 'buckets_vectors', by }],
      largeObjects: [900001],
      madeObjects: [[900001, 900002]]
    }
    await sql(
      'cut_before',
      `create schema supabase_backup_unfinished; create table supabase_backup_unfinished.restore (mark text not null);
       insert into supabase_backup_unfinished.restore values ('${JSON.stringify(mark)}')`
    )
    const settled = await restoreOf(desk, facts, server, 'cut_before', { user: 'postgres' }).settle(true)
    expect(settled?.findings.map(({ kind, subject }) => `${kind}: ${subject}`)).toEqual([
      'todo: table storage.buckets_vectors',
      'todo: large objects'
    ])
    expect(settled?.findings[0]?.detail).toContain('permission denied')
    expect(
      await sql(
        'cut_before',
        `select to_regclass('app.seen') as seen, to_regnamespace('supabase_backup_unfinished') as mark`
      )
    ).toEqual([{ seen: null, mark: null }])
  })
})

describe('what users have hung on tables of the platform', () => {
  const changed = 'alter policy mine on storage.objects using (true); alter table auth.users disable trigger on_user'
  const state = (name: string) =>
    admin(
      name,
      `select (select tgenabled::text from pg_trigger where tgname = 'on_user') as trigger, (select pg_get_expr(polqual, polrelid) from pg_policy where polname = 'mine') as policy`
    )
  const before = { trigger: 'O', policy: '(owner_id = (uid())::text)' }

  test('is as it was where the role may exchange it, and listed with its SQL where not', async () => {
    await copy('hung', 'select 1')
    await admin('hung', changed)
    const restored = await replace('hung')
    expect(open(restored)).toEqual(['policy storage: objects mine'])
    expect(await state('hung')).toEqual([{ ...before, policy: 'true' }])
    await admin(
      'hung',
      restored.findings.find(({ subject }) => subject === 'policy storage: objects mine')?.remedy ?? ''
    )
    expect(await state('hung')).toEqual([before])
    await admin('hung', changed)
    expect(open(await replace('hung', { user: server.superuser }))).toEqual([])
    expect(await state('hung')).toEqual([before])
  })

  test('is shown before, and listed where only an empty target is filled', async () => {
    await copy(
      'hung_before',
      'drop schema app cascade; drop schema other cascade; drop publication news; drop publication stays; select lo_unlink(oid) from pg_largeobject_metadata'
    )
    await admin('hung_before', changed)
    const preview = await replacing('hung_before').preview(true)
    expect(preview.findings.map(({ subject }) => subject)).toEqual(
      expect.arrayContaining(['policy mine on storage.objects', 'trigger on_user on auth.users'])
    )
    await admin(
      'hung_before',
      'drop function public.on_user() cascade; create function auth.other() returns trigger language plpgsql as $$ begin return new; end $$; create trigger on_user after insert on auth.users for each row execute function auth.other()'
    )
    const restored = await replace('hung_before', { mode: 'empty' })
    expect(open(restored)).toEqual(
      expect.arrayContaining(['policy mine on storage.objects', 'trigger on_user on auth.users'])
    )
    for (const { remedy, subject } of restored.findings)
      if (/ mine on | on_user on /.test(subject)) await admin('hung_before', remedy ?? '')
    expect(await state('hung_before')).toEqual([before])
  })
})

test('a bucket that the target keeps private stays private, and is told', async () => {
  await copy('hidden', 'update storage.buckets set public = false')
  const [widest] = await sql('source', 'select count(*)::int as count from storage.buckets where public')
  expect(widest.count).toBeGreaterThan(0)
  const restored = await replace('hidden')
  const told = restored.findings.filter(({ subject }) => subject.startsWith('Storage bucket '))
  expect(told).toHaveLength(widest.count)
  expect(told[0]).toMatchObject({ kind: 'todo', detail: expect.stringContaining('stays private') })
  expect(await sql('hidden', 'select id from storage.buckets where public')).toEqual([])
})

describe('grants of what stays', () => {
  const wider = `revoke usage on schema app from anon; grant create on schema app to authenticated with grant option; grant create on schema public to anon; grant execute on function app.f(int) to anon;
    revoke all on function app.open() from public; grant execute on function app.secret() to public; revoke usage on type app.plain_type from public`
  const state = (name: string) =>
    sql(
      name,
      `select (select jsonb_object_agg(nspname, (select array_agg(a::text order by a::text) from aclexplode(nspacl) a)) from pg_namespace where nspname in ('app', 'public')) as schemas,
      (select jsonb_object_agg(proname, (select array_agg(a::text order by a::text) from aclexplode(coalesce(proacl, acldefault('f', proowner))) a)) from pg_proc where pronamespace = 'app'::regnamespace) as functions,
      (select array_agg(a::text order by a::text) from pg_type, aclexplode(coalesce(typacl, acldefault('T', typowner))) a where typname = 'plain_type') as types`
    )

  test('are those of the backup', async () => {
    await copy('granted', wider)
    const before = await state('source')
    expect(await state('granted')).not.toEqual(before)
    expect(open(await replace('granted'))).toEqual([])
    expect(await state('granted')).toEqual(before)
    await sql('granted', wider)
    await replace('granted', { user: server.superuser })
    expect(await state('granted')).toEqual(before)
    await sql('granted', wider)
    await replace('granted', { selection: ofSchema('app', 'public') })
    expect(await state('granted')).toEqual(before)
  })

  test.each([
    ['everything', everything],
    ['one schema', ofSchema('app')]
  ])('are listed with the SQL that gives and takes where the owner is another: %s', async (_, selection) => {
    const name = `granted_by_other_${selection.schemas.length}`
    await copy(name, wider)
    await admin(
      name,
      `revoke usage on schema app from anon; alter schema app owner to supabase_admin; grant all on schema app to postgres; grant usage on schema app to service_role;
       alter type app.plain_type owner to supabase_admin; alter function app.secret() owner to supabase_admin`
    )
    const others = (database: string) =>
      sql(
        database,
        `select object, coalesce(nullif(grantee, 0)::regrole::text, 'PUBLIC') as grantee, privilege_type, is_grantable from (
         select nspname::text as object, a.* from pg_namespace, aclexplode(nspacl) a where nspname = 'app'
         union all select proname, a.* from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) a where pronamespace = 'app'::regnamespace
         union all select typname, a.* from pg_type, aclexplode(coalesce(typacl, acldefault('T', typowner))) a where typname = 'plain_type') s
         where grantee not in ('postgres'::regrole, 'supabase_admin'::regrole) order by 1, 2, 3`
      )
    expect(await others(name)).not.toEqual(await others('source'))
    const restored = await replace(name, { selection })
    const remedies = restored.findings.filter(
      ({ kind, subject }) => kind === 'todo' && subject.startsWith('grants on ')
    )
    expect(remedies.map(({ subject, remedy }) => `${subject}: ${remedy}`).toSorted()).toEqual([
      'grants on enumeration app.plain_type: GRANT USAGE ON TYPE app.plain_type TO PUBLIC;',
      'grants on function app.secret(): REVOKE EXECUTE ON ROUTINE app.secret() FROM PUBLIC;',
      `grants on schema app: REVOKE CREATE ON SCHEMA app FROM authenticated;
REVOKE USAGE ON SCHEMA app FROM service_role;
GRANT USAGE ON SCHEMA app TO anon;`
    ])
    for (const { remedy } of remedies) await admin(name, remedy ?? '')
    expect(await others(name)).toEqual(await others('source'))
  })
})

describe('partitions', () => {
  const state = (name: string) =>
    sql(
      name,
      `select (select array_agg(inhrelid::regclass::text order by inhrelid::regclass::text) from pg_inherits where inhparent = 'app.days'::regclass) as partitions, (select array_agg(v order by v) from app.days) as rows,
      (select array_agg(indexrelid::regclass::text || coalesce(' of ' || inhparent::regclass::text, '') order by indexrelid::regclass::text) from pg_index left join pg_inherits on inhrelid = indexrelid where indrelid = 'app.february'::regclass) as indexes`
    )

  test('one comes back into its place, alone', async () => {
    const before = await state('source')
    await copy('one_part', `delete from app.february where v = 3; insert into app.january values ('2026-01-20', 7)`)
    await replace('one_part', { selection: ofTables('app.february') })
    const rows = [1, 2, 3, 7]
    expect(await state('one_part')).toEqual([{ ...before[0], rows }])
    await sql('one_part', 'drop table app.february')
    await replace('one_part', { selection: ofTables('app.february') })
    expect(await state('one_part')).toEqual([{ ...before[0], rows }])
  })

  test('those that came since go with their table, and it is said how many rows they hold', async () => {
    await copy(
      'new_part',
      `create table app.march partition of app.days for values from ('2026-03-01') to ('2026-04-01'); insert into app.days (day, v) values ('2026-03-05', 9), ('2026-03-06', 9)`
    )
    const selection = ofTables('app.days')
    expect((await replacing('new_part', { selection }).preview(false)).dropped).toContain(
      'table app: march (2 rows, not in the backup)'
    )
    await replace('new_part', { selection })
    expect(await state('new_part')).toEqual(await state('source'))
  })

  test('where one is gone, missing rows of the others come back', async () => {
    await copy('lost_part', 'drop table app.february; delete from app.january')
    const restored = await replace('lost_part', { mode: 'missing-rows', selection: ofTables('app.days') })
    expect(restored.left).toEqual(['app.february'])
    expect(restored.findings.find(({ subject }) => subject === 'table app.february')?.remedy).toBe(
      'restore-mode: replace, tables: app.february'
    )
    expect(await sql('lost_part', 'select array_agg(v) as rows from app.days')).toEqual([{ rows: [1] }])
  })
})

describe('a table that was dropped with everything that used it', () => {
  const state = (name: string) =>
    sql(
      name,
      `select (select count(*)::int from pg_constraint where conrelid = 'app.child'::regclass and contype = 'f') as keys, has_table_privilege('anon', 'other.parents', 'select') as view,
      (select count(*)::int from other.of_view) as upon, (select n::int from other.counted) as counted, (select count(*)::int from pg_indexes where tablename = 'counted') as indexes, (select count(*)::int from other.all_parents()) as function,
      (select count(*)::int from pg_policy where polname = 'by_parent') as policies`
    )

  test('comes back with that', async () => {
    await copy('cascaded', 'drop table app.parent cascade')
    const selection = ofTables('app.parent')
    expect((await replacing('cascaded', { selection }).preview(false)).givenBack).toContain('view other: parents')
    const restored = await replace('cascaded', { selection })
    expect(open(restored)).toEqual([])
    expect(await state('cascaded')).toEqual([
      { keys: 1, view: true, upon: 2, counted: 2, indexes: 1, function: 2, policies: 1 }
    ])
    expect(restored.findings.map(({ subject }) => subject)).toContain('fk constraint app: child child_parent_fkey')
  })

  test('comes back without what the target contradicts by now, which is listed with its SQL', async () => {
    await copy('cascaded_since', 'drop table app.parent cascade; insert into app.child values (2, 7)')
    const restored = await replace('cascaded_since', { selection: ofTables('app.parent') })
    expect(open(restored)).toEqual(['fk constraint app: child child_parent_fkey'])
    expect(restored.findings.find(({ kind }) => kind === 'todo')?.remedy).toContain(
      'FOREIGN KEY (parent) REFERENCES app.parent(id)'
    )
  })

  test('and that it still has leaves alone what was taken from it on purpose', async () => {
    await copy('on_purpose', 'drop view other.parents cascade; alter table app.child drop constraint child_parent_fkey')
    await replace('on_purpose', { selection: ofTables('app.parent') })
    expect(
      await sql(
        'on_purpose',
        `select to_regclass('other.parents') as view, (select count(*)::int from pg_constraint where conrelid = 'app.child'::regclass and contype = 'f') as keys`
      )
    ).toEqual([{ view: null, keys: 0 }])
  })
})

describe('a view that stands where the backup has a table, after the table was renamed', () => {
  const moved = `alter table other.bare rename to bare_old; create view other.bare as select * from other.bare_old`

  test.each([
    ['one table', { selection: ofTables('other.bare') }, 'alter index other.bare_id rename to bare_old_id'],
    ['a schema', { selection: ofSchema('other') }, ''],
    ['everything', {}, '']
  ])('makes room for the table: %s', async (what, options, more) => {
    const name = `view_for_${what.replaceAll(' ', '_')}`
    await copy(name, `${moved}; ${more}`)
    const restored = await replace(name, options)
    expect(open(restored)).toEqual([])
    expect(
      await sql(
        name,
        `select relkind::text as kind, (select count(*)::int from other.bare) as rows, (select indexdef from pg_indexes where indexname = 'bare_id') as index from pg_class where oid = 'other.bare'::regclass`
      )
    ).toEqual([{ kind: 'r', rows: 2, index: 'CREATE INDEX bare_id ON other.bare USING btree (id)' }])
  })

  test('an index of that table that kept its name is in the way, and is not taken for that of the backup', async () => {
    await copy('index_for_bare', moved)
    await expect(replace('index_for_bare', { selection: ofTables('other.bare') })).rejects.toMatchObject({
      code: 'SB708',
      message: expect.stringContaining('relation "bare_id" already exists'),
      remedy: expect.stringContaining('alter index')
    })
  })
})

describe('publications', () => {
  const state = (name: string) =>
    sql(
      name,
      `select pubname as name, pubupdate as updates, (select array_agg(schemaname || '.' || tablename order by tablename) from pg_publication_tables t where t.pubname = p.pubname) as tables from pg_publication p where pubname in ('news', 'stays') order by 1`
    )

  test('publish what they published, no more and no less', async () => {
    await copy(
      'published',
      `alter publication news add table app.parent; alter publication news drop table other.guarded; alter publication news set (publish = 'insert'); comment on publication stays is 'not touched'`
    )
    const restored = await replace('published')
    expect(open(restored)).toEqual([])
    expect(await state('published')).toEqual(await state('source'))
    expect(restored.findings.map(({ subject }) => subject)).not.toContain('publication news')
  })

  test('of another owner stay, and are noted, and their tables are listed', async () => {
    await copy('published_by_other', 'alter publication news add table app.parent')
    await admin('published_by_other', 'alter publication news owner to supabase_admin')
    const restored = await replace('published_by_other')
    expect(restored.findings).toContainEqual(expect.objectContaining({ kind: 'note', subject: 'publication news' }))
    const tables = [
      'publication table app: news notes',
      'publication table other: news guarded',
      'publication table app: news parent'
    ]
    expect(open(restored).toSorted()).toEqual(tables.toSorted())
    for (const { subject, remedy } of restored.findings)
      if (tables.includes(subject)) await admin('published_by_other', remedy ?? '')
    expect((await state('published_by_other'))[0].tables).toEqual(['other.guarded', 'app.notes', 'app.parent'])
  })
})

test('materialized views of others are filled again where they were', async () => {
  await copy(
    'views',
    'create materialized view other.filled as select count(*) as n from app.notes; create materialized view other.hollow as select * from app.notes with no data'
  )
  await replace('views', { selection: ofTables('app.notes') })
  expect(
    await sql(
      'views',
      `select matviewname as name from pg_matviews where schemaname = 'other' and ispopulated order by 1`
    )
  ).toEqual([{ name: 'counted' }, { name: 'filled' }])
})
