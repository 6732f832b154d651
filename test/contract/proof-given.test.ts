import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { clientOf, prove } from './proof-setup.ts'

const major = 17

describe('a given server that is not bare', () => {
  let server: PostgresServer
  let given: PostgresServer
  let desk: Desk
  beforeAll(async () => {
    server = await startPostgres({ major })
    given = await startPostgres({ major, auth: 'scram', password: 'a password' })
    desk = await openDesk()
  })
  afterAll(async () => {
    await server.stop('immediate')
    await given.stop('immediate')
    await desk.remove()
  })

  const target = () =>
    ({
      host: '127.0.0.1',
      port: given.port,
      user: given.superuser,
      password: given.password,
      database: 'postgres',
      tls: { mode: 'disable', rootCertificates: null }
    }) as const

  test('triggers that fire at a login do not change the copy', async () => {
    await server.query('create database watched')
    await server.query('create role anon')
    await server.query(
      `create table logins (who text); create function seen() returns event_trigger language plpgsql security definer as $$ begin insert into public.logins values (session_user); end $$;
create table t (a int); alter table t enable row level security; grant select on t to anon; create event trigger at_login on login execute function seen(); alter event trigger at_login enable always`,
      [],
      server.superuser,
      'watched'
    )
    const { facts } = await capture(desk, server, 'watched')
    expect(facts.visibleRows).toHaveLength(1)
    const proof = await prove(desk, facts, major, { given: target(), checkSql: ['select count(*) = 1 from logins'] })
    expect(proof.findings).toEqual([])
    expect(proof.level).toBe('restore')
  })

  test('the schemas of the platform do not make it refuse; what a user made or stores does', async () => {
    await server.query('create database plain')
    const { facts } = await capture(desk, server, 'plain')
    await given.query(
      'create schema auth; create table auth.users (id int); create schema extensions; create function extensions.x() returns int language sql as $$ select 1 $$; create schema storage; create table storage.objects (id int)'
    )
    expect((await prove(desk, facts, major, { given: target() })).level).toBe('restore')
    await given.query('create schema shop')
    await expect(prove(desk, facts, major, { given: target() })).rejects.toMatchObject({
      code: 'SB605',
      message: expect.stringContaining('schema shop')
    })
    await given.query('drop schema shop; insert into auth.users values (1)')
    await expect(prove(desk, facts, major, { given: target() })).rejects.toMatchObject({
      code: 'SB605',
      message: expect.stringContaining('auth.users has rows')
    })
    await given.query('drop schema auth, extensions, storage cascade')
  })

  test('roles that are there already are compared, and named where they differ; they stay as they are', async () => {
    await server.query('create database roled')
    await server.query('create role same; create role other nologin; create role above; grant above to other')
    await server.query('create role reader; grant above to reader')
    await given.query(
      `create role same; create role other login; create role below; grant below to other; alter role other set work_mem = '1MB'`
    )
    const { facts } = await capture(desk, server, 'roled')
    const proof = await prove(desk, facts, major, { given: target() })
    expect(proof.level).toBe('restore')
    expect(proof.findings.map(({ kind, subject, detail }) => `${kind} ${subject}: ${detail}`).toSorted()).toEqual([
      "notProven membership of other in below: the copy's server had the role other already: it is in the copy, but not in the source",
      "notProven role other: the copy's server had the role other already: source: login false; copy: login true",
      expect.stringMatching(/^notProven setting work_mem of role other: the copy's server had the role other already: /)
    ])
    const { rows } = await given.query(`select rolcanlogin from pg_roles where rolname = 'other'`)
    expect(rows).toEqual([{ rolcanlogin: true }])
  })

  test('a newer server is told by its roles what an older source cannot tell of memberships', async () => {
    const older = await startPostgres({ major: 15 })
    try {
      await older.query('create role team; create role inherits in role team; create role sets noinherit in role team')
      const { facts } = await capture(desk, older, 'postgres')
      const options = { given: target(), clientPrograms: async () => clientOf(major) }
      expect(await prove(desk, facts, major, options)).toMatchObject({ level: 'restore', findings: [] })
      // The other way round everything that the older one does not know would be a difference.
      await server.query('create database newer')
      const { facts: newer } = await capture(desk, server, 'newer')
      await expect(prove(desk, newer, major, { given: { ...target(), port: older.port } })).rejects.toMatchObject({
        code: 'SB605',
        message: expect.stringContaining('is PostgreSQL 15, older than the source, which is 17')
      })
    } finally {
      await older.stop('immediate')
    }
  })
})
