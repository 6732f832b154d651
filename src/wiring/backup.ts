import { describeEncryption } from '../archive/encryption.ts'
import type { Manifest, Part } from '../archive/manifest.ts'
import { createPacker } from '../archive/pack.ts'
import { sourceNames } from '../archive/parts.ts'
import type { ClientPrograms } from '../clients/postgres/programs.ts'
import { freeBytesIn } from '../clients/process/run-folder.ts'
import { runBackup } from '../commands/backup.ts'
import type { Ports } from '../commands/ports.ts'
import type { BackupInputs } from '../inputs/index.ts'
import type { Result } from '../result.ts'
import type { Source } from '../sources/source.ts'
import { openDatabase } from './database.ts'
import { earlierContents } from './earlier-contents.ts'
import { openEgressMeter } from './egress.ts'
import { healthAfter, type OpenedProject, openProject, withPoolerRemedy } from './management.ts'
import { compressionOf, encryptionOf, signWith } from './packer-encryption.ts'
import { proverOf } from './prove.ts'
import type { RunPlace } from './run-context.ts'
import { openStorage } from './storage.ts'

/** Runs `command: backup` with the real sources, packer and prover. */
export async function backup(inputs: BackupInputs, ports: Ports, place: RunPlace): Promise<Result> {
  const { context } = place
  const encryption = encryptionOf(inputs)
  const compression = await compressionOf(context, inputs.compression.method, inputs.compression.level)
  const skipped: Part[] = sourceNames
    .filter((name) => !inputs.include.sources.includes(name))
    .map((source) => ({
      source,
      status: inputs.include.lacking.includes(source) ? 'impossible' : 'skipped',
      reason: inputs.include.reasons[source],
      counts: {}
    }))
  const meter = openEgressMeter(inputs.management?.url)
  let programs: ClientPrograms | undefined
  let project: OpenedProject | undefined
  const result = await runBackup(
    {
      project: inputs.project,
      type: inputs.type,
      kind: kindOf(place.environment.eventName),
      plaintext: inputs.plaintext,
      encryption,
      encryptionFacts: describeEncryption(encryption),
      compression: inputs.compression.method,
      shrinkLimit: inputs.shrinkLimit,
      ...(inputs.egressBudget === undefined ? {} : { egressBudget: inputs.egressBudget }),
      acceptRecipients: inputs.acceptRecipients,
      canaryWords: inputs.canaryWords,
      ...(inputs.acknowledge === undefined ? {} : { acknowledge: inputs.acknowledge }),
      ...(inputs.keep === undefined ? {} : { keep: inputs.keep })
    },
    {
      ...ports,
      openSources: async (destinations, earlier) => {
        // First of all: a project that is paused is told as that, not as a database that does not answer.
        project = await openProject(inputs, context, encryption.scheme !== 'none')
        const storage = await openStorage(
          inputs,
          destinations,
          encryption,
          project?.management,
          earlier,
          ports,
          meter.storage.watch
        )
        const sources: Source<unknown>[] = []
        let about: Manifest['source'] = {}
        const access = inputs.source
        if (access !== undefined) {
          const database = await withPoolerRemedy(project, () =>
            openDatabase(inputs, access, context, encryption.scheme !== 'none', {
              watch: meter.database.watch,
              inSnapshot: (connection) => storage?.listIn(connection) ?? Promise.resolve()
            })
          )
          sources.push(database.source)
          about = database.about
          programs = database.programs
        }
        if (storage !== undefined) sources.push(storage)
        sources.push(...(project?.sources ?? []))
        return { sources, skipped, about }
      },
      createPacker: (dir) => createPacker({ dir, encryption, compression, signal: context.signal }),
      freeBytes: () => freeBytesIn(context.temp),
      prove: await proverOf(inputs, context, () => programs),
      sign: signWith(inputs.signingKey),
      egress: meter.total,
      openEarlier: earlierContents(inputs, ports)
    }
  )
  meter.close()
  const fallen = await healthAfter(project, context.signal)
  return fallen.length === 0 ? result : { ...result, warnings: [...result.warnings, ...fallen] }
}

function kindOf(eventName: string | undefined): Manifest['kind'] {
  return eventName === 'schedule' ? 'scheduled' : 'manual'
}
