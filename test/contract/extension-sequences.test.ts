import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { type StandInExtension, standInExtension } from '../kit/postgres/stand-in-extension.ts'
import { capture, damageAndCompare, openDesk, restore } from './database-capture-setup.ts'
import { prove } from './proof-setup.ts'
import { restoreOf } from './restore-setup.ts'

const major = 17
let server: PostgresServer
let jobs: StandInExtension

beforeAll(async () => {
  server = await startPostgres({ major })
  jobs = await standInExtension(
    major,
    `create sequence @.numbers; create table @.job (id bigint primary key default nextval('@.numbers'), what text);
     select pg_catalog.pg_extension_config_dump('@.job', ''); select pg_catalog.pg_extension_config_dump('@.numbers', '');`
  )
})
afterAll(async () => {
  await jobs?.remove()
  await server?.stop()
})

const sql = async (database: string, text: string) => (await server.query(text, [], undefined, database)).rows

async function made(database: string, text: string): Promise<void> {
  await server.query(`drop database if exists ${database} with (force)`)
  await server.query(`create database ${database}`)
  await sql(database, text)
}

test.for([
  ['an identity column', 'id bigint generated always as identity primary key'],
  ['a serial column', 'id bigserial primary key']
] as const)(
  'sequence of %s of a table that was put into an extension: the backup is made, proven and comes back',
  async ([, column]) => {
    await made(
      'queues',
      `create extension hstore; create table q (${column}, body jsonb); insert into q (body) select '{}' from generate_series(1, 5); alter extension hstore add table q;
     create table mine (id serial primary key)`
    )
    const desk = await openDesk()
    try {
      const { facts } = await capture(desk, server, 'queues')
      const proof = await prove(desk, facts, major)
      expect(proof.findings.filter(({ kind }) => kind === 'difference')).toEqual([])
      expect(proof.level).toBe('restore')
      const read = await prove(desk, facts, major, { mode: 'read' })
      expect(read.level).toBe('read')
      await made('back', 'select 1')
      await restoreOf(desk, facts, server, 'back').run()
    } finally {
      await desk.remove()
    }
  }
)

test('a sequence that an extension declares as its configuration comes back with its state, and is compared', async () => {
  const fill = `create extension ${jobs.name}; insert into ${jobs.name}.job (what) select 'it' from generate_series(1, 7)`
  await made('jobs', fill)
  const desk = await openDesk()
  try {
    const { facts } = await capture(desk, server, 'jobs')
    expect(facts.sequences).toEqual([
      expect.objectContaining({ name: 'numbers', extension: jobs.name, after: { value: '7', called: true } })
    ])
    expect((await prove(desk, facts, major)).level).toBe('restore')
    await restore(desk, server, 'copied')
    const findings = await damageAndCompare(server, facts, 'copied', `select setval('${jobs.name}.numbers', 2)`)
    expect(findings.map(({ kind, subject }) => `${kind} ${subject}`)).toEqual([
      `difference sequence ${jobs.name}.numbers`
    ])

    await made('into_new', 'select 1')
    await restoreOf(desk, facts, server, 'into_new').run()
    expect(await sql('into_new', `insert into ${jobs.name}.job (what) values ('next') returning id`)).toEqual([
      { id: '8' }
    ])
    // What the target has counted further already, it goes on counting from there.
    await made('has_more', `create extension ${jobs.name}; select setval('${jobs.name}.numbers', 50)`)
    await restoreOf(desk, facts, server, 'has_more').run()
    expect(await sql('has_more', `select nextval('${jobs.name}.numbers')`)).toEqual([{ nextval: '51' }])
    await made('has_less', `create extension ${jobs.name}; select setval('${jobs.name}.numbers', 3)`)
    await restoreOf(desk, facts, server, 'has_less').run()
    expect(await sql('has_less', `select nextval('${jobs.name}.numbers')`)).toEqual([{ nextval: '8' }])
  } finally {
    await desk.remove()
  }
})
