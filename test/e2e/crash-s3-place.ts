import { rm } from 'node:fs/promises'
import { GetObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { testContext } from '../contract/destination-suite.ts'
import { crashAtMessage } from '../kit/crash/crash-run.ts'
import { startRequestGate } from '../kit/crash/request-gate.ts'
import { seedBackup, sha256 } from '../kit/history.ts'
import { makeBucket } from '../kit/s3/bucket.ts'
import { startCeph } from '../kit/s3/ceph.ts'
import type { CrashPlace } from './crash-places.ts'

/** A bucket on a real server; its requests pass a gate at which runs are ended. */
export async function s3Place(root: string): Promise<CrashPlace> {
  const ceph = await startCeph('new')
  const bucket = await makeBucket(ceph, { locks: false })
  const gate = await startRequestGate({ store: () => ceph.endpoint })
  const open = async () => bucket.open(await testContext(root))
  const objects = async () => {
    const found: { key: string; file: string; line: string }[] = []
    const page = await bucket.client.send(new ListObjectsV2Command({ Bucket: bucket.name }))
    if (page.IsTruncated === true) throw new Error('there is more than one page')
    for (const { Key = '' } of page.Contents ?? []) {
      const [project, id, file] = Key.split('/')
      if (file === undefined || id === 'objects' || id === 'journal') continue
      const { Body } = await bucket.client.send(new GetObjectCommand({ Bucket: bucket.name, Key }))
      found.push({
        key: `${project}/${id}`,
        file,
        line: sha256((await Body?.transformToByteArray()) ?? new Uint8Array())
      })
    }
    return found
  }
  const committed = async () => {
    const all = await objects()
    const keys = new Set(all.filter(({ file }) => file === 'manifest.json').map(({ key }) => key))
    return { all, keys }
  }
  const isRecord = (file: string) => /^(?:keep|acknowledged|verification-.*)$/.test(file)
  return {
    name: 's3',
    inputs: {
      destinations: 's3',
      's3-bucket': bucket.name,
      's3-endpoint': gate.urls['store'] ?? '',
      's3-access-key-id': ceph.owner.accessKeyId,
      's3-secret-access-key': ceph.owner.secretAccessKey,
      retries: '0'
    },
    env: {},
    run: (options) => crashAtMessage(gate, { ...options, env: {} }),
    open,
    async seed(backups) {
      const driver = await open()
      for (const backup of backups) await seedBackup(driver, backup)
      await driver.close()
    },
    seedPool: () => Promise.reject(new Error('the store decides about the age of what it holds')),
    async snapshot() {
      const { all, keys } = await committed()
      return new Map(
        [...keys].map((key) => [
          key,
          sha256(
            Buffer.from(
              all
                .filter((one) => one.key === key && !isRecord(one.file))
                .map(({ file, line }) => `${file} ${line}`)
                .sort()
                .join('\n')
            )
          )
        ])
      )
    },
    async debris() {
      const { all, keys } = await committed()
      const { Uploads } = await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name }))
      return [
        ...all.filter(({ key }) => !keys.has(key)).map(({ key, file }) => `${key} ${file}`),
        ...(Uploads ?? []).map(({ Key }) => `upload of ${Key}`)
      ]
    },
    damage: () => '',
    pages: () => Promise.resolve([]),
    reset: () => bucket.empty(),
    async close() {
      await gate.close()
      await ceph.stop()
      await rm(root, { recursive: true, force: true })
    }
  }
}
