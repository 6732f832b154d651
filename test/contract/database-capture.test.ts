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

  test('F23, F24, F25: one of every kind of object comes back with equal counts, hashes and fingerprint', async () => {
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

test.each([17, 18] as const)(
  'a copy on PostgreSQL %s of a source on 15 has the same counts, hashes, grants and policies',
  async (newer) => {
    const [server, other] = await Promise.all([startPostgres({ major: 15 }), startPostgres({ major: newer })])
    try {
      const sql = await readFile(new URL('database-every-kind.sql', import.meta.url), 'utf8')
      for (const one of [server, other])
        for (const role of ['kind_owner', 'kind_reader', 'kind_app']) await one.query(`create role ${role}`)
      await server.query('create database kind')
      await server.run('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'kind'], { input: sql })
      const { facts } = await capture(desk, server, 'kind')
      const findings = await restoreAndCompare(desk, other, facts)
      expect(findings.filter((finding) => finding.kind === 'difference')).toEqual([])
      expect(
        findings.every((finding) => finding.detail.startsWith('worded differently') || finding.kind === 'note')
      ).toBe(true)
    } finally {
      await Promise.all([server.stop('immediate'), other.stop('immediate')])
    }
  }
)

test('F25: secrets of the vault are kept in clear only where asked for, and named as missing where not', async () => {
  const server = await startPostgres({ major: 15 })
  try {
    await server.query('create database v')
    await server.query(
      `create schema if not exists vault; create table vault.secrets (id int, name text, description text, secret text);
       insert into vault.secrets values (1, 'key', null, reverse('emases nepo'));
       create view vault.decrypted_secrets as select *, secret as decrypted_secret from vault.secrets`,
      [],
      server.superuser,
      'v'
    )
    const without = await capture(desk, server, 'v')
    expect(without.facts.vault).toBeUndefined()
    expect(without.facts.notCaptured.map((entry) => entry.what)).toContain('values of Vault secrets')
    await expect(readFile(path.join(desk.folder, 'vault.json'))).rejects.toThrow('ENOENT')
    const { facts } = await capture(desk, server, 'v', { vault: true })
    expect(facts.vault).toEqual({ secrets: 1 })
    expect(JSON.parse(await readFile(path.join(desk.folder, 'vault.json'), 'utf8'))).toEqual({
      secrets: [{ id: '1', name: 'key', description: null, value: 'open sesame' }]
    })
    expect(JSON.stringify(facts)).not.toContain('sesame')
    await server.query(
      `create function vault.open(secret text) returns text language plpgsql as $$ begin if secret = 'lost' then raise 'invalid ciphertext' using errcode = '22023'; end if; return secret; end $$;
       insert into vault.secrets values (2, 'moved', 'of another project', 'lost');
       create or replace view vault.decrypted_secrets as select *, vault.open(secret) as decrypted_secret from vault.secrets`,
      [],
      server.superuser,
      'v'
    )
    const moved = (await capture(desk, server, 'v', { vault: true })).facts
    expect(moved.vault).toEqual({ secrets: 2 })
    expect(moved.notCaptured.map((entry) => entry.what)).toContain('value of the Vault secret moved')
    expect(moved.warnings.join(' ')).toContain('cannot decrypt 1 of its 2 Vault secrets')
    expect(JSON.parse(await readFile(path.join(desk.folder, 'vault.json'), 'utf8'))).toEqual({
      secrets: [
        { id: '1', name: 'key', description: null, value: 'open sesame' },
        { id: '2', name: 'moved', description: 'of another project', value: null }
      ]
    })
  } finally {
    await server.stop('immediate')
  }
})
