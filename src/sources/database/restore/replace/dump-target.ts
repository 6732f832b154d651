import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConnectionTarget } from '../../../../clients/postgres/connection.ts'
import { libpqEnvironment } from '../../../../clients/postgres/environment.ts'
import type { ClientPrograms } from '../../../../clients/postgres/programs.ts'
import { runChild } from '../../../../clients/process/child-process.ts'
import type { Context } from '../../../../context.ts'
import { UserError } from '../../../../errors.ts'
import { dumpError } from '../../dump/dump-errors.ts'
import { type ArchiveToc, readToc } from '../../pg-archive/toc.ts'

/** The definitions of everything in the target, as pg_dump writes them. */
export async function dumpDefinitions(
  target: ConnectionTarget,
  programs: Pick<ClientPrograms, 'pgDump'>,
  context: Context,
  established: string,
  lockTimeoutMs: number
): Promise<ArchiveToc> {
  const folder = await mkdtemp(join(context.temp, 'definitions-'))
  const environment = await libpqEnvironment(target, context.temp, { established })
  try {
    const file = join(folder, 'target.dump')
    const result = await runChild({
      command: programs.pgDump,
      args: [
        '--format=custom',
        '--compress=0',
        '--schema-only',
        '--no-password',
        `--lock-wait-timeout=${lockTimeoutMs}`,
        `--file=${file}`
      ],
      env: environment.env,
      signal: context.signal
    })
    if (result.code !== 0) {
      const error = dumpError(result, result.stderr)
      throw new UserError('SB708', `The definitions of the target could not be read: ${error.message}`, {
        cause: error,
        remedy: `${error.remedy} Nothing was written: start the restore again afterwards.`
      })
    }
    const toc = readToc(await readFile(file))
    if (toc === null) throw new UserError('SB603', 'pg_dump did not finish the definitions of the target.')
    return toc
  } finally {
    await environment.dispose()
    await rm(folder, { recursive: true, force: true })
  }
}
