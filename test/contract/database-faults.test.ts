import { createWriteStream } from 'node:fs'
import { chmod, readdir, rm, writeFile } from 'node:fs/promises'
import { connect as connectSocket, createServer, type Socket } from 'node:net'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createPacker } from '../../src/archive/pack.ts'
import { connect } from '../../src/clients/postgres/connect.ts'
import { systemClock } from '../../src/clients/process/system.ts'
import { createCompression, findZstd } from '../../src/clients/process/zstd.ts'
import { UserError } from '../../src/errors.ts'
import { queryAndRelease } from '../../src/sources/database/catalog/query-and-release.ts'
import { everything } from '../../src/sources/database/catalog/selection.ts'
import { watchDump } from '../../src/sources/database/dump/snapshot-keeper.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import {
  type CaptureOptions,
  capture,
  type Desk,
  openDesk,
  openReading,
  openSource,
  restoreAndCompare
} from './database-capture-setup.ts'

let server: PostgresServer
let desk: Desk

beforeAll(async () => {
  server = await startPostgres({ major: 15 })
  await server.query('create role reader login; create role limited login superuser')
  await server.query('create database shop')
  await shop(`
    create table notes (id int primary key, body text);
    insert into notes select i, repeat(md5(i::text), 20) from generate_series(1, 20000) i;
    create table small (a int); insert into small values (1), (2);
    create sequence steps;
    create table up (id int primary key, down int); create table down (id int primary key, up int references up);
    alter table up add foreign key (down) references down;
    grant select on all tables in schema public to reader; grant select on all sequences in schema public to reader`)
})
afterAll(() => server.stop('immediate'))
beforeEach(async () => {
  desk = await openDesk()
})
afterEach(() => desk.remove())

const shop = (sql: string, user = server.superuser) => server.query(sql, [], user, 'shop')

async function faultOf(work: Promise<unknown>): Promise<UserError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  if (error instanceof UserError) return error
  throw new Error(`expected a UserError, got ${error instanceof Error ? error.stack : String(error)}`)
}

const take = (options: CaptureOptions = {}) => capture(desk, server, 'shop', options)
/** Files that a failed capture left; children and password files are gone, too. */
const leftovers = () => readdir(desk.folder)

/** A pg_dump that runs `before` first, in a shell, and then the real one. */
async function pgDumpAfter(before: string): Promise<string> {
  const file = path.join(desk.folder, 'pg_dump')
  await writeFile(file, `#!/bin/sh\n${before}\nexec ${server.binDir}/pg_dump "$@"\n`)
  await chmod(file, 0o755)
  return file
}

const psql = (sql: string) =>
  `PGPASSFILE= PGAPPNAME=somebody ${server.binDir}/psql -X -q -o /dev/null -h 127.0.0.1 -p ${server.port} -U ${server.superuser} -d shop -c "${sql}"`

describe('reading rights', () => {
  test('F16: row level security that would hide rows stops before the dump and names the tables', async () => {
    await shop('alter table small enable row level security')
    try {
      const error = await faultOf(take({ user: 'reader' }))
      expect(error.code).toBe('SB204')
      expect(error.message).toContain('public.small')
      expect(error.remedy).toContain('bypassrls')
      expect(await leftovers()).toEqual([])
      expect((await take()).facts.tables.find((table) => table.name === 'small')?.rows).toBe('2')
    } finally {
      await shop('alter table small disable row level security')
    }
  })

  test('tables, sequences, schemas and large objects without a right are one error that names them; leaving them out helps', async () => {
    await shop('create schema closed; create table closed.t (a int); create table hidden (a int)')
    try {
      const error = await faultOf(take({ user: 'reader' }))
      expect(error.code).toBe('SB203')
      expect(error.message).toContain('"closed"')
      expect(error.message).toContain('public.hidden')
      const selection = { ...everything, excludeSchemas: ['closed'], excludeTables: ['public.hidden'] }
      const { facts } = await take({ user: 'reader', selection })
      expect(facts.tables.map((table) => table.name)).toEqual(['down', 'notes', 'small', 'up'])
      expect(await restoreAndCompare(desk, server, facts)).toEqual([])
      await shop('create sequence hidden_steps; select lo_create(7)')
      expect((await faultOf(take({ user: 'reader', selection }))).message).toContain('public.hidden_steps')
      await shop('drop sequence hidden_steps')
      expect((await faultOf(take({ user: 'reader', selection }))).message).toContain('1 large objects (7')
    } finally {
      await shop(
        'drop schema closed cascade; drop table hidden; drop sequence if exists hidden_steps; select lo_unlink(oid) from pg_largeobject_metadata'
      )
    }
  })

  test('F17: a misspelt schema among valid ones is an error', async () => {
    const error = await faultOf(take({ selection: { ...everything, schemas: ['public', 'pubic'] } }))
    expect(error.code).toBe('SB205')
    expect(error.message).toContain('pubic')
    expect(error.message).not.toContain('public')
  })

  test('patterns are taken literally but for the star, partitions come with their parent', async () => {
    await shop(`create schema "Od""d.s"; create table "Od""d.s"."a|b" as select 1; create table "Od""d.s"."ab" as select 1;
      create table parts (k int) partition by list (k); create table parts_1 partition of parts for values in (1); insert into parts values (1)`)
    try {
      const selection = {
        ...everything,
        tables: ['"Od""d.s"."a|b"', 'public.part*', '"public".small'],
        excludeTableData: ['small']
      }
      const { facts } = await take({ selection })
      expect(facts.tables.map((table) => [table.name, table.rows])).toEqual([
        ['a|b', '1'],
        ['parts', null],
        ['parts_1', '1'],
        ['small', null]
      ])
      const listed = await server.run('pg_restore', ['--list', path.join(desk.folder, 'database.dump')])
      expect([...listed.stdout.toString().matchAll(/TABLE DATA \S+ (\S+)/g)].map((match) => match[1]).sort()).toEqual([
        'a|b',
        'parts_1'
      ])
    } finally {
      await shop('drop schema "Od""d.s" cascade; drop table parts')
    }
  })
})

describe('locks and changes', () => {
  test('F13: a table that stays locked is named after the lock timeout', async () => {
    const holder = await server.connect(server.superuser, 'shop')
    await holder.query('begin; lock table small in access exclusive mode')
    try {
      const error = await faultOf(take({ lockTimeoutMs: 300 }))
      expect(error.code).toBe('SB202')
      expect(error.message).toContain('small')
      expect(await leftovers()).toEqual([])
    } finally {
      await holder.end()
    }
  })

  test('F13b: a statement that waits behind the dump is told, without its text', async () => {
    const alter = psql('alter table notes add if not exists extra text')
    // Nobody takes what it writes for a while: it keeps its locks until somebody does.
    const pgDump = await pgDumpAfter(
      `(sleep 1; ${alter}) >/dev/null 2>&1 </dev/null &\n${server.binDir}/pg_dump "$@" | (sleep 3; exec cat); exit`
    )
    const { warnings } = await take({ pgDump, watchEveryMs: 100 })
    expect(warnings.join()).toMatch(/needs the table for itself.*waits behind the backup on public\.notes/)
    expect(warnings.join()).not.toContain('extra')
    expect(desk.warnings.join()).toContain('notes')
  })

  test('F14: a table dropped between snapshot and lock: a second attempt from a new snapshot', async () => {
    await shop('create table passing (a int)')
    const pgDump = await pgDumpAfter(psql('drop table if exists passing'))
    const { facts, warnings } = await take({ pgDump })
    expect(facts.attempts).toBe(2)
    expect(warnings[0]).toMatch(/^The first attempt broke off \(SB206: /)
    expect(facts.tables.some((table) => table.name === 'passing')).toBe(false)
    expect(await restoreAndCompare(desk, server, facts)).toEqual([])
  })

  describe('a table that gets another file between snapshot and lock', () => {
    beforeEach(() =>
      shop('create table prices (id int, cents int); insert into prices select i, i from generate_series(1, 1000) i')
    )
    afterEach(() => shop('drop table prices'))
    const rewrites = [
      'begin; create table kept as table prices; truncate prices; insert into prices table kept; drop table kept; commit',
      'alter table prices alter cents type bigint',
      'alter table prices add column u uuid default gen_random_uuid()'
    ]
    /** Rewrites as its first runs begin, so often. */
    const pgDumpDuring = (sql: string, times: number) => {
      const count = path.join(desk.folder, 'times')
      return pgDumpAfter(`echo x >>${count}; [ $(wc -l <${count}) -gt ${times} ] || ${psql(sql)}`)
    }

    test.each(rewrites)('is read from a new snapshot: %s', async (sql) => {
      const { facts, warnings } = await take({ pgDump: await pgDumpDuring(sql, 1) })
      await rm(path.join(desk.folder, 'times'))
      expect(facts.attempts).toBe(2)
      expect(warnings[0]).toContain('SB218: Another session truncated or rewrote public.prices')
      expect(facts.tables.find(({ name }) => name === 'prices')?.rows).toBe('1000')
      expect(await restoreAndCompare(desk, server, facts)).toEqual([])
    })

    test('each time: what was read is kept, and the part is partial by name', async () => {
      const captured = await take({ pgDump: await pgDumpDuring(rewrites[0] ?? '', 9) })
      expect(captured).toMatchObject({ status: 'partial', reason: 'rows of 1 table that others rewrote are missing' })
      expect(captured.facts.attempts).toBe(3)
      expect(captured.warnings.join()).toContain('The rows of public.prices are not in the backup')
    })

    test('by VACUUM FULL, or when it is empty for everybody: nothing is lost', async () => {
      const { facts } = await take({ pgDump: await pgDumpDuring('vacuum full prices', 9) })
      expect([facts.attempts, facts.tables.find(({ name }) => name === 'prices')?.rows]).toEqual([1, '1000'])
    })
  })

  test('a migration that waits behind the dump goes first, and the dump is taken after it', async () => {
    const waiting = psql('alter table notes add if not exists later text')
    const once = path.join(desk.folder, 'once')
    const pgDump = await pgDumpAfter(
      `if mkdir ${once} 2>/dev/null; then (sleep 1; ${waiting}) >/dev/null 2>&1 </dev/null & ${server.binDir}/pg_dump "$@" | (sleep 20; exec cat); exit; fi`
    )
    const { facts, warnings } = await take({ pgDump, watchEveryMs: 100, waitLimitMs: 500, laterMs: 1500 })
    expect(facts.attempts).toBe(2)
    expect(warnings.join()).toMatch(
      /SB217: Another session waited .* behind the backup for public\.notes: the backup gave way/
    )
    const { stdout } = await server.run('pg_restore', ['-s', '-f', '-', path.join(desk.folder, 'database.dump')])
    expect(stdout.toString()).toContain('later text')
  })

  test('F15: limits of time that the role has do not end the capture', async () => {
    await server.query(
      `alter role limited set statement_timeout = '200ms'; alter role limited set idle_in_transaction_session_timeout = '300ms'`
    )
    const pgDump = await pgDumpAfter('sleep 1')
    const { facts } = await take({ user: 'limited', pgDump })
    expect(facts.attempts).toBe(1)
  })

  test('F22: writes, truncates and new tables during the dump: the counts are those of the snapshot', async () => {
    await shop(
      'create table busy (a int); insert into busy select generate_series(1, 1000); create table gone (a int); insert into gone values (1)'
    )
    const writer = await server.connect(server.superuser, 'shop')
    let writing = true
    const work = (async () => {
      for (let round = 0; writing; round += 1) {
        await writer.query(
          `insert into busy select generate_series(1, 50); delete from busy where a = ${round % 50}; select nextval('steps'); create table if not exists new_${round % 20} as select 1`
        )
      }
    })()
    const pgDump = await pgDumpAfter(
      `sleep 0.5\n${psql('update notes set body = body where id < 100; delete from small where a = 2')}`
    )
    try {
      const { facts } = await take({ pgDump })
      expect(facts.tables.find((table) => table.name === 'small')?.rows).toBe('2')
      const steps = facts.sequences.find((sequence) => sequence.name === 'steps')
      expect(BigInt(steps?.after.value ?? 0)).toBeGreaterThan(BigInt(steps?.before.value ?? 0))
      writing = false
      await work
      expect(await restoreAndCompare(desk, server, facts)).toEqual([])
    } finally {
      writing = false
      await work
      await writer.end()
      await shop('drop table busy, gone; insert into small values (2)')
    }
  })
})

describe('pg_dump', () => {
  test('F18: what it warns of is kept', async () => {
    const { warnings } = await take({ selection: { ...everything, type: 'data' } })
    expect(warnings.join()).toMatch(/circular foreign-key constraints/)
  })

  test.each([
    ['KILL', /killed \(SIGKILL\).*memory/],
    ['SEGV', /killed \(SIGSEGV\)/]
  ])('F20: killed by SIG%s', async (signal, message) => {
    const file = path.join(desk.folder, 'pg_dump')
    await writeFile(file, `#!/bin/sh\nprintf PGDMP; kill -${signal} $$\n`)
    await chmod(file, 0o755)
    const error = await faultOf(take({ pgDump: file }))
    expect(error.code).toBe('SB208')
    expect(error.message).toMatch(message)
    expect(await leftovers()).toEqual(['pg_dump'])
  })

  test('F6: a server newer than pg_dump is refused before work', async () => {
    const programs = {
      binDir: '/none',
      version: '14.9',
      major: 14,
      minor: 9,
      pgDump: '/none/pg_dump',
      pgRestore: '/none',
      origin: 'test'
    }
    const source = openSource(desk, server, 'shop', { programs })
    const error = await faultOf(source.preflight(desk.abort.signal))
    expect(error.code).toBe('SB209')
    expect(error.remedy).toContain('PostgreSQL 15')
  })

  test('cancelling ends it, its children and its sessions', async () => {
    const pgDump = await pgDumpAfter('sleep 30')
    const running = faultOf(take({ pgDump }))
    setTimeout(() => desk.abort.abort(new UserError('SB301', 'The run was cancelled.')), 800)
    expect((await running).code).toBe('SB301')
    // The server needs a moment to notice.
    await expect
      .poll(
        async () => {
          const left = await server.query(
            `select count(*)::int as n from pg_stat_activity where application_name like 'supabase-backup%'`
          )
          return left.rows
        },
        { timeout: 30_000 }
      )
      .toEqual([{ n: 0 }])
  })
})

describe('into the real packer', () => {
  const zstd = findZstd()
  const packer = async (program: boolean) =>
    createPacker({
      dir: path.join(desk.folder, 'staging'),
      encryption: { scheme: 'none' },
      compression: createCompression({ method: 'zstd', zstd: program ? await zstd : null, home: desk.folder }),
      signal: desk.abort.signal
    })

  test.each([
    ['by a kernel pipe', true],
    ['through this process', false]
  ])('a dump that goes %s is whole, and its progress is told', async (_, program) => {
    const packed = await packer(program)
    const pgDump = await pgDumpAfter(`${server.binDir}/pg_dump "$@" && sleep 0.4; exit`)
    const source = openSource(desk, server, 'shop', { pgDump, watchEveryMs: 50 })
    const { facts } = await source.capture(packed.add, desk.abort.signal)
    expect([...packed.files.names].sort()).toEqual(['database.dump', 'roles.sql'])
    await pipeline(packed.files.open('database.dump'), createWriteStream(path.join(desk.folder, 'database.dump')))
    expect(await restoreAndCompare(desk, server, facts)).toEqual([])
    expect(desk.progress.at(-1)).toMatch(/counted$/)
    if (!program) expect(desk.progress.at(-1)).toMatch(/^database: \d/)
    packed.close()
  })

  test.each([true, false])('F20: one that is killed leaves nothing staged (kernel pipe: %s)', async (program) => {
    const packed = await packer(program)
    const file = path.join(desk.folder, 'pg_dump')
    await writeFile(file, '#!/bin/sh\nprintf PGDMP; kill -KILL $$\n')
    await chmod(file, 0o755)
    const source = openSource(desk, server, 'shop', { pgDump: file })
    expect((await faultOf(source.capture(packed.add, desk.abort.signal))).code).toBe('SB208')
    expect(packed.staged).toEqual([])
    expect(await readdir(path.join(desk.folder, 'staging'))).toEqual([])
    packed.close()
  })
})

describe('connections', () => {
  test('F12: the dump of a session that was terminated is taken again from a new snapshot', async () => {
    const marker = path.join(desk.folder, 'once')
    const kill = psql("select pg_terminate_backend(pid) from pg_stat_activity where query ~ '^COPY'")
    await shop('create table slow as select i, repeat(md5(i::text), 60) as t from generate_series(1, 60000) i')
    // The first time nobody takes what it writes until its session was ended in the middle of a table.
    const pgDump = await pgDumpAfter(
      `if [ ! -e ${marker} ]; then : > ${marker}; (sleep 2; ${kill}; : > ${marker}.killed) >/dev/null 2>&1 </dev/null &
{ ${server.binDir}/pg_dump "$@"; echo $? > ${marker}.code; } | (while [ ! -e ${marker}.killed ]; do sleep 0.1; done; exec cat); exit $(cat ${marker}.code); fi`
    )
    try {
      expect(await take({ pgDump })).toMatchObject({ facts: { attempts: 2 } })
    } finally {
      await shop('drop table slow')
    }
  })

  test('F21: when the session that holds the snapshot dies, everything is taken again', async () => {
    const marker = path.join(desk.folder, 'once')
    const kill = psql(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'supabase-backup-%' and state = 'idle in transaction'"
    )
    const pgDump = await pgDumpAfter(`if [ ! -e ${marker} ]; then : > ${marker}; sleep 0.5; ${kill}; sleep 0.5; fi`)
    const { facts, warnings } = await take({ pgDump, watchEveryMs: 60_000 })
    expect(facts.attempts).toBe(2)
    expect(warnings[0]).toMatch(/SB212|SB207/)
  })

  test('one connection less than wished: counts and hashes are taken on the one that holds the snapshot', async () => {
    let opened = 0
    const { facts, warnings } = await take({
      connect: (target, options) => {
        opened += 1
        if (opened === 2)
          return Promise.reject(new UserError('SB115', 'The server has no connection left.', { mayPass: true }))
        return connect(target, options)
      }
    })
    expect(warnings.join()).toContain('no second connection')
    expect(await restoreAndCompare(desk, server, facts)).toEqual([])
  })

  test('a watch that is to end leaves no look behind that others would come between', async () => {
    const connection = await openReading(server, 'shop')
    try {
      for (const waiting of ['before its look began', 'while it looks']) {
        const stop = new AbortController()
        const busy = waiting === 'before its look began' ? connection.query('select pg_sleep(0.3)') : undefined
        const watch = watchDump({
          connection,
          applicationName: 'nobody',
          clock: systemClock,
          signal: stop.signal,
          written: () => Promise.resolve(0),
          everyMs: 1,
          inactivityMs: 60_000,
          waitLimitMs: null,
          onLook: () => undefined,
          onLocked: () => Promise.resolve(),
          onWaiting: () => undefined,
          onStalled: (error) => {
            throw error
          }
        })
        setTimeout(() => stop.abort(), 60)
        await watch
        expect(await queryAndRelease(connection, 'select 1 as one'), waiting).toEqual([{ one: 1 }])
        await busy
      }
    } finally {
      await connection.close()
    }
  })

  // CUT_PLACES=200 cuts in so many places; a usual run in a few of them.
  test('F9: cut after any number of bytes it ends clean, and nothing is left', { timeout: 900_000 }, async () => {
    const whole = await cutting(server.port, Number.POSITIVE_INFINITY)
    await take({ port: whole.port, retries: 0 })
    const total = whole.sent()
    await whole.close()
    for (const name of await leftovers()) await rm(path.join(desk.folder, name))
    expect(total).toBeGreaterThan(500_000)
    const places = Math.max(2, Number(process.env['CUT_PLACES'] ?? 10))
    // Half of them spread over all that the server sends, half thicker towards its beginning: login, catalogue, counts.
    const spread = Array.from({ length: places }, (_, index) =>
      index % 2 === 0 ? (0.98 * total * (index + 1)) / places : total ** ((index + 1) / places) * 0.9
    )
    for (const after of [0, 1, ...spread.map(Math.floor)]) {
      const proxy = await cutting(server.port, after)
      try {
        const error = await faultOf(take({ port: proxy.port, retries: 0 }))
        expect(error.code, `${after}: ${error.message}`).toMatch(/^SB(1\d\d|207|212)$/)
        expect({ after, left: await leftovers() }).toEqual({ after, left: [] })
      } finally {
        await proxy.close()
      }
    }
  })

  test('F10: a network that stands still ends it after the deadline', async () => {
    const proxy = await cutting(server.port, 700_000, true)
    try {
      const error = await faultOf(take({ port: proxy.port, retries: 0, inactivityMs: 1000, watchEveryMs: 200 }))
      expect(error.code).toBe('SB211')
    } finally {
      await proxy.close()
    }
  })
})

/** A proxy that ends all of its connections (or hands on no more bytes) once the server has sent `after` bytes in all. */
async function cutting(
  port: number,
  after: number,
  stall = false
): Promise<{ port: number; sent(): number; close(): Promise<void> }> {
  let sent = 0
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    const upstream = connectSocket(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (chunk) => {
      if (sent < after || !stall) upstream.write(chunk)
    })
    upstream.on('data', (chunk) => {
      sent += chunk.byteLength
      if (sent < after) client.write(chunk)
      else if (!stall) for (const socket of sockets) socket.destroy()
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    sent: () => sent,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        proxy.close(() => resolve())
      })
  }
}
