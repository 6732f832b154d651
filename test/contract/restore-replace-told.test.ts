import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { DatabaseRestore, DatabaseRestoreOptions } from '../../src/sources/database/restore/restore-database.ts'
import type { DatabaseRestored } from '../../src/sources/database/restore/work.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

/** What `restore-mode: replace` tells of what the target got since the backup. */
let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts
const sql = async (database: string, text: string) => (await server.query(text, [], 'postgres', database)).rows

beforeAll(async () => {
  server = await startPostgres({ major: 17 })
  await loadSupabase(server, { user: false, database: 'source' })
  await sql(
    'source',
    `create schema app; create table app.notes (id int primary key, u text, v text); insert into app.notes values (1, 'a', 'b');
     create table app.beside (id int primary key); create function app.keep() returns trigger language plpgsql as $$ begin return new; end $$;
     create policy old on app.notes using (true); comment on column app.notes.u is 'as it was';
     create function app.f() returns int language sql as 'select 1'`
  )
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
const ofTables = (...tables: string[]) => ({ ...everything, tables })
const ofSchema = (...schemas: string[]) => ({ ...everything, schemas })
const subjects = ({ findings }: Pick<DatabaseRestored, 'findings'>) => findings.map(({ subject }) => subject)

test('findings of a restore speak of the backup and the target, not of source and copy', async () => {
  await copy('words', `create publication since for table app.notes; comment on function app.f() is 'since'`)
  const { findings } = await replacing('words').run()
  expect(findings).toContainEqual(
    expect.objectContaining({
      subject: 'publication since',
      detail: expect.stringContaining('the backup does not have it')
    })
  )
  expect(findings.filter(({ detail }) => /\b(?:copy|source)\b/.test(detail))).toEqual([])
})

const since = `alter table app.notes enable row level security; create policy "since" on app.notes using (false); alter policy old on app.notes using (id > 0);
  create trigger since_tr before insert on app.notes for each row execute function app.keep(); create index since_ix on app.notes (u);
  grant select on app.notes to service_role; grant select (u) on app.notes to anon; alter table app.notes add constraint since_ck check (id > 0); alter table app.notes add constraint since_uq unique (v);
  comment on table app.notes is 'since'; comment on column app.notes.u is 'otherwise'; create rule since_rule as on delete to app.notes do instead nothing;
  create statistics app.since_st on u, v from app.notes; create index beside_ix on app.beside (id)`

test.each([
  ['tables', ofTables('app.notes'), 'app.notes'],
  ['schemas', ofSchema('app'), 'app.']
])(
  'a dry run with chosen %s lists what only the target has, as one of everything does',
  async (what, selection, named) => {
    const name = `before_${what}`
    await copy(name, since)
    const mentioned = (findings: DatabaseRestored['findings']) =>
      findings
        // Whose they are goes without saying where they are no part of the backup.
        .filter(({ subject }) => (subject.includes(named) || /app\.since/.test(subject)) && !/^owner of /.test(subject))
        .map(({ subject, detail }) => `${subject}: ${detail}`)
        .toSorted()
    const whole = mentioned((await replacing(name).preview(true)).findings)
    expect(whole).toEqual(
      expect.arrayContaining(
        [
          'policy since on app.notes',
          'trigger since_tr on app.notes',
          'index app.since_ix',
          'constraint since_ck on app.notes'
        ]
          .concat(['rule since_rule on app.notes', 'statistics app.since_st', 'comment table app.notes'])
          .concat('grants on column app.notes.u')
          .map((subject) => `${subject}: it is in the target, but not in the backup`)
      )
    )
    expect(mentioned((await replacing(name, { selection }).preview(true)).findings)).toEqual(whole)
  }
)

test('what went with a replaced table is listed with the SQL that makes it again', async () => {
  await copy('went', since)
  const state = () =>
    sql(
      'went',
      `select (select array_agg(polname::text || pg_get_expr(polqual, polrelid) order by polname) from pg_policy where polrelid = 'app.notes'::regclass) as policies,
        (select array_agg(pg_get_triggerdef(oid)) from pg_trigger where tgname = 'since_tr') as triggers, (select array_agg(indexdef order by indexdef) from pg_indexes where tablename = 'notes') as indexes,
        (select array_agg(pg_get_constraintdef(oid) order by conname) from pg_constraint where conrelid = 'app.notes'::regclass) as constraints,
        (select array_agg(definition) from pg_rules where tablename = 'notes') as rules, c.relrowsecurity, array(select unnest(c.relacl)::text order by 1) as acl,
        obj_description(c.oid) as comment, col_description(c.oid, 2) as of_column, (select attacl::text from pg_attribute where attrelid = c.oid and attname = 'u') as of_u,
        (select count(*)::int from pg_statistic_ext where stxrelid = c.oid) as statistics
      from pg_class c where c.oid = 'app.notes'::regclass`
    )
  const before = await state()
  const restored = await replacing('went', { selection: ofTables('app.notes') }).run()
  expect(await state()).not.toEqual(before)
  const told = restored.findings.filter(({ subject }) => /app\.(?:notes|since)/.test(subject))
  expect(told.map(({ kind, subject }) => `${kind}: ${subject}`).toSorted()).toEqual([
    'note: comment table column app.notes.u',
    'note: grants on column app.notes.u',
    'note: grants on table app.notes',
    'todo: comment table app.notes',
    'todo: constraint since_ck on app.notes',
    'todo: constraint since_uq on app.notes',
    'todo: index app.since_ix',
    'todo: policy old on app.notes',
    'todo: policy since on app.notes',
    'todo: row security app.notes',
    'todo: rule since_rule on app.notes',
    'todo: statistics app.since_st',
    'todo: trigger since_tr on app.notes'
  ])
  for (const { remedy } of told) await sql('went', remedy ?? '')
  expect(await state()).toEqual(before)
})

test('nothing is told to be gone of what stays, or went with a table that the backup does not have', async () => {
  await copy('stayed', `create table app.more (id int primary key check (id > 0)); create index on app.beside (id)`)
  expect(subjects(await replacing('stayed', { selection: ofTables('app.notes') }).run())).toEqual([])
  expect(subjects(await replacing('stayed', { selection: ofSchema('app') }).run())).toEqual(['index app.beside_id_idx'])
})

test('a replacement of everything notes what went', async () => {
  await copy('everything', `${since}; create or replace function app.f() returns int language sql as 'select 2'`)
  await server.query('create policy since on storage.objects using (false)', [], undefined, 'everything')
  const { findings } = await replacing('everything', { user: server.superuser }).run()
  const told = findings.filter(({ subject }) => /app\.|since/.test(subject))
  expect(told).toContainEqual(
    expect.objectContaining({
      kind: 'note',
      subject: 'policy since on app.notes',
      remedy: expect.stringMatching(/^CREATE POLICY since/)
    })
  )
  expect(told.map(({ subject }) => subject)).toEqual(
    expect.arrayContaining(['policy since on storage.objects', 'function app.f()', 'index app.beside_ix'])
  )
  expect(told.filter(({ kind }) => kind === 'todo')).toEqual([])
})

test('what the target alone has and a replacement of everything leaves is listed with the SQL that removes it', async () => {
  await sql('source', 'create role since_login login; create role since_group')
  await copy(
    'beyond',
    `create publication since_news for table app.notes; create extension citext schema app; select vault.create_secret('hidden', 'since secret'); select cron.schedule('since job', '0 3 * * *', 'select 1')`
  )
  const beyond = ({ findings }: DatabaseRestored) => findings.filter(({ subject }) => /since|citext/.test(subject))
  expect(beyond(await replacing('beyond', { selection: ofTables('app.notes') }).run())).toEqual([])
  const told = beyond(await replacing('beyond').run())
  expect(told.map(({ kind, subject, remedy }) => `${kind}: ${subject}: ${remedy}`).toSorted()).toEqual([
    `note: Vault secret since secret: delete from vault.secrets where name = 'since secret';`,
    `note: cron job since job: select cron.unschedule('since job');`,
    'note: extension citext: DROP EXTENSION "citext";',
    'note: publication since_news: DROP PUBLICATION "since_news";',
    'note: role since_group: DROP ROLE "since_group";',
    'note: role since_login: DROP ROLE "since_login";'
  ])
  expect(told.find(({ subject }) => subject === 'role since_login')?.detail).toContain('may log in')
  expect(JSON.stringify(told)).not.toContain('hidden')
  for (const { remedy } of told) await sql('beyond', remedy ?? '')
  expect(beyond(await replacing('beyond').run())).toEqual([])
})
