import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { countReceived } from '../../src/clients/network/received-bytes.ts'
import { connect } from '../../src/clients/postgres/connect.ts'
import type { ConnectionTarget } from '../../src/clients/postgres/connection.ts'
import { libpqEnvironment } from '../../src/clients/postgres/environment.ts'
import { openRelay } from '../../src/clients/postgres/relay.ts'
import { type ChildExit, runChild, startChild } from '../../src/clients/process/child-process.ts'
import { systemClock } from '../../src/clients/process/system.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { startProxy } from '../kit/proxy.ts'

/** Each dump has a random word of its own around it. */
const withoutToken = (dump: string): string => dump.replaceAll(/^\\(?:un)?restrict .*$/gm, '')

const never = new AbortController().signal

describe.each(['plain', 'TLS'] as const)('a relay, %s', (kind) => {
  let temp: string
  let server: PostgresServer
  /** Between the relay and the server: what it passed on is what the relay must have counted. */
  let wire: Awaited<ReturnType<typeof startProxy>>
  let target: ConnectionTarget

  beforeAll(async () => {
    temp = await mkdtemp(path.join(tmpdir(), 'sb-relay-'))
    server = await startPostgres({ major: 15, ...(kind === 'TLS' ? { tls: {} } : {}) })
    await server.query(
      'create table big as select g, repeat(md5(g::text), 20) as t from generate_series(1, 15000) g',
      [],
      undefined,
      'postgres'
    )
    wire = await startProxy({ target: { port: server.port } })
    target = {
      host: 'localhost',
      port: wire.port,
      user: 'supabase_admin',
      password: undefined,
      database: 'postgres',
      tls:
        server.caFile === undefined
          ? { mode: 'disable', rootCertificates: null }
          : { mode: 'verify-full', rootCertificates: await readFile(server.caFile, 'utf8') }
    }
  })
  afterAll(async () => {
    await wire.close()
    await server.stop()
    await rm(temp, { recursive: true, force: true })
  })

  /** The dump of the table by way of the relay, as it comes or slowly. */
  async function dump(
    relayPort: number,
    readSlowly = false
  ): Promise<{ exit: ChildExit; bytes: number; text: string }> {
    const { env, dispose } = await libpqEnvironment(target, temp, { relayPort })
    try {
      const child = startChild({
        command: `${binDirOf(15)}/pg_dump`,
        args: ['--data-only', '--table=big'],
        env,
        stdout: 'pipe',
        signal: never
      })
      const chunks: Buffer[] = []
      for await (const chunk of child.stdout ?? []) {
        chunks.push(chunk as Buffer)
        if (readSlowly && chunks.length % 20 === 0) await systemClock.sleep(5)
      }
      const text = Buffer.concat(chunks).toString()
      return { exit: await child.done, bytes: text.length, text }
    } finally {
      await dispose()
    }
  }

  test.each([false, true])(
    'a program gets every byte, and the counter has those that the wire carried (slowly: %s)',
    async (slowly) => {
      const direct = await runChild({
        command: `${binDirOf(15)}/pg_dump`,
        args: ['--data-only', '--table=big', `--dbname=${server.url('supabase_admin', 'postgres')}`],
        env: { PATH: process.env['PATH'] ?? '' },
        maxOutput: 1e9,
        signal: never
      })
      const received = countReceived()
      const before = wire.bytes.down
      const relay = await openRelay({ target, signal: never, watch: received.watch })
      const relayed = await dump(relay.port, slowly)
      await relay.close()
      expect(relayed.exit.code).toBe(0)
      expect(withoutToken(relayed.text) === withoutToken(direct.stdout)).toBe(true)
      // A program that closes TLS does not wait for the server's word of that.
      expect(wire.bytes.down - before - received.bytes).toBeLessThanOrEqual(kind === 'TLS' ? 64 : 0)
      expect(received.bytes).toBeLessThanOrEqual(wire.bytes.down - before)
      expect(received.bytes).toBeGreaterThan(relayed.bytes)
    }
  )

  test('our own connections are counted to the byte, TLS included', async () => {
    const received = countReceived()
    const before = wire.bytes.down
    const connection = await connect(target, { clock: systemClock, signal: never, retries: 0, watch: received.watch })
    await connection.query('select * from public.big limit 6000')
    const open = received.bytes
    await connection.close()
    expect(open).toBeGreaterThan(3_000_000)
    expect(received.bytes).toBe(wire.bytes.down - before)
  })

  test('a connection that breaks is broken for the program, too; a closed relay leads nowhere', async () => {
    const received = countReceived()
    const relay = await openRelay({ target, signal: never, watch: received.watch })
    wire.cutAfter(1_000_000)
    const broken = await dump(relay.port)
    expect(broken.exit.code).not.toBe(0)
    expect(received.bytes).toBeGreaterThan(900_000)
    await relay.close()
    await relay.close()
    expect((await dump(relay.port)).exit.stderr).toContain('Connection refused')
  })
})
