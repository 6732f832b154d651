// What leaves a database, is stored and is worked for when little of it changed: the prototype of increments beside whole backups and a chunked dump.
// Prints a Markdown table; asserts nothing but that the chain gives back what is there.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import pg from 'pg'
import { sessionSettings } from '../test/kit/chain-oracle.ts'
import { type PostgresServer, startPostgres } from '../test/kit/postgres/server.ts'
import { startProxy } from '../test/kit/proxy.ts'
import { waysOf } from './bench-ways.ts'
import { type Captured, capture, type Index } from './spike-incremental/capture.ts'
import { copyOut } from './spike-incremental/copy-out.ts'
import { openIndex, sealIndex } from './spike-incremental/index-file.ts'
import { restoreChain } from './spike-incremental/restore.ts'

export interface IncrementalOptions {
  readonly megabytes: number
  readonly folder: string
  readonly recipient: string
  /** The file that is run as the action; null leaves it out. */
  readonly bundle: string | null
}

interface Cost {
  readonly out: number
  readonly stored: number
  readonly seconds: number
  readonly serverCpu: number
}

const tableCount = 200
const password = 'a password of the database'

/** Each scenario is what happens between two backups. */
const scenarios: readonly { readonly name: string; readonly sql: string; readonly pgbench?: true }[] = [
  { name: 'nothing changed', sql: '' },
  {
    name: "an application's day: 2 % more, 1 % of recent rows changed, 0.2 % gone",
    sql: `do $$ declare t text; begin for t in select relname from pg_class where relname ~ '^t[0-9]+$' loop
      execute format('insert into %1$I (v, k, at) select md5(random()::text), id, now() from %1$I where id %% 50 = 0', t);
      execute format('update %1$I set k = k + 1 where id > (select max(id) * 0.95 from %1$I) and id %% 5 = 0', t);
      execute format('delete from %1$I where id > (select max(id) * 0.9 from %1$I) and id %% 50 = 1', t); end loop; end $$`
  },
  { name: 'pgbench, 1,000 transactions', sql: '', pgbench: true },
  {
    name: '1 % of the rows, spread evenly',
    sql: `do $$ declare t text; begin for t in select relname from pg_class where relname ~ '^t[0-9]+$' loop
      execute format('update %1$I set k = k + 1 where id %% 100 = 7', t); end loop; end $$`
  },
  { name: 'VACUUM FULL of one table of 200', sql: 'vacuum full t1' }
]

export async function benchIncremental(options: IncrementalOptions): Promise<string> {
  const server = await startPostgres({
    major: 15,
    settings: { shared_buffers: '512MB', autovacuum: 'off', max_locks_per_transaction: 256 }
  })
  const wire = await startProxy({ target: { port: server.port } })
  try {
    const run = (sql: string) => server.query(sql, [], server.superuser, 'day')
    await server.query('create database day')
    const rows = Math.round((options.megabytes * 1e6) / tableCount / 120)
    await run(`do $$ begin for i in 1..${tableCount} loop
      execute format('create table t%s (id bigint generated always as identity primary key, v text, k bigint, at timestamptz, note text)', i);
      execute format('insert into t%s (v, k, at, note) select md5(g::text), g, timestamptz ''2026-01-01'' + g * interval ''1 s'', repeat(md5((g * %s)::text), 1) from generate_series(1, ${rows}) g', i, i);
    end loop; end $$`)
    await server.run('pgbench', ['-i', '-q', '-s', '1'], { database: 'day' })
    await run('vacuum analyze')
    const size = (await run('select pg_database_size(current_database())::bigint as bytes')).rows[0].bytes as string
    const lines: string[] = []
    const chain: Captured[] = []
    const known = new Set<string>()
    let index: Index | null = null
    let indexBytes = 0

    const incremental = async (): Promise<Cost> => {
      const sealed = index
      return measured(server, wire, async () => {
        const client = new pg.Client({
          host: '127.0.0.1',
          port: wire.port,
          user: server.superuser,
          password: server.password,
          database: 'day'
        })
        await client.connect()
        await client.query(`${sessionSettings}; begin isolation level repeatable read read only`)
        const captured = await capture(client, ['public'], sealed)
        await client.end()
        chain.push(captured)
        const file = sealIndex(captured.index, password)
        index = openIndex(file, password)
        indexBytes = file.length
        return captured.deltas.reduce(
          (sum, { lines: own }) => sum + (own.length === 0 ? 0 : zstdCompressSync(Buffer.concat([...own])).length),
          file.length
        )
      })
    }
    const dumped = (args: readonly string[]): Promise<Cost> =>
      measured(server, wire, async () => {
        const file = path.join(options.folder, 'dump')
        await child(`${server.binDir}/pg_dump`, [...args, '-f', file], {
          ...server.env(server.superuser, 'day'),
          PGHOST: '127.0.0.1',
          PGPORT: String(wire.port)
        })
        return args.includes('-Fc') ? (await stat(file)).size : chunked(await readFile(file), known)
      })
    const whole = async (): Promise<Cost | null> => {
      if (options.bundle === null) return null
      const place = path.join(options.folder, 'run')
      await rm(place, { recursive: true, force: true })
      await mkdir(place)
      const proxied: PostgresServer = {
        ...server,
        url: (user, database) => server.url(user, database, '127.0.0.1').replace(`:${server.port}/`, `:${wire.port}/`)
      }
      const way = waysOf({
        server: proxied,
        recipient: options.recipient,
        proof: false,
        others: false,
        bundle: options.bundle
      })[1]
      if (way === undefined) return null
      const { script, env } = await way.prepare('day', place)
      return measured(server, wire, async () => {
        await child('bash', ['-c', script], env)
        return await bytesBelow(path.join(place, 'stored'))
      })
    }

    for (const scenario of [{ name: 'the first backup', sql: '' }, ...scenarios]) {
      if (scenario.sql !== '') await run(scenario.sql)
      if ('pgbench' in scenario) await server.run('pgbench', ['-t', '1000', '-c', '1', '-n'], { database: 'day' })
      const costs: [string, Cost | null][] = [
        ['increment (prototype)', await incremental()],
        ['this action, whole', await whole()],
        ['pg_dump -Fc', await dumped(['-Fc'])],
        ['plain dump, chunked', await dumped([])]
      ]
      const full = costs[2]?.[1]
      for (const [way, cost] of costs) {
        if (cost === null) continue
        const part = full === null || full === undefined ? '' : ` (${((cost.out / full.out) * 100).toFixed(1)} %)`
        lines.push(
          `| ${scenario.name} | ${way} | ${megabytes(cost.out)}${part} | ${megabytes(cost.stored)} | ${cost.seconds.toFixed(1)} | ${cost.serverCpu.toFixed(2)} |`
        )
        console.error(lines.at(-1))
      }
    }
    const equal = await givesBack(server, chain)
    return [
      `${tableCount} tables, ${megabytes(Number(size))} on the server; index ${megabytes(indexBytes)} (${((indexBytes / Number(size)) * 100).toFixed(2)} % of it); the chain of ${chain.length} gives back what is there: ${equal}`,
      '',
      '| what happened | way | bytes out (of pg_dump -Fc) | stored | seconds | server CPU, s |',
      '|---|---|---|---|---|---|',
      ...lines
    ].join('\n')
  } finally {
    await wire.close()
    await server.stop()
  }
}

/** Bytes at the server's socket, time, and processor time of the server's processes that ended meanwhile. */
async function measured(
  server: PostgresServer,
  wire: { readonly bytes: { readonly down: number } },
  work: () => Promise<number>
): Promise<Cost> {
  const [out, cpu, started] = [wire.bytes.down, await reapedSeconds(server), performance.now()]
  const stored = await work()
  const seconds = (performance.now() - started) / 1000
  // The postmaster takes note of a process a moment after its client has left.
  await new Promise((resolve) => setTimeout(resolve, 300))
  return { out: wire.bytes.down - out, stored, seconds, serverCpu: (await reapedSeconds(server)) - cpu }
}

async function reapedSeconds(server: PostgresServer): Promise<number> {
  const pid = (await readFile(path.join(server.dataDir, 'postmaster.pid'), 'utf8')).split('\n')[0]
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[13]) + Number(fields[14])) / 100
}

/** Content-defined chunks of about 64 KiB (a gear hash), each compressed by itself; gives the bytes of those that are new. */
function chunked(bytes: Buffer, known: Set<string>): number {
  let stored = 0
  let start = 0
  let hash = 0
  for (let at = 0; at < bytes.length; at += 1) {
    hash = ((hash << 1) + Math.imul((bytes[at] ?? 0) + 1, 0x9e3779b1)) >>> 0
    const length = at - start + 1
    if ((length < 16_384 || hash >>> 16 !== 0) && length < 262_144 && at + 1 < bytes.length) continue
    const chunk = bytes.subarray(start, at + 1)
    const name = createHash('sha256').update(chunk).digest('hex')
    if (!known.has(name)) stored += zstdCompressSync(chunk).length
    known.add(name)
    start = at + 1
  }
  return stored
}

async function givesBack(server: PostgresServer, chain: readonly Captured[]): Promise<boolean> {
  const client = await server.connect(server.superuser, 'day')
  await client.query(sessionSettings)
  const restored = [...restoreChain(chain).values()]
  const copies = await copyOut(
    client,
    restored.map((table) => `copy (select ${table.columns.join(', ')} from only ${table.name}) to stdout`)
  )
  await client.end()
  return restored.every((table, at) => {
    const expected = (copies[at] ?? []).map((line) => line.toString('latin1')).sort()
    const found = [...table.rows].sort()
    return expected.length === found.length && expected.every((line, row) => line === found[row])
  })
}

function child(command: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<void> {
  return new Promise((resolve, reject) => {
    const running = spawn(command, args, {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['ignore', 'ignore', 'ignore']
    })
    running.once('error', reject)
    running.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}`))))
  })
}

async function bytesBelow(folder: string): Promise<number> {
  let sum = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) sum += (await stat(path.join(entry.parentPath, entry.name))).size
  return sum
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(2)} MB`
}
