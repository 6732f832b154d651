import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { type ActionRun, runAction } from '../kit/action.ts'
import { loadSupabase } from '../kit/fixture/load.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { type DoubleProject, type ManagementDouble, putFunction, startManagement } from '../kit/supabase/management.ts'
import { type StorageDouble, startStorage } from '../kit/supabase/storage.ts'
import { writeStorageRows } from '../kit/supabase/storage-rows.ts'
import { storageTables } from '../kit/supabase/storage-tables.ts'

export const serviceKey = 'sb_secret_3Qm7tTzL0pKc9vXy2WbNq5RsDfGhJk_8aBcDeF'
export const accessToken = `sbp_${'fedcba9876'.repeat(4)}`
const sourceRef = 'abcdefghijklmnopqrst'
export const targetRef = 'tsrqponmlkjihgfedcba'

/** Keys that are a path, an option, a name of a device or half of another key to somebody. */
export const hostileKeys = [
  'a/../b',
  '../../../../etc/passwd',
  '.git/hooks/post-checkout',
  '.git/config',
  "a:b?*=&+$@;'()!.txt",
  'CON',
  'A',
  'a',
  '-rf',
  'x//y',
  ' leading and trailing ',
  'index.jsonl',
  `${'long/'.repeat(200)}end of 1024 bytes...`,
  '.emptyFolderPlaceholder'
]

/** A project of database, files, functions and settings, and the places around it. */
export interface WholeProject {
  readonly server: PostgresServer
  readonly storage: StorageDouble
  readonly management: ManagementDouble
  readonly project: DoubleProject
  readonly root: string
  readonly identity: string
  /** Runs the action; token, folder and address of the Management API are given. */
  run(inputs: Readonly<Record<string, string>>, onStart?: (child: { pid: number }) => void): Promise<ActionRun>
  /** A backup of everything, to a folder. */
  backup(inputs?: Readonly<Record<string, string>>): Promise<ActionRun>
  stop(): Promise<void>
}

/** A project that was just made: the platform's database, nothing in it, and APIs that work on that database. */
export interface EmptyProject {
  readonly server: PostgresServer
  readonly storage: StorageDouble
  readonly project: DoubleProject
  /** Inputs of a restore into it. */
  readonly inputs: Readonly<Record<string, string>>
  stop(): Promise<void>
}

export async function wholeProject(files: number, env: Readonly<Record<string, string>> = {}): Promise<WholeProject> {
  const root = await mkdtemp(join(tmpdir(), 'sb-whole-'))
  const server = await startPostgres({ major: 15, auth: 'scram', password: 'correct horse battery staple' })
  await loadSupabase(server)
  const storage = await startStorage({ key: serviceKey })
  const users = await server.query('select id from auth.users order by id')
  fillStorage(
    storage,
    files,
    users.rows.map(({ id }: { id: string }) => id)
  )
  await writeStorageRows(server, storage)
  await server.query(
    `set session_replication_role = replica; update storage.buckets set owner_id = (select min(id::text) from auth.users), created_at = '2025-01-02 03:04:05.678901+00', updated_at = '2025-06-07 08:09:10+00'`
  )
  const management = await startManagement()
  management.addToken(accessToken)
  const project = management.addProject(sourceRef)
  fillManagement(project)
  const identity = await generateIdentity()
  const recipients = await identityToRecipient(identity)
  const runs: ActionRun[] = []
  const run: WholeProject['run'] = async (inputs, onStart) => {
    const done = await runAction({
      inputs: { folder: join(root, 'folder'), 'management-url': management.url, ...inputs },
      env,
      ...(onStart === undefined ? {} : { onStart })
    })
    runs.push(done)
    return done
  }
  return {
    server,
    storage,
    management,
    project,
    root,
    identity,
    run,
    backup: (inputs = {}) =>
      run({
        'database-url': server.url('postgres', 'postgres'),
        'supabase-url': storage.url,
        'service-role-key': serviceKey,
        'access-token': accessToken,
        'project-ref': sourceRef,
        project: 'shop',
        'pg-bin': binDirOf(15),
        verify: 'read',
        destinations: 'folder',
        recipients,
        ...inputs
      }),
    async stop() {
      for (const done of runs) await done.cleanUp()
      await storage.stop()
      await management.stop()
      await server.stop()
      await rm(root, { recursive: true, force: true })
    }
  }
}

/** `uploadLimit` is the project's own: without it lower than the largest file. */
export async function emptyProject(
  { management, identity }: WholeProject,
  uploadLimit = 6_000_000
): Promise<EmptyProject> {
  const server = await startPostgres({ major: 15, auth: 'scram', password: 'another horse' })
  await loadSupabase(server, { user: false })
  const project = management.addProject(targetRef)
  const settings = Object(project.settings.get('/config/storage'))
  project.settings.set('/config/storage', { ...settings, fileSizeLimit: uploadLimit })
  const storage = await startStorage({
    key: serviceKey,
    tables: await storageTables(server),
    uploadLimit: () => Object(project.settings.get('/config/storage')).fileSizeLimit
  })
  return {
    server,
    storage,
    project,
    inputs: {
      command: 'restore',
      destinations: 'folder',
      identity,
      'target-database-url': server.url('postgres', 'postgres'),
      'target-supabase-url': storage.url,
      'target-service-role-key': serviceKey,
      'target-project-ref': targetRef,
      'target-access-token': accessToken,
      'confirm-target': targetRef,
      'pg-bin': binDirOf(15),
      'safety-backup': 'false'
    },
    async stop() {
      await storage.stop()
      await server.stop()
    }
  }
}

function fillStorage(storage: StorageDouble, files: number, users: readonly string[]): void {
  storage.addBucket('avatars', { public: true })
  storage.addBucket('papers')
  storage.addBucket('limited', { file_size_limit: 5_000_000, allowed_mime_types: ['text/plain', 'image/png'] })
  storage.addBucket('empty', { public: true })
  const owner = (number: number) => (number % 3 === 0 ? null : (users[number % users.length] ?? null))
  const at = (number: number) => new Date(Date.UTC(2025, 0, 1) + number * 1_234_567).toISOString()
  const settings = (number: number) => ({ ownerId: owner(number), createdAt: at(number), updatedAt: at(number + 5) })
  for (let number = 0; number < files; number++)
    storage.put(
      ['avatars', 'papers', 'limited'][number % 3] ?? '',
      `folder ${number % 7}/file-${number}.txt`,
      Buffer.from(`content ${number} `.repeat(number % 50)),
      {
        ...settings(number),
        contentType: number % 2 === 0 ? 'text/plain' : 'image/png',
        userMetadata: number % 5 === 0 ? { note: `Größe ${number}`, deep: { a: [1, null] } } : null
      }
    )
  hostileKeys.forEach((key, number) => {
    for (const bucket of ['avatars', 'papers', 'limited'])
      storage.put(bucket, key, Buffer.from(`hostile ${key} in ${bucket}`), {
        ...settings(number),
        cacheControl: 'max-age=60'
      })
  })
  // Stored before the bucket had its limits: too large for it, and of a type that it does not take.
  storage.put('limited', 'large.mp4', Buffer.alloc(8_000_000, 'large '), { ...settings(1), contentType: 'video/mp4' })
  storage.put('papers', 'nothing', Buffer.alloc(0), settings(2))
}

/** Six functions: plain, without JWT, with an import map, one whose import map the API hides, a packed one, one with hostile names. */
function fillManagement(project: DoubleProject): void {
  putFunction(project, 'hello', { 'index.ts': 'Deno.serve(() => new Response("hello"))', 'lib/a.ts': 'export {}' })
  putFunction(project, 'webhook', { 'index.ts': 'Deno.serve(() => new Response("paid"))' }, { verify_jwt: false })
  putFunction(
    project,
    'mapped',
    { 'index.ts': 'import { z } from "zod"', 'deno.json': '{"imports":{"zod":"npm:zod@4"}}' },
    { import_map_path: 'deno.json' }
  )
  putFunction(
    project,
    'hidden-map',
    { 'index.ts': 'import { z } from "zod"', 'import_map.json': '{"imports":{"zod":"npm:zod@4"}}' },
    { import_map_path: 'import_map.json', hidden: new Set(['import_map.json']) }
  )
  putFunction(project, 'packed', {}, { bundle: Buffer.from('ESZIP2.3 packed by other hands'), verify_jwt: false })
  putFunction(project, 'names', {
    'index.ts': 'Deno.serve(() => new Response("names"))',
    'con.ts': 'export const a = 1',
    'CON.ts': 'export const a = 2',
    'ä b; $(touch x)/--option.ts': 'export {}'
  })
  project.secrets.set('STRIPE_KEY', 'value of the source')
  const change = (path: string, settings: object) =>
    project.settings.set(path, { ...Object(project.settings.get(path)), ...settings })
  change('/config/auth', {
    site_url: 'https://shop.example',
    uri_allow_list: 'https://shop.example/**',
    disable_signup: true,
    jwt_exp: 7200,
    password_min_length: 12,
    smtp_pass: 'canary-smtp-password'
  })
  change('/postgrest', { db_schema: 'public,api', max_rows: 500 })
  change('/config/storage', { fileSizeLimit: 104857600 })
  change('/config/realtime', { max_concurrent_users: 500, private_only: true })
  change('/config/database/postgres', { work_mem: '8MB', statement_timeout: '60s' })
  project.settings.set('/config/database/pooler', [
    { ...Object(asList(project.settings.get('/config/database/pooler'))[0]), default_pool_size: 25 }
  ])
  project.settings.set('/config/auth/third-party-auth', [
    { id: '0d9a8f5e-2f5b-4c0b-9a53-5a3f0e6b8f11', type: 'oidc', oidc_issuer_url: 'https://issuer.example' }
  ])
  change('/ssl-enforcement', { currentConfig: { database: true } })
  change('/network-restrictions', { config: { dbAllowedCidrs: ['192.0.2.0/24'], dbAllowedCidrsV6: ['2001:db8::/32'] } })
}

/** Everything that a project says of its files: names, bytes, settings, owners, times, visibility and limits of buckets. */
export async function storageOf(storage: StorageDouble, server: PostgresServer): Promise<Record<string, unknown>> {
  const told: Record<string, unknown> = {}
  for (const { row } of (
    await server.query(
      `select to_jsonb(o) - 'version' - 'metadata' || jsonb_build_object('metadata', metadata - 'lastModified') as row from storage.objects o`
    )
  ).rows)
    told[`row ${row.bucket_id}/${row.name}`] = row
  for (const { row } of (await server.query(`select to_jsonb(b) as row from storage.buckets b where type = 'STANDARD'`))
    .rows)
    told[`bucket ${row.id}`] = row
  const base = `${storage.url}/storage/v1/object`
  for (const { row } of (await server.query('select to_jsonb(o) as row from storage.objects o')).rows) {
    const address = `${base}/${encodeURIComponent(row.bucket_id)}/${encodeURIComponent(row.name)}`
    const response = await fetch(address, { headers: { apikey: serviceKey } })
    told[`file ${row.bucket_id}/${row.name}`] = [
      response.status,
      response.headers.get('content-type'),
      response.headers.get('cache-control'),
      createHash('sha256')
        .update(Buffer.from(await response.arrayBuffer()))
        .digest('hex')
    ]
  }
  return told
}

/** What a person would see of functions and settings; ids and addresses of the platform's own are left out. */
export function managementOf(project: DoubleProject): Record<string, unknown> {
  const told: Record<string, unknown> = {}
  for (const [slug, one] of project.functions)
    told[`function ${slug}`] = {
      name: one.name,
      verifyJwt: one.verify_jwt,
      files: one.hidden.size > 0 || one.bundle !== null ? null : Object.fromEntries(one.files),
      entrypoint: one.entrypoint_path,
      importMap: one.import_map_path
    }
  const ownAddresses = new Set(['identifier', 'db_user', 'connection_string', 'jwt_secret', 'smtp_pass', 'id'])
  const dates = new Set(['inserted_at', 'updated_at'])
  for (const [path, settings] of project.settings) {
    if (path === '/config/auth/signing-keys') continue
    told[path] = JSON.parse(
      JSON.stringify(settings, (name, value) => (ownAddresses.has(name) || dates.has(name) ? undefined : value))
    )
  }
  return told
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
