import { availableParallelism } from 'node:os'
import { describeEncryption, type Encryption, encryptionFor } from '../archive/encryption.ts'
import { createPacker } from '../archive/pack.ts'
import { sourceNames } from '../archive/parts.ts'
import { actionCache } from '../clients/github/action-cache.ts'
import { connect } from '../clients/postgres/connect.ts'
import { findClientPrograms } from '../clients/postgres/find-programs.ts'
import { installClientPrograms } from '../clients/postgres/install-programs.ts'
import type { ClientPrograms } from '../clients/postgres/programs.ts'
import { majorOf } from '../clients/postgres/server-version.ts'
import { freeBytesIn } from '../clients/process/run-folder.ts'
import { runBackup } from '../commands/backup.ts'
import type { Ports } from '../commands/ports.ts'
import { runRestore } from '../commands/restore.ts'
import { UserError } from '../errors.ts'
import type { RestoreInputs } from '../inputs/index.ts'
import { projectLabel } from '../inputs/project-label.ts'
import type { Result } from '../result.ts'
import { everything } from '../sources/database/catalog/selection.ts'
import { openDatabaseRestore } from '../sources/database/restore/restore-database.ts'
import { openDatabase } from './database.ts'
import { openEgressMeter } from './egress.ts'
import { managementParts } from './management.ts'
import { compressionOf, encryptionOf, keysFor, recipientsOf, signWith, trustedKeys } from './packer-encryption.ts'
import { proverOf } from './prove.ts'
import type { RunPlace } from './run-context.ts'
import { storageParts } from './storage.ts'

/** Runs `command: restore`. */
export async function restore(inputs: RestoreInputs, ports: Ports, place: RunPlace): Promise<Result> {
  const { context } = place
  const { target } = inputs
  return runRestore(
    {
      project: inputs.project,
      choice: inputs.backup,
      target: { ref: target.ref, database: target.database?.target, api: target.storage?.url },
      confirmTarget: inputs.confirmTarget,
      mode: inputs.mode,
      selection: inputs.selection,
      safetyBackup: inputs.safetyBackup,
      dryRun: inputs.dryRun,
      include: inputs.include,
      keys: await keysFor(inputs),
      compression: await compressionOf(context),
      trusted: trustedKeys(inputs.verifyKey)
    },
    {
      ...ports,
      openDatabase: (files, facts, backupId) => {
        if (target.database === undefined) throw new UserError('SB003', 'Input `target-database-url` is missing.')
        const { target: place } = target.database
        return openDatabaseRestore({
          context,
          target: place,
          files,
          facts,
          backupId,
          mode: inputs.mode,
          errors: inputs.restoreErrors,
          selection: inputs.selection,
          type: inputs.type,
          programs: () => programsFor(inputs, context, place),
          lockTimeoutMs: inputs.lockTimeoutMs,
          retries: inputs.retries,
          sessions: Math.min(inputs.jobs ?? availableParallelism(), mostSessions)
        })
      },
      parts: [...storageParts(inputs, context), ...managementParts(inputs, context)],
      backUpTarget: (project) => backUpTarget(inputs, ports, place, project),
      freeBytes: () => freeBytesIn(context.temp)
    }
  )
}

/** More sessions that bring in rows than this wait for the target, and a pooler has some fifteen to give in all. */
const mostSessions = 4

/** pg_dump for the target's version. */
async function programsFor(
  inputs: RestoreInputs,
  context: RunPlace['context'],
  target: NonNullable<RestoreInputs['target']['database']>['target']
): Promise<ClientPrograms> {
  const connection = await connect(target, {
    clock: context.clock,
    signal: context.signal,
    retries: inputs.retries,
    randomBytes: context.randomBytes
  })
  const { versionNumber } = connection
  await connection.close()
  return findClientPrograms({
    serverMajor: majorOf(versionNumber),
    serverVersionNumber: versionNumber,
    pgBin: inputs.pgBin,
    home: context.temp,
    signal: context.signal,
    install: (major) => installClientPrograms(major, { context, cache: actionCache(context.log) })
  })
}

/** Keeps the target as it is, sealed as the backup is: for the recipients or the passphrase given, else for the identities that open it. */
async function backUpTarget(
  inputs: RestoreInputs,
  ports: Ports,
  place: RunPlace,
  project: string | undefined
): Promise<Result> {
  const { context } = place
  const access = inputs.target.database
  if (access === undefined)
    throw new UserError('SB715', 'There is no target database to back up first.', {
      remedy: 'Give `target-database-url`, or write `safety-backup: false`.'
    })
  const label = project ?? projectLabel({ project: undefined, ref: inputs.target.ref, database: access.target })
  if (label === undefined) throw new UserError('SB003', 'The target has no name to keep a backup under.')
  const encryption = await sealOf(inputs)
  const compression = await compressionOf(context, inputs.compression.method, inputs.compression.level)
  const meter = openEgressMeter(undefined)
  let programs: ClientPrograms | undefined
  return runBackup(
    {
      project: label,
      type: 'full',
      kind: 'safety',
      plaintext: inputs.plaintext,
      encryption,
      encryptionFacts: describeEncryption(encryption),
      compression: inputs.compression.method
    },
    {
      ...ports,
      openSources: async () => {
        const opened = await openDatabase(
          { ...inputs, selection: everything },
          access,
          context,
          encryption.scheme !== 'none',
          { watch: meter.database.watch }
        )
        programs = opened.programs
        return {
          sources: [opened.source],
          skipped: sourceNames
            .filter((name) => name !== 'database')
            .map((source) => ({
              source,
              status: 'skipped' as const,
              reason: 'a safety backup keeps the database',
              counts: {}
            })),
          about: opened.about
        }
      },
      createPacker: (dir) => createPacker({ dir, encryption, compression, signal: context.signal }),
      freeBytes: () => freeBytesIn(context.temp),
      prove: await proverOf(
        {
          verify: 'read',
          pgBin: inputs.pgBin,
          jobs: inputs.jobs,
          verifyDatabase: undefined,
          verifyTimeoutMs: 60 * 60_000,
          checkSql: undefined
        },
        context,
        () => programs
      ),
      sign: signWith(inputs.signingKey),
      egress: meter.total
    }
  )
}

async function sealOf(inputs: RestoreInputs): Promise<Encryption> {
  const given = encryptionOf(inputs)
  if (given.scheme !== 'none' || inputs.identities.length === 0) return given
  return encryptionFor(await recipientsOf(inputs.identities))
}
