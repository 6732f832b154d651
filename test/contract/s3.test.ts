import { afterAll, beforeAll, describe } from 'vitest'
import { makeBucket } from '../kit/s3/bucket.ts'
import { type Ceph, type CephRelease, startCeph } from '../kit/s3/ceph.ts'
import { destinationSuite } from './destination-suite.ts'

const kinds: readonly { readonly release: CephRelease; readonly locks: boolean; readonly words: string }[] = [
  { release: 'new', locks: false, words: 'a store that does as documented' },
  { release: 'new', locks: true, words: 'a store that does as documented, with versions that can be locked' },
  { release: 'old', locks: true, words: 'a store that ignores conditions and locks of uploads in pieces' }
]

describe.each(kinds)('$words', ({ release, locks }) => {
  let ceph: Ceph
  beforeAll(async () => {
    ceph = await startCeph(release)
  }, 60_000)
  afterAll(() => ceph.stop())

  destinationSuite(
    's3',
    async () => {
      const bucket = await makeBucket(ceph, { locks })
      return {
        open: (context) => bucket.open(context, { prefix: 'team/backups', checksums: release === 'new' }),
        close: () => bucket.empty()
      }
    },
    // More than the copies of manifests are written after; pages are crossed elsewhere.
    { manyBackups: 40 }
  )
})
