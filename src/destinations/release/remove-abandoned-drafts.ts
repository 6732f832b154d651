import { timeOfBackupId } from '../../archive/backup-id.ts'
import type { Release, Releases } from '../../clients/github/releases.ts'
import { manifestName } from '../names.ts'
import { isOfDeadRun } from './body.ts'
import { parseBackupTag, parseJournalTag, parsePoolTag, tagPrefix } from './tags.ts'

interface Leftover {
  readonly release: Release
  readonly words: string
}

/** The newest sign of life of a release; undefined when nothing tells its age. */
function lastChange(release: Release): Date | undefined {
  const backup = parseBackupTag(release.tag)
  const times = [
    backup === null ? undefined : timeOfBackupId(backup.id)?.getTime(),
    release.changedAt?.getTime(),
    ...release.assets.map((asset) => asset.changedAt.getTime())
  ].filter((time) => time !== undefined)
  return times.length === 0 ? undefined : new Date(Math.max(...times))
}

/**
 * Removes what killed runs left in the releases of a repository and nothing has touched since `olderThan`: drafts of ours (at once
 * where their run is known to be dead), published ones whose manifest is gone (a deletion that was cut off), tags without a release,
 * dead files of the pool.
 */
export async function cleanReleases(releases: Releases, olderThan: Date): Promise<readonly string[]> {
  const removed: string[] = []
  const leftovers: Leftover[] = []
  const inUse = new Set<string>()

  async function consider(release: Release): Promise<void> {
    const backup = parseBackupTag(release.tag)
    if (backup === null && parsePoolTag(release.tag) === null && parseJournalTag(release.tag) === null) return
    const changed = lastChange(release)
    const isOld = changed !== undefined && changed < olderThan
    if (release.draft) {
      if (isOld || isOfDeadRun(release.body)) leftovers.push({ release, words: `unfinished release ${release.tag}` })
      else inUse.add(release.tag)
      return
    }
    if (backup === null) {
      inUse.add(release.tag)
      if (!release.immutable) await cleanPool(release)
      return
    }
    const hasManifest = async (): Promise<boolean> =>
      [...release.assets, ...(await releases.assets(release.id))].some((one) => one.name === manifestName && one.whole)
    const isDead = isOld && !release.assets.some((one) => one.name === manifestName) && !(await hasManifest())
    if (isDead) leftovers.push({ release, words: `half-deleted release ${release.tag}` })
    else inUse.add(release.tag)
  }

  async function cleanPool(release: Release): Promise<void> {
    for (const asset of release.assets) {
      if (asset.whole || asset.changedAt >= olderThan) continue
      await releases.deleteAsset(asset.id)
      removed.push(`broken upload ${asset.name} in ${release.tag}`)
    }
  }

  for await (const release of releases.list()) await consider(release)
  for (const { release, words } of leftovers) {
    await releases.delete(release.id)
    removed.push(words)
  }
  // A tag is removed only where no release has it: one of the same name may have been published since.
  for (const tag of await releases.tags(tagPrefix)) {
    const backup = parseBackupTag(tag)
    const time = backup === null ? null : timeOfBackupId(backup.id)
    if (time === null || time >= olderThan || inUse.has(tag)) continue
    if ((await releases.published(tag)) !== undefined) continue
    await releases.deleteTag(tag)
    removed.push(`tag ${tag} without a release`)
  }
  return removed
}
