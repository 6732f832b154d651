import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type ActionRun, runAction, shown } from '../kit/action.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { type DoubleProject, type ManagementDouble, putFunction, startManagement } from '../kit/supabase/management.ts'
import { startStorage } from '../kit/supabase/storage.ts'

const from = 'abcdefghijklmnopqrst'
const into = 'tsrqponmlkjihgfedcba'
const token = `sbp_${'fedcba9876'.repeat(4)}`
const allScopes = [
  '',
  'health',
  'functions',
  'secrets',
  'config',
  'postgrest',
  'network-restrictions',
  'ssl-enforcement',
  'custom-hostname'
]

describe('functions and settings through the bundle', () => {
  let server: PostgresServer
  let double: ManagementDouble
  let source: DoubleProject
  let root: string
  let identity: string
  let recipients: string
  const runs: ActionRun[] = []

  const run = async (inputs: Readonly<Record<string, string>>): Promise<ActionRun> => {
    const done = await runAction({
      inputs: {
        destinations: 'folder',
        folder: join(root, 'folder'),
        project: 'shop',
        'management-url': double.url,
        retries: '1',
        ...inputs
      }
    })
    runs.push(done)
    return done
  }
  const backup = (inputs: Readonly<Record<string, string>> = {}) =>
    run({
      'database-url': server.url('postgres', 'postgres'),
      'pg-bin': binDirOf(15),
      verify: 'read',
      recipients,
      'project-ref': from,
      'access-token': token,
      ...inputs
    })
  const parts = (done: ActionRun) =>
    Object.fromEntries((done.result?.backup?.parts ?? []).map((part) => [part.source, part.status]))
  const reasons = (done: ActionRun) => (done.result?.backup?.parts ?? []).map(({ reason }) => reason ?? '').join('; ')

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sb-management-'))
    identity = await generateIdentity()
    recipients = await identityToRecipient(identity)
    double = await startManagement()
    double.addToken(token)
    server = await startPostgres({ major: 15 })
    await server.query('create role postgres superuser login', [], undefined, 'postgres')
    await server.query('create table public.notes as select generate_series(1, 3) as id', [], undefined, 'postgres')
  })
  afterAll(async () => {
    for (const done of runs) await done.cleanUp()
    await server?.stop()
    await double?.stop()
    await rm(root, { recursive: true, force: true })
  })
  beforeEach(() => {
    double.clearFaults()
    source = double.addProject(from)
    putFunction(source, 'hello', { 'index.ts': 'Deno.serve(() => new Response("hello"))', 'lib/a.ts': 'export {}' })
    putFunction(
      source,
      'webhook',
      { 'index.ts': 'import { z } from "zod"', 'deno.json': '{"imports":{}}' },
      { verify_jwt: false }
    )
    source.secrets.set('STRIPE_KEY', 'value')
    source.settings.set('/config/auth', {
      ...Object(source.settings.get('/config/auth')),
      site_url: 'https://shop.example',
      smtp_pass: 'hidden-smtp-password'
    })
  })

  test('a backup holds them, says so, and brings them back into an empty project', async () => {
    const done = await backup()
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
    expect(parts(done)).toEqual({ database: 'captured', storage: 'skipped', functions: 'captured', config: 'captured' })
    expect(done.summary).toMatch(/2 functions, 4 files, 2 secret names/)
    for (const text of [done.summary, shown(done.log), JSON.stringify(done.result)]) {
      expect(text).not.toContain(token)
      expect(text).not.toContain('hidden-smtp')
    }
    const opened = await run({ command: 'download', identity })
    const folder = opened.outputs['path'] ?? ''
    const settings = await readFile(join(folder, 'config.json'), 'utf8')
    expect(settings).toContain('https://shop.example')
    expect(settings).not.toContain('hidden-smtp')
    const contents = JSON.parse(await readFile(join(folder, 'contents.json'), 'utf8'))
    expect(contents.config.omitted).toContain('auth.smtp_pass')

    const target = double.addProject(into)
    const restore = (inputs: Readonly<Record<string, string>>) =>
      run({
        command: 'restore',
        include: 'functions, config',
        identity,
        'target-project-ref': into,
        'target-access-token': token,
        'confirm-target': into,
        'safety-backup': 'false',
        ...inputs
      })
    const plan = await restore({ 'dry-run': 'true' })
    expect({ code: plan.code, error: plan.result?.error }).toEqual({ code: 0 })
    expect(plan.result?.findings?.map(({ subject, detail }) => `${subject} ${detail}`)).toEqual(
      expect.arrayContaining([
        'Edge Function hello would be deployed',
        expect.stringContaining('auth.site_url would be applied')
      ])
    )
    expect(target.functions.size).toBe(0)
    const staysBehind = async (inputs: Readonly<Record<string, string>>) =>
      (await restore({ 'dry-run': 'true', ...inputs })).result?.findings?.filter(({ detail }) =>
        detail.startsWith('is in the backup')
      )
    const detail = (reason: string) => `is in the backup and would not be brought back: ${reason}`
    expect(await staysBehind({ include: 'config' })).toEqual([
      { kind: 'note', subject: 'database', detail: detail('`include` does not name it') },
      { kind: 'note', subject: 'functions', detail: detail('`include` does not name it') }
    ])
    expect(await staysBehind({ include: 'auto' })).toEqual([
      { kind: 'note', subject: 'database', detail: detail('`target-database-url` is not given') }
    ])
    const restored = await restore({})
    expect({ code: restored.code, error: restored.result?.error }).toEqual({ code: 0 })
    expect([...target.functions.keys()]).toEqual(['hello', 'webhook'])
    expect(target.functions.get('webhook')).toMatchObject({ verify_jwt: false })
    expect(Object(target.settings.get('/config/auth'))).toMatchObject({
      site_url: 'https://shop.example',
      smtp_pass: null
    })
    const todo = (restored.result?.findings ?? []).filter(({ kind }) => kind === 'todo').map(({ subject }) => subject)
    expect(todo).toEqual(['secret STRIPE_KEY', 'auth.smtp_pass'])
  })

  test('F33: with a token that is revoked or lacks a scope the database is kept, the part named, the job red', async () => {
    const revoked = await backup({ 'access-token': 'sbp_revoked' })
    expect([revoked.code, revoked.outputs['status'], revoked.result?.error?.code]).toEqual([1, 'partial', 'SB215'])
    expect(parts(revoked)).toEqual({
      database: 'captured',
      storage: 'skipped',
      functions: 'impossible',
      config: 'impossible'
    })
    expect(reasons(revoked)).toContain('SB821')

    double.addToken(
      'sbp_narrow',
      allScopes.filter((scope) => scope !== 'functions' && scope !== 'postgrest')
    )
    const narrow = await backup({ 'access-token': 'sbp_narrow' })
    expect([narrow.code, narrow.outputs['status']]).toEqual([1, 'partial'])
    expect(parts(narrow)).toMatchObject({ database: 'captured', functions: 'partial', config: 'partial' })
    expect(narrow.result?.error?.message).toContain('edge_functions:read')
    expect(reasons(narrow)).toContain('rest:read')
    const contents = await run({ command: 'download', identity, backup: narrow.outputs['backup-id'] ?? '' })
    expect(
      JSON.parse(await readFile(join(contents.outputs['path'] ?? '', 'contents.json'), 'utf8')).functions.secrets
    ).toHaveLength(2)
    expect(narrow.result?.destinations).toMatchObject([{ stored: true }])
  })

  test('with a credential missing of a source that is named, the others are kept and the job is red', async () => {
    const cases = [
      [
        { include: 'database,storage,functions,config', 'access-token': '', 'service-role-key': 'sb_secret_x' },
        ['functions', 'config'],
        'access-token'
      ],
      [{ include: 'database,storage', 'access-token': '' }, ['storage'], 'service-role-key']
    ] as const
    const storage = await startStorage({ key: 'sb_secret_x' })
    try {
      for (const [inputs, missing, name] of cases) {
        const done = await backup({ 'supabase-url': storage.url, project: `without-${name}`, ...inputs })
        expect([done.code, done.outputs['status'], done.result?.error?.code]).toEqual([1, 'partial', 'SB215'])
        for (const source of missing) expect(parts(done)[source]).toBe('impossible')
        expect(parts(done)['database']).toBe('captured')
        if (name === 'access-token') expect(parts(done)['storage']).toBe('captured')
        expect(done.result?.error?.message).toContain(`\`${name}\` is not given`)
        expect(done.result?.destinations).toMatchObject([{ stored: true }])
      }
    } finally {
      await storage.stop()
    }
  })

  test('the service-role key is looked up; one that may not be read, or is refused, costs the files alone', async () => {
    const key = 'sb_secret_9Lk2mWqXzT4vB7nC0dFgHj_1aBcDeF'
    const storage = await startStorage({ key })
    try {
      storage.addBucket('files')
      storage.put('files', 'a', Buffer.from('content'))
      source.apiKeys.set('anon', 'eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.eA')
      source.apiKeys.set('backup', key)
      const found = await backup({ 'supabase-url': storage.url, project: 'looked-up' })
      expect({ code: found.code, error: found.result?.error }).toEqual({ code: 0 })
      expect(parts(found)).toMatchObject({ database: 'captured', storage: 'captured' })
      expect(found.log).toContain(`::add-mask::${key}`)
      for (const text of [found.summary, shown(found.log), JSON.stringify(found.result)])
        expect(text).not.toContain(key)

      double.addToken('sbp_no_keys', allScopes)
      const narrow = await backup({ 'supabase-url': storage.url, 'access-token': 'sbp_no_keys', project: 'looked-up' })
      expect([narrow.code, narrow.outputs['status']]).toEqual([1, 'partial'])
      expect(parts(narrow)).toMatchObject({ database: 'captured', storage: 'impossible', functions: 'captured' })
      expect(reasons(narrow)).toContain('SB822')
      expect(narrow.result?.warnings.join()).toContain('secrets:read (api_gateway_keys_read)')

      const rotated = await backup({
        'supabase-url': storage.url,
        'service-role-key': 'sb_secret_fromBeforeTheRotation_000000000',
        project: 'looked-up'
      })
      expect(parts(rotated)).toMatchObject({ database: 'captured', storage: 'impossible' })
      expect(rotated.result?.warnings.join()).toContain(
        'The project has no key that begins like it: it was deleted or rotated'
      )
    } finally {
      await storage.stop()
    }
  })

  test('a project that is paused is told at once, before the database is asked', async () => {
    source.status = 'INACTIVE'
    const done = await backup({ 'database-url': 'postgresql://postgres:wrong@127.0.0.1:9/postgres?sslmode=disable' })
    expect([done.code, done.result?.error?.code]).toEqual([1, 'SB827'])
    expect(done.summary).toContain('paused')
    source.status = 'ACTIVE_HEALTHY'
    const unreachable = await backup({
      'database-url': 'postgresql://postgres:wrong@127.0.0.1:9/postgres?sslmode=disable',
      retries: '0'
    })
    expect(unreachable.result?.error?.code).toBe('SB101')
    expect(unreachable.result?.error?.remedy).toContain(
      `postgres.${from}:<password>@aws-0-eu-central-1.pooler.supabase.com:5432`
    )
  })

  test('secret values of settings are kept only where the backup is encrypted', async () => {
    const refused = await backup({ recipients: '', 'config-secrets': 'include', plaintext: 'public' })
    expect([refused.code, refused.result?.error?.code]).toEqual([1, 'SB003'])
    const done = await backup({
      'config-secrets': 'include',
      include: 'config',
      'database-url': '',
      project: 'settings'
    })
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
    const opened = await run({
      command: 'download',
      identity,
      project: 'settings',
      backup: done.outputs['backup-id'] ?? ''
    })
    expect(await readFile(join(opened.outputs['path'] ?? '', 'config.json'), 'utf8')).toContain('hidden-smtp-password')
    expect(
      await readFile(join(root, 'folder/settings', done.outputs['backup-id'] ?? '', 'manifest.json'), 'utf8')
    ).not.toContain('hidden-smtp')
  })
})
