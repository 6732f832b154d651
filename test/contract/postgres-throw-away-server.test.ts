import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/clients/postgres/connect.ts'
import { findServerPrograms } from '../../src/clients/postgres/find-programs.ts'
import { removeLeftoverServers } from '../../src/clients/postgres/leftover-servers.ts'
import type { ServerPrograms } from '../../src/clients/postgres/programs.ts'
import { startThrowAwayServer } from '../../src/clients/postgres/throw-away-server.ts'
import { systemClock } from '../../src/clients/process/system.ts'
import type { Log } from '../../src/log.ts'
import { binDirOf } from '../kit/postgres/programs.ts'

const never = new AbortController().signal
const log: Log = {
  info: () => undefined,
  warning: (message) => {
    throw new Error(message)
  },
  debug: () => undefined,
  progress: () => undefined,
  group: (_title, work) => work()
}

let temp: string
beforeAll(async () => {
  temp = await mkdtemp(path.join(tmpdir(), 'sb-test-'))
  // A place of this file's own, which the server's user can enter, so that servers of other tests are not counted.
  await chmod(temp, 0o755)
  process.env.TMPDIR = temp
})
afterAll(() => rm(temp, { recursive: true, force: true }))

const contextOf = (signal: AbortSignal) => ({ clock: systemClock, signal, temp, log })
async function programsOf(major: 15 | 17 | 18): Promise<ServerPrograms> {
  const found = await findServerPrograms(major, { pgBin: binDirOf(major), home: temp, signal: never, places: [] })
  if (found === null) throw new Error('no server')
  return found
}

describe.each([15, 17, 18] as const)('a throw-away server of PostgreSQL %i', (major) => {
  test('starts with the superuser, encoding and locale asked for, deaf to the network, and leaves nothing', async () => {
    const server = await startThrowAwayServer({
      programs: await programsOf(major),
      context: contextOf(never),
      superuser: 'supabase_admin',
      encoding: 'UTF8',
      collation: 'C.UTF-8',
      extensions: ['pg_cron', 'pg_stat_statements', '../evil']
    })
    const folder = path.dirname(server.dataDir)
    try {
      expect(server.warnings).toEqual([])
      expect((await stat(server.target.host)).mode & 0o077).toBe(0)
      const connection = await connect(server.target, { clock: systemClock, signal: never, retries: 0 })
      expect(Math.trunc(connection.versionNumber / 10_000)).toBe(major)
      expect(
        await connection.query(
          `select current_user::text who, (select rolsuper from pg_roles where rolname = current_user) super, pg_encoding_to_char(encoding)::text encoding, datcollate::text collate,
                  current_setting('listen_addresses') listens, current_setting('max_worker_processes') workers, current_setting('shared_preload_libraries') libraries
             from pg_database where datname = 'postgres'`
        )
      ).toEqual([
        {
          who: 'supabase_admin',
          super: true,
          encoding: 'UTF8',
          collate: 'C.UTF-8',
          listens: '',
          workers: '0',
          // pg_cron's library comes first where the machine has it.
          libraries: expect.stringMatching(/^(?:pg_cron,)?pg_stat_statements$/)
        }
      ])
      await connection.query('create table public.t as select n from generate_series(1, 1000) n')
      await connection.close()
    } finally {
      await server.stop()
      await server.stop()
    }
    expect(existsSync(folder)).toBe(false)
  })
})

test('a locale that the machine lacks is replaced and told', async () => {
  const server = await startThrowAwayServer({
    programs: await programsOf(15),
    context: contextOf(never),
    superuser: 'postgres',
    collation: 'xx_XX.UTF-8'
  })
  await server.stop()
  expect(server.warnings).toEqual([expect.stringContaining('xx_XX.UTF-8')])
})

test('a signal ends it and removes it', async () => {
  const run = new AbortController()
  const server = await startThrowAwayServer({
    programs: await programsOf(15),
    context: contextOf(run.signal),
    superuser: 'postgres'
  })
  run.abort(new Error('enough'))
  await server.stop()
  expect(existsSync(server.dataDir)).toBe(false)
  expect(server.ended.aborted).toBe(true)
  await expect(connect(server.target, { clock: systemClock, signal: never, retries: 0 })).rejects.toMatchObject({
    code: 'SB101'
  })
})

test('programs that fail are told, and leave nothing', async () => {
  const programs = await programsOf(15)
  const before = await folders()
  await expect(
    startThrowAwayServer({
      programs: { ...programs, initdb: '/bin/false' },
      context: contextOf(never),
      superuser: 'postgres'
    })
  ).rejects.toMatchObject({ code: 'SB306' })
  await expect(
    startThrowAwayServer({
      programs,
      context: contextOf(never),
      superuser: 'postgres',
      settings: { shared_buffers: 'nonsense' }
    })
  ).rejects.toMatchObject({ code: 'SB306', message: expect.stringContaining('shared_buffers') })
  expect(await folders()).toEqual(before)
})

test('F37: a killed run takes its server with it, and the next run clears its folder', async () => {
  const script = `
    import { startThrowAwayServer } from './src/clients/postgres/throw-away-server.ts'
    import { systemClock } from './src/clients/process/system.ts'
    const [programs, temp] = [JSON.parse(process.argv[1]), process.argv[2]]
    const log = { info() {}, warning() {}, debug() {}, progress() {}, group: (_t, work) => work() }
    const server = await startThrowAwayServer({ programs, context: { clock: systemClock, signal: new AbortController().signal, temp, log }, superuser: 'postgres' })
    process.stdout.write(server.dataDir + '\\n')
    setInterval(() => undefined, 1000)
  `
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', script, JSON.stringify(await programsOf(15)), temp],
    { stdio: ['ignore', 'pipe', 'inherit'] }
  )
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const dataDir = line.toString().trim()
  expect(existsSync(dataDir)).toBe(true)
  await removeLeftoverServers()
  expect(existsSync(dataDir)).toBe(true)
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  while ((await processesWith(dataDir)).length > 0) await systemClock.sleep(20)
  expect(existsSync(dataDir)).toBe(true)
  await removeLeftoverServers()
  expect(existsSync(path.dirname(dataDir))).toBe(false)
})

/** Numbers of the processes that have a word in their command line. */
async function processesWith(word: string): Promise<string[]> {
  const found: string[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (line.includes(word)) found.push(pid)
  }
  return found
}

/** What a superuser's programs find out and do, as words `name: value`. */
const probe = (canary: string, others: string) => `
  touch ${canary} && echo touched: yes
  echo user: $(id -u)
  echo processes: $(ls /proc | grep -c '^[0-9]')
  echo network: $(grep -c : /proc/net/dev) $(grep -c lo: /proc/net/dev)
  echo alternatives: $(ls /etc/alternatives | grep -cx awk)
  touch /etc/alternatives/evil 2>/dev/null && echo alternatives: written
  echo homes: $(ls /root /home /work /run /etc/shadow ${others} 2>/dev/null)
  echo variables: $(env | cut -d= -f1 | grep -cE 'SECRET|GITHUB|INPUT|RUNNER')
  echo rights: $(grep -E '^CapEff|^NoNewPrivs' /proc/self/status)
  touch /usr/bin/evil 2>/dev/null && echo system: written
  true`

/** Starts a server as the run of another process, whose user may be another one, and asks it. Prints what it said as JSON. */
const asking = `
  import { startThrowAwayServer } from './src/clients/postgres/throw-away-server.ts'
  import { connect } from './src/clients/postgres/connect.ts'
  import { systemClock } from './src/clients/process/system.ts'
  const [programs, temp, command] = [JSON.parse(process.argv[1]), process.argv[2], process.argv[3]]
  const log = { info() {}, warning() {}, debug() {}, progress() {}, group: (_t, work) => work() }
  const signal = new AbortController().signal
  const server = await startThrowAwayServer({ programs, context: { clock: systemClock, signal, temp, log }, superuser: 'postgres' })
  try {
    const connection = await connect(server.target, { clock: systemClock, signal, retries: 0 })
    await connection.query('create table public.said (line text)')
    await connection.query("copy public.said from program '" + command.replaceAll("'", "''") + "'")
    const said = (await connection.query('select line from public.said')).map((row) => row.line)
    process.stdout.write(JSON.stringify({ warnings: server.warnings, said }))
    await connection.close()
  } finally {
    await server.stop()
  }`

describe.runIf(process.getuid?.() === 0).each([
  ['root', 0],
  ['a user without rights', 65534]
] as const)('T1: code that has become superuser in the server of %s', (_, uid) => {
  test('finds no file, process, variable or network of this machine, and no way to more rights', async () => {
    const home = await mkdtemp(path.join(tmpdir(), 'home-'))
    const canary = `/tmp/canary-${path.basename(home)}`
    try {
      await chown(home, uid, uid)
      await chmod(home, 0o755)
      await writeFile(path.join(home, 'secret'), 'secret')
      const command = probe(canary, path.join(home, 'secret'))
      const child = spawn(
        process.execPath,
        ['--input-type=module', '-e', asking, JSON.stringify(await programsOf(15)), home, command],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
          uid,
          gid: uid,
          env: { PATH: process.env.PATH, TMPDIR: home, SECRET_OF_THE_JOB: 'x', INPUT_IDENTITY: 'x' }
        }
      )
      let printed = ''
      child.stdout.on('data', (chunk: Buffer) => {
        printed += chunk.toString()
      })
      await once(child, 'close')
      const { warnings, said } = JSON.parse(printed) as { warnings: string[]; said: string[] }
      expect(warnings).toEqual([])
      const [processes, rest] = [
        said.filter((line) => line.startsWith('processes: ')),
        said.filter((line) => !/^(?:processes|user): /.test(line))
      ]
      expect(rest).toEqual([
        'touched: yes',
        'network: 1 1',
        // Files of extensions may be links through it: those of PostGIS in Debian's packages are.
        'alternatives: 1',
        'homes:',
        'variables: 0',
        'rights: CapEff: 0000000000000000 NoNewPrivs: 1'
      ])
      expect(said).not.toContain('user: 0')
      expect(Number(processes[0]?.slice(11))).toBeLessThan(20)
      // It was touched in the server's own /tmp, which is gone.
      expect(existsSync(canary)).toBe(false)
      expect(await readdir(home)).toEqual(['secret'])
    } finally {
      await rm(home, { recursive: true, force: true })
    }
  })
})

async function folders(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('sb-server-')).sort()
}
