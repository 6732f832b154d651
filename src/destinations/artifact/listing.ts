import { timeOfBackupId } from '../../archive/backup-id.ts'
import type { Artifact, Artifacts } from '../../clients/github/artifacts.ts'
import type { BackupRef } from '../destination.ts'
import { manifestName } from '../names.ts'
import { parseArtifactName } from './names.ts'

/** The artifacts of one backup by the file that each holds. */
export interface ArtifactGroup {
  readonly backup: BackupRef
  /** Newest first: the first of a name counts, others are remains of a record that was written again. */
  readonly files: ReadonlyMap<string, readonly Artifact[]>
}

/** The newest artifact that holds this file. */
export function fileOf(group: ArtifactGroup, name: string): Artifact | undefined {
  return group.files.get(name)?.[0]
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
