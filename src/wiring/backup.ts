import { describeEncryption } from '../archive/encryption.ts'
import type { Manifest, Part } from '../archive/manifest.ts'
import { createPacker } from '../archive/pack.ts'
import type { ClientPrograms } from '../clients/postgres/programs.ts'
import { runBackup } from '../commands/backup.ts'
import type { Ports } from '../commands/ports.ts'
import type { BackupInputs } from '../inputs.ts'
import type { Result } from '../result.ts'
import { type Source, sourceNames } from '../sources/source.ts'
import { freeBytesIn } from '../clients/run-folder.ts'
import { openDatabase } from './database.ts'
import { proverOf } from './prove.ts'
import type { RunPlace } from './run-command.ts'
import { compressionOf, encryptionOf, signWith } from './sealing.ts'

/** Runs `command: backup` with the real sources, packer and prover. */
export async function backup(inputs: BackupInputs, ports: Ports, place: RunPlace): Promise<Result> {
  const { context } = place
  const encryption = encryptionOf(inputs)
  const compression = await compressionOf(context, inputs.compression.method, inputs.compression.level)
  const skipped: Part[] = sourceNames
    .filter((name) => !inputs.include.sources.includes(name))
    .map((source) => ({ source, status: 'skipped', reason: inputs.include.reasons[source], counts: {} }))
  let programs: ClientPrograms | undefined
  return runBackup(
    {
      project: inputs.project,
      type: inputs.type,
      kind: kindOf(place.environment.eventName),
      plaintext: inputs.plaintext,
      encryption,
      encryptionFacts: describeEncryption(encryption),
      compression: inputs.compression.method
    },
    {
      ...ports,
      openSources: async () => {
        const sources: Source<unknown>[] = []
        let about: Manifest['source'] = {}
        if (inputs.source !== undefined) {
          const database = await openDatabase(inputs, inputs.source, context, encryption.scheme !== 'none')
          sources.push(database.source)
          about = database.about
          programs = database.programs
        }
        return { sources, skipped, about }
      },
      createPacker: (dir, onProgress) =>
        createPacker({ dir, encryption, compression, signal: context.signal, onProgress }),
      freeBytes: () => freeBytesIn(context.temp),
      prove: await proverOf(inputs, context, () => programs),
      sign: signWith(inputs.signingKey)
    }
  )
}

function kindOf(eventName: string | undefined): Manifest['kind'] {
  return eventName === 'schedule' ? 'scheduled' : 'manual'
}
