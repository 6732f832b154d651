import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Major, runOk } from '../postgres/programs.ts'
import { type PostgresOptions, type PostgresServer, startPostgres } from '../postgres/server.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))

/** The extensions that a project's server has and a stock one lacks, and what its users may create besides. */
export const projectExtensions = {
  folder: path.join(folder, 'extensions'),
  trusted: ['dblink', 'moddatetime', 'postgres_fdw'],
  // Roles of a project ask for it at the start of each session.
  libraries: ['supautils']
}

/** A server as a project has it: with stand-ins for the extensions that only the platform has. */
export function startProjectServer(
  major: Major,
  options: Omit<PostgresOptions, 'major'> = {}
): Promise<PostgresServer> {
  return startPostgres({ extensions: projectExtensions, ...options, major })
}

export interface ProjectOptions {
  /** Name of the database; made when it is not there. `postgres` when left out, as on the platform. */
  readonly database?: string
  /** Options of CREATE DATABASE where the database is made. */
  readonly create?: string
}

/** Runs files of SQL with psql, over the socket, which never asks for a password. */
export async function runFiles(
  server: PostgresServer,
  role: string,
  database: string,
  files: readonly string[],
  variables: Readonly<Record<string, string>> = {}
): Promise<void> {
  const args = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null']
  for (const [name, value] of Object.entries(variables)) args.push('-v', `${name}=${value}`)
  for (const file of files) args.push('-f', file)
  const env = { ...server.env(role, database), PGHOST: server.socketDir, PGOPTIONS: '-c client_min_messages=warning' }
  await runOk(path.join(server.binDir, 'psql'), args, { env })
}

/**
 * Makes a database look like a project that was created a moment ago, as the inventory beside this file has it
 * (test/contract/project-inventory.test.ts compares). The roles are made once a server.
 */
export async function loadProject(server: PostgresServer, options: ProjectOptions = {}): Promise<void> {
  const database = options.database ?? 'postgres'
  const file = (name: string): string => path.join(folder, 'platform', name)
  const known = await server.query(`select from pg_roles where rolname = 'anon'`)
  if (known.rowCount === 0)
    await runFiles(server, server.superuser, 'postgres', [file('roles.sql')], { password: server.password })
  const there = await server.query('select from pg_database where datname = $1', [database])
  if (there.rowCount === 0)
    await server.query(`create database "${database.replaceAll('"', '""')}" ${options.create ?? ''}`)
  await runFiles(
    server,
    server.superuser,
    database,
    ['schemas.sql', 'auth.sql', 'storage.sql', 'realtime.sql', 'grants.sql', 'event-triggers.sql'].map(file),
    { database, jwt_secret: 'secret-of-the-fixture' }
  )
}

/** Applications on the platform: `shop` uses what it offers, `workshop` is made in the ways that dumps stumble over. */
export type Application = 'shop' | 'workshop'

/** A project with an application in it: made by postgres, and by the platform where only that can. */
export async function loadApplication(
  server: PostgresServer,
  application: Application,
  database = 'postgres'
): Promise<void> {
  const file = (name: string): string => path.join(folder, 'applications', name)
  await runFiles(server, 'postgres', database, [file(`${application}.sql`)], { database })
  await runFiles(server, server.superuser, database, [file(`${application}-by-platform.sql`)], { database })
}
