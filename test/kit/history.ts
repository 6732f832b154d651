import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { makeBackupId } from '../../src/archive/backup-id.ts'
import { type Manifest, parseManifest, renderManifest, withDigest } from '../../src/archive/manifest.ts'
import type { BackupRef, Destination, ListedFile, Volume } from '../../src/destinations/destination.ts'
import { type GithubState, type RepositoryState, seedArtifact } from './github/state.ts'

export const day = 24 * 60 * 60 * 1000

export interface SeededBackup {
  readonly ref: BackupRef
  readonly manifest: Uint8Array
  /** The one file of the backup. */
  readonly file: Uint8Array
  readonly createdAt: Date
}

/** A backup of the project `shop` as an earlier run would have left it: complete and restored unless something else is said. */
export function earlierBackup(
  ageMs: number,
  facts: Partial<Manifest> = {},
  counts: Readonly<Record<string, number>> = {}
): SeededBackup {
  const createdAt = new Date(Date.now() - ageMs)
  const project = facts.project ?? 'shop'
  const id = makeBackupId({ now: () => createdAt, monotonic: () => 0, sleep: () => Promise.resolve() }, randomBytes)
  const file = Buffer.from(`the database of ${createdAt.toISOString()}\n`)
  const manifest = renderManifest(
    withDigest({
      format: 1,
      minReader: 1,
      critical: [],
      id,
      project,
      createdAt: createdAt.toISOString(),
      durationMs: 4000,
      tool: 'supabase-backup 0.0.1',
      kind: 'scheduled',
      type: 'full',
      status: 'complete',
      encryption: { scheme: 'none', recipients: [] },
      compression: 'none',
      source: {},
      parts: [{ source: 'database', status: 'captured', counts: { ...counts } }],
      files: [{ name: 'database.dump', bytes: file.length, sha256: sha256(file) }],
      shared: [],
      verification: {
        level: 'restore',
        at: createdAt.toISOString(),
        tables: { restore: 3, read: 0, differing: 0 },
        notProven: []
      },
      ...facts
    })
  )
  return { ref: { project, id }, manifest, file, createdAt }
}

/** What a place lists of a backup that is whole there. */
export function filesIn(manifest: Uint8Array): Map<string, ListedFile> {
  const parsed = parseManifest(manifest)
  if (parsed.kind !== 'ok') return new Map()
  return new Map(
    parsed.manifest.files
      .flatMap((file) => file.volumes ?? [file])
      .map(({ name, bytes, sha256 }) => [name, { bytes, sha256 }])
  )
}

/** Puts a backup into a place through its own driver. */
export async function seedBackup(destination: Destination, backup: SeededBackup): Promise<void> {
  await destination.put(backup.ref, 'database.dump', volume(backup.file))
  await destination.commit(backup.ref, backup.manifest)
}

/** Puts a backup among the artifacts of earlier runs. */
export function seedAmongArtifacts(state: GithubState, repository: RepositoryState, backup: SeededBackup): void {
  const { ref, createdAt } = backup
  const expiresAt = new Date(Math.max(createdAt.getTime(), Date.now()) + 400 * day)
  for (const [name, content] of [
    ['database.dump', backup.file],
    ['manifest.json', backup.manifest]
  ] as const)
    seedArtifact(state, repository, { name: `${ref.project}.${ref.id}.${name}`, content, createdAt, expiresAt })
}

function volume(bytes: Uint8Array): Volume {
  return { bytes: bytes.length, sha256: sha256(bytes), open: () => Readable.from([bytes]) }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
