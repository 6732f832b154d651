import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import type { AddFile } from '../../src/archive/files.ts'
import { connect } from '../../src/clients/postgres/connect.ts'
import type { Connection } from '../../src/clients/postgres/connection.ts'
import { systemClock, systemRandomBytes } from '../../src/clients/process/system.ts'
import type { Context } from '../../src/context.ts'
import { everything } from '../../src/sources/database/catalog/selection.ts'
import {
  type DatabaseSource,
  type DatabaseSourceOptions,
  openDatabaseSource
} from '../../src/sources/database/dump/capture.ts'
import { compareDatabase, readDatabaseState } from '../../src/sources/database/dump/database-state.ts'
import { beginReading, sessionSettings } from '../../src/sources/database/dump/snapshot.ts'
import type { Captured, Finding } from '../../src/sources/source.ts'
import type { PostgresServer } from '../kit/postgres/server.ts'

/** A folder with a context in it, and what was logged. */
export interface Desk {
  readonly context: Context
  readonly folder: string
  readonly warnings: string[]
  readonly progress: string[]
  readonly abort: AbortController
  remove(): Promise<void>
}

export async function openDesk(): Promise<Desk> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sb-database-'))
  const warnings: string[] = []
  const progress: string[] = []
  const abort = new AbortController()
  return {
    folder,
    warnings,
    progress,
    abort,
    context: {
      clock: systemClock,
      randomBytes: systemRandomBytes,
      signal: abort.signal,
      temp: folder,
      log: {
        info: () => undefined,
        debug: () => undefined,
        warning: (message) => warnings.push(message),
        progress: (message) => progress.push(message()),
        group: (_, work) => work()
      }
    },
    remove: () => rm(folder, { recursive: true, force: true })
  }
}

/** Writes each file as it is: the simplest thing that keeps to the contract of `AddFile`. */
export function plainPacker(folder: string, signal: AbortSignal): AddFile {
  return async (name, content) => {
    const file = path.join(folder, name)
    if ('bytes' in content) {
      const chunks: Uint8Array[] = []
      for await (const chunk of content.bytes) chunks.push(chunk)
      await writeFile(file, Buffer.concat(chunks))
    } else {
      const stage = new AbortController()
      const producer = content.start('pipe', AbortSignal.any([signal, stage.signal]))
      if (producer.stdout === null) throw new Error('no standard output')
      try {
        await Promise.all([pipeline(producer.stdout, createWriteStream(file)), producer.done])
      } catch (error) {
        stage.abort(error)
        await rm(file, { force: true })
        throw await producer.done.then(
          () => error,
          (reason: unknown) => reason
        )
      }
    }
    return { storedName: name, plainBytes: null, storedBytes: 0, sha256: '' }
  }
}

export interface CaptureOptions extends Partial<DatabaseSourceOptions> {
  readonly user?: string
  readonly port?: number
  readonly pgDump?: string
}

export function openSource(
  desk: Desk,
  server: PostgresServer,
  database: string,
  options: CaptureOptions = {}
): DatabaseSource {
  const { user = server.superuser, port = server.port, pgDump = `${server.binDir}/pg_dump`, ...rest } = options
  return openDatabaseSource({
    context: desk.context,
    target: {
      host: '127.0.0.1',
      port,
      user,
      password: server.password,
      database,
      tls: { mode: 'disable', rootCertificates: null }
    },
    ref: null,
    programs: {
      binDir: server.binDir,
      version: `${server.major}.0`,
      major: server.major,
      minor: 0,
      pgDump,
      pgRestore: `${server.binDir}/pg_restore`,
      origin: 'test'
    },
    selection: everything,
    lockTimeoutMs: 20_000,
    retries: 1,
    hashLimitBytes: null,
    vault: false,
    ...rest
  })
}

export async function capture(
  desk: Desk,
  server: PostgresServer,
  database: string,
  options: CaptureOptions = {}
): Promise<Captured<DatabaseFacts>> {
  const source = openSource(desk, server, database, options)
  try {
    return await source.capture(plainPacker(desk.folder, desk.abort.signal), desk.abort.signal)
  } finally {
    await source.close()
  }
}

export async function openReading(server: PostgresServer, database: string): Promise<Connection> {
  const connection = await openConnection(server, database)
  await beginReading(connection, 20_000)
  return connection
}

export function openConnection(server: PostgresServer, database: string): Promise<Connection> {
  return connect(
    {
      host: '127.0.0.1',
      port: server.port,
      user: server.superuser,
      password: server.password,
      database,
      tls: { mode: 'disable', rootCertificates: null }
    },
    { clock: systemClock, signal: new AbortController().signal, retries: 0 }
  )
}

/** Restores what `capture` wrote into a new database of a server and compares it with the facts. */
export async function restoreAndCompare(
  desk: Desk,
  server: PostgresServer,
  facts: DatabaseFacts,
  copy = 'copy'
): Promise<Finding[]> {
  await restore(desk, server, copy)
  return compareWith(server, facts, copy)
}

export async function restore(desk: Desk, server: PostgresServer, copy: string): Promise<void> {
  await server.query(`drop database if exists "${copy}" with (force)`)
  await server.query(`create database "${copy}" template template0`)
  const restored = await server.run('pg_restore', ['--dbname', copy, path.join(desk.folder, 'database.dump')])
  if (restored.code !== 0) throw new Error(`pg_restore: ${restored.stderr}`)
}

/** Makes a copy of a restored database, changes it and compares it with the facts. */
export async function damageAndCompare(
  server: PostgresServer,
  facts: DatabaseFacts,
  restored: string,
  change: string
): Promise<Finding[]> {
  await server.query('drop database if exists damaged with (force)')
  await server.query(`create database damaged template "${restored}"`)
  await server.query(change, [], server.superuser, 'damaged')
  return compareWith(server, facts, 'damaged')
}

/** Changes a restored database in a transaction, compares it there with the facts, and takes the change back. */
export async function damageInTransaction(
  server: PostgresServer,
  facts: DatabaseFacts,
  restored: string,
  change: string
): Promise<Finding[]> {
  const connection = await openConnection(server, restored)
  try {
    const settings = sessionSettings(connection.versionNumber, 20_000).map(
      ([name, value]) => `set local ${name} = '${value}'`
    )
    await connection.query(['begin', change, ...settings].join('; '))
    return compareDatabase(facts, await readDatabaseState(connection, facts, systemClock))
  } finally {
    await connection.close()
  }
}

async function compareWith(server: PostgresServer, facts: DatabaseFacts, copy: string): Promise<Finding[]> {
  const connection = await openReading(server, copy)
  try {
    return compareDatabase(facts, await readDatabaseState(connection, facts, systemClock))
  } finally {
    await connection.close()
  }
}
