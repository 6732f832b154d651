import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { keysOfPassphrase } from '../archive/encryption.ts'
import { openEntry } from '../commands/fetch-backup.ts'
import type { Ports } from '../commands/ports.ts'
import type { OpenEarlier } from '../commands/schema-diary.ts'
import type { BackupInputs } from '../inputs.ts'
import { compressionOf } from './sealing.ts'

/** Larger lists are not fetched just to name what changed. */
const mostStoredBytes = 16 * 1024 * 1024

/** Reads the list of an earlier backup that is not encrypted, or sealed with the passphrase of this run. */
export function earlierContents(inputs: BackupInputs, ports: Ports): OpenEarlier {
  const { context } = ports
  return async (entry) => {
    const { manifest } = entry
    if (manifest === null || entry.damaged || entry.changed) return undefined
    const { scheme } = manifest.encryption
    const canOpen = scheme === 'none' || (scheme === 'age-scrypt' && inputs.passphrase !== undefined)
    const file = manifest.files.find(({ name }) => name.startsWith('contents.json'))
    if (!canOpen || file === undefined || file.bytes > mostStoredBytes) return undefined
    const dir = join(context.temp, 'earlier')
    try {
      const { opened } = openEntry(entry, ports, {
        dir,
        keys: inputs.passphrase === undefined ? null : keysOfPassphrase(inputs.passphrase),
        compression: await compressionOf(context),
        trusted: []
      })
      return await opened.contents()
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }
}
