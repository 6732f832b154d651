import type { Readable } from 'node:stream'
import type { Compression } from '../archive/compression.ts'
import type { Keys } from '../archive/encryption.ts'
import type { Manifest, StoredFile } from '../archive/manifest.ts'
import { requireSignature, type VerifyKey } from '../archive/signature.ts'
import { type OpenedBackup, openBackup } from '../archive/unpack.ts'
import type { BackupRef, Destination } from '../destinations/destination.ts'
import { joinVolumes } from '../destinations/volumes.ts'
import { UserError } from '../errors.ts'
import type { HistoryEntry } from '../history/entries.ts'
import type { Ports } from './ports.ts'

export interface FetchOptions {
  /** Folder for the fetched files, made where it is missing. */
  readonly dir: string
  readonly keys: Keys | null
  readonly compression: Compression
  /** The manifest must be signed by one of these; empty: not looked at. */
  readonly trusted: readonly VerifyKey[]
}

/** A backup in one of the places that hold it, ready to be fetched as a stranger would. */
export interface FetchableBackup {
  readonly ref: BackupRef
  readonly manifest: Manifest
  readonly destination: Destination
  readonly opened: OpenedBackup
}

/**
 * Opens a listed backup where it lies. Throws SB5xx when its signature is not what was demanded.
 *
 * @param copies all copies of the backup: where a file of this one is damaged or missing, that of another stands in.
 */
export function openEntry(
  entry: HistoryEntry,
  ports: Ports,
  options: FetchOptions,
  copies: readonly HistoryEntry[] = []
): FetchableBackup {
  const { ref, manifest } = entry
  const destination = placeOf(entry, ports)
  if (manifest === null || destination === undefined) throw new Error(`not an entry that can be opened: ${ref.id}`)
  if (entry.changed)
    throw new UserError(
      'SB501',
      `The manifest of backup ${ref.id} in ${destination.place} was changed after it was written: its digest is another one.`
    )
  if (options.trusted.length > 0) requireSignature(manifest, ref.id, options.trusted)
  const others = copies.filter((copy) => copy !== entry && copy.manifest !== null && !copy.changed)
  const opened = openBackup({
    manifest,
    dir: options.dir,
    keys: options.keys,
    compression: options.compression,
    signal: ports.context.signal,
    fetch: (file) => readFrom(destination, ref, manifest, file),
    spare: (file) =>
      others.flatMap((copy) => {
        const place = placeOf(copy, ports)
        const same = [...(copy.manifest?.files ?? []), ...(copy.manifest?.shared ?? [])].find(
          ({ name, sha256 }) => name === file.name && sha256 === file.sha256
        )
        if (place === undefined || same === undefined || copy.manifest === null) return []
        const from = copy.manifest
        return {
          open: () => readFrom(place, ref, from, same),
          using: ({ message }) =>
            ports.context.log.warning(
              `${file.name} is taken from ${place.place}, since ${destination.place} failed: ${message}`
            )
        }
      })
  })
  return { ref, manifest, destination, opened }
}

function placeOf(entry: HistoryEntry, { destinations }: Ports): Destination | undefined {
  return destinations.find((one) => one.name === entry.destination)
}

function readFrom(destination: Destination, ref: BackupRef, manifest: Manifest, file: StoredFile): Readable {
  const isShared = manifest.shared.some(({ name }) => name === file.name)
  return joinVolumes(file, (name) => {
    if (!isShared) return destination.get(ref, name)
    if (destination.pool === undefined)
      throw new UserError('SB506', `The backup needs the shared file ${name}, and ${destination.place} keeps none.`)
    return destination.pool.get(ref.project, name)
  })
}
