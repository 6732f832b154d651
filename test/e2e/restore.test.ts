import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { shown } from '../kit/action.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import type { Major } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { type BackedUp, backUpProject, contentOf, guardsOf, todoOf } from './restore-setup.ts'

/** What a fresh project holds itself, keeps for itself, or gets by other ways than rows. */
const notByRows = /^(?:vault\.secrets|cron\.job|realtime\.messages.*|auth\.schema_migrations)$/

const ways = [
  [15, 15],
  [15, 17],
  [18, 18]
] as const satisfies readonly (readonly [Major, Major])[]

for (const [from, to] of ways) {
  describe(`a project of PostgreSQL ${from} restored into a fresh one of ${to}`, () => {
    let project: BackedUp
    let target: PostgresServer

    beforeAll(async () => {
      project = await backUpProject(from, { programs: to })
      target = await startPostgres({ major: to, auth: 'scram', password: 'another password' })
      await loadSupabase(target, { user: false })
      // What newer projects lack and older ones have: rights for whatever is made in public.
      await target.query(
        'alter default privileges for role postgres in schema public grant all on tables to pgbouncer',
        [],
        undefined,
        'postgres'
      )
    })
    afterAll(async () => {
      await target?.stop()
      await project?.stop()
    })

    const inputs = () => ({
      command: 'restore',
      'target-database-url': target.url('postgres', 'postgres'),
      'confirm-target': '127.0.0.1/postgres'
    })

    test('shows first what it would do and changes nothing', async () => {
      const before = await contentOf(target)
      const run = await project.run({ ...inputs(), 'confirm-target': '', 'dry-run': 'true' })
      expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
      expect(run.summary).toContain('Nothing was changed')
      expect(await contentOf(target)).toEqual(before)
    })

    test('comes back whole, with everything that guards it, as a role without superuser rights', async () => {
      const run = await project.run(inputs())
      expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
      expect(shown(run.log)).not.toContain('another password')
      expect(run.result?.restore).toMatchObject({
        mode: 'empty',
        backupId: project.backupId,
        safetyBackupId: expect.stringMatching(/^\d{8}T/)
      })
      // It lies under the target's label, and is told by the output all the same.
      const { backups } = run.outputs
      const told: readonly { id: string; kind: string; project: string }[] = JSON.parse(backups ?? '[]')
      expect(told.filter(({ kind }) => kind === 'safety')).toEqual([
        expect.objectContaining({
          id: run.result?.restore?.['safetyBackupId'],
          project: run.result?.restore?.['safetyProject']
        })
      ])
      expect(told.map(({ id }) => id)).toContain(project.backupId)
      const [theirs, ours] = [await contentOf(project.source), await contentOf(target)]
      for (const [name, content] of theirs)
        if (!notByRows.test(name)) expect({ name, content: ours.get(name) }).toEqual({ name, content })
      const guards = (await guardsOf(project.source)).filter((guard) => !guard.includes('made_by_the_platform'))
      const copied = (await guardsOf(target)).filter((guard) => !guard.includes('made_by_the_platform'))
      // Between major versions the server words views anew, and ALL comprises MAINTAIN from 17 on.
      const wording = (list: string[]) =>
        from === to
          ? list
          : list.filter((guard) => !guard.startsWith('view ')).map((guard) => guard.replaceAll('arwdDxtm', 'arwdDxt'))
      expect(wording(copied)).toEqual(wording(guards))
    })

    test('lets users sign in and new ones get their profile', async () => {
      const users = 'select id, email, encrypted_password, confirmed_at from auth.users order by id'
      expect((await target.query(users, [], undefined, 'postgres')).rows).toEqual(
        (await project.source.query(users, [], undefined, 'postgres')).rows
      )
      const identities = 'select provider, provider_id, user_id, email from auth.identities order by id'
      expect((await target.query(identities, [], undefined, 'postgres')).rows).toEqual(
        (await project.source.query(identities, [], undefined, 'postgres')).rows
      )
      await target.query(
        `insert into auth.users (id, email) values ('aaaaaaaa-0000-4000-8000-000000000001', 'new@example.com')`,
        [],
        undefined,
        'postgres'
      )
      const profile = await target.query(
        `select username::text as name from public.profiles where id = 'aaaaaaaa-0000-4000-8000-000000000001'`,
        [],
        undefined,
        'postgres'
      )
      expect(profile.rows).toEqual([{ name: 'new' }])
    })

    test('goes on where the source stopped: sequences, large objects, Vault, jobs that wait', async () => {
      const state = `select (select last_value from public.todos_id_seq)::text as todos, (select last_value from app.countdown)::text as countdown,
        (select md5(string_agg(lo_get(oid), '' order by oid)) from pg_largeobject_metadata) as large, obj_description(900001, 'pg_largeobject') as comment`
      expect((await target.query(state, [], undefined, 'postgres')).rows).toEqual(
        (await project.source.query(state, [], undefined, 'postgres')).rows
      )
      const secrets = 'select name, description, decrypted_secret from vault.decrypted_secrets order by name'
      expect((await target.query(secrets, [], undefined, 'postgres')).rows).toEqual(
        (await project.source.query(secrets, [], undefined, 'postgres')).rows
      )
      const jobs = await target.query(
        'select jobname, schedule, command, active from cron.job order by jobid',
        [],
        undefined,
        'postgres'
      )
      expect(jobs.rows).toEqual([
        { jobname: 'nightly', schedule: '0 3 * * *', command: 'delete from app.no_key', active: false },
        { jobname: 'each minute', schedule: '* * * * *', command: `select 'it''s'`, active: false }
      ])
    })

    test('refuses a target that is not empty any more', async () => {
      const run = await project.run({ ...inputs(), 'safety-backup': 'false' })
      expect(run.code).toBe(1)
      expect(run.result?.error?.code).toBe('SB703')
      expect(run.result?.error?.message).toContain('Auth users')
    })
  })
}

describe('what stock PostgreSQL lets only a superuser do', () => {
  let project: BackedUp
  let target: PostgresServer
  beforeAll(async () => {
    project = await backUpProject(15, { programs: 17 })
    target = await startPostgres({ major: 17, auth: 'scram', password: 'another password' })
    await loadSupabase(target, { user: false })
    await loadSupabase(target, { user: false, database: 'second' })
  })
  afterAll(async () => {
    await target?.stop()
    await project?.stop()
  })

  test('is listed by object, with the reason and the SQL, and works when it is run', async () => {
    const run = await project.run({
      command: 'restore',
      'target-database-url': target.url('postgres', 'postgres'),
      'confirm-target': '127.0.0.1/postgres'
    })
    expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
    const todo = todoOf(run)
    const policies = todo.filter((finding) => finding.subject.startsWith('policy '))
    expect(policies.map((finding) => finding.subject).sort()).toEqual([
      'policy realtime: messages listen in own rooms',
      'policy storage: buckets own buckets',
      'policy storage: objects Avatars are public',
      'policy storage: objects own folder "only" ::error::x'
    ])
    for (const policy of policies) expect(policy.detail).toContain('must be owner')
    expect(todo.some((finding) => finding.subject === 'event trigger user_enable_row_security')).toBe(true)
    expect(run.summary).toContain('Left to do by hand')
    const client = await target.connect(undefined, 'postgres')
    for (const finding of policies) await client.query(finding.remedy ?? '')
    await client.end()
    const sql = `select polname, pg_get_expr(polqual, polrelid) as q, pg_get_expr(polwithcheck, polrelid) as w from pg_policy where polrelid in ('storage.objects'::regclass, 'storage.buckets'::regclass, 'realtime.messages'::regclass) order by 1`
    expect((await target.query(sql, [], undefined, 'postgres')).rows.map((row) => row.polname)).toEqual(
      (await project.source.query(sql, [], undefined, 'postgres')).rows.map((row) => row.polname)
    )
  })

  test('is there at once where the role may', async () => {
    const run = await project.run({
      command: 'restore',
      'target-database-url': target.url(undefined, 'second'),
      'confirm-target': '127.0.0.1/second'
    })
    expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
    expect(todoOf(run).filter((finding) => /policy|trigger/.test(finding.subject))).toEqual([])
    const policies = await target.query(
      `select count(*)::int as n from pg_policy where polrelid = 'storage.objects'::regclass`,
      [],
      undefined,
      'second'
    )
    expect(policies.rows).toEqual([{ n: 2 }])
    const { rows } = await target.query(
      `select pg_get_userbyid(relowner) as owner from pg_class where oid = 'public.made_by_the_platform'::regclass`,
      [],
      undefined,
      'second'
    )
    expect(rows).toEqual([{ owner: 'supabase_admin' }])
  })

  test('a plain PostgreSQL gets all of it, schemas of the platform included', async () => {
    const plain = await startPostgres({ major: 17, auth: 'scram', password: 'plain' })
    try {
      const run = await project.run({
        command: 'restore',
        'target-database-url': plain.url(undefined, 'postgres'),
        'confirm-target': '127.0.0.1/postgres'
      })
      expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
      expect(await contentOf(plain)).toEqual(await contentOf(project.source))
    } finally {
      await plain.stop()
    }
  })
})
