import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { keysOfPassphrase } from '../archive/encryption.ts'
import type { OpenedBackup } from '../archive/unpack.ts'
import { openEntry } from '../commands/fetch-backup.ts'
import type { Ports } from '../commands/ports.ts'
import type { HistoryEntry } from '../history/entries.ts'
import { compressionOf } from './packer-encryption.ts'

/** Opens an earlier backup with what a backup run has: nothing, or its passphrase. What was fetched of it is removed at the end. */
export async function withEarlier<T>(
  entry: HistoryEntry,
  passphrase: string | undefined,
  ports: Ports,
  use: (opened: OpenedBackup) => Promise<T>
): Promise<T> {
  const { context } = ports
  const dir = join(context.temp, 'earlier')
  try {
    const { opened } = openEntry(entry, ports, {
      dir,
      keys: passphrase === undefined ? null : keysOfPassphrase(passphrase),
      compression: await compressionOf(context),
      trusted: []
    })
    return await use(opened)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
