import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ActionRun, runAction } from '../kit/action.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { createRepository, gitHandler } from '../kit/git/git-server.ts'
import { type Github, startGithub } from '../kit/github/server.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

const major = 17
const places = ['artifact', 'release', 'repository', 'folder'] as const

let server: PostgresServer
let github: Github
let root: string
let identity: string
let recipients: string
const runs: ActionRun[] = []

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-verify-'))
  server = await startPostgres({ major, auth: 'scram', password: 'correct horse battery staple' })
  await loadSupabase(server, { users: 12 })
  github = await startGithub({ repository: 'acme/shop', visibility: 'private', artifacts: true })
  createRepository(root, 'acme/shop')
  github.mount('/acme/shop.git/', gitHandler({ root, token: github.token }).handle)
  identity = await generateIdentity()
  recipients = await identityToRecipient(identity)
})
afterEach(async () => {
  for (const done of runs.splice(0)) {
    // Nothing but results and downloads stays, whatever became of the run.
    const left = await readdir(join(done.temp, 'supabase-backup'))
    expect(left.filter((name) => !/^result-|^download-|^report-/.test(name))).toEqual([])
    await done.cleanUp()
  }
})
afterAll(async () => {
  await server.stop()
  await github.stop()
  await rm(root, { recursive: true, force: true })
})

const run = async (inputs: Readonly<Record<string, string>>): Promise<ActionRun> => {
  const done = await runAction({
    inputs: { token: github.token, 'pg-bin': binDirOf(major), ...inputs },
    env: github.env
  })
  runs.push(done)
  return done
}
const outcome = ({ code, outputs, result }: ActionRun) => ({
  code,
  status: outputs['status'],
  verified: outputs['verified'],
  error: result?.error?.code
})
const passed = (verified: string) => ({ code: 0, status: 'complete', verified, error: undefined })
const failed = (error: string) => ({ code: 1, status: 'failed', verified: 'none', error })
const backup = (inputs: Readonly<Record<string, string>>) =>
  run({ 'database-url': server.url('postgres', 'postgres'), project: 'shop', recipients, ...inputs })
const newFolder = () => mkdtemp(join(root, 'folder-'))

describe('a backup', () => {
  test('is restored and compared by default, with the statements of check-sql, before it is published', async () => {
    const folder = await newFolder()
    const done = await backup({
      destinations: 'folder',
      folder,
      'check-sql': 'select count(*) = 12 from auth.users\nselect count(*) > 0 from todos'
    })
    expect({ ...outcome(done), message: done.result?.error?.message }).toEqual({
      ...passed('restore'),
      message: undefined
    })
    expect(done.result?.verification).toMatchObject({
      level: 'restore',
      tables: { restore: 90, read: 0, differing: 0 },
      notProven: []
    })
    expect(done.summary).toContain('is backed up, and proven by restoring it')
    const refused = await backup({
      destinations: 'folder',
      folder,
      'check-sql': 'select count(*) > 12 from auth.users'
    })
    // It is stored, and marked: a night is never lost to its own proof.
    expect(outcome(refused)).toEqual({ code: 1, status: 'unproven', verified: 'none', error: 'SB601' })
    expect(refused.result?.backups.map(({ status }) => status)).toEqual(['unproven', 'complete'])
    expect(refused.summary).toContain('but the proof of the backup failed')
    expect(refused.result?.error?.message).toContain(
      'check-sql statement 1: select count(*) > 12 from auth.users: it returned false'
    )
    expect((await readdir(join(folder, 'shop'))).filter((name) => name !== 'journal')).toHaveLength(2)
  })

  test('takes check-sql from a file, and tells at once when there is none', async () => {
    const folder = await newFolder()
    const file = join(root, 'checks.sql')
    await writeFile(file, "-- two of them\nselect true;\nselect ';' = ';' -- the end\n")
    expect(outcome(await backup({ destinations: 'folder', folder, 'check-sql': file }))).toEqual(passed('restore'))
    expect(outcome(await backup({ destinations: 'folder', folder, 'check-sql': join(root, 'none.sql') }))).toEqual(
      failed('SB607')
    )
  })

  test('is restored into the server of verify-database-url, which is as before afterwards', async () => {
    const folder = await newFolder()
    const given = await startPostgres({ major, auth: 'scram', password: 'a password' })
    try {
      const state = async () =>
        (await given.query('select datname as n from pg_database union all select rolname from pg_roles order by 1'))
          .rows
      const before = await state()
      const done = await backup({ destinations: 'folder', folder, 'verify-database-url': given.url() })
      expect({ ...outcome(done), message: done.result?.error?.message }).toEqual({
        ...passed('restore'),
        message: undefined
      })
      expect(done.log).toContain('Restoring into the server of `verify-database-url`')
      expect(await state()).toEqual(before)
      await given.query('create table public.precious (id int)')
      const full = await backup({ destinations: 'folder', folder, 'verify-database-url': given.url() })
      expect(outcome(full)).toEqual(failed('SB605'))
      expect(full.result?.error?.message).toContain('precious')
    } finally {
      await given.stop()
    }
  })
})

describe('F19, T20: a pg_dump that lies', () => {
  const real = binDirOf(major)
  const earlier = () => join(root, 'earlier.dump')
  const other = () => join(root, 'other.dump')
  beforeAll(async () => {
    await server.query('create database other')
    await server.query('create table public.t as select 1 as n', [], server.superuser, 'other')
    const dump = async (database: string) => (await server.run('pg_dump', ['-Fc', '-Z0'], { database })).stdout
    await writeFile(other(), await dump('other'))
  })

  const lies: readonly (readonly [title: string, script: () => string, modes: readonly string[], code: string])[] = [
    ['writes nothing', () => 'exit 0', ['read', 'restore'], 'SB603'],
    ['writes half', () => `"${real}/pg_dump" "$@" | head -c 60000`, ['read', 'restore'], 'SB603'],
    ['writes garbage', () => 'head -c 100000 /dev/urandom', ['read'], 'SB603'],
    ['writes another database', () => `exec cat "${other()}"`, ['read', 'restore'], 'SB603'],
    ['leaves a table out', () => `exec "${real}/pg_dump" "$@" --exclude-table=public.todos`, ['read'], 'SB603'],
    ['leaves rows out', () => `exec "${real}/pg_dump" "$@" --exclude-table-data=auth.users`, ['read'], 'SB603']
  ]

  const lyingBin = async (script: string) => {
    const bin = await mkdtemp(join(root, 'bin-'))
    await writeFile(
      join(bin, 'pg_dump'),
      `#!/bin/sh\n[ "$1" = --version ] && exec "${real}/pg_dump" --version\n${script}\n`
    )
    for (const name of ['pg_restore', 'initdb', 'postgres', 'pg_ctl'])
      await writeFile(join(bin, name), `#!/bin/sh\nexec "${real}/${name}" "$@"\n`)
    for (const name of await readdir(bin)) await chmod(join(bin, name), 0o755)
    await chmod(root, 0o755)
    await chmod(bin, 0o755)
    return bin
  }

  test.each(lies)('that %s is found out, and nothing is published', async (_, script, modes, code) => {
    const folder = await newFolder()
    const bin = await lyingBin(script())
    for (const verify of modes) {
      const done = await backup({ destinations: 'folder', folder, 'pg-bin': bin, verify })
      expect({ verify, message: done.result?.error?.message, ...outcome(done) }).toMatchObject({
        verify,
        ...failed(code)
      })
      expect(done.result?.backups).toEqual([])
    }
    // That it failed is noted; nothing else is there.
    expect(await readdir(folder)).toEqual(['shop'])
    expect(await readdir(join(folder, 'shop'))).toEqual(['journal'])
  })

  // With the same tables, and within the minute that clocks may differ: only the comparison of rows can tell.
  test('that repeats an earlier moment is found out; what it wrote is whole, and is kept as unproven', async () => {
    const folder = await newFolder()
    await writeFile(earlier(), (await server.run('pg_dump', ['-Fc', '-Z0'], { database: 'postgres' })).stdout)
    await server.query(`update public.todos set title = title || '!' where id = (select max(id) from public.todos)`)
    const bin = await lyingBin(`exec cat "${earlier()}"`)
    const done = await backup({ destinations: 'folder', folder, 'pg-bin': bin, verify: 'restore' })
    expect(outcome(done)).toEqual({ code: 1, status: 'unproven', verified: 'none', error: 'SB601' })
    expect(done.result?.error?.message).toContain('table public.todos')
  })
})

describe('verifying what is stored', () => {
  let folder: string
  let id: string
  beforeAll(async () => {
    folder = await newFolder()
    const done = await runAction({
      inputs: {
        token: github.token,
        'database-url': server.url('postgres', 'postgres'),
        project: 'shop',
        recipients,
        'pg-bin': binDirOf(major),
        destinations: places.join(','),
        folder,
        verify: 'none'
      },
      env: github.env
    })
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0, error: undefined })
    id = done.outputs['backup-id'] ?? ''
    await done.cleanUp()
  })
  const verify = (inputs: Readonly<Record<string, string>>) => run({ command: 'verify', ...inputs })
  const stored = () => join(folder, 'shop', id)

  test.each(places)(
    'works from %s as a stranger: restored, recorded beside the backup, shown in the list',
    async (destination) => {
      const place: Record<string, string> = destination === 'folder' ? { folder } : {}
      const done = await verify({ destinations: destination, ...place, identity })
      expect({ ...outcome(done), message: done.result?.error?.message }).toEqual({
        ...passed('restore'),
        message: undefined
      })
      expect(done.summary).toContain('restored into a real PostgreSQL')
      const listed = await run({ command: 'list', destinations: destination, ...place })
      expect(JSON.parse(listed.outputs['backups'] ?? '')).toMatchObject([
        { id, verified: 'restore', latestVerification: { outcome: 'passed', level: 'restore' } }
      ])
    }
  )

  test('in several places at once proves one copy and compares the bytes of the others with it', async () => {
    const done = await verify({ destinations: 'folder,release', folder, identity, backup: id })
    expect(outcome(done)).toEqual(passed('restore'))
    expect(done.log.match(/Restoring into/g)).toHaveLength(1)
    expect(done.log.match(/Verifying shop/g)).toHaveLength(2)
  })

  test('without a key compares checksums and says so; asking for more is refused', async () => {
    const done = await verify({ destinations: 'folder', folder })
    expect(outcome(done)).toEqual(passed('checksum'))
    expect(done.result?.verification?.notProven).toEqual(['it is encrypted and no key was given: it was not opened'])
    expect(outcome(await verify({ destinations: 'folder', folder, verify: 'read' }))).toEqual(failed('SB503'))
    expect(outcome(await verify({ destinations: 'folder', folder, verify: 'read', identity }))).toEqual(passed('read'))
  })

  test('F65: a key that does not fit is told from damage, and leaves no mark on the backup', async () => {
    const before = await readdir(stored())
    const done = await verify({ destinations: 'folder', folder, identity: await generateIdentity() })
    expect(outcome(done)).toEqual(failed('SB502'))
    expect(done.result?.error?.message).toMatch(/fp:[0-9a-f]{16}.*made for other keys.*fp:[0-9a-f]{16}/)
    expect(await readdir(stored())).toEqual(before)
  })

  test('F62: damage is found with and without a key, recorded, and cleared by a later verification', async () => {
    const file = join(stored(), 'database.dump.zst.age')
    const good = await readFile(file)
    const bad = Buffer.from(good)
    bad[4000] = (bad[4000] ?? 0) ^ 1
    await writeFile(file, bad)
    for (const keys of [{}, { identity }]) {
      const done = await verify({ destinations: 'folder', folder, ...keys })
      expect(outcome(done)).toEqual(failed('SB501'))
      expect(done.result?.error?.message).toContain('database.dump.zst.age')
    }
    const listed = await run({ command: 'list', destinations: 'folder', folder })
    expect(JSON.parse(listed.outputs['backups'] ?? '')).toMatchObject([{ id, status: 'damaged', verified: 'none' }])
    await rm(file)
    expect(outcome(await verify({ destinations: 'folder', folder, identity }))).toEqual(failed('SB506'))
    await writeFile(file, good)
    // Records have the second in their names: this one must be a later one.
    await new Promise((resolve) => setTimeout(resolve, 1100))
    expect(outcome(await verify({ destinations: 'folder', folder, identity, verify: 'read' }))).toEqual(passed('read'))
    const cleared = await run({ command: 'list', destinations: 'folder', folder })
    expect(JSON.parse(cleared.outputs['backups'] ?? '')).toMatchObject([
      { id, status: 'complete', verified: 'restore' }
    ])
  })

  test('F64: an earlier manifest, or a whole earlier backup, in the place of the newest is told', async () => {
    const several = await newFolder()
    const ids: string[] = []
    for (let count = 0; count < 2; count += 1) {
      ids.push((await backup({ destinations: 'folder', folder: several, verify: 'none' })).outputs['backup-id'] ?? '')
      // The newest is the one of the later second.
      await new Promise((resolve) => setTimeout(resolve, 1100))
    }
    const [first = '', second = ''] = ids.map((one) => join(several, 'shop', one))
    for (const replay of [
      () => cp(join(first, 'manifest.json'), join(second, 'manifest.json')),
      () => rm(second, { recursive: true }).then(() => cp(first, second, { recursive: true }))
    ]) {
      await replay()
      const done = await verify({ destinations: 'folder', folder: several, identity })
      expect(outcome(done)).toMatchObject({ code: 1, status: 'failed', error: 'SB902' })
      expect(done.result?.error?.message).toContain(`its manifest is that of shop/${ids[0]}`)
    }
  })

  test('all: every backup, with the damaged ones named and the others passed', async () => {
    const several = await newFolder()
    const ids: string[] = []
    for (let count = 0; count < 2; count += 1)
      ids.push((await backup({ destinations: 'folder', folder: several, verify: 'none' })).outputs['backup-id'] ?? '')
    const [first = ''] = ids
    expect(
      outcome(await verify({ destinations: 'folder', folder: several, backup: 'all', verify: 'checksum' }))
    ).toEqual(passed('checksum'))
    const manifest = join(several, 'shop', first, 'manifest.json')
    const text = await readFile(manifest, 'utf8')
    await writeFile(manifest, text.replace(/"rows": (\d)/, '"rows": 9$1'))
    const done = await verify({ destinations: 'folder', folder: several, backup: 'all', verify: 'checksum' })
    expect(outcome(done)).toEqual(failed('SB606'))
    expect(done.result?.error?.message).toContain(first)
    expect(done.result?.error?.message).toContain('was changed after it was written')
    expect(outcome(await verify({ destinations: 'folder', folder: several, backup: first }))).toEqual(failed('SB501'))
    await writeFile(manifest, text.slice(0, 300))
    const cut = await verify({ destinations: 'folder', folder: several, backup: 'all', verify: 'checksum' })
    expect(outcome(cut)).toMatchObject({ code: 1, status: 'failed', error: 'SB902' })
    expect(cut.result?.error?.message).toContain(first)
  })

  test('F67, T20: nothing there is status nothing and fails; only incomplete ones fail, too', async () => {
    const empty = await newFolder()
    expect(outcome(await verify({ destinations: 'folder', folder: empty, identity }))).toEqual({
      code: 1,
      status: 'nothing',
      verified: 'none',
      error: 'SB901'
    })
    const partial = await newFolder()
    await mkdir(join(partial, 'shop'), { recursive: true })
    const made = await backup({
      destinations: 'folder',
      folder: partial,
      verify: 'none',
      'supabase-url': 'http://127.0.0.1:9',
      'service-role-key': 'sb_secret_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
      retries: '0'
    })
    expect(made.outputs['status']).toBe('partial')
    expect(outcome(await verify({ destinations: 'folder', folder: partial, identity, verify: 'read' }))).toMatchObject({
      code: 1,
      status: 'partial',
      verified: 'read'
    })
  })
})

describe('the journal', () => {
  test('tells of every run when their backups are gone, and its report can be checked with openssl alone', async () => {
    const folder = await newFolder()
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const place = {
      destinations: 'folder',
      folder,
      'signing-key': privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    }
    const ids: string[] = []
    for (const verify of ['restore', 'checksum', 'checksum']) {
      const done = await backup({ ...place, verify, 'keep-last': '9' })
      expect(outcome(done)).toEqual(passed(verify))
      ids.push(done.outputs['backup-id'] ?? '')
    }
    const wrong = new URL(server.url('postgres', 'postgres'))
    wrong.password = 'not this one'
    expect((await backup({ ...place, 'database-url': wrong.href })).code).toBe(1)
    const restored = await run({
      ...place,
      command: 'restore',
      project: 'shop',
      identity,
      recipients,
      backup: ids[0] ?? '',
      'target-database-url': server.url('postgres', 'postgres'),
      'confirm-target': 'same:127.0.0.1/postgres',
      'restore-mode': 'side-schema',
      tables: 'public.todos',
      'safety-backup': 'false'
    })
    expect(outcome(restored)).toMatchObject({ code: 0, status: 'complete' })
    for (const id of ids.slice(0, 2))
      expect(
        (
          await run({
            command: 'delete',
            destinations: 'folder',
            folder,
            project: 'shop',
            backup: id,
            'confirm-target': id
          })
        ).code
      ).toBe(0)

    const done = await run({ ...place, command: 'report', since: '1d' })
    expect(outcome(done)).toMatchObject({ code: 0, status: 'complete' })
    const path = done.outputs['path'] ?? ''
    const report = JSON.parse(await readFile(join(path, 'report.json'), 'utf8'))
    expect(report.records).toMatchObject({ read: 5, signed: 5, unsigned: 0 })
    const [shop] = report.projects
    expect(shop.events.map((event: { event: string; from: string }) => `${event.event} ${event.from}`)).toEqual([
      'made journal',
      'made journal',
      'made journal',
      'failed journal',
      'restored journal'
    ])
    expect(shop).toMatchObject({
      due: 1,
      made: 1,
      proofs: { count: 1 },
      levels: { restore: 1, checksum: 2 },
      restores: { count: 1 },
      retention: ['keep-last: 9'],
      largestGap: { met: true }
    })
    const csv = await readFile(join(path, 'report.csv'), 'utf8')
    expect(csv.match(/^shop,(?:made|failed|restored),/gm)).toHaveLength(5)
    expect(csv + JSON.stringify(report)).not.toMatch(/todos|not this one|correct horse/)

    await writeFile(join(path, 'verify.pem'), publicKey.export({ format: 'pem', type: 'spki' }))
    const text = await readFile(join(import.meta.dirname, '../../docs/evidence.md'), 'utf8')
    const recipe = /^```sh\n(.*?)^```$/ms.exec(text)?.[1] ?? 'exit 9'
    const follow = () => promisify(execFile)('bash', ['-euc', recipe], { cwd: path })
    expect((await follow()).stdout.match(/Signature Verified Successfully/g)).toHaveLength(2)
    await writeFile(join(path, 'report.html'), `${await readFile(join(path, 'report.html'), 'utf8')} `)
    await expect(follow()).rejects.toThrow()
  })
})
