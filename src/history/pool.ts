import type { Manifest, StoredFile } from '../archive/manifest.ts'
import {
  bytesOfEntries,
  largestPoolIndex,
  packOfPoolIndex,
  parsePoolIndex,
  poolIndexName,
  sealedForTheSame
} from '../archive/pool-index.ts'
import type { Body, Pool, PooledFile } from '../destinations/destination.ts'
import { openEntryTable } from './compact-set.ts'
import { type HistoryEntry, newestFirst } from './entries.ts'

/** A pack that nobody needs stays this long: a backup that is being made may be about to name it. */
const spareMs = 24 * 60 * 60 * 1000

/** What the pool of one place holds, as far as a new backup may rely on it. */
export interface KnownPacks {
  /** The pack that holds an entry. */
  find(entry: string): StoredFile | undefined
}

/** How the new backup is sealed. */
export interface Sealing {
  readonly scheme: Manifest['encryption']['scheme']
  readonly recipients: readonly string[]
  /** Names of packs of which it is known that the passphrase of the new backup opens them. */
  readonly samePassphrase: ReadonlySet<string>
}

/**
 * Reads what earlier backups left in a pool. Packs that are not whole in the listing, that are not reliable (`reliablePacks`), whose list cannot be read,
 * or that others can open than those whom the new backup is for, are left aside. A listing that fails throws.
 */
export async function readKnownPacks(
  pool: Pool,
  project: string,
  sealing: Sealing,
  isReliable: (pack: StoredFile) => boolean
): Promise<KnownPacks> {
  const pooled = await pool.list(project)
  const listed = new Map(pooled.map((file) => [file.name, file]))
  const packs: StoredFile[] = []
  const table = openEntryTable()
  for (const { name, bytes } of pooled) {
    const packName = packOfPoolIndex(name)
    if (packName === null || bytes > largestPoolIndex) continue
    const index = parsePoolIndex(await readBody(await pool.get(project, name)), packName)
    if (index === null || !isWhole(index.pack, listed) || !isReliable(index.pack)) continue
    const { encryption } = index
    const isSamePassphrase =
      sealing.scheme === 'age-scrypt' && encryption.scheme === 'age-scrypt' && sealing.samePassphrase.has(packName)
    if (!isSamePassphrase && !sealedForTheSame(sealing, encryption)) continue
    table.add(bytesOfEntries(index.entries), packs.length)
    packs.push(index.pack)
  }
  const entries = table.close()
  return {
    find: (entry) => {
      const number = entries.find(entry)
      return number === undefined ? undefined : packs[number]
    }
  }
}

/**
 * Which packs a new backup may rely on, by the backups of the same place. The lists in the pool are plain and can be forged: a pack counts only as the
 * manifests tell of it, all of them alike. One of a backup whose latest verification failed does not count, unless another backup that needs it
 * was read whole later.
 */
export function reliablePacks(entries: readonly HistoryEntry[]): (pack: StoredFile) => boolean {
  const told = new Map<string, Set<string>>()
  const failedAt = new Map<string, number>()
  const readAt = new Map<string, number>()
  const note = (times: Map<string, number>, name: string, ms: number) =>
    times.set(name, Math.max(times.get(name) ?? 0, ms))
  for (const { manifest, changed, damaged, verified, verifiedAt, records } of entries) {
    if (manifest === null || changed) continue
    // The proof of a backup that was just made reads what it fetched itself, not what it relies on.
    const wasReadLater = records.length > 0 && (verified === 'read' || verified === 'restore')
    for (const pack of manifest.shared) {
      told.set(pack.name, (told.get(pack.name) ?? new Set()).add(digestOf(pack)))
      if (damaged) note(failedAt, pack.name, Date.parse(records.at(-1)?.verification.at ?? manifest.createdAt))
      else if (wasReadLater) note(readAt, pack.name, verifiedAt?.getTime() ?? 0)
    }
  }
  return (pack) => {
    const failed = failedAt.get(pack.name)
    if (failed !== undefined && (readAt.get(pack.name) ?? 0) <= failed) return false
    const digests = told.get(pack.name)
    return digests?.size === 1 && digests.has(digestOf(pack))
  }
}

/** All that tells whether a stored file is the one that is meant. */
function digestOf({ bytes, sha256, volumes }: StoredFile): string {
  return [bytes, sha256, ...(volumes ?? []).map((volume) => `${volume.name} ${volume.bytes} ${volume.sha256}`)].join(
    ' '
  )
}

/** The newest backup sealed with a passphrase that needs packs; `entries` in any order. One whose manifest was changed is none. */
export function newestWithPacks(entries: readonly HistoryEntry[]): HistoryEntry | undefined {
  return entries
    .filter(
      ({ manifest, changed }) => !changed && manifest?.encryption.scheme === 'age-scrypt' && manifest.shared.length > 0
    )
    .sort(newestFirst)
    .at(0)
}

/** Whether every volume of a pack lies in the pool with the length, and where it is told the digest, that it should have. */
export function isWhole(pack: StoredFile, listed: ReadonlyMap<string, PooledFile>): boolean {
  return (pack.volumes ?? [pack]).every(({ name, bytes, sha256 }) => {
    const file = listed.get(name)
    return file !== undefined && file.bytes === bytes && (file.sha256 === undefined || file.sha256 === sha256)
  })
}

/**
 * Names of pooled files that no manifest needs and that are older than 24 hours; lists of packs go with their packs. `manifests` must be those of
 * all backups of the project in the place, from a listing that was complete and where every manifest could be read: otherwise nothing may be removed.
 */
export function unusedPackNames(
  manifests: readonly Pick<Manifest, 'shared'>[],
  pooled: readonly PooledFile[],
  now: Date
): readonly string[] {
  return unneededFiles(manifests, pooled)
    .filter(({ createdAt }) => now.getTime() - createdAt.getTime() > spareMs)
    .map(({ name }) => name)
}

/** Pooled files that no manifest needs, whatever their age. */
export function unneededFiles(
  manifests: readonly Pick<Manifest, 'shared'>[],
  pooled: readonly PooledFile[]
): readonly PooledFile[] {
  const needed = new Set<string>()
  for (const { shared } of manifests) {
    for (const pack of shared) {
      needed.add(poolIndexName(pack.name))
      for (const { name } of pack.volumes ?? [pack]) needed.add(name)
    }
  }
  return pooled.filter(({ name }) => !needed.has(name))
}

async function readBody(body: Body): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body.open()) chunks.push(chunk)
  return Buffer.concat(chunks)
}
