import { generateKeyPairSync } from 'node:crypto'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { supabaseRoots } from '../../../src/base/supabase-roots.ts'
import { UserError } from '../../../src/errors.ts'
import { readInputs } from '../../../src/inputs/index.ts'
import { commandNames, inputNames } from '../../../src/inputs/input-definitions.ts'
import { backupId, databaseUrl, getter, localUrl, read, ref, refusal } from './reading.ts'

let identity = ''
let recipient = ''
beforeAll(async () => {
  identity = await generateIdentity()
  recipient = await identityToRecipient(identity)
})

describe('backup', () => {
  it('needs the connection string alone', () => {
    const inputs = read('backup', { 'database-url': databaseUrl })
    expect(inputs).toMatchObject({
      project: ref,
      ref,
      destinations: ['artifact'],
      branch: 'backups',
      type: 'full',
      verify: 'auto',
      plaintext: 'private',
      compression: { method: 'zstd', level: 3 },
      shrinkLimit: 0.5,
      lockTimeoutMs: 60_000,
      retries: 3,
      keep: undefined,
      storage: undefined,
      management: undefined,
      include: { sources: ['database'] },
      notify: { on: 'failure', webhook: undefined, email: undefined, issue: false }
    })
    expect(inputs.source).toEqual({
      target: {
        host: 'aws-0-eu-central-1.pooler.supabase.com',
        port: 5432,
        user: `postgres.${ref}`,
        password: 's3cret-p@ss',
        database: 'postgres',
        tls: { mode: 'verify-full', rootCertificates: supabaseRoots }
      },
      ref,
      onSupabase: true
    })
  })

  it('is the command when none is given, and blanks around values do not count', () => {
    expect(readInputs(getter({ 'database-url': `  ${databaseUrl}\n`, plaintext: 'private', jobs: ' ' })).command).toBe(
      'backup'
    )
  })

  it('passes on what the pooler needs to find the project', () => {
    const url = `postgresql://postgres:x@aws-0-eu.pooler.supabase.com/postgres?options=reference%3D${ref}&connect_timeout=9`
    expect(read('backup', { 'database-url': url }).source).toMatchObject({
      target: { options: `reference=${ref}`, connectTimeoutMs: 9000 },
      ref
    })
  })

  it('takes everything that may be given', () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const inputs = read('backup', {
      'database-url': databaseUrl,
      project: 'My-App',
      include: 'database, storage\nfunctions,config',
      type: 'schema',
      schemas: 'public, "my,schema"\n"a.b"',
      'exclude-tables': 'public.log_*',
      'exclude-table-data': 'audit.*',
      'service-role-key': 'sb_secret_x',
      buckets: 'avatars,doc*',
      'access-token': 'sbp_0',
      'management-url': 'http://127.0.0.1:9/',
      destinations: 'release,folder, release',
      repository: 'acme/backups',
      branch: 'copies/main',
      token: 'ghs_x',
      folder: './out',
      recipients: `# ops\n${recipient}\n`,
      compression: 'gzip',
      'compression-level': '9',
      verify: 'restore',
      'verify-database-url': localUrl,
      'check-sql': 'select true;\n-- a comment\nselect count(*) > 0 from users ;;',
      'keep-last': '7',
      'keep-within': '30d',
      'keep-max-bytes': '2GiB',
      'shrink-limit': '25%',
      'notify-webhook': 'https://example.com/hook',
      'notify-webhook-private': 'true',
      'notify-email': 'a@example.com\nb@example.com',
      'smtp-url': 'smtps://u:p%40w@mail.example.com',
      'notify-issue': 'true',
      'notify-on': 'always',
      'ping-url': 'http://localhost:1/x',
      jobs: '4',
      'lock-timeout': '90s',
      timeout: '2h',
      retries: '0',
      'max-download': '5GB',
      'ssl-root-cert': supabaseRoots,
      'pg-bin': '/usr/lib/postgresql/17/bin',
      'config-secrets': 'include',
      'signing-key': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      'accept-recipients': 'fp:0123456789abcdef',
      acknowledge: backupId,
      dashboard: 'out/index.html'
    })
    expect(inputs).toMatchObject({
      project: 'my-app',
      ref,
      include: { sources: ['database', 'storage', 'functions', 'config'] },
      storage: { url: `https://${ref}.supabase.co`, serviceRoleKey: 'sb_secret_x' },
      management: { url: 'http://127.0.0.1:9', token: 'sbp_0', ref },
      buckets: [['avatars'], ['doc', '']],
      selection: {
        type: 'schema',
        schemas: ['public', '"my,schema"', '"a.b"'],
        tables: [],
        excludeTables: ['public.log_*'],
        excludeTableData: ['audit.*']
      },
      destinations: ['release', 'folder'],
      repository: { owner: 'acme', name: 'backups' },
      recipients: [recipient],
      compression: { method: 'gzip', level: 9 },
      verify: 'restore',
      verifyDatabase: { target: { host: '127.0.0.1', tls: { mode: 'verify-full' } } },
      checkSql: { kind: 'statements', statements: ['select true', 'select count(*) > 0 from users'] },
      keep: { last: 7, daily: undefined, withinMs: 30 * 86_400_000, maxBytes: 2 * 1024 ** 3 },
      shrinkLimit: 0.25,
      notify: {
        on: 'always',
        webhookPrivate: true,
        email: {
          to: ['a@example.com', 'b@example.com'],
          server: { host: 'mail.example.com', port: 465, implicitTls: true, user: 'u', password: 'p@w' }
        },
        issue: true
      },
      jobs: 4,
      lockTimeoutMs: 90_000,
      timeoutMs: 7_200_000,
      retries: 0,
      maxDownloadBytes: 5e9,
      configSecrets: 'include',
      acceptRecipients: ['fp:0123456789abcdef'],
      acknowledge: backupId,
      dashboard: { kind: 'file', path: 'out/index.html' }
    })
    expect(inputs.signingKey?.fingerprint).toMatch(/^fp:[0-9a-f]{16}$/)
    expect(inputs.notify.webhook?.href).toBe('https://example.com/hook')
  })

  it('takes each source whose credentials are given, and says why', () => {
    const inputs = read('backup', { 'database-url': databaseUrl, 'access-token': 'sbp_0' })
    expect(inputs.include).toEqual({
      sources: ['database', 'functions', 'config'],
      lacking: [],
      reasons: {
        database: 'taken: `database-url` is given',
        storage:
          'left out: `service-role-key` is not given (where `include` names storage, the key is looked up with `access-token`)',
        functions: 'taken: `access-token` is given',
        config: 'taken: `access-token` is given'
      }
    })
  })

  it('looks the service-role key up where Storage is meant and a token is given', () => {
    const given = { 'database-url': databaseUrl, 'access-token': 'sbp_0' }
    const url = `https://${ref}.supabase.co`
    for (const more of [{ include: 'database,storage' }, { buckets: 'avatars' }, { 'supabase-url': url }]) {
      const inputs = read('backup', { ...given, ...more })
      expect(inputs.include.sources).toContain('storage')
      expect(inputs.storage).toEqual({ url, serviceRoleKey: undefined })
    }
    expect(read('backup', { ...given, buckets: 'avatars' }).include.reasons.storage).toBe(
      'taken: `access-token` is given'
    )
    expect(read('backup', { 'database-url': databaseUrl, include: 'database,storage' }).include.lacking).toEqual([
      'storage'
    ])
  })

  it('keeps the other sources where the credentials of one that is named are missing, and refuses where nothing is left', () => {
    const inputs = read('backup', {
      'database-url': databaseUrl,
      include: 'database,storage,functions',
      buckets: 'avatars'
    })
    expect(inputs.include).toMatchObject({
      sources: ['database'],
      lacking: ['storage', 'functions'],
      reasons: {
        storage: '`include` names it, but `service-role-key` is not given',
        functions: '`include` names it, but `access-token` is not given'
      }
    })
    expect(refusal({ 'database-url': databaseUrl, include: 'storage,config' }).code).toBe('SB003')
    expect(refusal({ 'access-token': 'sbp_0', 'project-ref': ref, include: 'database,config' }).message).toContain(
      '`database-url` is missing'
    )
  })

  it('can do without the database only when told so', () => {
    const storage = { 'supabase-url': `https://${ref}.supabase.co`, 'service-role-key': 'sb_secret_x' }
    expect(refusal(storage).message).toContain('`database-url` is missing')
    const inputs = read('backup', { ...storage, include: 'storage' })
    expect(inputs.source).toBeUndefined()
    expect(inputs.project).toBe(ref)
  })

  it('tells of a TLS mode that was raised and of the direct host', () => {
    const notes = read('backup', {
      'database-url': `postgres://postgres:x@db.${ref}.supabase.co/postgres?sslmode=require`
    }).notes.join('\n')
    expect(notes).toContain('raised to verify-full')
    expect(notes).toContain('IPv6')
    expect(
      read('backup', { 'database-url': 'postgres://u:x@db.example.com:6543/d?sslmode=disable' }).warnings
    ).toHaveLength(2)
  })

  it.each([
    ['F3', { 'database-url': databaseUrl.replace(':5432', ':6543') }, 'SB110', 'Session pooler string (port 5432)'],
    ['pooler user', { 'database-url': databaseUrl.replace(`.${ref}`, '') }, 'SB111', 'postgres.<project ref>'],
    ['TLS off', { 'database-url': `${databaseUrl}?sslmode=disable` }, 'SB011', 'sslmode=disable'],
    ['no database', {}, 'SB003', '`database-url` is missing'],
    ['bad string', { 'database-url': 'x' }, 'SB004', '`database-url`: it is neither'],
    ['bad parameter', { 'database-url': `${databaseUrl}?service=x` }, 'SB005', 'the parameter service'],
    [
      'storage without key',
      { 'database-url': databaseUrl, include: 'storage' },
      'SB003',
      '`service-role-key` is missing'
    ],
    [
      'functions without token',
      { 'database-url': databaseUrl, include: 'functions' },
      'SB003',
      '`access-token` is missing'
    ],
    [
      'key without address',
      { 'database-url': localUrl, 'service-role-key': 'k' },
      'SB003',
      '`supabase-url` is missing'
    ],
    ['token without ref', { 'database-url': localUrl, 'access-token': 't' }, 'SB003', '`project-ref` is missing'],
    [
      'two projects',
      { 'database-url': databaseUrl, 'project-ref': 'z'.repeat(20) },
      'SB002',
      'lead to different projects'
    ],
    [
      'two projects',
      { 'database-url': databaseUrl, 'supabase-url': `https://${'z'.repeat(20)}.supabase.co` },
      'SB002',
      'lead to different projects'
    ],
    [
      'public key',
      { 'database-url': databaseUrl, 'service-role-key': 'sb_publishable_x' },
      'SB006',
      'public (anon) key'
    ],
    [
      'anon JWT',
      {
        'database-url': databaseUrl,
        'service-role-key': `e30.${Buffer.from('{"role":"anon"}').toString('base64url')}.x`
      },
      'SB006',
      'public (anon) key'
    ],
    [
      'JWT of a user',
      {
        'database-url': databaseUrl,
        'service-role-key': `e30.${Buffer.from('{"role":"authenticated"}').toString('base64url')}.x`
      },
      'SB006',
      'token of another role than service_role'
    ],
    [
      'proof into the source',
      { 'database-url': localUrl, 'verify-database-url': localUrl },
      'SB002',
      'the same database'
    ],
    ['weak passphrase', { 'database-url': localUrl, passphrase: 'thirteen-char' }, 'SB007', 'openssl rand'],
    ['weak passphrase', { 'database-url': localUrl, passphrase: 'a'.repeat(30) }, 'SB007', 'openssl rand'],
    ['never, and no key', { 'database-url': localUrl, plaintext: 'never' }, 'SB003', '`recipients` is missing'],
    [
      'secrets in plain text',
      { 'database-url': localUrl, 'config-secrets': 'include' },
      'SB003',
      '`recipients` (or `passphrase`) is missing'
    ],
    [
      'level without method',
      { 'database-url': localUrl, compression: 'none', 'compression-level': '3' },
      'SB002',
      'compression-level'
    ],
    [
      'level of gzip',
      { 'database-url': localUrl, compression: 'gzip', 'compression-level': '10' },
      'SB001',
      'from 1 to 9'
    ],
    ['level', { 'database-url': localUrl, 'compression-level': '20' }, 'SB001', 'from 1 to 19'],
    ['buckets alone', { 'database-url': localUrl, buckets: 'a' }, 'SB002', 'Storage is not backed up'],
    [
      'check-sql without restore',
      { 'database-url': localUrl, verify: 'read', 'check-sql': 'select true' },
      'SB002',
      'needs a restored copy'
    ],
    ['schemas and tables', { 'database-url': localUrl, schemas: 'a', tables: 'a.b' }, 'SB002', 'cannot be combined'],
    ['F72: keep 0', { 'database-url': localUrl, 'keep-daily': '0' }, 'SB008', '0 would keep nothing'],
    ['F72: keep 0', { 'database-url': localUrl, 'keep-within': '0d' }, 'SB008', '0 would keep nothing'],
    ['F72: keep 0', { 'database-url': localUrl, 'keep-max-bytes': '0 MB' }, 'SB008', '0 would keep nothing'],
    ['F72: unit', { 'database-url': localUrl, 'keep-within': '30days' }, 'SB001', 'such as 90s'],
    [
      'keep without delete',
      { 'database-url': localUrl, 'keep-last': '3' },
      'SB002',
      'cannot be deleted without `token`'
    ],
    ['release without token', { 'database-url': localUrl, destinations: 'release' }, 'SB003', '`token` is missing'],
    ['folder without path', { 'database-url': localUrl, destinations: 'folder' }, 'SB003', '`folder` is missing'],
    [
      'an issue without token',
      { 'database-url': localUrl, 'notify-issue': 'true' },
      'SB003',
      '`notify-issue` needs it'
    ],
    ['mail without server', { 'database-url': localUrl, 'notify-email': 'a@b.c' }, 'SB003', '`smtp-url` is missing'],
    [
      'unknown destination',
      { 'database-url': localUrl, destinations: 'artifact,ftp' },
      'SB001',
      '`artifact,ftp`: allowed are one or more of artifact, release, repository, folder'
    ],
    [
      'unknown source',
      { 'database-url': localUrl, include: 'database,auth' },
      'SB001',
      'allowed are auto, or one or more of database, storage, functions, config'
    ],
    ['auto beside others', { 'database-url': localUrl, include: 'auto,storage' }, 'SB001', 'allowed are auto'],
    [
      'no boolean',
      { 'database-url': localUrl, 'notify-issue': 'yes' },
      'SB001',
      '`notify-issue` is `yes`: allowed are true and false'
    ],
    ['no boolean', { 'database-url': localUrl, 'notify-issue': 'True' }, 'SB001', 'allowed are true and false'],
    ['label', { 'database-url': localUrl, project: 'my_app' }, 'SB001', '`project` is `my_app`']
  ] as const)('%s is refused: %j', (_what, given, code, text) => {
    const error = refusal(given)
    expect(error.code).toBe(code)
    expect(error.message).toContain(text)
  })

  it('takes checks from a file, and refuses such as hold none', () => {
    const checked = (text: string) => read('backup', { 'database-url': localUrl, 'check-sql': text }).checkSql
    expect(checked('checks/all.SQL')).toEqual({ kind: 'file', path: 'checks/all.SQL' })
    expect(checked('select 1 from a.sql')).toEqual({ kind: 'statements', statements: ['select 1 from a.sql'] })
    expect(checked(' select 1 ; \n\n--x\n  select 2;;')).toEqual({
      kind: 'statements',
      statements: ['select 1', 'select 2']
    })
    expect(refusal({ 'database-url': localUrl, 'check-sql': '-- nothing\n;;' })).toMatchObject({
      code: 'SB001',
      message: 'Input `check-sql`: it holds no statement.'
    })
  })

  it('takes any service key that is not shown to be the public one', () => {
    const jwt = (payload: string) => `e30.${Buffer.from(payload).toString('base64url')}.x`
    const keyOf = (key: string) =>
      read('backup', { 'database-url': databaseUrl, 'service-role-key': key }).storage?.serviceRoleKey
    for (const key of [jwt('{"role":"service_role"}'), jwt('null'), jwt('"anon"'), jwt('{"role"'), 'a.b.c', 'k'])
      expect(keyOf(key)).toBe(key)
    // A role of one's own sees what policies show, and would not say that there is more.
    for (const claims of ['{}', '{"role":"reader"}', '{"role":7}'])
      expect(refusal({ 'database-url': databaseUrl, 'service-role-key': jwt(claims) }).code).toBe('SB006')
    for (const key of ['two words', 'a\nb', 'ä', 'x'.repeat(8193)])
      expect(refusal({ 'database-url': databaseUrl, 'service-role-key': key }).message).toContain(
        'it holds spaces, line breaks or characters that no key has'
      )
  })

  it('labels what has no database by the host of its API, ports apart', () => {
    const labelOf = (url: string) =>
      read('backup', { include: 'storage', 'service-role-key': 'k', 'supabase-url': url }).project
    expect(labelOf('https://self.example.com')).toMatch(/^self-example-com-storage-[0-9a-f]{8}$/)
    expect(labelOf('https://self.example.com:8443')).not.toBe(labelOf('https://self.example.com'))
    expect(labelOf('https://kong')).toBe('kong-storage')
    expect(labelOf('https://kong:8443')).toMatch(/^kong-storage-[0-9a-f]{8}$/)
    expect(refusal({ include: 'config', 'access-token': 't' }).message).toContain(
      'Input `project` is missing: nothing else says which project this is.'
    )
  })

  it('shows what was typed on one line, cut where it is long, and never what may be a secret', () => {
    expect(refusal({ 'database-url': localUrl, folder: 'a\nb' }).message).toBe(
      'Input `folder` is `a b`: allowed is one line of at most 4096 characters.'
    )
    const typed = (length: number) => refusal({ 'database-url': localUrl, type: 'x'.repeat(length) }).message
    expect(typed(80)).toContain(`is \`${'x'.repeat(80)}\`: allowed`)
    expect(typed(81)).toContain(`is \`${'x'.repeat(80)}...\`: allowed`)
    expect(refusal({ 'database-url': localUrl, token: 'a b' }).message).toBe(
      'Input `token`: it holds spaces, line breaks or characters that no key has.'
    )
  })

  it('seals for recipients or with a passphrase, never both', () => {
    const error = refusal({ 'database-url': localUrl, recipients: recipient, passphrase: 'a long enough passphrase' })
    expect(error.code).toBe('SB002')
    expect(error.message).toContain('both given')
  })

  it('says everything that is wrong at once, with the code of each', () => {
    const error = refusal({ 'database-url': 'x', jobs: '0', compression: 'lz4', 'keep-last': '0' })
    expect(error.code).toBe('SB004')
    expect(error.message.split('\n')).toHaveLength(5)
    for (const code of ['SB004', 'SB001', 'SB008']) expect(error.message).toContain(`(${code})`)
    expect(refusal({ 'database-url': localUrl, destinations: 'release,folder' }).message).toMatch(
      /2 things.*\n.*token.*\n.*folder/
    )
  })
})

describe('the other commands', () => {
  it('work on all labels, unless something says which project', () => {
    expect(read('list').project).toBeUndefined()
    expect(read('list', { 'database-url': databaseUrl }).project).toBe(ref)
    expect(read('list', { 'database-url': databaseUrl.replace(':5432', ':6543') }).project).toBe(ref)
    expect(read('list', { 'project-ref': ref }).project).toBe(ref)
    expect(read('check', { 'supabase-url': `https://${ref}.supabase.co` }).project).toBe(ref)
    expect(read('list', { 'database-url': databaseUrl, project: 'Other' }).project).toBe('other')
  })

  it('verify', () => {
    expect(read('verify', { identity, verify: 'read', backup: 'all' })).toMatchObject({
      backup: { kind: 'all' },
      verify: 'read',
      identities: [identity]
    })
    expect(refusal({ command: 'verify', verify: 'none' }).code).toBe('SB002')
  })

  it('opens what an old, short passphrase has sealed', () => {
    expect(read('download', { passphrase: 'old' }).passphrase).toBe('old')
    expect(read('verify', { passphrase: 'old' }).passphrase).toBe('old')
  })

  it('restore', () => {
    const given = {
      'target-database-url': databaseUrl,
      'confirm-target': ref,
      'target-service-role-key': 'sb_secret_x',
      'target-access-token': 'sbp_0',
      identity,
      backup: '2026-11-22',
      recipients: recipient
    }
    expect(read('restore', given)).toMatchObject({
      project: undefined,
      include: { sources: ['database', 'storage', 'functions', 'config'] },
      target: {
        database: { ref, onSupabase: true },
        storage: { url: `https://${ref}.supabase.co` },
        management: { ref },
        ref
      },
      backup: { kind: 'at', time: new Date('2026-11-22T23:59:59.999Z') },
      mode: 'empty',
      restoreErrors: 'list',
      safetyBackup: true,
      dryRun: false,
      recipients: [recipient]
    })
    expect(read('restore', { ...given, 'confirm-target': '', 'dry-run': 'true' }).confirmTarget).toBeUndefined()
  })

  it.each([
    [{ command: 'restore', 'confirm-target': 'x' }, 'SB002', 'no target is given'],
    [{ command: 'restore', 'target-database-url': localUrl }, 'SB003', '`confirm-target` is missing'],
    [
      { command: 'restore', include: 'storage', 'target-database-url': localUrl, 'confirm-target': 'x' },
      'SB003',
      '`target-service-role-key`'
    ],
    [
      { command: 'restore', 'target-database-url': localUrl, 'confirm-target': 'x', plaintext: 'never' },
      'SB003',
      'safety backup'
    ],
    [
      { command: 'restore', 'target-database-url': `${databaseUrl}?sslmode=disable`, 'confirm-target': 'x' },
      'SB011',
      'target-database-url'
    ],
    [{ command: 'restore', 'restore-mode': 'overwrite' }, 'SB001', 'empty, replace, missing-rows, side-schema'],
    [{ command: 'restore', backup: 'all' }, 'SB001', '`backup` is `all`'],
    [{ command: 'delete' }, 'SB003', '`confirm-target` is missing'],
    [{ command: 'delete', 'confirm-target': 'yes' }, 'SB001', 'the id of a backup'],
    [
      { command: 'delete', backup: backupId, 'confirm-target': '20261122T161908Z-aaaaaaaa' },
      'SB002',
      'must name the same backup'
    ],
    [{ command: 'prune' }, 'SB008', 'no `keep-*` rule'],
    [{ command: 'prune', 'keep-last': '3' }, 'SB002', 'cannot be deleted without `token`'],
    [{ command: 'plan' }, 'SB003', '`projects` is missing'],
    [{ command: 'list', pin: backupId, unpin: backupId }, 'SB002', 'the same backup'],
    [{ command: 'list', pin: 'latest' }, 'SB001', 'the id of a backup'],
    [{ command: 'check', 'max-age': '26' }, 'SB001', 'such as 90s'],
    [{ command: 'check', recipients: 'age1nope' }, 'SB006', 'line 1 is no age recipient, though'],
    [{ command: 'Backup' }, 'SB001', '`command` is `Backup`: allowed are backup, verify']
  ] as const)('%j is refused', (given, code, text) => {
    const error = refusal(given)
    expect(error.code).toBe(code)
    expect(error.message).toContain(text)
  })

  it('take what they need', () => {
    expect(read('delete', { backup: backupId, 'confirm-target': backupId }).backup).toEqual({
      kind: 'id',
      id: backupId
    })
    expect(read('delete', { 'dry-run': 'true' })).toMatchObject({
      backup: { kind: 'latest' },
      confirmTarget: undefined,
      dryRun: true
    })
    expect(read('prune', { 'keep-daily': '7', token: 't' }).keep.daily).toBe(7)
    expect(read('plan', { projects: 'projects.yml' }).projects).toBe('projects.yml')
    expect(read('list', { pin: backupId, dashboard: 'artifact', token: 't' })).toMatchObject({
      pin: backupId,
      dashboard: { kind: 'artifact' }
    })
    for (const dashboard of ['artifact', 'repository'])
      expect(() => read('list', { dashboard })).toThrow(`\`dashboard: ${dashboard}\` needs it`)
    expect(read('check', { 'max-age': '2d', recipients: recipient })).toMatchObject({
      maxAgeMs: 172_800_000,
      recipients: [recipient]
    })
    expect(read('check').maxAgeMs).toBe(26 * 3_600_000)
    expect(read('list', { destinations: 'release', token: 't', 'retention-days': '5' }).warnings).toHaveLength(1)
  })

  it('list: shows all, newest first, unless something is asked for', () => {
    expect(read('list')).toMatchObject({ filter: { types: [], since: undefined } })
    expect(read('list', { type: 'schema,data', since: '30d' })).toMatchObject({
      filter: { types: ['schema', 'data'], since: { agoMs: 30 * 86_400_000 } }
    })
  })

  it.each([
    [{ type: 'everything' }, 'SB001', 'full, schema, data'],
    [{ since: 'yesterday' }, 'SB001', 'a duration back from now']
  ] as const)('list: refuses %j', (given, code, text) => {
    const error = refusal({ command: 'list', ...given })
    expect(error.code).toBe(code)
    expect(error.message).toContain(text)
  })
})

describe('any values whatever', () => {
  it('are taken or refused in words, and nothing else is thrown', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.constantFrom(
        'true',
        '0',
        '-1',
        '1',
        'auto',
        '$(touch x)',
        '`x`',
        '--upload-pack=x',
        'a\nb',
        '__proto__',
        '%',
        '"',
        '*',
        databaseUrl,
        backupId
      )
    )
    const given = fc.dictionary(fc.constantFrom(...inputNames), value, { maxKeys: 12 })
    fc.assert(
      fc.property(fc.constantFrom(...commandNames), given, (command, values) => {
        try {
          expect(readInputs(getter({ ...values, command })).command).toBe(command)
        } catch (error) {
          if (!(error instanceof UserError)) throw error
          expect(error.code).toMatch(/^SB/)
        }
      }),
      { numRuns: 1500 }
    )
  })

  it('T7: an error never repeats the value of a secret', () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9]{10,30}$/)
    const names = inputNames.filter(
      (name) =>
        /\burl|key|token|passphrase|identity|recipients|webhook|cert/.test(name) &&
        !/supabase-url|management-url|private/.test(name)
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        secret,
        fc.constantFrom('', 'postgres://u:', 'x y ', 'https://', 'smtp://a:'),
        (name, word, before) => {
          for (const command of ['backup', 'verify', 'restore', 'check'] as const) {
            try {
              readInputs(getter({ command, [name]: `${before}${word}` }))
            } catch (error) {
              if (!(error instanceof UserError)) throw error
              expect(`${error.message} ${error.remedy}`).not.toContain(word)
            }
          }
        }
      )
    )
  })
})
