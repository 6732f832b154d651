import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runAction } from '../kit/action.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

/** Where a program of the server leaves its traces, by the kind of object that started it. */
let traces: string
let root: string
let source: PostgresServer

/** What somebody without a superuser's rights can leave in a database for one who has them. In the source itself nothing of it does anything. */
const hostile = (folder: string) => `
create role mallory login;
create role anon;
create role authenticated;
create schema evil authorization mallory;
grant usage on schema evil to anon, authenticated;
set session authorization mallory;
create function evil.attempt(how text) returns boolean language plpgsql as $f$
begin
  begin execute 'reset role'; exception when others then null; end;
  execute format('copy (select 1) to program %L', 'touch ${folder}/' || how);
  return true;
exception when others then return true;
end $f$;
create function evil.quiet(how text) returns boolean language plpgsql immutable as $f$ begin return evil.attempt(how); end $f$;
create function evil.fired() returns trigger language plpgsql as $f$ begin perform evil.attempt('trigger'); return new; end $f$;
create domain evil.odd as int check (evil.quiet('domain'));
create type evil.pair as (a int, b int);
create aggregate evil.sums(int) (sfunc = int4pl, stype = int, initcond = '0');
create table evil.t (
  id int primary key,
  of_domain evil.odd,
  made boolean generated always as (evil.quiet('generated')) stored,
  filled boolean default evil.attempt('default'),
  constraint checked check (evil.quiet('check'))
);
create table evil.parts (id int, x boolean) partition by list ((evil.quiet(case when id > 0 then 'partition' end)));
create table evil.part_one partition of evil.parts for values in (true);
create index by_expression on evil.t ((evil.quiet(case when id > 0 then 'index' end)), id);
create trigger fires before insert on evil.t for each row execute function evil.fired();
create materialized view evil.counted as select id, evil.attempt('materialized') from evil.t;
alter table evil.t enable row level security;
create policy seen on evil.t for select to anon, authenticated using (evil.attempt('policy'));
grant select on evil.t to anon, authenticated;
insert into evil.t (id, of_domain) values (1, 1), (2, 2);
insert into evil.parts values (1, true);
refresh materialized view evil.counted;
reset session authorization;`

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-hostile-'))
  traces = await mkdtemp(join(tmpdir(), 'sb-traces-'))
  await chmod(traces, 0o777)
  source = await startPostgres({ major: 15 })
  await source.query(hostile(traces))
})
afterAll(async () => {
  await source.stop()
  await rm(root, { recursive: true, force: true })
  await rm(traces, { recursive: true, force: true })
})

const backup = async (inputs: Readonly<Record<string, string>>) => {
  const done = await runAction({
    inputs: {
      'database-url': source.url(source.superuser, 'postgres'),
      project: 'hostile',
      destinations: 'folder',
      folder: join(root, 'backups'),
      plaintext: 'public',
      'pg-bin': binDirOf(15),
      ...inputs
    }
  })
  await done.cleanUp()
  return done
}
const left = async () => (await readdir(traces)).sort()

describe('T1: code that somebody without rights left in the database', () => {
  test('does nothing in the source and nothing on this machine while the backup is taken, restored and compared', async () => {
    expect(await left()).toEqual([])
    const done = await backup({ verify: 'restore' })
    expect({ status: done.outputs['status'], verified: done.outputs['verified'], error: done.result?.error }).toEqual({
      status: 'complete',
      verified: 'restore',
      error: undefined
    })
    expect(await left()).toEqual([])
    expect(done.result?.verification?.notProven.join('\n')).toContain('samples of what roles see that were skipped')
  })

  test('gets a superuser’s rights where rows are restored, so that a server given for it must be worth nothing', async () => {
    const given = await startPostgres({ major: 15 })
    try {
      const done = await backup({ verify: 'restore', 'verify-database-url': given.url() })
      expect(done.outputs['verified']).toBe('restore')
      const found = await left()
      expect(found).toContain('check')
      // What asks as other roles has never been more than they are.
      expect(found).not.toContain('policy')
    } finally {
      await given.stop()
    }
  })
})
