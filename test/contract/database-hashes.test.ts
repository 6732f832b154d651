import { afterAll, beforeAll, expect, test } from 'vitest'
import { columnForm } from '../../src/sources/database/catalog/column-form.ts'
import { hashStatement, sumLargeObjects } from '../../src/sources/database/dump/hashes.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { openConnection } from './database-capture-setup.ts'

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres({ major: 15 })
})
afterAll(async () => {
  await server.stop('immediate')
})

const pairs = 400
const table = { schema: 'public', name: 'people', columns: [columnForm('id', 'int4'), columnForm('email', 'text')] }

test('two rows that exchange a value have another hash, whichever rows and values', async () => {
  const client = await server.connect()
  await client.query(
    `create table people (id int, email text); insert into people select n, md5(n::text) || '@example.com' from generate_series(1, ${pairs * 2}) n`
  )
  const hashOf = async () => (await client.query(hashStatement(table, 'mixed'))).rows[0].hash
  const before = await hashOf()
  let unseen = 0
  for (let pair = 0; pair < pairs; pair += 1) {
    await client.query('begin')
    await client.query(
      `update people set email = (select email from people other where other.id = ${pair * 4 + 3} - people.id) where id in (${pair * 2 + 1}, ${pair * 2 + 2})`
    )
    if ((await hashOf()) === before) unseen += 1
    await client.query('rollback')
  }
  expect(unseen).toBe(0)
  // Another order of the same rows is no difference.
  await client.query(
    'create table again as select * from people order by email; truncate people; insert into people select * from again'
  )
  expect(await hashOf()).toBe(before)
  await client.end()
})

test('two large objects that exchange their content have another hash', async () => {
  const connection = await openConnection(server, 'postgres')
  const other = await server.connect()
  for (let pair = 0; pair < 40; pair += 1) {
    const write = (first: string, second: string) =>
      other.query(
        `select lo_unlink(oid) from pg_largeobject_metadata; select lo_from_bytea(${pair * 2 + 1000}, '${first}'::bytea), lo_from_bytea(${pair * 2 + 1001}, '${second}'::bytea)`
      )
    await write(`one ${pair}`, `two ${pair}`)
    const before = await sumLargeObjects(connection)
    expect(before).toMatchObject({ count: '2', method: 'mixed' })
    await write(`two ${pair}`, `one ${pair}`)
    expect((await sumLargeObjects(connection)).hash).not.toBe(before.hash)
  }
  await other.end()
  await connection.close()
})
