import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { folderDestination } from '../../src/destinations/folder/index.ts'
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
      // This history is not encrypted, which each backup says.
      warnings: [expect.stringContaining('not encrypted')]
    })
    expect(first.result?.retention?.map((one) => [one.id, one.keep, one.removed])).toEqual([
      [first.outputs['backup-id'], true, undefined],
      [old[0]?.ref.id, true, undefined],
      [old[1]?.ref.id, false, true]
    ])
    expect(first.result?.backups.map((row) => row.id)).toEqual([first.outputs['backup-id'], old[0]?.ref.id])
    expect(first.result?.changes).toBeUndefined()
  })

  test('T10, F73: an emptied source is kept, marked and told, and freezes pruning; what changed in the schema is told', async () => {
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
    expect(emptied.result?.changes).toContain('table public.diary_entry added with 1 column')
    expect(emptied.summary).toContain('### What changed since the backup before')
    expect(emptied.summary).toContain('0 Auth users instead of')
    expect(emptied.summary).toContain('diary')
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

  test.each([
    ['passphrase', { passphrase: 'correct horse battery staple' }, true],
    ['recipients', { recipients: 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p' }, false]
  ] as const)(
    'what changed is told by name only where the job can open the backup before: %s',
    async (label, sealing, named) => {
      const inputs = { ...sealing, project: label, 'shrink-limit': '99%' }
      await server.query(
        'create table if not exists public.diary_entry (id int primary key)',
        [],
        undefined,
        'postgres'
      )
      const first = await backup(inputs)
      expect({ code: first.code, error: first.result?.error }).toEqual({ code: 0, error: undefined })
      await server.query(
        `create table public.diaryof${label} (id int); alter table public.diary_entry add column ${label}_note text; create policy ${label}_own on public.diary_entry using (true); grant insert on public.diary_entry to anon`,
        [],
        undefined,
        'postgres'
      )
      const second = await backup(inputs)
      const words = second.result?.changes?.join('\n') ?? ''
      if (named) {
        expect(second.result?.changes).toEqual(
          expect.arrayContaining([
            `table public.diaryof${label} added with 1 column`,
            `column ${label}_note added to public.diary_entry (text)`,
            `policy ${label}_own on public.diary_entry added`
          ])
        )
      } else {
        expect(words).toContain('tables: 1 more')
        expect(words).toContain('policies: 1 more')
      }
      expect(second.summary.includes(`diaryof${label}`)).toBe(named)
      const opened = named ? await run({ command: 'download', project: label, ...sealing }) : undefined
      if (opened !== undefined) {
        const contents: { changes?: string[] } = JSON.parse(
          await readFile(join(opened.outputs['path'] ?? '', 'contents.json'), 'utf8')
        )
        expect(contents.changes).toEqual(second.result?.changes)
      }
    }
  )
})
