import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { databaseFactsSchema } from '../../src/archive/contents-database.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { majors } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk, restoreAndCompare } from './database-capture-setup.ts'

let desk: Desk
beforeEach(async () => {
  desk = await openDesk()
})
afterEach(() => desk.remove())

describe.each(majors)('a capture of PostgreSQL %s', (major) => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ major })
    for (const role of ['kind_owner', 'kind_reader', 'kind_app']) await server.query(`create role ${role}`)
    await server.query('create database kind')
    const sql = await readFile(new URL('database-every-kind.sql', import.meta.url), 'utf8')
    await server.run('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'kind'], { input: sql })
    await loadSupabase(server)
  })
  afterAll(() => server.stop('immediate'))

  test('F23 F24: one of every kind of object comes back with equal counts, hashes and fingerprint', async () => {
    const { facts } = await capture(desk, server, 'kind')
    expect(databaseFactsSchema.parse(JSON.parse(JSON.stringify(facts)))).toEqual(facts)
    expect(facts.guards.length).toBeGreaterThan(200)
    expect(facts.tables.length).toBeGreaterThan(15)
    const findings = await restoreAndCompare(desk, server, facts)
    expect(findings).toEqual([])
  })

  test('a Supabase project read as `postgres` comes back whole', async () => {
    const { facts, counts } = await capture(desk, server, 'postgres', { user: 'postgres' })
    expect(counts.rows).toBeGreaterThan(50)
    expect(facts.visibleRows.filter((entry) => entry.rows !== null).length).toBeGreaterThan(3)
    expect(facts.auth?.users).toBeGreaterThan(9)
    const findings = await restoreAndCompare(desk, server, facts)
    expect(findings.filter((finding) => finding.kind === 'difference')).toEqual([])
    const roles = await readFile(path.join(desk.folder, 'roles.sql'), 'utf8')
    expect(roles).not.toMatch(/SCRAM|PASSWORD '/)
  })
})
