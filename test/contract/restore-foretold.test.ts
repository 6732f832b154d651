import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { DatabaseRestore, DatabaseRestoreOptions } from '../../src/sources/database/restore/restore-database.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

/** What a dry run says of a target that changed since, and what comes of the restore itself. */
let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts
const sql = async (database: string, text: string) => (await server.query(text, [], undefined, database)).rows

beforeAll(async () => {
  server = await startPostgres({ major: 17 })
  await server.query('create database source')
  await sql(
    'source',
    `create table parent (id int primary key, note text); insert into parent values (1, 'one'), (2, 'two');
     create table child (id int primary key, parent int references parent, word text not null); insert into child values (1, 1, 'a'), (2, 2, 'b');
     create table bare (id int); insert into bare values (1); create table hollow (id int primary key); create index parent_note on parent (note)`
  )
  desk = await openDesk()
  facts = (await capture(desk, server, 'source')).facts
})
afterAll(async () => {
  await desk?.remove()
  await server?.stop()
})

async function restore(
  change: string,
  tables: string[],
  options: Partial<DatabaseRestoreOptions>
): Promise<DatabaseRestore> {
  const name = `changed_${count}`
  count += 1
  await server.query(`create database ${name} template source`)
  await sql(name, change)
  const selection = { schemas: [], excludeSchemas: [], tables, excludeTables: [], excludeTableData: [] }
  return restoreOf(desk, facts, server, name, { mode: 'replace', selection, ...options })
}
let count = 0

describe('a dry run foretells that a replacement is refused', () => {
  const added = 'alter table parent add column more int default 1'
  test.each([
    [
      'a view on a column that came since',
      `${added}; create view v as select more from parent`,
      'view public: v uses the column more of'
    ],
    [
      'a materialized view on one',
      `${added}; create materialized view m as select more from parent`,
      'materialized view public: m uses'
    ],
    [
      'a function on one',
      `${added}; create function f() returns int language sql begin atomic; select max(more) from parent; end`,
      'function public: f() uses'
    ],
    [
      'a policy on one',
      `${added}; create table t (id int); create policy p on t using (exists (select from parent where more = 1))`,
      'policy public: t p uses'
    ],
    [
      'a key to one',
      `${added}; alter table parent add unique (more, id); create table t (a int, b int, foreign key (a, b) references parent (more, id))`,
      'fk constraint public: t t_a_b_fkey uses'
    ],
    [
      'a row that refers to one that came since',
      `insert into parent values (3, 'x'); insert into child values (3, 3, 'c')`,
      'The foreign key child_parent_fkey of public.child: 1 of its rows refer'
    ],
    [
      'the index of a table that was renamed',
      'drop table child; alter table parent rename to parent_old',
      'alter index "public"."parent_note" rename to'
    ]
  ])('%s', async (_, change, words) => {
    const restoring = await restore(change, ['public.parent'], {})
    const { refused, comparison } = await restoring.preview(true)
    expect(refused.join(' ')).toContain(words)
    expect(comparison).toHaveLength(1)
    await expect(restoring.run()).rejects.toMatchObject({ code: 'SB708' })
  })

  test('rows that refer to one that the backup has none of', async () => {
    const change = 'insert into hollow values (7); create table t (id int references hollow); insert into t values (7)'
    const restoring = await restore(change, ['public.hollow'], {})
    expect((await restoring.preview(true)).refused).toEqual([
      'The foreign key t_id_fkey of public.t: 1 of its rows refer to rows of public.hollow that the backup does not have.'
    ])
    await expect(restoring.run()).rejects.toMatchObject({ code: 'SB708' })
  })

  test('and nothing where all of it can be given back', async () => {
    const change = `insert into parent values (3, 'x'); ${added}; create view v as select note from parent; create table t (id int references parent); insert into t values (2)`
    const restoring = await restore(change, ['public.parent'], {})
    expect((await restoring.preview(true)).refused).toEqual([])
    await restoring.run()
  })
})

describe('a dry run foretells what becomes of rows for tables that stay', () => {
  const missing = { mode: 'missing-rows' } as const
  const data = { type: 'data' } as const

  test.each([
    ['missing rows', 'delete from child; delete from parent', missing],
    [
      'missing rows of a table that has some',
      'delete from child where id = 1; delete from parent where id = 1',
      missing
    ],
    ['rows alone', 'delete from child; delete from parent', data]
  ])('%s that would refer to nothing', async (_, change, options) => {
    const restoring = await restore(change, ['public.child'], options)
    const { refused } = await restoring.preview(true)
    expect(refused.join(' ')).toMatch(
      /The foreign key child_parent_fkey of public\.child: [12] rows of the backup refer to rows of public\.parent/
    )
    await expect(restoring.run()).rejects.toMatchObject({ code: 'SB709' })
    const both = await restore(change, ['public.child', 'public.parent'], options)
    expect((await both.preview(true)).refused).toEqual([])
    await both.run()
  })

  test('none of a table without a key', async () => {
    const restoring = await restore('delete from bare', ['public.bare'], missing)
    const { findings } = await restoring.preview(true)
    expect(findings).toMatchObject([{ kind: 'todo', subject: 'table public.bare' }])
    expect((await restoring.run()).left).toEqual(['public.bare'])
    const equal = await restore('', ['public.bare'], missing)
    expect((await equal.preview(true)).findings).toEqual([])
  })

  test.each([
    ['is gone', 'alter table child drop column word', 'lacks columns of the backup: word', missing],
    ['is gone', 'alter table child drop column word', 'lacks columns of the backup: word', data],
    [
      'is generated now',
      `alter table child drop column word; alter table child add word text generated always as ('x') stored`,
      'lacks columns of the backup: word',
      data
    ],
    [
      'came and must have a value',
      'delete from child; alter table child add more int not null',
      'the backup has none: more',
      data
    ]
  ])('a column %s: nothing is begun', async (_, change, words, options) => {
    const restoring = await restore(change, ['public.child'], options)
    const refusal = {
      code: 'SB710',
      message: expect.stringContaining(words),
      remedy: expect.stringContaining('side-schema')
    }
    await expect(restoring.preview(true)).rejects.toMatchObject(refusal)
    await expect(restoring.run()).rejects.toMatchObject(refusal)
  })

  test('a column came that must have a value: of missing rows only where there are some', async () => {
    const change = 'alter table child add more int not null default 1; alter table child alter more drop default'
    const none = await restore(change, ['public.child'], missing)
    expect((await none.preview(true)).refused).toEqual([])
    await none.run()
    const some = await restore(`${change}; delete from child where id = 1`, ['public.child'], missing)
    await expect(some.preview(true)).rejects.toMatchObject({ code: 'SB710' })
    await expect(some.run()).rejects.toMatchObject({ code: 'SB708' })
  })
})
