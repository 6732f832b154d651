import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PostgresServer } from '../kit/postgres/server.ts'
import { loadProject, startProjectServer } from '../kit/project/load.ts'
import { capture, openDesk } from './database-capture-setup.ts'

let server: PostgresServer
const sql = (text: string) => server.query(text, [], undefined, 'odd')

beforeAll(async () => {
  server = await startProjectServer(17, { settings: { wal_level: 'logical' } })
  await loadProject(server)
})
afterAll(() => server?.stop())

test('a new project has nothing that no dump holds', async () => {
  const desk = await openDesk()
  const { facts, warnings, status } = await capture(desk, server, 'postgres', { user: 'postgres' })
  await desk.remove()
  expect(warnings.filter((text) => text.startsWith('No dump holds'))).toEqual([])
  expect(
    facts.notCaptured.filter(
      ({ what }) => what !== 'passwords of roles' && !/^(?:values of Vault|settings made by alter system)/.test(what)
    )
  ).toEqual([])
  expect(status).toBe('captured')
})

test('what no dump holds is named, and what the database itself loses stands in a warning', async () => {
  await server.query('create database odd')
  await server.query(
    'create role masked; grant anon to pg_monitor; alter role masked in database postgres set work_mem = 12345; alter database odd connection limit 7'
  )
  await server.query(`alter system set deadlock_timeout = '2s'`)
  await server.query('select pg_reload_conf()')
  await sql(
    `set allow_system_table_mods = on; create function pg_catalog.mine(integer) returns int language sql as 'select 1'; create table information_schema.kept (id int);
    reset allow_system_table_mods; revoke select on information_schema.columns from public;
    insert into pg_shseclabel (objoid, classoid, provider, label) select oid, 'pg_authid'::regclass, 'anon', 'MASKED' from pg_roles where rolname = 'masked';
    insert into pg_shseclabel (objoid, classoid, provider, label) select oid, 'pg_database'::regclass, 'anon', 'x' from pg_database where datname = 'odd';
    select pg_replication_origin_create('elsewhere');
    create foreign data wrapper w; create server s foreign data wrapper w; create table parted (id int) partition by range (id);
    create foreign table far partition of parted for values from (0) to (9) server s`.replace(
      'set allow_system_table_mods = on;',
      "select set_config('allow_system_table_mods', 'on', false);"
    )
  )
  await sql(`select pg_create_logical_replication_slot('reader', 'pgoutput')`)
  const desk = await openDesk()
  const { facts, warnings } = await capture(desk, server, 'odd')
  await desk.remove()
  const what = facts.notCaptured.map((one) => one.what)
  const ofDatabase = [
    'security label of anon on role masked',
    'security label of anon on the database',
    'function pg_catalog.mine(integer)',
    'table information_schema.kept',
    'grants on information_schema.columns',
    'rows behind the foreign table public.far',
    'membership of pg_monitor in anon'
  ]
  expect(what).toEqual(
    expect.arrayContaining([
      ...ofDatabase,
      'connection limit of the database: 7',
      'logical replication slot reader',
      'replication origin elsewhere',
      'setting work_mem of the role masked in the database postgres',
      expect.stringMatching(/^settings made by alter system: .*deadlock_timeout/)
    ])
  )
  const [warning] = warnings.filter((text) => text.startsWith('No dump holds'))
  for (const name of ofDatabase) expect(warning).toContain(name)
  expect(warning).not.toContain('reader')
})
