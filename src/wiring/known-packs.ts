import { describeEncryption, type Encryption } from '../archive/encryption.ts'
import { splitStoredName } from '../archive/stored-names.ts'
import type { Ports } from '../commands/ports.ts'
import type { Destination, Pool } from '../destinations/destination.ts'
import { asError, UserError } from '../errors.ts'
import type { HistoryEntry } from '../history/entries.ts'
import { type KnownPacks, newestWithPacks, readKnownPacks, reliablePacks } from '../history/pool.ts'
import { withEarlier } from './earlier-backup.ts'

/**
 * What a new backup may rely on in the pool of one place. What cannot be read there is a warning: everything is stored again. `earlier`: the project's
 * backups in all places.
 */
export async function knownPacks(
  destination: Destination,
  pool: Pool,
  project: string,
  encryption: Encryption,
  earlier: readonly HistoryEntry[],
  ports: Ports
): Promise<KnownPacks> {
  const { context } = ports
  try {
    const sealing = {
      ...describeEncryption(encryption),
      samePassphrase:
        encryption.scheme === 'age-scrypt'
          ? await openedBy(encryption.passphrase, destination, earlier, ports)
          : new Set<string>()
    }
    const here = earlier.filter((one) => one.destination === destination.name)
    return await readKnownPacks(pool, project, sealing, reliablePacks(here))
  } catch (thrown) {
    if (!(thrown instanceof UserError) || context.signal.aborted) throw thrown
    context.log.warning(
      `What ${destination.place} holds of earlier backups cannot be read, so that every Storage file is stored again: ${asError(thrown).message}`
    )
    return { find: () => undefined }
  }
}

/**
 * Packs that a passphrase opens: those of the newest backup that has some, if it opens that backup. Whatever a backup relies on was made with its own
 * passphrase, or found in this way with the same.
 */
async function openedBy(
  passphrase: string,
  destination: Destination,
  earlier: readonly HistoryEntry[],
  ports: Ports
): Promise<ReadonlySet<string>> {
  const { context } = ports
  const entry = newestWithPacks(earlier.filter((one) => one.destination === destination.name))
  const smallest = entry?.manifest?.files
    .filter(({ name }) => splitStoredName(name).encrypted)
    .sort((a, b) => a.bytes - b.bytes)
    .at(0)
  if (entry === undefined || smallest === undefined) return new Set()
  try {
    const { plainName } = splitStoredName(smallest.name)
    await withEarlier(entry, passphrase, ports, async (opened) => {
      await opened.fetch([plainName])
      for await (const _ of opened.files.open(plainName)) break
    })
    return new Set(entry.manifest?.shared.map(({ name }) => name))
  } catch (thrown) {
    if (!(thrown instanceof UserError) || thrown.code !== 'SB502') throw thrown
    context.log.info(
      `${destination.place}: the passphrase is not that of backup ${entry.ref.id}, so that every Storage file is stored again.`
    )
    return new Set()
  }
}
