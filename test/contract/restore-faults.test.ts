import { createReadStream, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { UserError } from '../../src/errors.ts'
import { startMessageGate } from '../kit/crash/message-gate.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts

beforeAll(async () => {
  server = await startPostgres({ major: 15 })
  await server.query('create database source')
  await server.query(
    `create table public.notes (id int primary key, body text not null);
     insert into public.notes select g, repeat(md5(g::text), 10) from generate_series(1, 20000) g;
     create index on public.notes (body); create table public.child (note int references public.notes); insert into public.child select generate_series(1, 5000);
     create extension citext; create table public.tags (name citext primary key); insert into public.tags values ('a');
     select lo_from_bytea(900001, repeat('x', 100000)::bytea)`,
    [],
    undefined,
    'source'
  )
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

/** How many of the backup's objects and rows are there: 0, or all. */
async function stateOf(name: string): Promise<string> {
  const { rows } = await server.query(
    `select (select count(*) from pg_class where relnamespace = 'public'::regnamespace)::int as relations, (select count(*) from pg_largeobject_metadata)::int as objects,
       (select count(*) from pg_extension)::int as extensions`,
    [],
    undefined,
    name
  )
  if (rows[0].relations === 0) return `nothing ${rows[0].objects} ${rows[0].extensions}`
  const counts = await server.query(
    'select (select count(*) from notes)::int as notes, (select count(*) from child)::int as child',
    [],
    undefined,
    name
  )
  return JSON.stringify({ ...rows[0], ...counts.rows[0] })
}

async function failure(work: Promise<unknown>): Promise<UserError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  if (!(error instanceof UserError)) throw error ?? new Error('it did not fail')
  return error
}

describe('F68: a restore that is cut leaves the target as it was, or complete', () => {
  test('at 50 moments', { timeout: 300_000 }, async () => {
    await fresh('whole')
    const started = Date.now()
    await restoreOf(desk, facts, server, 'whole').run()
    const took = Date.now() - started
    const complete = await stateOf('whole')
    expect(complete).toContain('"notes":20000')
    await fresh('cut')
    const seen = new Set<string>()
    let completed = 0
    for (let moment = 0; moment < 50; moment += 1) {
      const running = restoreOf(desk, facts, server, 'cut').run()
      const settled = running.then(
        () => true,
        () => false
      )
      await Promise.race([settled, delay((took * (moment + 1)) / 48)])
      await server.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'cut' and application_name like 'supabase-backup%'`
      )
      if (await settled) completed += 1
      const state = await stateOf('cut')
      seen.add(state)
      if (state !== complete) expect(state).toBe('nothing 0 1')
      // What the run said is what is there.
      expect(await settled).toBe(state === complete)
      if (state === complete) await fresh('cut')
    }
    expect(seen.has('nothing 0 1')).toBe(true)
    expect(completed).toBeLessThan(50)
  })

  test('when the run is cancelled', async () => {
    await fresh('cancelled')
    const stop = new AbortController()
    // As soon as something was made: a time would be too late on one machine and too early on another.
    const progress = (message: () => string) => {
      if (message().includes('objects made')) stop.abort(new UserError('SB301', 'The run was cancelled.'))
    }
    const own = { ...desk.context, signal: stop.signal, log: { ...desk.context.log, progress } }
    const running = restoreOf(desk, facts, server, 'cancelled', { context: own }).run()
    expect((await failure(running)).code).toBe('SB301')
    expect(await stateOf('cancelled')).toBe('nothing 0 1')
  })
})

describe('F68: a run that is cancelled while the server ends the restore says what came of it', () => {
  test.each(['before', 'after'] as const)('%s the commit reaches the server', async (phase) => {
    await fresh('committing')
    const gate = await startMessageGate(server.port)
    const stop = new AbortController()
    try {
      let held = false
      gate.gate = (message) => {
        if (message.what !== 'commit' || message.phase !== phase || held) return 'go'
        held = true
        stop.abort(new UserError('SB301', 'The run was cancelled.'))
        return 'go'
      }
      const own = { ...desk.context, signal: stop.signal }
      const ended = await restoreOf(desk, facts, server, 'committing', { context: own, port: gate.port })
        .run()
        .then(
          () => 'restored',
          (error: unknown) => (error instanceof UserError ? error.code : String(error))
        )
      const state = await stateOf('committing')
      expect(held).toBe(true)
      expect([ended, state.startsWith('nothing')]).toEqual(ended === 'restored' ? [ended, false] : ['SB301', true])
      if (phase === 'after') expect(ended).toBe('restored')
    } finally {
      await gate.close()
    }
  })
})

describe('F68: a target that cannot take the backup is refused before anything is written', () => {
  test('not empty', async () => {
    await fresh('used')
    await server.query('create view public.v as select 1 as one', [], undefined, 'used')
    const error = await failure(restoreOf(desk, facts, server, 'used').run())
    expect(error.code).toBe('SB703')
    expect(error.message).toContain('the view public.v')
  })

  test('not empty, since an earlier start was killed after its end: that is told', async () => {
    await fresh('again')
    await restoreOf(desk, facts, server, 'again').run()
    const error = await failure(restoreOf(desk, facts, server, 'again').run())
    expect(error.code).toBe('SB703')
    expect(error.message).toContain('a restore of it came to its end')
    await server.query('delete from child where note = 7', [], undefined, 'again')
    expect((await failure(restoreOf(desk, facts, server, 'again').run())).message).not.toContain('came to its end')
  })

  test('older than the backup', async () => {
    await fresh('older')
    const newer = { ...facts, server: { version: '18.1', versionNumber: 180001 } }
    expect((await failure(restoreOf(desk, newer, server, 'older').preview(false))).code).toBe('SB704')
  })

  test('read-only', async () => {
    await fresh('closed')
    await server.query('alter database closed set default_transaction_read_only = on')
    expect((await failure(restoreOf(desk, facts, server, 'closed').run())).code).toBe('SB707')
  })

  test('a role that may not make anything', async () => {
    await fresh('forbidden')
    await server.query(`create role nobody_special login`)
    const error = await failure(
      restoreOf(desk, facts, server, 'forbidden', { user: 'nobody_special', errors: 'stop' }).run()
    )
    expect(error.code).toBe('SB708')
    expect(await stateOf('forbidden')).toBe('nothing 0 1')
  })

  test('a backup whose archive is not whole', async () => {
    await fresh('damaged')
    const dump = path.join(desk.folder, 'database.dump')
    const error = await failure(
      restoreOf(desk, facts, server, 'damaged', {
        files: { names: [], open: () => createReadStream(dump, { end: Math.trunc(statSync(dump).size * 0.7) }) }
      }).run()
    )
    expect(error.code).toBe('SB603')
    expect(await stateOf('damaged')).toBe('nothing 0 1')
  })

  test('a backup whose rows are not those that were counted', async () => {
    await fresh('wrong')
    const lied = {
      ...facts,
      tables: facts.tables.map((table) =>
        table.name === 'notes' && table.hash !== null ? { ...table, hash: { ...table.hash, value: '1' } } : table
      )
    }
    const error = await failure(restoreOf(desk, lied, server, 'wrong', { errors: 'stop' }).run())
    expect(error.code).toBe('SB709')
    expect(error.message).toContain('public.notes')
    expect(await stateOf('wrong')).toBe('nothing 0 1')
  })
})
