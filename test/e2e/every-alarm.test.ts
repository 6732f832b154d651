import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Manifest } from '../../src/archive/manifest.ts'
import { type ActionRun, runAction } from '../kit/action.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { seedArtifact } from '../kit/github/state.ts'
import { day, earlierBackup, type SeededBackup } from '../kit/history.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

const hour = day / 24
let root: string
const runs: ActionRun[] = []

async function run(inputs: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) {
  const done = await runAction({ inputs: { retries: '0', ...inputs }, env })
  runs.push(done)
  return done
}

/** Puts a backup into a folder as an earlier run would have left it, with records beside it. */
async function seedInFolder(folder: string, backup: SeededBackup, records: Readonly<Record<string, string>> = {}) {
  const place = join(folder, backup.ref.project, backup.ref.id)
  await mkdir(place, { recursive: true })
  await writeFile(join(place, 'database.dump'), backup.file)
  // As large as the manifest says: a backup whose file is shorter counts for nothing.
  const { files } = JSON.parse(backup.manifest.toString())
  await truncate(join(place, 'database.dump'), files[0].bytes)
  for (const [name, content] of Object.entries(records)) await writeFile(join(place, name), content)
  await writeFile(join(place, 'manifest.json'), backup.manifest)
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-every-alarm-'))
})
afterAll(async () => {
  for (const done of runs) await done.cleanUp()
  await rm(root, { recursive: true, force: true })
})

// Users: alarms.test.ts. Objects, functions and times: comparison.test.ts.
describe('T10, F73: each alarm of a backup, from a history seeded for it', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ major: 15 })
    await server.query('create table public.notes as select 1 as id')
    // Random text is as large packed as it is here.
    await server.query(
      'create table public.large as select g as id, gen_random_uuid()::text || gen_random_uuid()::text as text from generate_series(1, 60000) g'
    )
  })
  afterAll(() => server.stop())

  const database = (counts: Readonly<Record<string, number>>): Partial<Manifest> => ({
    parts: [{ source: 'database', status: 'captured', counts: { ...counts } }]
  })
  const sized = (bytes: number): Partial<Manifest> => ({
    // Bytes are compared with those of the same compression alone.
    compression: 'zstd',
    files: [{ name: 'database.dump', bytes, sha256: '0'.repeat(64) }]
  })

  test.each<[string, Partial<Manifest>]>([
    ['tables', database({ userTables: 9 })],
    ['rows', database({ rows: 1_000_000 })],
    ['bytes', sized(90_000_000)],
    ['size', sized(100)],
    [
      'source',
      {
        parts: [
          { source: 'database', status: 'captured', counts: {} },
          { source: 'storage', status: 'captured', counts: { objects: 5 } }
        ]
      }
    ]
  ])('%s: raised, freezes pruning, and is the new normal once it was acknowledged', async (kind, facts) => {
    const folder = join(root, kind)
    // The sizes are alike, but where the size is what is meant.
    const usual = { ...sized(2_500_000), ...facts }
    for (const age of [2, 3, 4]) await seedInFolder(folder, earlierBackup(age * day, usual))
    const backup = (inputs: Readonly<Record<string, string>> = {}) =>
      run({
        'database-url': server.url(server.superuser, 'postgres'),
        project: 'shop',
        destinations: 'folder',
        folder,
        'pg-bin': binDirOf(15),
        verify: 'read',
        'keep-last': '1',
        ...inputs
      })
    const odd = await backup()
    expect({
      code: odd.code,
      status: odd.outputs['status'],
      error: odd.result?.error?.code,
      kinds: odd.result?.alarms?.map((alarm) => alarm.kind)
    }).toEqual({ code: 1, status: 'anomalous', error: 'SB907', kinds: [kind] })
    expect(odd.result?.backups).toHaveLength(4)
    const frozen = await run({ command: 'prune', destinations: 'folder', folder, 'keep-last': '1' })
    expect({ code: frozen.code, error: frozen.result?.error?.code, left: frozen.result?.backups.length }).toEqual({
      code: 1,
      error: 'SB904',
      left: 4
    })
    const cleared = await backup({ acknowledge: odd.outputs['backup-id'] ?? '' })
    expect({
      code: cleared.code,
      status: cleared.outputs['status'],
      alarms: cleared.result?.alarms ?? [],
      removed: cleared.result?.retention?.filter((one) => one.removed === true).length
    }).toEqual({ code: 0, status: 'complete', alarms: [], removed: 3 })
  })
})

describe('each alarm of a check clears again', () => {
  const failedRecord = ({ ref }: SeededBackup): Record<string, string> => ({
    'verification-20991122T000000Z.json': JSON.stringify({
      format: 1,
      id: ref.id,
      project: ref.project,
      tool: 'supabase-backup 0.0.1',
      outcome: 'failed',
      verification: {
        level: 'none',
        at: new Date().toISOString(),
        tables: { restore: 0, read: 0, differing: 1 },
        notProven: []
      }
    })
  })
  const unproven: Partial<Manifest> = {
    verification: { level: 'none', at: null, tables: { restore: 0, read: 0, differing: 0 }, notProven: [] }
  }
  const vast: Partial<Manifest> = { files: [{ name: 'database.dump', bytes: 1e13, sha256: '0'.repeat(64) }] }

  test.each<[string, string, (folder: string) => Promise<void>]>([
    ['too-old', 'restored', async (folder) => seedInFolder(folder, earlierBackup(30 * hour))],
    ['not-verified', 'restored', async (folder) => seedInFolder(folder, earlierBackup(2 * hour, unproven))],
    [
      'anomalous',
      'restored',
      async (folder) => {
        await seedInFolder(folder, earlierBackup(3 * hour))
        await seedInFolder(folder, earlierBackup(2 * hour, { status: 'anomalous' }))
      }
    ],
    [
      'damaged',
      'restored',
      async (folder) => {
        const damaged = earlierBackup(2 * hour)
        await seedInFolder(folder, earlierBackup(3 * hour))
        await seedInFolder(folder, damaged, failedRecord(damaged))
      }
    ],
    ['room', 'restored', async (folder) => seedInFolder(folder, earlierBackup(2 * hour, vast))]
  ])('%s', async (kind, level, seed) => {
    const folder = join(root, `check-${kind}`)
    await seed(folder)
    const check = () => run({ command: 'check', destinations: 'folder', folder })
    const badge = async (done: ActionRun): Promise<{ message: string; color: string }> =>
      JSON.parse(await readFile(join(dirname(done.outputs['result'] ?? ''), 'badge.json'), 'utf8'))
    const alarmed = await check()
    expect({
      code: alarmed.code,
      error: alarmed.result?.error?.code,
      kinds: alarmed.result?.alarms?.map((alarm) => alarm.kind)
    }).toEqual({ code: 1, error: 'SB920', kinds: [kind] })
    expect(alarmed.result?.room).toMatchObject([{ destination: 'folder', leftBytes: expect.any(Number) }])
    expect(await badge(alarmed)).toMatchObject({ color: 'red' })
    await seedInFolder(folder, earlierBackup(hour))
    const well = await check()
    expect({ code: well.code, alarms: well.result?.alarms }).toEqual({ code: 0, alarms: [] })
    expect((await badge(well)).message).toContain(level)
  })

  test('expires-soon', async () => {
    const github: Github = await startGithub({ repository: 'acme/shop' })
    const seed = (backup: SeededBackup, days: number): void => {
      for (const [name, content] of [
        ['database.dump', backup.file],
        ['manifest.json', backup.manifest]
      ] as const)
        seedArtifact(github.state, github.repository, {
          name: `shop.${backup.ref.id}.${name}`,
          content,
          createdAt: backup.createdAt,
          expiresAt: new Date(Date.now() + days * day)
        })
    }
    try {
      const check = () =>
        run({ command: 'check', destinations: 'artifact', 'max-age': '90d', token: github.token }, github.env)
      seed(earlierBackup(20 * day), 3)
      const alarmed = await check()
      expect({ code: alarmed.code, kinds: alarmed.result?.alarms?.map((alarm) => alarm.kind) }).toEqual({
        code: 1,
        kinds: ['expires-soon']
      })
      seed(earlierBackup(hour), 90)
      expect((await check()).code).toBe(0)
    } finally {
      await github.stop()
    }
  })
})

describe('many projects that are planned', () => {
  const planned = ['blog', 'shop', 'wiki']
  const file = () => join(root, 'projects.yml')
  beforeAll(async () => {
    await writeFile(
      file(),
      `projects:\n${[...planned, 'old'].map((name) => `  - project: ${name}\n    enabled: ${name !== 'old'}\n`).join('')}`
    )
  })

  test('one that never made a backup stands in the table of all, and is an alarm; one that is switched off is none', async () => {
    const folder = join(root, 'planned')
    for (const project of ['blog', 'shop']) await seedInFolder(folder, earlierBackup(hour, { project }))
    await seedInFolder(folder, earlierBackup(40 * day, { project: 'old' }))
    const inputs = { destinations: 'folder', folder, projects: file() }
    const list = await run({ command: 'list', ...inputs })
    expect({ code: list.code, planned: list.result?.planned }).toEqual({ code: 0, planned })
    const line = list.summary.split('\n').find((one) => one.includes('<code>wiki</code>'))
    expect(line).toContain('none')
    const check = await run({ command: 'check', ...inputs })
    expect({
      code: check.code,
      alarms: check.result?.alarms?.map((alarm) => [alarm.kind, alarm.project])
    }).toEqual({ code: 1, alarms: [['not-verified', 'wiki']] })
    await seedInFolder(folder, earlierBackup(hour, { project: 'wiki' }))
    expect((await run({ command: 'check', ...inputs })).code).toBe(0)
    expect((await run({ command: 'check', ...inputs, projects: `${file()}.missing` })).result?.error?.code).toBe(
      'SB922'
    )
  })
})
