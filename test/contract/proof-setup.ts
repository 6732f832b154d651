import { createReadStream, existsSync } from 'node:fs'
import { chmod, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { findServerPrograms } from '../../src/clients/postgres/find-programs.ts'
import type { ClientPrograms } from '../../src/clients/postgres/programs.ts'
import { UserError } from '../../src/errors.ts'
import {
  type DatabaseProof,
  type DatabaseProverOptions,
  databaseProver
} from '../../src/sources/database/verify/prove-database.ts'
import { binDirOf, type Major } from '../kit/postgres/programs.ts'
import type { Desk } from './database-capture-setup.ts'

/** pg_dump and pg_restore of the test parts; `pgRestore` takes the place of the real one. */
export function clientOf(major: Major, pgRestore = `${binDirOf(major)}/pg_restore`): ClientPrograms {
  return {
    binDir: binDirOf(major),
    version: `${major}.0`,
    major,
    minor: 0,
    pgDump: `${binDirOf(major)}/pg_dump`,
    pgRestore,
    origin: 'test'
  }
}

/** Proves what `capture` left on the desk, as `backup` does. */
export function prove(
  desk: Desk,
  facts: DatabaseFacts,
  major: Major,
  options: Partial<DatabaseProverOptions> = {}
): Promise<DatabaseProof> {
  const rows = path.join(desk.folder, 'extension-rows.tar')
  return proverOf(desk, major, options)(
    () => createReadStream(path.join(desk.folder, 'database.dump')),
    facts,
    undefined,
    () => (existsSync(rows) ? createReadStream(rows) : null)
  )
}

/** Restores into a server of the test parts. */
export function proverOf(
  { context }: Desk,
  major: Major,
  options: Partial<DatabaseProverOptions> = {}
): ReturnType<typeof databaseProver> {
  return databaseProver({
    context,
    mode: 'restore',
    clientPrograms: async () => clientOf(major),
    serverPrograms: async (wanted) => {
      const found = await findServerPrograms(wanted, {
        pgBin: binDirOf(major),
        home: context.temp,
        signal: context.signal,
        places: []
      })
      if (found === null) throw new UserError('SB304', 'no server')
      return found
    },
    given: null,
    checkSql: [],
    jobs: 2,
    timeoutMs: 600_000,
    ...options
  })
}

/** A pg_restore that restores rightly and then runs `sql` on the copy: a restore that changes something. */
export async function damagingRestore(desk: Desk, major: Major, sql: string): Promise<string> {
  const real = binDirOf(major)
  const script = path.join(desk.folder, 'pg_restore')
  await writeFile(`${script}.sql`, sql)
  await writeFile(
    script,
    `#!/bin/sh
"${real}/pg_restore" "$@"
code=$?
# 1: it went on after errors, which a narrowed backup may have.
[ $code -le 1 ] || exit $code
unset PGOPTIONS
"${real}/psql" -X -q -v ON_ERROR_STOP=1 -o /dev/null -f "${script}.sql" || exit 9
exit $code
`
  )
  await chmod(script, 0o755)
  return script
}

/** What a proof left in its folder besides what `capture` and the test put there. */
export async function leftovers(desk: Desk): Promise<string[]> {
  const own = new Set([
    'database.dump',
    'roles.sql',
    'vault.json',
    'extension-rows.tar',
    'pg_restore',
    'pg_restore.sql'
  ])
  return (await readdir(desk.folder)).filter((name) => !own.has(name))
}
