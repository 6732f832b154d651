import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import {
  capture,
  type Desk,
  damageAndCompare,
  damageInTransaction,
  openDesk,
  restore
} from './database-capture-setup.ts'

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
    /is not shown/
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
  ['a default changed', `alter table kind.parent alter note set default 'x'`, /^table kind\.parent/, /is not shown/],
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
  ['a comment changed', `comment on table kind.parent is 'other'`, /^comment table kind\.parent/, /is not shown/],
  ['a table more', 'create table kind.extra ()', /^table kind\.extra/, /not in the source/],
  ['a large object changed', `select lo_put(9001, 20000, 'x')`, /^large objects/, /content differs/],
  ['a large object longer by zeros', `select lo_put(9001, 20000, '\\x00')`, /^large objects/, /content differs/],
  [
    'a policy for other roles',
    'alter policy "own rows" on kind.parent to kind_reader',
    /^policy "own rows" on kind\.parent/,
    /kind_app/
  ],
  [
    'a policy no longer restrictive',
    'drop policy writers on kind.parent; create policy writers on kind.parent for insert to kind_app with check (amount > 0)',
    /^policy writers on kind\.parent/,
    /restrictive.*permissive/
  ],
  [
    'a check of a policy wider',
    'alter policy writers on kind.parent with check (true)',
    /^policy writers on kind\.parent/,
    /true/
  ],
  ['a function leakproof', 'alter function kind.add_one(int, int[]) leakproof', /^function kind\.add_one/, /LEAKPROOF/],
  ['a function volatile', 'alter function kind.add_one(int, int[]) volatile', /^function kind\.add_one/, /IMMUTABLE/],
  [
    'a function no longer parallel safe',
    'alter function kind.add_one(int, int[]) parallel unsafe',
    /^function kind\.add_one/,
    /PARALLEL/
  ],
  [
    'a function called with nulls',
    'alter function kind.add_one(int, int[]) called on null input',
    /^function kind\.add_one/,
    /STRICT/
  ],
  [
    'a setting of a function',
    'alter function kind.modern(int) set row_security = off',
    /^function kind\.modern/,
    /row_security/
  ],
  [
    'a body in SQL changed',
    'create or replace function kind.modern(a int) returns int language sql begin atomic select a + 2; end',
    /^function kind\.modern/,
    /is not shown/
  ],
  [
    'a procedure changed',
    `create or replace procedure kind.do_it(inout x int) language plpgsql as 'begin x := x + 2; end'`,
    /^procedure kind\.do_it/,
    /is not shown/
  ],
  [
    'an aggregate changed',
    `update pg_aggregate set agginitval = 'x' where aggfnoid = 'kind.concat_all'::regproc`,
    /^aggregate kind\.concat_all/,
    /starts with x/
  ],
  [
    'a grant on a function',
    'grant execute on function kind.add_one(int, int[]) to public',
    /^grants on function kind\.add_one/,
    /PUBLIC=EXECUTE/
  ],
  [
    'an owner of a function',
    'alter function kind.definer() owner to kind_app',
    /^owner of function kind\.definer/,
    /kind_owner.*kind_app/
  ],
  [
    'a trigger that always fires',
    'alter table kind.parent enable always trigger checked',
    /^trigger checked on kind\.parent/,
    /enabled always/
  ],
  [
    'a trigger of replicas alone',
    'alter table kind.parent enable replica trigger checked',
    /^trigger checked on kind\.parent/,
    /enabled replica/
  ],
  ['a rule switched off', 'alter table kind.child disable rule quiet', /^rule quiet on kind\.child/, /is not shown/],
  [
    'foreign keys switched off',
    'alter table kind.child disable trigger all',
    /^switched-off foreign key child_parent_id_fkey on kind\.child/,
    /not in the source/
  ],
  [
    'another replica identity',
    'alter table kind.parent replica identity full',
    /^table kind\.parent/,
    /replica identity full/
  ],
  ['a storage parameter', 'alter table kind.parent set (fillfactor = 71)', /^table kind\.parent/, /fillfactor=71/],
  [
    'a storage parameter of the toast table',
    'alter table kind.every_type set (toast.autovacuum_enabled = false)',
    /^table kind\.every_type/,
    /toast options/
  ],
  [
    'the storage of a column',
    'alter table kind.parent alter note set storage main',
    /^table kind\.parent/,
    /is not shown/
  ],
  [
    'the statistics of a column',
    'alter table kind.parent alter note set statistics 400',
    /^table kind\.parent/,
    /is not shown/
  ],
  [
    'an option of a column',
    'alter table kind.parent alter note reset (n_distinct)',
    /^table kind\.parent/,
    /is not shown/
  ],
  [
    'a not null gone',
    'alter table kind.parent replica identity default; alter table kind.parent alter name drop not null',
    /^table kind\.parent/,
    /not null/
  ],
  [
    'the collation of a column',
    'alter table kind.child add t text; alter table kind.every_type alter v type varchar(20) collate "C"',
    /^table kind\.every_type/,
    /collate/
  ],
  [
    'the length of a column',
    'alter table kind.every_type alter v type varchar(21)',
    /^table kind\.every_type/,
    /\(20\).*\(21\)/
  ],
  [
    'another kind of identity',
    'alter table kind.every_type alter id set generated by default',
    /^table kind\.every_type/,
    /always.*by default/
  ],
  [
    'the steps of an identity',
    'alter table kind.child alter id set increment 6',
    /^sequence kind\.child_id_seq/,
    /increment 5.*increment 6/
  ],
  [
    'a generated column that is not',
    'alter table kind.every_type alter doubled drop expression',
    /^table kind\.every_type/,
    /generated always as \.\.\./
  ],
  [
    'a view that asks as its owner',
    'alter view kind.seen set (security_invoker = false)',
    /^view kind\.seen/,
    /security_invoker/
  ],
  [
    'a view without its barrier',
    'alter view kind.seen reset (security_barrier)',
    /^view kind\.seen/,
    /security_barrier/
  ],
  ['a view without its check', 'alter view kind.seen reset (check_option)', /^view kind\.seen/, /check_option/],
  ['a default of a view', `alter view kind.seen alter name set default 'a'`, /^view kind\.seen/, /default/],
  [
    'an owner of a sequence',
    'alter table kind.child alter parent_id set default 1; alter sequence kind.numbers owned by kind.child.parent_id',
    /^sequence kind\.numbers/,
    /owned by/
  ],
  ['a sequence that ends', 'alter sequence kind.numbers no cycle', /^sequence kind\.numbers/, /cycle/],
  ['the bounds of a sequence', 'alter sequence kind.numbers maxvalue 20000', /^sequence kind\.numbers/, /20000/],
  [
    'extended statistics',
    'alter statistics kind.parent_stats set statistics 5',
    /^statistics kind\.parent_stats/,
    /target 5/
  ],
  [
    'an operator class gone',
    'drop operator class kind.int_ops2 using btree',
    /^operator class kind\.int_ops2 using btree/,
    /missing/
  ],
  [
    'an operator family wider',
    'alter operator family kind.int_ops2 using btree add operator 1 < (int, bigint)',
    /^operator family kind\.int_ops2 using btree/,
    /bigint/
  ],
  ['an operator changed', 'alter operator kind.=%= (int, int) set (restrict = eqsel)', /^operator kind\.=%=/, /eqsel/],
  [
    'a cast by itself',
    `update pg_cast set castcontext = 'i' where castfunc = 'kind.mood_to_int'::regproc`,
    /^cast kind\.mood as integer/,
    /f a .*f i /
  ],
  [
    'a text search configuration',
    'alter text search configuration kind.conf drop mapping for word',
    /^text search configuration kind\.conf/,
    /kind\.dict/
  ],
  [
    'a text search dictionary',
    'alter text search dictionary kind.dict (stopwords = german)',
    /^text search dictionary kind\.dict/,
    /english.*german/
  ],
  [
    'a conversion',
    `update pg_conversion set condefault = true where conname = 'conv'`,
    /^conversion kind\.conv/,
    /default/
  ],
  [
    'a collation',
    `update pg_collation set collisdeterministic = true where collname = 'german'`,
    /^collation kind\.german/,
    /deterministic/
  ],
  [
    'the address of a foreign server',
    `alter server kind_server options (set host 'other.example')`,
    /^options of foreign server kind_server/,
    /not shown/
  ],
  [
    'the password of a user mapping',
    `alter user mapping for kind_app server kind_server options (set password 'another')`,
    /^options of user mapping kind_app on kind_server/,
    /not shown/
  ],
  [
    'a user mapping gone',
    'drop user mapping for kind_app server kind_server',
    /^user mapping kind_app on kind_server/,
    /missing/
  ],
  [
    'the version of a foreign server',
    `alter server kind_server version '2'`,
    /^foreign server kind_server/,
    /version 1.*version 2/
  ],
  [
    'an option of a foreign table',
    `alter foreign table kind.remote options (set table_name 's')`,
    /^options of foreign table kind\.remote/,
    /not shown/
  ],
  [
    'an option of a foreign column',
    `alter foreign table kind.remote alter b options (set column_name 'y')`,
    /^options of column kind\.remote\.b/,
    /not shown/
  ],
  [
    'an option of a foreign data wrapper',
    `alter foreign data wrapper kind_fdw options (set secret 'other')`,
    /^options of foreign data wrapper kind_fdw/,
    /not shown/
  ],
  [
    'a grant on a foreign server',
    'revoke usage on foreign server kind_server from kind_app',
    /^grants on foreign server kind_server/,
    /kind_app=USAGE/
  ],
  [
    'fewer columns in a publication',
    'alter publication kind_pub set table kind.parent (id) where (id > 5), kind.events',
    /^publication kind_pub/,
    /\(id, name\).*\(id\)/
  ],
  [
    'another row filter of a publication',
    'alter publication kind_pub set table kind.parent (id, name) where (id > 6), kind.events',
    /^publication kind_pub/,
    /id > 5.*id > 6/
  ],
  [
    'what a publication tells',
    `alter publication kind_pub set (publish = 'insert, update, delete')`,
    /^publication kind_pub/,
    /delete f.*delete t/
  ],
  [
    'a schema out of a publication',
    'alter publication kind_schema_pub drop tables in schema kind',
    /^publication kind_schema_pub/,
    /schema kind/
  ],
  [
    'a grant on a large object',
    'revoke select on large object 9001 from kind_app',
    /^large objects of kind_owner/,
    /missing|not in the source/
  ],
  [
    'an owner of a large object',
    'alter large object 9001 owner to kind_app',
    /^large objects of kind_app/,
    /not in the source/
  ],
  ['a comment on a large object', `comment on large object 9001 is null`, /^comment large object 9001/, /missing/],
  [
    'a constraint of a domain gone',
    'alter domain kind.positive drop constraint above_zero',
    /^constraint above_zero on kind\.positive/,
    /missing/
  ],
  [
    'a constraint of a domain validated',
    'alter domain kind.positive validate constraint small',
    /^constraint small on kind\.positive/,
    /NOT VALID/
  ],
  [
    'the default of a domain',
    'alter domain kind.positive set default 2',
    /^domain kind\.positive/,
    /default 1.*default 2/
  ],
  [
    'the order of labels',
    `update pg_enum set enumsortorder = 100 where enumlabel = 'sad' and enumtypid = 'kind.mood'::regtype`,
    /^enumeration kind\.mood/,
    /sad/
  ],
  [
    'an attribute of a composite type',
    'alter type kind.pair rename attribute b to z cascade',
    /^composite type kind\.pair/,
    /column b.*column z/
  ],
  [
    'a grant on a composite type',
    'revoke usage on type kind.pair from public',
    /^grants on composite type kind\.pair/,
    /PUBLIC=USAGE/
  ],
  ['a grant on a type', 'grant usage on type kind.mood to public', /^grants on enumeration kind\.mood/, /PUBLIC=USAGE/],
  [
    'a grant on a language of an extension',
    'revoke usage on language plpgsql from public',
    /^grants on language plpgsql/,
    /not in the source/
  ],
  ['a grant on a schema', 'grant create on schema kind to kind_reader', /^grants on schema kind/, /CREATE/],
  ['an owner of a schema', 'alter schema kind owner to kind_app', /^owner of schema kind/, /kind_owner.*kind_app/],
  [
    'a table that inherits no more',
    'alter table kind.inherits no inherit kind.parent',
    /^table kind\.inherits/,
    /inherits kind\.parent/
  ],
  [
    'a partition detached',
    'alter table kind.events detach partition kind.events_rest',
    /^table kind\.events_rest/,
    /partition DEFAULT/
  ],
  [
    'other bounds of a partition',
    `alter table kind.listed detach partition kind.listed_a; alter table kind.listed attach partition kind.listed_a for values in ('a', 'b', null)`,
    /^table kind\.listed_a/,
    /'b'/
  ],
  ['a table of no type', 'alter table kind.of_pair not of', /^table kind\.of_pair/, /of type/],
  ['a table logged', 'alter table kind.unlogged_one set logged', /^table kind\.unlogged_one/, /unlogged/],
  ['another access method', 'alter table kind.other_am set access method heap', /^table kind\.other_am/, /kind_heap/],
  [
    'an option of an index',
    'alter index kind.child_parent set (fillfactor = 60)',
    /^index kind\.child_parent/,
    /fillfactor/
  ],
  ['a table clustered no more', 'alter table kind.parent set without cluster', /^index kind\.parent_pkey/, /clustered/],
  [
    'the statistics of an index',
    'alter index kind.parent_lower alter column 2 set statistics 300',
    /^index kind\.parent_lower/,
    /statistics 2 300/
  ],
  [
    'a constraint that cannot be deferred',
    'alter table kind.child alter constraint child_parent_id_fkey not deferrable',
    /^constraint child_parent_id_fkey on kind\.child/,
    /DEFERRABLE/
  ],
  ['a comment on a policy gone', 'comment on policy "own rows" on kind.parent is null', /^comment policy/, /missing/],
  [
    'a comment on a column changed',
    `comment on column kind.parent.name is 'x'`,
    /^comment table column kind\.parent\.name/,
    /is not shown/
  ],
  [
    'the tags of an event trigger',
    `drop event trigger kind_ddl; create event trigger kind_ddl on ddl_command_end when tag in ('CREATE VIEW') execute function kind.log_ddl(); alter event trigger kind_ddl disable`,
    /^event trigger kind_ddl/,
    /CREATE TABLE.*CREATE VIEW/
  ],
  [
    'a default privilege for all schemas given back',
    'alter default privileges for role kind_owner grant execute on functions to public',
    /^default privileges for kind_owner on functions/,
    /missing/
  ],
  [
    'an extension in another schema',
    'alter extension citext set schema kind',
    /^extension citext/,
    /public in the source, in kind in the copy/
  ],
  [
    'a function that goes with an extension',
    'alter function kind.modern(int) depends on extension citext',
    /^dependence of function kind\.modern\(/,
    /not in the source/
  ],
  ['a table emptied of its columns', 'alter table kind.owned drop column b', /^table kind\.owned/, /column b/],
  [
    'a right on a function of the server',
    'grant execute on function pg_catalog.pg_ls_dir(text) to kind_app',
    /^grants on object of the server function pg_ls_dir\(text\)/,
    /not in the source/
  ],
  [
    'a right on a table of the server',
    'grant select on pg_catalog.pg_authid to kind_app',
    /^grants on object of the server table pg_catalog\.pg_authid/,
    /not in the source/
  ],
  [
    'a right of everybody on a function of the server taken away',
    'revoke execute on function pg_catalog.upper(text) from public',
    /^grants on object of the server function upper\(text\)/,
    /not in the source/
  ]
]

test.each(damages)('found in a copy: %s', async (_, change, subject, detail) => {
  const damage = `set local session_replication_role = replica; ${change}`
  // A sequence's state belongs to no transaction.
  const findings = change.includes('setval(')
    ? await damageAndCompare(server, kind.facts, 'kind copy', `begin; ${damage}; commit`)
    : await damageInTransaction(server, kind.facts, 'kind copy', damage)
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
  // How many rows a role sees differs by nature, too: it is told, and no difference.
  const seen = findings.filter(({ subject }) => subject.startsWith(`rows of public.${guarded?.table} that `))
  expect(new Set(seen.map(({ kind: told }) => told))).toEqual(new Set(['note']))
})
