import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { folderDestination } from '../../src/destinations/folder/index.ts'
import { testContext } from '../contract/destination-suite.ts'
import { type ActionRun, runAction } from '../kit/action.ts'
import { day, earlierBackup, seedBackup } from '../kit/history.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { startProxy } from '../kit/proxy.ts'

describe('what leaves the project, through the bundle', () => {
  let server: PostgresServer
  /** Between the action and the server: what it passed on is what left the database. */
  let wire: Awaited<ReturnType<typeof startProxy>>
  let root: string
  let folder: string
  const runs: ActionRun[] = []

  const run = async (inputs: Readonly<Record<string, string>>): Promise<ActionRun> => {
    const done = await runAction({ inputs: { destinations: 'folder', folder, project: 'shop', ...inputs } })
    runs.push(done)
    return done
  }
  const backup = (inputs: Readonly<Record<string, string>> = {}) => {
    const url = new URL(server.url('supabase_admin', 'postgres'))
    url.port = String(wire.port)
    return run({ 'database-url': url.href, 'pg-bin': binDirOf(15), verify: 'read', 'shrink-limit': '99%', ...inputs })
  }
  /** The manifest of a backup, as it lies in the folder. */
  const manifestOf = async (id: string): Promise<Record<string, unknown>> => {
    const names = await readdir(folder, { recursive: true })
    const name = names.find((one) => one.includes(id) && one.endsWith('manifest.json')) ?? ''
    return JSON.parse(await readFile(join(folder, name), 'utf8'))
  }

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sb-egress-'))
    folder = join(root, 'folder')
    server = await startPostgres({ major: 15 })
    await server.query(
      'create table orders as select g as id, repeat(md5(g::text), 10) as t from generate_series(1, 20000) g',
      [],
      undefined,
      'postgres'
    )
    wire = await startProxy({ target: { port: server.port } })
  })
  afterAll(async () => {
    for (const done of runs) await done.cleanUp()
    await wire.close()
    await server.stop()
    await rm(root, { recursive: true, force: true })
  })

  test('a run tells the bytes that left the database, to the byte; the manifest keeps them', async () => {
    const before = wire.bytes.down
    const done = await backup()
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0, error: undefined })
    const passed = wire.bytes.down - before
    expect(passed).toBeGreaterThan(6_500_000)
    expect(done.result?.egress).toEqual({
      run: { database: passed, storage: 0, management: 0 },
      runBytes: passed,
      monthBytes: passed,
      uncounted: 0,
      forecastBytes: null,
      budgetBytes: null
    })
    expect(done.summary).toContain('left the project (')
    expect(await manifestOf(done.outputs['backup-id'] ?? '')).toMatchObject({
      egress: { database: passed, storage: 0, management: 0 },
      past: []
    })
  })

  test('the month counts backups that a keep rule has removed; a budget ends the run red before it is spent, the backup whole', async () => {
    const first = runs[0]?.result?.egress?.runBytes ?? 0
    const removed = runs[0]?.outputs['backup-id'] ?? ''
    const second = await backup()
    await run({
      command: 'delete',
      backup: removed,
      'confirm-target': removed
    })
    const fits = await backup({ 'egress-budget': '50GB' })
    expect({ code: fits.code, error: fits.result?.error }).toEqual({ code: 0, error: undefined })
    const spent = first + (second.result?.egress?.runBytes ?? 0) + (fits.result?.egress?.runBytes ?? 0)
    // The first of a month may have come between two of the runs.
    if (new Date(runs[0]?.result?.startedAt ?? '').getUTCMonth() === new Date().getUTCMonth())
      expect(fits.result?.egress).toMatchObject({ monthBytes: spent, uncounted: 0, budgetBytes: 50e9 })

    const over = await backup({ 'egress-budget': String(Math.round(spent * 1.3)), 'keep-last': '1' })
    expect({ code: over.code, status: over.outputs['status'], error: over.result?.error?.code }).toEqual({
      code: 1,
      status: 'anomalous',
      error: 'SB910'
    })
    expect(over.result?.alarms?.map((alarm) => alarm.kind)).toEqual(['egress'])
    expect(over.summary).toContain('too much leaves it this month')
    // A backup that cost too much is as good as any, and the rules are applied.
    expect(over.result?.retention).not.toHaveLength(0)
    expect(await manifestOf(over.outputs['backup-id'] ?? '')).toMatchObject({ status: 'complete' })
    const after = await backup()
    expect({ code: after.code, error: after.result?.error }).toEqual({ code: 0, error: undefined })
  })

  test('check tells the gaps that really were, those around removed backups included', async () => {
    const place = join(root, 'gaps')
    const driver = folderDestination({ path: place }, await testContext(root))
    const newest = earlierBackup(day / 24, {
      // Hourly for a day, but for one gap of five hours; all removed since.
      past: Array.from({ length: 24 }, (_, index) => [
        Math.floor(Date.now() / 1000) - 3600 * (index < 4 ? index + 2 : index + 6),
        1_000_000,
        true
      ])
    })
    await seedBackup(driver, newest)
    await driver.close()
    const checked = await run({ command: 'check', folder: place })
    expect({ code: checked.code, error: checked.result?.error }).toEqual({ code: 0, error: undefined })
    const [gaps] = checked.result?.gaps ?? []
    expect(gaps).toMatchObject({ project: 'shop', backups: 25 })
    expect(Math.round((gaps?.largestMs ?? 0) / 3_600_000)).toBe(5)
    expect(Math.round((gaps?.p95Ms ?? 0) / 3_600_000)).toBe(1)
    expect(checked.summary).toContain('Gaps between backups')
  })
})
