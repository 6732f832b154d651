import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { extract } from 'tar-stream'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { configFactsSchema } from '../../src/archive/contents-config.ts'
import { functionsFactsSchema } from '../../src/archive/contents-functions.ts'
import type { AddFile, Files } from '../../src/archive/files.ts'
import { connectManagement, type Management } from '../../src/clients/supabase/management.ts'
import type { Context } from '../../src/context.ts'
import { openConfigSource } from '../../src/sources/config/index.ts'
import { restoreConfig } from '../../src/sources/config/restore.ts'
import { openFunctionsSource } from '../../src/sources/functions/index.ts'
import { restoreFunctions } from '../../src/sources/functions/restore.ts'
import { lookUpProject, sessionPooler } from '../../src/sources/look-up-project.ts'
import type { Captured, Source } from '../../src/sources/source.ts'
import { healthAfter } from '../../src/wiring/management.ts'
import { type DoubleProject, type ManagementDouble, putFunction, startManagement } from '../kit/supabase/management.ts'

const from = 'abcdefghijklmnopqrst'
const into = 'tsrqponmlkjihgfedcba'
const token = `sbp_${'0123456789'.repeat(4)}`
/** Values that must never be found in what is kept or told. */
const canaries = [
  'canary-smtp-password',
  'canary-apple-secret',
  'canary-hook-secret',
  'jwt-secret-of-',
  'canary-private-d',
  'canary-in-uri'
]

interface TestContext extends Context {
  readonly slept: number[]
}

/** A context whose clock does not wait. */
function testContext(): TestContext {
  const slept: number[] = []
  let now = 0
  return {
    slept,
    clock: {
      now: () => new Date(Date.UTC(2026, 10, 22) + now),
      monotonic: () => now,
      sleep: (ms, signal) => {
        signal?.throwIfAborted()
        slept.push(ms)
        now += ms
        return Promise.resolve()
      }
    },
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
    log: {
      info: () => undefined,
      warning: () => undefined,
      debug: () => undefined,
      progress: () => undefined,
      group: (_title, work) => work()
    },
    signal: new AbortController().signal,
    temp: '/nonexistent'
  }
}

interface Taken<F> extends Captured<F> {
  readonly files: Files
  readonly bytes: ReadonlyMap<string, Buffer>
}

async function take<F>(source: Source<F>): Promise<Taken<F>> {
  const bytes = new Map<string, Buffer>()
  const add: AddFile = async (name, content) => {
    if (!('bytes' in content)) throw new Error('no bytes')
    bytes.set(name, await buffer(content.bytes))
    return { storedName: name, plainBytes: 0, storedBytes: 0, sha256: '' }
  }
  const signal = new AbortController().signal
  await source.preflight(signal)
  const captured = await source.capture(add, signal)
  return {
    ...captured,
    bytes,
    files: {
      names: [...bytes.keys()],
      open: (name) => {
        const found = bytes.get(name)
        if (found === undefined) throw new Error(`not packed: ${name}`)
        return Readable.from([found])
      }
    }
  }
}

async function entriesOf(tar: Buffer | undefined): Promise<Map<string, string>> {
  const entries = new Map<string, string>()
  const archive = extract()
  Readable.from([tar ?? Buffer.alloc(0)]).pipe(archive)
  for await (const entry of archive) entries.set(entry.header.name, (await buffer(entry)).toString('utf8'))
  return entries
}

describe('the Management API', () => {
  let double: ManagementDouble
  let source: DoubleProject
  let target: DoubleProject
  let context: TestContext

  const management = (ref: string, more: { token?: string; retries?: number } = {}): Management =>
    connectManagement({ url: double.url, token: more.token ?? token, ref, retries: more.retries ?? 3, context })
  const functions = (ref = from, more: { token?: string } = {}) =>
    take(openFunctionsSource({ context, management: management(ref, more) }))
  const config = (ref = from, includeSecrets = false, more: { token?: string } = {}) =>
    take(openConfigSource({ context, management: management(ref, more), includeSecrets, encrypted: true }))
  const set = (project: DoubleProject, path: string, more: object) =>
    project.settings.set(path, { ...Object(project.settings.get(path)), ...more })

  beforeAll(async () => {
    double = await startManagement()
    double.addToken(token)
  })
  afterAll(() => double.stop())
  beforeEach(() => {
    double.clearFaults()
    double.remaining = 10_000
    double.calls.length = 0
    context = testContext()
    source = double.addProject(from)
    target = double.addProject(into)
    putFunction(source, 'hello', {
      'index.ts': 'Deno.serve(() => new Response("hello"))',
      'lib/empty.ts': '',
      'deno.json': '{}'
    })
    putFunction(
      source,
      'shared-code',
      {
        'functions/shared-code/index.ts': 'import "../_shared/cors.ts"',
        'functions/_shared/cors.ts': 'export const cors = 1'
      },
      { verify_jwt: false }
    )
    putFunction(
      source,
      'mapped',
      { 'index.ts': 'import { z } from "zod"', 'import_map.json': '{"imports":{"zod":"npm:zod"}}' },
      { import_map_path: 'import_map.json' }
    )
    putFunction(
      source,
      'lost-map',
      { 'main.ts': 'import { z } from "zod"', 'deno.json': '{}' },
      { import_map_path: 'deno.json', hidden: new Set(['deno.json']) }
    )
    putFunction(source, 'packed', {}, { bundle: Buffer.from('ESZIP2.3 packed'), entrypoint_path: 'index.ts' })
    putFunction(source, 'umlauts', { 'index.ts': 'export {}', 'häuser & "höfe".txt': 'ü', CON: 'reserved' })
    source.secrets.set('STRIPE_KEY', 'a').set('SHARED', 'same')
    target.secrets.set('SHARED', 'same')
    set(source, '/config/auth', {
      site_url: 'https://shop.example',
      jwt_exp: 7200,
      external_apple_enabled: true,
      external_apple_client_id: 'com.shop',
      external_apple_secret: 'canary-apple-secret',
      smtp_host: 'mail.example',
      smtp_user: 'shop',
      smtp_pass: 'canary-smtp-password',
      hook_send_sms_uri: 'https://user:canary-in-uri@hooks.example/sms',
      hook_send_sms_secrets: 'v1,whsec_canary-hook-secret'
    })
    set(source, '/postgrest', { max_rows: 500, db_schema: 'public,api' })
    set(source, '/config/storage', {
      fileSizeLimit: 1_000_000,
      features: { imageTransformation: { enabled: true }, s3Protocol: { enabled: false } }
    })
    set(source, '/config/realtime', { private_only: true })
    set(source, '/config/database/postgres', { statement_timeout: '60s', max_connections: 100 })
    set(source, '/ssl-enforcement', { currentConfig: { database: true } })
    set(source, '/network-restrictions', { config: { dbAllowedCidrs: ['192.0.2.0/24'], dbAllowedCidrsV6: [] } })
    source.settings.set('/config/auth/third-party-auth', [
      { id: '1', type: 'firebase', oidc_issuer_url: 'https://issuer.example' }
    ])
    source.settings.set('/custom-hostname', { custom_hostname: 'api.shop.example', status: '5_services_reconfigured' })
    source.settings.set('/config/auth/signing-keys', {
      keys: [{ id: 'k1', public_jwk: { kty: 'EC', x: 'x', d: 'canary-private-d' } }]
    })
  })

  test('functions: everything is kept, under harmless names, and comes back equal in an empty project', async () => {
    const taken = await functions()
    expect(taken).toMatchObject({ status: 'captured', counts: { functions: 6, files: 11, secretNames: 3 } })
    functionsFactsSchema.parse(taken.facts)
    const entries = await entriesOf(taken.bytes.get('functions.tar'))
    expect([...entries.keys()].every((name) => /^[\w.-]+(?:\/[\w.-]+)+$/.test(name))).toBe(true)
    expect(entries.get('shared-code/source/_shared/cors.ts')).toBe('export const cors = 1')
    expect([...entries.keys()]).toEqual(
      expect.arrayContaining(['lost-map/bundle.eszip', 'packed/bundle.eszip', 'hello/source/lib/empty.ts'])
    )
    expect([...entries.keys()]).not.toContain('mapped/bundle.eszip')

    const plan = await restoreFunctions({
      context,
      target: management(into),
      files: taken.files,
      facts: taken.facts,
      dryRun: true
    })
    expect(plan.deployed).toHaveLength(6)
    expect(target.functions.size).toBe(0)
    const restored = await restoreFunctions({
      context,
      target: management(into),
      files: taken.files,
      facts: taken.facts,
      dryRun: false
    })
    expect(restored.deployed).toEqual(['hello', 'shared-code', 'mapped', 'lost-map', 'packed', 'umlauts'])
    expect(restored.findings.map(({ kind, subject, remedy }) => [kind, subject, remedy])).toEqual([
      ['todo', 'secret STRIPE_KEY', `supabase secrets set STRIPE_KEY=<value> --project-ref ${into}`]
    ])
    expect(target.functions.get('shared-code')).toMatchObject({ verify_jwt: false })
    expect(target.functions.get('mapped')).toMatchObject({ import_map_path: 'import_map.json' })
    // The second project says the same of itself as the first, save what each deployment makes anew.
    const again = await functions(into)
    const comparable = (facts: typeof taken.facts) =>
      facts.functions.map(({ slug, name, verifyJwt, files, entrypoint, importMapFile }) => ({
        slug,
        name,
        verifyJwt,
        entrypoint,
        importMapFile,
        files
      }))
    const bySource = (facts: typeof taken.facts) => comparable(facts).filter(({ slug }) => slug !== 'lost-map')
    expect(bySource(again.facts)).toEqual(bySource(taken.facts))
    expect((await entriesOf(again.bytes.get('functions.tar'))).get('lost-map/bundle.eszip')).toBe(
      entries.get('lost-map/bundle.eszip')
    )
    const second = await restoreFunctions({
      context,
      target: management(into),
      files: taken.files,
      facts: taken.facts,
      dryRun: false
    })
    expect([second.deployed, second.equal.length]).toEqual([[], 6])
  })

  test('T11: hostile names of functions and files are neither paths nor commands', async () => {
    putFunction(source, '../../etc', { '../../../../../../etc/passwd': 'root', 'index.ts': 'x' })
    putFunction(source, '$(touch x)', {
      'index.ts': 'y',
      'a/../../.git/config': 'z',
      '-rf': 'w',
      A: '1',
      a: '2',
      'a/b': '3'
    })
    const taken = await functions()
    const entries = [...(await entriesOf(taken.bytes.get('functions.tar'))).keys()]
    expect(
      entries.filter((name) =>
        name.split('/').some((part) => part === '..' || part === '.git' || part.startsWith('-') || part === '')
      )
    ).toEqual([])
    expect(entries.every((name) => /^[\w.-]+(?:\/[\w.-]+)+$/.test(name))).toBe(true)
    expect(new Set(entries.map((name) => name.toLowerCase())).size).toBe(entries.length)
    for (const name of entries)
      expect(entries.filter((other) => other.toLowerCase().startsWith(`${name.toLowerCase()}/`))).toEqual([])
    const restored = await restoreFunctions({
      context,
      target: management(into),
      files: taken.files,
      facts: taken.facts,
      dryRun: true
    })
    for (const { remedy } of restored.findings) expect(remedy ?? '').not.toMatch(/touch|\.\./)
  })

  test('settings: secret values are left out and named; the jwt secret and private keys are kept never', async () => {
    const taken = await config()
    expect(taken.status).toBe('captured')
    configFactsSchema.parse(taken.facts)
    const text = `${taken.bytes.get('config.json')?.toString('utf8')}${JSON.stringify(taken.facts)}`
    for (const canary of canaries) expect(text).not.toContain(canary)
    expect(taken.facts.omitted).toEqual(
      expect.arrayContaining([
        'auth.smtp_pass',
        'auth.external_apple_secret',
        'auth.hook_send_sms_secrets',
        'auth.hook_send_sms_uri',
        'api.jwt_secret'
      ])
    )
    expect(text).toContain('password_min_length')
    expect(text).toContain('rate_limit_token_refresh')
    const all = await config(from, true)
    const kept = all.bytes.get('config.json')?.toString('utf8') ?? ''
    expect(kept).toContain('canary-smtp-password')
    for (const never of ['jwt-secret-of-', 'canary-private-d', 'YOUR-PASSWORD']) expect(kept).not.toContain(never)
  })

  test('settings: a group that cannot be read or set for want of a right or of an answer is a difference', async () => {
    const taken = await config()
    const options = { context, target: management(into), files: taken.files, facts: taken.facts, dryRun: false }
    const subjects = async () => {
      const { findings } = await restoreConfig(options)
      return findings.filter(({ kind }) => kind === 'difference').map(({ subject }) => subject)
    }
    double.fail({ method: 'PATCH', path: /\/config\/auth$/, status: 403, times: 100 })
    expect(await subjects()).toContain('auth.site_url')
    double.clearFaults()
    double.fail({ method: 'GET', path: /\/config\/auth$/, status: 403, times: 100 })
    expect(await subjects()).toEqual(['auth'])
    double.clearFaults()
    expect(await subjects()).toEqual([])
  })

  test('settings: the difference first, then what may be set, then the rest by hand', async () => {
    set(source, '/config/auth', { mailer_otp_length: 8 })
    const taken = await config()
    const before = structuredClone([...target.settings])
    const options = { context, target: management(into), files: taken.files, facts: taken.facts }
    const plan = await restoreConfig({ ...options, dryRun: true })
    expect([...target.settings]).toEqual(before)
    expect(plan.changes).toContainEqual({
      setting: 'auth.site_url',
      inBackup: '"https://shop.example"',
      inTarget: '"http://localhost:3000"',
      action: 'would be applied'
    })
    const done = await restoreConfig({ ...options, dryRun: false })
    expect(done.findings.filter(({ kind }) => kind === 'difference')).toEqual([])
    const actions = Object.fromEntries(done.changes.map(({ setting, action }) => [setting, action]))
    expect(actions).toMatchObject({
      'auth.site_url': 'applied',
      'auth.jwt_exp': 'applied',
      'auth.mailer_otp_length': 'refused',
      'auth.smtp_host': 'by hand',
      'auth.external_apple_enabled': 'by hand',
      'api.max_rows': 'applied',
      'storage.features.s3Protocol.enabled': 'applied',
      'postgres.statement_timeout': 'applied',
      'postgres.max_connections': 'by hand',
      'sslEnforcement.currentConfig.database': 'applied',
      'networkRestrictions.config.dbAllowedCidrs': 'applied',
      thirdPartyAuth: 'applied'
    })
    const todo = done.findings.filter(({ kind }) => kind === 'todo').map(({ subject }) => subject)
    expect(todo).toEqual(
      expect.arrayContaining([
        'auth.smtp_pass',
        'auth.external_apple_secret',
        'auth.mailer_otp_length',
        'customHostname'
      ])
    )
    expect(todo).not.toContain('api.jwt_secret')
    expect(done.findings.find(({ subject }) => subject === 'signingKeys')).toMatchObject({ kind: 'note' })
    for (const call of double.calls)
      if (call.method !== 'GET') for (const canary of canaries) expect(call.body).not.toContain(canary)
    // What was set is equal now; what is left are the things by hand.
    const again = await restoreConfig({ ...options, dryRun: true })
    expect(again.changes.filter(({ action }) => action === 'would be applied').map(({ setting }) => setting)).toEqual([
      'auth.mailer_otp_length'
    ])
    expect(Object(target.settings.get('/config/auth')).smtp_host).toBe(null)
  })

  test.each([
    [
      'functions',
      'functions',
      'the list of functions: SB822: the access token lacks the scope edge_functions:read (edge_functions_read), status 403'
    ],
    [
      'secrets',
      'functions',
      'the names of secrets: SB822: the access token lacks the scope secrets:read (edge_functions_secrets_read), status 403'
    ],
    ['config/auth', 'config', 'auth:read (auth_config_read), status 403'],
    [
      'postgrest',
      'config',
      'api: SB822: the access token lacks the scope rest:read (data_api_config_read), status 403'
    ],
    ['network-restrictions', 'config', 'projects:read (database_network_restrictions_read), status 403']
  ] as const)(
    'F33: without the scope for %s the rest is kept and the scope is named',
    async (lacking, part, reason) => {
      const scopes = [
        '',
        'functions',
        'secrets',
        'config/auth',
        'config/storage',
        'config/realtime',
        'config/database',
        'postgrest',
        'network-restrictions',
        'ssl-enforcement',
        'custom-hostname'
      ]
      double.addToken(
        'narrow',
        scopes.filter((scope) => scope !== lacking)
      )
      const taken =
        part === 'functions'
          ? await functions(from, { token: 'narrow' })
          : await config(from, false, { token: 'narrow' })
      expect(taken.status).toBe('partial')
      expect(taken.reason).toContain(reason)
      expect(JSON.stringify(taken.facts)).toContain('project')
      expect(Object.values(taken.counts).some((count) => count > 0)).toBe(true)
    }
  )

  test('F33: a token that is refused makes the parts impossible, each named', async () => {
    const parts = [await functions(from, { token: 'revoked' }), await config(from, false, { token: 'revoked' })]
    for (const { status, reason, bytes } of parts) {
      expect(status).toBe('impossible')
      expect(reason).toMatch(/SB821: the access token is refused, status 401 \(the call needs the scope [a-z_]+:read/)
      expect(bytes.size).toBe(0)
    }
  })

  test('F33, F29: a page, an error or another shape with status 200 is never kept', async () => {
    for (const body of ['<html>', { message: 'error' }, [{ slug: 1 }], 'null']) {
      double.clearFaults()
      double.fail({ path: /^\/functions$/, status: 200, body })
      const taken = await functions()
      expect([taken.status, taken.reason]).toEqual([
        'partial',
        'the list of functions: SB826: the answer has another shape (the call needs the scope edge_functions:read (edge_functions_read))'
      ])
    }
    double.fail({ path: /^\/functions\/hello\/body$/, status: 200, body: { error: 'x' }, times: 2 })
    const taken = await functions()
    expect(taken).toMatchObject({ status: 'partial', reason: '1 of 6 functions could not be read whole' })
    double.fail({ path: /^\/config\/storage$/, status: 200, body: { message: 'x' } })
    expect(await config()).toMatchObject({
      status: 'partial',
      reason: 'storage: SB826: the answer has another shape (the call needs the scope storage_config_read)'
    })
    double.fail({ path: /^\/postgrest$/, status: 404, body: { message: 'x' } })
    expect(await config()).toMatchObject({
      status: 'partial',
      reason: 'api: SB823: status 404 (the call needs the scope rest:read (data_api_config_read))'
    })
  })

  test('F30: limits and faults that pass are waited for; the budget is kept', async () => {
    double.fail({ path: /^\/secrets$/, status: 429, headers: { 'retry-after': '3' } })
    double.fail({ path: /^\/functions$/, status: 503, times: 2 })
    double.fail({ path: /^\/functions$/, cutAfter: 10 })
    expect((await functions()).status).toBe('captured')
    expect(context.slept.some((ms) => ms > 2000 && ms <= 3000)).toBe(true)
    double.fail({ path: /^\/functions$/, status: 500, times: 100 })
    double.calls.length = 0
    expect((await functions()).reason).toContain('SB825: status 500')
    expect(double.calls.filter(({ path }) => path === '/functions')).toHaveLength(4)
    double.clearFaults()
    double.remaining = 3
    context = testContext()
    const limited = management(from)
    const any = z.unknown()
    for (const path of ['/secrets', '/functions', '/postgrest']) await limited.read(path, any)
    expect(context.slept).toEqual([])
    double.remaining = 10
    await limited.read('/secrets', any)
    expect(context.slept).toEqual([1000])
  })

  test('F30: a limit that does not say how long it holds is tried again like any other fault that passes', async () => {
    double.fail({ path: /^\/secrets$/, status: 429, bare: true, times: 2 })
    expect((await functions()).status).toBe('captured')
    expect(context.slept).toHaveLength(2)
    expect(Math.max(...context.slept)).toBeLessThanOrEqual(2000)
  })

  test('a project that is paused or not running is told at once, the token never in the text', async () => {
    for (const [status, code] of [
      ['INACTIVE', 'SB827'],
      ['PAUSING', 'SB827'],
      ['REMOVED', 'SB828'],
      ['UPGRADING', 'SB828']
    ] as const) {
      source.status = status
      await expect(lookUpProject(management(from), context)).rejects.toMatchObject({ code })
    }
    source.status = 'ACTIVE_UNHEALTHY'
    source.health.set('rest', false)
    const state = await lookUpProject(management(from), context)
    expect(state).toMatchObject({ postgresVersion: '15.8.1.060', unhealthy: ['rest'] })
    expect(state.warnings).toHaveLength(2)
    const unknown = await lookUpProject(management(from, { token: 'revoked-token-value' }), context)
    expect(unknown.warnings.join()).toContain('SB821')
    expect(unknown.warnings.join()).not.toContain('revoked-token-value')
    expect(await sessionPooler(management(from))).toBe(
      `postgresql://postgres.${from}:<password>@aws-0-eu-central-1.pooler.supabase.com:5432/postgres`
    )
  })

  test('a pooler that is told by its connection string alone is enough for the settings and for its address', async () => {
    const pooler = 'aws-1-eu-central-1.pooler.supabase.com'
    const user = `postgres.${from}`
    const said: readonly (readonly [more: object, expected: string | null])[] = [
      [{ connection_string: `postgresql://${user}:[YOUR-PASSWORD]@${pooler}:6543/postgres`, pool_mode: 'x' }, pooler],
      [{ connectionString: `postgres://${user}:canary-p@ss/w@${pooler}:6543/postgres?a=b` }, pooler],
      [{ connection_string: `postgres://${user}@${pooler}/postgres` }, pooler],
      [{ connection_string: `postgres://${user}:x@evil host:6543/postgres` }, null],
      [{ pool_mode: 'transaction' }, null],
      [{ db_user: user, db_host: pooler, db_name: 'postgres', database_type: 'PRIMARY' }, pooler]
    ]
    for (const [more, host] of said) {
      source.settings.set('/config/database/pooler', [more])
      expect(await sessionPooler(management(from))).toBe(
        host === null ? null : `postgresql://${user}:<password>@${host}:5432/postgres`
      )
    }
    source.settings.set('/config/database/pooler', [
      { connection_string: `postgres://${user}:canary@${pooler}:6543/postgres`, pool_mode: 'x', default_pool_size: 25 }
    ])
    target.settings.set('/config/database/pooler', [{ pool_mode: 'x', default_pool_size: 15 }])
    const taken = await config()
    expect(taken.status).toBe('captured')
    const kept = taken.bytes.get('config.json')?.toString('utf8')
    expect(kept).toContain('default_pool_size')
    expect(kept).not.toContain('canary')
    const plan = await restoreConfig({
      context,
      target: management(into),
      files: taken.files,
      facts: taken.facts,
      dryRun: true
    })
    expect(plan.changes).toContainEqual({
      setting: 'pooler.default_pool_size',
      inBackup: '25',
      inTarget: '15',
      action: 'would be applied'
    })
  })

  test('a service that fell ill during the backup is told', async () => {
    const project = {
      management: management(from),
      before: await lookUpProject(management(from), context),
      sources: []
    }
    const { signal } = new AbortController()
    expect(await healthAfter(project, signal)).toEqual([])
    source.health.set('storage', false)
    expect(await healthAfter(project, signal)).toEqual([
      'Services of the project that were healthy before the backup and are not now: storage.'
    ])
  })

  test('an address where nothing answers costs its repeats once', async () => {
    const dead = connectManagement({ url: 'http://127.0.0.1:9', token, ref: from, retries: 2, context })
    const taken = await take(openConfigSource({ context, management: dead, includeSecrets: false, encrypted: true }))
    expect(taken.status).toBe('impossible')
    expect(taken.reason).toContain('SB825: no answer')
    expect(context.slept).toHaveLength(2)
  })

  test('what the plan or the API does not take is listed, and the others are deployed', async () => {
    const taken = await functions()
    double.fail({
      path: /^\/functions\/deploy$/,
      method: 'POST',
      status: 402,
      body: { message: 'Maximum number of functions reached for Plan' }
    })
    const restored = await restoreFunctions({
      context,
      target: management(into),
      files: taken.files,
      facts: taken.facts,
      dryRun: false
    })
    expect(restored.deployed).toHaveLength(5)
    expect(restored.findings[0]).toMatchObject({
      kind: 'todo',
      subject: 'Edge Function hello',
      remedy: `supabase functions deploy hello --project-ref ${into}`
    })
    expect(restored.findings[0]?.detail).toContain('Maximum number of functions reached')
  })

  test('every difference of a function is seen: it is deployed again, and what is not equal afterwards is told', async () => {
    const taken = await functions()
    const restore = (dryRun: boolean) =>
      restoreFunctions({ context, target: management(into), files: taken.files, facts: taken.facts, dryRun })
    double.fail({ path: /^\/functions\/hello\/body$/, status: 200, body: '<html>', times: 2 })
    expect((await restore(false)).findings).toContainEqual({
      kind: 'difference',
      subject: 'Edge Function hello',
      detail: 'its source files could not be compared'
    })
    expect((await restore(true)).deployed).toEqual([])
    const hello = target.functions.get('hello')
    const files = hello?.files ?? new Map<string, Buffer>()
    const changes: readonly (() => void)[] = [
      () => files.set('index.ts', Buffer.from('other')),
      () => files.delete('lib/empty.ts'),
      () => files.set('more.ts', Buffer.from('')),
      () => Object.assign(hello ?? {}, { verify_jwt: false }),
      () => Object.assign(hello ?? {}, { name: 'other' }),
      () => Object.assign(hello ?? {}, { entrypoint_path: 'deno.json' })
    ]
    const good = { ...hello, files: new Map(files) }
    for (const change of changes) {
      change()
      expect((await restore(true)).deployed).toEqual(['hello'])
      files.clear()
      for (const [name, content] of good.files) files.set(name, content)
      Object.assign(hello ?? {}, { ...good, files })
    }
    Object.assign(target.functions.get('packed') ?? {}, { bundle: Buffer.from('ESZIP other') })
    expect((await restore(true)).deployed).toEqual(['packed'])
  })

  test('a function that was removed is recorded, and nothing of it is read', async () => {
    putFunction(source, 'gone', { 'index.ts': 'export {}' }, { status: 'REMOVED' })
    double.fail({ path: /^\/functions\/gone\/body$/, status: 404, times: 100 })
    const taken = await functions()
    expect(taken.status).toBe('captured')
    expect(taken.facts.functions.find(({ slug }) => slug === 'gone')).toMatchObject({
      status: 'REMOVED',
      files: [],
      bundle: null,
      problem: null
    })
    expect(double.calls.filter(({ path }) => path.startsWith('/functions/gone'))).toEqual([])
  })

  test('an import map that is named and missing is not replaced by another one: the packed form is kept', async () => {
    putFunction(
      source,
      'two-maps',
      { 'index.ts': 'import { z } from "zod"', 'deno.json': '{}', 'maps/import_map.json': '{}' },
      { import_map_path: 'maps/import_map.json', hidden: new Set(['maps/import_map.json']) }
    )
    const taken = await functions()
    const one = taken.facts.functions.find(({ slug }) => slug === 'two-maps')
    expect(one?.problem).toBe('its import map is not among the source files; the packed form is kept')
    expect([...(await entriesOf(taken.bytes.get('functions.tar'))).keys()]).toContain('two-maps/bundle.eszip')
  })

  test('a function whose stored files were changed is not deployed', async () => {
    const taken = await functions()
    const facts = structuredClone(taken.facts)
    const file = facts.functions[0]?.files[0]
    if (file !== undefined) file.sha256 = '0'.repeat(64)
    const restored = await restoreFunctions({
      context,
      target: management(into),
      files: taken.files,
      facts,
      dryRun: false
    })
    expect(target.functions.has('hello')).toBe(false)
    expect(restored.findings).toContainEqual(expect.objectContaining({ kind: 'todo', subject: 'Edge Function hello' }))
  })
})
