import { rename } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { type StandInExtension, standInExtension } from '../kit/postgres/stand-in-extension.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { prove } from './proof-setup.ts'

const major = 17
let server: PostgresServer
let queues: StandInExtension
let desk: Desk
let facts: DatabaseFacts

const sql = async (text: string) =>
  (await server.query(text.replaceAll('@', queues.name), [], undefined, 'source')).rows

beforeAll(async () => {
  server = await startPostgres({ major })
  queues = await standInExtension(
    major,
    `create table @.meta (queue text primary key); create function @.shout(t text) returns text language sql immutable as 'select upper(t)';`
  )
  await server.query('create role worker')
  await server.query('create database source')
  await sql(
    `create extension @; create table @.q_orders (msg_id bigint generated always as identity primary key, message jsonb); alter extension @ add table @.q_orders;
     insert into @.q_orders (message) select '{}' from generate_series(1, 9); insert into @.meta values ('orders');
     grant select on @.q_orders to worker; alter table @.q_orders enable row level security; create policy mine on @.q_orders to worker using (true);
     create or replace function @.shout(t text) returns text language sql immutable security definer as 'select upper(t) || ''!''';
     create view public.waiting as select count(*) from @.q_orders; create table public.work (id int primary key, message bigint references @.q_orders); insert into public.work values (1, 3);
     create extension hstore; create function public.helper() returns int language sql as 'select 7'; alter extension hstore add function public.helper()`
  )
  desk = await openDesk()
  facts = (await capture(desk, server, 'source')).facts
})
afterAll(async () => {
  await desk?.remove()
  await queues?.remove()
  await server?.stop()
})

describe('tables that belong to an extension', () => {
  test('are restored into the copy with their rows and compared, and what refers to them comes back as well', async () => {
    const proof = await prove(desk, facts, major)
    expect(proof.findings).toEqual([])
    expect(proof).toMatchObject({ verdict: 'proven', level: 'restore' })
  })

  test('whose rows are others than those that were hashed are a difference', async () => {
    const members = {
      ...(facts.members ?? { objects: [], sequences: [] }),
      tables:
        facts.members?.tables.map((table) =>
          table.name === 'q_orders' && table.hash !== null ? { ...table, hash: { ...table.hash, value: '1' } } : table
        ) ?? []
    }
    const proof = await prove(desk, { ...facts, members }, major)
    expect(proof.findings).toEqual([
      { kind: 'difference', subject: `table ${queues.name}.q_orders`, detail: 'its content differs' }
    ])
    expect(proof.verdict).toBe('unproven')
  })

  test('are a difference where the file with their rows is not there, read or restored', async () => {
    const file = path.join(desk.folder, 'extension-rows.tar')
    await rename(file, `${file}.away`)
    try {
      const read = await prove(desk, facts, major, { mode: 'read' })
      expect(read.findings.map(({ kind, detail }) => `${kind}: ${detail}`)).toEqual([
        'difference: the backup holds 0 of its 1 rows',
        'difference: the backup holds 0 of its 9 rows'
      ])
      const restored = await prove(desk, facts, major)
      expect(restored.findings.filter(({ kind }) => kind === 'difference').map(({ subject }) => subject)).toEqual(
        expect.arrayContaining([`table ${queues.name}.q_orders`, `table ${queues.name}.meta`])
      )
    } finally {
      await rename(`${file}.away`, file)
    }
    expect((await prove(desk, facts, major, { mode: 'read' })).verdict).toBe('proven')
  })

  test('are not proven, by name, where the proving server lacks the extension', async () => {
    await queues.remove()
    const proof = await prove(desk, facts, major)
    expect(proof.findings.filter(({ kind }) => kind === 'difference')).toEqual([])
    expect(proof.verdict).toBe('proven')
    const named = proof.findings.map(({ subject }) => subject)
    for (const name of ['q_orders', 'meta']) expect(named).toContain(`table ${queues.name}.${name}`)
  })
})
