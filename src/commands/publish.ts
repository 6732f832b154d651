import { type Manifest, renderManifest, type StoredFile, withDigest } from '../archive/manifest.ts'
import type { StagedFile } from '../archive/pack.ts'
import { entriesOfBytes, poolIndexName, renderPoolIndex } from '../archive/pool-index.ts'
import type { Context } from '../context.ts'
import type { BackupRef, Destination, Pool, Volume } from '../destinations/destination.ts'
import { cutIntoVolumes, memoryVolume } from '../destinations/volumes.ts'
import { UserError } from '../errors.ts'
import { isWhole } from '../history/pool.ts'
import type { DestinationResult } from '../result.ts'
import type { SharedPacks } from '../sources/source.ts'
import { formatBytes } from '../text/format.ts'

/** What a manifest says but the files, whose volumes differ with the limits of the place. */
export type ManifestFrame = Omit<Manifest, 'files'>

/** Adds a signature to a finished manifest; returns it as it is where no key was given. */
export type Sign = (manifest: Manifest) => Manifest

/**
 * Puts the staged files into one destination and commits them with a manifest of its own. All or nothing: when anything
 * fails, nothing of the backup shows there.
 */
export async function publish(
  context: Context,
  destination: Destination,
  backup: BackupRef,
  frame: ManifestFrame,
  staged: readonly StagedFile[],
  sign: Sign,
  packs: SharedPacks = { fresh: new Map(), again: new Set(), old: new Map() }
): Promise<DestinationResult> {
  const { pool } = destination
  const files: StoredFile[] = []
  const fresh: StoredFile[] = []
  const puts: { name: string; body: Volume; pooled: boolean }[] = []
  for (const file of staged) {
    if (pool !== undefined && packs.again.has(file.name)) continue
    const entries = pool === undefined ? undefined : packs.fresh.get(file.name)
    const pooled = entries !== undefined
    const volumes = await cutIntoVolumes(file.name, file, destination.limits.largestFile, context.signal)
    for (const volume of volumes) puts.push({ ...volume, pooled })
    const stored = {
      name: file.name,
      bytes: file.bytes,
      sha256: file.sha256,
      ...(volumes.length === 1
        ? {}
        : { volumes: volumes.map(({ name, body }) => ({ name, bytes: body.bytes, sha256: body.sha256 })) })
    }
    if (entries === undefined) files.push(stored)
    else {
      fresh.push(stored)
      // After its pack: a list never speaks of what is not there.
      const index = renderPoolIndex({
        format: 1,
        pack: stored,
        encryption: frame.encryption,
        entries: entriesOfBytes(entries)
      })
      puts.push({ name: poolIndexName(file.name), body: memoryVolume(index), pooled })
    }
  }
  const { mostFiles } = destination.limits
  if (mostFiles !== null && puts.filter(({ pooled }) => !pooled).length + 1 > mostFiles)
    throw new UserError('SB425', `The backup has ${puts.length + 1} files and ${destination.place} takes ${mostFiles}.`)
  let done = 0
  const total = puts.reduce((sum, put) => sum + put.body.bytes, 0)
  for (const { name, body, pooled } of puts) {
    context.signal.throwIfAborted()
    if (pooled && pool !== undefined) await pool.put(backup.project, name, body)
    else await destination.put(backup, name, body)
    done += body.bytes
    context.log.progress(() => `${destination.place}: ${formatBytes(done)} of ${formatBytes(total)} stored`)
  }
  context.signal.throwIfAborted()
  const old = packs.old.get(destination.name) ?? []
  if (old.length > 0 && pool !== undefined) await assertStillThere(pool, backup.project, old, destination.place)
  const shared = [...fresh, ...old]
  await pool?.protect?.(
    backup,
    shared.flatMap((pack) => [...(pack.volumes ?? [pack]).map(({ name }) => name), poolIndexName(pack.name)])
  )
  const { url } = await destination.commit(backup, renderManifest(withDigest(sign({ ...frame, files, shared }))))
  if (old.length > 0 && pool !== undefined) {
    // Whoever swept the pool in between did not know of this backup yet: without its packs it is none.
    try {
      await assertStillThere(pool, backup.project, old, destination.place)
    } catch (thrown) {
      if (thrown instanceof UserError && thrown.code === 'SB506') await destination.delete(backup)
      throw thrown
    }
  }
  return { name: destination.name, place: destination.place, stored: true, url: url ?? null }
}

/** Another run may have removed, in the meantime, packs of earlier backups that this one was made to rely on. */
async function assertStillThere(
  pool: Pool,
  project: string,
  packs: readonly StoredFile[],
  place: string
): Promise<void> {
  const listed = new Map((await pool.list(project)).map((file) => [file.name, file]))
  const gone = packs.filter((pack) => !isWhole(pack, listed))
  if (gone.length > 0)
    throw new UserError(
      'SB506',
      `${gone.length} shared packs of earlier backups were removed from ${place} while this backup was made.`,
      { remedy: 'Run the backup again: it takes the files that are missing anew.' }
    )
}
