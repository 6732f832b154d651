import type { Manifest } from '../archive/manifest.ts'
import type { Destination } from '../destinations/destination.ts'
import { UserError } from '../errors.ts'
import { type HistoryEntry, readHistory } from '../history/entries.ts'
import { unneededFiles, unusedPackNames } from '../history/pool.ts'
import { plural } from '../text/format.ts'
import type { Ports } from './ports.ts'

/**
 * Removes packs of the pool that none of `entries` needs: a listing from before any removal, so that what only a removed backup
 * needed goes with the next run, when no other run can still be about to name it. Returns how many files went.
 */
export async function sweepPool(
  destination: Destination,
  project: string,
  entries: readonly HistoryEntry[],
  ports: Ports
): Promise<number> {
  const { pool } = destination
  const manifests = believedManifests(entries)
  if (pool === undefined || manifests === undefined) return 0
  const pooled = await pool.list(project)
  if (unusedPackNames(manifests, pooled, ports.context.clock.now()).length === 0) return 0
  // A backup that was being made may rely on old packs, and be there since the first listing.
  const since = await readHistory(destination, ports.context.clock.now(), project)
  const needing = believedManifests(since)
  if (needing === undefined) return 0
  const unused = unusedPackNames([...manifests, ...needing], pooled, ports.context.clock.now())
  if (unused.length === 0) return 0
  const stayed = await pool.delete(project, unused)
  const gone = unused.length - stayed.length
  if (gone > 0)
    ports.context.log.info(
      `${destination.place}: removed ${plural(gone, 'shared file')} of ${project} that no backup needs`
    )
  if (stayed.length > 0)
    ports.context.log.info(
      `${destination.place}: ${plural(stayed.length, 'shared file')} of ${project} that no backup needs stay until their lock ends`
    )
  // No lock spans two runs: one that committed in this very moment is told of, since its own look at the pool may have been earlier.
  const late = (await readHistory(destination, ports.context.clock.now(), project)).find(({ manifest }) =>
    manifest?.shared.some((file) => (file.volumes ?? [file]).some(({ name }) => unused.includes(name)))
  )
  if (late !== undefined)
    throw new UserError(
      'SB506',
      `The backup ${late.ref.id} was finished while shared files were swept that it relies on.`,
      { remedy: `Back up again: what is missing is taken anew. Then delete ${late.ref.id}.` }
    )
  return gone
}

/** Shared files that no backup needs any more, and that a backup under way may still be about to name: how many stay for now. */
export async function countLeftInPool(
  destination: Destination,
  project: string,
  entries: readonly HistoryEntry[]
): Promise<number> {
  const manifests = believedManifests(entries)
  if (destination.pool === undefined || manifests === undefined) return 0
  const pooled = await destination.pool.list(project)
  return unneededFiles(manifests, pooled).length
}

/** The manifests of all; undefined where one cannot be read, or was changed after it was written: what that one needs is not known. */
function believedManifests(entries: readonly HistoryEntry[]): Manifest[] | undefined {
  const manifests = entries.flatMap(({ manifest, changed }) => (manifest === null || changed ? [] : [manifest]))
  return manifests.length < entries.length ? undefined : manifests
}
