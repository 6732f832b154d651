/** What differs among stores that speak S3, as data. Where a store refuses what is said of it here, that is found out while talking to it. */
export interface StoreTraits {
  /** For messages. */
  readonly name: string
  /** Which addresses are meant; the last entry takes every one. */
  readonly host: RegExp
  /** The region that requests are signed for where none is given; `$1` is what `host` captured. */
  readonly region: string
  /** Whether the bucket stands in the path and not in the name of the host. */
  readonly pathStyle: boolean
  /** Whether a write may be bound to "only where nothing is": what a store makes of it is looked at all the same. */
  readonly conditionalWrites: boolean
  /** Whether objects can be locked by this protocol. */
  readonly objectLock: boolean
  /** Whether the store computes and keeps SHA-256 of what it takes, besides the ETag. */
  readonly checksums: boolean
}

const compatible = { pathStyle: true, conditionalWrites: true, objectLock: true, checksums: false }

/** Known stores, first match first. */
export const storeTraits: readonly StoreTraits[] = [
  {
    ...compatible,
    name: 'Amazon S3',
    host: /(?:^|\.)s3[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?$/,
    region: '$1',
    pathStyle: false,
    checksums: true
  },
  {
    ...compatible,
    name: 'Cloudflare R2',
    host: /\.r2\.cloudflarestorage\.com$/,
    region: 'auto',
    // Its bucket locks are rules of the bucket, outside this protocol.
    objectLock: false
  },
  {
    ...compatible,
    name: 'Backblaze B2',
    host: /^s3\.([a-z0-9-]+)\.backblazeb2\.com$/,
    region: '$1',
    // Answers 501 to a conditional write.
    conditionalWrites: false
  },
  { ...compatible, name: 'S3-compatible store', host: /^/, region: 'us-east-1' }
]

const amazon: StoreTraits = {
  ...compatible,
  name: 'Amazon S3',
  host: /^/,
  region: 'us-east-1',
  pathStyle: false,
  checksums: true
}

/** What is known of the store at an address; without one it is Amazon's. */
export function traitsOf(endpoint: string | undefined): { readonly traits: StoreTraits; readonly region: string } {
  if (endpoint === undefined) return { traits: amazon, region: amazon.region }
  const host = new URL(endpoint).hostname
  for (const traits of storeTraits) {
    const match = traits.host.exec(host)
    if (match !== null) return { traits, region: traits.region.replace('$1', match[1] ?? '') }
  }
  return { traits: amazon, region: amazon.region }
}
