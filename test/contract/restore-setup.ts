import { createReadStream, readdirSync } from 'node:fs'
import path from 'node:path'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import {
  type DatabaseRestore,
  type DatabaseRestoreOptions,
  openDatabaseRestore
} from '../../src/sources/database/restore/restore-database.ts'
import type { PostgresServer } from '../kit/postgres/server.ts'
import type { Desk } from './database-capture-setup.ts'

/** A restore of what `capture` left in a desk's folder. */
export function restoreOf(
  kept: Desk,
  facts: DatabaseFacts,
  server: PostgresServer,
  database: string,
  options: Partial<DatabaseRestoreOptions> & { readonly user?: string; readonly port?: number } = {}
): DatabaseRestore {
  const { user = server.superuser, port = server.port, ...rest } = options
  return openDatabaseRestore({
    context: kept.context,
    target: {
      host: '127.0.0.1',
      port,
      user,
      password: server.password,
      database,
      tls: { mode: 'disable', rootCertificates: null }
    },
    files: {
      names: readdirSync(kept.folder),
      open: (name) => createReadStream(path.join(kept.folder, name), { highWaterMark: 64 * 1024 })
    },
    facts,
    backupId: '20261122T000000Z-aaaaaaaa',
    mode: 'empty',
    selection: { schemas: [], excludeSchemas: [], tables: [], excludeTables: [], excludeTableData: [] },
    programs: () =>
      Promise.resolve({
        binDir: server.binDir,
        version: `${server.major}.0`,
        major: server.major,
        minor: 0,
        pgDump: `${server.binDir}/pg_dump`,
        pgRestore: `${server.binDir}/pg_restore`,
        origin: 'test'
      }),
    lockTimeoutMs: 20_000,
    retries: 0,
    sessions: 2,
    ...rest
  })
}
