import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StorageFacts } from '../../src/archive/contents-storage.ts'
import { type ActionRun, runAction } from '../kit/action.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { type StorageDouble, startStorage } from '../kit/supabase/storage.ts'
import { writeStorageRows } from '../kit/supabase/storage-rows.ts'

const key = 'sb_secret_3Qm7tTzL0pKc9vXy2WbNq5RsDfGhJk_8aBcDeF'
const hostileKeys = [
  'a/../b',
  '.git/hooks/post-checkout',
  "a:b?*=&+$@;'()!.txt",
  'CON',
  'A',
  'a',
  '-rf',
  'x//y',
  `${'long/'.repeat(40)}end`,
  '.emptyFolderPlaceholder'
]

describe('database and Storage through the bundle', () => {
  let server: PostgresServer
  let storage: StorageDouble
  let github: Github
  let root: string
  let identity: string
  let recipients: string
  const runs: ActionRun[] = []
  const run = async (inputs: Readonly<Record<string, string>>): Promise<ActionRun> => {
    const done = await runAction({
      inputs: { token: github.token, folder: join(root, 'folder'), ...inputs },
      env: github.env
    })
    runs.push(done)
    return done
  }
  const backup = (inputs: Readonly<Record<string, string>> = {}) =>
    run({
      'database-url': server.url('postgres', 'postgres'),
      'supabase-url': storage.url,
      'service-role-key': key,
      project: 'shop',
      'pg-bin': binDirOf(15),
      verify: 'read',
      destinations: 'folder',
      recipients,
      ...inputs
    })
  const counts = (done: ActionRun) => done.result?.backup?.parts.find((part) => part.source === 'storage')?.counts
  const opened = async (inputs: Readonly<Record<string, string>> = {}) => {
    const done = await run({ command: 'download', destinations: 'folder', identity, ...inputs })
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
    const path = done.outputs['path'] ?? ''
    const facts: StorageFacts = JSON.parse(await readFile(join(path, 'contents.json'), 'utf8')).storage
    return { path, facts }
  }
  /** As RESTORE.md tells a person to do it: tar, and the list in contents.json. */
  const filesIn = async ({ path, facts }: { path: string; facts: StorageFacts }) => {
    const into = join(path, 'objects')
    await mkdir(into)
    for (const name of await readdir(path))
      if (/^objects-.*\.tar$/.test(name)) execFileSync('tar', ['-xf', join(path, name), '-C', into])
    const found = new Map<string, string>()
    for (const object of facts.objects) {
      const bytes = await readFile(join(into, object.entry))
      if (object.sha256 !== undefined) expect(createHash('sha256').update(bytes).digest('hex')).toBe(object.sha256)
      found.set(`${object.bucket}\0${object.key}`, bytes.toString('base64'))
    }
    return found
  }
  const inProject = () =>
    new Map(
      [...storage.objects.values()].map((object) => [
        `${object.bucket}\0${object.key}`,
        object.bytes?.toString('base64') ?? ''
      ])
    )

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sb-storage-'))
    server = await startPostgres({ major: 15, auth: 'scram', password: 'correct horse battery staple' })
    await loadSupabase(server, { user: false })
    storage = await startStorage({ key })
    github = await startGithub({ repository: 'acme/shop', visibility: 'private', artifacts: true })
    identity = await generateIdentity()
    recipients = await identityToRecipient(identity)
    storage.addBucket('avatars', { public: true })
    storage.addBucket('papers')
    storage.addBucket('limited', { file_size_limit: 9_000_000, allowed_mime_types: ['text/plain', 'image/png'] })
    storage.addBucket('empty')
    for (let number = 0; number < 1980; number++)
      storage.put(
        ['avatars', 'papers', 'limited'][number % 3] ?? '',
        `folder ${number % 7}/file-${number}.txt`,
        Buffer.from(`content ${number} `.repeat(number % 50)),
        {
          contentType: number % 2 === 0 ? 'text/plain' : 'image/png',
          userMetadata: number % 5 === 0 ? { note: `Größe ${number}`, deep: { a: [1, null] } } : null
        }
      )
    for (const name of hostileKeys)
      storage.put('papers', name, Buffer.from(`hostile ${name}`), { cacheControl: 'max-age=60' })
    storage.put('limited', 'large.png', Buffer.alloc(8_000_000, 'large '), { contentType: 'image/png' })
    await writeStorageRows(server, storage)
  })
  afterAll(async () => {
    for (const done of runs) await done.cleanUp()
    await server?.stop()
    await storage?.stop()
    await github?.stop()
    await rm(root, { recursive: true, force: true })
  })

  test('F31, F32: every file is in the backup, whatever its name, and standard programs take it out', async () => {
    const done = await backup()
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
    expect(counts(done)).toMatchObject({ buckets: 4, objects: storage.objects.size, downloaded: storage.objects.size })
    const { path, facts } = await opened()
    expect(facts.listedFrom).toBe('database')
    expect(await filesIn({ path, facts })).toEqual(inProject())
    expect(
      facts.buckets.map(({ id, public: isPublic, fileSizeLimit, allowedMimeTypes }) => [
        id,
        isPublic,
        fileSizeLimit,
        allowedMimeTypes
      ])
    ).toEqual([
      ['avatars', true, null, null],
      ['empty', false, null, null],
      ['limited', false, 9_000_000, ['text/plain', 'image/png']],
      ['papers', false, null, null]
    ])
    // Nothing of the project stands in what can be read without a key.
    const stored = await readdir(join(root, 'folder', 'shop', 'objects'))
    expect(stored.filter((name) => name.endsWith('.index.json'))).toHaveLength(1)
    for (const name of stored.filter((each) => each.endsWith('.json')))
      expect(await readFile(join(root, 'folder', 'shop', 'objects', name), 'utf8')).not.toMatch(/avatars|hostile|file-/)
  })

  test('a second run downloads nothing, and one percent of change only what changed', async () => {
    const before = storage.downloads()
    const same = await backup()
    expect({ code: same.code, error: same.result?.error }).toEqual({ code: 0 })
    expect(storage.downloads()).toBe(before)
    expect(counts(same)).toMatchObject({
      objects: storage.objects.size,
      downloaded: 0,
      downloadedBytes: 0,
      unchanged: storage.objects.size
    })
    let changed = 0
    for (let number = 0; number < 20; number++)
      changed += storage.put(
        'avatars',
        `folder ${(number * 3) % 7}/file-${number * 3}.txt`,
        Buffer.from(`new ${number}`.repeat(90))
      ).size
    storage.remove('papers', 'A')
    await writeStorageRows(server, storage)
    const next = await backup()
    expect({ code: next.code, error: next.result?.error }).toEqual({ code: 0 })
    expect(counts(next)).toMatchObject({ objects: storage.objects.size, downloaded: 20, downloadedBytes: changed })
    expect(await filesIn(await opened())).toEqual(inProject())
  })

  test('a place that forgets gets every file again, one that keeps takes nothing twice', async () => {
    const before = (await readdir(join(root, 'folder', 'shop', 'objects'))).length
    const both = await backup({ destinations: 'artifact,folder' })
    expect({ code: both.code, error: both.result?.error }).toEqual({ code: 0 })
    expect(counts(both)).toMatchObject({ downloaded: storage.objects.size })
    expect(both.result?.warnings.join()).toContain('artifact keeps nothing across runs')
    expect(await readdir(join(root, 'folder', 'shop', 'objects'))).toHaveLength(before)
    for (const destinations of ['artifact', 'folder'])
      expect(await filesIn(await opened({ destinations }))).toEqual(inProject())
  })

  test('with a passphrase a second run downloads nothing either; with another one everything, and no backup relies on what it cannot open', async () => {
    const folder = join(root, 'by passphrase')
    const sealed = (passphrase: string, more: Readonly<Record<string, string>> = {}) =>
      backup({ recipients: '', passphrase, folder, include: 'storage', 'accept-recipients': '', ...more })
    const [first, second] = ['correct horse battery staple', 'staple battery horse correct']
    const all = storage.objects.size
    for (const [passphrase, downloaded] of [
      [first, all],
      [first, 0],
      [second, all],
      // What the newest backup was sealed with decides.
      [first, all]
    ] as const) {
      const done = await sealed(passphrase)
      expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
      expect(counts(done)).toMatchObject({ objects: all, downloaded, unchanged: all - downloaded })
      if (downloaded > 0) continue
      const read = await run({ command: 'verify', verify: 'read', destinations: 'folder', folder, passphrase })
      expect({ code: read.code, verified: read.outputs['verified'] }).toEqual({ code: 0, verified: 'read' })
    }
    expect(await filesIn(await opened({ folder, passphrase: first, identity: '' }))).toEqual(inProject())
    // Packs that were made with a passphrase are nothing to a backup for recipients.
    const other = await backup({ folder, include: 'storage', 'accept-recipients': recipients })
    expect({ code: other.code, error: other.result?.error }).toEqual({ code: 0 })
    expect(counts(other)).toMatchObject({ downloaded: all })
  })

  test('F69: restored into an empty second project, everything is as it was; a second run uploads nothing', async () => {
    const there = await startStorage({ key })
    const second = await startPostgres({ major: 15, auth: 'scram', password: 'another horse' })
    try {
      await loadSupabase(second, { user: false })
      const url = second.url('postgres', 'postgres')
      const restore = (mode: string) =>
        run({
          command: 'restore',
          destinations: 'folder',
          identity,
          'target-database-url': url,
          'target-supabase-url': there.url,
          'target-service-role-key': key,
          'confirm-target': '127.0.0.1/postgres',
          'pg-bin': binDirOf(15),
          'safety-backup': 'false',
          'restore-mode': mode
        })
      const done = await restore('empty')
      expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
      const told = (double: StorageDouble) =>
        [...double.objects.values()]
          .map((one) => [one.bucket, one.key, one.etag, one.contentType, one.cacheControl, one.userMetadata])
          .sort((a, b) => (`${a}` < `${b}` ? -1 : 1))
      expect(told(there)).toEqual(told(storage))
      expect(
        [...there.buckets.values()]
          .map((one) => [one.id, one.public, one.file_size_limit, one.allowed_mime_types])
          .sort()
      ).toEqual(
        [...storage.buckets.values()]
          .map((one) => [one.id, one.public, one.file_size_limit, one.allowed_mime_types])
          .sort()
      )
      const uploads = () =>
        there.calls.filter(({ method, path }) => method === 'POST' && /\/object\/(?!list|info)|\/upload\//.test(path))
          .length
      const before = uploads()
      expect(before).toBe(storage.objects.size)
      const again = await restore('replace')
      expect({ code: again.code, error: again.result?.error }).toEqual({ code: 0 })
      expect(uploads()).toBe(before)
      const rows =
        'select id, bucket_id, name, owner_id, created_at, updated_at from storage.objects order by bucket_id collate "C", name collate "C"'
      const restored = await second.query(rows)
      expect(restored.rows).toEqual((await server.query(rows)).rows)
    } finally {
      await second.stop()
      await there.stop()
    }
  })

  test('a backup that needs earlier packs alone is no smaller than they were', async () => {
    const folder = join(root, 'alone')
    const alone = () => backup({ folder, include: 'storage', 'database-url': '', project: 'files', verify: 'none' })
    const first = await alone()
    expect({ code: first.code, error: first.result?.error }).toEqual({ code: 0 })
    const second = await alone()
    expect({ code: second.code, error: second.result?.error }).toEqual({ code: 0 })
    expect(second.result?.alarms ?? []).toEqual([])
    expect(counts(second)).toMatchObject({ downloaded: 0, unchanged: storage.objects.size })
  })

  test('a list of the pool that claims what its pack does not hold is found by verifying', async () => {
    const folder = join(root, 'claimed')
    const first = await backup({ folder })
    expect({ code: first.code, error: first.result?.error }).toEqual({ code: 0 })
    const claimed = storage.put('papers', 'claimed.txt', Buffer.from('never stored'))
    await writeStorageRows(server, storage)
    const objects = join(folder, 'shop', 'objects')
    const name = (await readdir(objects)).find((each) => each.endsWith('.index.json')) ?? ''
    const index = JSON.parse(await readFile(join(objects, name), 'utf8'))
    const entry = createHash('sha256').update(`papers\0claimed.txt\0${claimed.version}`).digest('hex').slice(0, 32)
    await writeFile(join(objects, name), JSON.stringify({ ...index, entries: [...index.entries, entry] }))
    const second = await backup({ folder })
    expect(counts(second)).toMatchObject({ downloaded: 0 })
    const checked = await run({ command: 'verify', destinations: 'folder', folder, identity, verify: 'read' })
    expect([checked.code, checked.result?.error?.code]).toEqual([1, 'SB806'])
    expect(checked.result?.error?.message).toContain('papers/claimed.txt')
    const listed = await run({ command: 'list', destinations: 'folder', folder })
    expect(JSON.parse(listed.outputs['backups'] ?? '')[0]).toMatchObject({
      id: second.outputs['backup-id'],
      verified: 'none'
    })
    storage.remove('papers', 'claimed.txt')
    await writeStorageRows(server, storage)
  })

  test('packs that others can open are not relied on', async () => {
    const before = storage.downloads()
    const other = await backup({
      recipients: await identityToRecipient(await generateIdentity()),
      'accept-recipients': recipients
    })
    expect(other.result?.backup?.id).toBeDefined()
    expect(storage.downloads() - before).toBe(storage.objects.size)
  })

  test('max-download stops in time and the database is still kept', async () => {
    const least = await backup({ folder: join(root, 'other'), 'max-download': '50kB' })
    expect(least.code).toBe(1)
    expect(least.outputs['status']).toBe('partial')
    expect(counts(least)?.['downloadedBytes']).toBeLessThanOrEqual(50_000)
    expect(least.result?.backup?.parts).toMatchObject([
      { source: 'functions' },
      { source: 'config' },
      { source: 'database', status: 'captured' },
      { source: 'storage', status: 'partial' }
    ])
  })

  test('a restore never takes rows without files for files: it is partial, or says how many there are', async () => {
    const restoreFrom = async (folder: string, inputs: Readonly<Record<string, string>> = {}) => {
      const there = await startStorage({ key })
      const second = await startPostgres({ major: 15, auth: 'scram', password: 'another horse' })
      try {
        await loadSupabase(second, { user: false })
        return await run({
          command: 'restore',
          destinations: 'folder',
          folder: join(root, folder),
          identity,
          'target-database-url': second.url('postgres', 'postgres'),
          'target-supabase-url': there.url,
          'target-service-role-key': key,
          'confirm-target': '127.0.0.1/postgres',
          'pg-bin': binDirOf(15),
          'safety-backup': 'false',
          ...inputs
        })
      } finally {
        await second.stop()
        await there.stop()
      }
    }
    const rows = (await server.query('select count(*)::int as n from storage.objects')).rows[0]?.n
    const cut = await backup({ folder: join(root, 'short'), 'max-download': '50kB' })
    const shortId = cut.outputs['backup-id'] ?? ''
    // What is partial is not restored unasked.
    expect((await restoreFrom('short')).result?.error?.code).toBe('SB909')
    const short = await restoreFrom('short', { backup: shortId })
    expect([short.code, short.outputs['status'], short.result?.error?.code]).toEqual([1, 'partial', 'SB716'])
    const told = short.result?.findings?.find(({ subject, kind }) => subject === 'Storage' && kind === 'difference')
    expect(told?.detail).toMatch(
      /^the backup does not hold [0-9]+ of the files: .*their rows in storage.objects came back/
    )
    const bare = await backup({
      folder: join(root, 'impossible'),
      'service-role-key': 'sb_secret_another_0000000000000000000000'
    })
    for (const [folder, inputs] of [
      ['impossible', { backup: bare.outputs['backup-id'] ?? '' }],
      ['short', { include: 'database', backup: shortId }]
    ] as const) {
      const without = await restoreFrom(folder, inputs)
      expect(without.result?.restore?.['todo']).toContainEqual(
        expect.objectContaining({
          subject: 'Storage',
          detail: expect.stringContaining(`${rows} rows of storage.objects came back and no file with them`)
        })
      )
    }
  })

  test('F34: a disk that is full in the midst of the files costs them alone: their packs go, and the database is stored', async () => {
    const temp = join(root, 'small')
    await mkdir(temp)
    // Room for one pack of files, not for two.
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=100m', 'tmpfs', temp])
    const many = await startStorage({ key })
    try {
      many.addBucket('large')
      for (let number = 0; number < 40; number++) many.put('large', `${number}`, randomBytes(3_500_000))
      await writeStorageRows(server, many)
      const done = await runAction({
        inputs: {
          'database-url': server.url('postgres', 'postgres'),
          'supabase-url': many.url,
          'service-role-key': key,
          'pg-bin': binDirOf(15),
          project: 'full',
          destinations: 'folder',
          folder: join(root, 'full'),
          recipients,
          verify: 'none'
        },
        temp
      })
      runs.push(done)
      expect([done.code, done.outputs['status']]).toEqual([1, 'partial'])
      expect(done.result?.backup?.parts).toMatchObject([
        { source: 'functions' },
        { source: 'config' },
        { source: 'database', status: 'captured' },
        { source: 'storage', status: 'impossible', reason: expect.stringContaining('SB310') }
      ])
      const stored = await readdir(join(root, 'full', 'full', done.outputs['backup-id'] ?? ''))
      expect(stored.filter((name) => name.startsWith('objects-'))).toEqual([])
      expect(stored).toContain('database.dump.zst.age')
    } finally {
      await many.stop()
      await writeStorageRows(server, storage)
      execFileSync('umount', ['-l', temp])
    }
  })

  test('a refused key costs the files alone and is named', async () => {
    const refused = await backup({
      folder: join(root, 'refused'),
      'service-role-key': 'sb_secret_another_0000000000000000000000'
    })
    expect(refused.code).toBe(1)
    expect(refused.outputs['status']).toBe('partial')
    expect(refused.result?.warnings.join()).toContain('The key is refused')
    expect(refused.result?.backup?.parts.find((part) => part.source === 'database')?.status).toBe('captured')
  })
})
