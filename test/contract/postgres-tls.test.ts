import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/clients/postgres/connect.ts'
import type { ConnectionTarget } from '../../src/clients/postgres/connection.ts'
import { libpqEnvironment } from '../../src/clients/postgres/environment.ts'
import type { SslMode } from '../../src/clients/postgres/tls.ts'
import { runChild } from '../../src/clients/process/child-process.ts'
import { systemClock } from '../../src/clients/process/system.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresOptions, type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { startProxy } from '../kit/proxy.ts'

const never = new AbortController().signal
const options = { clock: systemClock, signal: never, retries: 0 }

let temp: string
beforeAll(async () => {
  temp = await mkdtemp(path.join(tmpdir(), 'sb-test-'))
})
afterAll(() => rm(temp, { recursive: true, force: true }))

function targetOf(port: number, mode: SslMode, roots: string | null, host = 'localhost'): ConnectionTarget {
  return {
    host,
    port,
    user: 'supabase_admin',
    password: 'canary',
    database: 'postgres',
    tls: { mode, rootCertificates: roots }
  }
}

/** What pg_dump's library says of the same target: both must let the same servers pass. */
async function libpq(target: ConnectionTarget): Promise<{ code: number | null; stderr: string }> {
  const { env, dispose } = await libpqEnvironment(target, temp)
  try {
    return await runChild({
      command: `${binDirOf(15)}/pg_dump`,
      args: ['--schema-only', '--file=/dev/null'],
      env,
      signal: never
    })
  } finally {
    await dispose()
  }
}

describe.each([
  ['a good certificate', {}, 'localhost', 'own', null],
  ['a good certificate, by address', {}, '127.0.0.1', 'own', null],
  ['a self-signed certificate', { selfSigned: true }, 'localhost', 'own', 'SB109'],
  ['an expired certificate', { expired: true }, 'localhost', 'own', 'SB113'],
  ['a certificate for another host', { names: ['db.example.org'] }, 'localhost', 'own', 'SB112'],
  ['a certificate of an authority that is not known', {}, 'localhost', 'other', 'SB109'],
  ['a certificate of an authority that the machine does not know', {}, 'localhost', 'system', 'SB109']
] as const)('T13, F5: %s', (_words, certificate, host, roots, refusal) => {
  let server: PostgresServer
  let root: string | null
  beforeAll(async () => {
    server = await startPostgres({ major: 15, auth: 'scram', password: 'canary', tls: certificate } as PostgresOptions)
    const other = `-----BEGIN CERTIFICATE-----\n${otherRoot()}\n-----END CERTIFICATE-----\n`
    root = roots === 'system' ? null : roots === 'other' ? other : await readFile(server.caFile ?? '', 'utf8')
  })
  afterAll(() => server?.stop())

  test(`verify-full ${refusal === null ? 'connects' : 'refuses, having sent nothing of the login'}`, async () => {
    const proxy = await startProxy({ target: { port: server.port } })
    const target = targetOf(proxy.port, 'verify-full', root, host)
    try {
      if (refusal === null) {
        const connection = await connect(target, options)
        expect(connection.tls).toBe('verify-full')
        expect(await connection.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()')).toEqual([
          { ssl: true }
        ])
        await connection.close()
        expect((await libpq(target)).code).toBe(0)
      } else {
        const error = await connect(target, { ...options, retries: 3 }).catch((thrown: unknown) => thrown)
        expect(error).toMatchObject({ code: refusal, mayPass: false, remedy: expect.stringMatching(/ssl-root-cert/) })
        expect(proxy.connections).toBe(1)
        // The server would have logged a login, had it seen one.
        expect(server.log()).not.toContain('canary')
        expect((await libpq(target)).code).toBe(1)
      }
    } finally {
      await proxy.close()
    }
  })

  test('require without a root encrypts and checks nothing', async () => {
    const connection = await connect(targetOf(server.port, 'require', null, host), options)
    expect(connection.tls).toBe('require')
    await connection.close()
  })
})

describe('modes', () => {
  let secure: PostgresServer
  let plain: PostgresServer
  let demanding: PostgresServer
  beforeAll(async () => {
    const common = { major: 17, auth: 'scram', password: 'canary' } as const
    secure = await startPostgres({ ...common, tls: { names: ['db.example.org'] } })
    plain = await startPostgres(common)
    demanding = await startPostgres({ ...common, tls: { required: true } })
  })
  afterAll(() => Promise.all([secure, plain, demanding].map((each) => each?.stop())))

  test('verify-ca does not look at the name', async () => {
    const connection = await connect(
      targetOf(secure.port, 'verify-ca', await readFile(secure.caFile ?? '', 'utf8')),
      options
    )
    expect(connection.tls).toBe('verify-ca')
    await connection.close()
  })

  test('require with a root checks the chain, as libpq does', async () => {
    const other = await readFile(demanding.caFile ?? '', 'utf8')
    await expect(connect(targetOf(secure.port, 'require', other), options)).rejects.toMatchObject({ code: 'SB109' })
    expect((await libpq(targetOf(secure.port, 'require', other))).code).toBe(1)
  })

  test.each(['prefer', 'allow'] as const)('%s takes what there is and says it', async (mode) => {
    const [first, second, third] = await Promise.all(
      [secure, plain, demanding].map((each) => connect(targetOf(each.port, mode, null), options))
    )
    expect([first?.tls, second?.tls, third?.tls]).toEqual([mode === 'prefer' ? 'require' : 'none', 'none', 'require'])
    await Promise.all([first, second, third].map((each) => each?.close()))
  })

  test.each(['prefer', 'allow'] as const)('F4: %s tries a wrong password once', async (mode) => {
    const failures = () => demanding.log().split('password authentication failed').length
    const before = failures()
    await expect(
      connect({ ...targetOf(demanding.port, mode, null), password: 'wrong' }, { ...options, retries: 3 })
    ).rejects.toMatchObject({ code: 'SB104' })
    expect(failures() - before).toBe(1)
  })

  test.each(['require', 'verify-ca', 'verify-full'] as const)(
    'F5: a server without TLS gets nothing but the question with %s',
    async (mode) => {
      const proxy = await startProxy({ target: { port: plain.port } })
      await expect(connect(targetOf(proxy.port, mode, null), { ...options, retries: 3 })).rejects.toMatchObject({
        code: 'SB108'
      })
      expect(proxy.bytes.up).toBe(8)
      await proxy.close()
    }
  )

  test('a server that demands TLS says so to one who disables it', async () => {
    await expect(connect(targetOf(demanding.port, 'disable', null), options)).rejects.toMatchObject({ code: 'SB107' })
  })

  test('a statement over TLS ends at the server when the run is cancelled', async () => {
    const run = new AbortController()
    const doomed = await connect(targetOf(demanding.port, 'require', null), { ...options, signal: run.signal })
    const sleeping = doomed.query('select pg_sleep(600)')
    sleeping.catch(() => undefined)
    const states = async () =>
      (await demanding.query('select state from pg_stat_activity where pid = $1', [doomed.pid])).rows
    while ((await states())[0]?.state !== 'active') await systemClock.sleep(10)
    run.abort(new Error('enough'))
    await expect(sleeping).rejects.toThrow('enough')
    while ((await states()).length > 0) await systemClock.sleep(10)
  })
})

interface Client {
  /** One message; false when the client reads slower than that. */
  send(type: string, body: Buffer, times?: number): boolean
  /** Resolves when more can be sent, rejects when the client is gone. */
  drained(): Promise<void>
  /** The next that the client says. */
  heard(): Promise<void>
}

/** A server that speaks as the script says, once the client has begun. */
async function hostile(script: (client: Client) => Promise<void>): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    let wake = (): void => undefined
    let gone = false
    let words = 0
    socket.on('drain', () => wake())
    socket.on('close', () => {
      gone = true
      wake()
    })
    const drained = async () => {
      if (!gone) await new Promise<void>((resolve) => (wake = resolve))
      if (gone) throw new Error('gone')
    }
    const heard = async () => {
      const before = words
      while (words === before) await drained()
    }
    const send: Client['send'] = (type, body, times = 1) => {
      const head = Buffer.alloc(5)
      head.write(type, 0, 'latin1')
      head.writeUInt32BE(body.length + 4, 1)
      return socket.write(Buffer.concat(Array.from({ length: times }, () => [head, body]).flat()))
    }
    socket.on('data', () => {
      words += 1
      if (words === 1) void script({ send, drained, heard }).catch(() => undefined)
      wake()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { server, port: address.port }
}

const ok = Buffer.alloc(4)
const notice = Buffer.from('SWARNING\0C01000\0Mnoise noise noise\0\0')
const number = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

describe('F8: a hostile server', () => {
  test.each([
    [
      'an error of 1 GB',
      async ({ send, drained }) => {
        // Only the head tells the length; the body comes for as long as somebody reads.
        send('R', ok)
        send('E', Buffer.alloc(0))
        for (;;) if (!send('E', Buffer.alloc(1024 * 1024, 'x'))) await drained()
      },
      'SB121'
    ],
    [
      'notices without end before the login',
      async ({ send, drained }) => {
        send('R', ok)
        for (;;) if (!send('N', notice, 1000)) await drained()
      },
      'SB121'
    ],
    [
      'settings without end',
      async ({ send, drained }) => {
        send('R', ok)
        for (;;) if (!send('S', Buffer.from(`a${'b'.repeat(1000)}\0c\0`))) await drained()
      },
      'SB121'
    ],
    ['no word at all', async () => undefined, 'SB101'],
    [
      'notices without end for an answer',
      async ({ send, drained, heard }) => {
        send('R', ok)
        send('Z', Buffer.from('I'))
        await heard()
        for (;;) if (!send('N', notice, 1000)) await drained()
      },
      'SB121'
    ],
    [
      'rows without end',
      async ({ send, drained, heard }) => {
        send('R', ok)
        send('Z', Buffer.from('I'))
        await heard()
        send('T', Buffer.from([0, 1, 97, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]))
        const value = Buffer.alloc(256 * 1024, 'x')
        for (;;) if (!send('D', Buffer.concat([Buffer.from([0, 1]), number(value.length), value]))) await drained()
      },
      'SB121'
    ],
    [
      'another protocol',
      async ({ send }) => {
        send('H', Buffer.from('TTP/1.1 400 Bad Request'))
      },
      'SB121'
    ]
  ] as readonly (readonly [string, Parameters<typeof hostile>[0], string])[])(
    '%s: bounded memory, a clean end',
    async (_words, script, code) => {
      const { server, port } = await hostile(script)
      try {
        const target: ConnectionTarget = {
          ...targetOf(port, 'disable', null, '127.0.0.1'),
          connectTimeoutMs: code === 'SB101' ? 300 : 60_000
        }
        const before = process.memoryUsage().rss
        await expect(connect(target, options)).rejects.toMatchObject({ code })
        expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024)
      } finally {
        server.close()
      }
    }
  )

  test('bytes smuggled in before the handshake are refused', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.write(Buffer.concat([Buffer.from('S'), Buffer.from('E\0\0\0\x08hurt')])))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = address === null || typeof address === 'string' ? 0 : address.port
    await expect(connect(targetOf(port, 'require', null, '127.0.0.1'), options)).rejects.toMatchObject({
      code: 'SB121'
    })
    server.close()
  })
})

/** The body of a certificate of an authority that signed nothing here. */
function otherRoot(): string {
  const pem = execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      '/CN=Other',
      '-keyout',
      '/dev/null',
      '-days',
      '2'
    ],
    {
      stdio: ['ignore', 'pipe', 'ignore']
    }
  ).toString()
  return pem.split('-----')[2]?.trim() ?? ''
}
