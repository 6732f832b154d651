import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/clients/postgres/connect.ts'
import type { Connection, ConnectionTarget } from '../../src/clients/postgres/connection.ts'
import { sqlStateOf } from '../../src/clients/postgres/server-error.ts'
import type { TlsPolicy } from '../../src/clients/postgres/tls.ts'
import { systemClock } from '../../src/clients/process/system.ts'
import type { Clock } from '../../src/context.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

/** A clock that does not wait, and remembers how long it should have. */
function impatientClock(): Clock & { readonly waits: number[]; onSleep: () => Promise<void> | void } {
  const waits: number[] = []
  const clock = {
    ...systemClock,
    waits,
    onSleep: (): Promise<void> | void => undefined,
    async sleep(ms: number) {
      waits.push(ms)
      await clock.onSleep()
    }
  }
  return clock
}

const never = new AbortController().signal

export function targetOf(
  server: PostgresServer,
  tls: TlsPolicy['mode'] = 'disable',
  roots: string | null = null
): ConnectionTarget {
  return {
    host: server.host,
    port: server.port,
    user: server.superuser,
    password: server.password,
    database: 'postgres',
    tls: { mode: tls, rootCertificates: roots }
  }
}

describe.each([15, 17] as const)('a connection to PostgreSQL %i', (major) => {
  let server: PostgresServer
  let connection: Connection
  beforeAll(async () => {
    server = await startPostgres({
      major,
      auth: 'scram',
      settings: { max_connections: 10, log_connections: 'on', superuser_reserved_connections: 0 }
    })
    await server.query(`create role slow login password 'slow'`)
    for (const setting of [
      "statement_timeout = '200ms'",
      "idle_in_transaction_session_timeout = '1s'",
      "TimeZone = 'Asia/Tokyo'",
      'search_path = public',
      'standard_conforming_strings = off'
    ]) {
      await server.query(`alter role slow set ${setting}`)
    }
    connection = await connect(targetOf(server), {
      clock: systemClock,
      signal: never,
      retries: 0,
      applicationName: 'a test'
    })
  })
  afterAll(async () => {
    await connection?.close()
    await server?.stop()
  })

  test('knows version, backend and protection', async () => {
    expect(Math.floor(connection.versionNumber / 10_000)).toBe(major)
    expect(connection.tls).toBe('none')
    const rows = await connection.query(
      'select pid, application_name from pg_stat_activity where pid = pg_backend_pid()'
    )
    expect(rows).toEqual([{ pid: connection.pid, application_name: 'a test' }])
  })

  test('gives values as the text of the server, small numbers, booleans and lists of names apart', async () => {
    const [row] = await connection.query(
      `select 9007199254740993::int8 a, 1.10::numeric b, '2026-01-02 03:04:05.678901+02'::timestamptz c, '{"b":1.0,"a":2}'::json d,
              0.1::float8 e, '\\xdead'::bytea f, true g, 7::int4 h, 4294967295::oid i, array['x','y,z']::text[] j, null::int8 k, '1 mon 2 days'::interval l`
    )
    expect(row).toEqual({
      a: '9007199254740993',
      b: '1.10',
      c: '2026-01-02 01:04:05.678901+00',
      d: '{"b":1.0,"a":2}',
      e: '0.1',
      f: '\\xdead',
      g: true,
      h: 7,
      i: 4294967295,
      j: ['x', 'y,z'],
      k: null,
      l: '1 mon 2 days'
    })
  })

  test('F15: settings of the role do not reach the session', async () => {
    const slow = await connect(
      { ...targetOf(server), user: 'slow', password: 'slow' },
      { clock: systemClock, signal: never, retries: 0 }
    )
    try {
      const names = [
        'statement_timeout',
        'lock_timeout',
        'idle_in_transaction_session_timeout',
        'TimeZone',
        'search_path',
        'row_security',
        'standard_conforming_strings',
        'client_connection_check_interval'
      ]
      if (major >= 17) names.push('transaction_timeout')
      const values: Record<string, unknown> = {}
      for (const name of names) values[name] = (await slow.query('select current_setting($1) as v', [name]))[0]?.v
      expect(values).toEqual({
        statement_timeout: '0',
        lock_timeout: '0',
        idle_in_transaction_session_timeout: '0',
        TimeZone: 'UTC',
        search_path: 'pg_catalog',
        row_security: 'off',
        standard_conforming_strings: 'on',
        client_connection_check_interval: '5s',
        ...(major >= 17 ? { transaction_timeout: '0' } : {})
      })
    } finally {
      await slow.close()
    }
  })

  test('streams rows through a cursor and can be left early', async () => {
    await connection.query('begin')
    let sum = 0
    for await (const row of connection.stream<{ n: number }>(
      'select n from generate_series(1, $1::int) n',
      [2500],
      1000
    ))
      sum += row.n
    expect(sum).toBe(3_126_250)
    for await (const row of connection.stream<{ n: number }>('select n from generate_series(1, 2500) n', [], 10)) {
      if (row.n === 15) break
    }
    expect(await connection.query('select name from pg_cursors')).toEqual([])
    await connection.query('commit')
  })

  test('a refused statement keeps SQLSTATE and message, and the connection goes on', async () => {
    await expect(connection.query('select 1/0')).rejects.toMatchObject({
      code: 'SB123',
      mayPass: false,
      message: expect.stringContaining('division by zero')
    })
    const error = await connection.query('select * from public.nowhere').catch((thrown: unknown) => thrown)
    expect(sqlStateOf(error)).toBe('42P01')
    expect(await connection.query('select 1 as one')).toEqual([{ one: 1 }])
  })

  test('F16: a missing right names the object and the remedy', async () => {
    await server.query('create table if not exists secrets (a int)')
    const slow = await connect(
      { ...targetOf(server), user: 'slow', password: 'slow' },
      { clock: systemClock, signal: never, retries: 0 }
    )
    await expect(slow.query('select * from public.secrets')).rejects.toMatchObject({
      code: 'SB122',
      message: expect.stringContaining('secrets'),
      remedy: expect.stringContaining('Grant SELECT on the table')
    })
    await slow.close()
  })

  test('statements asked for at once run one after the other', async () => {
    const rows = await Promise.all([1, 2, 3].map((n) => connection.query('select $1::int as n', [n])))
    expect(rows).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]])
  })

  test('F4: a wrong password is tried exactly once and never shown', async () => {
    const before = server.log().split('password authentication failed').length
    const clock = impatientClock()
    const error = await connect(
      { ...targetOf(server), password: 'wrong-canary' },
      { clock, signal: never, retries: 5 }
    ).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'SB104', mayPass: false })
    expect(String(error)).not.toContain('canary')
    expect(clock.waits).toEqual([])
    expect(server.log().split('password authentication failed').length - before).toBe(1)
  })

  test('a password that is asked for and not there', async () => {
    await expect(
      connect({ ...targetOf(server), password: undefined }, { clock: systemClock, signal: never, retries: 3 })
    ).rejects.toMatchObject({ code: 'SB124' })
  })

  test('a database and a role that are not there', async () => {
    const options = { clock: impatientClock(), signal: never, retries: 1 }
    await expect(connect({ ...targetOf(server), database: 'nowhere' }, options)).rejects.toMatchObject({
      code: 'SB117'
    })
    await expect(
      connect({ ...targetOf(server), host: server.socketDir, user: 'nobody' }, options)
    ).rejects.toMatchObject({ code: 'SB118' })
  })

  test('over the socket', async () => {
    const local = await connect(
      { ...targetOf(server, 'verify-full'), host: server.socketDir },
      { clock: systemClock, signal: never, retries: 0 }
    )
    expect(local.tls).toBe('socket')
    await local.close()
  })

  test('F7: no connection left is tried again until there is one', async () => {
    const held: Connection[] = []
    const clock = impatientClock()
    const fill = async () => {
      for (;;) held.push(await connect(targetOf(server), { clock, signal: never, retries: 0 }))
    }
    await expect(fill()).rejects.toMatchObject({ code: 'SB115', mayPass: true })
    await expect(connect(targetOf(server), { clock, signal: never, retries: 2 })).rejects.toMatchObject({
      code: 'SB115'
    })
    expect(clock.waits.length).toBe(2)
    clock.onSleep = async () => {
      await held.pop()?.close()
      // The server gives the slot back some moments after the socket is closed.
      await systemClock.sleep(100)
    }
    const connected = await connect(targetOf(server), { clock, signal: never, retries: 5 })
    await Promise.all([connected, ...held].map((each) => each.close()))
  })

  test('a signal ends a running statement here and at the server', async () => {
    const run = new AbortController()
    const doomed = await connect(targetOf(server), { clock: systemClock, signal: run.signal, retries: 0 })
    const sleeping = doomed.query('select pg_sleep(600)')
    sleeping.catch(() => undefined)
    await until(
      async () =>
        (await connection.query(`select 1 from pg_stat_activity where pid = $1 and state = 'active'`, [doomed.pid]))
          .length === 1
    )
    run.abort(new Error('enough'))
    await expect(sleeping).rejects.toThrow('enough')
    await until(
      async () => (await connection.query('select 1 from pg_stat_activity where pid = $1', [doomed.pid])).length === 0
    )
    await expect(doomed.query('select 1')).rejects.toThrow('enough')
    await doomed.close()
  })

  test('F12: a session that the server ends says so', async () => {
    const doomed = await connect(targetOf(server), { clock: systemClock, signal: never, retries: 0 })
    const sleeping = doomed.query('select pg_sleep(600)')
    sleeping.catch(() => undefined)
    await connection.query('select pg_terminate_backend($1)', [doomed.pid])
    await expect(sleeping).rejects.toMatchObject({ code: 'SB120', mayPass: true })
    await until(() => doomed.broken.aborted)
    await expect(doomed.query('select 1')).rejects.toMatchObject({ code: 'SB120' })
    await doomed.close()
  })
})

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await systemClock.sleep(10)
}

describe('F1: nobody there', () => {
  test('a port on which nothing listens is tried again, then named', async () => {
    const clock = impatientClock()
    const target: ConnectionTarget = {
      host: '127.0.0.1',
      port: 1,
      user: 'u',
      password: 'canary',
      database: 'd',
      tls: { mode: 'prefer', rootCertificates: null }
    }
    const error = await connect(target, { clock, signal: never, retries: 2 }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'SB101', message: expect.stringContaining('127.0.0.1:1') })
    expect(String(error)).not.toContain('canary')
    expect(clock.waits.length).toBe(2)
    expect(clock.waits[1]).toBeGreaterThanOrEqual(1000)
  })

  test('a name that does not resolve', async () => {
    const target: ConnectionTarget = {
      host: 'nowhere.invalid',
      port: 5432,
      user: 'u',
      password: 'p',
      database: 'd',
      tls: { mode: 'prefer', rootCertificates: null }
    }
    await expect(connect(target, { clock: impatientClock(), signal: never, retries: 1 })).rejects.toMatchObject({
      code: 'SB102'
    })
  })
})

test('F2: only IPv6 addresses and no way to them: the session pooler is named, nothing is tried again', async () => {
  const clock = impatientClock()
  const target: ConnectionTarget = {
    host: 'db.abcdefghijklmnopqrst.supabase.co',
    port: 5432,
    user: 'postgres',
    password: 'p',
    database: 'postgres',
    tls: { mode: 'verify-full', rootCertificates: null }
  }
  const resolve = () => Promise.resolve([{ address: '2001:db8::1', family: 6 }])
  await expect(connect(target, { clock, signal: never, retries: 2, resolve })).rejects.toMatchObject({
    code: 'SB103',
    remedy: expect.stringContaining('Session pooler')
  })
  expect(clock.waits).toEqual([])
})
