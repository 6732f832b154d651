import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundlePath } from '../kit/action.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'

let root = ''
let server: PostgresServer
let folder = ''
let keyFile = ''
let recipient = ''
let identity = ''

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sb-command-'))
  folder = join(root, 'backups')
  keyFile = join(root, 'key.txt')
  identity = await generateIdentity()
  recipient = await identityToRecipient(identity)
  await writeFile(keyFile, identity, { mode: 0o600 })
  server = await startPostgres({ major: 15, auth: 'scram', password: 'correct horse battery staple' })
  await server.query('create table public.orders as select n, md5(n::text) as words from generate_series(1, 50) n')
})
afterAll(async () => {
  await server.stop()
  await rm(root, { recursive: true, force: true })
})

/** Runs the bundle with words, as somebody at a shell would without a terminal. */
async function run(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [bundlePath(), ...words], {
    cwd: root,
    env: { PATH: process.env['PATH'] ?? '', HOME: root, ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, out, err }
}

test('backup, list, show, diff and restore by words alone; secrets from variable and file; exit codes as ever', async () => {
  const source = { SUPABASE_BACKUP_DATABASE_URL: server.url(server.superuser, 'postgres') }
  const made = await run(
    [
      ...['backup', '--folder', folder, '--project', 'shop', '--recipients', recipient],
      ...['--pg-bin', binDirOf(15), '--verify', 'read', '--json']
    ],
    source
  )
  expect({ code: made.code, err: made.code === 0 ? '' : made.err }).toEqual({ code: 0, err: '' })
  const { backup, status } = JSON.parse(made.out)
  expect(status).toBe('complete')

  const listed = await run(['list', '--folder', folder])
  expect([listed.code, listed.out.includes(backup.id), /<code>|^\| /m.test(listed.out)]).toEqual([0, true, false])

  const shown = await run(['show', '--folder', folder, '--identity-file', keyFile])
  expect([shown.code, shown.err]).toEqual([0, expect.not.stringContaining('Error')])
  expect(shown.out).toMatch(/public\.orders +50 /)

  // The files of one backup, as somebody downloaded them.
  const flat = join(root, 'Downloads')
  await mkdir(flat)
  for (const name of await readdir(join(folder, 'shop', backup.id)))
    await cp(join(folder, 'shop', backup.id, name), join(flat, name))
  await server.query('insert into public.orders values (51, $1)', ['new'])
  const different = await run(
    ['diff', '--folder', flat, '--identity-file', keyFile, 'latest', 'live', '--json'],
    source
  )
  expect({ code: different.code, err: different.code === 0 ? '' : different.err }).toEqual({ code: 0, err: '' })
  expect(JSON.parse(different.out).tables).toEqual([
    { name: 'public.orders', before: '50', after: '51', change: 'rows' }
  ])

  await server.query('create database copy')
  const target = { SUPABASE_BACKUP_TARGET_DATABASE_URL: server.url(server.superuser, 'copy') }
  const words = [
    'restore',
    '--folder',
    flat,
    '--identity-file',
    keyFile,
    '--pg-bin',
    binDirOf(15),
    '--safety-backup',
    'false'
  ]
  const unconfirmed = await run(words, target)
  expect([unconfirmed.code, unconfirmed.err]).toEqual([1, expect.stringContaining('SB003')])
  const restored = await run([...words, '--confirm-target', '127.0.0.1/copy'], target)
  expect([restored.code, restored.code === 0 ? '' : restored.err]).toEqual([0, ''])
  expect((await server.query('select count(*)::int as n from public.orders', [], undefined, 'copy')).rows[0].n).toBe(50)

  const everything = [made, listed, shown, different, unconfirmed, restored].map(({ out, err }) => out + err).join('\n')
  expect(everything).not.toContain('correct horse')
  expect(everything).not.toContain(identity)
  // Nothing of a run is left behind.
  expect(await readdir(join(root, '.cache', 'supabase-backup', 'supabase-backup'))).toEqual([])
  expect((await readdir(join(root, '.cache', 'supabase-backup'))).filter((name) => name.startsWith('folder-'))).toEqual(
    []
  )
}, 600_000)

test('without words at a shell, and with wrong ones, the help is near', async () => {
  expect(await run([])).toMatchObject({ code: 0, out: expect.stringContaining('Usage: supabase-backup <command>') })
  expect(await run(['restor'])).toMatchObject({ code: 1, err: expect.stringContaining('`restore`') })
  expect(await run(['list', '--folder', folder, '--passphrase', 'x'])).toMatchObject({
    code: 1,
    err: expect.stringContaining('SUPABASE_BACKUP_PASSPHRASE')
  })
})
