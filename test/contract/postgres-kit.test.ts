import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { loadSupabase } from '../kit/fixture/load.ts'
import { loadPgbench } from '../kit/fixture/samples.ts'
import { binDirOf, majors, run } from '../kit/postgres/programs.ts'
import { type PostgresOptions, type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { startProxy, type Proxy as TcpProxy } from '../kit/proxy.ts'

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const part of running.splice(0)) await part.stop()
})

async function postgres(options: PostgresOptions): Promise<PostgresServer> {
  const server = await startPostgres(options)
  running.push(server)
  return server
}

async function proxyTo(server: PostgresServer): Promise<TcpProxy> {
  const proxy = await startProxy({ target: server })
  running.push({ stop: () => proxy.close() })
  return proxy
}

describe.each(majors)('a Supabase-like project on PostgreSQL %i', (major) => {
  it('is dumped whole by role postgres with each client that is new enough, and comes back', async () => {
    const server = await postgres({ major })
    await loadSupabase(server)

    for (const client of majors) {
      const dumped = await run(`${binDirOf(client)}/pg_dump`, ['-Fc'], { env: server.env('postgres') })
      if (client < major) {
        expect(dumped.code).toBe(1)
        expect(dumped.stderr).toContain('server version mismatch')
        continue
      }
      expect(dumped.stderr).toBe('')
      expect(dumped.code).toBe(0)
      const listed = await run(`${binDirOf(client)}/pg_restore`, ['--list'], { input: dumped.stdout })
      expect(listed.stdout.toString()).toContain('TABLE DATA auth users supabase_auth_admin')
      if (client !== major) continue

      await server.query('create database restored template template0')
      const restored = await server.run('pg_restore', ['--dbname=restored', '--exit-on-error'], {
        input: dumped.stdout
      })
      expect(restored.stderr).toBe('')
      expect(restored.code).toBe(0)
      for (const table of [
        'auth.users',
        'auth.identities',
        'storage.objects',
        'public.todos',
        'app.orders',
        'app.no_columns'
      ]) {
        const sql = `select count(*)::int as rows from ${table}`
        const before = await server.query(sql)
        const after = await server.query(sql, [], 'supabase_admin', 'restored')
        expect(after.rows, table).toEqual(before.rows)
        expect(before.rows[0].rows).toBeGreaterThan(0)
      }
    }
  })

  it('has the shape that the platform gives to a project', async () => {
    const server = await postgres({ major, auth: 'scram' })
    await loadSupabase(server, { users: 12 })

    const roles = await server.query(
      `select rolsuper, rolcreatedb, rolcreaterole, rolcanlogin, rolreplication, rolbypassrls,
        pg_has_role('postgres', 'pg_read_all_data', 'usage') as reads_all from pg_roles where rolname = 'postgres'`
    )
    expect(roles.rows).toEqual([
      {
        rolsuper: false,
        rolcreatedb: true,
        rolcreaterole: true,
        rolcanlogin: true,
        rolreplication: true,
        rolbypassrls: true,
        reads_all: true
      }
    ])
    const tables = await server.query(
      `select relnamespace::regnamespace::text as schema, count(*)::int as tables from pg_class
       where relkind = 'r' and relnamespace::regnamespace::text in ('auth', 'storage') group by 1 order by 1`
    )
    expect(tables.rows).toEqual([
      { schema: 'auth', tables: 23 },
      { schema: 'storage', tables: 10 }
    ])
    const users = await server.query('select count(*)::int as users, count(distinct id)::int as ids from auth.users')
    expect(users.rows).toEqual([{ users: 12, ids: 12 }])

    const client = await server.connect('postgres')
    await expect(client.query('create table auth.mine ()')).rejects.toThrow('permission denied for schema auth')
    await expect(client.query('create policy x on storage.objects using (true)')).rejects.toThrow('must be owner')
    await expect(client.query('alter table storage.objects add column x int')).rejects.toThrow('must be owner')
    await expect(client.query("insert into vault.secrets (secret) values ('x')")).rejects.toThrow('permission denied')
    await client.query('set session_replication_role = replica')
    const secrets = await client.query('select decrypted_secret from vault.decrypted_secrets where name = $1', [
      'stripe_key'
    ])
    expect(secrets.rows).toEqual([{ decrypted_secret: 'the stripe key' }])
    await expect(client.query('delete from storage.objects')).resolves.toHaveProperty('rowCount', 60)
    await client.query('set session_replication_role = origin')
    await expect(client.query('delete from storage.buckets')).rejects.toThrow('Direct deletion')
  })
})

describe('the fixture', () => {
  it('stores the same rows at each run, on each server', async () => {
    const digests: unknown[] = []
    for (const major of [15, 17] as const) {
      const server = await postgres({ major })
      await loadSupabase(server)
      const client = await server.connect()
      const digest: Record<string, unknown> = {}
      for (const table of [
        'auth.users',
        'auth.identities',
        'public.todos',
        'app.every_type',
        'app.orders',
        'realtime.messages'
      ]) {
        const found = await client.query(
          `select md5(string_agg(t::text, ';' order by t::text collate "C")) as md5 from ${table} t`
        )
        digest[table] = found.rows[0].md5
      }
      digests.push(digest)
    }
    expect(digests[1]).toEqual(digests[0])
  })

  it('makes a fresh project without a user, and several projects on one server', async () => {
    const server = await postgres({ major: 17 })
    await loadSupabase(server, { user: false, realtimeDay: '2026-11-22' })
    await loadSupabase(server, { database: 'other' })
    await loadSupabase(server, { database: 'third "one"' })

    const inPublic = `select count(*)::int as tables from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`
    expect((await server.query(inPublic)).rows).toEqual([{ tables: 0 }])
    expect((await server.query('select count(*)::int as users from auth.users')).rows).toEqual([{ users: 0 }])
    expect((await server.query(inPublic, [], 'postgres', 'other')).rows).not.toEqual([{ tables: 0 }])
    expect((await server.query(inPublic, [], 'postgres', 'third "one"')).rows).not.toEqual([{ tables: 0 }])
  })

  it('fills a database with the tables of pgbench', async () => {
    const server = await postgres({ major: 18 })
    await loadPgbench(server, 1)
    const accounts = await server.query(
      'select count(*)::int as rows from pgbench_accounts',
      [],
      'supabase_admin',
      'pgbench'
    )
    expect(accounts.rows).toEqual([{ rows: 100_000 }])
  })
})

describe('the servers', () => {
  it('ask for a password and for TLS where they are told to', async () => {
    const server = await postgres({ major: 17, auth: 'scram', tls: { required: true } })
    const ask = (env: Record<string, string>) => server.run('psql', ['-XAtc', "select 'in'"], { env })

    expect((await ask({ PGSSLMODE: 'verify-full' })).stdout.toString()).toBe('in\n')
    expect((await ask({ PGSSLMODE: 'disable' })).stderr).toContain('no encryption')
    expect((await ask({ PGSSLMODE: 'verify-full', PGPASSWORD: 'wrong' })).stderr).toContain(
      'password authentication failed'
    )
  })

  it.each([
    { tls: { expired: true }, says: 'certificate verify failed' },
    { tls: { selfSigned: true }, says: 'certificate verify failed' },
    { tls: { names: ['elsewhere.example.com'] }, says: 'does not match host name' }
  ])('show a bad certificate: $tls', async ({ tls, says }) => {
    const server = await postgres({ major: 15, tls })
    const refused = await server.run('psql', ['-XAtc', 'select 1'], { env: { PGSSLMODE: 'verify-full' } })
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain(says)
  })

  it('keep data and port over a restart, and take settings', async () => {
    const server = await postgres({ major: 18, settings: { max_connections: 13 } })
    await server.query('create table kept as select 1 as one')
    await server.restart('immediate')
    expect((await server.query('select one from kept')).rows).toEqual([{ one: 1 }])
    expect((await server.query('show max_connections')).rows).toEqual([{ max_connections: '13' }])
    await server.down()
    await expect(server.query('select 1')).rejects.toThrow('ECONNREFUSED')
    await server.up()
    expect((await server.query('select one from kept')).rows).toEqual([{ one: 1 }])
    expect(server.log()).toContain('database system is ready')
  })

  it('die and leave nothing behind when the test process is killed', async () => {
    const kit = fileURLToPath(new URL('../kit/postgres/server.ts', import.meta.url))
    const script = `import { startPostgres } from ${JSON.stringify(kit)}
      const server = await startPostgres({ major: 15 })
      console.log(JSON.stringify([server.socketDir, server.port]))
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const [folder] = JSON.parse(line.toString('utf8')) as [string, number]
    expect(existsSync(folder)).toBe(true)
    child.kill('SIGKILL')
    await expect.poll(() => existsSync(folder), { timeout: 20_000 }).toBe(false)
  })
})

describe('the proxy', () => {
  const select = 'select string_agg(md5(n::text), $$$$) as text from generate_series(1, 100000) n'
  const through = (server: PostgresServer, proxy: TcpProxy, sql = select) =>
    server.run('psql', ['-XAtc', sql], { env: { PGPORT: String(proxy.port) } })

  it('passes everything on unchanged and counts it', async () => {
    const server = await postgres({ major: 15 })
    const proxy = await proxyTo(server)
    const direct = await server.run('psql', ['-XAtc', select])
    const proxied = await through(server, proxy)
    expect(proxied.stdout.equals(direct.stdout)).toBe(true)
    expect(proxy.bytes.down).toBeGreaterThan(3_200_000)
    expect(proxy.bytes.up).toBeGreaterThan(select.length)
    expect(proxy.connections).toBe(1)
  })

  it('cuts a connection after so many bytes, as often as it is told to', async () => {
    const server = await postgres({ major: 15 })
    const proxy = await proxyTo(server)
    proxy.cutAfter(1_000_000, 'down', 1)
    const cut = await through(server, proxy)
    expect(cut.code).toBe(2)
    expect(proxy.bytes.down).toBe(1_000_000)
    expect((await through(server, proxy)).code).toBe(0)
  })

  it('turns one bit, resets, refuses, stalls and throttles', async () => {
    const server = await postgres({ major: 15 })
    const proxy = await proxyTo(server)
    const good = await through(server, proxy)

    proxy.flipByte(1_000_000)
    const flipped = await through(server, proxy)
    expect(flipped.code).toBe(0)
    const changed = [...flipped.stdout.keys()].filter((at) => flipped.stdout[at] !== good.stdout[at])
    expect(changed).toHaveLength(1)

    const sleeping = through(server, proxy, 'select pg_sleep(60)')
    await expect
      .poll(
        async () =>
          (
            await server.query(
              "select 1 from pg_stat_activity where query like '%pg_sleep(60)' and pid <> pg_backend_pid()"
            )
          ).rowCount
      )
      .toBe(1)
    proxy.reset()
    expect((await sleeping).code).toBe(2)

    proxy.refuse(true)
    expect((await through(server, proxy)).code).toBe(2)
    proxy.refuse(false)

    proxy.stall()
    let finished = false
    const stalled = through(server, proxy).then((result) => {
      finished = true
      return result
    })
    await expect.poll(() => proxy.connections).toBe(5)
    expect(finished).toBe(false)
    proxy.flow()
    expect((await stalled).code).toBe(0)

    proxy.throttle(8_000_000)
    expect((await through(server, proxy)).stdout.equals(good.stdout)).toBe(true)
  })
})
