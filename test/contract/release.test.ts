import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connectGithub } from '../../src/clients/github/index.ts'
import type { Context } from '../../src/context.ts'
import type { Destination } from '../../src/destinations/destination.ts'
import { renderReleaseBody } from '../../src/destinations/release/body.ts'
import { openReleaseDestination } from '../../src/destinations/release/index.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import type { Release } from '../kit/github/state.ts'
import {
  destinationSuite,
  keyOf,
  listed,
  manifestBytes,
  manifestOf,
  newRef,
  read,
  store,
  testContext,
  volume
} from './destination-suite.ts'

function openOn(github: Github, context: Context, retries = 3, rest: { readonly token?: string } = {}): Destination {
  const client = connectGithub({
    apiUrl: github.env['GITHUB_API_URL'] ?? '',
    token: rest.token ?? github.token,
    retries,
    context,
    timeoutMs: 2000
  })
  return openReleaseDestination({ github: client, repository: 'acme/backups', context })
}

destinationSuite('release', async () => {
  const github = await startGithub()
  return { open: (context) => openOn(github, context), close: () => github.stop() }
})

describe('release: faults', () => {
  let parent = ''
  let github: Github
  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), 'release-'))
  })
  afterAll(() => rm(parent, { recursive: true, force: true }))
  beforeEach(async () => {
    github = await startGithub()
  })
  afterEach(() => github.stop())
  const open = async (retries = 3) => openOn(github, await testContext(parent), retries)
  const future = () => new Date(Date.now() + 3_600_000)
  const only = (): Release => {
    const [release] = github.repository.releases
    if (release === undefined) throw new Error('no release')
    return release
  }
  const writes = (path: string) => github.calls.filter((call) => call.method === 'POST' && call.path.endsWith(path))

  test('F52: a backup is a prerelease that never becomes the latest release', async () => {
    github.repository.releases.push({
      id: 1,
      tag: 'v1.0.0',
      name: 'ours',
      body: null,
      draft: false,
      prerelease: false,
      makeLatest: 'true',
      target: 'main',
      immutable: false,
      madeAt: new Date(),
      publishedAt: new Date(),
      assets: []
    })
    const [one, two] = await Promise.all([store(await open()), store(await open())])
    expect(one.url).toContain('/releases/tag/backup-shop-')
    expect(only()).toMatchObject({ prerelease: true, makeLatest: 'false', draft: false, target: 'main' })
    const found = await listed(await open())
    expect([...found.keys()].sort()).toEqual([keyOf(one.ref), keyOf(two.ref)].sort())
    const latest = await fetch(`${github.env['GITHUB_API_URL']}/repos/acme/backups/releases/latest`, {
      headers: { authorization: `token ${github.token}` }
    })
    expect(await latest.json()).toMatchObject({ tag_name: 'v1.0.0' })
    await (await open()).clean(future())
    expect(github.repository.releases).toHaveLength(3)
  })

  test('an upload goes out with its length, and the token never reaches the storage', async () => {
    const context = await testContext(parent)
    const driver = openOn(github, context)
    const { ref } = await store(driver, newRef(), { 'a.age': 'x'.repeat(100_000) })
    expect(writes('/assets').map((call) => call.contentLength)).toEqual(['100000', String(manifestOf(ref).length)])
    await read(driver, ref, 'a.age')
    const stored = github.calls.filter((call) => call.path.startsWith('/asset/'))
    expect(stored.map((call) => call.authorized)).toEqual([false])
    expect(context.lines.join('\n')).not.toContain(github.token)
  })

  test('F50: the dead remains of an upload that broke off are removed and it is repeated', async () => {
    const driver = await open()
    const ref = newRef()
    github.failNext({ method: 'POST', path: '/assets', cut: 20_000, when: 'after' })
    await driver.put(ref, 'a.age', volume('a'.repeat(50_000)))
    expect(only().assets.map((asset) => [asset.name, asset.state, asset.content.length])).toEqual([
      ['a.age', 'uploaded', 50_000]
    ])
    expect(writes('/assets')).toHaveLength(2)
  })

  test('F50: dead remains of an earlier try make way even when nothing is to be repeated', async () => {
    const ref = newRef()
    const driver = await open(0)
    github.failNext({ method: 'POST', path: '/assets', cut: 10, when: 'after' })
    // Without retries the try fails, and takes its remains with it.
    await expect(driver.put(ref, 'a.age', volume('a'.repeat(5000)))).rejects.toMatchObject({ code: 'SB401' })
    only().assets.push({ id: 1, name: 'a.age', state: 'starter', content: Buffer.alloc(0), createdAt: new Date() })
    await driver.put(ref, 'a.age', volume('a'.repeat(5000)))
    expect(only().assets).toHaveLength(1)
  })

  test('F61: an upload whose answer was lost counts, and is not sent twice', async () => {
    const driver = await open()
    github.failNext({ method: 'POST', path: '/assets', status: 502, when: 'after' })
    await driver.put(newRef(), 'a.age', volume('abc'))
    expect(writes('/assets')).toHaveLength(1)
    expect(only().assets).toHaveLength(1)
  })

  test('F45: a file that changed at the place after it was stored stops the commit', async () => {
    const driver = await open()
    const ref = newRef()
    await driver.put(ref, 'a.age', volume('abc'))
    for (const asset of only().assets) asset.content = Buffer.from('abd')
    await expect(driver.commit(ref, manifestOf(ref))).rejects.toMatchObject({ code: 'SB414' })
    expect((await listed(await open())).size).toBe(0)
  })

  test('without digests of GitHub every upload is read back', async () => {
    github.repository.assetDigests = false
    const driver = await open()
    const { ref, manifest } = await store(driver)
    expect(github.calls.filter((call) => call.path.startsWith('/asset/'))).toHaveLength(2)
    const found = await listed(await open())
    expect(manifestBytes(found.get(keyOf(ref)))).toEqual(manifest)
    // One byte differs on the way back, each time.
    github.failNext({ path: /^\/asset\//, flip: 1, times: 10 })
    await expect(driver.put(newRef(), 'a.age', volume('abc'))).rejects.toMatchObject({ code: 'SB414' })
  })

  test('a listing of 250 backups takes three calls, since the texts of the releases hold proven copies', async () => {
    const driver = await open()
    for (let n = 0; n < 250; n += 1) {
      const ref = newRef('shop', -n)
      const manifest = manifestOf(ref)
      github.repository.releases.push({
        id: 5000 + n,
        tag: `backup-shop-${ref.id}`,
        name: null,
        body: renderReleaseBody(ref, new Map([['manifest.json', manifest]])),
        draft: false,
        prerelease: true,
        makeLatest: 'false',
        target: 'main',
        immutable: false,
        madeAt: new Date(),
        publishedAt: new Date(),
        assets: [{ id: 9000 + n, name: 'manifest.json', state: 'uploaded', content: manifest, createdAt: new Date() }]
      })
    }
    expect((await listed(driver)).size).toBe(250)
    expect(github.calls).toHaveLength(3)
    github.forgetCalls()
    github.repository.assetDigests = false
    expect((await listed(driver, 'shop')).size).toBe(250)
    expect(github.calls.filter((call) => call.path.includes('/releases/assets/'))).toHaveLength(250)
  })

  test('a copy in the text of a release that is not the manifest counts for nothing', async () => {
    const { ref, manifest } = await store(await open())
    for (const body of [
      renderReleaseBody(ref, new Map([['manifest.json', Buffer.from('{"id":"forged"}')]])),
      '',
      '<!-- supabase-backup:1 AAAA -->'
    ]) {
      only().body = body
      const found = await listed(await open())
      expect(manifestBytes(found.get(keyOf(ref)))).toEqual(manifest)
    }
    only().body = renderReleaseBody(ref, new Map([['keep', Buffer.from('forged')]]))
    expect((await listed(await open())).get(keyOf(ref))?.records).toEqual([])
  })

  test('releases of others, drafts and odd tags are neither listed nor cleaned', async () => {
    const driver = await open()
    const { ref } = await store(driver)
    const others = [
      'v1',
      'backup-shop',
      `backup-SHOP-${ref.id}`,
      `backup-${ref.id}`,
      `backup-shop-${ref.id}x`,
      'backup-shop-objects-0',
      'backup-shop-20261399T999999Z-aaaaaaaa'
    ]
    for (const [index, tag] of others.entries()) {
      for (const draft of [true, false]) {
        github.repository.releases.push({ ...only(), id: 100 + index * 2 + Number(draft), tag, draft, assets: [] })
      }
      github.repository.tags.set(tag, 'd'.repeat(40))
    }
    const before = github.repository.releases.length
    expect([...(await listed(driver)).keys()]).toEqual([keyOf(ref)])
    expect(await driver.clean(future())).toEqual([])
    expect(github.repository.releases).toHaveLength(before)
    expect(github.repository.tags.size).toBe(others.length + 1)
  })

  test('a deletion that was cut off after the manifest is finished by the next one, or by clean', async () => {
    for (const finish of ['delete', 'clean']) {
      const { ref } = await store(await open())
      github.failNext({ method: 'DELETE', path: /\/releases\/\d+$/, times: 9 })
      await expect((await open(0)).delete(ref)).rejects.toMatchObject({ code: 'SB401' })
      github.clearFaults()
      const next = await open()
      expect((await listed(next)).size).toBe(0)
      await expect(next.get(ref, 'a.age')).rejects.toMatchObject({ code: 'SB404' })
      if (finish === 'delete') await next.delete(ref)
      else
        expect(await next.clean(future())).toEqual([
          `half-deleted release backup-shop-${ref.id}`,
          `tag backup-shop-${ref.id} without a release`
        ])
      expect(github.repository.releases).toEqual([])
      expect(github.repository.tags.size).toBe(0)
    }
  })

  test('deleting says so when the repository cannot be seen any more', async () => {
    const { ref } = await store(await open())
    github.failNext({ path: '/repos/acme/backups', status: 404, times: 99 })
    await expect((await open()).delete(ref)).rejects.toMatchObject({ code: 'SB405' })
  })

  test('F51: where releases are immutable, backups are stored, annotated and deleted whole', async () => {
    github.repository.immutableReleases = true
    const driver = await open()
    const { ref, manifest } = await store(driver)
    expect(only().immutable).toBe(true)
    await driver.annotate(ref, 'verification-20261122T161908Z.json', Buffer.from('{"n":1}'))
    await driver.annotate(ref, 'keep', Buffer.from('pinned'))
    const found = (await listed(await open())).get(keyOf(ref))
    expect(manifestBytes(found)).toEqual(manifest)
    expect(found?.records.map((record) => [record.name, Buffer.from(record.content).toString()]).sort()).toEqual([
      ['keep', 'pinned'],
      ['verification-20261122T161908Z.json', '{"n":1}']
    ])
    await driver.annotate(ref, 'keep', null)
    expect((await listed(driver)).get(keyOf(ref))?.records).toHaveLength(1)
    await driver.delete(ref)
    expect(github.repository.releases).toEqual([])
    expect(github.repository.tags.size).toBe(0)
    await store(driver)
    expect((await listed(driver)).size).toBe(1)
  })

  test('F51: the pool of immutable releases has one file a release, which goes with it', async () => {
    github.repository.immutableReleases = true
    const { pool } = await open()
    await pool?.put('shop', 'objects-1.tar', volume('one'))
    await pool?.put('shop', 'objects-2.tar', volume('two'))
    github.repository.burnedTags.add('backup-shop-objects-3')
    await pool?.put('shop', 'objects-3.tar', volume('three'))
    expect(github.repository.releases.map((release) => release.tag).sort()).toEqual([
      'backup-shop-objects-1',
      'backup-shop-objects-2',
      'backup-shop-objects-4'
    ])
    await (await open()).pool?.delete('shop', ['objects-2.tar'])
    expect((await (await open()).pool?.list('shop'))?.map((file) => file.name).sort()).toEqual([
      'objects-1.tar',
      'objects-3.tar'
    ])
  })

  test('F51: a full release of the pool is followed by another one', async () => {
    const { pool } = await open()
    await pool?.put('shop', 'objects-1.tar', volume('one'))
    const release = only()
    for (let n = 2; n <= 1000; n += 1) {
      release.assets.push({
        id: 20_000 + n,
        name: `objects-${n}.tar`,
        state: 'uploaded',
        content: Buffer.from(`${n}`),
        createdAt: new Date()
      })
    }
    const next = (await open()).pool
    expect(await next?.list('shop')).toHaveLength(1000)
    await next?.put('shop', 'objects-1001.tar', volume('1001'))
    expect(github.repository.releases.map((one) => [one.tag, one.assets.length])).toEqual([
      ['backup-shop-objects-2', 1],
      ['backup-shop-objects-1', 1000]
    ])
    const body = await (await open()).pool?.get('shop', 'objects-700.tar')
    expect(body === undefined ? '' : (await buffer(body.open())).toString()).toBe('700')
  })

  test('F51: more files than a release can have are refused', async () => {
    const driver = await open()
    const ref = newRef()
    await driver.put(ref, 'a.age', volume('a'))
    for (let n = 1; n < 1000; n += 1) {
      only().assets.push({
        id: 20_000 + n,
        name: `x-${n}`,
        state: 'uploaded',
        content: Buffer.from('x'),
        createdAt: new Date()
      })
    }
    await expect(driver.put(ref, 'b.age', volume('b'))).rejects.toMatchObject({ code: 'SB409' })
    expect(driver.limits.mostFiles).toBeLessThanOrEqual(1000)
    expect(driver.limits.largestFile).toBeLessThan(2 * 1024 ** 3)
  })

  describe('F46: downloads', () => {
    const content = Buffer.from('0123456789'.repeat(20_000))
    const large = Buffer.alloc(9 * 1024 * 1024, 'ab')

    test.each([
      ['truncated with 200', { cut: 1000 }],
      ['broken off', { breakAfter: 70_000 }],
      ['with a wrong byte', { flip: 5 }],
      ['refused because the address has expired', { status: 403 }],
      ['answered 500', { status: 500 }],
      ['reset', {}]
    ])('%s: fetched again from a fresh address', async (_name, fault) => {
      const { ref } = await store(await open(), newRef(), { 'a.age': content })
      const strikes = github.failNext({ path: /^\/asset\//, times: 2, ...fault })
      expect(await read(await open(), ref, 'a.age')).toEqual(content)
      expect(strikes()).toBe(2)
      expect(
        github.calls.filter((call) => /releases\/assets\/\d+$/.test(call.path) && call.method === 'GET')
      ).toHaveLength(3)
    })

    test('a large file goes on where it broke', async () => {
      const { ref } = await store(await open(), newRef(), { 'a.age': large })
      github.failNext({ path: /^\/asset\//, breakAfter: 3_000_000 })
      github.failNext({ path: /^\/asset\//, cut: 2_000_000 })
      expect((await read(await open(), ref, 'a.age')).equals(large)).toBe(true)
    })

    test.each([
      ['truncated', { cut: 1000 }, 'SB401'],
      ['with a wrong byte', { flip: 5 }, 'SB501'],
      ['redirected in a circle', { status: 302, headers: { location: '/asset/1' } }, 'SB401']
    ])('%s for good: a clean error', async (_name, fault, code) => {
      for (const bytes of [content, large]) {
        const { ref } = await store(await open(), newRef(), { 'a.age': bytes })
        github.failNext({ path: /^\/asset\//, times: 999, ...fault })
        await expect(read(await open(2), ref, 'a.age')).rejects.toMatchObject({ code })
        github.clearFaults()
      }
    })
  })

  describe('F60: a token that does not do', () => {
    test('one that has expired is not tried twice', async () => {
      const driver = openOn(github, await testContext(parent), 3, { token: 'ghs_wrong' })
      await expect(driver.put(newRef(), 'a.age', volume('a'))).rejects.toMatchObject({ code: 'SB402' })
      expect(github.calls).toHaveLength(1)
    })

    test('one that expires in the middle stops the run; nothing is listed', async () => {
      const driver = await open()
      const ref = newRef()
      await driver.put(ref, 'a.age', volume('a'))
      github.failNext({ status: 401, body: { message: 'Bad credentials' }, times: 9 })
      await expect(driver.commit(ref, manifestOf(ref))).rejects.toMatchObject({ code: 'SB402' })
      github.clearFaults()
      expect((await listed(await open())).size).toBe(0)
    })

    test('a missing permission, single sign-on and a repository out of sight are named', async () => {
      const driver = await open()
      github.failNext({ status: 403, body: { message: 'Resource not accessible by integration' } })
      await expect(driver.put(newRef(), 'a.age', volume('a'))).rejects.toMatchObject({
        code: 'SB403',
        message: expect.stringContaining('contents: write')
      })
      github.failNext({
        status: 403,
        headers: { 'x-github-sso': 'required; url=https://github.com/orgs/x/sso' },
        body: { message: 'Resource protected by organization SAML enforcement.' }
      })
      await expect(driver.put(newRef(), 'a.age', volume('a'))).rejects.toMatchObject({
        code: 'SB403',
        remedy: expect.stringContaining('SSO')
      })
      github.failNext({ status: 404, body: { message: 'Not Found' } })
      await expect(driver.put(newRef(), 'a.age', volume('a'))).rejects.toMatchObject({
        code: 'SB405',
        message: expect.stringContaining('often means that the token lacks')
      })
      github.failNext({ path: '/releases', status: 404, body: { message: 'Not Found' } })
      await expect(listed(driver)).rejects.toMatchObject({ code: 'SB405' })
    })

    test('who can read the place: only a clear answer counts', async () => {
      const driver = await open()
      for (const visibility of ['private', 'internal', 'public'] as const) {
        github.repository.visibility = visibility
        expect(await driver.visibility()).toBe(visibility)
      }
      github.failNext({ status: 200, body: { id: 1 } })
      await expect(driver.visibility()).rejects.toMatchObject({ code: 'SB419' })
      github.failNext({ status: 200, body: { private: true, visibility: 'public' } })
      await expect(driver.visibility()).rejects.toMatchObject({ code: 'SB419' })
      github.failNext({ status: 200, body: { private: false } })
      expect(await driver.visibility()).toBe('public')
      github.failNext({ status: 500, times: 9 })
      await expect(driver.visibility()).rejects.toMatchObject({ code: 'SB401' })
    })
  })

  test('F59: limits are waited for as GitHub says', async () => {
    const context = await testContext(parent)
    const waits: number[] = []
    const driver = openOn(github, {
      ...context,
      clock: {
        ...context.clock,
        sleep: async (ms) => {
          waits.push(ms)
        }
      }
    })
    const reset = String(Math.ceil(Date.now() / 1000) + 40)
    github.failNext({
      status: 403,
      headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset },
      body: { message: 'API rate limit exceeded' }
    })
    github.failNext({
      status: 403,
      headers: { 'retry-after': '17' },
      body: { message: 'You have exceeded a secondary rate limit.' }
    })
    github.failNext({ status: 429, headers: { 'x-ratelimit-remaining': '5' }, body: { message: 'Too many' } })
    expect((await listed(driver)).size).toBe(0)
    expect(waits[0]).toBeGreaterThan(39_000)
    expect(waits[0]).toBeLessThanOrEqual(42_000)
    expect(waits[1]).toBe(17_000)
    expect(waits[2]).toBeGreaterThanOrEqual(60_000)
  })

  test('F59: an upload that a limit refused waits as long and is sent anew', async () => {
    const context = await testContext(parent)
    const waits: number[] = []
    const sleep = async (ms: number): Promise<void> => {
      waits.push(ms)
    }
    const driver = openOn(github, { ...context, clock: { ...context.clock, sleep } })
    github.failNext({
      method: 'POST',
      path: '/assets',
      status: 403,
      headers: { 'retry-after': '17' },
      body: { message: 'You have exceeded a secondary rate limit.' }
    })
    await driver.put(newRef(), 'a.age', volume('abc'))
    expect(waits).toContain(17_000)
    expect(only().assets.map((asset) => asset.content.toString())).toEqual(['abc'])
  })

  test('F59: a limit that ends too late ends the run with the time of its end', async () => {
    const driver = await open()
    const reset = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3 * 3_600_000)
    github.failNext({
      status: 403,
      headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(reset.getTime() / 1000) },
      body: { message: 'API rate limit exceeded' }
    })
    await expect(driver.put(newRef(), 'a.age', volume('a'))).rejects.toMatchObject({
      code: 'SB416',
      message: expect.stringContaining(reset.toISOString().slice(0, 13))
    })
  })

  describe('every call fails once', () => {
    const faults = [
      ['500 before it took effect', { status: 500, when: 'before' }],
      ['502 after it took effect', { status: 502, when: 'after' }],
      ['the connection resets before', { when: 'before' }],
      ['the connection resets after', { when: 'after' }]
    ] as const

    test.each(faults)('F61: %s, at call k, for every k: the backup is there once', async (_name, fault) => {
      let k = 0
      for (; ; k += 1) {
        const strikes = github.failNext({ ...fault, skip: k })
        const { ref, manifest } = await store(await open(), newRef(), { 'a.age': 'one', 'b.age': 'two' })
        const struck = strikes()
        github.clearFaults()
        const found = await listed(await open())
        expect([...found.keys()], `call ${k}`).toEqual([keyOf(ref)])
        expect(manifestBytes(found.get(keyOf(ref)))).toEqual(manifest)
        expect(github.repository.releases, `call ${k}`).toHaveLength(1)
        expect(only().assets.map((asset) => [asset.name, asset.state])).toEqual([
          ['a.age', 'uploaded'],
          ['b.age', 'uploaded'],
          ['manifest.json', 'uploaded']
        ])
        await (await open()).delete(ref)
        if (struck === 0) break
      }
      expect(k).toBeGreaterThanOrEqual(7)
    })

    test.each(faults)('F61: %s, while annotating, reading and deleting', async (_name, fault) => {
      let k = 0
      for (; ; k += 1) {
        const { ref } = await store(await open())
        const strikes = github.failNext({ ...fault, skip: k })
        const driver = await open()
        await driver.annotate(ref, 'keep', Buffer.from('x'))
        expect((await listed(driver)).get(keyOf(ref))?.records).toHaveLength(1)
        expect(await read(driver, ref, 'a.age')).toEqual(Buffer.from('one'))
        await driver.annotate(ref, 'keep', null)
        await driver.delete(ref)
        const struck = strikes()
        github.clearFaults()
        expect(github.repository.releases).toEqual([])
        expect(github.repository.tags.size).toBe(0)
        if (struck === 0) break
      }
      expect(k).toBeGreaterThanOrEqual(12)
    })

    test.each(['before', 'after'] as const)(
      'F53: killed %s call k, for every k: all or nothing, and the next run cleans up',
      async (when) => {
        const kept = await store(await open())
        let k = 0
        for (; ; k += 1) {
          const ref = newRef()
          // From call k on nothing comes through: what a killed run looks like from outside. `after`: call k itself took effect.
          if (when === 'after') github.failNext({ when: 'after', skip: k })
          const strikes = github.failNext({ skip: k, times: 1000 })
          const outcome = await store(await open(0), ref, { 'a.age': 'one', 'b.age': 'two' }).then(
            () => 'stored',
            () => 'failed'
          )
          const struck = strikes()
          github.clearFaults()
          const next = await open()
          const keys = [...(await listed(next)).keys()]
          expect(keys).toContain(keyOf(kept.ref))
          if (keys.includes(keyOf(ref))) expect(await read(next, ref, 'b.age')).toEqual(Buffer.from('two'))
          await next.clean(future())
          expect(github.repository.releases).toHaveLength(keys.length)
          expect([...(await listed(next)).keys()]).toEqual(keys)
          if (keys.includes(keyOf(ref))) await next.delete(ref)
          if (outcome === 'stored' && struck === 0) break
        }
        expect(k).toBeGreaterThanOrEqual(7)
      }
    )
  })

  test('F57: a repository that has moved is named, not followed, when something is written', async () => {
    const driver = await open()
    github.failNext({
      method: 'POST',
      status: 307,
      headers: { location: `${github.env['GITHUB_API_URL']}/repositories/1/releases` },
      body: { message: 'Moved Permanently' }
    })
    await expect(driver.put(newRef(), 'a.age', volume('a'))).rejects.toMatchObject({ code: 'SB406' })
  })

  test('a hanging answer is given up and asked for again', async () => {
    const driver = await open()
    const { ref } = await store(driver)
    const strikes = github.failNext({ method: 'GET', path: '/releases', hang: true })
    expect([...(await listed(await open())).keys()]).toEqual([keyOf(ref)])
    expect(strikes()).toBe(1)
  })
})
