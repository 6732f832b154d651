import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testContext } from '../contract/destination-suite.ts'
import { type ActionRun, runAction } from '../kit/action.ts'
import { earlierBackup, seedBackup } from '../kit/history.ts'
import { makeBucket, type TestBucket } from '../kit/s3/bucket.ts'
import { type Ceph, type S3Keys, startCeph } from '../kit/s3/ceph.ts'

const hour = 3_600_000
const lock = { mode: 'compliance', days: 30 } as const

let ceph: Ceph
let bucket: TestBucket
let stolen: S3Keys
let watcher: S3Keys
let root = ''
const runs: ActionRun[] = []

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-red-'))
  ceph = await startCeph('new')
  bucket = await makeBucket(ceph, { locks: true })
  stolen = await ceph.addUser('nightly')
  watcher = await ceph.addUser('watcher')
  const resources = [`arn:aws:s3:::${bucket.name}`, `arn:aws:s3:::${bucket.name}/*`]
  const read = ['s3:GetObject', 's3:GetObjectVersion', 's3:ListBucket', 's3:ListBucketVersions']
  const look = [...read, 's3:GetBucketObjectLockConfiguration', 's3:GetObjectRetention']
  await bucket.policy([
    {
      Effect: 'Allow',
      Principal: { AWS: ['arn:aws:iam:::user/nightly'] },
      // Wider than docs/s3.md asks for: even a right to delete changes nothing.
      Action: [...look, 's3:PutObject', 's3:PutObjectRetention', 's3:DeleteObject', 's3:DeleteObjectVersion'],
      Resource: resources
    },
    { Effect: 'Allow', Principal: { AWS: ['arn:aws:iam:::user/watcher'] }, Action: look, Resource: resources }
  ])
}, 120_000)
afterAll(async () => {
  for (const run of runs) await run.cleanUp()
  await ceph.stop()
  await rm(root, { recursive: true, force: true })
})

/** `check` as another repository runs it, with a key of its own. */
async function check(): Promise<ActionRun> {
  const run = await runAction({
    inputs: {
      command: 'check',
      destinations: 's3',
      's3-bucket': bucket.name,
      's3-endpoint': ceph.endpoint,
      's3-access-key-id': watcher.accessKeyId,
      's3-secret-access-key': watcher.secretAccessKey,
      's3-lock': lock.mode,
      's3-lock-days': String(lock.days),
      token: '',
      retries: '0'
    }
  })
  runs.push(run)
  return run
}

test('who holds every secret of the workflow takes nothing away that is locked, and the next check tells of each attempt', async () => {
  const driver = bucket.open(await testContext(root), { lock, keys: stolen })
  const backups = [2, 26, 50].map((hours) => earlierBackup(hours * hour))
  for (const backup of backups) await seedBackup(driver, backup)
  await driver.close()
  const calm = await check()
  expect([calm.code, calm.result?.error]).toEqual([0, undefined])

  const thief = ceph.client(stolen)
  const { Versions = [] } = await thief.send(new ListObjectVersionsCommand({ Bucket: bucket.name }))
  const locked = Versions.filter(({ Key }) => Key?.startsWith('shop/2') === true)
  expect(locked).toHaveLength(6)
  const refused: string[] = []
  const attempt = async (words: string, work: () => Promise<unknown>) => {
    try {
      await work()
    } catch {
      refused.push(words)
    }
  }
  for (const { Key = '', VersionId = '' } of locked) {
    const version = { Bucket: bucket.name, Key, VersionId }
    await attempt('delete', () => thief.send(new DeleteObjectCommand(version)))
    await attempt('bypass', () => thief.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention: true })))
    await attempt('shorten', () =>
      thief.send(
        new PutObjectRetentionCommand({
          ...version,
          Retention: { Mode: 'COMPLIANCE', RetainUntilDate: new Date(Date.now() + hour) }
        })
      )
    )
    await attempt('weaken', () =>
      thief.send(
        new PutObjectRetentionCommand({
          ...version,
          BypassGovernanceRetention: true,
          Retention: { Mode: 'GOVERNANCE', RetainUntilDate: new Date(Date.now() + hour) }
        })
      )
    )
  }
  await attempt('unlock the bucket', () =>
    thief.send(
      new PutObjectLockConfigurationCommand({
        Bucket: bucket.name,
        ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled' }
      })
    )
  )
  await attempt('remove the bucket', () => thief.send(new DeleteBucketCommand({ Bucket: bucket.name })))
  expect(refused).toHaveLength(6 * 4 + 2)

  // What a store lets everybody do who may write: markers over everything, other bytes over one.
  await thief.send(
    new DeleteObjectsCommand({ Bucket: bucket.name, Delete: { Objects: locked.map(({ Key = '' }) => ({ Key })) } })
  )
  const [first] = backups
  const target = `shop/${first?.ref.id ?? ''}/database.dump`
  await thief.send(new PutObjectCommand({ Bucket: bucket.name, Key: target, Body: 'nothing of yours' }))

  const alarmed = await check()
  expect(alarmed.code).toBe(1)
  expect(alarmed.result?.error?.code).toBe('SB920')
  expect(new Set(alarmed.result?.alarms?.map(({ kind }) => kind))).toEqual(new Set(['tampered']))
  // All of them are still there, and every byte of them.
  expect(alarmed.result?.backups.map(({ id }) => id)).toEqual(backups.map(({ ref }) => ref.id))
  const reader = bucket.open(await testContext(root), { keys: watcher })
  for (const { ref, file } of backups) {
    const chunks: Buffer[] = []
    for await (const chunk of (await reader.get(ref, 'database.dump')).open()) chunks.push(Buffer.from(chunk))
    expect(Buffer.concat(chunks).toString()).toBe(file.toString())
  }
  await reader.close()
}, 600_000)
