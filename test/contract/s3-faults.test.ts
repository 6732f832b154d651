import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DeleteObjectCommand,
  GetObjectRetentionCommand,
  ListObjectVersionsCommand,
  PutObjectCommand
} from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { timeOfBackupId } from '../../src/archive/backup-id.ts'
import type { Destination } from '../../src/destinations/destination.ts'
import { type Proxy as FaultyNetwork, startProxy } from '../kit/proxy.ts'
import { makeBucket, type OpenOptions, type TestBucket } from '../kit/s3/bucket.ts'
import { type Ceph, type CephRelease, type S3Keys, startCeph } from '../kit/s3/ceph.ts'
import {
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

const lock = { mode: 'governance', days: 30 } as const
const dayMs = 86_400_000

describe.each<{ release: CephRelease; words: string }>([
  { release: 'new', words: 'a store that does as documented' },
  { release: 'old', words: 'a store that ignores conditions, checksums and locks of uploads in pieces' }
])('s3: faults, on $words', ({ release }) => {
  let ceph: Ceph
  let parent = ''
  let bucket: TestBucket
  let drivers: Destination[] = []
  let nightly: S3Keys

  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), 's3-faults-'))
    ceph = await startCeph(release)
    nightly = await ceph.addUser('nightly')
  }, 60_000)
  afterAll(async () => {
    await ceph.stop()
    await rm(parent, { recursive: true, force: true })
  })
  beforeEach(async () => {
    bucket = await makeBucket(ceph, { locks: true })
  })
  afterEach(async () => {
    for (const driver of drivers) await driver.close()
    drivers = []
    await bucket.policy(null)
    await bucket.empty()
  })
  const open = async (options: OpenOptions = {}) => {
    const driver = bucket.open(await testContext(parent), { checksums: release === 'new', ...options })
    drivers.push(driver)
    return driver
  }
  const key = (ref: { project: string; id: string }, file: string) => `${ref.project}/${ref.id}/${file}`
  const lockOf = async (Key: string) => {
    const { Versions } = await bucket.client.send(new ListObjectVersionsCommand({ Bucket: bucket.name, Prefix: Key }))
    const first = Versions?.at(-1)?.VersionId
    const { Retention } = await bucket.client.send(
      new GetObjectRetentionCommand({ Bucket: bucket.name, Key, ...(first === undefined ? {} : { VersionId: first }) })
    )
    return Retention
  }
  /** What the job of every night may do: everything but deleting and looking into the future. */
  const nightlyRights = (...more: readonly string[]) =>
    bucket.policy([
      {
        Effect: 'Allow',
        Principal: { AWS: ['arn:aws:iam:::user/nightly'] },
        Action: [
          's3:PutObject',
          's3:GetObject',
          's3:GetObjectVersion',
          's3:ListBucket',
          's3:ListBucketVersions',
          's3:GetBucketObjectLockConfiguration',
          's3:GetObjectRetention',
          's3:PutObjectRetention',
          ...more
        ],
        Resource: [`arn:aws:s3:::${bucket.name}`, `arn:aws:s3:::${bucket.name}/*`]
      }
    ])

  test('everything of a backup is locked until the same moment, also what goes up in pieces, and that is read back', async () => {
    const driver = await open({ lock })
    const large = randomBytes(17 * 1024 * 1024 + 5)
    const { ref } = await store(driver, newRef(), { 'a.age': 'one', 'large.age': large })
    await driver.annotate(ref, 'verification-20261122T161908Z.json', Buffer.from('{}'))
    await driver.annotate(ref, 'keep', Buffer.from('x'))
    const until = (timeOfBackupId(ref.id)?.getTime() ?? 0) + 30 * dayMs
    for (const file of ['a.age', 'large.age', 'manifest.json', 'verification-20261122T161908Z.json'])
      expect([file, (await lockOf(key(ref, file)))?.RetainUntilDate?.getTime()]).toEqual([file, until])
    await expect(lockOf(key(ref, 'keep'))).rejects.toThrow()
    const other = await open({ lock })
    const hash = createHash('sha256')
    for await (const chunk of (await other.get(ref, 'large.age')).open()) hash.update(chunk)
    expect(hash.digest('hex')).toBe(createHash('sha256').update(large).digest('hex'))
    expect(await other.inspectLocks?.([{ ref, files: ['a.age', 'large.age'], shared: [] }])).toEqual([])
  })

  test('a locked backup cannot be deleted; the refusal says until when, and leaves it whole', async () => {
    const driver = await open({ lock })
    const { ref } = await store(driver)
    await expect(driver.delete(ref)).rejects.toMatchObject({
      code: 'SB426',
      message: expect.stringMatching(/until \d{4}-/)
    })
    expect((await listed(driver)).size).toBe(1)
    expect(await read(driver, ref, 'a.age')).toEqual(Buffer.from('one'))
  })

  test('when its lock has ended a backup goes, with all versions and markers', async () => {
    const brief = { mode: 'governance', days: 3 / 86_400 } as const
    const driver = await open({ lock: brief })
    const { ref } = await store(driver)
    await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: key(ref, 'manifest.json') }))
    await new Promise((resolve) => setTimeout(resolve, 5000))
    const next = await open({ lock: brief })
    await next.delete(ref)
    expect(await bucket.everything()).toEqual([])
  })

  test('what somebody hides or writes over stays to be seen: the first version counts, and the deed is told', async () => {
    const driver = await open({ lock })
    const { ref, manifest } = await store(driver, newRef(), { 'a.age': 'one', 'b.age': 'two' })
    await driver.pool?.put('shop', 'objects-1', volume('pack'))
    for (const file of ['manifest.json', 'a.age'])
      await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: key(ref, file) }))
    await bucket.client.send(new PutObjectCommand({ Bucket: bucket.name, Key: key(ref, 'b.age'), Body: 'evil' }))
    await bucket.client.send(new PutObjectCommand({ Bucket: bucket.name, Key: 'shop/objects/objects-1', Body: 'evil' }))
    const next = await open({ lock })
    expect(manifestBytes((await listed(next)).get(keyOf(ref)))).toEqual(manifest)
    expect(await read(next, ref, 'a.age')).toEqual(Buffer.from('one'))
    expect(await read(next, ref, 'b.age')).toEqual(Buffer.from('two'))
    const findings = await next.inspectLocks?.([{ ref, files: ['a.age', 'b.age', 'c.age'], shared: ['objects-1'] }])
    expect(
      findings?.map(({ kind, detail }) => [kind, detail.match(/\S+\.(?:age|json)|objects-1/)?.[0]]).sort()
    ).toEqual([
      ['gone', 'c.age'],
      ['hidden', 'a.age'],
      ['hidden', 'manifest.json'],
      ['overwritten', 'b.age'],
      ['overwritten', 'objects-1']
    ])
  })

  test('a marker over what is not locked is a deletion', async () => {
    const driver = await open()
    const { ref } = await store(driver)
    const kept = await store(driver)
    await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: key(ref, 'manifest.json') }))
    expect([...(await listed(await open())).keys()]).toEqual([keyOf(kept.ref)])
  })

  test('a lock that ends too soon, or is of the weaker kind, is told; one that need not hold any more is not asked for', async () => {
    const short = await open({ lock: { mode: 'governance', days: 3 } })
    const { ref } = await store(short)
    const { ref: bare } = await store(await open())
    const { ref: old } = await store(short, newRef('shop', -40 * 24 * 60))
    const check = await open({ lock })
    const backups = [ref, bare, old].map((one) => ({ ref: one, files: ['a.age'], shared: [] }))
    const findings = await check.inspectLocks?.(backups)
    expect(findings?.map((one) => [one.ref.id, one.kind])).toEqual(
      expect.arrayContaining([ref, ref, bare, bare].map(({ id }) => [id, 'lock-too-short']))
    )
    expect(findings).toHaveLength(4)
    const strict = await open({ lock: { mode: 'compliance', days: 1 } })
    expect(await strict.inspectLocks?.([{ ref, files: ['a.age'], shared: [] }])).toHaveLength(2)
  })

  test('what backups share stays as long as the newest of them: its lock is renewed, not each night, and never made shorter', async () => {
    const driver = await open({ lock: { mode: 'governance', days: 10 } })
    const pool = driver.pool
    await pool?.put('shop', 'objects-1', volume('pack'))
    await pool?.protect?.(newRef('shop', 0), ['objects-1'])
    const first = (await lockOf('shop/objects/objects-1'))?.RetainUntilDate?.getTime() ?? 0
    expect(Math.abs(first - Date.now() - 10 * dayMs)).toBeLessThan(60_000)
    // The next night: 10 days and some more.
    await pool?.protect?.(newRef('shop', 24 * 60), ['objects-1'])
    const second = (await lockOf('shop/objects/objects-1'))?.RetainUntilDate?.getTime() ?? 0
    expect(Math.abs(second - Date.now() - 13.5 * dayMs)).toBeLessThan(60_000)
    await pool?.protect?.(newRef('shop', 2 * 24 * 60), ['objects-1'])
    expect((await lockOf('shop/objects/objects-1'))?.RetainUntilDate?.getTime()).toBe(second)
    await expect(pool?.protect?.(newRef(), ['objects-2'])).rejects.toMatchObject({ code: 'SB506' })
    expect(await pool?.delete('shop', ['objects-1', 'never-there'])).toEqual(['objects-1'])
    expect(await pool?.list('shop')).toHaveLength(1)
  })

  test('a bucket that cannot lock is refused before anything is stored', async () => {
    const plain = await makeBucket(ceph, { locks: false })
    const driver = plain.open(await testContext(parent), { lock })
    drivers.push(driver)
    await expect(store(driver)).rejects.toMatchObject({ code: 'SB427' })
    expect(await plain.everything()).toEqual([])
  })

  test('two that commit the same id at once: one of them made the backup, the other is told', async () => {
    const ref = newRef()
    const [left, right] = [await open(), await open()]
    const done = await Promise.allSettled([
      left.commit(ref, manifestOf(ref, 'left')),
      right.commit(ref, manifestOf(ref, 'right'))
    ])
    expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const winner = done[0]?.status === 'fulfilled' ? 'left' : 'right'
    expect(manifestBytes((await listed(await open())).get(keyOf(ref)))).toEqual(manifestOf(ref, winner))
  })

  test('a key that may not delete makes backups, lists, reads and renews', async () => {
    await nightlyRights()
    const driver = await open({ lock, keys: nightly })
    const { ref } = await store(driver)
    await driver.pool?.put('shop', 'objects-1', volume('pack'))
    await driver.pool?.protect?.(ref, ['objects-1'])
    await driver.pool?.protect?.(newRef('shop', 9 * 24 * 60), ['objects-1'])
    expect((await listed(driver)).size).toBe(1)
    expect(await read(driver, ref, 'a.age')).toEqual(Buffer.from('one'))
    await expect(driver.delete(ref)).rejects.toMatchObject({ code: 'SB426' })
  })

  test('where nothing is locked, a key that may not delete is told which right it lacks', async () => {
    await nightlyRights()
    const driver = await open({ keys: nightly })
    const { ref } = await store(driver)
    await expect(driver.delete(ref)).rejects.toMatchObject({
      code: 'SB403',
      remedy: expect.stringContaining('s3:DeleteObjectVersion')
    })
    expect((await listed(driver)).size).toBe(1)
  })

  test('a key that may only write makes backups all the same; what it may not read is shown as that', async () => {
    await bucket.policy([
      {
        Effect: 'Allow',
        Principal: { AWS: ['arn:aws:iam:::user/nightly'] },
        Action: ['s3:PutObject', 's3:ListBucket', 's3:ListBucketVersions', 's3:GetBucketObjectLockConfiguration'],
        Resource: [`arn:aws:s3:::${bucket.name}`, `arn:aws:s3:::${bucket.name}/*`]
      },
      {
        Effect: 'Deny',
        Principal: { AWS: ['arn:aws:iam:::user/nightly'] },
        Action: ['s3:GetObject', 's3:GetObjectVersion'],
        Resource: [`arn:aws:s3:::${bucket.name}/*`]
      }
    ])
    const driver = await open({ keys: nightly })
    const { ref } = await store(driver)
    const next = await open({ keys: nightly })
    expect((await listed(next)).get(keyOf(ref))?.manifest).toEqual({ notRead: 'the key may not read it' })
    // What it wrote is whole: it shows as soon as the key may read.
    await bucket.policy([
      {
        Effect: 'Allow',
        Principal: { AWS: ['arn:aws:iam:::user/nightly'] },
        Action: ['s3:*'],
        Resource: [`arn:aws:s3:::${bucket.name}`, `arn:aws:s3:::${bucket.name}/*`]
      }
    ])
    expect(manifestBytes((await listed(await open({ keys: nightly }))).get(keyOf(ref)))).toEqual(manifestOf(ref))
  })

  test('a lock that the key may neither set nor see is not believed', async () => {
    await bucket.policy([
      {
        Effect: 'Allow',
        Principal: { AWS: ['arn:aws:iam:::user/nightly'] },
        Action: ['s3:PutObject', 's3:ListBucket', 's3:ListBucketVersions', 's3:GetBucketObjectLockConfiguration'],
        Resource: [`arn:aws:s3:::${bucket.name}`, `arn:aws:s3:::${bucket.name}/*`]
      },
      {
        Effect: 'Deny',
        Principal: { AWS: ['arn:aws:iam:::user/nightly'] },
        Action: ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectRetention', 's3:PutObjectRetention'],
        Resource: [`arn:aws:s3:::${bucket.name}/*`]
      }
    ])
    const driver = await open({ keys: nightly, lock })
    await expect(store(driver)).rejects.toMatchObject({ code: 'SB427' })
  })

  test('a bucket that strangers may read is public, also where they may not list it', async () => {
    const { ref } = await store(await open())
    expect(await (await open()).visibility()).toBe('private')
    await bucket.policy([
      { Effect: 'Allow', Principal: '*', Action: ['s3:GetObject'], Resource: [`arn:aws:s3:::${bucket.name}/*`] }
    ])
    expect(await (await open()).visibility()).toBe('public')
    expect(ref.project).toBe('shop')
  })

  test('a wrong secret, an unknown key and a bucket that is not there are named as what they are, and tried once', async () => {
    const wrong = { accessKeyId: ceph.owner.accessKeyId, secretAccessKey: 'not-the-secret' }
    await expect(listed(await open({ keys: wrong }))).rejects.toMatchObject({ code: 'SB402' })
    const unknown = { accessKeyId: 'NOBODYSKEY0000000000', secretAccessKey: 'x' }
    await expect(listed(await open({ keys: unknown }))).rejects.toMatchObject({ code: 'SB402' })
    const gone = await makeBucket(ceph, { locks: false })
    const { DeleteBucketCommand } = await import('@aws-sdk/client-s3')
    await gone.client.send(new DeleteBucketCommand({ Bucket: gone.name }))
    const driver = gone.open(await testContext(parent))
    drivers.push(driver)
    await expect(listed(driver)).rejects.toMatchObject({ code: 'SB428' })
    await expect(store(driver)).rejects.toMatchObject({ code: 'SB428' })
    await expect(listed(await open({ keys: nightly }))).rejects.toMatchObject({ code: 'SB403' })
  })

  describe('a network that breaks', () => {
    let proxy: FaultyNetwork
    beforeEach(async () => {
      proxy = await startProxy({ target: { port: Number(new URL(ceph.endpoint).port) } })
    })
    afterEach(() => proxy.close())
    const through = (options: OpenOptions = {}) => open({ ...options, endpoint: `http://127.0.0.1:${proxy.port}` })

    test('an upload in pieces that is cut is taken up, and is whole', async () => {
      const driver = await through()
      const large = randomBytes(40 * 1024 * 1024)
      proxy.cutAfter(20_000_000, 'up', 2)
      const { ref } = await store(driver, newRef(), { 'large.age': large })
      expect(sha(await read(await open(), ref, 'large.age'))).toBe(sha(large))
    })

    test('a download that is cut is taken up where it broke', async () => {
      const large = randomBytes(3_000_000)
      const { ref } = await store(await open(), newRef(), { 'large.age': large })
      const driver = await through()
      proxy.cutAfter(1_000_000, 'down', 2)
      expect(sha(await read(driver, ref, 'large.age'))).toBe(sha(large))
    })

    test('without tries left a cut is an error that may pass, and nothing is committed', async () => {
      const driver = await through({ retries: 0 })
      proxy.cutAfter(10_000, 'up')
      await expect(store(driver, newRef(), { 'a.age': randomBytes(2_000_000) })).rejects.toMatchObject({
        code: 'SB401',
        mayPass: true
      })
      expect((await listed(await open())).size).toBe(0)
    })

    test('a byte that changes on the way is refused by the store', async () => {
      const driver = await through({ retries: 0 })
      proxy.flipByte(100_000, 'up')
      await expect(store(driver, newRef(), { 'a.age': randomBytes(300_000) })).rejects.toThrow()
      expect((await listed(await open())).size).toBe(0)
    })
  })
})

function sha(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
