import { type Manifest, renderManifest, type StoredFile, withDigest } from '../archive/manifest.ts'
import type { StagedFile } from '../archive/pack.ts'
import type { Context } from '../context.ts'
import type { BackupRef, Destination, Volume } from '../destinations/destination.ts'
import { cutIntoVolumes } from '../destinations/volumes.ts'
import { UserError } from '../errors.ts'
import type { DestinationResult } from '../result.ts'
import { formatBytes } from '../ui/format.ts'

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
  sign: Sign
): Promise<DestinationResult> {
  const files: StoredFile[] = []
  const puts: { name: string; body: Volume }[] = []
  for (const file of staged) {
    const volumes = await cutIntoVolumes(file.name, file, destination.limits.largestFile, context.signal)
    for (const volume of volumes) puts.push(volume)
    files.push({
      name: file.name,
      bytes: file.bytes,
      sha256: file.sha256,
      ...(volumes.length === 1
        ? {}
        : { volumes: volumes.map(({ name, body }) => ({ name, bytes: body.bytes, sha256: body.sha256 })) })
    })
  }
  const { mostFiles } = destination.limits
  if (mostFiles !== null && puts.length + 1 > mostFiles)
    throw new UserError('SB406', `The backup has ${puts.length + 1} files and ${destination.place} takes ${mostFiles}.`)
  let done = 0
  const total = puts.reduce((sum, put) => sum + put.body.bytes, 0)
  for (const { name, body } of puts) {
    context.signal.throwIfAborted()
    await destination.put(backup, name, body)
    done += body.bytes
    context.log.progress(() => `${destination.place}: ${formatBytes(done)} of ${formatBytes(total)} stored`)
  }
  context.signal.throwIfAborted()
  const { url } = await destination.commit(backup, renderManifest(withDigest(sign({ ...frame, files }))))
  return { name: destination.name, place: destination.place, stored: true, url: url ?? null }
}
