import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { everything } from '../../src/sources/database/catalog/selection.ts'
import { compareOwnProperties } from '../../src/sources/database/verify/copy-database.ts'
import { compareRoles } from '../../src/sources/database/verify/copy-roles.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openConnection, openDesk } from './database-capture-setup.ts'
import { clientOf, damagingRestore, leftovers, prove } from './proof-setup.ts'

/** A change that a restore could make by mistake, and what must be said about it. */
const damages: readonly (readonly [title: string, sql: string, subject: string, detail: RegExp])[] = [
  [
    'one row changed',
    `update public.todos set done = not done where id = (select min(id) from public.todos)`,
    'table public.todos',
    /content differs/
  ],
  [
    'one password hash changed',
    `update auth.users set encrypted_password = '$2a$10$x' where id = (select min(id::text)::uuid from auth.users)`,
    'table auth.users',
    /content differs/
  ],
  [
    'one row gone',
    `delete from app.no_columns where ctid = (select min(ctid) from app.no_columns)`,
    'table app.no_columns',
    /rows: \d+ in the source, \d+ in the copy/
  ],
  [
    'a policy dropped',
    `drop policy "own todos" on public.todos`,
    'policy "own todos" on public.todos',
    /missing in the copy/
  ],
  [
    'a policy on storage.objects dropped',
    `drop policy "Avatars are public" on storage.objects`,
    'policy "Avatars are public" on storage.objects',
    /missing/
  ],
  ['a grant added', `grant delete on app.teams to anon`, 'grants on table app.teams', /anon=SELECT.*anon=DELETE/],
  [
    'row level security off',
    `alter table app.members disable row level security`,
    'row security app.members',
    /enabled.*disabled/
  ],
  [
    'a function body changed',
    `create or replace function app.add_one(value integer) returns integer language sql immutable parallel safe as $$ select value + 2 $$`,
    'function app.add_one(integer)',
    /may hold secrets and is not shown/
  ],
  [
    'the trigger on auth.users missing',
    `drop trigger on_auth_user_created on auth.users`,
    'trigger on_auth_user_created on auth.users',
    /missing/
  ],
  [
    'a sequence behind',
    `select setval('public.invoice_numbers', 1, true)`,
    'sequence public.invoice_numbers',
    /in the source, 1 in the copy/
  ],
  [
    'an index invalid',
    `update pg_index set indisvalid = false where indexrelid = 'public.todos_open_idx'::regclass`,
    'index public.todos_open_idx',
    /missing|not valid/
  ],
  [
    'a constraint gone',
    `alter table app.teams drop constraint teams_lead_fkey`,
    'constraint teams_lead_fkey on app.teams',
    /missing/
  ],
  [
    'a table out of a publication',
    `alter publication supabase_realtime drop table public.todos`,
    'publication supabase_realtime',
    /todos/
  ],
  [
    'default privileges gone',
    `alter default privileges for role postgres in schema app revoke select on tables from app_reader`,
    'default privileges',
    /./
  ],
  [
    'a large object changed',
    `select lo_put((select min(oid) from pg_largeobject_metadata), 0, 'X')`,
    'large objects',
    /content differs/
  ],
  ['a role that may log in', `alter role app_reader login`, 'role app_reader', /login false; copy: login true/],
  // From PostgreSQL 16 on each grantor's grant is one of its own, and `revoke` means that of whoever asks.
  [
    'a membership gone',
    `revoke app_reader from app_login granted by postgres`,
    'membership of app_login in app_reader',
    /missing/
  ],
  ['a membership more', `grant service_role to anon`, 'membership of anon in service_role', /not in the source/],
  ['a role more', `create role backdoor superuser login`, 'role backdoor', /not in the source/]
]

/** Changes to what stands in no archive: the proof gives it to the copy last, from the facts. */
const outside: readonly (readonly [title: string, sql: string, subject: string, detail: RegExp])[] = [
  [
    'a setting of a role',
    `alter role authenticator set statement_timeout = '1h'`,
    'setting statement_timeout of role authenticator',
    /another value/
  ],
  ['a setting of a role gone', `alter role anon reset all`, 'setting statement_timeout of role anon', /missing/],
  [
    'a setting of the database',
    `alter database postgres set app.settings.jwt_exp = '1'`,
    'setting app.settings.jwt_exp of the database',
    /^it has another value in the copy$/
  ],
  [
    'a grant on the database',
    `grant create on database postgres to anon`,
    'grants on the database',
    /copy: anon=CREATE/
  ],
  ['a comment on the database', `comment on database postgres is 'x'`, 'comment on the database', /copy: x/],
  [
    'a grant on a setting',
    `grant set on parameter session_replication_role to anon`,
    'grants on the setting session_replication_role',
    /copy: .*anon=SET/
  ],
  [
    'an owner of the database',
    'alter database postgres owner to app_reader',
    'owner of the database',
    /copy: app_reader/
  ]
]

describe.each([15, 17] as const)('the proof of a Supabase-like project on PostgreSQL %i', (major) => {
  let server: PostgresServer
  let desk: Desk
  let facts: DatabaseFacts

  beforeAll(async () => {
    server = await startPostgres({ major })
    await loadSupabase(server)
    desk = await openDesk()
    facts = (await capture(desk, server, 'postgres', { user: 'postgres' })).facts
  })
  afterAll(async () => {
    await server.stop('immediate')
    await desk.remove()
  })

  const damaged = async (sql: string) => {
    const program = await damagingRestore(desk, major, sql)
    return prove(desk, facts, major, { clientPrograms: async () => clientOf(major, program) })
  }

  test('restores it whole, finds no difference, and leaves nothing behind', async () => {
    const proof = await prove(desk, facts, major)
    expect(proof.findings).toEqual([])
    expect(proof).toMatchObject({ level: 'restore', tables: { restore: 90, read: 0, differing: 0 }, notRestored: null })
    expect(desk.warnings).toEqual([])
    expect(await leftovers(desk)).toEqual([])
  })

  test('finds each of many changes to the copy at once and names them, with both sides', async () => {
    // How many rows a role sees differs by nature, too: it is told, and no difference.
    const seen = 'alter policy "Profiles are public" on public.profiles using (false);'
    const proof = await damaged([...damages.map(([, sql]) => `${sql};`), seen].join('\n'))
    expect(proof.findings).toContainEqual({
      kind: 'note',
      subject: 'rows of public.profiles that anon sees',
      detail: expect.stringMatching(/^[1-9]\d* in the source, 0 in the copy: /)
    })
    const said = proof.findings.filter((finding) => finding.kind === 'difference')
    const unseen = damages.flatMap(([title, , subject, detail]) => {
      const about = said.filter((finding) => finding.subject.startsWith(subject))
      return about.some((finding) => detail.test(finding.detail)) ? [] : [{ title, about }]
    })
    expect(unseen).toEqual([])
    expect(proof.level).toBe('none')
    expect(proof.tables.differing).toBe(3)
  })

  test.each(damages.filter(([title]) => /password|invalid|may log in/.test(title)))(
    'finds %s alone',
    async (_, sql, subject, detail) => {
      const said = (await damaged(sql)).findings.filter((finding) => finding.kind === 'difference')
      expect(said.some((finding) => finding.subject.startsWith(subject) && detail.test(finding.detail))).toBe(true)
      expect(said.length).toBeLessThanOrEqual(2)
    }
  )

  test('finds changes to roles and to the database itself, and shows no value of a setting', async () => {
    const own = { made: new Set(facts.roles.map((role) => role.name)), ownServer: true, except: '' }
    const compareAfter = async (sql: string) => {
      const connection = await openConnection(server, 'postgres')
      try {
        await connection.query(`begin; ${sql}; set local search_path = ''; set local timezone = 'UTC'`)
        return [
          ...(await compareRoles(connection, facts, own, [])),
          ...(await compareOwnProperties(connection, facts, own, []))
        ]
      } finally {
        await connection.close()
      }
    }
    expect(await compareAfter('select')).toEqual([])
    for (const [, sql, subject, detail] of outside) {
      const said = await compareAfter(sql)
      expect(said[0]).toEqual({ kind: 'difference', subject, detail: expect.stringMatching(detail) })
      // With its owner the grants of a database change.
      expect(said.length).toBe(subject === 'owner of the database' ? 2 : 1)
    }
  })

  test('restores its definitions alone, without what is said of large objects', async () => {
    const own = await openDesk()
    try {
      const { facts: shape } = await capture(own, server, 'postgres', { selection: { ...everything, type: 'schema' } })
      const proof = await prove(own, shape, major)
      expect(proof.findings.filter((finding) => finding.kind === 'difference')).toEqual([])
      expect(proof.level).toBe('restore')
    } finally {
      await own.remove()
    }
  })

  test('does not mind another order of rows', async () => {
    const proof = await damaged(
      'create table public.moved as table app.teams; truncate app.teams cascade; drop table public.moved'
    )
    expect(proof.level).toBe('none')
    const reordered = await damaged(
      `create temp table kept as table public.todos order by id desc; set session_replication_role = replica;
       delete from public.todos; insert into public.todos (id, user_id, title, done, due, parent) overriding system value select id, user_id, title, done, due, parent from kept`
    )
    expect(reordered.findings).toEqual([])
    expect(reordered.level).toBe('restore')
  })

  test('runs the statements of check-sql on the copy', async () => {
    const proof = await prove(desk, facts, major, {
      checkSql: [
        'select count(*) > 0 from auth.users',
        'select count(*) >= 0 from todos -- in public',
        'with x as (select 1 as n) select n = 1 from x;',
        'select false',
        'select null::boolean',
        'select true where false',
        'select true union all select true',
        'select true as a, true as b',
        `select 'true'`,
        'select 1 / 0 = 1',
        'delete from public.todos returning true',
        'select true; drop table public.todos'
      ]
    })
    const said = proof.findings
      .filter((finding) => finding.kind === 'difference')
      .map((finding) => `${finding.subject} => ${finding.detail}`)
    expect(said.slice(0, 6)).toEqual([
      'check-sql statement 4: select false => it returned false instead of true',
      'check-sql statement 5: select null::boolean => it returned null instead of true',
      'check-sql statement 6: select true where false => it returned no row',
      'check-sql statement 7: select true union all select true => it returned 2 rows instead of one',
      'check-sql statement 8: select true as a, true as b => it returned 2 columns instead of one',
      "check-sql statement 9: select 'true' => it returned something else instead of true"
    ])
    expect(said.slice(6).map((line) => /statement (\d+)/.exec(line)?.[1])).toEqual(['10', '11', '12'])
    expect(proof.level).toBe('none')
  })
})
