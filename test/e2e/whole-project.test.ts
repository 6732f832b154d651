import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ActionRun } from '../kit/action.ts'
import { createRepository, gitHandler } from '../kit/git/git-server.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { writeStorageRows } from '../kit/supabase/storage-rows.ts'
import { contentOf, guardsOf } from './restore-setup.ts'
import {
  type EmptyProject,
  emptyProject,
  managementOf,
  storageOf,
  type WholeProject,
  wholeProject
} from './whole-project-setup.ts'

const files = 2000
/** What a fresh project holds itself, keeps for itself, or gets by other ways than rows; and the versions of files, which an upload changes. */
const otherwise = /^(?:vault\.secrets|cron\.job|realtime\.messages.*|auth\.schema_migrations|storage\.objects)$/
const fine = (done: ActionRun) => expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
const differing = (one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>) =>
  [...new Set([...one.keys(), ...other.keys()])].filter(
    (name) => !otherwise.test(name) && one.get(name) !== other.get(name)
  )

describe('a whole project goes into an empty one and is the same', () => {
  let source: WholeProject
  let target: EmptyProject
  const counts = (done: ActionRun, name: string) =>
    done.result?.backup?.parts.find((part) => part.source === name)?.counts
  const uploads = () =>
    target.storage.calls.filter(
      ({ method, path }) => method === 'POST' && (/\/object\/(?!list|info)/.test(path) || /\/resumable$/.test(path))
    ).length

  beforeAll(async () => {
    source = await wholeProject(files)
    target = await emptyProject(source)
  })
  afterAll(async () => {
    await target?.stop()
    await source?.stop()
  })

  test('it is captured whole, and a second backup downloads no file', async () => {
    const first = await source.backup()
    fine(first)
    expect(first.result?.backup?.parts.map(({ source: name, status }) => [name, status])).toEqual([
      ['database', 'captured'],
      ['storage', 'captured'],
      ['functions', 'captured'],
      ['config', 'captured']
    ])
    expect(counts(first, 'storage')).toMatchObject({ buckets: 4, objects: source.storage.objects.size })
    expect(counts(first, 'functions')).toMatchObject({ functions: 6, secretNames: 2 })
    const before = source.storage.downloads()
    const second = await source.backup()
    fine(second)
    expect(source.storage.downloads()).toBe(before)
    expect(counts(second, 'storage')).toMatchObject({ downloaded: 0, unchanged: source.storage.objects.size })
  })

  test('F31, F32, F69: the second, unchanged backup makes the round trip and no difference is found', {
    timeout: 600_000
  }, async () => {
    const done = await source.run(target.inputs)
    fine(done)
    const differences = (done.result?.findings ?? []).filter(({ kind }) => kind === 'difference')
    expect(differences).toEqual([])
    expect(await storageOf(target.storage, target.server)).toEqual(await storageOf(source.storage, source.server))
    expect(managementOf(target.project)).toEqual(managementOf(source.project))
    expect(target.project.functions.get('packed')?.bundle).toEqual(source.project.functions.get('packed')?.bundle)
    expect(differing(await contentOf(target.server), await contentOf(source.server))).toEqual([])
    expect(await guardsOf(target.server)).toEqual(await guardsOf(source.server))
    expect(uploads()).toBe(source.storage.objects.size)
    const todo = (done.result?.findings ?? []).filter(({ kind }) => kind === 'todo').map(({ subject }) => subject)
    expect(todo).toEqual(expect.arrayContaining(['secret STRIPE_KEY', 'auth.smtp_pass']))
  })

  test('a second run finds everything there and changes nothing', async () => {
    const before = { uploads: uploads(), storage: await storageOf(target.storage, target.server) }
    const calls = source.management.calls.length
    const again = await source.run({ ...target.inputs, include: 'storage,functions,config' })
    fine(again)
    expect(uploads()).toBe(before.uploads)
    expect(await storageOf(target.storage, target.server)).toEqual(before.storage)
    expect(source.management.calls.slice(calls).filter(({ method }) => method !== 'GET')).toEqual([])
    expect((again.result?.findings ?? []).filter(({ kind }) => kind === 'difference')).toEqual([])
  })
})

describe('packs that backups share lie in releases and on a branch', () => {
  let source: WholeProject
  let github: Github
  const stored = { destinations: 'release,repository', token: '', verify: 'none' }
  const counts = (done: ActionRun) => done.result?.backup?.parts.find((part) => part.source === 'storage')?.counts

  beforeAll(async () => {
    github = await startGithub({ repository: 'acme/shop', visibility: 'private' })
    source = await wholeProject(90, github.env)
    stored.token = github.token
    createRepository(source.root, 'acme/shop')
    const git = gitHandler({ root: source.root, token: github.token })
    github.mount('/acme/shop.git/', git.handle)
  })
  afterAll(async () => {
    await source?.stop()
    await github?.stop()
  })

  test('they are made once, and what changed comes beside them', async () => {
    const first = await source.backup(stored)
    fine(first)
    expect(first.result?.destinations.map(({ name, stored: kept }) => [name, kept])).toEqual([
      ['release', true],
      ['repository', true]
    ])
    const before = source.storage.downloads()
    const unchanged = await source.backup(stored)
    fine(unchanged)
    expect(source.storage.downloads()).toBe(before)
    for (let number = 0; number < 3; number++)
      source.storage.put('avatars', `later-${number}`, Buffer.from(`came later ${number}`))
    await writeStorageRows(source.server, source.storage)
    const changed = await source.backup(stored)
    fine(changed)
    expect(counts(changed)).toMatchObject({ downloaded: 3, unchanged: source.storage.objects.size - 3 })
    const tags = github.repository.releases.filter(({ tag }) => tag.includes('-objects-'))
    expect(tags.map(({ tag }) => tag)).toEqual(['backup-shop-objects-1'])
    // Two packs, each with its list.
    expect(tags[0]?.assets).toHaveLength(4)
  })

  for (const destination of ['release', 'repository'])
    test(`${destination}: verified with its packs, and brought into an empty project`, async () => {
      const verified = await source.run({
        ...stored,
        command: 'verify',
        destinations: destination,
        identity: source.identity,
        verify: 'read'
      })
      fine(verified)
      expect(verified.outputs['verified']).toBe('read')
      const target = await emptyProject(source)
      try {
        const done = await source.run({ ...target.inputs, token: stored.token, destinations: destination })
        fine(done)
        expect(await storageOf(target.storage, target.server)).toEqual(await storageOf(source.storage, source.server))
        expect(managementOf(target.project)).toEqual(managementOf(source.project))
      } finally {
        await target.stop()
      }
    })
})
