import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { generateX25519Identity } from 'age-encryption'
import { describe, expect, test } from 'vitest'
import type { Compression } from '../../../src/archive/compression.ts'
import { readContents } from '../../../src/archive/contents-reading.ts'
import { describeEncryption, type Encryption, encryptionWith, keysOf } from '../../../src/archive/encryption.ts'
import type { Manifest, StoredFile } from '../../../src/archive/manifest.ts'
import { createPacker } from '../../../src/archive/pack.ts'
import { compareWithManifest, foreignNames, type OpenBackupOptions, openBackup } from '../../../src/archive/unpack.ts'
import { UserError } from '../../../src/errors.ts'
import { exampleManifest } from './manifests.ts'
import { bytesOf, codec, collect, failureOf, folderForEach, identity, never, plain, sealed } from './packing.ts'

const folder = folderForEach()
const keys = await keysOf([identity])
const dump = Buffer.from('a row of the database\n'.repeat(5000))
const { id, project, createdAt } = exampleManifest()

interface Stored {
  readonly manifest: Manifest
  readonly bytes: Map<string, Buffer>
}

/** A backup as a place holds it. */
async function store(encryption: Encryption = sealed, objects?: readonly object[]): Promise<Stored> {
  const dir = join(folder.path, 'staging')
  const packer = createPacker({ dir, encryption, compression: codec('gzip'), signal: never })
  await packer.add('database.dump', bytesOf(dump))
  await packer.addPlain('RESTORE.md', Buffer.from('how to'))
  const files = Object.fromEntries(packer.staged.map(({ name, sha256 }) => [name, sha256]))
  const storage = {
    url: 'https://x.supabase.co',
    ref: null,
    listedFrom: 'api',
    buckets: [],
    notCaptured: [],
    packs: [{ name: 'objects.tar', sha256: 'a'.repeat(64) }],
    objects
  }
  const contents = { format: 1, id, project, createdAt, files, ...(objects === undefined ? {} : { storage }) }
  await packer.add('contents.json', bytesOf(JSON.stringify(contents)))
  const bytes = new Map<string, Buffer>()
  for (const { name, path } of packer.staged) bytes.set(name, await readFile(path))
  const stored = packer.staged.map(({ name, bytes: length, sha256 }) => ({ name, bytes: length, sha256 }))
  return {
    manifest: { ...exampleManifest(), encryption: describeEncryption(encryption), files: stored },
    bytes
  }
}

const here = () => join(folder.path, 'fetched')
function open({ manifest, bytes }: Stored, more: Partial<OpenBackupOptions> = {}) {
  const fetched: string[] = []
  const backup = openBackup({
    manifest,
    dir: here(),
    keys,
    compression: codec('none'),
    signal: never,
    fetch: ({ name }) => {
      fetched.push(name)
      const found = bytes.get(name)
      if (found === undefined) throw new UserError('SB404', 'there is no such file')
      return Readable.from([found.subarray(0, 3), found.subarray(3)])
    },
    ...more
  })
  return { backup, fetched }
}

describe('fetching', () => {
  test('takes each file once, all of them when none is named, and opens nothing that is not here', async () => {
    const told: number[] = []
    const stored = await store()
    const { backup, fetched } = open(stored, { onProgress: (bytes) => told.push(bytes) })
    expect(backup.files.names).toEqual(['database.dump', 'RESTORE.md', 'contents.json'])
    expect(() => backup.files.open('RESTORE.md')).toThrow('not fetched: RESTORE.md')
    await backup.fetch(['RESTORE.md'])
    expect(backup.pathOf('RESTORE.md')).toBe(join(here(), 'RESTORE.md'))
    await backup.fetch()
    await backup.checkStored()
    await backup.contents()
    expect(fetched).toEqual(['RESTORE.md', 'database.dump.gz.age', 'contents.json.gz.age'])
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(
      stored.manifest.files.reduce((sum, file) => sum + file.bytes, 0)
    )
    expect((await collect(backup.files.open('database.dump'))).equals(dump)).toBe(true)
    await backup.drop('database.dump')
    expect((await readdir(here())).toSorted()).toEqual(['RESTORE.md', 'contents.json.gz.age'])
    expect(() => backup.files.open('database.dump')).toThrow('not fetched')
    await backup.fetch(['database.dump'])
    expect(fetched.at(-1)).toBe('database.dump.gz.age')
  })

  test('lends a file piece by piece, and none to a run that was cancelled', async () => {
    const stop = new AbortController()
    const { backup } = open(await store(), { signal: stop.signal })
    await backup.fetch(['database.dump'])
    const lent: Buffer[] = []
    for await (const piece of backup.files.lend?.('database.dump') ?? []) lent.push(Buffer.from(piece))
    expect(Buffer.concat(lent).equals(dump)).toBe(true)
    stop.abort(new UserError('SB301', 'The run was cancelled.'))
    const pieces = backup.files.lend?.('database.dump')
    expect(await failureOf(pieces?.next() ?? Promise.resolve())).toBe('SB301 The run was cancelled.')
  })

  test('takes shared files with the others', async () => {
    const stored = await store()
    const [first, ...files] = stored.manifest.files
    if (first === undefined) throw new Error('not reached')
    const { backup, fetched } = open({ ...stored, manifest: { ...stored.manifest, files, shared: [first] } })
    await backup.checkStored()
    expect(fetched.toSorted()).toEqual([...stored.bytes.keys()].toSorted())
  })

  test('F64: a name that the backup does not have, and a file that the place has lost', async () => {
    const stored = await store()
    const { backup } = open(stored)
    const unknown = `SB506 The backup ${id} has no file vault.json.`
    expect(await failureOf(Promise.resolve().then(() => backup.fetch(['vault.json'])))).toBe(unknown)
    expect(() => backup.pathOf('vault.json')).toThrow(unknown.slice(6))
    stored.bytes.delete('RESTORE.md')
    expect(await failureOf(backup.checkStored())).toBe(
      `SB506 RESTORE.md of the backup ${id} is missing: there is no such file`
    )
    // What it could not have once is asked for again.
    stored.bytes.set('RESTORE.md', Buffer.from('how to'))
    await backup.checkStored()
  })

  test('other errors of a place come through', async () => {
    const fails = (error: unknown) => () =>
      new Readable({
        read() {
          this.destroy(error instanceof Error ? error : new Error(String(error)))
        }
      })
    const stored = await store()
    const refused = new UserError('SB403', 'the token does not reach')
    expect(await failureOf(open(stored, { fetch: fails(refused) }).backup.checkStored())).toBe(
      'SB403 the token does not reach'
    )
    expect(await failureOf(open(stored, { fetch: fails('read ECONNRESET') }).backup.checkStored())).toBe(
      'Error: read ECONNRESET'
    )
    expect(await readdir(here())).toEqual([])
  })

  test('F62, F63: what differs from the manifest is found before it is opened, and not kept', async () => {
    const stored = await store()
    const name = 'RESTORE.md'
    for (const [text, how] of [
      ['how ta', 'has another SHA-256 than the manifest says'],
      ['how t', 'has 5 bytes instead of 6'],
      ['how too', 'has more than its 6 bytes']
    ] as const) {
      const changed = { ...stored, bytes: new Map(stored.bytes).set(name, Buffer.from(text)) }
      const source = Readable.from([Buffer.from(text)])
      const { backup } = open(changed, { fetch: () => source })
      expect(await failureOf(backup.fetch([name]))).toBe(`SB501 The stored file ${name} ${how}.`)
      expect(source.destroyed).toBe(true)
      expect(await readdir(here())).toEqual([])
    }
  })

  test('F36: a run that is cancelled stops in the middle of a file and keeps nothing of it', async () => {
    const stored = await store()
    const controller = new AbortController()
    let source: Readable | undefined
    const fetch = () => {
      let reads = 0
      source = new Readable({
        read() {
          reads += 1
          if (reads === 1) this.push('h')
          else controller.abort(new UserError('SB302', 'time is up'))
        }
      })
      return source
    }
    const { backup } = open(stored, { signal: controller.signal, fetch })
    expect(await failureOf(backup.checkStored())).toBe('SB302 time is up')
    expect(source?.destroyed).toBe(true)
    expect(await readdir(here())).toEqual([])
    expect(await failureOf(open(stored, { signal: controller.signal }).backup.checkStored())).toBe('SB302 time is up')
  })
})

describe('Storage objects', () => {
  const object = (number: number) => ({
    bucket: 'papers',
    key: `a/${number}`,
    entry: String(number).repeat(32),
    in: [0],
    size: number,
    version: null,
    contentType: null,
    cacheControl: null,
    userMetadata: null,
    id: null,
    ownerId: null,
    createdAt: null,
    updatedAt: null,
    lastAccessedAt: null
  })

  test('come out of the contents in their order, which are fetched once for it', async () => {
    const objects = [object(1), object(2), object(3)]
    const { backup, fetched } = open(await store(sealed, objects))
    const found = []
    for await (const one of backup.objects()) found.push(one)
    expect(found).toEqual(objects)
    for await (const one of backup.objects()) found.push(one)
    expect(found).toEqual([...objects, ...objects])
    expect(fetched).toEqual(['contents.json.gz.age'])
  })

  test('none where the backup has none', async () => {
    for await (const one of open(await store()).backup.objects()) throw new Error(`not expected: ${one.key}`)
  })

  test('no guess where the contents cannot be opened', async () => {
    const { backup } = open(await store(sealed, [object(1)]), { keys: null })
    const found: unknown[] = []
    const reading = (async () => {
      for await (const one of backup.objects()) found.push(one)
    })()
    expect(await failureOf(reading)).toMatch(/^SB503 /)
    expect(found).toEqual([])
  })
})

test('a file is poured into a child only where a program decompresses it, and only when it was fetched', async () => {
  const stored = await store()
  const { backup } = open(stored)
  const into = new PassThrough()
  if (backup.files.pour === undefined) throw new Error('not reached')
  const { pour } = backup.files
  expect(() => pour('database.dump', into)).toThrow('not fetched: database.dump')
  await backup.fetch()
  expect(pour('database.dump', into)).toBeNull()
  expect(into.destroyed).toBe(false)
  const asked: string[] = []
  const pouring: Compression = {
    ...codec('none'),
    decompressInto: (method, to) => {
      asked.push(method)
      const gunzip = createGunzip()
      const done = pipeline(gunzip, to).then(() => true)
      return { input: gunzip, done }
    }
  }
  const other = open(stored, { compression: pouring, dir: join(folder.path, 'again') }).backup
  await other.fetch()
  const got = collect(into)
  expect(await other.files.pour?.('database.dump', into)).toBe(true)
  expect((await got).equals(dump)).toBe(true)
  expect(asked).toEqual(['gzip'])
})

describe('F65: opening', () => {
  test('without a key says for whom it was sealed, and needs none for what is not encrypted', async () => {
    const stored = await store()
    const needed = stored.manifest.encryption.recipients.join()
    const { backup } = open(stored, { keys: null })
    const message = `SB503 The backup ${id} is encrypted and no key was given. It was sealed for the recipients ${needed}.`
    expect(await failureOf(backup.contents())).toBe(message)
    await backup.checkStored()
    expect(await failureOf(collect(backup.files.open('database.dump')))).toBe(message)
    expect((await collect(backup.files.open('RESTORE.md'))).toString()).toBe('how to')
    const byPassphrase = { ...stored.manifest, encryption: describeEncryption(encryptionWith('pass')) }
    expect(await failureOf(open({ ...stored, manifest: byPassphrase }, { keys: null }).backup.contents())).toBe(
      `SB503 The backup ${id} is encrypted and no key was given. It was sealed with a passphrase.`
    )
  })

  test('with the keys of somebody else names the fingerprints of both sides', async () => {
    const stranger = await keysOf([await generateX25519Identity()])
    const stored = await store()
    const needed = stored.manifest.encryption.recipients.join()
    const { backup } = open(stored, { keys: stranger })
    expect(await failureOf(backup.contents())).toBe(
      `SB502 contents.json.gz.age cannot be opened with the identity (${stranger.fingerprints.join()}): it was made for other keys. It was sealed for the recipients ${needed}.`
    )
  })

  test('F64: contents of another backup are not taken for those of this one', async () => {
    const stored = await store()
    const { backup } = open({ ...stored, manifest: { ...stored.manifest, id: '20261121T161908Z-aaaaaaaa' } })
    expect(await failureOf(backup.contents())).toMatch(/^SB507 .*contents\.json belongs to the backup 20261122T161908Z/)
  })

  test('an unencrypted backup opens without a key', async () => {
    const { backup } = open(await store(plain), { keys: null })
    expect((await backup.contents()).id).toBe(id)
  })

  test('F62: a header that was damaged is told from one for other keys', async () => {
    const stored = await store()
    const name = 'database.dump.gz.age'
    const bytes = Buffer.from(stored.bytes.get(name) ?? '')
    bytes.write('X', 0)
    const { backup } = open(stored)
    await backup.fetch(['database.dump'])
    await writeFile(backup.pathOf('database.dump'), bytes)
    expect(await failureOf(collect(backup.files.open('database.dump')))).toMatch(
      /^SB501 database\.dump\.gz\.age is damaged: its encryption header is not valid \(/
    )
    await rm(backup.pathOf('database.dump'))
    expect(await failureOf(collect(backup.files.open('database.dump')))).toMatch(/^SB313 /)
  })
})

test('what lies beside a backup and is none of its files is told', () => {
  const own = exampleManifest().files.flatMap((file) => (file.volumes ?? [file]).map(({ name }) => name))
  const beside = ['manifest.json', 'keep', 'verification-20261122T170000Z.json', 'verification-20261122T170000Z-2.json']
  expect(
    foreignNames(exampleManifest(), [
      ...own,
      ...beside,
      'xverification-1Z.json',
      'verification-1Z.jsonx',
      'database.dump.zst.age'
    ])
  ).toEqual([
    'verification-20261122T170000Z-2.json',
    'xverification-1Z.json',
    'verification-1Z.jsonx',
    'database.dump.zst.age'
  ])
})

describe('F64: contents and manifest', () => {
  const digest = (letter: string) => letter.repeat(64)
  const file = (name: string, letter: string): StoredFile => ({ name, bytes: 1, sha256: digest(letter) })
  const objectIn = (...positions: number[]) => ({
    bucket: 'avatars',
    key: 'a.png',
    entry: '0'.repeat(32),
    in: positions,
    size: 1,
    version: null,
    contentType: null,
    cacheControl: null,
    userMetadata: null,
    id: null,
    ownerId: null,
    createdAt: null,
    updatedAt: null,
    lastAccessedAt: null
  })
  const contents = (more: object = {}, objects = [objectIn(0), objectIn(1, 2)]) => ({
    format: 1,
    id,
    project,
    createdAt,
    files: { 'RESTORE.md': digest('a'), 'p0.tar': digest('b') },
    storage: {
      url: 'https://x.supabase.co',
      ref: null,
      listedFrom: 'api',
      buckets: [],
      notCaptured: [],
      packs: [
        { name: 'p0.tar', sha256: digest('b') },
        { name: 'p1.tar', sha256: digest('c') },
        { name: 'p2.tar', sha256: digest('d') }
      ],
      objects
    },
    ...more
  })
  const manifest = (more: Partial<Manifest> = {}): Manifest => ({
    ...exampleManifest(),
    files: [file('RESTORE.md', 'a'), file('contents.json.zst.age', '0'), file('p0.tar', 'b')],
    shared: [file('p1.tar', 'c')],
    ...more
  })
  const written = async function* (one: object) {
    yield Buffer.from(JSON.stringify(one))
  }
  const verdict = (one: object, other: Manifest): Promise<string> =>
    failureOf(readContents(written(one)).then((read) => compareWithManifest(read, other)))

  test('agree where every file is the one that is meant, whichever packs a place holds', async () => {
    expect(await verdict(contents(), manifest())).toBe('it worked')
    expect(await verdict(contents(), manifest({ createdAt: '2026-11-22T16:19:08Z' }))).toBe('it worked')
    expect(await verdict(contents(), manifest({ shared: [file('p2.tar', 'd')] }))).toBe('it worked')
    const { storage: _storage, ...without } = contents({ files: { 'RESTORE.md': digest('a') } })
    const noPacks = manifest({ files: [file('RESTORE.md', 'a'), file('contents.json', '0')], shared: [] })
    expect(await verdict(without, noPacks)).toBe('it worked')
  })

  test.each<[string, object, Manifest, string]>([
    [
      'another id',
      contents({ id: '20261121T161908Z-aaaaaaaa' }),
      manifest(),
      'contents.json belongs to the backup 20261121T161908Z-aaaaaaaa of shop, the manifest to'
    ],
    [
      'another project',
      contents({ project: 'blog' }),
      manifest(),
      `contents.json belongs to the backup ${id} of blog, the manifest to ${id} of shop`
    ],
    [
      'another time',
      contents({ createdAt: '2026-11-22T16:19:09.000Z' }),
      manifest(),
      `contents.json was made at 2026-11-22T16:19:09.000Z, the manifest says ${createdAt}`
    ],
    [
      'an unknown file',
      contents(),
      manifest({ files: [...manifest().files, file('more', 'a')] }),
      'the manifest names more, which contents.json does not know'
    ],
    [
      'another file',
      contents(),
      manifest({ files: [file('RESTORE.md', 'f'), file('p0.tar', 'b')] }),
      'RESTORE.md is not the file that contents.json was written with'
    ],
    [
      'a missing file',
      contents(),
      manifest({ files: [file('p0.tar', 'b')] }),
      'contents.json knows RESTORE.md, which the manifest leaves out'
    ],
    [
      'an unknown shared file',
      contents(),
      manifest({ shared: [file('p1.tar', 'c'), file('p9.tar', 'c')] }),
      'the manifest names the shared file p9.tar, which contents.json does not know'
    ],
    [
      'another shared pack',
      contents(),
      manifest({ shared: [file('p1.tar', 'f')] }),
      'p1.tar is not the file that contents.json was written with'
    ],
    [
      'another pack of its own',
      contents(),
      manifest({ files: [file('RESTORE.md', 'a'), file('p0.tar', 'f')] }),
      'p0.tar is not the file that contents.json was written with'
    ],
    [
      'an object in no pack that is there',
      contents(),
      manifest({ shared: [] }),
      `a Storage file that contents.json lists lies in no pack that the manifest names (${'0'.repeat(32)})`
    ],
    ['an object in a pack that nobody knows', contents({}, [objectIn(7)]), manifest(), 'lies in no pack']
  ])('disagree: %s', async (_what, one, other, expected) => {
    const found = await verdict(one, other)
    expect(found).toContain('SB507 The files lying here are not of one backup: ')
    expect(found).toContain(expected)
  })
})
