import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findClientPrograms } from '../../src/clients/postgres/find-programs.ts'
import { installClientPrograms, installServerPrograms } from '../../src/clients/postgres/install-programs.ts'
import type { PackageCache } from '../../src/clients/postgres/package-cache.ts'
import { pgdgKey } from '../../src/clients/postgres/pgdg-key.ts'
import { systemClock } from '../../src/clients/process/system.ts'
import type { Log } from '../../src/log.ts'
import { run, runOk } from '../kit/postgres/programs.ts'

const never = new AbortController().signal
const log: Log = {
  info: () => undefined,
  warning: () => undefined,
  debug: () => undefined,
  progress: () => undefined,
  group: (_title, work) => work()
}
/** Waits of apt's repeats take no time here. */
const clock = { ...systemClock, sleep: () => Promise.resolve() }

let folder: string
let repository: string
let server: Server
let port: number
let asked: string[]
let key: string
let otherKey: string

/** A package whose programs say that they are of PostgreSQL 99. */
async function buildPackage(
  name: string,
  files: Readonly<Record<string, string>>,
  version = '99.7-1.pgdg12+1'
): Promise<void> {
  const tree = await mkdtemp(path.join(folder, 'tree-'))
  await mkdir(path.join(tree, 'DEBIAN'))
  await writeFile(
    path.join(tree, 'DEBIAN/control'),
    `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a test\n`
  )
  for (const [file, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(tree, file)), { recursive: true })
    await writeFile(path.join(tree, file), content, { mode: 0o755 })
  }
  await runOk('chmod', ['-R', 'go-w,a+rX', tree])
  await runOk('dpkg-deb', [
    '--root-owner-group',
    '--build',
    tree,
    path.join(repository, 'pool', `${name}_${version}_all.deb`)
  ])
}

const program = (name: string) => `#!/bin/sh\necho '${name} (PostgreSQL) 99.7'\n`

async function signRelease(home: string): Promise<void> {
  const lists: string[] = []
  for (const name of (await readdir(path.join(repository, 'pool'))).sort()) {
    const file = path.join(repository, 'pool', name)
    const bytes = await readFile(file)
    const control = (await runOk('dpkg-deb', ['-f', file])).stdout.toString().trim()
    lists.push(
      `${control}\nFilename: pool/${name}\nSize: ${bytes.length}\nSHA256: ${createHash('sha256').update(bytes).digest('hex')}\n`
    )
  }
  const packages = lists.join('\n')
  const suite = path.join(repository, 'dists/test-pgdg')
  await mkdir(path.join(suite, 'main/binary-amd64'), { recursive: true })
  await writeFile(path.join(suite, 'main/binary-amd64/Packages'), packages)
  const hash = createHash('sha256').update(packages).digest('hex')
  const release = `Origin: test\nSuite: test-pgdg\nCodename: test-pgdg\nArchitectures: amd64 all\nComponents: main\nDate: ${new Date().toUTCString()}\nSHA256:\n ${hash} ${Buffer.byteLength(packages)} main/binary-amd64/Packages\n`
  await writeFile(path.join(suite, 'Release'), release)
  await rm(path.join(suite, 'InRelease'), { force: true })
  await runOk('gpg', [
    '--homedir',
    home,
    '--batch',
    '--yes',
    '--clearsign',
    '-o',
    path.join(suite, 'InRelease'),
    path.join(suite, 'Release')
  ])
}

async function makeKey(name: string): Promise<string> {
  const home = path.join(folder, name)
  await mkdir(home, { mode: 0o700 })
  await runOk('gpg', [
    '--homedir',
    home,
    '--batch',
    '--passphrase',
    '',
    '--quick-generate-key',
    `${name} <${name}@example.org>`,
    'ed25519',
    'sign',
    'never'
  ])
  return (await runOk('gpg', ['--homedir', home, '--armor', '--export'])).stdout.toString()
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sb-test-'))
  repository = path.join(folder, 'repository')
  await mkdir(path.join(repository, 'pool'), { recursive: true })
  key = await makeKey('good')
  otherKey = await makeKey('other')
  await buildPackage('postgresql-client-99', {
    'usr/lib/postgresql/99/bin/pg_dump': program('pg_dump'),
    'usr/lib/postgresql/99/bin/pg_restore': program('pg_restore')
  })
  await buildPackage('postgresql-99', { 'usr/lib/postgresql/99/bin/postgres': program('postgres') })
  await buildPackage('postgresql-99-pgvector', { 'usr/share/postgresql/99/extension/vector.control': '' })
  await signRelease(path.join(folder, 'good'))
  server = createServer((request, response) => {
    const name = decodeURIComponent(request.url ?? '')
    asked.push(name)
    readFile(path.join(repository, path.normalize(name))).then(
      (bytes) => response.end(bytes),
      () => {
        response.statusCode = 404
        response.end()
      }
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  port = address === null || typeof address === 'string' ? 0 : address.port
})
afterAll(async () => {
  server?.close()
  for (const home of ['good', 'other']) await run('gpgconf', ['--homedir', path.join(folder, home), '--kill', 'all'])
  await rm(folder, { recursive: true, force: true })
})

/** A machine without packages and without lists, as far as apt and dpkg are concerned. */
let root: string
let temp: string
beforeEach(async () => {
  asked = []
  root = await mkdtemp('/tmp/sb-test-root-')
  temp = await mkdtemp(path.join(folder, 'temp-'))
  await runOk('chmod', ['755', root])
  for (const name of [
    'etc/apt/sources.list.d',
    'etc/apt/preferences.d',
    'var/lib/apt/lists/partial',
    'var/cache/apt',
    'var/lib/dpkg/info',
    'var/lib/dpkg/updates',
    'var/log/apt'
  ]) {
    await mkdir(path.join(root, name), { recursive: true })
  }
  await writeFile(path.join(root, 'etc/debian_version'), '12\n')
  await writeFile(path.join(root, 'var/lib/dpkg/status'), '')
})
afterEach(async () => {
  await rm(root, { recursive: true, force: true })
  expect((await readdir(temp)).length).toBe(0)
})

const optionsOf = (signedBy: string, cache?: PackageCache) => ({
  context: { clock, signal: never, temp, log },
  root,
  repository: { address: `http://127.0.0.1:${port}`, suite: 'test-pgdg', component: 'main', key: signedBy },
  ...(cache === undefined ? {} : { cache })
})

describe('programs that are missing', () => {
  test('come from a repository whose signature is good, and leave nothing in /etc', async () => {
    const client = await findClientPrograms({
      serverMajor: 99,
      home: temp,
      signal: never,
      places: [],
      install: (major) => installClientPrograms(major, optionsOf(key))
    })
    expect(client).toMatchObject({
      version: '99.7',
      origin: 'installed by apt',
      binDir: path.join(root, 'usr/lib/postgresql/99/bin')
    })
    expect(await readdir(path.join(root, 'etc/apt/sources.list.d'))).toEqual([])
    expect((await readdir('/tmp')).filter((name) => name.startsWith('sb-packages-'))).toEqual([])
  })

  test('are refused where another key signed the repository', async () => {
    await expect(installClientPrograms(99, optionsOf(otherKey))).rejects.toMatchObject({ code: 'SB304' })
    await expect(installClientPrograms(99, optionsOf(pgdgKey))).rejects.toMatchObject({ code: 'SB304' })
    await expect(stat(path.join(root, 'usr/lib/postgresql/99/bin/pg_dump'))).rejects.toThrow()
  })

  test('are refused where a package is not what the signed list says', async () => {
    const file = path.join(repository, 'pool/postgresql-client-99_99.7-1.pgdg12+1_all.deb')
    const good = await readFile(file)
    const bad = Buffer.from(good)
    bad[bad.length - 10] = (bad[bad.length - 10] ?? 0) ^ 1
    await writeFile(file, bad)
    try {
      await expect(installClientPrograms(99, optionsOf(key))).rejects.toMatchObject({ code: 'SB304' })
      await expect(stat(path.join(root, 'usr/lib/postgresql/99/bin/pg_dump'))).rejects.toThrow()
    } finally {
      await writeFile(file, good)
    }
  })

  test('that no repository has are named', async () => {
    await expect(installClientPrograms(98, optionsOf(key))).rejects.toMatchObject({
      code: 'SB304',
      message: expect.stringContaining('postgresql-client-98')
    })
  })

  test('of a server come with the packages of the extensions that there are, and without a cluster', async () => {
    const place = await installServerPrograms(99, ['vector', 'pg_cron', 'nothing', '__proto__'], optionsOf(key))
    expect(place.binDir).toBe(path.join(root, 'usr/lib/postgresql/99/bin'))
    const status = await readFile(path.join(root, 'var/lib/dpkg/status'), 'utf8')
    expect([...status.matchAll(/^Package: (.*)$/gm)].map(([, name]) => name).sort()).toEqual([
      'postgresql-99',
      'postgresql-99-pgvector',
      'postgresql-client-99'
    ])
    await expect(stat(path.join(root, 'etc/postgresql-common/createcluster.conf'))).rejects.toThrow()
  })
})

describe('packages kept between runs', () => {
  /** A cache in a folder, which the test may damage. */
  function folderCache(place: string): PackageCache & { readonly keys: string[] } {
    const keys: string[] = []
    return {
      keys,
      async restore(paths, name) {
        keys.push(name)
        const [target = ''] = paths
        return cp(path.join(place, name), target, { recursive: true }).then(
          () => true,
          () => false
        )
      },
      async save(paths, name) {
        const [from = ''] = paths
        await cp(from, path.join(place, name), { recursive: true })
      }
    }
  }
  const downloads = () => asked.filter((name) => name.endsWith('.deb'))

  test('are not downloaded again, and never used when they differ from the signed list', async () => {
    const place = await mkdtemp(path.join(folder, 'cache-'))
    const cache = folderCache(place)
    await installClientPrograms(99, optionsOf(key, cache))
    expect(downloads().length).toBe(1)
    const [name = ''] = await readdir(place)
    expect(await readdir(path.join(place, name))).toEqual([expect.stringMatching(/^postgresql-client-99_.*\.deb$/)])

    asked = []
    await rm(path.join(root, 'var/lib/dpkg'), { recursive: true })
    await rm(path.join(root, 'usr'), { recursive: true })
    await mkdir(path.join(root, 'var/lib/dpkg/info'), { recursive: true })
    await mkdir(path.join(root, 'var/lib/dpkg/updates'))
    await writeFile(path.join(root, 'var/lib/dpkg/status'), '')
    await installClientPrograms(99, optionsOf(key, cache))
    expect(downloads()).toEqual([])
    expect((await stat(path.join(root, 'usr/lib/postgresql/99/bin/pg_dump'))).isFile()).toBe(true)

    const [file = ''] = await readdir(path.join(place, name))
    const bytes = await readFile(path.join(place, name, file))
    bytes[bytes.length - 10] = (bytes[bytes.length - 10] ?? 0) ^ 1
    await writeFile(path.join(place, name, file), bytes)
    await rm(path.join(root, 'var/lib/dpkg'), { recursive: true })
    await rm(path.join(root, 'usr'), { recursive: true })
    await mkdir(path.join(root, 'var/lib/dpkg/info'), { recursive: true })
    await mkdir(path.join(root, 'var/lib/dpkg/updates'))
    await writeFile(path.join(root, 'var/lib/dpkg/status'), '')
    await installClientPrograms(99, optionsOf(key, cache))
    expect(downloads().length).toBe(1)
    expect(new Set(cache.keys).size).toBe(1)
  })
})
