import { timeOfBackupId } from '../../archive/backup-id.ts'
import type { Artifact, Artifacts } from '../../clients/github/artifacts.ts'
import type { BackupRef } from '../destination.ts'
import { isRecordName, manifestName } from '../names.ts'
import { parseArtifactName } from './names.ts'
import type { Origins } from './origin.ts'

/** The artifacts of one backup by the file that each holds. */
export interface ArtifactGroup {
  readonly backup: BackupRef
  /** Everything of this name, whoever uploaded it, newest first. */
  readonly files: ReadonlyMap<string, readonly Artifact[]>
}

/** A committed backup: the artifacts of the one run that wrote its manifest, and the records that runs which may write any left since. */
export interface BoundBackup {
  readonly backup: BackupRef
  readonly manifest: Artifact
  readonly files: ReadonlyMap<string, Artifact>
  readonly unvouched?: string
}

/** Artifacts of ours that have not expired, by backup. What a pull request of a fork uploaded is none of ours, whatever its name. */
export function groupArtifacts(all: readonly Artifact[]): Map<string, ArtifactGroup> {
  const groups = new Map<string, { readonly backup: BackupRef; readonly files: Map<string, Artifact[]> }>()
  const newestFirst = [...all].sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || b.id - a.id)
  for (const artifact of newestFirst) {
    const parsed = artifact.expired || artifact.foreign ? null : parseArtifactName(artifact.name)
    if (parsed === null) continue
    const key = `${parsed.backup.project}.${parsed.backup.id}`
    const group = groups.get(key) ?? { backup: parsed.backup, files: new Map<string, Artifact[]>() }
    groups.set(key, group)
    const same = group.files.get(parsed.file) ?? []
    same.push(artifact)
    group.files.set(parsed.file, same)
  }
  return groups
}

/**
 * What belongs together of a group; undefined where there is no manifest. The oldest manifest of a run that may write backups counts, and with it the files
 * of that very run: what another run uploads later under the same name changes nothing.
 */
export async function bound(group: ArtifactGroup, origins: Origins): Promise<BoundBackup | undefined> {
  const manifests = (group.files.get(manifestName) ?? []).toReversed()
  let [manifest] = manifests
  if (manifest === undefined) return undefined
  let unvouched = await origins.doubtOf(manifest)
  for (const other of manifests.slice(1)) {
    if (unvouched === undefined) break
    if ((await origins.doubtOf(other)) !== undefined) continue
    manifest = other
    unvouched = undefined
  }
  const files = new Map<string, Artifact>()
  for (const [name, artifacts] of group.files) {
    const found = isRecordName(name)
      ? await newestVouched(artifacts, origins)
      : name === manifestName
        ? manifest
        : artifacts.find((one) => one.runId === manifest?.runId)
    if (found !== undefined) files.set(name, found)
  }
  return { backup: group.backup, manifest, files, ...(unvouched === undefined ? {} : { unvouched }) }
}

/** Records are written by other runs, and may be written again: the newest of a run that may write backups counts. */
async function newestVouched(artifacts: readonly Artifact[], origins: Origins): Promise<Artifact | undefined> {
  for (const one of artifacts) if ((await origins.doubtOf(one)) === undefined) return one
  return undefined
}

/** Removes artifacts of backups without a manifest that nothing was added to since `olderThan`. */
export async function cleanArtifacts(artifacts: Artifacts, olderThan: Date): Promise<readonly string[]> {
  const removed: string[] = []
  for (const group of groupArtifacts(await artifacts.list()).values()) {
    if (group.files.has(manifestName)) continue
    const all = [...group.files.values()].flat()
    const times = [timeOfBackupId(group.backup.id)?.getTime() ?? 0, ...all.map((one) => one.createdAt.getTime())]
    if (Math.max(...times) >= olderThan.getTime()) continue
    for (const one of all) await artifacts.delete(one.id)
    removed.push(`${all.length} artifacts of the unfinished backup ${group.backup.project}.${group.backup.id}`)
  }
  return removed
}
