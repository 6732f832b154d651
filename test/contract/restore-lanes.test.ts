import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { UserError } from '../../src/errors.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts
const large = { largeFrom: 1, sessions: 3 } as const

beforeAll(async () => {
  server = await startPostgres({
    major: 15,
    settings: { log_statement: 'ddl', log_line_prefix: '%p ', log_lock_waits: 'on', deadlock_timeout: '5ms' }
  })
  await server.query('create role lane_user login')
  await server.query('create database source')
  const client = await server.connect(undefined, 'source')
  await client.query(`create table many (id int primary key, body text, at timestamptz, raw bytea);
    insert into many select n, repeat(md5(n::text) || E'\\t\\n\\\\.\\n', 12), now(), decode(md5(n::text), 'hex') from generate_series(1, 30000) n;
    create index many_at on many (at); create index many_half on many (id) where id > 10; create index many_length on many (length(body)); alter table many cluster on many_length;
    create table more (id int primary key, body text); insert into more select n, repeat(md5(n::text), 12) from generate_series(1, 25000) n;
    create index more_body on more (left(body, 40)); alter table more add constraint more_both unique (id, body);
    create table wide (id int, body text); insert into wide select n, repeat(md5(n::text), 40000) from generate_series(1, 6) n;
    create table words (word text); insert into words values (''), (E'\\\\.'), (E'\\n'), (null), ('\\N'), ('x');
    create table nothing (id int); create table bare (); insert into bare default values; insert into bare default values;
    select lo_from_bytea(900001, repeat('x', 300000)::bytea);
    create function refuse() returns trigger language plpgsql as 'begin raise exception ''refused''; end';`)
  for (let number = 0; number < 40; number += 1)
    await client.query(`create table small_${number} (id int primary key, before int references many (id));
      insert into small_${number} select n, n from generate_series(1, ${number}) n`)
  await client.end()
  desk = await openDesk()
  facts = (await capture(desk, server, 'source')).facts
})
afterAll(async () => {
  await desk?.remove()
  await server?.stop()
})

async function fresh(name: string): Promise<void> {
  await server.query(`drop database if exists ${name} with (force)`)
  await server.query(`create database ${name}`)
}

async function relations(name: string): Promise<number> {
  const { rows } = await server.query(
    `select count(*)::int as count from pg_class where oid >= 16384 and relnamespace <> 'pg_toast'::regnamespace`,
    [],
    undefined,
    name
  )
  return rows[0].count
}

async function failure(work: Promise<unknown>): Promise<UserError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  if (!(error instanceof UserError)) throw error ?? new Error('it did not fail')
  return error
}

/** Sessions of the restore that are copying rows, as soon as there are so many. */
async function copying(name: string, count: number): Promise<number[]> {
  for (;;) {
    const { rows } = await server.query(
      `select pid from pg_stat_activity where datname = $1 and state = 'active' and query like 'COPY %' order by pid`,
      [name]
    )
    if (rows.length >= count) return rows.map((row: { pid: number }) => row.pid)
    await delay(1)
  }
}

/** Names of the indexes and keys that were made in `database` since a moment, by the process that made them, as the server's log tells. */
function builtSince(from: number): {
  readonly byProcess: ReadonlyMap<string, readonly string[]>
  readonly text: string
} {
  const text = server.log().slice(from)
  const found = new Map<string, string[]>()
  let pid = ''
  for (const line of text.split('\n')) {
    pid = /^(\d+) [A-Z]+: /.exec(line)?.[1] ?? pid
    const name = /(?:CREATE (?:UNIQUE )?INDEX|ADD CONSTRAINT) (many_\w+|more_\w+)/.exec(line)?.[1]
    if (name !== undefined) found.set(pid, [...(found.get(pid) ?? []), name])
  }
  return { byProcess: found, text }
}

describe('a large backup', () => {
  test('is restored by several sessions that share the rows of one table, and is whole at the end', async () => {
    await fresh('shared')
    expect((await restoreOf(desk, facts, server, 'shared', large).preview(false)).inStages).toBe('size')
    const seen = copying('shared', 2)
    const restored = await restoreOf(desk, facts, server, 'shared', large).run()
    expect((await seen).length).toBeGreaterThanOrEqual(2)
    expect(restored.findings.filter(({ kind }) => kind !== 'note')).toEqual([])
    expect(restored.left).toEqual([])
    expect(restored.tables.find(({ table }) => table === 'public.many')?.rows).toBe(30000)
    expect(restored.tables.find(({ table }) => table === 'public.words')?.rows).toBe(6)
    expect(restored.tables.find(({ table }) => table === 'public.bare')?.rows).toBe(2)
    expect(restored.rows).toBe(30000 + 25000 + 6 + 6 + 2 + (39 * 40) / 2)
  })

  test('has its indexes built by these sessions, of which none waits for another', async () => {
    await fresh('indexed')
    const from = server.log().length
    const restored = await restoreOf(desk, facts, server, 'indexed', large).run()
    expect(restored.findings.filter(({ kind }) => kind !== 'note')).toEqual([])
    const { byProcess, text } = builtSince(from)
    expect([...byProcess.values()].flat().toSorted()).toEqual(
      ['many_at', 'many_half', 'many_length', 'many_pkey', 'more_body', 'more_both', 'more_pkey'].toSorted()
    )
    expect(byProcess.size).toBeGreaterThanOrEqual(2)
    // Sessions that copy into one table wait for its end in turns; for a table itself none waits.
    expect(text.match(/still waiting for \w+ on relation.*/g)).toBeNull()
  })

  test('with a key that its rows do not keep is told by that key, and leaves the target as it was', async () => {
    await fresh('doubled')
    const dump = await readFile(path.join(desk.folder, 'database.dump'))
    dump.write('20001\t', dump.indexOf('20000\t'), 'latin1')
    const files = { names: ['database.dump'], open: () => Readable.from([dump]) }
    const error = await failure(restoreOf(desk, facts, server, 'doubled', { ...large, files, errors: 'stop' }).run())
    expect(error.code).toBe('SB708')
    expect(error.message).toMatch(/many_pkey.*could not create unique index/)
    expect(await relations('doubled')).toBe(0)
  })

  test('comes in one transaction where one session is asked for, or where the backup is not large', async () => {
    await fresh('single')
    const one = restoreOf(desk, facts, server, 'single', { largeFrom: 1, sessions: 1 })
    expect((await one.preview(false)).inStages).toBeNull()
    expect((await restoreOf(desk, facts, server, 'single', { sessions: 3 }).preview(false)).inStages).toBeNull()
  })

  test('comes over the one session that the target gives', async () => {
    await fresh('scarce')
    await server.query('alter database scarce owner to lane_user')
    await server.query('alter role lane_user superuser')
    // The second one may look at the target; the others are refused.
    await server.query('alter database scarce connection limit 1')
    await server.query('alter role lane_user nosuperuser')
    const restored = await restoreOf(desk, facts, server, 'scarce', { ...large, user: 'lane_user' }).run()
    expect(restored.rows).toBe(30000 + 25000 + 6 + 6 + 2 + (39 * 40) / 2)
  })

  test('leaves the target as it was when one of the sessions is ended', async () => {
    await fresh('ended')
    const running = restoreOf(desk, facts, server, 'ended', large).run()
    const [pid] = await Promise.race([copying('ended', 2), running.then(() => [])])
    await server.query('select pg_terminate_backend($1)', [pid])
    const error = await failure(running)
    expect(['SB708', 'SB120']).toContain(error.code)
    expect(await relations('ended')).toBe(0)
  })

  test('names the table whose rows the target refused, and leaves it as it was', async () => {
    await fresh('refused')
    const dump = await readFile(path.join(desk.folder, 'database.dump'))
    const at = dump.indexOf('20000\t')
    dump.write('2x000\t', at, 'latin1')
    const files = { names: ['database.dump'], open: () => Readable.from([dump]) }
    const error = await failure(restoreOf(desk, facts, server, 'refused', { ...large, files, errors: 'stop' }).run())
    expect(error.code).toBe('SB708')
    // The value that was refused is a row's: it is not told.
    expect(error.message).toMatch(/rows of public\.many .*22P02/)
    expect(error.message).not.toContain('2x000')
    expect(await relations('refused')).toBe(0)
  })

  test('whose rows are not those of the source leaves the target as it was', async () => {
    await fresh('damaged')
    const other = {
      ...facts,
      tables: facts.tables.map((table) => (table.name === 'words' ? { ...table, rows: '7' } : table))
    }
    const error = await failure(restoreOf(desk, other, server, 'damaged', { ...large, errors: 'stop' }).run())
    expect(error.code).toBe('SB709')
    expect(error.message).toContain('public.words')
    expect(await relations('damaged')).toBe(0)
  })
})
