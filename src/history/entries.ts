import { timeOfBackupId } from '../archive/backup-id.ts'
import { type Manifest, parseManifest, type VerificationLevel, verificationLevels } from '../archive/manifest.ts'
import { type VerifyKey, whyUnsigned } from '../archive/signature.ts'
import { parseVerificationRecord, type VerificationRecord } from '../archive/verification-record.ts'
import type {
  BackupRef,
  Destination,
  DestinationName,
  ListedBackup,
  ListedFile,
  Pool
} from '../destinations/destination.ts'

/** Name of the marker that keeps a backup whatever the retention rules say. */
export const keepMarker = 'keep'
/** Name of the record that says that the change which made a backup anomalous was intended. */
export const acknowledgedMarker = 'acknowledged'

/** One backup in one destination, as the history shows it. */
export interface HistoryEntry {
  readonly ref: BackupRef
  readonly destination: DestinationName
  readonly createdAt: Date
  /** Null where the manifest cannot be read by this version; `unreadable` says why. */
  readonly manifest: Manifest | null
  readonly unreadable?: string
  /** Verifications made after the backup, oldest first. */
  readonly records: readonly VerificationRecord[]
  /** The manifest is not as it was written: it is shown, but the backup is not opened. */
  readonly changed: boolean
  /** How far the backup is proven now: the best level, or `none` when its latest verification failed. */
  readonly verified: VerificationLevel
  readonly verifiedAt: Date | null
  /** True when the latest verification failed. */
  readonly damaged: boolean
  readonly pinned: boolean
  /** Whether somebody has said that the change which made it anomalous was intended. */
  readonly acknowledged: boolean
  /** Why it is not certain that a run that may write backups wrote this one; left out where it is. */
  readonly unvouched?: string
  /** Why the signature is not the one that was asked for; left out where it is, or where none was asked for. */
  readonly unsigned?: string
  /** What the listing lacks of its files; left out where they are all there. */
  readonly hollow?: string
  readonly url?: string
  readonly expiresAt?: Date
}

/** What is dated further ahead than this, in ms, was made by a clock that was wrong. */
export const futureToleranceMs = 60 * 60 * 1000

/**
 * Reads what a destination lists, at the time `now`. A listing that fails throws: the history is never taken for empty by mistake.
 *
 * @param trusted keys of which one must have signed a manifest; empty: not looked at.
 */
export async function readHistory(
  destination: Destination,
  now: Date,
  project?: string,
  trusted: readonly VerifyKey[] = []
): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = []
  const pools = new Map<string, ReadonlyMap<string, ListedFile>>()
  for await (const listed of destination.list(project)) {
    const entry = entryOf(listed, destination.name, now)
    if (entry === null) continue
    const hollow = await whatIsMissing(entry, listed.files, destination.pool, pools)
    const unsigned = entry.manifest === null ? undefined : whyUnsigned(entry.manifest, entry.ref.id, trusted)
    entries.push({
      ...entry,
      ...(hollow === undefined ? {} : { hollow }),
      ...(unsigned === undefined ? {} : { unsigned })
    })
  }
  return entries.sort(newestFirst)
}

/** What of a backup does not lie where its manifest says, by the listing alone: nothing is downloaded for it. */
async function whatIsMissing(
  { manifest, changed, ref }: HistoryEntry,
  listed: ReadonlyMap<string, ListedFile>,
  pool: Pool | undefined,
  pools: Map<string, ReadonlyMap<string, ListedFile>>
): Promise<string | undefined> {
  // A changed manifest says nothing that is worth a look at the pool.
  if (manifest === null || changed) return undefined
  const own = lacking(manifest.files, listed)
  if (own !== undefined || manifest.shared.length === 0) return own
  if (pool === undefined) return `it needs shared files, and its place keeps none`
  let pooled = pools.get(ref.project)
  if (pooled === undefined) {
    pooled = new Map((await pool.list(ref.project)).map((file) => [file.name, file]))
    pools.set(ref.project, pooled)
  }
  return lacking(manifest.shared, pooled)
}

function lacking(files: Manifest['files'], listed: ReadonlyMap<string, ListedFile>): string | undefined {
  for (const { name, bytes, sha256 } of files.flatMap((file) => file.volumes ?? [file])) {
    const found = listed.get(name)
    if (found === undefined) return `its file ${name} is not there`
    if (found.bytes !== undefined && found.bytes !== bytes)
      return `its file ${name} has ${found.bytes} bytes instead of ${bytes}`
    if (found.sha256 !== undefined && found.sha256 !== sha256) return `its file ${name} is not the one that was stored`
  }
  return undefined
}

/** Newest first; two of one second in the order of their ids. */
export function newestFirst(a: HistoryEntry, b: HistoryEntry): number {
  return b.createdAt.getTime() - a.createdAt.getTime() || (a.ref.id < b.ref.id ? 1 : a.ref.id > b.ref.id ? -1 : 0)
}

/** Null for what does not carry a backup's name: a place may hold files of others. */
export function entryOf(listed: ListedBackup, destination: DestinationName, now: Date): HistoryEntry | null {
  const time = timeOfBackupId(listed.id)
  if (time === null) return null
  const parsed =
    'notRead' in listed.manifest
      ? { kind: 'broken' as const, reason: listed.manifest.notRead }
      : parseManifest(listed.manifest)
  const manifest = parsed.kind === 'ok' ? parsed.manifest : null
  const records = listed.records
    .map((record) => (record.name.startsWith('verification-') ? parseVerificationRecord(record.content) : null))
    .filter((record) => record !== null && record.id === listed.id && record.project === listed.project)
    .filter((record) => record !== null)
    .sort((a, b) => madeAt(a, now) - madeAt(b, now))
  const proof = proofOf(manifest, records)
  const mixed =
    manifest !== null && (manifest.id !== listed.id || manifest.project !== listed.project)
      ? `its manifest is that of ${manifest.project}/${manifest.id}`
      : undefined
  const unreadable = mixed ?? (parsed.kind === 'ok' ? undefined : reasonOf(parsed))
  return {
    ref: { project: listed.project, id: listed.id },
    destination,
    // The time of another backup's manifest would make this one look older than it is, and be passed over.
    createdAt: manifest === null || mixed !== undefined ? time : new Date(manifest.createdAt),
    manifest: mixed === undefined ? manifest : null,
    ...(unreadable === undefined ? {} : { unreadable }),
    records,
    changed: parsed.kind === 'ok' && parsed.changed,
    ...(mixed === undefined ? proof : { verified: 'none' as const, verifiedAt: null, damaged: false }),
    pinned: listed.records.some((record) => record.name === keepMarker),
    acknowledged: listed.records.some((record) => record.name === acknowledgedMarker),
    ...(listed.unvouched === undefined ? {} : { unvouched: listed.unvouched }),
    ...(listed.url === undefined ? {} : { url: listed.url }),
    ...(listed.expiresAt === undefined ? {} : { expiresAt: listed.expiresAt })
  }
}

function reasonOf(parsed: Exclude<ReturnType<typeof parseManifest>, { kind: 'ok' }>): string {
  return parsed.kind === 'newer'
    ? `written by a newer version: install ${parsed.install} or later`
    : `its manifest cannot be read: ${parsed.reason}`
}

function proofOf(
  manifest: Manifest | null,
  records: readonly VerificationRecord[]
): { verified: VerificationLevel; verifiedAt: Date | null; damaged: boolean } {
  if (records.at(-1)?.outcome === 'failed') return { verified: 'none', verifiedAt: null, damaged: true }
  const proofs = [
    ...(manifest === null ? [] : [manifest.verification]),
    ...records.filter((record) => record.outcome === 'passed').map((record) => record.verification)
  ]
  const best = proofs.reduce<VerificationLevel>(
    (level, proof) => (rank(proof.level) > rank(level) ? proof.level : level),
    'none'
  )
  const at = proofs.filter((proof) => proof.level === best && proof.at !== null).at(-1)?.at
  return {
    verified: best,
    verifiedAt: best === 'none' || at === undefined || at === null ? null : new Date(at),
    damaged: false
  }
}

/**
 * When a verification was made, in ms, for their order. A time that has not come yet is that of a clock that was wrong, or of somebody who wants to hide damage:
 * such a success comes before all others, so that it outdoes no failure, and such a failure after them.
 */
function madeAt({ outcome, verification: { at } }: VerificationRecord, now: Date): number {
  const time = at === null ? Number.NEGATIVE_INFINITY : Date.parse(at)
  if (time <= now.getTime() + futureToleranceMs) return time
  return outcome === 'failed' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
}

/** Order of the levels: higher proves more. */
export function rank(level: VerificationLevel): number {
  return verificationLevels.indexOf(level)
}
