import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ActionRun, type RunOptions, runAction, shown } from '../kit/action.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { loadPgbench } from '../kit/fixture/samples.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { freePort, type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { startProxy } from '../kit/proxy.ts'

const password = 'Zyx-canary/9f2+value'

describe('the worst days, through the bundle', () => {
  let server: PostgresServer
  let root: string
  let folder: string
  let recipients: string
  const runs: ActionRun[] = []

  beforeAll(async () => {
    server = await startPostgres({ major: 15, auth: 'scram', password })
    await loadSupabase(server, { users: 12 })
    await loadPgbench(server, 3)
    root = await mkdtemp(join(tmpdir(), 'sb-faults-'))
    recipients = await identityToRecipient(await generateIdentity())
  })
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.cleanUp()
  })
  afterAll(async () => {
    await server.stop()
    await rm(root, { recursive: true, force: true })
  })

  const backup = async (inputs: Readonly<Record<string, string>> = {}, options: Omit<RunOptions, 'inputs'> = {}) => {
    folder = inputs['folder'] ?? (await mkdtemp(join(root, 'place-')))
    const run = await runAction({
      inputs: {
        'database-url': server.url('postgres', 'pgbench'),
        project: 'shop',
        destinations: 'folder',
        folder,
        recipients,
        'pg-bin': binDirOf(15),
        verify: 'none',
        retries: '0',
        ...inputs
      },
      ...options
    })
    runs.push(run)
    for (const text of [shown(run.log), run.summary, JSON.stringify(run.outputs)])
      for (const form of [password, encodeURIComponent(password)]) expect(text).not.toContain(form)
    return run
  }
  const nothingLeft = async (run: ActionRun) => {
    expect((await readdir(join(run.temp, 'supabase-backup'))).filter((name) => !name.startsWith('result-'))).toEqual([])
    expect(
      (await readdir(folder, { recursive: true })).filter((name) => name.includes('dump') || name.includes('manifest'))
    ).toEqual([])
  }

  test('F1: nobody listens', async () => {
    const run = await backup({
      'database-url': `postgresql://postgres:${encodeURIComponent(password)}@127.0.0.1:${await freePort()}/postgres`
    })
    expect(run.code).toBe(1)
    expect(run.outputs['status']).toBe('failed')
    expect(run.log).toMatch(/^::error title=[^:]+::SB1\d\d: /m)
    expect(run.summary).toContain('What to do')
    await nothingLeft(run)
  })

  test('F4: a wrong password is tried once', async () => {
    const before = (await server.log()).split('password authentication failed').length
    const wrong = new URL(server.url('postgres', 'pgbench'))
    wrong.password = 'wrong-canary-password'
    const run = await backup({ 'database-url': wrong.href, retries: '5' })
    expect(run.code).toBe(1)
    expect(shown(run.log)).not.toContain('wrong-canary-password')
    expect((await server.log()).split('password authentication failed').length - before).toBe(1)
    await nothingLeft(run)
  })

  test('F3: the transaction pooler is refused before anything is asked', async () => {
    const run = await backup({
      'database-url':
        'postgresql://postgres.abcdefghijklmnopqrst:pw-of-nobody@aws-0-eu-central-1.pooler.supabase.com:6543/postgres'
    })
    expect(run.code).toBe(1)
    expect(run.result?.error?.remedy).toContain('5432')
  })

  test('F9: connections cut at many places leave nothing behind', async () => {
    const proxy = await startProxy({ target: server })
    try {
      for (const bytes of [100, 3_000, 20_000, 90_000, 200_000, 1_000_000, 20_000_000]) {
        proxy.cutAfter(bytes, 'down', 1_000)
        const url = new URL(server.url('postgres', 'pgbench'))
        url.port = String(proxy.port)
        const run = await backup({ 'database-url': url.href })
        expect({ bytes, code: run.code, status: run.outputs['status'] }).toEqual({ bytes, code: 1, status: 'failed' })
        await nothingLeft(run)
      }
    } finally {
      await proxy.close()
    }
  })

  test.each([
    // A dump takes at least a tenth of the database, which has some 50 MB: it is not even begun.
    [
      '1m',
      {},
      'SB310',
      /There is not enough room for the backup: the project takes [\d.]+ MB where it lies, 1\.05 MB are free/
    ],
    ['8m', { compression: 'none' }, 'SB310', /The disk is full: .* needs more than the \d+ bytes written so far/],
    [
      '20m',
      {},
      undefined,
      /^::warning.*Room may become scarce: the project takes [\d.]+ MB where it lies, 21\.0 MB are free/m
    ]
  ] as const)('F34: a disk of %s for temporary files %j: %s', async (size, inputs, code, told) => {
    const small = await mkdtemp(join(root, 'small-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', small])
    try {
      const run = await backup(inputs, { temp: small })
      expect({ code: run.code, error: run.result?.error?.code }).toEqual({
        code: code === undefined ? 0 : 1,
        error: code
      })
      expect(run.log).toMatch(told)
      if (code === undefined) expect(run.outputs['status']).toBe('complete')
      else await nothingLeft(run)
    } finally {
      execFileSync('umount', ['-l', small])
    }
  })

  test('F36: SIGINT at each tenth of a second ends the run within its time, with nothing published and nothing left', {
    timeout: 600_000
  }, async () => {
    const begun = performance.now()
    expect((await backup()).code).toBe(0)
    // What comes after the end of a run, up to the 10 s of the row, meets nothing. Where a run takes much longer than 2 s, there are 20 moments.
    const whole = performance.now() - begun
    const step = Math.max(100, whole / 20)
    let unasked = 0
    for (let after = 0; after <= whole * 1.5 && unasked === 0; after += step) {
      const place = await mkdtemp(join(root, 'sigint-'))
      const started = performance.now()
      let sent = 0
      const run = await backup(
        { folder: place },
        {
          onStart: (child) => {
            setTimeout(() => {
              sent = performance.now()
              child.kill('SIGINT')
            }, after)
          }
        }
      )
      if (run.code === 0) {
        if (sent === 0) unasked += 1
        continue
      }
      expect({ after, code: run.code === 1 || run.signal === 'SIGINT' }).toEqual({ after, code: true })
      if (sent > started) expect({ after, late: performance.now() - sent > 5_000 }).toEqual({ after, late: false })
      if (run.signal === null) {
        expect({ after, error: run.result?.error?.code }).toEqual({ after, error: 'SB301' })
        expect(run.summary).toContain('cancelled')
      }
      expect((await readdir(place, { recursive: true })).filter((name) => name.includes('manifest'))).toEqual([])
      if (run.signal === null)
        expect((await readdir(join(run.temp, 'supabase-backup'))).filter((name) => name.startsWith('run-'))).toEqual([])
    }
    await sessionsGone(server)
  })

  test('F37: SIGKILL at many moments: earlier backups stay, and the next run clears what was left in temp', async () => {
    const place = await mkdtemp(join(root, 'sigkill-'))
    const temp = await mkdtemp(join(root, 'temp-'))
    const first = await backup({ folder: place }, { temp })
    expect(first.code).toBe(0)
    for (const after of [300, 700, 900, 1_100, 1_400]) {
      await backup({ folder: place }, { temp, onStart: (child) => void setTimeout(() => child.kill('SIGKILL'), after) })
    }
    const last = await backup({ folder: place }, { temp })
    expect({ code: last.code, error: last.result?.error }).toEqual({ code: 0 })
    expect((await readdir(join(temp, 'supabase-backup'))).filter((name) => name.startsWith('run-'))).toEqual([])
    for (const row of last.result?.backups ?? []) {
      const manifest = JSON.parse(await readFile(join(place, 'shop', row.id, 'manifest.json'), 'utf8'))
      expect((await readdir(join(place, 'shop', row.id))).sort()).toEqual(
        [...manifest.files.map((file: { name: string }) => file.name), 'manifest.json'].sort()
      )
    }
    expect(last.result?.backups.some((row) => row.id === first.outputs['backup-id'])).toBe(true)
    await sessionsGone(server)
  })

  test('F23: hostile names give no commands to the runner and no markup to the summary', async () => {
    const run = await backup({ 'database-url': server.url('postgres', 'postgres') })
    expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
    const commands = run.log
      .split(/[\r\n]+/)
      .filter(
        (line) => /^\s*::(?!(add-mask|group|endgroup|debug|warning|error|notice)\b)/.test(line) || line.includes('##[')
      )
    expect(commands).toEqual([])
    expect(run.summary).not.toMatch(
      /<(?!\/?(h[1-6]|table|thead|tbody|tr|td|th|details|summary|code|pre|br|sub|sup|a)\b)[a-z]/i
    )
  })

  test('T6: no secret stands in an argument of any process', async () => {
    const seen: string[] = []
    let running = true
    const sampler = (async () => {
      while (running) {
        for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
          try {
            const line = await readFile(`/proc/${pid}/cmdline`, 'utf8')
            if (line.includes(password) || line.includes(encodeURIComponent(password))) seen.push(line)
          } catch {
            // The process ended between the two looks.
          }
        }
        await delay(5)
      }
    })()
    const run = await backup()
    running = false
    await sampler
    expect(run.code).toBe(0)
    expect(seen).toEqual([])
  })

  test('F42: the environment of the person does not reach the children', async () => {
    const home = await mkdtemp(join(root, 'home-'))
    await writeFile(join(home, '.pgpass'), '*:*:*:*:not-the-password\n', { mode: 0o600 })
    await writeFile(join(home, '.psqlrc'), '\\! touch pwned\n')
    const run = await backup(
      {},
      {
        env: {
          HOME: home,
          PGOPTIONS: '-c statement_timeout=1',
          PGSERVICE: 'nowhere',
          PGHOST: '192.0.2.1',
          LC_ALL: 'tr_TR.UTF-8',
          TZ: 'Pacific/Apia',
          NODE_OPTIONS: ''
        }
      }
    )
    expect({ code: run.code, error: run.result?.error }).toEqual({ code: 0 })
  })
})

/** The server's sessions of a killed run end by themselves within seconds. */
async function sessionsGone(server: PostgresServer): Promise<void> {
  for (let waited = 0; waited < 100; waited++) {
    const { rows } = await server.query(
      `select count(*)::int as n from pg_stat_activity where application_name like 'supabase-backup%' or application_name = 'pg_dump'`
    )
    if (rows[0]?.n === 0) return
    await delay(100)
  }
  throw new Error('sessions of ended runs are still there after 10 s')
}
