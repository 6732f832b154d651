import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { folderDestination } from '../../src/destinations/folder.ts'
import { testContext } from '../contract/destination-suite.ts'
import { type ActionRun, runAction } from '../kit/action.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { day, earlierBackup, seedBackup } from '../kit/history.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

describe('a history that watches over itself, through the bundle', () => {
  let server: PostgresServer
  let root: string
  let folder: string
  const runs: ActionRun[] = []

  const run = async (inputs: Readonly<Record<string, string>>): Promise<ActionRun> => {
    const done = await runAction({ inputs: { destinations: 'folder', folder, ...inputs } })
    runs.push(done)
    return done
  }
  const backup = (inputs: Readonly<Record<string, string>> = {}) =>
    run({
      'database-url': server.url('postgres', 'postgres'),
      project: 'shop',
      'pg-bin': binDirOf(15),
      verify: 'read',

      ...inputs
    })
  const kinds = (done: ActionRun) => done.result?.alarms?.map((alarm) => alarm.kind)

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sb-alarms-'))
    folder = join(root, 'folder')
    server = await startPostgres({ major: 15, auth: 'scram', password: 'correct horse battery staple' })
    await loadSupabase(server)
  })
  afterAll(async () => {
    for (const done of runs) await done.cleanUp()
    await server.stop()
    await rm(root, { recursive: true, force: true })
  })

  let odd = ''
  const old = [earlierBackup(3 * day), earlierBackup(4 * day)]

  test('a complete backup prunes by the keep rules', async () => {
    const driver = folderDestination({ path: folder }, await testContext(root))
    for (const one of old) await seedBackup(driver, one)
    await driver.close()
    // What the earlier ones held cannot be compared with: they have no counts, and are of another size.
    const first = await backup({ 'keep-last': '2', 'shrink-limit': '99%' })
    expect({ code: first.code, error: first.result?.error, warnings: first.result?.warnings }).toEqual({
      code: 0,
      error: undefined,
      warnings: []
    })
    expect(first.result?.retention?.map((one) => [one.id, one.keep, one.removed])).toEqual([
      [first.outputs['backup-id'], true, undefined],
      [old[0]?.ref.id, true, undefined],
      [old[1]?.ref.id, false, true]
    ])
    expect(first.result?.backups.map((row) => row.id)).toEqual([first.outputs['backup-id'], old[0]?.ref.id])
    expect(first.result?.changes).toBeUndefined()
  })

  test('T10, F73: an emptied source is kept, marked and told, and freezes pruning; what changed in the schema is told without names', async () => {
    await server.query(
      'create table public.diary_entry (id int primary key); truncate auth.users cascade',
      [],
      undefined,
      'postgres'
    )
    const emptied = await backup({ 'keep-last': '1' })
    odd = emptied.outputs['backup-id'] ?? ''
    expect({ code: emptied.code, status: emptied.outputs['status'], error: emptied.result?.error?.code }).toEqual({
      code: 1,
      status: 'anomalous',
      error: 'SB907'
    })
    expect(kinds(emptied)).toEqual(expect.arrayContaining(['users']))
    expect(emptied.result?.error?.remedy).toContain(`acknowledge: ${odd}`)
    expect(emptied.result?.retention).toBeUndefined()
    expect(emptied.result?.backups.find((row) => row.id === odd)?.status).toBe('anomalous')
    expect(emptied.result?.changes?.join('\n')).toContain('tables: 1 more')
    expect(emptied.summary).toContain('### What changed since the backup before')
    expect(emptied.summary).toContain('0 Auth users instead of')
    expect(emptied.summary).not.toContain('diary')
    expect(emptied.log).toMatch(/::error.*SB907/)
    const pruned = await run({ command: 'prune', 'keep-last': '1' })
    expect({ code: pruned.code, status: pruned.outputs['status'], error: pruned.result?.error?.code }).toEqual({
      code: 1,
      status: 'anomalous',
      error: 'SB904'
    })
    expect(pruned.result?.backups).toHaveLength(3)
  })

  test('acknowledged, the new state is the normal one and pruning goes on', async () => {
    const cleared = await backup({ acknowledge: odd, 'keep-last': '1' })
    expect({ code: cleared.code, error: cleared.result?.error, alarms: kinds(cleared) }).toEqual({
      code: 0,
      error: undefined,
      alarms: undefined
    })
    expect(cleared.result?.retention?.find((one) => one.id === old[0]?.ref.id)).toMatchObject({
      keep: false,
      removed: true
    })
  })
})
