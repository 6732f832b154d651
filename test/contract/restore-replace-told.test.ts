import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { DatabaseRestore, DatabaseRestoreOptions } from '../../src/sources/database/restore/restore-database.ts'
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

const replacing = (
  database: string,
  options: Partial<DatabaseRestoreOptions> & { readonly user?: string } = {}
): DatabaseRestore => restoreOf(desk, facts, server, database, { mode: 'replace', user: 'postgres', ...options })

test('findings of a restore speak of the backup and the target, not of source and copy', async () => {
  await copy('words', `create publication since for table app.notes; comment on function app.f() is 'since'`)
  const { findings } = await replacing('words').run()
  expect(findings).toContainEqual(
    expect.objectContaining({ subject: 'publication since', detail: 'it is in the target, but not in the backup' })
  )
  expect(findings.filter(({ detail }) => /\b(?:copy|source)\b/.test(detail))).toEqual([])
})
