import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Destination } from '../../src/destinations/destination.ts'
import { guarded } from '../../src/destinations/folder/files.ts'
import { folderDestination } from '../../src/destinations/folder/index.ts'
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

destinationSuite(
  'folder',
  async () => {
    const place = await mkdtemp(join(tmpdir(), 'place-'))
    return {
      open: (context) => folderDestination({ path: join(place, 'backups') }, context),
      close: () => rm(place, { recursive: true, force: true })
    }
  },
  { manyBackups: 260 }
)

describe('folder: its own faults', () => {
  let parent = ''
  let place = ''
  let outside = ''
  let driver: Destination
  const open = async () => folderDestination({ path: place }, await testContext(parent))
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'folder-faults-'))
    place = join(parent, 'backups')
    outside = join(parent, 'outside')
    await mkdir(outside)
    driver = await open()
  })
  afterEach(async () => {
    await driver.close()
    await rm(parent, { recursive: true, force: true })
  })

  test('the layout is <label>/<id>/<file>, for nobody else to read, with nothing unfinished left', async () => {
    const { ref } = await store(driver, newRef(), { 'a.age': 'one', 'b.age': 'two' })
    await driver.annotate(ref, 'keep', Buffer.from('x'))
    await driver.pool?.put('shop', 'objects-1', volume('pack'))
    expect((await readdir(place, { recursive: true })).sort()).toEqual(
      [
        'shop',
        'shop/objects',
        'shop/objects/objects-1',
        `shop/${ref.id}`,
        ...['a.age', 'b.age', 'keep', 'manifest.json'].map((file) => `shop/${ref.id}/${file}`)
      ].sort()
    )
    expect((await stat(join(place, 'shop', ref.id))).mode & 0o077).toBe(0)
    expect((await stat(join(place, 'shop', ref.id, 'a.age'))).mode & 0o077).toBe(0)
  })

  test('a local file on the same file system is linked, not copied', async () => {
    const path = join(parent, 'local')
    await writeFile(path, 'content')
    const ref = newRef()
    await driver.put(ref, 'a.age', { ...volume('content'), path })
    await driver.commit(ref, manifestOf(ref))
    expect((await stat(join(place, 'shop', ref.id, 'a.age'))).ino).toBe((await stat(path)).ino)
  })

  test('a local file that is a link, or has other bytes than stated, is refused', async () => {
    const path = join(parent, 'local')
    await writeFile(path, 'other!!')
    await symlink(path, join(parent, 'link'))
    const ref = newRef()
    await expect(driver.put(ref, 'a.age', { ...volume('content'), path })).rejects.toMatchObject({ code: 'SB414' })
    await expect(driver.put(ref, 'a.age', { ...volume('other!!'), path: join(parent, 'link') })).rejects.toThrow(
      'no plain file'
    )
  })

  test('F41, T11: a link planted in place of the project, the backup, its files or the pool is refused', async () => {
    const { ref } = await store(driver)
    await mkdir(join(place, 'target'))
    await symlink(outside, join(place, 'linked'))
    await expect(driver.put(newRef('linked'), 'a.age', volume('x'))).rejects.toMatchObject({ code: 'SB412' })
    await expect(listed(driver)).rejects.toMatchObject({ code: 'SB412' })
    await unlink(join(place, 'linked'))

    const planted = newRef()
    await writeFile(join(outside, 'manifest.json'), 'not a backup')
    await symlink(outside, join(place, 'shop', planted.id))
    await driver.put(planted, 'a.age', volume('x'))
    await expect(driver.commit(planted, manifestOf(planted))).rejects.toMatchObject({ code: 'SB412' })
    await expect(driver.delete(planted)).rejects.toMatchObject({ code: 'SB412' })
    await expect(driver.get(planted, 'a.age')).rejects.toMatchObject({ code: 'SB412' })
    await expect(listed(driver)).rejects.toMatchObject({ code: 'SB412' })
    await unlink(join(place, 'shop', planted.id))

    await writeFile(join(outside, 'secret'), 'secret')
    await symlink(join(outside, 'secret'), join(place, 'shop', ref.id, 'b.age'))
    await expect(driver.get(ref, 'b.age')).rejects.toMatchObject({ code: 'SB412' })
    await symlink(join(outside, 'secret'), join(place, 'shop', ref.id, 'keep'))
    await expect(listed(driver)).rejects.toMatchObject({ code: 'SB412' })
    await driver.annotate(ref, 'keep', Buffer.from('pinned'))
    expect((await listed(driver)).get(keyOf(ref))?.records).toHaveLength(1)

    await symlink(outside, join(place, 'shop', 'objects'))
    await expect(driver.pool?.put('shop', 'secret', volume('x'))).rejects.toMatchObject({ code: 'SB412' })
    await expect(driver.pool?.delete('shop', ['secret'])).rejects.toMatchObject({ code: 'SB412' })
    await expect(driver.pool?.list('shop')).rejects.toMatchObject({ code: 'SB412' })
    await driver.clean(new Date(Date.now() + 60_000))
    expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('secret')
    expect((await readdir(outside)).sort()).toEqual(['manifest.json', 'secret'])
  })

  test('T11: a pipe, a socket and a folder in place of a manifest or record are neither waited for nor in the way of the others', async () => {
    const kept = await store(driver)
    const other = await store(driver)
    const planted = await Promise.all(['pipe', 'socket', 'folder'].map(() => store(driver)))
    const [pipe, socket, folder] = planted.map(({ ref }) => join(place, 'shop', ref.id, 'manifest.json'))
    if (pipe === undefined || socket === undefined || folder === undefined) throw new Error('not reached')
    for (const path of [pipe, socket, folder]) await unlink(path)
    execFileSync('mkfifo', [pipe, join(place, 'shop', other.ref.id, 'acknowledged')])
    await mkdir(folder)
    // A socket's path has at most 107 bytes.
    const server = createServer().listen(join(parent, 's'))
    await once(server, 'listening')
    await rename(join(parent, 's'), socket)
    try {
      const found = await listed(driver)
      expect(found.size).toBe(5)
      for (const { ref } of planted) expect(found.get(keyOf(ref))?.manifest).toEqual({ notRead: 'it is no plain file' })
      for (const one of [kept, other]) expect(manifestBytes(found.get(keyOf(one.ref)))).toEqual(one.manifest)
      expect(found.get(keyOf(other.ref))?.records).toEqual([{ name: 'acknowledged', content: new Uint8Array() }])
    } finally {
      server.close()
    }
  })

  test('F41, T11: a link planted in the unfinished folder is never written through', async () => {
    const ref = newRef()
    await driver.put(ref, 'a.age', volume('x'))
    const [partial = ''] = await readdir(join(place, 'shop'))
    expect(partial).toMatch(/^\.partial-/)
    await symlink(join(outside, 'written'), join(place, 'shop', partial, 'b.age'))
    await symlink(join(outside, 'written'), join(place, 'shop', partial, 'manifest.json'))
    await driver.put(ref, 'b.age', volume('y'))
    await driver.commit(ref, manifestOf(ref))
    expect(await readdir(outside)).toEqual([])
    expect(await read(driver, ref, 'b.age')).toEqual(Buffer.from('y'))
  })

  test('F70: a delete cut off after the manifest is invisible, and is finished by the next delete or clean', async () => {
    const first = await store(driver, newRef(), { 'a.age': 'one', 'b.age': 'two' })
    const second = await store(driver)
    const kept = await store(driver)
    for (const { ref } of [first, second]) await unlink(join(place, 'shop', ref.id, 'manifest.json'))
    expect([...(await listed(driver)).keys()]).toEqual([keyOf(kept.ref)])
    await expect(driver.get(first.ref, 'a.age')).rejects.toMatchObject({ code: 'SB404' })
    await driver.delete(first.ref)
    expect(await driver.clean(new Date(Date.now() - 60_000))).toEqual([])
    expect(await driver.clean(new Date(Date.now() + 60_000))).toEqual([
      `the rest of the deleted backup shop/${second.ref.id}`
    ])
    expect(await readdir(join(place, 'shop'))).toEqual([kept.ref.id])
  })

  test('what others keep in the folder is neither listed nor cleaned', async () => {
    await mkdir(join(place, 'photos', 'deep'), { recursive: true })
    await mkdir(join(place, 'With Blanks'))
    await writeFile(join(place, 'photos', 'deep', 'file'), 'x')
    await writeFile(join(place, 'notes'), 'x')
    const long = new Date(0)
    await utimes(join(place, 'photos', 'deep'), long, long)
    await store(driver)
    expect((await listed(driver)).size).toBe(1)
    expect(await driver.clean(new Date(Date.now() + 60_000))).toEqual([])
    expect((await readdir(place)).sort()).toEqual(['With Blanks', 'notes', 'photos', 'shop'])
  })

  test('closing removes what this run left unfinished', async () => {
    await driver.put(newRef(), 'a.age', volume('x'))
    await driver.close()
    expect(await readdir(join(place, 'shop'))).toEqual([])
  })

  test('a damaged file in the pool is replaced by the whole one', async () => {
    await driver.pool?.put('shop', 'objects-1', volume('whole'))
    await writeFile(join(place, 'shop', 'objects', 'objects-1'), 'whale')
    await driver.pool?.put('shop', 'objects-1', volume('whole'))
    expect(await readFile(join(place, 'shop', 'objects', 'objects-1'), 'utf8')).toBe('whole')
  })

  test('a file that got shorter while it is read ends in an error', async () => {
    const { ref } = await store(driver)
    const body = await driver.get(ref, 'a.age')
    await writeFile(join(place, 'shop', ref.id, 'a.age'), 'o')
    await expect(buffer(body.open())).rejects.toMatchObject({ code: 'SB501' })
  })

  test('a full, a locked and a wrong place are named with what to do', async () => {
    await expect(guarded('/dev/full', () => writeFile('/dev/full', 'x'))).rejects.toMatchObject({ code: 'SB410' })
    await expect(
      folderDestination({ path: '/sys/backups' }, await testContext(parent)).put(newRef(), 'a', volume('x'))
    ).rejects.toMatchObject({
      code: 'SB411'
    })
    await writeFile(join(parent, 'file'), '')
    await expect(
      folderDestination({ path: join(parent, 'file') }, await testContext(parent)).put(newRef(), 'a', volume('x'))
    ).rejects.toThrow()
    await expect(
      listed(folderDestination({ path: join(parent, 'file', 'x') }, await testContext(parent)))
    ).rejects.toMatchObject({ code: 'SB412' })
  })

  test('a folder that may not be read is no empty folder', async () => {
    await store(driver)
    const reader = await open()
    await chmod(place, 0)
    // Root reads what it likes: for a moment this process is nobody.
    const root = process.geteuid?.() === 0
    if (root) process.seteuid?.(65_534)
    try {
      await expect(listed(reader)).rejects.toMatchObject({ code: 'SB411' })
    } finally {
      if (root) process.seteuid?.(0)
      await chmod(place, 0o700)
    }
  })
})
