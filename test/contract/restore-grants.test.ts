import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { Finding } from '../../src/sources/source.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

const project = `create schema app; create table app.teams (id int primary key); create table app.members (id int primary key, team int references app.teams, note text);
  grant usage on schema app to authenticated, app_reader, anon; grant select on app.teams to app_reader, anon, "App Writer"; grant all on app.teams to authenticated;
  grant select (id), update (note) on app.members to app_reader; grant select on app.members to anon with grant option;
  set role anon; grant select on app.members to authenticated; grant select on app.members to app_reader; reset role;
  create policy mine on app.teams for select to app_reader using (id > 0)`

const grants = `select x from (
    select 'schema ' || acl::text as x from pg_namespace, unnest(nspacl) acl where nspname = 'app'
    union all select relname || ' ' || acl::text from pg_class, unnest(relacl) acl where relnamespace = 'app'::regnamespace and relkind = 'r'
    union all select attname || ' ' || acl::text from pg_attribute, unnest(attacl) acl where attrelid = 'app.members'::regclass
    union all select 'policy ' || policyname from pg_policies) s order by x collate "C"`

/** Roles belong to the server: the one that is chosen from has others than the one that is restored into. */
describe('grants to roles of which the target lacks some', () => {
  let server: PostgresServer
  let desk: Desk
  let facts: DatabaseFacts
  let before: unknown
  const selection = {
    schemas: [],
    excludeSchemas: [],
    tables: ['app.members', 'app.teams'],
    excludeTables: [],
    excludeTableData: []
  }
  const sql = async (database: string, text: string) => (await server.query(text, [], undefined, database)).rows
  const toDo = (findings: readonly Finding[]) => findings.filter(({ kind }) => kind === 'todo')

  beforeAll(async () => {
    server = await startPostgres({ major: 17 })
    await server.query(
      'create role app_reader; create role "App Writer"; create role anon; create role authenticated; create role deployer login createrole; grant anon to deployer'
    )
    await server.query('create database source owner deployer')
    await sql(
      'source',
      `set role deployer; ${project.replace('set role anon', 'set local role anon').replace('reset role', 'set local role deployer')}`
    )
    before = await sql('source', grants)
    desk = await openDesk()
    facts = (await capture(desk, server, 'source')).facts
    await server.query('drop database source with (force)')
    await server.query('drop role app_reader; drop role "App Writer"')
  })
  afterAll(async () => {
    await desk?.remove()
    await server?.stop()
  })

  test('are made for the others, and the rest is listed with SQL that makes the roles and them', async () => {
    await server.query('create database plain owner deployer')
    const restored = await restoreOf(desk, facts, server, 'plain', { selection, user: 'deployer' }).run()
    const left = /app_reader|App Writer|policy/
    const lines = (before as { x: string }[]).filter(({ x }) => !left.test(x) && !/^(?:id|note) |policy/.test(x))
    expect(await sql('plain', grants)).toEqual(lines)
    const todo = toDo(restored.findings)
    const all = todo.map(({ remedy }) => remedy ?? '').join('\n')
    expect(all.match(/create role "app_reader" nologin;/g)).toHaveLength(1)
    expect(all.match(/create role "App Writer" nologin;/g)).toHaveLength(1)
    expect(all).not.toMatch(/ TO (?:anon|authenticated)\b/)
    await sql('plain', `set role deployer; ${all}`)
    // Who runs that grants it: of another's grants only what they allow comes back by hand.
    const withoutGrantor = (rows: unknown) => (rows as { x: string }[]).map(({ x }) => x.replace(/\/.*$/, ''))
    expect(withoutGrantor(await sql('plain', grants))).toEqual(withoutGrantor(before))
    await server.query('drop database plain with (force)')
    await server.query('drop role app_reader; drop role "App Writer"')
  })

  test('do not hold a superuser up either', async () => {
    await server.query('create database admin')
    const restored = await restoreOf(desk, facts, server, 'admin', { selection }).run()
    expect(toDo(restored.findings).map(({ subject }) => subject)).toContain('grants on schema app')
  })
})
