import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connectGithub } from '../../src/clients/github.ts'
import type { Destination } from '../../src/destinations/destination.ts'
import { folderDestination } from '../../src/destinations/folder.ts'
import { openReleaseDestination } from '../../src/destinations/release.ts'
import { repositoryDestination } from '../../src/destinations/repository.ts'
import { testContext } from '../contract/destination-suite.ts'
import { type ActionRun, runAction } from '../kit/action.ts'
import { createRepository, type GitHandler, gitHandler, isPush } from '../kit/git/git-server.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { day, earlierBackup, type SeededBackup, seedAmongArtifacts, seedBackup } from '../kit/history.ts'

const places = ['artifact', 'release', 'repository', 'folder'] as const
type Place = (typeof places)[number]

describe('prune through the bundle', () => {
  let github: Github
  let git: GitHandler
  let root: string
  let folder: string
  let number = 0
  const runs: ActionRun[] = []

  const run = async (inputs: Readonly<Record<string, string>>): Promise<ActionRun> => {
    const done = await runAction({
      inputs: { command: 'prune', token: github.token, folder, branch: branch(), retries: '0', ...inputs },
      env: github.env
    })
    runs.push(done)
    expect(github.defects).toEqual([])
    return done
  }
  const branch = () => `backups-${number}`
  const listed = async (place: Place): Promise<string[]> => {
    const rows: { id: string }[] = JSON.parse(
      (await run({ command: 'list', destinations: place })).outputs['backups'] ?? '[]'
    )
    return rows.map((row) => row.id)
  }
  const seed = async (backups: readonly SeededBackup[], into: readonly Place[] = places) => {
    const context = await testContext(root)
    const client = connectGithub({
      apiUrl: github.env['GITHUB_API_URL'] ?? '',
      token: github.token,
      retries: 0,
      context
    })
    const drivers: Readonly<Record<Exclude<Place, 'artifact'>, () => Destination>> = {
      release: () => openReleaseDestination({ github: client, repository: 'acme/shop', context }),
      repository: () =>
        repositoryDestination(
          {
            serverUrl: github.env['GITHUB_SERVER_URL'] ?? '',
            repository: 'acme/shop',
            branch: branch(),
            token: github.token,
            retries: 0,
            visibility: () => Promise.resolve('private')
          },
          context
        ),
      folder: () => folderDestination({ path: folder }, context)
    }
    for (const place of into) {
      if (place === 'artifact') {
        for (const backup of backups) seedAmongArtifacts(github.state, github.repository, backup)
        continue
      }
      const driver = drivers[place]()
      for (const backup of backups) await seedBackup(driver, backup)
      await driver.close()
    }
  }
  const daily = (count: number) => Array.from({ length: count }, (_, index) => earlierBackup((index + 2) * day))
  const ids = (backups: readonly SeededBackup[]) => backups.map((backup) => backup.ref.id)

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sb-prune-'))
    github = await startGithub({ repository: 'acme/shop', visibility: 'private', artifacts: true })
    createRepository(root, 'acme/shop')
    git = gitHandler({ root, token: github.token })
    github.mount('/acme/shop.git/', git.handle)
  })
  beforeEach(() => {
    number += 1
    folder = join(root, `folder-${number}`)
    github.repository.artifacts.length = 0
    github.repository.releases.length = 0
    github.repository.tags.clear()
    github.clearFaults()
    git.fault = undefined
  })
  afterAll(async () => {
    for (const done of runs) await done.cleanUp()
    await github.stop()
    await rm(root, { recursive: true, force: true })
  })

  test('the same rules in every place: shown first, then done, then nothing more to do', async () => {
    const backups = daily(4)
    await seed(backups)
    const destinations = places.join(',')
    const shown = await run({ destinations, 'keep-last': '2', 'dry-run': 'true' })
    expect({ code: shown.code, error: shown.result?.error }).toEqual({ code: 0 })
    expect(shown.result?.backups).toHaveLength(16)
    for (const place of places) {
      const verdicts = shown.result?.retention?.filter((one) => one.destination === place)
      expect(verdicts?.map(({ id, keep, removed }) => ({ id, keep, removed }))).toEqual([
        { id: backups[0]?.ref.id, keep: true, removed: undefined },
        { id: backups[1]?.ref.id, keep: true, removed: undefined },
        { id: backups[2]?.ref.id, keep: false, removed: false },
        { id: backups[3]?.ref.id, keep: false, removed: false }
      ])
      expect(verdicts?.[0]?.reasons).toEqual(['newest verified backup', 'keep-last 1 of 2'])
    }
    expect(shown.summary).toContain('keep-last 2 of 2')
    const done = await run({ destinations, 'keep-last': '2' })
    expect({ code: done.code, error: done.result?.error, warnings: done.result?.warnings }).toEqual({
      code: 0,
      error: undefined,
      warnings: []
    })
    for (const place of places)
      expect(done.result?.backups.filter((row) => row.destination === place).map((row) => row.id)).toEqual(
        ids(backups.slice(0, 2))
      )
    // The space is free, not only the names gone.
    expect(github.repository.artifacts).toHaveLength(4)
    expect(github.repository.releases.map((release) => release.tag).sort()).toEqual(
      ids(backups.slice(0, 2))
        .map((id) => `backup-shop-${id}`)
        .sort()
    )
    expect([...github.repository.tags.keys()]).toHaveLength(2)
    const again = await run({ destinations, 'keep-last': '2' })
    expect(again.result?.retention?.every((one) => one.keep)).toBe(true)
  })

  test('F72: a listing that fails is never taken for nothing: no place loses a backup', async () => {
    const backups = daily(4)
    await seed(backups)
    github.failNext({ method: 'GET', path: '/releases', status: 500, times: 50 })
    const refused = await run({ destinations: 'folder,artifact,repository,release', 'keep-last': '1' })
    expect({ code: refused.code, status: refused.result?.status }).toEqual({ code: 1, status: 'failed' })
    github.clearFaults()
    for (const place of places) expect(await listed(place)).toEqual(ids(backups))
  })

  test('F70: a removal that fails leaves the rest to the next run; other places are not held up', async () => {
    const backups = daily(4)
    await seed(backups)
    const destinations = places.join(',')
    github.failNext({ method: 'DELETE', path: '/actions/artifacts/', status: 500, skip: 3, times: 9 })
    github.failNext({ method: 'DELETE', path: /\/releases\/\d+$/, status: 500, skip: 1, times: 9 })
    git.fault = (request) => (isPush(request) ? { kind: 'status', status: 500 } : undefined)
    const cut = await run({ destinations, 'keep-last': '1' })
    expect({ code: cut.code, error: cut.result?.error?.code }).toEqual({ code: 1, error: 'SB906' })
    expect(cut.result?.warnings.join('\n')).toContain('SB906')
    const left = (place: Place) => cut.result?.backups.filter((row) => row.destination === place).map((row) => row.id)
    expect(left('folder')).toEqual(ids(backups.slice(0, 1)))
    // The oldest went first, and the manifest of the second: it is no backup any more, and what is left of it goes next time.
    expect(left('artifact')).toEqual(ids(backups.slice(0, 2)))
    expect(left('release')).toEqual(ids(backups.slice(0, 2)))
    expect(left('repository')).toEqual(ids(backups))
    github.clearFaults()
    git.fault = undefined
    const again = await run({ destinations, 'keep-last': '1' })
    expect({ code: again.code, error: again.result?.error }).toEqual({ code: 0 })
    for (const place of places)
      expect(again.result?.backups.filter((row) => row.destination === place).map((row) => row.id)).toEqual(
        ids(backups.slice(0, 1))
      )
  })

  test('T10: nothing goes anywhere while an anomalous backup is open, in whichever place it lies', async () => {
    const backups = daily(2)
    await seed(backups)
    const odd = earlierBackup(1.5 * day, { status: 'anomalous' })
    await seed([odd], ['release'])
    const destinations = places.join(',')
    const frozen = await run({ destinations, 'keep-last': '1' })
    expect({ code: frozen.code, status: frozen.outputs['status'], error: frozen.result?.error?.code }).toEqual({
      code: 1,
      status: 'anomalous',
      error: 'SB904'
    })
    expect(frozen.result?.error?.remedy).toContain(`acknowledge: ${odd.ref.id}`)
    expect(frozen.result?.backups).toHaveLength(9)
    expect(frozen.result?.retention?.every((one) => one.keep)).toBe(true)
    const unknown = await run({ destinations, 'keep-last': '1', acknowledge: '20260101T000000Z-aaaaaaaa' })
    expect({ code: unknown.code, error: unknown.result?.error?.code }).toEqual({ code: 1, error: 'SB901' })
    const open = await run({ destinations, 'keep-last': '1', acknowledge: odd.ref.id })
    expect({ code: open.code, error: open.result?.error }).toEqual({ code: 0 })
    expect(open.result?.backups.map((row) => `${row.destination} ${row.id}`).sort()).toEqual(
      [
        `release ${odd.ref.id}`,
        ...['artifact', 'folder', 'repository'].map((place) => `${place} ${backups[0]?.ref.id}`)
      ].sort()
    )
    // It was noted beside the backup: the next run needs no word.
    const later = await run({ destinations: 'release', 'keep-last': '1' })
    expect({ code: later.code, error: later.result?.error }).toEqual({ code: 0 })
  })

  test('T9: with a clock that is wrong nothing goes', async () => {
    const backups = daily(3)
    await seed(backups, ['release', 'repository'])
    const real = github.state.now
    Object.assign(github.state, { now: () => new Date(real().getTime() - 2 * 60 * 60 * 1000) })
    try {
      for (const destinations of ['release', 'repository']) {
        const refused = await run({ destinations, 'keep-last': '1' })
        expect({ code: refused.code, error: refused.result?.error?.code }).toEqual({ code: 1, error: 'SB905' })
        expect(refused.result?.backups).toHaveLength(3)
      }
    } finally {
      Object.assign(github.state, { now: real })
    }
  })
})
