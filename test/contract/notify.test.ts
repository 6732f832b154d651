import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { afterEach, describe, expect, test } from 'vitest'
import { connectGithub } from '../../src/clients/github/index.ts'
import { openIssues } from '../../src/clients/github/issues.ts'
import { createSendHttp, type HttpPostOptions } from '../../src/clients/network/http-post.ts'
import { sendMail } from '../../src/clients/network/smtp.ts'
import { systemClock, systemRandomBytes } from '../../src/clients/process/system.ts'
import type { Log } from '../../src/log.ts'
import type { Channel } from '../../src/notify/channel.ts'
import { issueChannel } from '../../src/notify/issue.ts'
import { type Notice, noticeOf } from '../../src/notify/notice.ts'
import { createNotifier } from '../../src/notify/notify.ts'
import { pingChannel } from '../../src/notify/ping.ts'
import { webhookChannel } from '../../src/notify/webhook.ts'
import type { Result } from '../../src/result.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { makeCertificates } from '../kit/postgres/certificates.ts'

const running: { close(): unknown }[] = []
afterEach(() => {
  for (const server of running.splice(0)) server.close()
})

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  running.push({
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  })
  return (server.address() as AddressInfo).port
}

async function http(handle: (request: IncomingMessage, response: ServerResponse) => void) {
  const seen: string[] = []
  const port = await listen(
    createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`)
      handle(request, response)
    })
  )
  return { port, seen }
}

const ok = (_: IncomingMessage, response: ServerResponse): void => void response.end('ok')
const never = new AbortController().signal
const send = (url: string, options: Partial<HttpPostOptions> = {}, signal: AbortSignal = never) =>
  createSendHttp({ allowPrivate: false, ...options })(new URL(url), { method: 'POST', body: '{}' }, signal)
const resolvesTo =
  (...addresses: readonly string[]): NonNullable<HttpPostOptions['resolve']> =>
  async () =>
    addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))

describe('messages over HTTP', () => {
  test('reach a server of this machine by plain HTTP', async () => {
    const { port, seen } = await http(ok)
    await send(`http://127.0.0.1:${port}/hook?key=x`)
    await send(`http://localhost:${port}/hook`, { resolve: resolvesTo('127.0.0.1') })
    expect(seen).toEqual(['POST /hook?key=x', 'POST /hook'])
  })

  test('T19: reach a name over TLS at the very address that was looked at', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sb-hook-'))
    running.push({ close: () => rmSync(folder, { recursive: true }) })
    const files = await makeCertificates(folder, { names: ['hooks.example.com'] })
    const rootCertificates = readFileSync(files.caFile, 'utf8')
    const seen: string[] = []
    const server = createSecureServer(
      { key: readFileSync(files.keyFile), cert: readFileSync(files.certFile) },
      (request, response) => {
        seen.push(`${request.headers.host} ${request.url}`)
        response.end()
      }
    )
    const port = await listen(server)
    let asked = 0
    // The second answer would be another machine: it is never asked for.
    const resolve = async (): Promise<{ address: string; family: number }[]> => {
      asked += 1
      return [{ address: asked === 1 ? '127.0.0.1' : '192.0.2.1', family: 4 }]
    }
    await send(`https://hooks.example.com:${port}/x`, { allowPrivate: true, resolve, rootCertificates })
    expect(seen).toEqual([`hooks.example.com:${port} /x`])
    expect(asked).toBe(1)
    await expect(
      send(`https://hooks.example.com:${port}/x`, { allowPrivate: true, resolve: resolvesTo('127.0.0.1') })
    ).rejects.toMatchObject({ code: 'SB930' })
    await expect(
      send(`https://other.example.com:${port}/x`, {
        allowPrivate: true,
        resolve: resolvesTo('127.0.0.1'),
        rootCertificates
      })
    ).rejects.toThrow('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(seen).toHaveLength(1)
  })

  test('Slack and Discord get the shapes that they take', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sb-shapes-'))
    running.push({ close: () => rmSync(folder, { recursive: true }) })
    const files = await makeCertificates(folder, { names: ['hooks.slack.com', 'discord.com', 'ops.example.com'] })
    const got = new Map<string, Record<string, unknown>>()
    const server = createSecureServer(
      { key: readFileSync(files.keyFile), cert: readFileSync(files.certFile) },
      (request, response) => {
        let body = ''
        request.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk
        })
        request.on('end', () => {
          got.set(`${request.headers.host?.split(':')[0]} ${request.headers['content-type']}`, JSON.parse(body))
          response.end()
        })
      }
    )
    const port = await listen(server)
    const sending = createSendHttp({
      allowPrivate: true,
      resolve: resolvesTo('127.0.0.1'),
      rootCertificates: readFileSync(files.caFile, 'utf8')
    })
    const told = failure()
    for (const address of [
      `https://hooks.slack.com:${port}/services/T0/B0/x`,
      `https://discord.com:${port}/api/webhooks/1/x`,
      `https://ops.example.com:${port}/hook`
    ])
      await webhookChannel(new URL(address), 'always', sending).tell(told, never)
    const json = 'application/json; charset=utf-8'
    expect(got.get(`hooks.slack.com ${json}`)).toEqual({ text: expect.stringContaining('Backup of shop: failed') })
    expect(got.get(`discord.com ${json}`)).toEqual({
      content: expect.stringContaining('Backup of shop: failed'),
      allowed_mentions: { parse: [] }
    })
    expect(got.get(`ops.example.com ${json}`)).toEqual(told)
  })

  test('T19: never connect to private, metadata or disguised addresses', async () => {
    const { port, seen } = await http(ok)
    for (const [url, resolve] of [
      [`https://hooks.example.com:${port}/x`, resolvesTo('127.0.0.1')],
      [`https://hooks.example.com:${port}/x`, resolvesTo('1.1.1.1', '10.0.0.1')],
      [`https://hooks.example.com:${port}/x`, resolvesTo('::ffff:127.0.0.1')],
      [`https://[::ffff:127.0.0.1]:${port}/x`, undefined],
      [`http://hooks.example.com:${port}/x`, resolvesTo('127.0.0.1')],
      [`http://localhost:${port}/x`, resolvesTo('192.168.0.1')],
      ['https://169.254.169.254/latest', undefined],
      ['https://10.1.2.3/', undefined],
      ['https://[fd00::1]/', undefined]
    ] as const) {
      await expect(send(url, resolve === undefined ? {} : { resolve })).rejects.toMatchObject({ code: 'SB930' })
    }
    for (const address of ['169.254.169.254', 'fe80::1', '0.0.0.0'])
      await expect(
        send('https://hooks.example.com/', { allowPrivate: true, resolve: resolvesTo(address) })
      ).rejects.toThrow('forbidden address')
    expect(seen).toEqual([])
  })

  test('T19, F76: follow no redirect', async () => {
    const inner = await http(ok)
    const { port, seen } = await http(
      (_, response) => void response.writeHead(302, { location: `http://127.0.0.1:${inner.port}/` }).end()
    )
    await expect(send(`http://127.0.0.1:${port}/`)).rejects.toThrow('it answered 302: redirects are not followed')
    expect(seen).toHaveLength(1)
    expect(inner.seen).toEqual([])
  })

  test('F76: an error, 10 MB, a broken answer, silence', async () => {
    let written = 0
    const { port } = await http((request, response) => {
      if (request.url === '/500') response.writeHead(500).end('no')
      if (request.url === '/break')
        response.writeHead(200, { 'content-length': 10 }).write('x', () => response.destroy())
      if (request.url === '/big') {
        const more = (): void => {
          written += 65_536
          if (written < 10_000_000 && response.write(Buffer.alloc(65_536))) setImmediate(more)
          else response.once('drain', more)
        }
        more()
      }
    })
    const at = `http://127.0.0.1:${port}`
    await expect(send(`${at}/500`)).rejects.toThrow('it answered 500')
    await expect(send(`${at}/big`)).rejects.toThrow('more than 65536 bytes')
    expect(written).toBeLessThan(10_000_000)
    await expect(send(`${at}/break`)).rejects.toMatchObject({ code: 'SB930', mayPass: true })
    await expect(send(`${at}/silent`, {}, AbortSignal.timeout(200))).rejects.toThrow('no answer in time')
    await expect(send('http://127.0.0.1:9/secret-path')).rejects.toThrow(/^127\.0\.0\.1: ECONNREFUSED$/)
  })

  test('a lost ping is sent again, once; a refused one is not', async () => {
    let answers = [500, 200, 404]
    const { port, seen } = await http((_, response) => void response.writeHead(answers.shift() ?? 200).end())
    const ping = pingChannel(
      new URL(`http://127.0.0.1:${port}/ping/uuid/?rid=1`),
      createSendHttp({ allowPrivate: false })
    )
    await ping.start?.(never)
    expect(seen).toEqual(['GET /ping/uuid/start?rid=1', 'GET /ping/uuid/start?rid=1'])
    await expect(ping.tell(notice({ status: 'failed' }), never)).rejects.toThrow('404')
    answers = []
    await ping.tell(notice(), never)
    expect(seen.slice(2)).toEqual(['GET /ping/uuid/fail?rid=1', 'GET /ping/uuid/?rid=1'])
  })
})

describe('e-mail', () => {
  const mail = {
    from: 'a@example.com',
    to: ['b@example.com', 'c@example.com'],
    subject: 'Backup\r\nBcc: evil@example.com',
    text: 'body\r\n.\r\nMAIL FROM:<x>'
  }

  async function smtp(options: SMTPServerOptions = {}) {
    const mails: { readonly secure: boolean; readonly to: readonly string[]; readonly text: string }[] = []
    const server = new SMTPServer({
      authOptional: true,
      disableReverseLookup: true,
      ...options,
      onAuth: (auth, _session, done) =>
        done(auth.username === 'me' && auth.password === 'pw' ? null : new Error('Invalid'), { user: 'me' }),
      onData: (stream, session, done) => {
        let text = ''
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        stream.on('end', () => {
          mails.push({ secure: session.secure, to: session.envelope.rcptTo.map((one) => one.address), text })
          done()
        })
      }
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    running.push({ close: () => server.close(() => undefined) })
    return { mails, port: (server.server.address() as AddressInfo).port }
  }
  const server = (port: number) => ({
    host: '127.0.0.1',
    port,
    implicitTls: false,
    user: undefined,
    password: undefined
  })

  test('goes out by STARTTLS where that is offered, and no text becomes a header or a command', async () => {
    const { mails, port } = await smtp()
    await sendMail({ ...server(port), user: 'me', password: 'pw' }, mail, 5000)
    expect(mails).toMatchObject([{ secure: true, to: ['b@example.com', 'c@example.com'] }])
    const head = mails[0]?.text.split('\r\n\r\n')[0] ?? ''
    expect(head).toMatch(/^Subject: Backup Bcc: evil@example\.com$/m)
    expect(head).not.toMatch(/^Bcc:/m)
    expect(head).toMatch(/^Auto-Submitted: auto-generated$/m)
  })

  test('goes out in plain text to this machine only', async () => {
    const { mails, port } = await smtp({ hideSTARTTLS: true })
    await sendMail(server(port), mail, 5000)
    expect(mails).toMatchObject([{ secure: false }])
    // The same server under a name that is not this machine's own.
    await expect(sendMail({ ...server(port), host: '0.0.0.0' }, mail, 5000)).rejects.toMatchObject({ code: 'SB930' })
    expect(mails).toHaveLength(1)
  })

  test('does not go to a server elsewhere whose certificate does not hold', async () => {
    const { mails, port } = await smtp()
    await expect(sendMail({ ...server(port), host: '0.0.0.0' }, mail, 5000)).rejects.toThrow(/certificate/i)
    expect(mails).toEqual([])
  })

  test('a wrong password is told without it', async () => {
    const { port } = await smtp()
    const error = await sendMail({ ...server(port), user: 'me', password: 'hunter2secret' }, mail, 5000).catch(
      (thrown: unknown) => thrown
    )
    expect(error).toMatchObject({ code: 'SB930' })
    expect(String(error)).not.toContain('hunter2secret')
  })
})

function notice(rest: Partial<Result> = {}): Notice {
  const result: Result = {
    command: 'backup',
    status: 'complete',
    startedAt: '2026-11-22T12:00:00.000Z',
    durationMs: 1000,
    tool: 'supabase-backup 1.0.0',
    project: 'shop',
    verified: 'none',
    destinations: [],
    backups: [],
    url: null,
    path: null,
    warnings: [],
    ...rest
  }
  return noticeOf(result, undefined, { serverUrl: 'https://github.com', repository: 'acme/backups', runId: '42' })
}

const failure = (rest: Partial<Result> = {}): Notice =>
  notice({ status: 'failed', error: { code: 'SB101', message: 'x', remedy: 'y' }, ...rest })

describe('the issue', () => {
  const doubles: Github[] = []
  afterEach(async () => {
    for (const double of doubles.splice(0)) await double.stop()
  })

  /** The channel against a double, with a clock whose waits cost nothing. */
  async function setUp() {
    const github = await startGithub()
    doubles.push(github)
    const log: Log = {
      info: () => undefined,
      warning: () => undefined,
      debug: () => undefined,
      progress: () => undefined,
      group: (_, work) => work()
    }
    const clock = { ...systemClock, sleep: async () => undefined }
    const make = (): Channel =>
      issueChannel(
        openIssues(
          connectGithub({
            apiUrl: github.env['GITHUB_API_URL'] ?? '',
            token: github.token,
            retries: 2,
            context: { clock, randomBytes: systemRandomBytes, log, signal: never, temp: '' }
          }),
          'acme/backups'
        )
      )
    const tell = (one: Notice): Promise<void> => make().tell(one, never)
    const issues = github.repository.issues
    return {
      github,
      tell,
      issues,
      open: () => issues.filter((issue) => issue.state === 'open').map((issue) => issue.title)
    }
  }

  test('is opened once for a project, updated, and closed with a comment by the next success', async () => {
    const { tell, issues, open } = await setUp()
    await tell(notice())
    expect(issues).toEqual([])
    await tell(failure())
    await tell(failure())
    await tell(failure({ project: 'blog' }))
    expect(open()).toEqual(['Backups of shop need attention', 'Backups of blog need attention'])
    expect(issues[0]).toMatchObject({ labels: ['backup'], comments: [] })
    expect(issues[0]?.body).toContain('backup (2 times in a row)')
    expect(issues[0]?.body).toContain('SB101')
    await tell(notice({ command: 'list' }))
    await tell(notice())
    expect(open()).toEqual(['Backups of blog need attention'])
    expect(issues[0]?.comments).toHaveLength(1)
    expect(issues[0]?.comments[0]?.body).toContain('Backup of shop: complete')
    await tell(failure())
    expect(issues).toHaveLength(3)
  })

  test('stays open until every command that failed works again', async () => {
    const { tell, issues, open } = await setUp()
    await tell(failure({ command: 'verify' }))
    await tell(failure())
    await tell(notice())
    expect(open()).toHaveLength(1)
    expect(issues[0]?.body).toContain('verify:1 ')
    expect(issues[0]?.body).not.toContain('backup:1')
    await tell(notice({ command: 'verify' }))
    expect(open()).toEqual([])
  })

  test('a dry run neither opens nor closes one', async () => {
    const { tell, issues, open } = await setUp()
    await tell({ ...failure({ command: 'restore' }), dryRun: true })
    expect(issues).toEqual([])
    await tell(failure({ command: 'restore' }))
    await tell({ ...notice({ command: 'restore' }), dryRun: true })
    expect(open()).toEqual(['Backups of shop need attention'])
    await tell(notice({ command: 'restore' }))
    expect(open()).toEqual([])
  })

  test('a check of several projects keeps one issue for each that has an alarm', async () => {
    const { tell, open } = await setUp()
    const alarm = (project: string) => ({ kind: 'too-old', detail: `${project} is too old`, project })
    const check = (...projects: readonly string[]): Notice =>
      failure({
        command: 'check',
        project: null,
        error: { code: 'SB920', message: '', remedy: '' },
        alarms: projects.map(alarm)
      })
    await tell(check('shop', 'blog'))
    expect(open()).toHaveLength(2)
    await tell(check('blog', 'wiki'))
    expect(open()).toEqual(['Backups of blog need attention', 'Backups of wiki need attention'])
    await tell(notice({ project: 'wiki' }))
    expect(open()).toEqual(['Backups of blog need attention'])
    await tell(failure({ project: null }))
    expect(open()).toHaveLength(2)
    await tell(notice({ command: 'check', project: null }))
    expect(open()).toEqual(['Backups need attention'])
    await tell(notice({ project: 'shop' }))
    expect(open()).toEqual([])
  })

  test('of two runs that fail at the same time one issue stays', async () => {
    const { tell, open, issues } = await setUp()
    await Promise.all([tell(failure()), tell(failure())])
    expect(open()).toHaveLength(1)
    await tell(failure())
    expect(open()).toHaveLength(1)
    await tell(notice())
    expect(open()).toEqual([])
    expect(issues.every((issue) => issue.state === 'closed')).toBe(true)
  })

  test('is made once when the answer is lost, and leaves the issues of others alone', async () => {
    const { github, tell, issues, open } = await setUp()
    github.failNext({ method: 'POST', path: '/issues', when: 'after' })
    await tell(failure())
    expect(issues).toHaveLength(1)
    const first = issues[0]
    if (first === undefined) throw new Error('none')
    // Somebody takes the label off; the marker still finds it.
    first.labels = []
    await tell(failure())
    expect(issues).toHaveLength(1)
    first.body = 'Somebody wrote all of it anew'
    await tell(notice())
    expect(open()).toHaveLength(1)
  })

  test('T20: an issue that a stranger planted with the marker neither takes the place of the real one nor is touched', async () => {
    const { tell, issues, open } = await setUp()
    await tell(failure())
    const real = issues[0]
    if (real === undefined) throw new Error('none')
    const planted = { ...real, title: 'Nothing to see', labels: [], author: 'mallory', comments: [] }
    issues.splice(0, 1, planted)
    await tell(failure())
    expect(open()).toEqual(['Nothing to see', 'Backups of shop need attention'])
    await tell(notice())
    expect(open()).toEqual(['Nothing to see'])
    expect(planted).toMatchObject({ body: real.body, comments: [] })
  })
})

describe('the notifier', () => {
  test('F76: a channel that fails or hangs is one warning, and the others are told', async () => {
    const warnings: string[] = []
    const log: Log = {
      info: () => undefined,
      warning: (text) => void warnings.push(text),
      debug: () => undefined,
      progress: () => undefined,
      group: (_, work) => work()
    }
    const told: string[] = []
    let ended = false
    const channels: Channel[] = [
      {
        name: 'broken',
        start: () => Promise.reject(new Error('first')),
        tell: () => Promise.reject(new Error('no luck'))
      },
      {
        name: 'hanging',
        tell: (_, signal) => new Promise(() => signal.addEventListener('abort', () => (ended = true)))
      },
      { name: 'good', tell: async (one) => void told.push(one.status) }
    ]
    const notifier = createNotifier(channels, log, 100)
    notifier.start()
    await notifier.tell(failure())
    expect(told).toEqual(['failed'])
    expect(ended).toBe(true)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(/broken \(no luck\); hanging \(not done in 0.1 s\)/)
  })
})
