import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { PostgresServer } from '../test/kit/postgres/server.ts'
import { prepareRun } from './demo-action.ts'

/** One way to back a database up. */
export interface Way {
  readonly name: string
  /** Prepares a run into `folder`: the script and its environment. What it stores lies in `<folder>/stored`. */
  prepare(database: string, folder: string): Promise<{ script: string; env: Readonly<Record<string, string>> }>
}

/** The schemas that `supabase db dump` leaves out of schema and data (supabase/cli, pkg/migration/dump.go). */
const notInSchema =
  'information_schema|pg_*|_analytics|_realtime|_supavisor|auth|etl|extensions|pgbouncer|realtime|storage|supabase_functions|supabase_migrations|cron|dbdev|graphql|graphql_public|net|pgmq|pgsodium|pgsodium_masks|pgtle|repack|tiger|tiger_data|timescaledb_*|_timescaledb_*|topology|vault'
const notInData =
  'information_schema|pg_*|graphql|graphql_public|pgsodium|pgsodium_masks|pgtle|repack|tiger|tiger_data|timescaledb_*|_timescaledb_*|topology|vault|etl|extensions|pgbouncer|realtime|supabase_migrations|_analytics|_realtime|_supavisor'

export interface WaysOptions {
  readonly server: PostgresServer
  readonly recipient: string
  /** Adds the whole backup with its proof by restoring. */
  readonly proof: boolean
  /** Adds what people use today. */
  readonly others: boolean
  /** The file that is run as the action. */
  readonly bundle: string
}

/** All ways, the floor first. */
export function waysOf(options: WaysOptions): readonly Way[] {
  const { server } = options
  const dump = `${server.binDir}/pg_dump`
  const plain = (name: string, script: string): Way => ({
    name,
    async prepare(database, folder) {
      await rm(path.join(folder, 'stored'), { recursive: true, force: true })
      return { script: `mkdir stored; ${script}`, env: server.env(server.superuser, database) }
    }
  })
  const ours = (name: string, verify: string): Way => ({
    name,
    async prepare(database, folder) {
      await rm(folder, { recursive: true, force: true })
      const { env } = await prepareRun({
        folder,
        inputs: {
          'database-url': server.url(server.superuser, database, '127.0.0.1'),
          project: 'bench',
          destinations: 'folder',
          folder: path.join(folder, 'stored'),
          recipients: options.recipient,
          compression: 'zstd',
          verify,
          'pg-bin': server.binDir
        }
      })
      return { script: `"${process.execPath}" "${options.bundle}" >&2`, env }
    }
  })
  return [
    plain('pg_dump -Fc -Z0 > /dev/null (floor)', `"${dump}" -Fc -Z0 >/dev/null`),
    ours('supabase-backup, verify: none', 'none'),
    ...(options.proof ? [ours('supabase-backup, verify: restore', 'restore')] : []),
    ...(options.others ? others() : [])
  ]

  function others(): Way[] {
    return [
      plain('pg_dump -Fc', `"${dump}" -Fc -f stored/dump`),
      plain('pg_dump | gzip', `"${dump}" | gzip >stored/dump.sql.gz`),
      plain(
        'roles, schema, data as the Supabase CLI',
        [
          `"${server.binDir}/pg_dumpall" --roles-only --quote-all-identifier --no-role-passwords --no-comments >stored/roles.sql`,
          `"${dump}" --schema-only --quote-all-identifier --exclude-schema '${notInSchema}' >stored/schema.sql`,
          `"${dump}" --data-only --quote-all-identifier --exclude-schema '${notInData}' --schema '*' >stored/data.sql`
        ].join(' && ')
      )
    ]
  }
}
