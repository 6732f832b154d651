import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { BackupRow } from '../../src/result.ts'
import { type ActionRun, type RunOptions, runAction } from '../kit/action.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { earlierBackup, seedAmongArtifacts } from '../kit/history.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { startProxy } from '../kit/proxy.ts'

let server: PostgresServer
let root: string
let recipients: string
const runs: ActionRun[] = []

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-machine-'))
  recipients = await identityToRecipient(await generateIdentity())
  server = await startPostgres({ major: 15 })
  await server.query('create database small')
  await server.query(
    'create table things as select g as id, md5(g::text) as t from generate_series(1, 8000) g',
    [],
    undefined,
    'small'
  )
})
afterEach(async () => {
  for (const run of runs.splice(0)) await run.cleanUp()
})
afterAll(async () => {
  await server.stop()
  await rm(root, { recursive: true, force: true })
})

const newFolder = () => mkdtemp(join(root, 'place-'))
const run = async (inputs: Readonly<Record<string, string>>, options: Omit<RunOptions, 'inputs'> = {}) => {
  const done = await runAction({ inputs: { 'pg-bin': binDirOf(15), ...inputs }, ...options })
  runs.push(done)
  return done
}
const backup = (inputs: Readonly<Record<string, string>>, options: Omit<RunOptions, 'inputs'> = {}) =>
  run(
    {
      'database-url': server.url(server.superuser, 'small'),
      project: 'shop',
      destinations: 'folder',
      recipients,
      verify: 'none',
      ...inputs
    },
    options
  )
const outcome = ({ code, outputs, result }: ActionRun) => ({
  code,
  status: outputs['status'],
  error: result?.error?.code
})
const passed = { code: 0, status: 'complete', error: undefined }
const rowsOf = (done: ActionRun): BackupRow[] => JSON.parse(done.outputs['backups'] ?? '[]')

test('F11: a slow connection is no failure while bytes flow, and fills no log', async () => {
  const proxy = await startProxy({ target: server })
  try {
    proxy.throttle(64 * 1024)
    const url = new URL(server.url(server.superuser, 'small'))
    url.port = String(proxy.port)
    const done = await backup({ 'database-url': url.href, folder: await newFolder() })
    expect(outcome(done)).toEqual(passed)
    expect(proxy.bytes.down).toBeGreaterThan(300_000)
    const tenths = Math.ceil((done.result?.durationMs ?? 0) / 10_000)
    expect(done.log.split('\n').filter((line) => /\d.* (?:of|in) .*\d/.test(line)).length).toBeLessThan(20 + tenths)
  } finally {
    await proxy.close()
  }
})

test('F38: a dump larger than the memory that there is streams through', { timeout: 480_000 }, async () => {
  await server.query('create database wide')
  try {
    // 300 MB as the dump has them; little on the disk of this server, which compresses them.
    await server.query(
      'create table pages as select g as id, repeat(md5(g::text), 3200) as body from generate_series(1, 3000) g',
      [],
      undefined,
      'wide'
    )
    const folder = await newFolder()
    let peakKiB = 0
    let timer: NodeJS.Timeout | undefined
    const done = await backup(
      { 'database-url': server.url(server.superuser, 'wide'), folder, verify: 'read', compression: 'none' },
      {
        env: { NODE_OPTIONS: '--max-old-space-size=128' },
        onStart: ({ pid }) => {
          const look = () => {
            // Gone when the run has ended.
            const status = existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : ''
            peakKiB = Math.max(peakKiB, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0))
          }
          timer = setInterval(look, 50)
        }
      }
    )
    clearInterval(timer)
    expect(outcome(done)).toEqual(passed)
    expect(Number(done.outputs['size-bytes'])).toBeGreaterThan(300_000_000)
    expect(peakKiB).toBeGreaterThan(0)
    expect(peakKiB).toBeLessThan(256 * 1024)
  } finally {
    await server.query('drop database wide')
  }
})

test('F39: few file descriptors are enough, or end the run cleanly', async () => {
  for (const most of [64, 24]) {
    const folder = await newFolder()
    const done = await backup(
      { folder, retries: '0' },
      { onStart: ({ pid }) => void execFileSync('prlimit', ['--pid', String(pid), `--nofile=${most}:${most}`]) }
    )
    const there = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('manifest.json'))
    if (most === 64) expect(outcome(done)).toEqual(passed)
    expect(there).toHaveLength(done.code === 0 ? 1 : 0)
    expect(done.log).not.toContain('SB999')
    if (done.code !== 0) expect(done.log).toMatch(/^::error title=[^:]+::SB\d{3}: /m)
  }
})

test('F35: a folder for temporary files that can hold no more files, or nothing at all, ends the run cleanly', async () => {
  for (const [options, inodes, code] of [
    ['size=64m', 2, 'SB310'],
    ['size=64m', 4, 'SB310'],
    ['size=64m', 6, 'SB310'],
    ['size=64m,ro', 100, 'SB311']
  ] as const) {
    const temp = await mkdtemp(join(root, 'small-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', `${options},nr_inodes=${inodes}`, 'tmpfs', temp])
    try {
      const folder = await newFolder()
      const done = await backup({ folder, retries: '0' }, { temp })
      expect(done.log).toMatch(new RegExp(`^::error title=[^:]+::${code}: `, 'm'))
      // But for the folder of the label and the record that the run failed.
      const left = (await readdir(folder, { recursive: true })).filter(
        (name) => !/^[^/]+(?:\/journal(?:\/.*)?)?$/.test(name)
      )
      expect({ inodes, code: done.code, left }).toEqual({ inodes, code: 1, left: [] })
    } finally {
      execFileSync('umount', ['-l', temp])
    }
  }
})

test('F41: a link in place of the folder for temporary files is refused, and nothing is written or cleared where it points', async () => {
  const temp = await mkdtemp(join(root, 'temp-'))
  const elsewhere = await mkdtemp(join(root, 'elsewhere-'))
  await symlink(elsewhere, join(temp, 'supabase-backup'))
  const folder = await newFolder()
  const done = await backup({ folder }, { temp })
  expect(done.log).toMatch(/^::error title=[^:]+::SB311: The temporary folder .* is a link/m)
  expect([...(await readdir(elsewhere)), ...(await readdir(folder))]).toEqual([])
})

describe('F40: the clock', () => {
  /** Has a run start with a clock that is off, and steps it when it begins to capture. */
  const clockOff = async (ms: number, stepMs = 0): Promise<Readonly<Record<string, string>>> => {
    const file = join(root, `clock-${ms}-${stepMs}.cjs`)
    await writeFile(
      file,
      `const Real = Date, write = process.stdout.write
let step = 0
process.stdout.write = function (text, ...rest) {
  if (String(text).includes('Capturing')) step = ${stepMs}
  return write.call(this, text, ...rest)
}
const now = () => Real.now() + ${ms} + step
globalThis.Date = class Date extends Real {
  constructor(...given) { given.length === 0 ? super(now()) : super(...given) }
  static now() { return now() }
}\n`
    )
    return { NODE_OPTIONS: `--require=${file}` }
  }
  const year = 365.25 * 24 * 60 * 60 * 1000

  test('of an odd time zone: ids and times are UTC', async () => {
    const folder = await newFolder()
    for (const zone of ['Pacific/Apia', 'America/St_Johns']) {
      const started = Date.now()
      const done = await backup({ folder }, { env: { TZ: zone } })
      expect(outcome(done)).toEqual(passed)
      const id = done.outputs['backup-id'] ?? ''
      const time = Date.parse(id.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-.*$/, '$1-$2-$3T$4:$5:$6Z'))
      expect(time).toBeGreaterThan(started - 1000)
      expect(time).toBeLessThanOrEqual(Date.now())
      expect(Date.parse(rowsOf(done)[0]?.createdAt ?? '')).toBeGreaterThan(started - 1)
    }
  })

  test('that is decades off, or steps back: the earlier backups stay, the newest is found, what is dated in the future is marked', async () => {
    const folder = await newFolder()
    const good = await backup({ folder })
    expect(outcome(good)).toEqual(passed)
    // pg_dump would not be fooled with the run, so this one is laid there as such a run would have left it.
    const ahead = earlierBackup(-73 * year)
    await mkdir(join(folder, 'shop', ahead.ref.id))
    await writeFile(join(folder, 'shop', ahead.ref.id, 'database.dump'), ahead.file)
    await writeFile(join(folder, 'shop', ahead.ref.id, 'manifest.json'), ahead.manifest)
    const behind = await backup({ folder }, { env: await clockOff(-56 * year) })
    expect(outcome(behind)).toEqual(passed)
    const stepping = await backup({ folder }, { env: await clockOff(0, -2 * 60 * 60 * 1000) })
    expect(outcome(stepping)).toEqual(passed)
    for (const one of [behind, stepping]) expect(one.result?.durationMs).toBeGreaterThanOrEqual(0)

    const listed = await run({ command: 'list', destinations: 'folder', folder })
    const idOf = (done: ActionRun) => done.outputs['backup-id'] ?? ''
    expect(rowsOf(listed).map((row) => [row.id, row.future ?? false])).toEqual([
      [ahead.ref.id, true],
      [idOf(stepping), false],
      [idOf(good), false],
      [idOf(behind), false]
    ])
    const newest = await run({ command: 'verify', destinations: 'folder', folder })
    expect(newest.outputs['backup-id']).toBe(idOf(stepping))
  })

  test('that differs from that of the place by more than an hour: nothing is pruned', async () => {
    const github = await startGithub({ repository: 'acme/shop', visibility: 'private', artifacts: true })
    try {
      for (const days of [2, 3])
        seedAmongArtifacts(github.state, github.repository, earlierBackup(days * 24 * 60 * 60 * 1000))
      const pruned = await run(
        { command: 'prune', destinations: 'artifact', token: github.token, 'keep-last': '1' },
        { env: { ...github.env, ...(await clockOff(73 * year)) } }
      )
      expect(outcome(pruned)).toEqual({ code: 1, status: 'failed', error: 'SB905' })
      expect(github.calls.filter(({ method }) => method === 'DELETE')).toEqual([])
    } finally {
      await github.stop()
    }
  })
})

describe('F49: one run several times', () => {
  let github: Github
  beforeAll(async () => {
    github = await startGithub({ repository: 'acme/shop', visibility: 'private', artifacts: true })
  })
  afterAll(() => github.stop())

  test('again, in a matrix and at the same moment: every backup has an id of its own and is whole', async () => {
    const place = { destinations: 'artifact', token: github.token }
    const jobs = [
      { GITHUB_RUN_ATTEMPT: '1' },
      { GITHUB_RUN_ATTEMPT: '1' },
      { GITHUB_RUN_ATTEMPT: '2' },
      { GITHUB_RUN_ID: '1002' }
    ]
    const made = await Promise.all(jobs.map((env) => backup(place, { env: { ...github.env, ...env } })))
    for (const one of made) expect(outcome(one)).toEqual(passed)
    const ids = made.map((one) => one.outputs['backup-id'] ?? '')
    expect(new Set(ids).size).toBe(jobs.length)
    const verified = await run({ command: 'verify', backup: 'all', ...place }, { env: github.env })
    expect(outcome(verified)).toEqual(passed)
    expect(new Set(rowsOf(verified).map((row) => row.id))).toEqual(new Set(ids))
    expect(github.defects).toEqual([])
  })
})

describe('what ends a run from outside', () => {
  const list = async (env: Readonly<Record<string, string>>, inputs: Readonly<Record<string, string>> = {}) =>
    run({ command: 'list', destinations: 'folder', folder: await newFolder(), ...inputs }, { env })

  test('T3, T7: an error that nobody caught is told as a fault of the action, escaped, without secrets and without its fields', async () => {
    const token = 'ghp_canary0123456789abcdefghijklmnopqrst'
    const code = `setTimeout(() => { throw Object.assign(new Error('no\\n::error::pwned ' + process.env.INPUT_TOKEN), { headers: process.env.INPUT_TOKEN }) }, 100); setTimeout(() => {}, 1e6)`
    // The run lasts until then.
    const held = `const { rename } = await import('node:fs/promises'); (await import('node:fs')).default.promises.rename = async (...paths) => { await new Promise((done) => setTimeout(done, 1e4)); await rename(...paths) }; (await import('node:module')).default.syncBuiltinESMExports()`
    const done = await list(
      { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(`${held}; ${code}`)}` },
      { token }
    )
    expect(done.code).toBe(1)
    expect(done.log).toMatch(/^::error title=[^:]+::SB999: Internal error in this action \(a bug\): no/m)
    expect(done.log).not.toContain(token)
    for (const line of done.log.split('\n').filter(Boolean))
      expect(line).toMatch(/^::(?:error title=Internal error[^:]*|notice|debug)::/)
    expect(await readdir(join(done.temp, 'supabase-backup'))).toEqual([expect.stringMatching(/^result-/)])
  })

  test('outputs that cannot be written are a warning, and the summary comes all the same', async () => {
    const done = await list({ GITHUB_OUTPUT: join(root, 'nowhere', 'output') })
    expect(done.log).toMatch(/^::warning::The outputs could not be written: /m)
    expect(done.log).not.toMatch(/^ +at /m)
    expect({ code: done.code, summary: done.summary.length > 100 }).toEqual({ code: 0, summary: true })
  })
})
