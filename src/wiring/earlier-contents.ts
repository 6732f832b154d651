import type { Ports } from '../commands/ports.ts'
import type { OpenEarlier } from '../commands/schema-changes.ts'
import type { BackupInputs } from '../inputs/index.ts'
import { withEarlier } from './earlier-backup.ts'

/** Larger lists are not fetched just to name what changed. */
const mostStoredBytes = 16 * 1024 * 1024

/** Reads the list of an earlier backup that is not encrypted, or sealed with the passphrase of this run. */
export function earlierContents({ passphrase }: BackupInputs, ports: Ports): OpenEarlier {
  return async (entry) => {
    const { manifest } = entry
    if (manifest === null || entry.damaged || entry.changed) return undefined
    const { scheme } = manifest.encryption
    const canOpen = scheme === 'none' || (scheme === 'age-scrypt' && passphrase !== undefined)
    const file = manifest.files.find(({ name }) => name.startsWith('contents.json'))
    if (!canOpen || file === undefined || file.bytes > mostStoredBytes) return undefined
    return withEarlier(entry, passphrase, ports, (opened) => opened.contents())
  }
}
