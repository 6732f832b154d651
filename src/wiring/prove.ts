import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { actionCache } from '../clients/github/action-cache.ts'
import { packagesOfExtensions } from '../clients/postgres/extension-packages.ts'
import { findClientPrograms, findServerPrograms } from '../clients/postgres/find-programs.ts'
import { installClientPrograms, installServerPrograms } from '../clients/postgres/install-programs.ts'
import type { ClientPrograms, ServerPrograms } from '../clients/postgres/programs.ts'
import type { Prove } from '../commands/ports.ts'
import { createProve } from '../commands/verify-staged.ts'
import type { Context } from '../context.ts'
import { asError, UserError } from '../errors.ts'
import type { BackupInputs, CheckSql, VerifyInputs } from '../inputs/index.ts'
import { splitStatements } from '../sources/database/pg-archive/split-statements.ts'
import { databaseProver } from '../sources/database/verify/prove-database.ts'

type ProofInputs = Pick<BackupInputs, 'pgBin' | 'jobs' | 'verifyDatabase' | 'verifyTimeoutMs' | 'checkSql'> & {
  readonly verify: BackupInputs['verify'] | VerifyInputs['verify']
}

/** More workers of pg_restore than this wait for the disk, and each takes memory. */
const mostJobs = 4

/**
 * The prover that the inputs ask for. `clientPrograms` gives those that are in use already; they are found or installed when they are needed
 * otherwise. Throws SB607 when the file of `check-sql` cannot be read: before any work.
 */
export async function proverOf(
  inputs: ProofInputs,
  context: Context,
  clientPrograms?: () => ClientPrograms | undefined
): Promise<Prove> {
  const { verify } = inputs
  const checkSql = await statementsOf(inputs.checkSql)
  return createProve(
    {
      mode: verify,
      checkSql: checkSql.length > 0,
      database: databaseProver({
        context,
        mode: verify === 'none' || verify === 'checksum' ? 'read' : verify,
        clientPrograms: async (major) => {
          const known = clientPrograms?.()
          if (known !== undefined && known.major >= major) return known
          return findClientPrograms({
            serverMajor: major,
            pgBin: inputs.pgBin,
            home: context.temp,
            signal: context.signal,
            install: (wanted) => installClientPrograms(wanted, { context, cache: actionCache(context.log) })
          })
        },
        serverPrograms: (major, extensions, client) => serverPrograms(major, extensions, client, inputs, context),
        given: inputs.verifyDatabase?.target ?? null,
        checkSql,
        timeoutMs: inputs.verifyTimeoutMs,
        jobs: Math.min(inputs.jobs ?? availableParallelism(), mostJobs)
      })
    },
    context
  )
}

async function statementsOf(checkSql: CheckSql | undefined): Promise<readonly string[]> {
  if (checkSql === undefined) return []
  if (checkSql.kind === 'statements') return checkSql.statements
  let text: string
  try {
    text = await readFile(checkSql.path, 'utf8')
  } catch (error) {
    throw new UserError(
      'SB607',
      `The file ${checkSql.path} of \`check-sql\` cannot be read: ${asError(error).message}`,
      { cause: error }
    )
  }
  const statements = splitStatements(text.replace(/^\uFEFF/, ''))
  if (statements.length === 0)
    throw new UserError('SB607', `The file ${checkSql.path} of \`check-sql\` holds no statement.`)
  return statements
}

/** A server of the major version: one that is on this machine, else installed, with the packages of extensions that are missing where they can be had. */
async function serverPrograms(
  major: number,
  extensions: readonly string[],
  client: ClientPrograms,
  inputs: ProofInputs,
  context: Context
): Promise<ServerPrograms> {
  const find = (binDir?: string) =>
    findServerPrograms(major, {
      pgBin: inputs.pgBin,
      clientBinDir: binDir ?? client.binDir,
      home: context.temp,
      signal: context.signal
    })
  const install = () => installServerPrograms(major, extensions, { context, cache: actionCache(context.log) })
  const found = await find()
  if (found !== null) {
    const lacking = lackingPackages(found, extensions)
    if (lacking.length === 0) return found
    try {
      context.log.info(`Installing packages of extensions for the proof: ${lacking.join(', ')}`)
      await install()
    } catch (thrown) {
      context.signal.throwIfAborted()
      context.log.info(`They cannot be had; what needs them is not restored: ${asError(thrown).message}`)
    }
    return found
  }
  context.log.info(`Installing a PostgreSQL ${major} server for the proof`)
  const place = await install()
  const installed = await find(place.binDir)
  if (installed === null)
    throw new UserError(
      'SB304',
      `A server of PostgreSQL ${major} was installed, but its programs are not in ${place.binDir}.`
    )
  return installed
}

/** Packages of extensions that Debian's layout of this server lacks; servers of other origins are taken as they are. */
function lackingPackages(server: ServerPrograms, extensions: readonly string[]): readonly string[] {
  if (server.binDir !== `/usr/lib/postgresql/${server.major}/bin`) return []
  const folder = `/usr/share/postgresql/${server.major}/extension`
  const missing = extensions.filter(
    (name) => /^[A-Za-z0-9_-]+$/.test(name) && !existsSync(path.join(folder, `${name}.control`))
  )
  return packagesOfExtensions(server.major, missing)
}
