import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { connectArtifactService } from '../../src/clients/github/artifact-service.ts'
import { connectGithub } from '../../src/clients/github/index.ts'
import type { Context } from '../../src/context.ts'
import { openArtifactDestination } from '../../src/destinations/artifact/index.ts'
import type { Destination } from '../../src/destinations/destination.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { seedArtifact, sha256 } from '../kit/github/state.ts'
import {
  destinationSuite,
  keyOf,
  listed,
  manifestOf,
  newRef,
  read,
  store,
  testContext,
  volume
} from './destination-suite.ts'

let github: Github
let parent = ''

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'artifact-'))
  github = await startGithub({ artifacts: true })
  // GitHub's own client reads these from the process.
  for (const [name, value] of Object.entries(github.env)) vi.stubEnv(name, value)
})

afterAll(async () => {
  vi.unstubAllEnvs()
  await github.stop()
  await rm(parent, { recursive: true, force: true })
})

beforeEach(() => {
  github.repository.artifacts.length = 0
  github.clearFaults()
  github.forgetCalls()
})

function openOn(
  context: Context,
  rest: { readonly retries?: number; readonly retentionDays?: number } = {}
): Destination {
  const client = connectGithub({
    apiUrl: github.env['GITHUB_API_URL'] ?? '',
    token: github.token,
    retries: rest.retries ?? 3,
    context
  })
  return openArtifactDestination({
    github: client,
    repository: 'acme/backups',
    service: () => connectArtifactService(process.env),
    serverUrl: 'https://github.com',
    runId: '42',
    context,
    ...(rest.retentionDays === undefined ? {} : { retentionDays: rest.retentionDays })
  })
}

destinationSuite('artifact', async () => ({ open: (context) => openOn(context), close: async () => undefined }))

describe('artifact: faults', () => {
  const open = async (retries = 3) => openOn(await testContext(parent), { retries })
  const future = () => new Date(Date.now() + 3_600_000)
  const names = () => github.repository.artifacts.filter((one) => one.finalized).map((one) => one.name)
  const twirp = (method: string) => `ArtifactService/${method}`

  afterEach(() => github.clearFaults())

  test('one artifact a file, under its own name and digest, the manifest last; nothing stays in the temporary folder', async () => {
    const context = await testContext(parent)
    const { ref, url } = await store(openOn(context), newRef(), { 'a.age': 'one', 'RESTORE.md': 'two' })
    expect(names()).toEqual(['a.age', 'RESTORE.md', 'manifest.json'].map((file) => `shop.${ref.id}.${file}`))
    expect(github.repository.artifacts[0]?.digest).toBe(`sha256:${sha256(Buffer.from('one'))}`)
    expect(url).toBe(`https://github.com/acme/backups/actions/runs/42/artifacts/${github.repository.artifacts[2]?.id}`)
    const found = (await listed(await open())).get(keyOf(ref))
    expect(found?.url).toBe(url)
    expect(found?.expiresAt).toEqual(github.repository.artifacts[2]?.expiresAt)
    expect(await readdir(context.temp)).toEqual([])
  })

  test('F43: a name that is taken counts when the bytes are the same, and is never overwritten when not', async () => {
    const ref = newRef()
    await (await open()).put(ref, 'a.age', volume('same'))
    await (await open()).put(ref, 'a.age', volume('same'))
    await expect((await open()).put(ref, 'a.age', volume('other'))).rejects.toMatchObject({ code: 'SB420' })
    expect(names()).toHaveLength(1)
    expect(github.repository.artifacts[0]?.digest).toBe(`sha256:${sha256(Buffer.from('same'))}`)
  })

  test.each([
    ['answered 403', { status: 403, body: { code: 'permission_denied', msg: 'no' } }],
    ['lost', {}]
  ])('F44: stored although the answer to the finalizing call was %s', async (_name, fault) => {
    const driver = await open()
    github.failNext({ path: twirp('FinalizeArtifact'), when: 'after', ...fault })
    const { ref } = await store(driver)
    expect(names()).toEqual([`shop.${ref.id}.a.age`, `shop.${ref.id}.manifest.json`])
    expect(await read(await open(), ref, 'a.age')).toEqual(Buffer.from('one'))
  })

  test('F44: an upload that breaks off for good ends cleanly; the next backup is stored', async () => {
    const driver = await open(1)
    const ref = newRef()
    github.failNext({
      path: twirp('FinalizeArtifact'),
      status: 403,
      body: { code: 'permission_denied', msg: 'no' },
      times: 9
    })
    await expect(driver.put(ref, 'a.age', volume('one'))).rejects.toMatchObject({ code: 'SB401' })
    github.clearFaults()
    expect(names()).toEqual([])
    await store(driver)
    expect((await listed(driver)).size).toBe(1)
  })

  test('F44: a quota that is used up is named', async () => {
    github.failNext({
      path: twirp('CreateArtifact'),
      status: 403,
      body: {
        code: 'resource_exhausted',
        msg: 'Artifact storage quota has been hit. Unable to upload any new artifacts.'
      },
      times: 9
    })
    await expect((await open()).put(newRef(), 'a.age', volume('one'))).rejects.toMatchObject({ code: 'SB418' })
  })

  test('F45: a digest that differs at GitHub stops the backup, and the artifact goes', async () => {
    const driver = await open()
    const ref = newRef()
    const lie = {
      id: 1,
      name: `shop.${ref.id}.a.age`,
      size_in_bytes: 3,
      expired: false,
      created_at: new Date().toISOString(),
      expires_at: null,
      digest: `sha256:${'0'.repeat(64)}`
    }
    github.failNext({ method: 'GET', path: /artifacts\/\d+$/, status: 200, body: lie })
    await expect(driver.put(ref, 'a.age', volume('one'))).rejects.toMatchObject({ code: 'SB414' })
    expect(github.calls.at(-1)).toMatchObject({ method: 'DELETE' })
    expect((await listed(driver)).size).toBe(0)
  })

  describe('F46: downloads', () => {
    const content = Buffer.from('0123456789'.repeat(20_000))

    test.each([
      ['truncated with 200', { cut: 1000 }],
      ['broken off', { breakAfter: 70_000 }],
      ['with a wrong byte', { flip: 5 }],
      ['refused because the address has expired', { status: 403 }],
      ['reset', {}]
    ])('%s: fetched again from a fresh address', async (_name, fault) => {
      const { ref } = await store(await open(), newRef(), { 'a.age': content })
      const strikes = github.failNext({ method: 'GET', path: `.${ref.id}.a.age`, times: 2, ...fault })
      github.forgetCalls()
      expect(await read(await open(), ref, 'a.age')).toEqual(content)
      expect(strikes()).toBe(2)
      expect(github.calls.filter((call) => call.path.endsWith('/zip'))).toHaveLength(3)
      expect(
        github.calls.filter((call) => call.path.startsWith('/devstore')).map((call) => call.authorized)
      ).not.toContain(true)
    })

    test('one that is wrong each time ends with a clean error', async () => {
      const { ref } = await store(await open(), newRef(), { 'a.age': content })
      github.failNext({ method: 'GET', path: `.${ref.id}.a.age`, times: 99, cut: 5 })
      await expect(read(await open(), ref, 'a.age')).rejects.toMatchObject({ code: 'SB401' })
    })
  })

  test('F47: a time of keeping that the settings do not allow is told with the true end', async () => {
    const context = await testContext(parent)
    const driver = openOn(context, { retentionDays: 365 })
    const { ref } = await store(driver)
    const expiresAt = (await listed(driver)).get(keyOf(ref))?.expiresAt
    expect(context.lines.join('\n')).toContain(expiresAt?.toISOString() ?? 'no time')
    const allowed = await testContext(parent)
    await store(openOn(allowed, { retentionDays: 30 }))
    expect(allowed.lines.join('\n')).not.toContain('expires on')
  })

  test('F48: more than 1,000 artifacts of many runs are listed whole; expired ones and those of others are not', async () => {
    const refs = Array.from({ length: 600 }, (_, n) => newRef('shop', -n))
    for (const [n, ref] of refs.entries()) {
      seedArtifact(github.state, github.repository, { name: `shop.${ref.id}.a.age`, content: 'x', runId: n })
      seedArtifact(github.state, github.repository, {
        name: `shop.${ref.id}.manifest.json`,
        content: manifestOf(ref),
        runId: n
      })
    }
    const expired = newRef('shop', -5000)
    seedArtifact(github.state, github.repository, {
      name: `shop.${expired.id}.manifest.json`,
      content: '{}',
      expired: true
    })
    for (const runId of [1, 2, 3]) seedArtifact(github.state, github.repository, { name: 'dist', content: 'x', runId })
    const driver = await open()
    const found = await listed(driver)
    expect(found.size).toBe(600)
    expect(found.has(keyOf(expired))).toBe(false)
    expect(github.calls.filter((call) => call.path.endsWith('/actions/artifacts'))).toHaveLength(13)
    github.forgetCalls()
    expect((await listed(driver)).size).toBe(600)
    expect(github.calls.filter((call) => call.path.endsWith('/zip'))).toEqual([])
    await expect(driver.get(expired, 'manifest.json')).rejects.toMatchObject({ code: 'SB404' })
    expect(await driver.clean(new Date(0))).toEqual([])
    expect(github.repository.artifacts).toHaveLength(1204)
  })

  test('F48: of three artifacts of one name, from three runs, the newest counts, and all go with the backup', async () => {
    const { ref } = await store(await open())
    for (const [runId, content] of ['old', 'older', 'newest'].entries()) {
      const createdAt = new Date(Date.now() + (content === 'newest' ? 1000 : -1000 * (runId + 1)))
      seedArtifact(github.state, github.repository, {
        name: `shop.${ref.id}.keep`,
        content,
        runId: 100 + runId,
        createdAt
      })
    }
    const driver = await open()
    const records = (await listed(driver)).get(keyOf(ref))?.records.map((one) => Buffer.from(one.content).toString())
    expect(records).toEqual(['newest'])
    await driver.annotate(ref, 'keep', null)
    expect((await listed(driver)).get(keyOf(ref))?.records).toEqual([])
    await driver.delete(ref)
    expect(github.repository.artifacts).toEqual([])
  })

  test('a listing that changes while it is read is read again', async () => {
    for (let n = 0; n < 150; n += 1) {
      const ref = newRef('shop', -n)
      seedArtifact(github.state, github.repository, { name: `shop.${ref.id}.manifest.json`, content: manifestOf(ref) })
    }
    const driver = await open()
    // GitHub counts one more than it shows: something moved between the pages.
    github.failNext({ path: '/actions/artifacts', skip: 1, status: 200, body: { total_count: 150, artifacts: [] } })
    expect((await listed(driver)).size).toBe(150)
  })

  test('a deletion that was cut off after the manifest is finished by clean', async () => {
    const { ref } = await store(await open())
    github.failNext({ method: 'DELETE', skip: 1, times: 9 })
    await expect((await open(0)).delete(ref)).rejects.toMatchObject({ code: 'SB401' })
    github.clearFaults()
    const next = await open()
    expect((await listed(next)).size).toBe(0)
    expect(await next.clean(future())).toHaveLength(1)
    expect(github.repository.artifacts).toEqual([])
  })

  test('where there is no artifact service, writing says so and reading works', async () => {
    const { ref } = await store(await open())
    for (const [name, value] of [
      ['GITHUB_SERVER_URL', 'https://github.example.com'],
      ['ACTIONS_RUNTIME_TOKEN', '']
    ] as const) {
      vi.stubEnv(name, value)
      const driver = await open()
      await expect(driver.put(newRef(), 'a.age', volume('x'))).rejects.toMatchObject({ code: 'SB417' })
      expect(await read(driver, ref, 'a.age')).toEqual(Buffer.from('one'))
      vi.stubEnv(name, github.env[name])
    }
  })

  test('F60: a token without the right to delete is told what it needs', async () => {
    const { ref } = await store(await open())
    github.failNext({ method: 'DELETE', status: 403, body: { message: 'Resource not accessible by integration' } })
    await expect((await open()).delete(ref)).rejects.toMatchObject({
      code: 'SB403',
      message: expect.stringContaining('actions: write')
    })
  })

  test.each(['before', 'after'] as const)(
    'F53: killed %s call k, for every k: all or nothing, and the next run cleans up',
    async (when) => {
      const kept = await store(await open())
      let k = 0
      for (; ; k += 1) {
        const ref = newRef()
        if (when === 'after') github.failNext({ when: 'after', skip: k })
        const strikes = github.failNext({
          skip: k,
          times: 1000,
          status: 403,
          body: { msg: 'killed', message: 'killed' }
        })
        const outcome = await store(await open(0), ref).then(
          () => 'stored',
          (error: unknown) => Object(error)['code']
        )
        expect(outcome).toMatch(/^(?:stored|SB4\d\d)$/)
        const struck = strikes()
        github.clearFaults()
        const next = await open()
        const keys = [...(await listed(next)).keys()]
        expect(keys).toContain(keyOf(kept.ref))
        if (keys.includes(keyOf(ref))) expect(await read(next, ref, 'a.age')).toEqual(Buffer.from('one'))
        await next.clean(future())
        expect(names()).toHaveLength(keys.length * 2)
        if (keys.includes(keyOf(ref))) await next.delete(ref)
        if (outcome === 'stored' && struck === 0) break
      }
      expect(k).toBeGreaterThanOrEqual(7)
    }
  )

  test.each(['before', 'after'] as const)(
    'F61: the connection breaks %s call k takes effect, for every k',
    async (when) => {
      let k = 0
      for (; ; k += 1) {
        github.repository.artifacts.length = 0
        const strikes = github.failNext({ when, skip: k })
        const ref = newRef()
        await store(await open(2), ref)
        const struck = strikes()
        github.clearFaults()
        const next = await open()
        expect([...(await listed(next)).keys()], `call ${k}`).toEqual([keyOf(ref)])
        expect(await read(next, ref, 'a.age')).toEqual(Buffer.from('one'))
        // An upload that broke off burns its name: then the file has a spare one.
        expect(names().map((name) => name.replace('~1', ''))).toEqual([
          `shop.${ref.id}.a.age`,
          `shop.${ref.id}.manifest.json`
        ])
        await next.delete(ref)
        expect(names()).toEqual([])
        if (struck === 0) break
      }
      expect(k).toBeGreaterThanOrEqual(7)
    }
  )
})
