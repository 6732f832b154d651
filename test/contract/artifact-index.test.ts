import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { connectArtifactService } from '../../src/clients/github/artifact-service.ts'
import { connectGithub } from '../../src/clients/github/index.ts'
import { openArtifactDestination } from '../../src/destinations/artifact/index.ts'
import { labelOfIndex, renderIndex } from '../../src/destinations/artifact/remembered-index.ts'
import type { Destination } from '../../src/destinations/destination.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { seedArtifact } from '../kit/github/state.ts'
import { day, earlierBackup, seedAmongArtifacts, seedBackup } from '../kit/history.ts'
import { listed, manifestBytes, testContext } from './destination-suite.ts'

let github: Github
let parent = ''

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'artifact-index-'))
  github = await startGithub({ artifacts: true })
  // GitHub's own client reads these from the process.
  for (const [name, value] of Object.entries(github.env)) vi.stubEnv(name, value)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await github.stop()
  await rm(parent, { recursive: true, force: true })
})

async function open(): Promise<Destination> {
  const context = await testContext(parent)
  const client = connectGithub({ apiUrl: github.env['GITHUB_API_URL'] ?? '', token: github.token, retries: 0, context })
  return openArtifactDestination({
    github: client,
    repository: 'acme/backups',
    service: () => connectArtifactService(process.env),
    serverUrl: 'https://github.com',
    runId: '42',
    context
  })
}
const indexes = () => github.repository.artifacts.filter((one) => one.finalized && labelOfIndex(one.name) !== null)
const downloads = () => github.calls.filter((call) => call.path.endsWith('/zip')).length
/** What a fresh run sees, and how many downloads that took. */
async function seen() {
  github.forgetCalls()
  const found = await listed(await open())
  return { found, downloads: downloads() }
}

test('a run that has read many manifests leaves copies of them to the next one', async () => {
  const backups = Array.from({ length: 12 }, (_, index) => earlierBackup((index + 2) * day))
  for (const backup of backups) seedAmongArtifacts(github.state, github.repository, backup)
  expect((await seen()).downloads).toBe(12)

  const run = await open()
  await listed(run)
  const fresh = earlierBackup(0)
  await seedBackup(run, fresh)
  expect(indexes()).toHaveLength(1)
  const { found, downloads: few } = await seen()
  expect(few).toBe(1)
  for (const backup of [...backups, fresh])
    expect(manifestBytes(found.get(`shop/${backup.ref.id}`))).toEqual(Buffer.from(backup.manifest))
})

test('copies of backups that are gone bring none back, and a damaged or forged index is passed over', async () => {
  const gone = github.repository.artifacts.findIndex((one) => one.name.endsWith('.manifest.json'))
  github.repository.artifacts.splice(gone, 1)
  expect((await seen()).found.size).toBe(12)
  for (const content of ['not an index', Buffer.alloc(2000)]) {
    seedArtifact(github.state, github.repository, {
      name: 'shop.manifests.9-00000000',
      content,
      createdAt: new Date(Date.now() + day)
    })
    const { found, downloads: many } = await seen()
    expect(found.size).toBe(12)
    expect(many).toBe(13)
  }
})

test('T8: artifacts that a pull request of a fork uploaded are no backups, and their index is not read', async () => {
  const before = (await seen()).found.size
  const forged = earlierBackup(day)
  seedArtifact(github.state, github.repository, {
    name: `shop.${forged.ref.id}.manifest.json`,
    content: forged.manifest,
    fromFork: true
  })
  seedArtifact(github.state, github.repository, {
    name: 'shop.manifests.9-11111111',
    content: await renderIndex({ files: [] }),
    createdAt: new Date(Date.now() + 2 * day),
    fromFork: true
  })
  const { found } = await seen()
  expect(found.size).toBe(before)
  expect(found.has(`shop/${forged.ref.id}`)).toBe(false)
})

test('a repository with many artifacts is listed by few pages, also after backups were removed', async () => {
  const past = Date.now() - 3 * day
  for (let count = 0; count < 2500; count += 1)
    seedArtifact(github.state, github.repository, {
      name: `coverage-${count}`,
      content: 'x',
      createdAt: new Date(past - 3_600_000 + count * 1000)
    })
  // As GitHub shows them: the oldest at the end.
  github.repository.artifacts.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())
  const pages = () => github.calls.filter((call) => call.path.endsWith('/actions/artifacts')).length
  const first = await seen()
  expect(pages()).toBeGreaterThan(25)
  const run = await open()
  await listed(run)
  await seedBackup(run, earlierBackup(0))
  const before = (await seen()).found
  expect(before.size).toBe(first.found.size + 1)
  expect(pages()).toBeLessThan(8)
  const [doomed] = [...first.found.keys()].toSorted()
  await (await open()).delete({ project: 'shop', id: doomed?.split('/')[1] ?? '' })
  const after = (await seen()).found
  expect([...after.keys()].toSorted()).toEqual([...before.keys()].filter((key) => key !== doomed).toSorted())
  expect(pages()).toBeLessThan(15)
})
