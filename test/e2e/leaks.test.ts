import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ActionRun, runAction, shown } from '../kit/action.ts'
import { createRepository, gitHandler, gitIn } from '../kit/git/git-server.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { type Canary, decodedCommands, decodedEntities, leakFinder, watchRun } from '../kit/leaks.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { freePort, type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

// Every value holds what encoders change, so that each way of writing it is another text.
const password = String.raw`Pw-canary/1+<a>&"b"=é%:c\d'e`
const passphrase = 'Phrase-canary/2+<a>&"b"=é long enough'
const mailPassword = 'Mail-canary/3+<a>&x=y'
const serviceKey = 'sb_secret_Key-canary_4567890123456789'
const accessToken = 'sbp_0123456789abcdef0123456789abcdefcanary05'
const hookPath = '/services/T0CANARY6/hook+canary'
const pingPath = '/ping-canary-7/0123456789'
const ref = 'abcdefghijklmnopqrst'

/** A server that answers every request with all that it was sent, in the ways in which servers repeat things. */
async function startEcho(): Promise<{ readonly url: string; status: number; readonly server: Server }> {
  const echo = { url: '', status: 500, server: createServer() }
  echo.server.on('request', (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const basic = /^Basic (.*)$/i.exec(request.headers.authorization ?? '')?.[1]
      const said = [
        `${request.method} ${request.url}`,
        decodeURIComponent(request.url ?? ''),
        ...Object.entries(request.headers).map(([name, value]) => `${name}: ${String(value)}`),
        basic === undefined ? '' : Buffer.from(basic, 'base64').toString(),
        Buffer.concat(chunks).toString().slice(0, 2_000)
      ].join('\n')
      const words = [
        said,
        encodeURIComponent(said),
        Buffer.from(said).toString('base64'),
        Buffer.from(said).toString('hex')
      ]
      const message = words.join('\n')
      response.writeHead(echo.status, {
        'content-type': 'application/json',
        'x-echo': encodeURIComponent(said).slice(0, 4_000)
      })
      response.end(
        JSON.stringify({
          message,
          error: message,
          msg: message,
          error_description: message,
          code: 'x',
          errors: [{ message }]
        })
      )
    })
  })
  await new Promise<void>((done) => echo.server.listen(0, '127.0.0.1', done))
  const address = echo.server.address()
  echo.url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  return echo
}

describe('no secret leaves, whatever goes wrong', { timeout: 900_000 }, () => {
  let postgres: PostgresServer
  let github: Github
  let echo: Awaited<ReturnType<typeof startEcho>>
  let root: string
  let folder: string
  let bare: string
  let canaries: readonly Canary[]
  let all: Readonly<Record<string, string>>
  let databaseUrl: URL
  let liar: string
  const told: string[] = []
  let hook: Server
  let watched = { samples: 0, children: 0 }

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sb-leaks-'))
    folder = join(root, 'place')
    postgres = await startPostgres({ major: 15, auth: 'scram', password })
    await postgres.query('create table public.orders as select n from generate_series(1, 100) n')
    github = await startGithub({ repository: 'acme/shop', visibility: 'private', artifacts: true })
    bare = createRepository(root, 'acme/shop')
    github.mount('/acme/shop.git/', gitHandler({ root, token: github.token }).handle)
    echo = await startEcho()
    hook = createServer((request, response) => {
      request.on('data', (chunk: Buffer) => told.push(chunk.toString()))
      request.on('end', () => response.end())
    })
    await new Promise<void>((done) => hook.listen(0, '127.0.0.1', done))
    const address = hook.address()
    const hookUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
    const identity = await generateIdentity()
    const signingKey = generateKeyPairSync('ed25519')
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString()
      .trim()
    databaseUrl = new URL(postgres.url(postgres.superuser, 'postgres'))
    canaries = [
      { name: 'database password', value: password },
      { name: 'passphrase', value: passphrase },
      { name: 'mail password', value: mailPassword },
      { name: 'service key', value: serviceKey },
      { name: 'access token', value: accessToken },
      { name: 'webhook path', value: hookPath },
      { name: 'ping path', value: pingPath },
      { name: 'identity', value: identity },
      { name: 'signing key', value: signingKey.split('\n')[1] ?? '' },
      { name: 'token', value: github.token }
    ]
    all = {
      'database-url': databaseUrl.href,
      project: 'shop',
      token: github.token,
      passphrase,
      'signing-key': signingKey,
      'service-role-key': serviceKey,
      'supabase-url': echo.url,
      'access-token': accessToken,
      'project-ref': ref,
      'management-url': echo.url,
      'notify-webhook': `${hookUrl}${hookPath}`,
      'ping-url': `${hookUrl}${pingPath}`,
      'notify-email': 'ops@example.org',
      'smtp-url': `smtp://ops:${encodeURIComponent(mailPassword)}@127.0.0.1:${await freePort()}`,
      'notify-on': 'always',
      'notify-issue': 'true',
      'pg-bin': binDirOf(15),
      verify: 'none',
      retries: '0',
      folder,
      destinations: 'folder'
    }
    liar = await lyingPrograms(root)
  })
  afterAll(async () => {
    for (const server of [hook, echo.server]) {
      server.closeAllConnections()
      server.close()
    }
    await postgres.stop()
    await github.stop()
    await rm(root, { recursive: true, force: true })
  })

  /** Runs with all secrets given but what `inputs` changes, looks everywhere, and hands back the run. */
  const run = async (
    inputs: Readonly<Record<string, string>>,
    env: Readonly<Record<string, string>> = github.env,
    more: readonly Canary[] = []
  ): Promise<ActionRun> => {
    told.length = 0
    const find = leakFinder([...canaries, ...more])
    const temp = await mkdtemp(join(root, 'temp-'))
    const watchers: ReturnType<typeof watchRun>[] = []
    const done = await runAction({
      inputs: { ...all, ...inputs },
      env: { ...env, RUNNER_DEBUG: '1' },
      temp,
      onStart: ({ pid }) => void watchers.push(watchRun(pid, temp, find))
    })
    const sampled: string[] = []
    for (const watcher of watchers) {
      sampled.push(...(await watcher.stop()))
      watched = { samples: watched.samples + watcher.samples, children: watched.children + watcher.children }
    }
    const leaks = [
      ...sampled,
      ...find('the log', shown(done.log)),
      ...find('the log as the runner shows it', decodedCommands(shown(done.log))),
      ...find('the summary', done.summary),
      ...find('the summary as GitHub shows it', decodedEntities(done.summary)),
      ...find('the outputs', done.outputText),
      ...find('the result', JSON.stringify(done.result)),
      ...find('what notifications say', told.join('\n')),
      ...find('issues', JSON.stringify(github.repository.issues))
    ]
    for (const entry of await readdir(temp, { recursive: true, withFileTypes: true }))
      if (entry.isFile())
        leaks.push(...find(`${entry.name} left behind`, await readFile(join(entry.parentPath, entry.name))))
    expect(leaks).toEqual([])
    await done.cleanUpFiles()
    return done
  }
  const withPassword = (value: string, rest: { port?: number } = {}): string => {
    const url = new URL(databaseUrl)
    url.password = encodeURIComponent(value)
    if (rest.port !== undefined) url.port = String(rest.port)
    return url.href
  }
  const failed = (done: ActionRun) =>
    expect({ code: done.code, said: /^::error title=[^:]+::SB\d{3}: /m.test(done.log) }).toEqual({
      code: 1,
      said: true
    })

  test('T6, T7: a backup that is kept in every place, encrypted and signed: nothing in any place either', async () => {
    const done = await run({
      destinations: 'folder,release,repository,artifact',
      include: 'database',
      'notify-issue': 'false'
    })
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
    const plain = await run({
      destinations: 'folder,release,repository',
      include: 'database',
      passphrase: '',
      compression: 'none',
      'notify-issue': 'false'
    })
    expect({ code: plain.code, error: plain.result?.error }).toEqual({ code: 0 })
    const find = leakFinder(canaries)
    const leaks: string[] = []
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) leaks.push(...find(entry.name, await readFile(join(entry.parentPath, entry.name))))
    for (const release of github.repository.releases) {
      leaks.push(...find(release.tag, `${release.name} ${release.body}`))
      for (const asset of release.assets) leaks.push(...find(`${release.tag} ${asset.name}`, asset.content))
    }
    const objects = gitIn(bare, ['cat-file', '--batch-all-objects', '--batch-check=%(objectname)'])
      .split('\n')
      .filter(Boolean)
    expect(objects.length).toBeGreaterThan(10)
    leaks.push(...find('objects of git', gitIn(bare, ['cat-file', '--batch', '--buffer'], objects.join('\n'))))
    expect(leaks).toEqual([])
  })

  test('T7, F1, F4: passwords that are refused, malformed or meet nobody', async () => {
    const other = 'Wrong-canary/8+<a>&"b"'
    const more = [{ name: 'wrong password', value: other }]
    failed(await run({ 'database-url': withPassword(other), include: 'database' }, github.env, more))
    failed(
      await run(
        { 'database-url': withPassword(other, { port: await freePort() }), include: 'database' },
        github.env,
        more
      )
    )
    failed(await run({ 'database-url': `postgresql://postgres:${other}@@127.0.0.1:x/postgres` }, github.env, more))
    failed(await run({ 'database-url': `host=127.0.0.1 password='${other}' port=oops` }, github.env, more))
  })

  test('T7, F20: programs that print all they were given when they fail', async () => {
    const done = await run({ 'pg-bin': liar, include: 'database' })
    failed(done)
    expect(done.log).toContain('everything that this program knows')
  })

  test('T7, F33: servers that answer 401, 403 and 500 with all that they were sent', async () => {
    for (const status of [401, 403, 500]) {
      echo.status = status
      // Storage, functions and settings fail one by one; what notifications meet is the same server.
      const done = await run({
        'notify-webhook': `${echo.url}${hookPath}`,
        'ping-url': `${echo.url}${pingPath}`
      })
      failed(done)
      expect(done.result?.warnings.length).toBeGreaterThan(0)
      const env = { ...github.env, GITHUB_API_URL: echo.url, GITHUB_SERVER_URL: echo.url }
      for (const destinations of ['release', 'repository'])
        failed(await run({ destinations, include: 'database', plaintext: 'public' }, env))
    }
  })

  test('T7: keys and addresses that are refused before anything is asked', async () => {
    const [identity] = canaries.filter((one) => one.name === 'identity').map((one) => one.value)
    const bad = 'Bad-canary/9+<a>&"b"=x'
    const more = [{ name: 'bad value', value: bad }]
    for (const inputs of [
      { 'signing-key': bad },
      { 'signing-key': `-----BEGIN PRIVATE KEY-----\n${bad}\n-----END PRIVATE KEY-----` },
      { recipients: identity ?? '', passphrase: '' },
      { 'notify-webhook': `ftp://example.org/${bad}` },
      { 'notify-webhook': `http://192.0.2.1/${bad}` },
      { 'smtp-url': `smtp://ops:${bad}@:x` },
      { 'service-role-key': `${bad}\n` },
      { 'access-token': `${bad}\r\nx: y` },
      { 'ping-url': `gopher://${bad}` }
    ])
      await run({ ...inputs, include: 'database' }, github.env, more)
  })

  test('T7: wrong keys and a target that refuses, when a backup is opened', async () => {
    const given = {
      'signing-key': '',
      'database-url': '',
      'service-role-key': '',
      'supabase-url': '',
      'access-token': ''
    }
    const other = 'Other-canary/10+<a>&"b" is long'
    const more = [{ name: 'other phrase', value: other }]
    const id = (await readdir(join(folder, 'shop'))).sort()[0] ?? ''
    const opened = { ...given, 'project-ref': '', 'management-url': '', backup: id }
    failed(await run({ ...opened, command: 'verify', verify: 'read', passphrase: other }, github.env, more))
    failed(await run({ ...opened, command: 'download', passphrase: other }, github.env, more))
    const [identity] = canaries.filter((one) => one.name === 'identity').map((one) => one.value)
    failed(await run({ ...opened, command: 'download', passphrase: '', identity: identity ?? '' }))
    failed(
      await run(
        {
          ...opened,
          command: 'restore',
          'target-database-url': withPassword(other),
          'confirm-target': 'same:127.0.0.1/postgres'
        },
        github.env,
        more
      )
    )
    expect(watched.samples).toBeGreaterThan(200)
    expect(watched.children).toBeGreaterThan(10)
  })
})

/** PostgreSQL's programs with a pg_dump that tells everything it was given, and fails. */
async function lyingPrograms(root: string): Promise<string> {
  const real = binDirOf(15)
  const liar = join(root, 'programs')
  await mkdir(liar)
  for (const name of ['pg_dump', 'pg_restore', 'psql']) {
    const talk =
      name === 'pg_dump'
        ? // The passwords first: what is quoted of a program is cut.
          'echo "everything that this program knows:" >&2; cat "$PGPASSFILE" >&2; echo "$@" >&2; env >&2; exit 1'
        : `exec ${real}/${name} "$@"`
    await writeFile(join(liar, name), `#!/bin/sh\n[ "$1" = --version ] && exec ${real}/${name} --version\n${talk}\n`)
    await chmod(join(liar, name), 0o755)
  }
  return liar
}
