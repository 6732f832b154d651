import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeBackupId } from '../../src/archive/backup-id.ts'
import type { Context } from '../../src/context.ts'
import {
  type BackupRef,
  type Destination,
  type ListedBackup,
  largestSmallFile,
  type Volume
} from '../../src/destinations/destination.ts'
import { readHistory } from '../../src/history/entries.ts'

/** One place, empty at the beginning, for one test. */
export interface DestinationFixture {
  /** A new driver on this place, as a new run has it. The suite closes it, unless the test plays a killed run. */
  open(context: Context): Promise<Destination> | Destination
  /** Takes the place down. */
  close(): Promise<void>
}

export interface SuiteOptions {
  /** How many backups the test of long listings makes (its default 12 crosses no page). */
  readonly manyBackups?: number
  /** Whether an uncommitted `put` leaves something at the place that `clean` removes; a place that writes only at the commit has none. */
  readonly leavesTraces?: boolean
}

/** Everything that a driver said to its log. */
export interface TestContext extends Context {
  readonly lines: readonly string[]
}

/** A context with the real clock, a log that keeps its lines, and a folder of its own under `parent`. */
export async function testContext(parent: string, signal = new AbortController().signal): Promise<TestContext> {
  const lines: string[] = []
  const keep = (message: string) => {
    lines.push(message)
  }
  return {
    clock: {
      now: () => new Date(),
      monotonic: () => performance.now(),
      // Waiting between tries is cut short: what is tested is that there is another try.
      sleep: async (ms, abort) => {
        await sleep(Math.min(ms, 20), undefined, abort === undefined ? {} : { signal: abort })
      }
    },
    randomBytes,
    log: {
      info: keep,
      warning: keep,
      debug: keep,
      progress: (message) => keep(message()),
      group: (title, work) => {
        keep(title)
        return work()
      }
    },
    signal,
    temp: await mkdtemp(join(parent, 'run-')),
    lines
  }
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Bytes as a volume that has no local file behind it. */
export function volume(content: Uint8Array | string): Volume {
  const bytes = Buffer.from(content)
  const cut = Math.ceil(bytes.byteLength / 2)
  return {
    bytes: bytes.byteLength,
    sha256: sha256(bytes),
    open: () => Readable.from([bytes.subarray(0, cut), bytes.subarray(cut)].filter((part) => part.byteLength > 0))
  }
}

/** A new id; `minutes` shifts its time. */
export function newRef(project = 'shop', minutes = 0): BackupRef {
  const time = new Date(Date.now() + minutes * 60_000)
  const clock = { now: () => time, monotonic: () => 0, sleep: () => Promise.resolve() }
  return { project, id: makeBackupId(clock, randomBytes) }
}

/** All that `list` yields, by `project/id`. */
export async function listed(destination: Destination, project?: string): Promise<Map<string, ListedBackup>> {
  const found = new Map<string, ListedBackup>()
  for await (const backup of destination.list(project)) {
    const key = `${backup.project}/${backup.id}`
    if (found.has(key)) throw new Error(`listed twice: ${key}`)
    found.set(key, backup)
  }
  return found
}

/** The bytes of a listed backup's manifest; empty where none was listed. */
export function manifestBytes(backup: ListedBackup | undefined): Buffer {
  const manifest = backup?.manifest ?? new Uint8Array()
  if ('notRead' in manifest) throw new Error(`not read: ${manifest.notRead}`)
  return Buffer.from(manifest)
}

export const keyOf = (ref: BackupRef) => `${ref.project}/${ref.id}`
export const manifestOf = (ref: BackupRef, more = '') =>
  Buffer.from(JSON.stringify({ id: ref.id, project: ref.project, more }))

/** Stores and commits a backup with these files (one small file when left out). */
export async function store(
  destination: Destination,
  ref = newRef(),
  files: Readonly<Record<string, string | Uint8Array>> = { 'a.age': 'one' }
) {
  for (const [name, content] of Object.entries(files)) await destination.put(ref, name, volume(content))
  const manifest = manifestOf(ref)
  return { ref, manifest, ...(await destination.commit(ref, manifest)) }
}

export async function read(destination: Destination, ref: BackupRef, name: string): Promise<Buffer> {
  return buffer((await destination.get(ref, name)).open())
}

/** What every destination must do: the comments of the port, one test each. */
export function destinationSuite(
  name: string,
  makeFixture: () => Promise<DestinationFixture>,
  options: SuiteOptions = {}
): void {
  describe(`destination ${name}`, () => {
    let parent = ''
    let fixture: DestinationFixture
    let drivers: Destination[] = []

    beforeAll(async () => {
      parent = await mkdtemp(join(tmpdir(), `destination-${name}-`))
    })
    afterAll(() => rm(parent, { recursive: true, force: true }))
    beforeEach(async () => {
      fixture = await makeFixture()
    })
    afterEach(async () => {
      for (const driver of drivers) await driver.close()
      drivers = []
      await fixture.close()
    })
    const open = async () => {
      const driver = await fixture.open(await testContext(parent))
      drivers.push(driver)
      return driver
    }
    const future = () => new Date(Date.now() + 3_600_000)

    test('an empty place lists nothing and says who can read it', async () => {
      const driver = await open()
      expect(driver.name).toBe(name)
      expect(driver.place).not.toBe('')
      expect((await listed(driver)).size).toBe(0)
      expect((await listed(driver, 'shop')).size).toBe(0)
      expect(['private', 'internal', 'public', 'local']).toContain(await driver.visibility())
      expect(driver.limits.largestFile).toBeGreaterThan(1_000_000)
      expect(driver.limits.keepsAcrossRuns).toBe(driver.pool !== undefined)
    })

    test('a backup exists when, and only when, it is committed', async () => {
      const driver = await open()
      const ref = newRef()
      await driver.put(ref, 'database.dump.zst.age', volume('dump'))
      for (const each of [driver, await open()]) {
        expect((await listed(each)).size).toBe(0)
        await expect(each.get(ref, 'database.dump.zst.age')).rejects.toMatchObject({ code: 'SB404' })
      }
      await driver.commit(ref, manifestOf(ref))
      for (const each of [driver, await open()]) {
        const found = await listed(each)
        expect([...found.keys()]).toEqual([keyOf(ref)])
        expect(manifestBytes(found.get(keyOf(ref))).equals(manifestOf(ref))).toBe(true)
        expect(found.get(keyOf(ref))?.records).toEqual([])
        expect(await read(each, ref, 'database.dump.zst.age')).toEqual(Buffer.from('dump'))
      }
    })

    test('every byte comes back as it was, under every name that is allowed', async () => {
      const driver = await open()
      const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
      const files: Record<string, Uint8Array> = {
        'all-bytes.bin': all,
        'one-byte': Buffer.from([0]),
        'line-ends.txt': Buffer.from('a\r\nb\nc\r\0d\u2028\ufeff'),
        'gzip.gz': Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
        'git-blob.age': Buffer.from('blob 4\0abcd'),
        '-n.zst': Buffer.from('-n'),
        'A.B_c-1..2.age.000': randomBytes(300_001),
        'database.dump.zst.age': randomBytes(2_500_000)
      }
      const { ref } = await store(driver, newRef(), files)
      const other = await open()
      for (const [file, content] of Object.entries(files)) {
        const body = await other.get(ref, file)
        expect(body.bytes).toBe(content.byteLength)
        expect(sha256(await buffer(body.open()))).toBe(sha256(content))
        if (body.sha256 !== undefined) expect(body.sha256).toBe(sha256(content))
        expect(sha256(await buffer(body.open()))).toBe(sha256(content))
      }
    })

    test('a body with a local file behind it is stored whole; that file may go afterwards', async () => {
      const driver = await open()
      const content = randomBytes(70_000)
      const path = join(parent, 'local-file')
      await writeFile(path, content)
      const ref = newRef()
      await driver.put(ref, 'x.age', { ...volume(content), path })
      await rm(path)
      await driver.commit(ref, manifestOf(ref))
      expect(await read(driver, ref, 'x.age')).toEqual(content)
    })

    test('files of one backup may be stored at the same time', async () => {
      const driver = await open()
      const ref = newRef()
      const files = Array.from({ length: 6 }, (_, index) => [`part-${index}.age`, randomBytes(50_000 + index)] as const)
      await Promise.all(files.map(([file, content]) => driver.put(ref, file, volume(content))))
      await driver.commit(ref, manifestOf(ref))
      for (const [file, content] of files) expect(await read(driver, ref, file)).toEqual(content)
    })

    test('projects stay apart, also where one label begins like another', async () => {
      const driver = await open()
      const labels = ['a', 'a-b', 'a-b-1', 'b']
      const refs = await Promise.all(labels.map(async (label) => newRef(label)))
      for (const ref of refs) await store(driver, ref)
      expect([...(await listed(driver)).keys()].sort()).toEqual(refs.map(keyOf).sort())
      for (const ref of refs) expect([...(await listed(driver, ref.project)).keys()]).toEqual([keyOf(ref)])
      expect((await listed(driver, 'c')).size).toBe(0)
    })

    test('a long listing is complete', async () => {
      const driver = await open()
      const refs = Array.from({ length: options.manyBackups ?? 12 }, (_, index) => newRef('shop', -index * 60))
      for (const ref of refs) await driver.commit(ref, manifestOf(ref, 'm'.repeat(index(ref))))
      const found = await listed(await open(), 'shop')
      expect([...found.keys()].sort()).toEqual(refs.map(keyOf).sort())
      for (const ref of refs)
        expect(manifestBytes(found.get(keyOf(ref)))).toEqual(manifestOf(ref, 'm'.repeat(index(ref))))
    })

    test('a manifest of 300 kB comes back whole', async () => {
      const driver = await open()
      const ref = newRef()
      const manifest = Buffer.from(randomBytes(150_000).toString('hex'))
      await driver.commit(ref, manifest)
      const found = await listed(await open())
      expect(manifestBytes(found.get(keyOf(ref))).equals(manifest)).toBe(true)
    })

    test('T12, F66: a planted manifest or record that is too large holds up nothing: the backup is shown as one that cannot be read', async () => {
      const driver = await open()
      const first = await store(driver, newRef('shop', -2))
      const planted = newRef('shop', -1)
      await driver.put(planted, 'a.age', volume('one'))
      // Small on the way to a place that compresses, as a planted one would be.
      const giant = Buffer.alloc(largestSmallFile + 1, 'x')
      await driver.commit(planted, giant)
      const last = await store(driver)
      await driver.annotate(last.ref, 'keep', giant)
      const found = await listed(await open(), 'shop')
      expect([...found.keys()].sort()).toEqual([first.ref, planted, last.ref].map(keyOf).sort())
      for (const one of [first, last]) expect(manifestBytes(found.get(keyOf(one.ref)))).toEqual(one.manifest)
      expect(found.get(keyOf(planted))?.manifest).toEqual({
        notRead: `it has ${giant.length} bytes, and at most ${largestSmallFile} are read`
      })
      expect(found.get(keyOf(last.ref))?.records).toEqual([{ name: 'keep', content: new Uint8Array() }])
      const history = await readHistory(await open(), new Date())
      expect(history.map(({ ref, unreadable, pinned }) => [ref.id, unreadable, pinned])).toEqual(
        [last.ref, planted, first.ref].map(({ id }) => [
          id,
          expect.stringMatching(
            id === planted.id ? /^its manifest cannot be read: it has 67108865 bytes/ : /^its manifest cannot be read: /
          ),
          id === last.ref.id
        ])
      )
      await driver.delete(planted)
      expect([...(await listed(await open())).keys()].sort()).toEqual([first.ref, last.ref].map(keyOf).sort())
    })

    test('a second backup of the same id is refused and the first stays', async () => {
      const driver = await open()
      const { ref, manifest } = await store(driver, newRef(), { 'a.age': 'first' })
      const other = await open()
      const again = async () => {
        await other.put(ref, 'a.age', volume('second'))
        await other.commit(ref, manifestOf(ref, 'second'))
      }
      await expect(again()).rejects.toMatchObject({ code: 'SB415' })
      expect(manifestBytes((await listed(driver)).get(keyOf(ref)))).toEqual(manifest)
      expect(await read(driver, ref, 'a.age')).toEqual(Buffer.from('first'))
    })

    test('bytes that differ from their digest are refused; a repeated put counts', async () => {
      const driver = await open()
      const ref = newRef()
      await expect(
        driver.put(ref, 'a.age', { ...volume('right'), open: () => Readable.from([Buffer.from('wrong')]) })
      ).rejects.toThrow()
      await expect(
        driver.put(ref, 'a.age', { ...volume('right'), open: () => Readable.from([Buffer.from('rig')]) })
      ).rejects.toThrow()
      await expect(
        driver.put(ref, 'a.age', { ...volume('right'), open: () => Readable.from([Buffer.from('righter')]) })
      ).rejects.toThrow()
      const breaking = async function* () {
        yield Buffer.from('ri')
        throw new Error('the disk broke')
      }
      await expect(
        driver.put(ref, 'a.age', { ...volume('right'), open: () => Readable.from(breaking()) })
      ).rejects.toThrow()
      await driver.put(ref, 'a.age', volume('right'))
      await driver.commit(ref, manifestOf(ref))
      expect(await read(driver, ref, 'a.age')).toEqual(Buffer.from('right'))
    })

    test('names that could lead elsewhere, and empty files, are refused', async () => {
      const driver = await open()
      const ref = newRef()
      for (const bad of [
        '',
        '.',
        '..',
        '../x',
        'a/b',
        'a\\b',
        'a b',
        'a\nb',
        'ä',
        '.hidden',
        'manifest.json',
        'keep',
        'verification-1.json'
      ]) {
        await expect(driver.put(ref, bad, volume('x')), bad).rejects.toThrow()
      }
      for (const bad of [
        { ...ref, project: '..' },
        { ...ref, project: 'A' },
        { ...ref, id: 'x' },
        { ...ref, id: '../x' }
      ]) {
        await expect(driver.put(bad, 'x', volume('x'))).rejects.toThrow()
        await expect(driver.commit(bad, manifestOf(ref))).rejects.toThrow()
        await expect(driver.get(bad, 'x')).rejects.toThrow()
        await expect(driver.delete(bad)).rejects.toThrow()
      }
      await expect(driver.put(ref, 'empty', volume(''))).rejects.toThrow()
      await expect(driver.annotate(ref, '../keep', Buffer.from('x'))).rejects.toThrow()
      await expect(driver.annotate(ref, 'manifest.json', Buffer.from('x'))).rejects.toThrow()
      expect((await listed(driver)).size).toBe(0)
    })

    test('what is not there is said to be not there', async () => {
      const driver = await open()
      const { ref } = await store(driver)
      await expect(driver.get(ref, 'b.age')).rejects.toMatchObject({ code: 'SB404' })
      await expect(driver.get(newRef(), 'a.age')).rejects.toMatchObject({ code: 'SB404' })
      await expect(driver.get(newRef('other'), 'a.age')).rejects.toMatchObject({ code: 'SB404' })
    })

    test('deleting removes one backup and no other; repeated, or of nothing, it is no error', async () => {
      const driver = await open()
      const kept = await store(driver)
      const gone = await store(driver)
      await driver.delete(gone.ref)
      await driver.delete(gone.ref)
      await (await open()).delete(gone.ref)
      await driver.delete(newRef())
      await driver.delete(newRef('never-seen'))
      await driver.reclaim?.()
      for (const each of [driver, await open()]) {
        expect([...(await listed(each)).keys()]).toEqual([keyOf(kept.ref)])
        await expect(each.get(gone.ref, 'a.age')).rejects.toMatchObject({ code: 'SB404' })
        expect(await read(each, kept.ref, 'a.age')).toEqual(Buffer.from('one'))
      }
      const later = await store(driver)
      expect([...(await listed(driver)).keys()].sort()).toEqual([keyOf(kept.ref), keyOf(later.ref)].sort())
    })

    test('records lie beside the manifest, oldest first, and leave it as it is', async () => {
      const driver = await open()
      const { ref, manifest } = await store(driver)
      const other = await store(driver)
      const older = 'verification-20261122T161908Z.json'
      const newer = 'verification-20261123T161908Z.json'
      const records = async (each: Destination) =>
        (await listed(each))
          .get(keyOf(ref))
          ?.records.map((record) => [record.name, Buffer.from(record.content).toString()]) ?? []
      await driver.annotate(ref, newer, Buffer.from('{"n":2}'))
      await driver.annotate(ref, older, Buffer.from('{"n":1}'))
      expect(await records(driver)).toEqual([
        [older, '{"n":1}'],
        [newer, '{"n":2}']
      ])
      await driver.annotate(ref, older, Buffer.from('{"n":3}'))
      await (await open()).annotate(ref, 'keep', Buffer.from('pinned'))
      const all = await records(await open())
      expect(Object.fromEntries(all)).toEqual({ [older]: '{"n":3}', [newer]: '{"n":2}', keep: 'pinned' })
      expect(all.map(([file]) => file).filter((file) => file !== 'keep')).toEqual([older, newer])
      await driver.annotate(ref, 'keep', null)
      await driver.annotate(ref, 'keep', null)
      expect(Object.fromEntries(await records(driver))).toEqual({ [older]: '{"n":3}', [newer]: '{"n":2}' })
      expect(manifestBytes((await listed(driver)).get(keyOf(ref)))).toEqual(manifest)
      expect((await listed(driver)).get(keyOf(other.ref))?.records).toEqual([])
      await expect(driver.annotate(newRef(), 'keep', Buffer.from('x'))).rejects.toMatchObject({ code: 'SB404' })
      await driver.delete(ref)
      await expect(driver.annotate(ref, 'keep', Buffer.from('x'))).rejects.toMatchObject({ code: 'SB404' })
      expect([...(await listed(driver)).keys()]).toEqual([keyOf(other.ref)])
    })

    test('F37, F53: a run killed before its commit leaves nothing that is listed; clean removes its traces and nothing else', async () => {
      const before = await store(await open())
      const killed = await fixture.open(await testContext(parent))
      const ref = newRef()
      await killed.put(ref, 'a.age', volume(randomBytes(10_000)))
      await killed.put(ref, 'b.age', volume('b'))
      const next = await open()
      expect([...(await listed(next)).keys()]).toEqual([keyOf(before.ref)])
      expect(await next.clean(new Date(0))).toEqual([])
      const removed = await next.clean(future())
      expect(removed.length > 0).toBe(options.leavesTraces ?? true)
      expect(await next.clean(future())).toEqual([])
      expect([...(await listed(next)).keys()]).toEqual([keyOf(before.ref)])
      expect(await read(next, before.ref, 'a.age')).toEqual(Buffer.from('one'))
      await store(next)
      expect((await listed(next)).size).toBe(2)
    })

    test('cleaning leaves a run alone that is younger than the limit', async () => {
      const driver = await open()
      const ref = newRef()
      await driver.put(ref, 'a.age', volume('a'))
      await (await open()).clean(new Date(Date.now() - 60_000))
      await driver.commit(ref, manifestOf(ref))
      expect(await read(driver, ref, 'a.age')).toEqual(Buffer.from('a'))
    })

    test('closing twice is no error', async () => {
      const driver = await open()
      await store(driver)
      await driver.close()
      await driver.close()
    })

    test('a run that was cancelled writes nothing more', async () => {
      const controller = new AbortController()
      const driver = await fixture.open(await testContext(parent, controller.signal))
      drivers.push(driver)
      const ref = newRef()
      await driver.put(ref, 'a.age', volume('a'))
      controller.abort(new Error('time is up'))
      await expect(driver.commit(ref, manifestOf(ref))).rejects.toThrow()
      expect((await listed(await open())).size).toBe(0)
    })

    test('the journal keeps every record: it outlives the backups and nothing in it is written over', async () => {
      const driver = await open()
      const journal = driver.journal
      expect(journal !== undefined).toBe(driver.limits.keepsAcrossRuns)
      if (journal === undefined) return
      const read = async (each: Destination | undefined, project?: string) => {
        const found: string[] = []
        for await (const { project: label, name, content } of each?.journal?.list(project) ?? [])
          found.push(`${label}/${name} ${Buffer.from(content).toString()}`)
        return found.sort()
      }
      expect(await read(driver)).toEqual([])
      const [first, second, third] = [newRef(), newRef('shop', 1), newRef('other', 2)].map(({ id }) => `${id}.txt`)
      if (first === undefined || second === undefined || third === undefined) throw new Error('three names')
      await journal.add('shop', first, Buffer.from('one'))
      const { ref } = await store(driver)
      await journal.add('shop', second, Buffer.from('two'))
      await journal.add('shop', second, Buffer.from('two'))
      await (await open()).journal?.add('other', third, Buffer.from('three'))
      await expect(journal.add('shop', first, Buffer.from('changed'))).rejects.toMatchObject({ code: 'SB415' })
      for (const bad of ['../x.txt', 'manifest.json', `${ref.id}`, 'x.txt'])
        await expect(journal.add('shop', bad, Buffer.from('x')), bad).rejects.toThrow()
      await expect(journal.add('..', first, Buffer.from('x'))).rejects.toThrow()

      const shop = [`shop/${first} one`, `shop/${second} two`]
      const all = [...shop, `other/${third} three`].sort()
      expect([...(await listed(driver)).keys()]).toEqual([keyOf(ref)])
      await driver.delete(ref)
      await driver.clean(future())
      await driver.reclaim?.()
      const next = await open()
      expect(await read(next)).toEqual(all)
      expect(await read(next, 'shop')).toEqual(shop)
      expect(await read(next, 'third')).toEqual([])
      expect((await listed(next)).size).toBe(0)
    })

    test('the pool keeps files across runs, apart for each project', async () => {
      const driver = await open()
      const pool = driver.pool
      expect(pool !== undefined).toBe(driver.limits.keepsAcrossRuns)
      if (pool === undefined) return
      const content = randomBytes(40_000)
      expect(await pool.list('shop')).toEqual([])
      await pool.put('shop', 'objects-1.tar.zst.age', volume(content))
      await pool.put('shop', 'objects-1.tar.zst.age', volume(content))
      await Promise.all([2, 3, 4].map((n) => pool.put('shop', `objects-${n}.tar.zst.age`, volume(`pack ${n}`))))
      await pool.put('other', 'objects-1.tar.zst.age', volume('of another project'))
      await expect(
        pool.put('shop', 'objects-9.tar', { ...volume('right'), open: () => Readable.from([Buffer.from('wrong')]) })
      ).rejects.toThrow()
      await expect(pool.put('shop', '../objects-9.tar', volume('x'))).rejects.toThrow()
      await expect(pool.put('..', 'objects-9.tar', volume('x'))).rejects.toThrow()

      const next = await open()
      const files = await next.pool?.list('shop')
      expect(files?.map((file) => [file.name, file.bytes]).sort()).toEqual([
        ['objects-1.tar.zst.age', 40_000],
        ['objects-2.tar.zst.age', 6],
        ['objects-3.tar.zst.age', 6],
        ['objects-4.tar.zst.age', 6]
      ])
      for (const file of files ?? []) {
        expect(Math.abs(file.createdAt.getTime() - Date.now())).toBeLessThan(600_000)
        if (file.name.startsWith('objects-1') && file.sha256 !== undefined) expect(file.sha256).toBe(sha256(content))
      }
      const body = await next.pool?.get('shop', 'objects-1.tar.zst.age')
      expect(body === undefined ? null : await buffer(body.open())).toEqual(content)
      await expect(pool.get('shop', 'objects-7')).rejects.toMatchObject({ code: 'SB404' })
      await expect(pool.get('third', 'objects-1.tar.zst.age')).rejects.toMatchObject({ code: 'SB404' })

      await store(driver)
      expect((await listed(driver)).size).toBe(1)
      await next.pool?.delete('shop', ['objects-1.tar.zst.age', 'objects-2.tar.zst.age', 'never-there'])
      await next.pool?.delete('shop', ['objects-1.tar.zst.age'])
      await next.pool?.delete('third', ['objects-1.tar.zst.age'])
      expect((await pool.list('shop')).map((file) => file.name).sort()).toEqual([
        'objects-3.tar.zst.age',
        'objects-4.tar.zst.age'
      ])
      expect(await pool.list('other')).toHaveLength(1)
      await expect(pool.get('shop', 'objects-1.tar.zst.age')).rejects.toMatchObject({ code: 'SB404' })
      expect((await listed(driver)).size).toBe(1)
    })
  })
}

function index(ref: BackupRef): number {
  return ref.id.charCodeAt(20) % 7
}
