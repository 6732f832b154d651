import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StorageBucketFacts, StoredObject } from '../../src/archive/contents-storage.ts'
import type { Connection } from '../../src/clients/postgres/connection.ts'
import type { Finding } from '../../src/sources/source.ts'
import { restoreRows } from '../../src/sources/storage/restore-rows.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { openConnection } from './database-capture-setup.ts'

let server: PostgresServer
let connection: Connection
const id = (number: number) => `00000000-0000-0000-0000-${String(number).padStart(12, '0')}`
const bucket = { id: 'files', ownerId: null, createdAt: null, updatedAt: null } as unknown as StorageBucketFacts

beforeAll(async () => {
  server = await startPostgres({ major: 15 })
  await server.query('create database target')
  await server.query(
    `create schema storage; create table storage.buckets (id text primary key, owner_id text, created_at timestamptz, updated_at timestamptz);
     create table storage.objects (id uuid primary key default gen_random_uuid(), bucket_id text, name text, owner_id text, created_at timestamptz, updated_at timestamptz, last_accessed_at timestamptz);
     insert into storage.buckets values ('files')`,
    [],
    undefined,
    'target'
  )
  connection = await openConnection(server, 'target')
})
afterAll(async () => {
  await connection?.close()
  await server?.stop()
})

/** Sets the rows of three files, of which the target has given everyone to somebody, and renamed one that keeps its id. */
async function setRows(listedFrom: 'database' | 'api') {
  await connection.query(`truncate storage.objects; insert into storage.objects (id, bucket_id, name, owner_id) values
    ('${id(2)}', 'files', 'renamed', 'somebody'), ('${id(11)}', 'files', 'one', 'somebody'), ('${id(12)}', 'files', 'two', 'somebody'), ('${id(13)}', 'files', 'three', 'somebody')`)
  async function* objects() {
    for (const [number, key, ownerId] of [
      [1, 'one', null],
      [2, 'two', 'owner'],
      [3, 'three', 'owner']
    ] as const)
      yield {
        bucket: 'files',
        key,
        id: id(number),
        ownerId,
        createdAt: '2025-01-02T03:04:05Z'
      } as unknown as StoredObject
  }
  const findings: Finding[] = []
  await restoreRows(connection, [bucket], objects(), listedFrom, findings)
  const rows = await connection.query('select id::text as id, name, owner_id from storage.objects order by name')
  return { findings, rows }
}

test('an id that another file of the target has costs that file alone, and no owner is an owner too', async () => {
  const { findings, rows } = await setRows('database')
  expect(rows).toEqual([
    { id: id(1), name: 'one', owner_id: null },
    { id: id(2), name: 'renamed', owner_id: 'somebody' },
    { id: id(3), name: 'three', owner_id: 'owner' },
    { id: id(12), name: 'two', owner_id: 'somebody' }
  ])
  expect(findings).toEqual([
    {
      kind: 'difference',
      subject: 'Storage file files/two',
      detail: 'another file of the target has its id: its id, owner and times could not be set'
    }
  ])
})

test('a list that the API gave knows no owners: those of the target stay', async () => {
  const { rows } = await setRows('api')
  expect(rows[0]).toEqual({ id: id(1), name: 'one', owner_id: 'somebody' })
})
