import { chmod, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { UserError } from '../../src/errors.ts'
import type { DatabaseProof } from '../../src/sources/database/verify/prove-database.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, openDesk } from './database-capture-setup.ts'
import { clientOf, damagingRestore, prove } from './proof-setup.ts'

describe.each([15, 17] as const)('what the proof makes of oddities on PostgreSQL %i', (major) => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ major })
  })
  afterAll(() => server.stop('immediate'))

  /** Makes a database by `sql`, captures it, proves it; `damage` is done to the copy. */
  const proven = async (
    database: string,
    sql: string,
    damage?: string
  ): Promise<{ facts: DatabaseFacts; proof: DatabaseProof }> => {
    await server.query(`drop database if exists ${database} with (force)`)
    await server.query(`create database ${database}`)
    await server.query(sql, [], server.superuser, database)
    const desk = await openDesk()
    try {
      const { facts } = await capture(desk, server, database)
      const program = damage === undefined ? undefined : await damagingRestore(desk, major, damage)
      return { facts, proof: await prove(desk, facts, major, { clientPrograms: async () => clientOf(major, program) }) }
    } finally {
      await desk.remove()
    }
  }

  test('a security label whose provider is not loaded is left out by name, and hinders nothing', async () => {
    const { proof } = await proven(
      'labelled',
      `create table t (a int); create table "odd on" ("b c" int); insert into t values (1); set allow_system_table_mods = on;
insert into pg_seclabel select o, 'pg_class'::regclass, n, 'pgsodium', 'x' from (values ('t'::regclass, 1), ('t', 0), ('"odd on"', 1)) v (o, n)`
    )
    expect(proof).toMatchObject({ level: 'restore', tables: { restore: 2, differing: 0 } })
    expect(proof.findings).toEqual(
      ['table public."odd on"', 'table public.t'].map((on) => ({
        kind: 'notProven',
        reason: 'missing-provider',
        subject: `security label pgsodium on ${on}`,
        detail: "it needs the provider pgsodium, which the copy's server does not have loaded"
      }))
    )
  })

  const views = `create table t (a int, b text); insert into t select n, 'b' || n from generate_series(1, 3) n;
create materialized view whole as select a, b from t; create materialized view counted as select b, count(*) from t group by b`

  test('a materialized view that is stale in the source is told, and hinders nothing', async () => {
    const { proof } = await proven(
      'stale',
      `${views}; create materialized view emptied as select a from t; create materialized view timed as select a, clock_timestamp() as at from t;
create materialized view asked as select now() as at;
refresh materialized view asked; truncate t; insert into t values (1, 'b1'), (2, 'other'), (3, 'b3'); refresh materialized view counted;
create materialized view late as select a from t where a > 5; delete from t`
    )
    expect(proof).toMatchObject({ level: 'restore', tables: { differing: 0 } })
    const told = proof.findings.map(({ kind, subject }) => `${kind} ${subject}`)
    expect(told).toEqual([
      'notProven materialized view public.asked',
      'note materialized view public.counted',
      'note materialized view public.emptied',
      'note materialized view public.timed',
      'note materialized view public.whole'
    ])
    expect(proof.findings.find(({ subject }) => subject.endsWith('.emptied'))?.detail).toMatch(
      /^3 rows in the source, 0 in the copy, .*the source's is stale/
    )
  })

  test('a materialized view is computed when all else is there, whatever it held before', async () => {
    const { proof } = await proven(
      'views',
      views,
      `set client_min_messages = error; create table kept as table t; truncate t; refresh materialized view counted;
insert into t values (1, 'b1'), (2, 'x'), (3, 'b3'); refresh materialized view whole; truncate t; insert into t table kept; drop table kept`
    )
    expect(proof).toMatchObject({ level: 'restore', findings: [] })
  })

  test('rows, policies, triggers and indexes of tables that belong to an extension are taken apart, since a dump has no place for them', async () => {
    await server.query('drop database if exists members with (force)')
    await server.query('create database members')
    for (const sql of [
      'create extension hstore; create table q (a int primary key, b int); create index made on q (b); create policy first on q using (true); create table empty (a int); create table of_config (a int)',
      'alter extension hstore add table q; alter extension hstore add table empty; alter extension hstore add table of_config; insert into q values (1); insert into of_config values (1)',
      `update pg_extension set extconfig = array['of_config'::regclass::oid], extcondition = array[''] where extname = 'hstore'`,
      'create index added on q (b); create function watch() returns trigger language plpgsql as $$ begin return new; end $$; create trigger watched before insert on q for each row execute function watch(); alter table q enable row level security; create policy seen on q using (true)'
    ])
      await server.query(sql, [], server.superuser, 'members')
    const desk = await openDesk()
    const { facts } = await capture(desk, server, 'members')
    const listed = await server.run('pg_restore', ['--list', `${desk.folder}/database.dump`])
    await desk.remove()
    expect(String(listed.stdout)).not.toMatch(/ (?:TABLE DATA|TRIGGER|INDEX|POLICY) public (?:q|added)/)
    expect(facts.notCaptured.filter(({ reason }) => reason.includes('hstore'))).toEqual([])
    expect(facts.members?.tables.map(({ name, rows }) => `${name} ${rows}`)).toEqual(['empty 0', 'q 1'])
    const parts = facts.members?.objects.find(({ subject }) => subject === 'table public.q')?.parts ?? []
    expect(parts.map(({ step, name }) => `${step} ${name}`)).toEqual(
      expect.arrayContaining(['policy seen', 'policy first', 'trigger watched', 'index added', 'index made'])
    )
  })

  test('who owns what an extension made is nothing that a dump brings; what is granted on it is compared all the same', async () => {
    // On the platform `postgres` was a superuser when the first extensions were made, and is none any more.
    await server.query(
      'drop role if exists maker; create role maker superuser; drop role if exists looker; create role looker'
    )
    const sql = `set session authorization maker; create extension pgcrypto;
revoke all on function armor(bytea) from maker; grant all on function armor(bytea) to maker with grant option;
grant execute on function armor(bytea) to looker; revoke execute on function dearmor(text) from public; reset session authorization;
set session authorization maker; grant execute on function crypt(text, text) to looker with grant option; set session authorization looker;
grant execute on function crypt(text, text) to current_user, pg_monitor; reset session authorization`
    const { proof } = await proven('extended', sql)
    expect(proof.findings).toEqual([])
    expect(proof.level).toBe('restore')
    for (const damage of [
      'revoke execute on function armor(bytea) from looker',
      'grant execute on function dearmor(text) to public',
      'revoke grant option for execute on function crypt(text, text) from looker cascade'
    ]) {
      const damaged = await proven('extended', sql, damage)
      expect(damaged.proof.findings).toEqual([
        {
          kind: 'difference',
          subject: expect.stringMatching(/^grants on function public\./),
          detail: expect.anything()
        }
      ])
    }
  })

  test('a tablespace that the copy has not is told, and hinders nothing', async () => {
    // Each in a transaction of its own, in one session.
    const made = await server.run('psql', [
      ...['-X', '-c', 'set allow_in_place_tablespaces = on'],
      ...['-c', `create tablespace elsewhere location ''`]
    ])
    expect(made.code).toBe(0)
    const { facts, proof } = await proven(
      'spaced',
      `create table t (a int primary key using index tablespace elsewhere) tablespace elsewhere; insert into t values (1);
create materialized view v tablespace elsewhere as select 1 as one`
    )
    expect(proof.findings).toEqual([])
    expect(proof).toMatchObject({ level: 'restore', tables: { restore: 2 } })
    expect(facts.notCaptured.map(({ what }) => what)).toContain('tablespace of public.t')
  })

  test('statements of check-sql that found no copy to run on are told, with the reason', async () => {
    await server.query('drop database if exists unrun with (force)')
    await server.query('create database unrun')
    const desk = await openDesk()
    const { facts } = await capture(desk, server, 'unrun')
    const checkSql = ['select true']
    const told = async (options: Parameters<typeof prove>[3]) =>
      (await prove(desk, facts, major, { checkSql, ...options })).findings.map(({ detail }) => detail)
    const serverPrograms = () => Promise.reject(new UserError('SB304', 'no server'))
    expect(await told({ mode: 'read' })).toEqual(['check-sql was not run: `verify` is `read`'])
    expect(await told({ mode: 'auto', serverPrograms })).toEqual([
      expect.stringMatching(/^check-sql was not run: .*\(SB304\)$/)
    ])
    expect(await told({ mode: 'auto' })).toEqual([])
    await desk.remove()
  })

  test('a disk or a server that failed says nothing against the backup: it is read where it may be', async () => {
    await server.query('drop database if exists machine with (force)')
    await server.query('create database machine')
    await server.query('create table t (a int); insert into t values (1)', [], server.superuser, 'machine')
    const desk = await openDesk()
    const { facts } = await capture(desk, server, 'machine')
    const real = clientOf(major).pgRestore
    const failing = async (does: string) => {
      const script = path.join(desk.folder, 'pg_restore')
      await writeFile(
        script,
        `#!/bin/sh\ncase "$*" in *--use-list*) cat >/dev/null; ${does};; esac\nexec "${real}" "$@"\n`
      )
      await chmod(script, 0o755)
      return { clientPrograms: async () => clientOf(major, script) }
    }
    const says = (message: string) =>
      `echo 'pg_restore: from TOC entry 7; 0 1 TABLE DATA t x' >&2; echo 'pg_restore: error: ${message}' >&2; exit 1`
    const cases = [
      [
        says('COPY failed for table "t": ERROR:  could not extend file "base/1/2": No space left on device'),
        /disk .* full/
      ],
      [says('could not execute query: server closed the connection unexpectedly'), /ended/]
    ] as const
    for (const [does, message] of cases) {
      const options = await failing(does)
      await expect(prove(desk, facts, major, { ...options, mode: 'restore' })).rejects.toMatchObject({
        code: 'SB604',
        message: expect.stringMatching(message)
      })
      expect(await prove(desk, facts, major, { ...options, mode: 'auto' })).toMatchObject({
        level: 'read',
        notRestored: expect.stringMatching(message)
      })
    }
    const refused = await failing(says('could not execute query: ERROR:  division by zero'))
    expect(await prove(desk, facts, major, { ...refused, mode: 'auto' })).toMatchObject({
      verdict: 'unproven',
      findings: [
        {
          kind: 'difference',
          subject: 'restored copy',
          detail: 'The backup could not be restored: pg_restore ended with exit code 1.'
        }
      ]
    })
    await desk.remove()
  })

  test('what roles see is sampled without users, too; a role that cannot be taken on is told', async () => {
    await server.query('drop database if exists seen with (force)')
    await server.query('create database seen')
    for (const role of ['anon', 'authenticated'])
      await server.query(`do $$ begin if to_regrole('${role}') is null then create role ${role}; end if; end $$`)
    await server.query(
      `do $$ begin if to_regrole('keeper') is null then create role keeper login bypassrls in role pg_read_all_data, authenticated; end if; end $$;
create table t (a int); insert into t values (1), (2); alter table t enable row level security; grant select on t to authenticated; create policy p on t for select using (a = 1)`,
      [],
      server.superuser,
      'seen'
    )
    const desk = await openDesk()
    const { facts } = await capture(desk, server, 'seen', { user: 'keeper' })
    expect(facts.visibleRows).toEqual([
      {
        role: 'anon',
        user: null,
        schema: 'public',
        table: 't',
        rows: null,
        failed: 'skipped, as all that anon sees: keeper may not become anon'
      },
      { role: 'authenticated', user: null, schema: 'public', table: 't', rows: '1' }
    ])
    const proof = await prove(desk, facts, major)
    expect(proof.level).toBe('restore')
    expect(proof.findings.filter(({ subject }) => subject.startsWith('rows of'))).toEqual([
      {
        kind: 'notProven',
        reason: 'not-sampled',
        subject: 'rows of public.t that anon sees',
        detail: 'skipped, as all that anon sees: keeper may not become anon'
      }
    ])
    await desk.remove()
  })

  test('an index of the copy that is not valid shows both sides; an extension more is a difference', async () => {
    const { proof } = await proven(
      'sides',
      'create table t (a int); create index i on t (a)',
      `set client_min_messages = error; create extension hstore; comment on extension hstore is null; update pg_index set indisvalid = false where indexrelid = 'i'::regclass`
    )
    expect(proof.findings).toEqual([
      { kind: 'difference', subject: 'extension hstore', detail: 'it is in the copy, but not in the source' },
      {
        kind: 'difference',
        subject: 'index public.i',
        detail:
          'it differs: source: CREATE INDEX i ON public.t USING btree (a); copy: not valid: CREATE INDEX i ON public.t USING btree (a)'
      }
    ])
  })

  test('a setting of all roles is named, without its value', async () => {
    await server.query(`alter role all set application_name = 'hidden'`)
    const desk = await openDesk()
    const { facts } = await capture(desk, server, 'postgres')
    await desk.remove()
    await server.query('alter role all reset all')
    expect(facts.notCaptured).toContainEqual({
      what: 'setting application_name of all roles',
      reason: 'it belongs to the whole server: alter role all set ... brings it back'
    })
    expect(JSON.stringify(facts.notCaptured)).not.toContain('hidden')
  })
})
