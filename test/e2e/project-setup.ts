import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { type ActionRun, runAction } from '../kit/action.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import type { PostgresServer } from '../kit/postgres/server.ts'
import { type Application, loadApplication, loadProject } from '../kit/project/load.ts'

/** A database of a server: a project, or what stands in for one. */
export interface Place {
  readonly server: PostgresServer
  readonly database: string
}

/** A folder of backups, and runs of the bundle on it with nothing but the defaults. */
export interface Desk {
  backup(source: Place, inputs?: Readonly<Record<string, string>>): Promise<ActionRun>
  restore(target: Place, inputs?: Readonly<Record<string, string>>): Promise<ActionRun>
  list(inputs?: Readonly<Record<string, string>>): Promise<ActionRun>
  stop(): Promise<void>
}

export async function openDesk(user = 'postgres'): Promise<Desk> {
  const folder = await mkdtemp(join(tmpdir(), 'sb-desk-'))
  const identity = await generateIdentity()
  const recipients = await identityToRecipient(identity)
  const runs: ActionRun[] = []
  // A runner that finds no packages: what only the source's server has cannot be installed.
  const programs = await mkdtemp(join(tmpdir(), 'sb-path-'))
  await writeFile(join(programs, 'apt-get'), '#!/bin/sh\necho "E: Unable to locate package" >&2\nexit 100\n')
  await chmod(join(programs, 'apt-get'), 0o755)
  async function run(inputs: Readonly<Record<string, string>>): Promise<ActionRun> {
    const done = await runAction({
      inputs: { destinations: 'folder', folder, project: 'project', ...inputs },
      env: { PATH: `${programs}:${process.env['PATH'] ?? '/usr/bin:/bin'}` }
    })
    runs.push(done)
    return done
  }
  return {
    backup: ({ server, database }, inputs = {}) =>
      run({
        recipients,
        'database-url': server.url(user, database),
        'pg-bin': binDirOf(server.major),
        ...inputs
      }),
    restore: ({ server, database }, inputs = {}) =>
      run({
        command: 'restore',
        identity,
        'target-database-url': server.url(user, database),
        'confirm-target': `127.0.0.1/${database}`,
        'pg-bin': binDirOf(server.major),
        ...inputs
      }),
    list: (inputs = {}) => run({ command: 'list', ...inputs }),
    async stop() {
      for (const one of runs) await one.cleanUp()
      for (const one of [folder, programs]) await rm(one, { recursive: true, force: true })
    }
  }
}

/** Databases with ICU as their provider, as newer projects are made. */
export const withIcu = `template template0 locale_provider icu icu_locale 'en-US' lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8'`

/** A project in a database of its own: new, or with an application in it. */
export async function makeProject(
  server: PostgresServer,
  database: string,
  application?: Application,
  create = application === 'workshop' ? withIcu : 'template template0'
): Promise<Place> {
  await loadProject(server, { database, create })
  if (application !== undefined) await loadApplication(server, application, database)
  return { server, database }
}

/** The statements of `pg_dump --schema-only`, without comments and settings, sorted. */
export async function schemaOf({ server, database }: Place): Promise<string[]> {
  const dumped = await server.run('pg_dump', ['--schema-only', '--no-publications', '--restrict-key=x'], {
    user: server.superuser,
    database
  })
  if (dumped.code !== 0) throw new Error(dumped.stderr)
  return dumped.stdout
    .toString()
    .split(/\n(?=-- Name: )/)
    .map((part) =>
      part
        .split('\n')
        .filter((line) => line !== '' && !/^(--|SET |\\(un)?restrict )/.test(line))
        .join('\n')
    )
    .filter((part) => part !== '')
    .sort()
}

/** Rows of every table that is no member of the catalog, counted and hashed by a statement that knows nothing of the product. */
export async function rowsOf({ server, database }: Place): Promise<Map<string, string>> {
  const { rows } = await server.query(
    `select format('%I.%I', n.nspname, c.relname) as name, (xpath('/row/x/text()', query_to_xml(format(
        'select count(*) || '' '' || coalesce(md5(string_agg(md5(t::text), '''' order by md5(t::text))), ''-'') as x from only %I.%I t',
        n.nspname, c.relname), false, true, '')))[1]::text as content
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'm') and c.relispopulated and n.nspname !~ '^(pg_|information_schema)' order by 1`,
    [],
    undefined,
    database
  )
  return new Map(rows.map((row: { name: string; content: string }) => [row.name, row.content]))
}

/** Lines that only one of two lists has. */
export function onlyIn(left: readonly string[], right: readonly string[]): string[] {
  const known = new Set(right)
  return left.filter((line) => !known.has(line))
}
