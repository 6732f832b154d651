import type { Manifest } from '../archive/manifest.ts'
import { actionCache } from '../clients/github/action-cache.ts'
import { connect } from '../clients/postgres/connect.ts'
import { findClientPrograms } from '../clients/postgres/find-programs.ts'
import { installClientPrograms } from '../clients/postgres/install-programs.ts'
import type { ClientPrograms } from '../clients/postgres/programs.ts'
import { majorOf } from '../clients/postgres/server-version.ts'
import type { Context } from '../context.ts'
import type { BackupInputs, DatabaseAccess } from '../inputs/index.ts'
import {
  type DatabaseSource,
  type DatabaseSourceOptions,
  openDatabaseSource
} from '../sources/database/dump/capture.ts'

/** Larger tables are counted, not hashed: hashing reads the table once more. */
const hashLimitBytes = 20 * 1024 ** 3

export interface OpenedDatabase {
  readonly source: DatabaseSource
  readonly programs: ClientPrograms
  readonly about: Manifest['source']
  readonly serverMajor: number
}

/**
 * Asks the server for its version, finds or installs the programs that serve it, and opens the source. The connection that
 * asks comes first: a password that is wrong is tried once, never again by a program.
 */
export async function openDatabase(
  inputs: Pick<BackupInputs, 'retries' | 'pgBin' | 'selection' | 'lockTimeoutMs'>,
  access: DatabaseAccess,
  context: Context,
  encrypted: boolean,
  hooks: Pick<DatabaseSourceOptions, 'watch' | 'inSnapshot'>
): Promise<OpenedDatabase> {
  const connection = await connect(access.target, {
    clock: context.clock,
    signal: context.signal,
    retries: inputs.retries,
    randomBytes: context.randomBytes,
    ...(hooks.watch === undefined ? {} : { watch: hooks.watch }),
    onRetry: (error, waitMs) => context.log.info(`${error.message} Trying again in ${Math.round(waitMs / 1000)} s.`)
  })
  const { version, versionNumber, tls } = connection
  await connection.close()
  const serverMajor = majorOf(versionNumber)
  context.log.info(`Connected: PostgreSQL ${version}, TLS: ${tls}`)
  const programs = await findClientPrograms({
    serverMajor,
    serverVersionNumber: versionNumber,
    pgBin: inputs.pgBin,
    home: context.temp,
    signal: context.signal,
    install: (major) => installClientPrograms(major, { context, cache: actionCache(context.log) })
  })
  context.log.info(`pg_dump ${programs.version} (${programs.origin})`)
  for (const warning of programs.warnings ?? []) context.log.warning(warning)
  const source = openDatabaseSource({
    context,
    target: access.target,
    ref: access.ref ?? null,
    programs,
    selection: inputs.selection,
    lockTimeoutMs: inputs.lockTimeoutMs,
    retries: inputs.retries,
    hashLimitBytes,
    vault: encrypted,
    ...hooks
  })
  return { source, programs, about: { serverVersion: version, clientVersion: programs.version, tls }, serverMajor }
}
