import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { binDirOf, runOk } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, openDesk } from './database-capture-setup.ts'
import { prove } from './proof-setup.ts'

describe.each([15, 18] as const)('sample databases on PostgreSQL %i', (major) => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ major })
  })
  afterAll(() => server.stop('immediate'))

  const proven = async (database: string) => {
    const desk = await openDesk()
    try {
      const { facts } = await capture(desk, server, database)
      return { facts, proof: await prove(desk, facts, major) }
    } finally {
      await desk.remove()
    }
  }

  test("pgbench's, with partitions and foreign keys, comes back equal", async () => {
    await server.query('create database pgbench')
    // Only one major of the parts brings pgbench along; it serves the others.
    const env = server.env(server.superuser, 'pgbench')
    await runOk(`${binDirOf(15)}/pgbench`, ['-i', '-q', '-s', '2', '--foreign-keys', '--partitions=3'], { env })
    await runOk(`${binDirOf(15)}/pgbench`, ['-n', '-t', '50', '-c', '2'], { env })
    const { facts, proof } = await proven('pgbench')
    expect(proof).toEqual({
      verdict: 'proven',
      level: 'restore',
      tables: { restore: 6, read: 0, differing: 0 },
      findings: [],
      notRestored: null
    })
    expect(facts.tables.find((table) => table.name === 'pgbench_history')?.rows).toBe('100')
  })

  test('a music store comes back equal', async () => {
    await server.query(`create database "music store"`)
    const file = fileURLToPath(new URL('../kit/fixture/music-store.sql', import.meta.url))
    const loaded = await server.run('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', file], {
      database: 'music store'
    })
    expect({ code: loaded.code, stderr: loaded.stderr }).toEqual({ code: 0, stderr: '' })
    const { proof } = await proven('music store')
    expect(proof).toEqual({
      verdict: 'proven',
      level: 'restore',
      tables: { restore: 12, read: 0, differing: 0 },
      findings: [],
      notRestored: null
    })
  })
})
