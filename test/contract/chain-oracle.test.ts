import { afterAll, beforeAll, expect, test } from 'vitest'
import { capture, type Index } from '../../scripts/spike-incremental/capture.ts'
import { openIndex, sealIndex } from '../../scripts/spike-incremental/index-file.ts'
import { restoreChain } from '../../scripts/spike-incremental/restore.ts'
import { play, sessionSettings } from '../kit/chain-oracle.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres({ major: 15, settings: { autovacuum: 'off' } })
})
afterAll(() => server.stop())

test('a chain gives back what a whole dump of the same snapshot gives, in histories of all kinds', async () => {
  const client = await server.connect()
  await client.query('set client_min_messages = error')
  for (let seed = 1; seed <= 8; seed += 1) {
    const played = await play(client, seed)
    expect(played.misses).toEqual([])
    expect(played.states).toBeGreaterThan(2)
  }
  await client.end()
})

test('few rows are read for few changes; a lie about xids costs bytes and no row', async () => {
  const client = await server.connect()
  await client.query(`create schema few; set search_path = few; ${sessionSettings}`)
  await client.query('create table t as select g as id, repeat(md5(g::text), 3) as v from generate_series(1, 3000) g')
  const take = async (before: Index | null) => {
    await client.query('begin isolation level repeatable read read only')
    const captured = await capture(client, ['few'], before)
    await client.query('commit')
    return captured
  }
  const first = await take(null)
  expect(first.statistics.fetched).toBe(3000)
  expect((await take(first.index)).statistics).toMatchObject({ changed: 0, fetched: 0 })

  await client.query('delete from t where id = 1500')
  const second = await take(first.index)
  expect(second.statistics).toMatchObject({ changed: 1, fetched: 0, byPlace: 1 })
  await client.query("insert into t values (9001, 'new')")
  const third = await take(second.index)
  expect(third.statistics).toMatchObject({ changed: 1, fetched: 1 })

  await client.query("insert into t values (9002, 'newer')")
  const honest = await take(third.index)
  const fooled = await take({ ...third.index, nextXid: '3' })
  expect(fooled.statistics.fetched).toBeGreaterThan(honest.statistics.fetched)
  const rows = (last: typeof honest) =>
    [...(restoreChain([first, second, third, last]).values().next().value?.rows ?? [])].sort()
  expect(rows(fooled)).toEqual(rows(honest))
  expect(rows(honest)).toHaveLength(3001)
  await client.end()
})

test('an index opens with its password alone, whole', () => {
  const groups = new Map(
    [0, 1, 300, 70_000].map((key) => [key, { key, rows: 146, sum: -(2n ** 55n) + 5n, check: 0xfffffe }])
  )
  const index: Index = { nextXid: '7', tables: new Map([[16_402, { file: 16_402, form: 'f', groups }]]) }
  const sealed = sealIndex(index, 'right')
  expect(openIndex(sealed, 'right')).toEqual(index)
  expect(openIndex(sealed, 'wrong')).toBeNull()
  sealed[60] = (sealed[60] ?? 0) ^ 1
  expect(openIndex(sealed, 'right')).toBeNull()
})
