import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Destination } from '../../src/destinations/destination.ts'
import { type RepositoryOptions, repositoryDestination } from '../../src/destinations/repository/index.ts'
import {
  commitAs,
  type GitRequest,
  type GitServer,
  gitIn,
  isFetch,
  isPush,
  setHook,
  startGitServer
} from '../kit/git/git-server.ts'
import {
  keyOf,
  listed,
  manifestBytes,
  manifestOf,
  newRef,
  read,
  store,
  type TestContext,
  testContext,
  volume
} from './destination-suite.ts'

const token = 'ghs_0123456789abcdefghijklmnopqrstuvwxyz'

describe('repository: its own faults', () => {
  let parent = ''
  let server: GitServer
  let folder = ''
  let drivers: Destination[] = []

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'repository-faults-'))
    server = await startGitServer({ root: join(parent, 'server'), token })
    folder = server.create('owner/store')
  })
  afterEach(async () => {
    for (const driver of drivers) await driver.close()
    drivers = []
    await server.close()
    await rm(parent, { recursive: true, force: true })
  })

  const openWith = (context: TestContext, more: Partial<RepositoryOptions> = {}) => {
    const driver = repositoryDestination(
      {
        serverUrl: server.url,
        repository: 'owner/store',
        token,
        branch: 'backups',
        retries: 3,
        visibility: () => Promise.resolve('private'),
        ...more
      },
      context
    )
    drivers.push(driver)
    return driver
  }
  const open = async (more: Partial<RepositoryOptions> = {}) => openWith(await testContext(parent), more)
  const git = (...args: string[]) => gitIn(folder, args).trim()
  const commits = () => Number(git('rev-list', '--count', 'backups'))
  /** Everything the server holds is whole, and history is a line. */
  const sound = () => {
    expect(git('fsck', '--full', '--strict', '--no-dangling')).toBe('')
    expect(git('rev-list', '--min-parents=2', '--count', '--all')).toBe('0')
  }
  const packedKiB = () => {
    git('reflog', 'expire', '--expire=now', '--all')
    git('gc', '--quiet', '--prune=now')
    return Number(/size-pack: (\d+)/.exec(git('count-objects', '-v'))?.[1])
  }

  // Twenty at once, in processes of their own, are in e2e/concurrency.test.ts.
  test.each([2, 5])(
    'F54: %i writers at once all land, in one line, and what others keep there stays',
    async (count) => {
      commitAs(folder, 'backups', { 'README.md': 'not ours', 'shop/notes.txt': 'not ours either' })
      const writers = await Promise.all(Array.from({ length: count }, () => open()))
      const stored = await Promise.all(
        writers.map((driver, index) =>
          store(driver, newRef(index % 2 === 0 ? 'shop' : 'blog'), { 'a.age': `of ${index}` })
        )
      )
      const reader = await open()
      expect([...(await listed(reader)).keys()].sort()).toEqual(stored.map(({ ref }) => keyOf(ref)).sort())
      for (const [index, { ref }] of stored.entries())
        expect(await read(reader, ref, 'a.age')).toEqual(Buffer.from(`of ${index}`))
      expect(commits()).toBe(1 + count)
      expect(git('show', 'backups:README.md')).toBe('not ours')
      expect(git('show', 'backups:shop/notes.txt')).toBe('not ours either')
      sound()
    }
  )

  test('F55: a push cut off in the middle is tried again and leaves nothing broken', async () => {
    const driver = await open()
    let cuts = 0
    server.fault = (request) =>
      isPush(request) && cuts++ === 0 ? { kind: 'cutPushMidPack', after: 100_000 } : undefined
    const content = randomBytes(3_000_000)
    const { ref } = await store(driver, newRef(), { 'a.age': content })
    expect(cuts).toBeGreaterThan(1)
    expect(await read(await open(), ref, 'a.age')).toEqual(content)
    expect(commits()).toBe(1)
    sound()
  })

  // A push on a connection that was used before is sent anew by curl itself when no answer comes: hence two.
  test.each([1, 2])('F55: a push whose answer was lost %i times is recognised, not repeated', async (times) => {
    const driver = await open()
    await store(driver)
    let lost = 0
    server.fault = (request) => (isPush(request) && lost++ < times ? { kind: 'loseAnswer' } : undefined)
    const { ref } = await store(driver)
    expect(lost).toBeGreaterThanOrEqual(times)
    expect(commits()).toBe(2)
    expect((await listed(driver)).has(keyOf(ref))).toBe(true)
    sound()
  })

  test('F55: an answer lost while somebody else pushes on top is recognised, too', async () => {
    const driver = await open()
    await store(driver)
    let state: 'before' | 'lost' | 'on top' = 'before'
    server.fault = (request) => {
      if (state === 'before' && isPush(request)) {
        state = 'lost'
        return { kind: 'loseAnswer' }
      }
      if (state === 'lost' && !isPush(request)) {
        state = 'on top'
        commitAs(folder, 'backups', { 'later.txt': 'x' })
      }
      return undefined
    }
    const { ref } = await store(driver)
    expect(state).toBe('on top')
    expect(
      git('log', '--format=%s', 'backups')
        .split('\n')
        .filter((line) => line.includes(ref.id))
    ).toHaveLength(1)
    expect(git('show', 'backups:later.txt')).toBe('x')
    expect((await listed(driver)).has(keyOf(ref))).toBe(true)
    expect(commits()).toBe(3)
  })

  test('F61: a 503 or a broken connection at any one request changes nothing', async () => {
    const counting = await open()
    const flow = async (driver: Destination) => {
      const { ref } = await store(driver, newRef(), { 'b.age': 'two' })
      await listed(driver)
      return read(driver, ref, 'b.age')
    }
    await flow(counting)
    const calls = server.requests.length
    expect(calls).toBeGreaterThan(7)
    for (let call = 0; call < calls; call += 1) {
      const driver = await open()
      const before = commits()
      let at = 0
      server.fault = () =>
        at++ === call ? (call % 2 === 0 ? { kind: 'status', status: 503 } : { kind: 'loseAnswer' }) : undefined
      expect((await flow(driver)).toString()).toBe('two')
      server.fault = undefined
      expect(commits()).toBe(before + 1)
      await driver.close()
    }
    sound()
  })

  test('F37, F53: a run killed at any request leaves the whole backup or nothing; clean removes its ref', async () => {
    const flow = async (driver: Destination) => {
      const ref = newRef()
      for (const name of ['a.age', 'b.age', 'c.age']) await driver.put(ref, name, volume(randomBytes(60_000)))
      await driver.commit(ref, manifestOf(ref))
    }
    const small = { largestPush: 100_000 }
    await flow(await open(small))
    const calls = server.requests.length
    expect(server.requests.filter(isPush).length).toBeGreaterThanOrEqual(4)
    const reader = await open()
    for (let call = 0; call < calls; call += 1) {
      const before = (await listed(reader)).size
      const controller = new AbortController()
      const killed = openWith(await testContext(parent, controller.signal), small)
      let at = 0
      server.fault = () => {
        if (at++ !== call) return undefined
        controller.abort(new Error('killed'))
        return call % 2 === 0 ? { kind: 'hang' } : undefined
      }
      await flow(killed).catch((error: unknown) => expect(String(error)).toContain('killed'))
      server.fault = undefined
      const found = await listed(reader)
      expect(found.size - before).toBeLessThanOrEqual(1)
      for (const backup of found.values()) expect((await read(reader, backup, 'c.age')).byteLength).toBe(60_000)
    }
    expect(git('for-each-ref', '--format=%(refname)')).toContain('supabase-backup-tmp')
    expect(await reader.clean(new Date(0))).toEqual([])
    // What a killed run had sent may take effect a moment later.
    const left = async () => {
      await reader.clean(new Date(Date.now() + 3_600_000))
      return git('for-each-ref', '--format=%(refname)')
    }
    await expect.poll(left, { timeout: 10_000 }).toBe('refs/heads/backups')
    sound()
  })

  test('F56: a large backup goes in several pushes, none larger than allowed, and lands as one commit', async () => {
    const driver = await open({ largestPush: 1_000_000 })
    const ref = newRef()
    const files = Array.from({ length: 6 }, (_, index) => [`a.age.00${index}`, randomBytes(400_000)] as const)
    for (const [name, content] of files) await driver.put(ref, name, volume(content))
    expect(git('for-each-ref', '--format=%(refname)')).toBe(`refs/heads/supabase-backup-tmp/shop-${ref.id}`)
    expect((await listed(await open())).size).toBe(0)
    server.requests.length = 0
    await driver.commit(ref, manifestOf(ref))
    expect(Math.max(...server.requests.filter(isPush).map((request) => request.bytes))).toBeLessThan(1_000_000)
    // Nothing that was sent comes back to be sent again.
    expect(server.requests.filter(isFetch).reduce((sum, request) => sum + request.sent, 0)).toBeLessThan(20_000)
    expect(git('for-each-ref', '--format=%(refname)')).toBe('refs/heads/backups')
    expect(commits()).toBe(1)
    for (const [name, content] of files) expect(await read(driver, ref, name)).toEqual(content)
    sound()
  })

  test('writing, listing and deleting never fetch what others stored', async () => {
    for (let index = 0; index < 3; index += 1)
      await store(await open(), newRef(), { 'big.age': randomBytes(2_000_000) })
    server.requests.length = 0
    const driver = await open()
    const { ref } = await store(driver, newRef(), { 'big.age': randomBytes(2_000_000) })
    expect((await listed(driver)).size).toBe(4)
    await driver.delete(ref)
    await driver.reclaim?.()
    expect(server.requests.reduce((sum, request) => sum + request.sent, 0)).toBeLessThan(60_000)
    expect(server.requests.reduce((sum, request) => sum + request.bytes, 0)).toBeLessThan(2_100_000)
  })

  test('F58: 400 backups list in few requests', async () => {
    const refs = Array.from({ length: 400 }, (_, index) => newRef('shop', -index * 60))
    commitAs(
      folder,
      'backups',
      Object.fromEntries(
        refs.flatMap((ref) => [
          [`shop/${ref.id}/manifest.json`, manifestOf(ref)],
          [`shop/${ref.id}/a.age`, 'x']
        ])
      )
    )
    const driver = await open()
    const found = await listed(driver)
    expect([...found.keys()].sort()).toEqual(refs.map(keyOf).sort())
    for (const ref of refs) expect(manifestBytes(found.get(keyOf(ref)))).toEqual(manifestOf(ref))
    expect(server.requests.length).toBeLessThan(10)
  })

  test('F58: deleting and reclaiming frees the space at the server; kept backups stay whole', async () => {
    const driver = await open()
    const stored = []
    for (let index = 0; index < 4; index += 1)
      stored.push(await store(driver, newRef(), { 'big.age': randomBytes(1_000_000) }))
    await driver.pool?.put('shop', 'objects-1', volume(randomBytes(500_000)))
    const before = packedKiB()
    for (const { ref } of stored.slice(1)) await driver.delete(ref)
    expect(packedKiB()).toBeGreaterThan(before - 100)
    await driver.reclaim?.()
    expect(commits()).toBe(1)
    expect(packedKiB()).toBeLessThan(before - 2800)
    sound()
    const [kept] = stored
    const reader = await open()
    expect([...(await listed(reader)).keys()]).toEqual([keyOf(kept?.ref ?? newRef())])
    expect((await read(reader, kept?.ref ?? newRef(), 'big.age')).byteLength).toBe(1_000_000)
    expect(await reader.pool?.list('shop')).toHaveLength(1)
    await store(driver)
    expect(commits()).toBe(2)
  })

  test('F57: reclaiming keeps every commit of others, and what they hold', async () => {
    const driver = await open()
    await store(driver)
    const foreign = commitAs(folder, 'backups', { 'docs/guide.md': 'by hand' })
    const gone = await store(driver, newRef(), { 'big.age': randomBytes(1_000_000) })
    await driver.delete(gone.ref)
    const before = packedKiB()
    await driver.reclaim?.()
    expect(git('rev-list', 'backups').split('\n')).toContain(foreign)
    expect(commits()).toBe(3)
    expect(git('show', 'backups:docs/guide.md')).toBe('by hand')
    expect(packedKiB()).toBeLessThan(before - 900)
    await driver.reclaim?.()
    expect(commits()).toBe(3)
    commitAs(folder, 'backups', { 'docs/more.md': 'x' })
    await driver.reclaim?.()
    expect(commits()).toBe(4)
    sound()
  })

  // What the push looks at first, and the push itself.
  const moments: readonly [string, (request: GitRequest) => boolean][] = [
    ['looks at the refs', (request) => request.query === 'service=git-receive-pack'],
    ['sends', isPush]
  ]
  test.each(moments)('F54: what is pushed when rewriting history %s is never lost', async (_, isMoment) => {
    const driver = await open()
    const first = await store(driver)
    await store(driver)
    let between = 0
    server.fault = (request) => {
      if (isMoment(request) && between++ === 0) commitAs(folder, 'backups', { 'shop/by-hand.txt': 'pushed in between' })
      return undefined
    }
    await driver.reclaim?.()
    expect(between).toBeGreaterThan(0)
    server.fault = undefined
    await store(await open())
    expect(git('show', 'backups:shop/by-hand.txt')).toBe('pushed in between')
    expect((await listed(driver)).size).toBe(3)
    expect((await listed(driver)).has(keyOf(first.ref))).toBe(true)
    sound()
  })

  test('F57: where history may not be rewritten, the log says that space is not freed, and nothing fails', async () => {
    const context = await testContext(parent)
    const driver = openWith(context)
    const { ref } = await store(driver)
    await store(driver)
    git('config', 'receive.denyNonFastForwards', 'true')
    await driver.delete(ref)
    await driver.reclaim?.()
    expect(context.lines.join('\n')).toContain('space of deleted backups is not freed')
    expect(commits()).toBe(3)
    expect((await listed(driver)).size).toBe(1)
  })

  test('F57: a branch that somebody rewrote is taken as it is now', async () => {
    const driver = await open()
    await store(driver)
    const { ref } = await store(driver)
    git('update-ref', 'refs/heads/backups', git('commit-tree', 'backups^{tree}', '-m', 'rewritten'))
    const later = await store(driver)
    expect((await listed(driver)).size).toBe(3)
    expect(commits()).toBe(2)
    git('update-ref', '-d', 'refs/heads/backups')
    expect((await listed(driver)).size).toBe(0)
    await expect(driver.get(later.ref, 'a.age')).rejects.toMatchObject({ code: 'SB404' })
    await driver.delete(ref)
    await driver.reclaim?.()
    await store(driver)
    expect((await listed(driver)).size).toBe(1)
  })

  const refusals: readonly [string, string, string][] = [
    [
      'F57: a protected branch',
      'echo "error: GH006: Protected branch update failed for refs/heads/backups." >&2; exit 1',
      'SB407'
    ],
    [
      'F56: push protection',
      'echo "error: GH013: Repository rule violations found" >&2; echo "- GITHUB PUSH PROTECTION: Push cannot contain secrets" >&2; exit 1',
      'SB408'
    ],
    [
      'F57: a ruleset',
      'echo "error: GH013: Repository rule violations found for refs/heads/backups." >&2; exit 1',
      'SB407'
    ],
    ['F56: a file too large', 'echo "error: GH001: Large files detected." >&2; exit 1', 'SB409'],
    ['F56: a hook that says nothing', 'exit 1', 'SB407']
  ]
  test.each(refusals)('%s is told with its remedy, after one try', async (_, hook, code) => {
    const driver = await open()
    const before = await store(driver)
    setHook(folder, 'pre-receive', hook)
    server.requests.length = 0
    await expect(store(driver)).rejects.toMatchObject({ code })
    expect(server.requests.filter(isPush)).toHaveLength(1)
    expect([...(await listed(driver)).keys()]).toEqual([keyOf(before.ref)])
    sound()
  })

  const answers: readonly [number, string][] = [
    [401, 'SB402'],
    [403, 'SB403'],
    [404, 'SB405'],
    [301, 'SB406'],
    [413, 'SB409']
  ]
  test.each(answers)('F57: the answer %i is told as %s and not tried again', async (status, code) => {
    server.fault = () => ({
      kind: 'status',
      status,
      ...(status === 301 ? { location: `${server.url}/new/name.git/info/refs` } : {})
    })
    await expect(listed(await open())).rejects.toMatchObject({ code })
    expect(server.requests.length).toBeLessThanOrEqual(2)
    server.fault = (request) => (isPush(request) ? { kind: 'status', status } : undefined)
    await expect(store(await open())).rejects.toMatchObject({ code })
  })

  test('a wrong token and an unknown repository are told; neither shows the token', async () => {
    const wrong = 'ghs_wrong0123456789'
    const failed = await listed(await open({ token: wrong })).catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 'SB402' })
    expect(String(failed)).not.toContain(wrong)
    await expect(listed(await open({ repository: 'owner/none' }))).rejects.toMatchObject({ code: 'SB405' })
  })

  test('a server that stops answering counts as broken and is tried again', async () => {
    const driver = await open({ stallSeconds: 1 })
    let calls = 0
    server.fault = () => (calls++ === 0 ? { kind: 'hang' } : undefined)
    await store(driver)
    expect((await listed(driver)).size).toBe(1)
  })

  test('when the tries are used up the error says what was answered, and that it may pass', async () => {
    server.fault = () => ({ kind: 'status', status: 502 })
    await expect(listed(await open({ retries: 1 }))).rejects.toMatchObject({ code: 'SB401', mayPass: true })
    expect(server.requests).toHaveLength(2)
  })

  test('a server without filters works, too', async () => {
    git('config', 'uploadpack.allowFilter', 'false')
    const first = await store(await open(), newRef(), { 'a.age': randomBytes(100_000) })
    const driver = await open()
    await store(driver)
    expect((await listed(driver)).size).toBe(2)
    expect((await read(driver, first.ref, 'a.age')).byteLength).toBe(100_000)
    await driver.delete(first.ref)
    await driver.reclaim?.()
    expect((await listed(await open())).size).toBe(1)
    sound()
  })

  test('entries of others stay as they are: odd names, modes, links, submodules', async () => {
    const blob = gitIn(folder, ['hash-object', '-w', '--stdin'], 'x').trim()
    const entries = Buffer.from(
      [
        `100755 blob ${blob}\trun.sh`,
        `120000 blob ${blob}\tlink`,
        `160000 commit ${'1'.repeat(40)}\tsub`,
        `100644 blob ${blob}\tnot utf8 \xff\xfe`,
        `100644 blob ${blob}\tnew\nline\t"quoted"`
      ]
        .map((line) => `${line}\0`)
        .join(''),
      'latin1'
    )
    const tree = gitIn(folder, ['mktree', '-z', '--missing'], entries).trim()
    git('update-ref', 'refs/heads/backups', git('commit-tree', tree, '-m', 'theirs'))
    const before = gitIn(folder, ['ls-tree', '-z', 'backups'])
    const driver = await open()
    const { ref } = await store(driver)
    const after = gitIn(folder, ['ls-tree', '-z', 'backups'])
    expect(
      after
        .split('\0')
        .filter((line) => !line.endsWith('\tshop'))
        .join('\0')
    ).toBe(before)
    await driver.delete(ref)
    expect(gitIn(folder, ['ls-tree', '-z', 'backups'])).toBe(before)
  })

  test('F41, T11: links on the branch are no backups and no files of backups', async () => {
    const { ref } = await store(await open())
    const blob = gitIn(folder, ['hash-object', '-w', '--stdin'], '/etc/passwd').trim()
    const linked = gitIn(folder, ['mktree', '-z'], `120000 blob ${blob}\tmanifest.json\0`).trim()
    const project = `${gitIn(folder, ['ls-tree', '-z', 'backups:shop'])}040000 tree ${linked}\t20200101T000000Z-aaaaaaaa\0`
    const shop = gitIn(folder, ['mktree', '-z'], project).trim()
    const root = gitIn(folder, ['mktree', '-z'], `040000 tree ${shop}\tshop\u0000120000 blob ${blob}\tblog\0`).trim()
    git('update-ref', 'refs/heads/backups', git('commit-tree', root, '-p', 'backups', '-m', 'planted'))
    const driver = await open()
    expect([...(await listed(driver)).keys()]).toEqual([keyOf(ref)])
    await expect(driver.get({ project: 'shop', id: '20200101T000000Z-aaaaaaaa' }, 'x')).rejects.toMatchObject({
      code: 'SB404'
    })
    await expect(store(driver, newRef('blog'))).rejects.toMatchObject({ code: 'SB412' })
  })

  test('T11: a planted note on a shared file holds up nothing: that file counts as not there until it is stored again', async () => {
    const writer = await open()
    const pack = volume(randomBytes(1000))
    for (const name of ['pack-a.tar', 'pack-b.tar']) await writer.pool?.put('shop', name, pack)
    const oid = (path: string) => git('rev-parse', `backups:${path}`).trim()
    const list = async () => (await (await open()).pool?.list('shop'))?.map(({ name, bytes }) => [name, bytes])
    const both = [
      ['pack-a.tar', 1000],
      ['pack-b.tar', 1000]
    ]
    expect(await list()).toEqual(both)
    for (const content of ['', 'null', '{"bytes":-1}', Buffer.alloc(5000, ' ')]) {
      const planted = gitIn(folder, ['hash-object', '-w', '--stdin'], content).trim()
      const noted = gitIn(folder, ['ls-tree', '-z', 'backups:shop/objects'])
      const objects = gitIn(
        folder,
        ['mktree', '-z'],
        noted.replace(oid('shop/objects/.pack-a.tar.json'), planted)
      ).trim()
      const shop = gitIn(folder, ['mktree', '-z'], `040000 tree ${objects}\tobjects\0`).trim()
      const root = gitIn(folder, ['mktree', '-z'], `040000 tree ${shop}\tshop\0`).trim()
      git('update-ref', 'refs/heads/backups', git('commit-tree', root, '-p', 'backups', '-m', 'planted'))
      expect(await list()).toEqual([['pack-b.tar', 1000]])
      await (await open()).pool?.put('shop', 'pack-a.tar', pack)
      expect(await list()).toEqual(both)
      const tip = git('rev-parse', 'backups')
      await (await open()).pool?.put('shop', 'pack-a.tar', pack)
      expect(git('rev-parse', 'backups')).toBe(tip)
    }
    sound()
  })

  test('T6: the token is on no command line, in no environment and in no file but the one that git reads it from; nothing of the run stays in its folder', async () => {
    const bin = join(parent, 'bin')
    const log = join(parent, 'argv.log')
    await mkdir(bin)
    await writeFile(
      join(bin, 'git'),
      `#!/bin/sh\nprintf '%s\\n' "$*" >> '${log}'\nenv >> '${log}'\nPATH='${process.env.PATH}' exec git "$@"\n`
    )
    await chmod(join(bin, 'git'), 0o755)
    const context = await testContext(parent)
    const driver = openWith(context, { environment: { PATH: `${bin}:${process.env.PATH}` } })
    const { ref } = await store(driver)
    await listed(driver)
    await read(driver, ref, 'a.age')
    const secrets = [token, Buffer.from(`x-access-token:${token}`).toString('base64')]
    const texts = [await readFile(log, 'utf8'), context.lines.join('\n')]
    for (const entry of await readdir(context.temp, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.name === 'credentials') expect((await stat(path)).mode & 0o077).toBe(0)
      else if (entry.isFile()) texts.push((await readFile(path)).toString('latin1'))
    }
    expect(texts[0]?.split('\n').length).toBeGreaterThan(10)
    expect(texts.length).toBeGreaterThan(5)
    for (const text of texts) for (const secret of secrets) expect(text).not.toContain(secret)
    await driver.close()
    expect(await readdir(context.temp)).toEqual([])
  })

  test('F42: settings and hooks of the user are not used', async () => {
    const saved = { ...process.env }
    Object.assign(process.env, {
      GIT_DIR: '/nonexistent',
      GIT_INDEX_FILE: '/nonexistent',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `url.http://127.0.0.1:1/.insteadOf`,
      GIT_CONFIG_VALUE_0: server.url,
      GIT_AUTHOR_NAME: 'Impostor',
      LC_ALL: 'de_DE.UTF-8'
    })
    try {
      await store(await open())
      expect(await listed(await open())).toHaveProperty('size', 1)
    } finally {
      for (const key of Object.keys(process.env)) if (!(key in saved)) delete process.env[key]
      Object.assign(process.env, saved)
    }
    expect(git('log', '--format=%an <%ae> %cn', 'backups')).toBe(
      'Supabase Backup <supabase-backup@action.invalid> Supabase Backup'
    )
  })

  test('any valid name of a branch is taken, others are refused before anything is asked', async () => {
    for (const branch of ['my/nested/branch', "it's&odd", 'ünï']) {
      const driver = await open({ branch })
      const { url } = await store(driver)
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/owner\/store\/tree\/[A-Za-z0-9%/'.-]+$/)
      expect((await listed(await open({ branch }))).size).toBe(1)
    }
    server.requests.length = 0
    for (const branch of ['', '-x', 'a..b', 'a b', 'a~1', 'x.lock', '--upload-pack=touch /tmp/x', 'a:b', '@{-1}']) {
      await expect(listed(await open({ branch })), branch).rejects.toMatchObject({ code: 'SB001' })
    }
    expect(server.requests).toHaveLength(0)
    for (const repository of ['', 'owner', 'owner/', '../x', 'owner/name/more', '-o/x', 'owner/na me']) {
      await expect(open({ repository }), repository).rejects.toMatchObject({ code: 'SB001' })
    }
  })
})
