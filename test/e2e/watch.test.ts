import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { SMTPServer } from 'smtp-server'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { noticeSchema } from '../../src/notify/notice.ts'
import { type ActionRun, runAction, shown } from '../kit/action.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { day, earlierBackup, type SeededBackup, seedAmongArtifacts } from '../kit/history.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

const hour = day / 24
let root: string
let github: Github
const runs: ActionRun[] = []

async function run(inputs: Readonly<Record<string, string>>): Promise<ActionRun> {
  const done = await runAction({ inputs: { token: github.token, retries: '0', ...inputs }, env: github.env })
  runs.push(done)
  expect(github.defects).toEqual([])
  return done
}

/** Puts a backup into a folder as an earlier run would have left it. */
async function seedInFolder(folder: string, backup: SeededBackup): Promise<void> {
  const place = join(folder, backup.ref.project, backup.ref.id)
  await mkdir(place, { recursive: true })
  await writeFile(join(place, 'database.dump'), backup.file)
  await writeFile(join(place, 'manifest.json'), backup.manifest)
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-watch-'))
})
beforeEach(async () => {
  await github?.stop()
  github = await startGithub({ repository: 'acme/shop' })
})
afterAll(async () => {
  for (const done of runs) await done.cleanUp()
  await github.stop()
  await rm(root, { recursive: true, force: true })
})

describe('check', () => {
  const workflow = (cron: string, command = ''): string =>
    `on:\n  schedule:\n    - cron: '${cron}'\njobs:\n  a:\n    steps:\n      - uses: acme/supabase-backup@v1\n        with: {destinations: artifact${command}}\n`
  const addWorkflow = (file: string, text: string, state: 'active' | 'disabled_inactivity' = 'active'): void => {
    const path = `.github/workflows/${file}`
    github.repository.workflows.push({ id: 1000 + github.repository.workflows.length, name: file, path, state })
    github.repository.files.set(path, text)
  }
  const check = (inputs: Readonly<Record<string, string>> = {}): Promise<ActionRun> =>
    run({ command: 'check', destinations: 'artifact', ...inputs })
  const seed = (hours: number, facts: Parameters<typeof earlierBackup>[1] = {}): void =>
    seedAmongArtifacts(github.state, github.repository, earlierBackup(hours * hour, facts))
  const kinds = (done: ActionRun): string[] => (done.result?.alarms ?? []).map((alarm) => alarm.kind)

  test('T20: nothing stored is a failure of its own', async () => {
    const done = await check()
    expect({ code: done.code, status: done.outputs['status'], error: done.result?.error?.code }).toEqual({
      code: 1,
      status: 'nothing',
      error: 'SB921'
    })
    expect(done.log).toMatch(/^::error title=[^:]+::SB921: /m)
  })

  test('a listing that fails is never nothing', async () => {
    github.failNext({ method: 'GET', path: '/actions/artifacts', status: 500, times: 9 })
    const done = await check()
    expect({ code: done.code, status: done.outputs['status'] }).toEqual({ code: 1, status: 'failed' })
  })

  test('a young verified backup is well, and only manifests are read', async () => {
    addWorkflow('backup.yml', workflow('*/30 * * * *'))
    addWorkflow('check.yml', workflow('7 * * * *', ', command: check'))
    addWorkflow('test.yml', 'on: push')
    for (const hours of [1, 25, 49]) seed(hours)
    const done = await check()
    expect({ code: done.code, status: done.outputs['status'], alarms: kinds(done) }).toEqual({
      code: 0,
      status: 'complete',
      alarms: []
    })
    expect(done.outputs['verified']).toBe('restore')
    // Three manifests, no other file.
    expect(github.calls.filter((call) => call.path.startsWith('/artifact/'))).toHaveLength(3)
    expect(github.calls.every((call) => call.method === 'GET')).toBe(true)
    const badge = JSON.parse(await readFile(join(dirname(done.outputs['result'] ?? ''), 'badge.json'), 'utf8'))
    expect(badge).toMatchObject({ schemaVersion: 1, message: expect.stringMatching(/^6\d minutes old, restored$/) })
    expect(await readFile(join(dirname(done.outputs['result'] ?? ''), 'badge-shop.json'), 'utf8')).toContain(
      'backup of shop'
    )
  })

  test('F75: each alarm is raised, named by project, and clears with the next backup', async () => {
    addWorkflow('backup.yml', workflow('*/30 * * * *'))
    seed(30)
    seed(1, { project: 'blog' })
    seed(2, { status: 'anomalous', project: 'wiki' })
    seed(3, { project: 'wiki' })
    const done = await check({ recipients: '' })
    expect(done.code).toBe(1)
    expect(done.result?.alarms?.map((alarm) => [alarm.kind, alarm.project]).sort()).toEqual([
      ['anomalous', 'wiki'],
      ['missed-schedule', 'shop'],
      ['too-old', 'shop']
    ])
    expect(done.log).toMatch(/^::error title=[^:]+::SB920: /m)
    expect(done.summary).toContain('30 hours old')
    seed(1)
    seed(1, { project: 'wiki' })
    expect((await check()).code).toBe(0)
  })

  test('the target that a restore kept a safety copy of is no project to look after', async () => {
    const folder = join(root, 'bare-target')
    const own = earlierBackup(hour)
    await seedInFolder(folder, own)
    await seedInFolder(folder, earlierBackup(hour / 2, { project: 'spare', kind: 'safety' }))
    const inputs = { destinations: 'folder', folder }
    const check = await run({ command: 'check', ...inputs })
    expect({ code: check.code, error: check.result?.error }).toEqual({ code: 0 })
    expect(check.summary).toContain('safety copies of a restore alone')
    const newest = await run({ command: 'delete', backup: 'latest', 'dry-run': 'true', ...inputs })
    expect({ code: newest.code, id: newest.outputs['backup-id'] }).toEqual({ code: 0, id: own.ref.id })
    const alone = await run({ command: 'check', project: 'spare', ...inputs })
    expect(alone.result?.alarms?.map(({ kind }) => kind)).toEqual(['not-verified'])
  })

  test('a workflow that GitHub switched off, and keys that changed', async () => {
    addWorkflow('backup.yml', workflow('17 3 * * *'), 'disabled_inactivity')
    seed(1)
    const recipients = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p'
    const done = await check({ recipients })
    expect({ code: done.code, alarms: kinds(done).sort() }).toEqual({
      code: 1,
      alarms: ['recipients-changed', 'workflow-disabled']
    })
  })

  test('workflows that cannot be read are a warning, and the age is checked anyway', async () => {
    seed(1)
    github.failNext({ method: 'GET', path: '/actions/workflows', status: 403, times: 9 })
    const done = await check()
    expect({ code: done.code, warnings: done.result?.warnings.length }).toEqual({ code: 0, warnings: 1 })
    expect(done.result?.warnings[0]).toContain('actions: read')
  })
})

describe('notifications', () => {
  const requests: { readonly line: string; readonly body: string }[] = []
  const mails: string[] = []
  let hooks: Server
  let smtp: SMTPServer
  let hook = ''
  let mailPort = 0
  let status = 200

  beforeAll(async () => {
    hooks = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk
      })
      request.on('end', () => {
        requests.push({ line: `${request.method} ${request.url}`, body })
        response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end()
      })
    })
    hooks.listen(0, '127.0.0.1')
    await once(hooks, 'listening')
    hook = `http://127.0.0.1:${(hooks.address() as AddressInfo).port}`
    smtp = new SMTPServer({
      authOptional: true,
      hideSTARTTLS: true,
      disableReverseLookup: true,
      onData: (stream, _session, done) => {
        let text = ''
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        stream.on('end', () => {
          mails.push(text)
          done()
        })
      }
    })
    await new Promise<void>((listening) => smtp.listen(0, '127.0.0.1', listening))
    mailPort = (smtp.server.address() as AddressInfo).port
  })
  beforeEach(() => {
    requests.length = 0
    mails.length = 0
    status = 200
  })
  afterAll(async () => {
    hooks.closeAllConnections()
    hooks.close()
    await new Promise<void>((closed) => smtp.close(closed))
  })

  const all = (): Record<string, string> => ({
    'notify-webhook': `${hook}/hook-with-a-secret-path`,
    'notify-email': 'ops@example.com',
    'smtp-url': `smtp://127.0.0.1:${mailPort}`,
    'notify-issue': 'true',
    'ping-url': `${hook}/ping`
  })
  const failing = (): Record<string, string> => ({
    'database-url': 'postgresql://me:hunter2secret@127.0.0.1:9/secret_plans',
    project: 'shop',
    destinations: 'folder',
    folder: join(root, 'empty')
  })

  test('a failure is told everywhere, without a secret or a name from inside', async () => {
    const done = await run({ ...all(), ...failing() })
    expect(done.code).toBe(1)
    expect(requests.map((one) => one.line)).toEqual(['GET /ping/start', expect.any(String), expect.any(String)])
    expect(requests.map((one) => one.line).sort()).toEqual([
      'GET /ping/fail',
      'GET /ping/start',
      'POST /hook-with-a-secret-path'
    ])
    const body = noticeSchema
      .strict()
      .parse(JSON.parse(requests.find((one) => one.line.startsWith('POST'))?.body ?? ''))
    expect(body).toMatchObject({
      event: 'failure',
      project: 'shop',
      command: 'backup',
      error: { code: done.result?.error?.code }
    })
    expect(mails).toHaveLength(1)
    expect(mails[0]).toContain('Subject: [supabase-backup] Backup of shop: failed')
    expect(github.repository.issues).toMatchObject([
      { title: 'Backups of shop need attention', state: 'open', labels: ['backup'] }
    ])
    const told = `${JSON.stringify(requests)}${mails.join()}${github.repository.issues[0]?.body}`
    for (const secret of ['hunter2secret', 'secret_plans', github.token]) expect(told).not.toContain(secret)
    expect(shown(done.log)).not.toContain('hook-with-a-secret-path')
    expect(done.log).not.toContain('Not everybody')
  })

  test('that a secret is missing is told, too', async () => {
    const done = await run({ ...all(), ...failing(), 'database-url': '' })
    expect(done.result?.error?.code).toBe('SB003')
    expect(requests.map((one) => one.line).sort()).toEqual([
      'GET /ping/fail',
      'GET /ping/start',
      'POST /hook-with-a-secret-path'
    ])
    expect(mails).toHaveLength(1)
    expect(github.repository.issues).toMatchObject([{ title: 'Backups of shop need attention' }])
  })

  test('the issue is closed by the next success, and success is told where that is asked for', async () => {
    const folder = join(root, 'closing')
    const check = { ...all(), command: 'check', destinations: 'folder', folder, project: 'shop' }
    expect((await run(check)).code).toBe(1)
    expect((await run(check)).code).toBe(1)
    expect(github.repository.issues).toHaveLength(1)
    expect(github.repository.issues[0]?.body).toContain('check (2 times in a row)')
    await seedInFolder(folder, earlierBackup(hour))
    requests.length = 0
    mails.length = 0
    expect((await run(check)).code).toBe(0)
    expect(github.repository.issues[0]).toMatchObject({
      state: 'closed',
      comments: [{ body: expect.stringContaining('Check of shop: complete') }]
    })
    expect(requests.map((one) => one.line)).toEqual(['GET /ping/start', 'GET /ping'])
    expect(mails).toEqual([])
    expect((await run({ ...check, 'notify-on': 'always' })).code).toBe(0)
    expect(requests.filter((one) => one.line.startsWith('POST'))).toHaveLength(1)
    expect(mails).toHaveLength(1)
  })

  test('F76, T19: what cannot be told is one warning and changes nothing', async () => {
    const folder = join(root, 'untold')
    await seedInFolder(folder, earlierBackup(hour))
    github.repository.hasIssues = false
    for (const code of [500, 302]) {
      status = code
      requests.length = 0
      const done = await run({
        ...all(),
        command: 'check',
        destinations: 'folder',
        folder,
        'notify-on': 'always',
        'smtp-url': 'smtp://127.0.0.1:9'
      })
      expect({ code: done.code, status: done.outputs['status'] }).toEqual({ code: 0, status: 'complete' })
      const warnings = done.log
        .split('\n')
        .filter((line) => line.startsWith('::warning') && line.includes('Not everybody'))
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toContain(`it answered ${code}`)
      expect(requests.map((one) => one.line)).not.toContain('GET /elsewhere')
    }
    const disguised = await run({
      command: 'check',
      destinations: 'folder',
      folder,
      'notify-webhook': hook.replace('127.0.0.1', '0x7f.1')
    })
    expect(disguised.result?.error?.code).toBe('SB001')
    const inside = await run({
      command: 'check',
      destinations: 'folder',
      folder,
      'notify-on': 'always',
      'notify-webhook': 'https://169.254.169.254/latest/meta-data'
    })
    expect(inside.code).toBe(0)
    expect(inside.log).toContain('forbidden address')
  })
})

describe('many projects', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ major: 15 })
    for (const name of ['blog', 'shop', 'wiki']) {
      await server.query(`create database ${name}`)
      await server.query(
        `create table ${name}_things as select g as id from generate_series(1, 10) g`,
        [],
        undefined,
        name
      )
    }
  })
  afterAll(() => server.stop())

  test('plan gives the matrix, each job backs one up, and a last job lists all of them in one table', async () => {
    const file = join(root, 'projects.yml')
    const folder = join(root, 'many')
    await writeFile(
      file,
      [
        'defaults:',
        '  verify: none',
        '  plaintext: public',
        'projects:',
        ...['blog', 'shop', 'wiki', 'old'].map((name, index) =>
          [
            `  - project: ${name}`,
            `    priority: ${9 - index}`,
            `    enabled: ${name !== 'old'}`,
            `    secrets: {database-url: ${name.toUpperCase()}_DB_URL}`
          ].join('\n')
        )
      ].join('\n')
    )
    const secrets: Readonly<Record<string, string>> = Object.fromEntries(
      ['blog', 'shop', 'wiki'].map((name) => [`${name.toUpperCase()}_DB_URL`, server.url(server.superuser, name)])
    )
    const plan = await run({ command: 'plan', projects: file })
    expect({ code: plan.code, error: plan.result?.error }).toEqual({ code: 0 })
    const matrix: { readonly include: readonly Record<string, unknown>[] } = JSON.parse(plan.outputs['matrix'] ?? '')
    expect(matrix.include.map((entry) => entry['project'])).toEqual(['wiki', 'shop', 'blog'])
    for (const { secrets: named, priority: _, ...inputs } of matrix.include) {
      const url = secrets[String(Object(named)['database-url'])] ?? ''
      const backup = await run({
        ...Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, String(value)])),
        'database-url': url,
        destinations: 'folder',
        folder,
        'pg-bin': binDirOf(15)
      })
      expect({ code: backup.code, error: backup.result?.error }).toEqual({ code: 0 })
    }
    const list = await run({ command: 'list', destinations: 'folder', folder })
    expect(JSON.parse(list.outputs['backups'] ?? '').map((row: { project: string }) => row.project)).toEqual([
      'blog',
      'shop',
      'wiki'
    ])
    for (const name of ['blog', 'shop', 'wiki']) expect(list.summary).toContain(`<code>${name}</code>`)
  })

  test('a file that is wrong is refused with line and column', async () => {
    const file = join(root, 'wrong.yml')
    await writeFile(file, 'projects:\n  - project: blog\n    database-url: postgresql://me:hunter2secret@db/x\n')
    const done = await run({ command: 'plan', projects: file })
    expect({ code: done.code, error: done.result?.error?.code, matrix: done.outputs['matrix'] }).toEqual({
      code: 1,
      error: 'SB922',
      matrix: ''
    })
    expect(done.result?.error?.message).toContain('line 3, column 5')
    expect(done.log).not.toContain('hunter2secret')
    const none = await run({ command: 'plan', projects: join(root, 'missing.yml') })
    expect(none.result?.error?.code).toBe('SB922')
  })
})
