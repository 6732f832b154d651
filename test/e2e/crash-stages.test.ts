import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { choosePoints, crashAtMessage } from '../kit/crash/crash-run.ts'
import { type MessageGate, quiet, startMessageGate } from '../kit/crash/message-gate.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { crashPatience, crashSeed, endedAt, note } from './crash-desk.ts'
import { contentOf } from './restore-setup.ts'

let server: PostgresServer
let gate: MessageGate
let root: string
let temp: string

/** A server on which the tables of the source do not fit into one transaction. */
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-stages-'))
  temp = await mkdtemp(join(root, 'temp-'))
  server = await startPostgres({ major: 17, settings: { max_locks_per_transaction: 10, max_connections: 20 } })
  gate = await startMessageGate(server.port)
  await server.query('create database source')
  const client = await server.connect(undefined, 'source')
  for (let number = 0; number < 60; number += 1)
    await client.query(
      `create table t${number} (id int primary key, body text); insert into t${number} select g, md5(g::text) from generate_series(1, 20) g; create index on t${number} (body)`
    )
  await client.end()
})
afterAll(async () => {
  await gate.close()
  await server.stop()
  await rm(root, { recursive: true, force: true })
})

const sessions = async () =>
  Number((await server.query("select count(*) from pg_stat_activity where datname = 'target'")).rows[0].count)
const anew = async () => {
  await quiet(sessions)
  await server.query('drop database if exists target')
  await server.query('create database target')
}
/** Nothing of the backup, all of it, or a part of it under the mark that the next start looks for. */
const stateOf = async (): Promise<'nothing' | 'whole' | 'a part' | 'a part without a mark'> => {
  await quiet(sessions)
  const { rows } = await server.query(
    `select to_regclass('supabase_backup_unfinished.restore') is not null as marked,
       (select count(*) from pg_class where relnamespace = 'public'::regnamespace) as objects`,
    [],
    undefined,
    'target'
  )
  const { marked, objects } = rows[0]
  if (marked) return 'a part'
  if (Number(objects) === 0) return 'nothing'
  const same =
    JSON.stringify([...(await contentOf(server, 'target'))]) ===
    JSON.stringify([...(await contentOf(server, 'source'))])
  return same && Number(objects) === 180 ? 'whole' : 'a part without a mark'
}

test('F37, F68: a restore in several transactions that is ended anywhere leaves nothing, all, or a mark by which the next start takes it back', {
  timeout: crashPatience
}, async () => {
  const shared = {
    destinations: 'folder',
    folder: join(root, 'place'),
    passphrase: 'correct horse battery staple',
    'pg-bin': server.binDir
  }
  const run = (inputs: Readonly<Record<string, string>>, crash?: ReturnType<typeof choosePoints>[number]) =>
    crashAtMessage(gate, {
      inputs: { ...shared, ...inputs },
      env: {},
      temp,
      ...(crash === undefined ? {} : { crash })
    })
  const made = await run({ 'database-url': server.url(undefined, 'source'), project: 'many', verify: 'read' })
  expect({ code: made.run.code, error: made.run.result?.error }).toEqual({ code: 0 })
  const inputs = {
    command: 'restore',
    'target-database-url': server.url(undefined, 'target').replace(`:${server.port}/`, `:${gate.port}/`),
    'confirm-target': '127.0.0.1/target',
    'safety-backup': 'false'
  }
  await anew()
  const { run: through, points } = await run(inputs)
  expect({ code: through.code, error: through.result?.error, state: await stateOf() }).toEqual({
    code: 0,
    state: 'whole'
  })
  const states = new Map<string, number>()
  const crashes = choosePoints(points, 1, crashSeed)
  let reached = 0
  for (const crash of crashes) {
    await anew()
    const { at, ended, fired } = await endedAt(crash, temp, () => run(inputs, crash))
    if (fired) reached += 1
    const state = await stateOf()
    states.set(state, (states.get(state) ?? 0) + 1)
    expect({ at, state }).not.toEqual({ at, state: 'a part without a mark' })
    if (ended.result !== null)
      expect({ at, state, whole: ended.result.status === 'complete' }).toEqual({ at, state, whole: state === 'whole' })
    const { run: next } = await run(inputs)
    if (state === 'whole') expect({ at, error: next.result?.error?.code }).toEqual({ at, error: 'SB703' })
    else {
      expect({ at, code: next.code, error: next.result?.error }).toEqual({ at, code: 0 })
      expect({ at, takenBack: next.result?.restore?.['takenBack'] !== undefined }).toEqual({
        at,
        takenBack: state === 'a part'
      })
    }
    expect({ at, state: await stateOf() }).toEqual({ at, state: 'whole' })
    await ended.cleanUpFiles()
    await next.cleanUpFiles()
  }
  expect(reached).toBeGreaterThanOrEqual(Math.floor(crashes.length * 0.8))
  await note(
    `restore in stages, messages to the target: ${points.length} points, ${reached} ended there: ${[...states].map(([state, count]) => `${state} ${count}`).join(', ')}`
  )
})
