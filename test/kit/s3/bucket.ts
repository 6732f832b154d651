import { randomBytes } from 'node:crypto'
import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
  type S3Client
} from '@aws-sdk/client-s3'
import { openBucket, openConnection, traitsOf } from '../../../src/clients/s3/index.ts'
import type { Context } from '../../../src/context.ts'
import type { Destination } from '../../../src/destinations/destination.ts'
import { openS3Destination, type S3DestinationOptions } from '../../../src/destinations/s3/index.ts'
import type { Ceph, S3Keys } from './ceph.ts'

/** A fresh bucket on a server that runs. */
export interface TestBucket {
  readonly name: string
  readonly client: S3Client
  /** A driver on it. */
  open(context: Context, options?: OpenOptions): Destination
  /** Sets its policy; null: none. */
  policy(statements: readonly object[] | null): Promise<void>
  /** Keys and versions that lie there, as `key`, or `key (deleted)` for markers. */
  everything(): Promise<string[]>
  /** Removes all, past locks in governance mode. */
  empty(): Promise<void>
}

export interface OpenOptions {
  readonly prefix?: string
  readonly lock?: S3DestinationOptions['lock']
  readonly keys?: S3Keys
  readonly retries?: number
  /** Through which address; for proxies. */
  readonly endpoint?: string
  /** Whether SHA-256 are asked of the store. */
  readonly checksums?: boolean
  readonly conditionalWrites?: boolean
}

export async function makeBucket(ceph: Ceph, options: { readonly locks: boolean }): Promise<TestBucket> {
  const name = `backups-${randomBytes(5).toString('hex')}`
  const client = ceph.client()
  await client.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: options.locks }))
  const versions = async () => {
    const all: { Key: string; VersionId: string; marker: boolean }[] = []
    let KeyMarker: string | undefined
    let VersionIdMarker: string | undefined
    do {
      const page = await client.send(
        new ListObjectVersionsCommand({
          Bucket: name,
          ...(KeyMarker === undefined ? {} : { KeyMarker }),
          ...(VersionIdMarker === undefined ? {} : { VersionIdMarker })
        })
      )
      for (const one of page.Versions ?? [])
        all.push({ Key: one.Key ?? '', VersionId: one.VersionId ?? '', marker: false })
      for (const one of page.DeleteMarkers ?? [])
        all.push({ Key: one.Key ?? '', VersionId: one.VersionId ?? '', marker: true })
      KeyMarker = page.IsTruncated === true ? page.NextKeyMarker : undefined
      VersionIdMarker = page.NextVersionIdMarker
    } while (KeyMarker !== undefined)
    return all
  }
  return {
    name,
    client,
    open(context, open = {}) {
      const endpoint = open.endpoint ?? ceph.endpoint
      const { traits, region } = traitsOf(endpoint)
      const bucket = openBucket(
        openConnection({
          endpoint,
          region,
          bucket: name,
          credentials: open.keys ?? ceph.owner,
          traits: {
            ...traits,
            checksums: open.checksums ?? traits.checksums,
            conditionalWrites: open.conditionalWrites ?? traits.conditionalWrites
          },
          retries: open.retries ?? 3,
          context
        })
      )
      return openS3Destination({ bucket, prefix: open.prefix, lock: open.lock, context })
    },
    async policy(statements) {
      if (statements === null) await client.send(new DeleteBucketPolicyCommand({ Bucket: name }))
      else
        await client.send(
          new PutBucketPolicyCommand({
            Bucket: name,
            Policy: JSON.stringify({ Version: '2012-10-17', Statement: statements })
          })
        )
    },
    async everything() {
      return (await versions()).map(({ Key, marker }) => (marker ? `${Key} (deleted)` : Key)).sort()
    },
    async empty() {
      const all = await versions()
      for (let start = 0; start < all.length; start += 1000)
        await client.send(
          new DeleteObjectsCommand({
            Bucket: name,
            BypassGovernanceRetention: true,
            Delete: {
              Quiet: true,
              Objects: all.slice(start, start + 1000).map(({ Key, VersionId }) => ({ Key, VersionId }))
            }
          })
        )
    }
  }
}
