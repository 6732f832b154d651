import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadSupabase } from '../kit/fixture/load.ts'
import { type BackedUp, backUpProject, contentOf, guardsOf, todoOf } from './restore-setup.ts'

const major = 17

describe('restoring into a project that is in use', () => {
  let project: BackedUp
  const sql = async (text: string) => (await project.source.query(text, [], undefined, 'postgres')).rows
  const restore = (inputs: Readonly<Record<string, string>>) =>
    project.run({
      command: 'restore',
      'target-database-url': project.source.url('postgres', 'postgres'),
      'confirm-target': 'same:127.0.0.1/postgres',
      'safety-backup': 'false',
      backup: project.backupId,
      ...inputs
    })
  const todos = `n.nspname = 'public' and c.relname = 'todos'`

  beforeAll(async () => {
    project = await backUpProject(major)
  })
  afterAll(async () => {
    await project?.stop()
  })

  test('the source itself is refused unless it is named so, before it is found not to be empty', async () => {
    const run = await restore({ 'confirm-target': '127.0.0.1/postgres' })
    expect(run.result?.error?.code).toBe('SB702')
    expect(run.result?.error?.remedy).toContain('same:127.0.0.1/postgres')
    const wrong = await restore({ 'confirm-target': 'abcdefghijklmnopqrst' })
    expect(wrong.result?.error?.code).toBe('SB701')
    expect((await restore({})).result?.error?.code).toBe('SB703')
  })

  test('dry-run tells row by row what differs, and changes nothing', async () => {
    await sql(`delete from public.todos where id in (400, 410, 420); update public.todos set title = 'changed since' where id in (430, 440);
      insert into public.todos (user_id, title) select user_id, 'new since' from public.todos limit 1; drop policy "own todos" on public.todos`)
    const before = await contentOf(project.source)
    const run = await restore({
      'confirm-target': '',
      'dry-run': 'true',
      'restore-mode': 'missing-rows',
      tables: 'public.todos, app.animals'
    })
    expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
    expect(run.result?.restore?.['comparison']).toEqual([
      { table: 'app.animals', rowsInBackup: 1, rowsInTarget: 1, missing: 0, extra: 0, differing: 0 },
      { table: 'public.todos', rowsInBackup: 1000, rowsInTarget: 998, missing: 3, extra: 1, differing: 2 }
    ])
    expect(run.result?.findings?.map((finding) => finding.subject)).toContain('policy "own todos" on public.todos')
    expect(run.summary).toMatch(/\| <code>public\.todos<\/code> \| 1.000 \| 998 \| 3 \| 1 \| 2 \|/)
    expect(await contentOf(project.source)).toEqual(before)
  })

  test('missing-rows brings back what is gone and overwrites nothing', async () => {
    await sql(`create function public.no() returns trigger language plpgsql as $$ begin raise exception 'a trigger fired'; end $$;
      create trigger always_no before insert on public.todos for each row execute function public.no(); alter table public.todos enable always trigger always_no`)
    const run = await restore({ 'restore-mode': 'missing-rows', tables: 'public.todos' })
    expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
    expect(run.result?.restore).toMatchObject({ rows: 3, tables: [{ table: 'public.todos', rows: 3 }] })
    expect(
      await sql(
        `select count(*)::int as all, count(*) filter (where id in (400, 410, 420))::int as back, count(*) filter (where title = 'changed since')::int as changed from public.todos`
      )
    ).toEqual([{ all: 1001, back: 3, changed: 2 }])
    expect(await sql(`select tgenabled::text as state from pg_trigger where tgname = 'always_no'`)).toEqual([
      { state: 'A' }
    ])
    await sql('drop trigger always_no on public.todos; drop function public.no()')
  })

  test('missing-rows names tables that have no key', async () => {
    await sql('truncate app.no_key')
    const run = await restore({ 'restore-mode': 'missing-rows', tables: 'app.no_key' })
    expect({ code: run.code, status: run.outputs['status'], error: run.result?.error?.code }).toEqual({
      code: 1,
      status: 'partial',
      error: 'SB717'
    })
    expect(run.result?.error?.message).toContain('app.no_key')
    expect(todoOf(run).map((finding) => finding.subject)).toEqual(['table app.no_key'])
    expect(await sql('select count(*)::int as n from app.no_key')).toEqual([{ n: 0 }])
  })

  test('missing-rows leaves the target as it was when rows would refer to nothing', async () => {
    await sql(`delete from app.order_notes; delete from app.orders where id = 10`)
    const run = await restore({ 'restore-mode': 'missing-rows', tables: 'app.animals' })
    expect(run.code).toBe(0)
    const users = await sql('select id from auth.users order by id limit 1')
    await sql(`delete from auth.users where id = '${users[0].id}'`)
    const gone = await sql('select count(*)::int as n from public.todos')
    const again = await restore({ 'restore-mode': 'missing-rows', tables: 'public.todos' })
    expect(again.result?.error?.code).toBe('SB709')
    expect(again.result?.error?.message).toContain('todos_user_id_fkey')
    expect(await sql('select count(*)::int as n from public.todos')).toEqual(gone)
  })

  test('side-schema puts the old copy beside the live table', async () => {
    const live = await contentOf(project.source, 'postgres', todos)
    const first = await restore({ 'restore-mode': 'side-schema', tables: 'public.todos, app.dogs, app.every_type' })
    expect({ code: first.code, error: first.result?.error }).toEqual({ code: 0 })
    const name = String(first.result?.restore?.['sideSchema'])
    expect(name).toMatch(/^restored_\d{8}$/)
    expect(first.summary).toContain(name.replace('_', '&#95;'))
    expect(await sql(`select count(*)::int as n, min(slug) as slug from ${name}.todos`)).toEqual([
      { n: 1000, slug: '38' }
    ])
    expect(await sql(`select count(*)::int as n from ${name}.every_type`)).toEqual([{ n: 5 }])
    expect(await sql('select count(*)::int as n from app.animals')).toEqual([{ n: 3 }])
    expect(await contentOf(project.source, 'postgres', todos)).toEqual(live)
    expect(await sql(`select relacl from pg_class where oid = '${name}.todos'::regclass`)).toEqual([{ relacl: null }])
    const second = await restore({ 'restore-mode': 'side-schema', tables: 'public.todos' })
    expect(second.result?.restore?.['sideSchema']).toBe(`${name}_2`)
    await sql(`drop schema ${name} cascade; drop schema ${name}_2 cascade`)
  })

  test('replace gives a dropped column, policies and grants back, and what depends on the table', async () => {
    await restore({ 'restore-mode': 'missing-rows', tables: 'auth.*' })
    await project.source.query(
      `alter table public.todos drop column due cascade; grant delete on public.todos to anon; create view app.since as select id, title from public.todos;
      grant select on app.since to authenticated; create table app.refers (todo bigint references public.todos); insert into app.refers values (100);
      create policy "sees todos" on app.refers using (exists (select from public.todos t where t.id = todo)); alter publication supabase_realtime drop table public.todos`,
      [],
      'postgres',
      'postgres'
    )
    const run = await restore({ 'restore-mode': 'replace', tables: 'public.todos' })
    expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
    expect(await sql(`select count(*)::int as n, count(due)::int as due from public.todos`)).toEqual([
      { n: 1000, due: 750 }
    ])
    expect(await sql(`select count(*)::int as n from app.since`)).toEqual([{ n: 1000 }])
    expect(
      await sql(`select has_table_privilege('authenticated', 'app.since', 'select') as view, has_table_privilege('anon', 'public.todos', 'delete') as anon,
      exists (select from pg_policy where polname = 'sees todos') as policy, exists (select from pg_policy where polname = 'own todos') as own,
      exists (select from pg_constraint where conrelid = 'app.refers'::regclass and contype = 'f') as key`)
    ).toEqual([{ view: true, anon: false, policy: true, own: true, key: true }])
    expect(
      await sql(
        `select schemaname || '.' || tablename as name from pg_publication_tables where pubname = 'supabase_realtime' order by 1`
      )
    ).toEqual([{ name: 'public.profiles' }, { name: 'public.todos' }])
    await sql('drop view app.since; drop table app.refers')
  })

  test('replace stops before a table that was not chosen would lose a column', async () => {
    await sql('create table public.uses_it (id int, todo public.todos)')
    const before = await contentOf(project.source)
    const run = await restore({ 'restore-mode': 'replace', tables: 'public.todos' })
    expect(run.result?.error?.code).toBe('SB713')
    expect(run.result?.error?.message).toContain('public.uses_it')
    expect(await contentOf(project.source)).toEqual(before)
    await sql('drop table public.uses_it')
  })

  test('replace of everything undoes whatever happened, and is undone by its own safety backup', async () => {
    const guards = await guardsOf(project.source)
    await sql(`drop table public.todos cascade; create table app.made_later (id int primary key); insert into app.made_later values (7); drop schema topology cascade;
      create or replace function app.add_one(value integer) returns integer language sql immutable parallel safe as 'select value + 2';
      update auth.users set encrypted_password = 'broken'; truncate public.profiles cascade;
      refresh materialized view app.order_totals; refresh materialized view app.grand_total`)
    const wiped = await contentOf(project.source)
    const run = await restore({ 'restore-mode': 'replace', 'safety-backup': 'true' })
    expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
    expect(await guardsOf(project.source)).toEqual(guards)
    const back = await contentOf(project.source)
    expect(back.get('public.todos')?.split(' ')[0]).toBe('1000')
    expect(back.has('app.made_later')).toBe(false)
    expect(await sql(`select count(*)::int as n from auth.users where encrypted_password = 'broken'`)).toEqual([
      { n: 0 }
    ])
    expect(await sql('select app.add_one(1) as two')).toEqual([{ two: 2 }])
    const undo = String(run.result?.restore?.['safetyBackupId'])
    expect(run.summary).toContain(undo)
    const undone = await restore({ 'restore-mode': 'replace', backup: undo })
    expect({ code: undone.code, error: undone.result?.error }).toEqual({ code: 0 })
    expect(await contentOf(project.source)).toEqual(wiped)
    // What was there before a restore is nobody's newest backup.
    const latest = await restore({ 'restore-mode': 'replace', backup: 'latest' })
    expect(latest.result?.backup?.id).toBe(project.backupId)
  })

  test('a time takes the newest backup at or before it, and says how old it is', async () => {
    const run = await restore({
      'confirm-target': '',
      'dry-run': 'true',
      'restore-mode': 'missing-rows',
      tables: 'app.animals',
      backup: new Date().toISOString()
    })
    expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
    expect(run.result?.restore?.['ageMs']).toBeGreaterThan(0)
    expect(run.summary).toMatch(/the backup is .* old/)
    const early = await restore({ 'confirm-target': '', 'dry-run': 'true', backup: '2020-01-01' })
    expect(early.result?.error?.code).toBe('SB901')
  })

  test('chosen tables come into an empty project with what they need, and no more', async () => {
    await project.source.query('drop database if exists fresh')
    await loadSupabase(project.source, { user: false, database: 'fresh' })
    const run = await restore({
      'target-database-url': project.source.url('postgres', 'fresh'),
      'confirm-target': '127.0.0.1/fresh',
      tables: 'public.invoices, app.members, app.teams, app.bookings, app.every_type'
    })
    expect(run.result?.error?.code).toBe('SB710')
    const second = await restore({
      'target-database-url': project.source.url('postgres', 'fresh'),
      'confirm-target': '127.0.0.1/fresh',
      tables: 'app.members, app.teams, app.bookings, app.every_type'
    })
    expect({ code: second.code, error: second.result?.error }).toEqual({ code: 0 })
    const fresh = await contentOf(
      project.source,
      'fresh',
      `n.nspname not in ('auth', 'storage', 'realtime', 'supabase_functions', 'vault', 'cron')`
    )
    const whole = await contentOf(project.source)
    expect([...fresh.keys()].filter((name) => !name.startsWith('supabase_migrations')).sort()).toEqual([
      'app.bookings',
      'app.every_type',
      'app.members',
      'app.teams'
    ])
    for (const name of ['app.bookings', 'app.every_type', 'app.members', 'app.teams'])
      expect(fresh.get(name)).toBe(whole.get(name))
  })

  test('F68: killed while it replaces, the target is as it was or as the backup says', {
    timeout: 240_000
  }, async () => {
    await restore({ 'restore-mode': 'replace' })
    const whole = await contentOf(project.source)
    for (const wait of [700, 1000, 1300, 1700, 2300]) {
      await sql(`update app.teams set name = 'before the restore'; truncate app.animals cascade`)
      const before = await contentOf(project.source)
      const run = await project.run(
        {
          command: 'restore',
          'target-database-url': project.source.url('postgres', 'postgres'),
          'confirm-target': 'same:127.0.0.1/postgres',
          'safety-backup': 'false',
          'restore-mode': 'replace',
          backup: project.backupId
        },
        { onStart: (child) => setTimeout(() => child.kill('SIGKILL'), wait) }
      )
      // The server notices within seconds that the client is gone.
      await expect
        .poll(
          () => sql(`select count(*)::int as n from pg_stat_activity where application_name like 'supabase-backup%'`),
          { timeout: 20_000 }
        )
        .toEqual([{ n: 0 }])
      const after = await contentOf(project.source)
      expect([before, whole]).toContainEqual(after)
      if (run.signal === null) expect(after).toEqual(whole)
    }
  })
})
