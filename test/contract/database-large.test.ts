import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk, restoreAndCompare } from './database-capture-setup.ts'

/** The row of F24 has 5,000 tables, 200,000 large objects and a value of 1 GB: LARGE_SCALE=10 makes them, which takes minutes and some GB of memory. */
const scale = Number(process.env['LARGE_SCALE'] ?? 1)
const tables = 500 * scale
const largeObjects = 20_000 * scale
const valueBytes = 100e6 * scale

let desk: Desk
let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres({ major: 17, settings: { max_locks_per_transaction: 1024 } })
})
afterAll(() => server.stop('immediate'))
beforeEach(async () => {
  desk = await openDesk()
})
afterEach(() => desk.remove())

const make = async (database: string, ...statements: readonly string[]) => {
  await server.query(`create database ${database}`)
  for (const statement of statements) await server.query(statement, [], server.superuser, database)
}

/** The most that this process grew by while work went on, in bytes. */
async function growthDuring<T>(work: () => Promise<T>): Promise<{ readonly done: T; readonly most: number }> {
  const before = process.memoryUsage().rss
  let most = 0
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss - before)
  }, 20)
  try {
    return { done: await work(), most }
  } finally {
    clearInterval(watch)
  }
}

test(`F24: ${tables} tables come back, each with its count and hash`, { timeout: 600_000 }, async () => {
  await make(
    'many',
    `do $$ begin for n in 1..${tables} loop
       execute format('create table t%s (id int primary key, body text)', n);
       execute format('insert into t%s values (1, %L)', n, 'row of ' || n);
     end loop; end $$`
  )
  const { facts, counts } = await capture(desk, server, 'many')
  expect({ tables: facts.tables.length, rows: counts.rows }).toEqual({ tables, rows: tables })
  expect(facts.tables.filter((table) => table.hash === null)).toEqual([])
  expect(new Set(facts.tables.map((table) => table.hash)).size).toBe(tables)
  expect(await restoreAndCompare(desk, server, facts)).toEqual([])
})

test(`F24: ${largeObjects} large objects come back`, { timeout: 600_000 }, async () => {
  await make(
    'lobs',
    `select count(lo_from_bytea(g, convert_to('object ' || g, 'UTF8'))) from generate_series(100000, ${99_999 + largeObjects}) g`
  )
  const { done, most } = await growthDuring(() => capture(desk, server, 'lobs'))
  expect(done.facts.largeObjects.count).toBe(String(largeObjects))
  // What is held does not grow with them.
  expect(most).toBeLessThan(200e6)
  expect(await restoreAndCompare(desk, server, done.facts)).toEqual([])
})

test(`F24: a value of ${valueBytes / 1e6} MB comes back, and passes through in pieces`, {
  timeout: 600_000
}, async () => {
  await make(
    'wide',
    'create table wide (id int primary key, body text)',
    'alter table wide alter body set storage external',
    `insert into wide values (1, repeat('x', ${valueBytes}))`
  )
  const { done, most } = await growthDuring(() => capture(desk, server, 'wide'))
  expect(done.facts.tables.map(({ name, rows }) => [name, rows])).toEqual([['wide', '1']])
  expect(most).toBeLessThan(valueBytes)
  expect(await restoreAndCompare(desk, server, done.facts)).toEqual([])
})

test.each([
  ['of line breaks, which are two characters each', 'text', "repeat(E'\\n', 600000000)"],
  [
    'of bytes, which are two characters each',
    'bytea',
    "a || a from (select decode(repeat('ab', 300000000), 'hex') a) half"
  ]
])(
  'F24: a row beyond the 1 GB that PostgreSQL can send, %s, is refused by name',
  { timeout: 600_000 },
  async (_, type, value) => {
    await make(
      `beyond_${type}`,
      `create table wide (id int primary key, body ${type})`,
      `insert into wide select 1, ${value}`
    )
    const error = await capture(desk, server, `beyond_${type}`).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'SB216', message: expect.stringContaining('wide'), mayPass: false })
  }
)
