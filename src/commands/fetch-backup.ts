import type { Compression } from '../archive/compression.ts'
import type { Keys } from '../archive/encryption.ts'
import type { Manifest } from '../archive/manifest.ts'
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

/** Opens a listed backup where it lies. Throws SB5xx when its signature is not what was demanded. */
export function openEntry(entry: HistoryEntry, ports: Ports, options: FetchOptions): FetchableBackup {
  const { ref, manifest } = entry
  const destination = ports.destinations.find((one) => one.name === entry.destination)
  if (manifest === null || destination === undefined) throw new Error(`not an entry that can be opened: ${ref.id}`)
  if (entry.changed)
    throw new UserError(
      'SB501',
      `The manifest of backup ${ref.id} in ${destination.place} was changed after it was written: its digest is another one.`
    )
  if (options.trusted.length > 0) requireSignature(manifest, ref.id, options.trusted)
  const shared = new Set(manifest.shared.map((file) => file.name))
  const opened = openBackup({
    manifest,
    dir: options.dir,
    keys: options.keys,
    compression: options.compression,
    signal: ports.context.signal,
    fetch: (file) =>
      joinVolumes(file, (name) => {
        if (!shared.has(file.name)) return destination.get(ref, name)
        if (destination.pool === undefined)
          throw new UserError('SB506', `The backup needs the shared file ${name}, and ${destination.place} keeps none.`)
        return destination.pool.get(ref.project, name)
      })
  })
  return { ref, manifest, destination, opened }
}
