import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, damageAndCompare, openDesk, restore } from './database-capture-setup.ts'

let server: PostgresServer
let kind: { desk: Desk; facts: DatabaseFacts }
let project: { desk: Desk; facts: DatabaseFacts }

beforeAll(async () => {
  server = await startPostgres({ major: 15 })
  for (const role of ['kind_owner', 'kind_reader', 'kind_app']) await server.query(`create role ${role}`)
  await server.query('create database kind')
  const sql = await readFile(new URL('database-every-kind.sql', import.meta.url), 'utf8')
  await server.run('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'kind'], { input: sql })
  await loadSupabase(server)
  const take = async (database: string, user: string) => {
    const desk = await openDesk()
    return { desk, facts: (await capture(desk, server, database, { user })).facts }
  }
  kind = await take('kind', server.superuser)
  project = await take('postgres', 'postgres')
  await restore(kind.desk, server, 'kind copy')
  await restore(project.desk, server, 'project copy')
})
afterAll(async () => {
  await server.stop('immediate')
  await kind.desk.remove()
  await project.desk.remove()
})

/** A change to the copy, and what must be said about it. */
const damages: readonly (readonly [title: string, sql: string, subject: RegExp, detail: RegExp])[] = [
  [
    'one value of one row',
    `update kind.events set payload = '{"x": 1}' where id = 7`,
    /^table kind\.events_2024|^table kind\.events_rest/,
    /content differs/
  ],
  ['one row gone', 'delete from kind.events where id = 90', /^table kind\.events_2024/, /rows: 60 in the source, 59/],
  ['1.00 became 1.0', `update kind.every_type set n = 1.0 where id = 2`, /^table kind\.every_type/, /content differs/],
  ['-0 became 0', `update kind.every_type set f8 = 0 where id = 2`, /^table kind\.every_type/, /content differs/],
  [
    'the shape of an array',
    `update kind.every_type set ia = '{1,2,3,4}' where id = 2`,
    /^table kind\.every_type/,
    /content differs/
  ],
  [
    'case in a citext',
    `update kind.every_type set cit = 'CASE' where id = 2`,
    /^table kind\.every_type/,
    /content differs/
  ],
  [
    'an equal text of another collation',
    `update kind.every_type set ger = 'STRASSE' where id = 2`,
    /^table kind\.every_type/,
    /content differs/
  ],
  [
    'blanks at the end of a bpchar',
    `update kind.every_type set bare = 'trail ' where id = 1`,
    /^table kind\.every_type/,
    /content differs/
  ],
  [
    'a number inside jsonb',
    `update kind.every_type set jb = '{"a": 1.0, "b": [1, null]}' where id = 1`,
    /^table kind\.every_type/,
    /content differs/
  ],
  [
    '30 days became a month',
    `update kind.every_type set iv = '1 mon' where id = 2`,
    /^table kind\.every_type/,
    /content differs/
  ],
  ['a policy gone', 'drop policy "own rows" on kind.parent', /^policy "own rows" on kind\.parent/, /missing/],
  [
    'a policy wider',
    'alter policy "own rows" on kind.parent using (true)',
    /^policy "own rows" on kind\.parent/,
    /id % 2.*true/
  ],
  ['a grant added', 'grant delete on kind.child to kind_reader', /^grants on table kind\.child/, /kind_reader=DELETE/],
  [
    'a column grant gone',
    'revoke update (note) on kind.parent from kind_app',
    /^grants on column kind\.parent\.note/,
    /./
  ],
  [
    'row security off',
    'alter table kind.child disable row level security',
    /^row security kind\.child/,
    /enabled, forced.*disabled, forced/
  ],
  ['force gone', 'alter table kind.child no force row level security', /^row security kind\.child/, /./],
  [
    'a body changed',
    `create or replace function kind.definer() returns trigger language plpgsql security definer set search_path = '' as 'begin return old; end'`,
    /^function kind\.definer\(\)/,
    /return/
  ],
  [
    'security definer gone',
    'alter function kind.definer() security invoker',
    /^function kind\.definer\(\)/,
    /SECURITY DEFINER/
  ],
  [
    'a search path gone',
    'alter function kind.definer() reset search_path',
    /^function kind\.definer\(\)/,
    /search_path/
  ],
  ['a trigger gone', 'drop trigger checked on kind.parent', /^trigger checked on kind\.parent/, /missing/],
  [
    'a trigger switched on',
    'alter table kind.parent enable trigger guard_parent',
    /^trigger guard_parent on kind\.parent/,
    /disabled.*enabled/
  ],
  ['an event trigger switched on', 'alter event trigger kind_ddl enable', /^event trigger kind_ddl/, /./],
  ['a sequence behind', `select setval('kind.numbers', 10)`, /^sequence kind\.numbers/, /17 in the source, 10/],
  ['a sequence not used yet', `select setval('kind.set_back', 40, true)`, /^sequence kind\.set_back/, /not used yet/],
  [
    'an empty view',
    'refresh materialized view kind.totals with no data',
    /^materialized view kind\.totals/,
    /no data|populated/
  ],
  ['an index gone', 'drop index kind.child_parent', /^index kind\.child_parent/, /missing/],
  [
    'an index not valid',
    `update pg_index set indisvalid = false where indexrelid = 'kind.child_parent'::regclass`,
    /^index kind\.child_parent/,
    /./
  ],
  [
    'a constraint validated',
    'alter table kind.parent validate constraint not_negative',
    /^constraint not_negative on kind\.parent/,
    /NOT VALID/
  ],
  ['a label added', `alter type kind.mood add value 'new'`, /^enumeration kind\.mood/, /new/],
  ['a default changed', `alter table kind.parent alter note set default 'x'`, /^table kind\.parent/, /default/],
  ['an owner changed', 'alter table kind.events owner to kind_app', /^owner of table kind\.events/, /kind_app/],
  [
    'a default privilege more',
    'alter default privileges for role kind_owner in schema kind grant insert on tables to kind_reader',
    /^default privileges for kind_owner in schema kind on tables/,
    /INSERT/
  ],
  [
    'a publication wider',
    'alter publication kind_pub set table kind.parent, kind.events',
    /^publication kind_pub/,
    /where/
  ],
  ['a comment changed', `comment on table kind.parent is 'other'`, /^comment table kind\.parent/, /other/],
  ['a table more', 'create table kind.extra ()', /^table kind\.extra/, /not in the source/],
  ['a large object changed', `select lo_put(9001, 20000, 'x')`, /^large objects/, /content differs/],
  ['a large object longer by zeros', `select lo_put(9001, 20000, '\\x00')`, /^large objects/, /content differs/],
  ['a table emptied of its columns', 'alter table kind.owned drop column b', /^table kind\.owned/, /column b/]
]

test.each(damages)('found in a copy: %s', async (_, change, subject, detail) => {
  const findings = await damageAndCompare(
    server,
    kind.facts,
    'kind copy',
    `set session_replication_role = replica; ${change}`
  )
  const found = findings.filter((finding) => subject.test(finding.subject) && finding.kind === 'difference')
  expect(found, JSON.stringify(findings)).not.toEqual([])
  expect(found.map((finding) => finding.detail).join('; ')).toMatch(detail)
})

test.each([
  [
    'another order of rows',
    'create table kind.aside as select * from kind.events_2024; delete from kind.events_2024; insert into kind.events_2024 select * from kind.aside order by id desc; drop table kind.aside'
  ],
  [
    'a grant given back and taken',
    'grant delete on kind.child to kind_reader; revoke delete on kind.child from kind_reader'
  ],
  ['a column that came and went', 'alter table kind.owned add c int; alter table kind.owned drop c'],
  ['statistics and dead rows', 'vacuum full analyze kind.parent']
])('not reported: %s', async (_, change) => {
  expect(await damageAndCompare(server, kind.facts, 'kind copy', change)).toEqual([])
})

test('found in a copy: a trigger on auth.users gone, rows that anon should not see', async () => {
  const trigger = project.facts.guards.find(
    (guard) => guard.kind === 'trigger' && guard.name.endsWith(' on auth.users')
  )
  expect(trigger).toBeDefined()
  const guarded = project.facts.visibleRows.find(
    (entry) => entry.role === 'authenticated' && entry.schema === 'public' && entry.rows !== null
  )
  const findings = await damageAndCompare(
    server,
    project.facts,
    'project copy',
    `set session_replication_role = replica; drop trigger ${trigger?.name ?? ''}; create policy wide on ${guarded?.schema}.${guarded?.table} for select using (true)`
  )
  const subjects = findings.filter((finding) => finding.kind === 'difference').map((finding) => finding.subject)
  expect(subjects).toContain(`trigger ${trigger?.name}`)
  expect(subjects).toContain(`policy wide on public.${guarded?.table}`)
  expect(subjects.some((subject) => subject.startsWith(`rows of public.${guarded?.table} that `))).toBe(true)
})
