import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts
const sql = async (database: string, text: string) => (await server.query(text, [], undefined, database)).rows
const ofTables = (...tables: string[]) => ({
  schemas: [],
  excludeSchemas: [],
  tables,
  excludeTables: [],
  excludeTableData: []
})

beforeAll(async () => {
  server = await startPostgres({ major: 15 })
  await server.query('create database shop')
  await sql(
    'shop',
    `create table public.orders (id int primary key); create table public.lines (id int primary key, order_id int references public.orders on delete cascade); create table public.nothing (id int primary key);
     insert into public.orders select generate_series(1, 20); insert into public.lines select g, 1 + g % 20 from generate_series(1, 60) g; create materialized view public.counted as select count(*) from public.orders;
     select lo_from_bytea(900001, 'first'::bytea); select lo_from_bytea(900002, 'second'::bytea)`
  )
  desk = await openDesk()
  facts = (await capture(desk, server, 'shop')).facts
})
afterAll(async () => {
  await desk?.remove()
  await server?.stop()
})

async function copied(name: string): Promise<void> {
  await server.query(`create database ${name} template shop`)
}
const objects = `select oid::int, convert_from(lo_get(oid), 'utf8') as holds from pg_largeobject_metadata order by 1`

describe('large objects, where rows alone come back', () => {
  test.each([
    ['missing-rows', {}],
    ['replace', { type: 'data' as const }]
  ] as const)('%s brings those that are gone, and leaves those that are there', async (mode, more) => {
    const name = `gone_${mode.replace('-', '_')}`
    await copied(name)
    await sql(
      name,
      `select lo_unlink(900002); select lo_put(900001, 0, 'other'::bytea); refresh materialized view counted with no data`
    )
    const restored = await restoreOf(desk, facts, server, name, { mode, ...more }).run()
    expect(restored.left).toEqual([])
    expect(await sql(name, objects)).toEqual([
      { oid: 900001, holds: 'other' },
      { oid: 900002, holds: 'second' }
    ])
    if (mode === 'replace') expect(await sql(name, 'select * from counted')).toEqual([{ count: '20' }])
  })

  test('side-schema says that they stay away', async () => {
    await copied('beside')
    const restored = await restoreOf(desk, facts, server, 'beside', { mode: 'side-schema' }).run()
    expect(restored.findings.map(({ subject }) => subject)).toContain('large objects')
  })
})

describe('tables that hang together', () => {
  test('one that refers to a chosen table and lacks rows, too, is named in the dry run and afterwards', async () => {
    await copied('cascaded')
    await sql('cascaded', 'delete from orders')
    const restore = restoreOf(desk, facts, server, 'cascaded', {
      mode: 'replace',
      selection: ofTables('public.orders')
    })
    const told = {
      kind: 'todo',
      subject: 'table public.lines',
      detail: 'it refers to orders and lacks rows, too: 0 in the target, 60 in the backup; it was not chosen',
      remedy: 'restore-mode: missing-rows, tables: public.lines'
    }
    const words = (findings: readonly { readonly subject: string; readonly detail: string }[]) =>
      findings
        .filter(({ subject }) => subject === told.subject)
        .map((one) => ({ ...one, detail: one.detail.replace('public.orders', 'orders') }))
    expect(words((await restore.preview(true)).findings)).toEqual([told])
    expect(words((await restore.run()).findings)).toEqual([told])
  })

  test('one that was asked for by its name and has no rows in the backup is not whole', async () => {
    await copied('asked')
    const selection = ofTables('public.nothing')
    expect((await restoreOf(desk, facts, server, 'asked', { mode: 'replace', selection }).run()).left).toEqual([
      'public.nothing'
    ])
    expect((await restoreOf(desk, facts, server, 'asked', { mode: 'missing-rows' }).run()).left).toEqual([])
  })
})
