import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { DatabaseRestore } from '../../src/sources/database/restore/restore-database.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

/** `restore-mode: replace` where partitions are referred to through their parents. */
describe.each([15, 18] as const)('foreign keys to partitioned tables, PostgreSQL %s', (major) => {
  let server: PostgresServer
  let desk: Desk
  let facts: DatabaseFacts
  const sql = async (database: string, text: string) => (await server.query(text, [], server.superuser, database)).rows

  beforeAll(async () => {
    server = await startPostgres({ major })
    await server.query('create database source')
    await sql(
      'source',
      `create schema app;
       create table app.orders (day date, id int, note text, primary key (day, id)) partition by range (day);
       create table app.orders_1 partition of app.orders for values from ('2026-01-01') to ('2026-02-01');
       create table app.orders_2 partition of app.orders for values from ('2026-02-01') to ('2026-03-01') partition by range (id);
       create table app.orders_2_low partition of app.orders_2 for values from (0) to (100);
       create table app.orders_2_high partition of app.orders_2 for values from (100) to (200);
       insert into app.orders values ('2026-01-05', 1, 'a'), ('2026-01-06', 2, 'b'), ('2026-02-05', 3, 'c'), ('2026-02-06', 150, 'd');
       create table app.lines (id int primary key, day date, order_id int, foreign key (day, order_id) references app.orders (day, id) on delete cascade);
       insert into app.lines values (1, '2026-01-05', 1), (2, '2026-02-05', 3), (3, '2026-02-06', 150);
       create table app.notes (id int, day date, order_id int, primary key (id, day), foreign key (day, order_id) references app.orders) partition by range (day);
       create table app.notes_1 partition of app.notes for values from ('2026-01-01') to ('2026-02-01');
       create table app.notes_2 partition of app.notes for values from ('2026-02-01') to ('2026-03-01');
       insert into app.notes values (1, '2026-01-06', 2), (2, '2026-02-05', 3);
       create table app.labels (id int primary key, day date, order_id int, foreign key (day, order_id) references app.orders_1);
       insert into app.labels values (1, '2026-01-06', 2);
       create table app.tree (id int, region int, parent int, primary key (id, region), foreign key (parent, region) references app.tree) partition by list (region);
       create table app.tree_1 partition of app.tree for values in (1); create table app.tree_2 partition of app.tree for values in (2);
       insert into app.tree values (1, 1, null), (2, 1, 1), (1, 2, null)`
    )
    desk = await openDesk()
    facts = (await capture(desk, server, 'source')).facts
  })
  afterAll(async () => {
    await desk?.remove()
    await server?.stop()
  })

  async function copy(name: string, change: string): Promise<void> {
    await server.query(`create database ${name} template source`)
    await sql(name, change)
  }
  const replacing = (database: string, ...tables: string[]): DatabaseRestore =>
    restoreOf(desk, facts, server, database, {
      mode: 'replace',
      selection: { schemas: [], excludeSchemas: [], tables, excludeTables: [], excludeTableData: [] }
    })
  const state = (name: string) =>
    sql(
      name,
      `select (select array_agg(concat_ws(' ', conrelid::regclass, case when conparentid = 0 then conname end, 'to', confrelid::regclass, confdeltype::text, convalidated::text, case when conparentid <> 0 then 'inherited' end) order by conrelid::regclass::text, confrelid::regclass::text, conparentid) from pg_constraint where contype = 'f') as keys,
       (select array_agg(inhrelid::regclass::text order by inhrelid::regclass::text) from pg_inherits) as partitions,
       (select array_agg(o::text order by o) from app.orders o) as orders, (select array_agg(l::text order by l) from app.lines l) as lines, (select array_agg(n::text order by n) from app.notes n) as notes, (select array_agg(n::text order by n) from app.labels n) as labels, (select array_agg(t::text order by t) from app.tree t) as tree`
    )

  const [labels, lines, notes] = ['labels', 'lines', 'notes'].map(
    (table) => `fk constraint app: ${table} ${table}_day_order_id_fkey`
  )
  const change = (table: string) => `update ${table} set note = 'changed'; insert into app.orders values `

  test.each([
    ['a partition', ['app.orders_1'], `${change('app.orders_1')} ('2026-01-30', 9, 'new')`, []],
    ['a partition that is gone', ['app.orders_1'], 'drop table app.orders_1 cascade', [labels, lines, notes]],
    ['a partition that has partitions', ['app.orders_2'], `${change('app.orders_2')} ('2026-02-27', 9, 'new')`, []],
    [
      'a partition of a partition',
      ['app.orders_2_high'],
      `${change('app.orders_2_high')} ('2026-02-27', 109, 'new')`,
      []
    ],
    [
      'a partition of a partition that is gone',
      ['app.orders_2_high'],
      'drop table app.orders_2_high cascade',
      [lines, notes]
    ],
    ['the partitioned table', ['app.orders'], `${change('app.orders')} ('2026-02-27', 109, 'new')`, []],
    ['the partitioned table that is gone', ['app.orders'], 'drop table app.orders cascade', [labels, lines, notes]],
    ['the table that refers', ['app.lines'], `delete from app.lines`, []],
    ['the partitioned table that refers', ['app.notes'], `delete from app.notes where id = 1`, []],
    ['a partition that refers', ['app.notes_1'], `delete from app.notes where id = 1`, []],
    [
      'what is referred to directly with what refers',
      ['app.orders_1', 'app.labels'],
      `delete from app.labels; ${change('app.orders_1')} ('2026-01-30', 9, 'new')`,
      []
    ],
    [
      'all',
      ['app.orders', 'app.lines', 'app.notes'],
      `${change('app.orders')} ('2026-01-30', 9, 'new'); delete from app.lines; delete from app.notes`,
      []
    ],
    ['a partition of a table that refers to itself', ['app.tree_1'], 'delete from app.tree where id = 2', []]
  ])('%s comes back, and all keys with it', async (what, tables, since, again) => {
    const name = `chosen_${what.replaceAll(/\W/g, '_')}`.slice(0, 60)
    await copy(name, since)
    expect(await state(name).catch(() => 'a table is gone')).not.toEqual(await state('source'))
    const restored = await replacing(name, ...tables).run()
    expect(await state(name)).toEqual(await state('source'))
    expect(restored.findings.map(({ subject }) => subject)).toEqual(again)
  })

  test('a key that came since is given back', async () => {
    await copy(
      'came_since',
      `create table app.since (day date, id int, foreign key (day, id) references app.orders); insert into app.since values ('2026-02-06', 150)`
    )
    const before = await state('came_since')
    const preview = await replacing('came_since', 'app.orders_2_high').preview(false)
    expect(preview.givenBack).toContain('fk constraint app: since since_day_id_fkey')
    await replacing('came_since', 'app.orders_2_high').run()
    expect(await state('came_since')).toEqual(before)
  })

  test.each([
    ['a partition', ['app.orders_1']],
    ['the partitioned table', ['app.orders']]
  ])(
    '%s does not come back under rows that refer to what the backup does not have, and everything is as it was',
    async (what, tables) => {
      const name = `referred_${what.replaceAll(/\W/g, '_')}`
      await copy(
        name,
        `insert into app.orders values ('2026-01-30', 9, 'new'); insert into app.lines values (9, '2026-01-30', 9)`
      )
      const before = await state(name)
      await expect(replacing(name, ...tables).run()).rejects.toMatchObject({
        code: 'SB708',
        message: expect.stringContaining('lines_day_order_id_fkey')
      })
      expect(await state(name)).toEqual(before)
    }
  )
})
