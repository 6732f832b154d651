import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ActionRun } from '../kit/action.ts'
import { type RunFacts, seedArtifact } from '../kit/github/state.ts'
import { day, earlierBackup, type SeededBackup } from '../kit/history.ts'
import { type Places, startPlaces } from '../kit/places.ts'

// What may be relied on, asked of the bundle: backups of which only the manifest is left, manifests and files that somebody else put there, and what no
// command opens count for nothing, whichever command is asked.

const hour = day / 24
/** Sealed, so that a run without keys fetches it as it is stored. */
const sealed = { encryption: { scheme: 'age-x25519' as const, recipients: ['fp:0123456789abcdef'] } }
const ciOfBranch: RunFacts = { branch: 'feature', path: '.github/workflows/ci.yml', event: 'push' }

let places: Places

beforeAll(async () => {
  places = await startPlaces()
})
afterAll(async () => {
  await places.stop()
})
beforeEach(() => places.reset())

const rowsOf = (run: ActionRun): { id: string; status: string; verified: string; doubt?: string; note?: string }[] =>
  JSON.parse(run.outputs['backups'] ?? '[]')
const row = async (place: string, id: string) =>
  rowsOf(await places.run({ command: 'list', destinations: place })).find((one) => one.id === id)

/** Uploads an artifact as a job of another run of the repository could. */
function plant(name: string, content: Uint8Array | string, run: RunFacts | 'gone' = ciOfBranch, runId = 666): void {
  seedArtifact(places.github.state, places.github.repository, {
    name,
    content,
    runId,
    expiresAt: new Date(Date.now() + 90 * day),
    ...(run === 'gone' ? { fromFork: 'gone' as const } : { run })
  })
}
const manifestNameOf = ({ ref }: SeededBackup) => `${ref.project}.${ref.id}.manifest.json`

describe('T21: artifacts of runs that may not write backups', () => {
  const real = () => [80 * hour, 100 * hour, 120 * hour].map((age) => earlierBackup(age, sealed))
  const planted = () => [25 * hour, 26 * hour, 27 * hour].map((age) => earlierBackup(age))

  test.each([
    ['a job of a branch', ciOfBranch],
    [
      'a pull request that runs the very workflow',
      { branch: 'x', path: '.github/workflows/backup.yml', event: 'pull_request' }
    ],
    ['a fork that is gone', 'gone' as const]
  ])(
    'manifests planted by %s: no real backup goes, nothing is fresh by them, and none is restored',
    async (_who, run) => {
      const [good, fakes] = [real(), planted()]
      await places.seed(good, ['artifact'])
      for (const fake of fakes) plant(manifestNameOf(fake), fake.manifest, run)
      const check = await places.run({ command: 'check', 'max-age': '26h' })
      expect(check.code).toBe(1)
      expect(check.log).toContain('is 3 days old')
      expect((await row('artifact', fakes[0]?.ref.id ?? ''))?.verified).toBe('none')
      const prune = await places.run({ command: 'prune', 'keep-last': '3' })
      expect(prune.code).toBe(0)
      const left = await places.listed('artifact')
      for (const { ref } of good) expect(left).toContain(ref.id)
      const download = await places.run({ command: 'download' })
      expect(download.code).toBe(1)
      expect(download.log).toContain('SB909')
      for (const { ref } of [fakes[0], good[0]] as SeededBackup[]) expect(download.log).toContain(ref.id)
      expect((await places.run({ command: 'download', backup: good[0]?.ref.id ?? '' })).code).toBe(0)
    }
  )

  test('a whole backup of another branch counts only where it is of the very workflow', async () => {
    const [good, other] = [earlierBackup(50 * hour), earlierBackup(hour)]
    await places.seed([good], ['artifact'])
    for (const [file, content] of [
      ['database.dump', other.file],
      ['manifest.json', other.manifest]
    ] as const)
      plant(`shop.${other.ref.id}.${file}`, content, {
        branch: 'ops',
        path: '.github/workflows/other.yml',
        event: 'workflow_dispatch'
      })
    expect((await row('artifact', other.ref.id))?.doubt).toContain('neither of the default branch nor of this workflow')
    places.github.repository.artifacts.length = 1
    for (const [file, content] of [
      ['database.dump', other.file],
      ['manifest.json', other.manifest]
    ] as const)
      plant(`shop.${other.ref.id}.${file}`, content, {
        branch: 'ops',
        path: '.github/workflows/backup.yml',
        event: 'workflow_dispatch'
      })
    expect((await row('artifact', other.ref.id))?.doubt).toBeUndefined()
  })

  test.each(['database.dump', 'manifest.json'])(
    'a later artifact of the same name (%s) changes nothing of a committed backup, from the default branch neither',
    async (file) => {
      const backup = earlierBackup(30 * hour)
      await places.seed([backup], ['artifact'])
      plant(`shop.${backup.ref.id}.${file}`, 'junk')
      plant(`shop.${backup.ref.id}.${file}`, 'junk', { ...ciOfBranch, branch: 'main' }, 667)
      expect((await row('artifact', backup.ref.id))?.status).toBe('complete')
      expect((await places.run({ command: 'verify', verify: 'checksum' })).code).toBe(0)
    }
  )

  test('a planted acknowledgement or verification record says nothing', async () => {
    const anomalous = earlierBackup(hour, { status: 'anomalous' })
    await places.seed([earlierBackup(30 * hour), anomalous], ['artifact'])
    plant(`shop.${anomalous.ref.id}.acknowledged`, 'yes')
    const prune = await places.run({ command: 'prune', 'keep-last': '1' })
    expect(prune.log).toContain('SB904')
    expect((await row('artifact', anomalous.ref.id))?.doubt).toBe('it is anomalous')
  })
})

describe('T23: backups that are not whole', () => {
  const damage: Record<string, (backup: SeededBackup) => Promise<void>> = {
    folder: ({ ref }) => rm(join(places.folder(), ref.project, ref.id, 'database.dump')),
    release: async ({ ref }) => {
      const release = places.github.repository.releases.find(({ tag }) => tag.endsWith(ref.id))
      release?.assets.splice(
        release.assets.findIndex(({ name }) => name === 'database.dump'),
        1
      )
    },
    artifact: async ({ ref }) => {
      const { artifacts } = places.github.repository
      artifacts.splice(
        artifacts.findIndex(({ name }) => name === `shop.${ref.id}.database.dump`),
        1
      )
    }
  }

  test.each(Object.keys(damage))('one whose file is gone from %s is damaged for every command', async (place) => {
    const [old, newest] = [earlierBackup(60 * hour), earlierBackup(30 * hour)]
    await places.seed([old, newest], [place as 'folder'])
    await damage[place]?.(newest)
    expect(await row(place, newest.ref.id)).toMatchObject({
      status: 'damaged',
      verified: 'none',
      doubt: 'its file database.dump is not there'
    })
    const check = await places.run({ command: 'check', destinations: place, 'max-age': '40h' })
    expect(check.code).toBe(1)
    expect((await places.run({ command: 'prune', destinations: place, 'keep-last': '1' })).code).toBe(0)
    expect(await places.listed(place as 'folder')).toContain(old.ref.id)
    const download = await places.run({ command: 'download', destinations: place })
    expect(download.log).toContain(`The newest to rely on is ${old.ref.id}`)
    expect(download.code).toBe(1)
  })

  test.each([
    ['another type in its manifest', (manifest: Record<string, unknown>) => ({ ...manifest, type: 'data' })],
    ['a manifest without a digest', ({ digest: _digest, ...manifest }: Record<string, unknown>) => manifest]
  ])('one with %s opens nowhere, and is green nowhere', async (_what, change) => {
    const backup = earlierBackup(hour)
    await places.seed([backup], ['folder'])
    const path = join(places.folder(), 'shop', backup.ref.id, 'manifest.json')
    await writeFile(path, JSON.stringify(change(JSON.parse(Buffer.from(backup.manifest).toString()))))
    expect(await row('folder', backup.ref.id)).toMatchObject({ status: 'unreadable', verified: 'none' })
    const check = await places.run({ command: 'check', destinations: 'folder' })
    expect(check.code).toBe(1)
    expect((await places.run({ command: 'download', destinations: 'folder' })).code).toBe(1)
  })

  test('a backup that a newer version wrote is not passed over in silence', async () => {
    const [old, newer] = [earlierBackup(30 * hour, sealed), earlierBackup(hour, sealed)]
    await places.seed([old, newer], ['folder'])
    const manifest = {
      ...JSON.parse(Buffer.from(newer.manifest).toString()),
      minReader: 99,
      tool: 'supabase-backup 9.1.0'
    }
    await writeFile(join(places.folder(), 'shop', newer.ref.id, 'manifest.json'), JSON.stringify(manifest))
    const download = await places.run({ command: 'download', destinations: 'folder' })
    expect(download.code).toBe(1)
    expect(download.log).toContain(old.ref.id)
    expect(download.log).toContain('install 9.1.0')
    const check = await places.run({ command: 'check', destinations: 'folder', 'max-age': '90h' })
    expect(check.code).toBe(1)
    const at = await places.run({ command: 'download', destinations: 'folder', backup: new Date().toISOString() })
    expect(at.code).toBe(0)
    expect(at.log).toContain(`newer than ${old.ref.id} and was passed over`)
  })
})

describe('two places', () => {
  test('a damaged file of the first is taken from the second, and so is all when the first does not answer', async () => {
    await places.seed([earlierBackup(hour, sealed)], ['release', 'folder'])
    places.github.failNext({ path: /^\/asset\//, flip: 2, times: 10 })
    const download = await places.run({ command: 'download', destinations: 'release, folder' })
    expect(download.code).toBe(0)
    expect(download.log).toContain(`database.dump is taken from ${places.folder()}`)
    places.github.clearFaults()
    places.github.failNext({ path: '/releases', status: 500, times: 100 })
    const other = await places.run({ command: 'download', destinations: 'release, folder' })
    expect(other.code).toBe(0)
    expect(other.log).toContain('could not be read, so what lies there is not known')
  })
})

test('an unsigned backup is not counted where a signature is asked for', async () => {
  const { generateKeyPairSync } = await import('node:crypto')
  const { publicKey } = generateKeyPairSync('ed25519')
  const key = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  await places.seed([earlierBackup(hour)], ['folder'])
  const inputs = { destinations: 'folder', 'verify-key': key }
  expect((await places.run({ command: 'check', ...inputs })).log).toContain('is not counted: it is not signed')
  const list = await places.run({ command: 'list', ...inputs })
  expect(rowsOf(list)[0]).toMatchObject({ verified: 'none', doubt: expect.stringContaining('it is not signed') })
})
