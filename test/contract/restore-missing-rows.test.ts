import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts
const sql = async (database: string, text: string) => (await server.query(text, [], undefined, database)).rows

beforeAll(async () => {
  server = await startPostgres({ major: 17 })
  await server.query('create database source')
  await sql(
    'source',
    `create schema app; create table app.bookings (place int, at text); insert into app.bookings select g, 'at ' || g from generate_series(1, 7) g;
     create table app.empty_log (note text);
     create table app.people (id int, part text, email text, secret text, primary key (id, part), constraint people_email unique (email));
     insert into app.people select g, 'it''s ' || repeat('x', 60), 'p' || g || '@example.com', 'secret ' || g from generate_series(1, 9) g;
     create table app.pets (id bigint primary key, tag text unique); insert into app.pets values (4, 'a'), (5, 'b');
     create table app.mails (address text not null unique, nick text unique); insert into app.mails values ('who@example.com', 'who')`
  )
  desk = await openDesk()
  facts = (await capture(desk, server, 'source')).facts
})
afterAll(async () => {
  await desk?.remove()
  await server?.stop()
})

async function missingRows(database: string, change: string) {
  await server.query(`drop database if exists ${database} with (force)`)
  await server.query(`create database ${database} template source`)
  await sql(database, change)
  const restored = await restoreOf(desk, facts, server, database, { mode: 'missing-rows' }).run()
  const details = restored.findings
    .filter(({ kind }) => kind === 'todo')
    .map(({ subject, detail }) => ({ subject, detail }))
  return { ...restored, details }
}

test('a table without a key that lacks nothing is not told of', async () => {
  const restored = await missingRows('whole', 'select 1')
  expect({ left: restored.left, details: restored.details, rows: restored.rows }).toEqual({
    left: [],
    details: [],
    rows: 0
  })
})

test('a table without a key that is not as it was is told with what both hold', async () => {
  const fewer = await missingRows('fewer', 'delete from app.bookings where place > 4')
  expect(fewer.left).toEqual(['app.bookings'])
  expect(fewer.details).toEqual([
    {
      subject: 'table app.bookings',
      detail: expect.stringContaining('(the backup holds 7 rows of it, the target: 4)')
    }
  ])
  const other = await missingRows('other', `update app.bookings set at = 'never' where place = 1`)
  expect(other.left).toEqual(['app.bookings'])
  expect(other.details[0]?.detail).toContain('(the backup holds 7 rows of it, the target: as many, and not the same)')
  const columns = await missingRows('columns', 'alter table app.bookings rename at to moment')
  expect(columns.left).toEqual(['app.bookings'])
})

test('a table without a key that may not be read is told', async () => {
  await server.query('create role clerk login; grant set on parameter session_replication_role to clerk')
  await server.query('create database unread template source')
  await sql(
    'unread',
    'grant create on database unread to clerk; grant usage on schema app to clerk; grant insert on app.bookings to clerk; alter table app.pets owner to clerk'
  )
  const tables = ['app.bookings', 'app.pets']
  const selection = { schemas: [], excludeSchemas: [], tables, excludeTables: [], excludeTableData: [] }
  const options = { mode: 'missing-rows', user: 'clerk', selection } as const
  const restored = await restoreOf(desk, facts, server, 'unread', options).run()
  expect(restored.left).toEqual(['app.bookings'])
  expect(restored.findings[0]?.detail).toContain('(the backup holds 7 rows of it, the target: may not be read)')
})

test('rows that another unique key keeps out are named by their primary keys and that key alone', async () => {
  const { left, details } = await missingRows(
    'taken',
    `update app.people set id = id + 100; update app.pets set id = 50 where id = 5; update app.mails set address = 'me@example.com'`
  )
  expect(left).toEqual([])
  const of = (table: string) => details.find(({ subject }) => subject === `table app.${table}`)?.detail
  expect(of('pets')).toBe('1 missing rows were not inserted: taken is pets_tag_key; id: 5')
  const part = `'it''s ${'x'.repeat(35)}...'`
  expect(of('people')).toBe(
    `9 missing rows were not inserted: taken is people_email; id, part: ${[1, 2, 3, 4, 5].map((id) => `(${id}, ${part})`).join(', ')}, the first of them`
  )
  // Its key is no primary one: what it holds is nobody's affair.
  expect(of('mails')).toBe('1 missing rows were not inserted: taken is mails_nick_key')
})
