import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Contents } from '../../src/archive/contents.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import type { PostgresServer } from '../kit/postgres/server.ts'
import { contentOf } from './restore-setup.ts'
import { type EmptyProject, emptyProject, serviceKey, type WholeProject, wholeProject } from './whole-project-setup.ts'

const exec = promisify(execFile)
const has = (program: string) =>
  exec(program, ['--version']).then(
    () => true,
    () => false
  )
const programs = await Promise.all(['age', 'zstd', 'tar', 'jq', 'curl'].map(has))

/** What the API's roles and everybody may do in schema public, now and with what will be made there. */
async function grantsOf(server: PostgresServer): Promise<string[]> {
  const { rows } = await server.query(`
    with acls as (
      select 'relation ' || c.oid::regclass::text as object, coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner)) as acl
      from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
      union all
      select 'function ' || p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner))
      from pg_proc p where p.pronamespace = 'public'::regnamespace
      union all
      select 'schema ' || n.nspname::text, n.nspacl from pg_namespace n where n.nspname = 'public'
      union all
      select 'default ' || d.defaclobjtype::text, d.defaclacl from pg_default_acl d
      where d.defaclnamespace = 'public'::regnamespace and d.defaclrole = 'postgres'::regrole
    )
    select object || ': ' || case g.grantee when 0 then 'public' else g.grantee::regrole::text end || ' ' || g.privilege_type as line
    from acls cross join lateral aclexplode(acl) g
    where g.grantee = 0 or g.grantee::regrole::text in ('anon', 'authenticated', 'service_role')
    order by 1`)
  return rows.map(({ line }) => String(line))
}

describe.runIf(programs.every((there) => there))('RESTORE.md, followed to the letter with standard programs', () => {
  let source: WholeProject
  let target: EmptyProject
  let dir: string
  let text: string
  let contents: Contents

  /** Runs the blocks of a section as they stand there. */
  const follow = async (title: RegExp, database?: Readonly<Record<string, string>>): Promise<string> => {
    const section = text.split(/^(?=## )/m).find((each) => title.test(each.split('\n')[0] ?? '')) ?? ''
    let log = ''
    for (const [, block] of section.matchAll(/^```sh\n(.*?)^```$/gms)) {
      const { stdout, stderr } = await exec('sh', ['-e', '-c', block ?? ''], {
        cwd: dir,
        env: {
          PATH: `${binDirOf(15)}${delimiter}${process.env['PATH'] ?? ''}`,
          HOME: dir,
          LC_ALL: 'C.UTF-8',
          URL: target.server.url('postgres', 'postgres'),
          API: target.storage.url,
          KEY: serviceKey,
          ...database
        },
        maxBuffer: 50_000_000
      })
      log += `${stdout}${stderr}`
    }
    return log
  }

  beforeAll(async () => {
    source = await wholeProject(60)
    // Closed to the roles of the API, where a new project's own default privileges would open them.
    await source.server.query(`
      create table public.closed (id int primary key);
      revoke all on public.closed from anon, authenticated;
      grant select on public.closed to authenticated;
      create function public.closed_function() returns int language sql as 'select 1';
      revoke all on function public.closed_function() from public, anon, authenticated;
      create sequence public.closed_sequence;
      revoke all on public.closed_sequence from anon, authenticated;
      alter default privileges for role postgres in schema public revoke all on tables from anon;`)
    // Its upload limit was raised first, as RESTORE.md says.
    target = await emptyProject(source, 100_000_000)
    // The first backup makes the pack, the second one needs it from the pool; a third has a pack of its own besides.
    const first = await source.backup({ verify: 'none' })
    expect({ code: first.code, error: first.result?.error }).toEqual({ code: 0 })
    source.storage.put('papers', 'later', Buffer.from('came later'), { userMetadata: { late: true } })
    await source.server.query(
      `insert into storage.objects (bucket_id, name, version, metadata, user_metadata) values ('papers', 'later', $1, $2, '{"late": true}')`,
      [
        source.storage.get('papers', 'later')?.version,
        {
          eTag: `"${source.storage.get('papers', 'later')?.etag}"`,
          size: 10,
          mimetype: 'text/plain;charset=UTF-8',
          cacheControl: 'max-age=3600'
        }
      ]
    )
    const done = await source.backup({ verify: 'none' })
    expect({ code: done.code, error: done.result?.error }).toEqual({ code: 0 })
    dir = join(source.root, 'folder', 'shop', done.outputs['backup-id'] ?? '')
    text = await readFile(join(dir, 'RESTORE.md'), 'utf8')
    await writeFile(join(dir, 'key.txt'), `${source.identity}\n`, { mode: 0o600 })
  })
  afterAll(async () => {
    await target?.stop()
    await source?.stop()
  })

  test('files and packs are put together, checked and opened', async () => {
    await follow(/Put the files together/)
    const checked = await follow(/Check that nothing is damaged/)
    expect(checked).toContain('database.dump.zst.age: OK')
    expect(checked.match(/objects-[0-9a-f]{20}\.tar\.zst\.age: OK/g)).toHaveLength(2)
    await exec('sh', ['-e', '-c', /`(jq -r '\(\.files.*?)`/.exec(text)?.[1] ?? 'false'], { cwd: dir })
    await follow(/Open the files/)
    contents = JSON.parse(await readFile(join(dir, 'contents.json'), 'utf8'))
    expect(contents.storage?.packs).toHaveLength(2)
  })

  test('the database comes into a server of its own and into a new project', async () => {
    // What a person does in the dashboard.
    for (const { name, schema } of contents.database?.extensions ?? [])
      await target.server
        .query(`create extension if not exists "${name}" schema "${schema}"`)
        .catch((error: Error) =>
          expect(error.message).toMatch(/is not available|could not open extension control file/)
        )
    // As RESTORE.md says of roles that the target lacks: a grant to one that is missing costs the grants beside it.
    const there = await target.server.query('select rolname from pg_roles')
    const known = new Set(there.rows.map(({ rolname }) => String(rolname)))
    for (const { name } of contents.database?.roles ?? [])
      if (!known.has(name)) await target.server.query(`create role "${name.replaceAll('"', '""')}"`)
    const log = await follow(/The database/, target.server.env())
    expect(log).toContain('auth\tusers\t')
    const [theirs, own, project] = [
      await contentOf(source.server),
      await contentOf(target.server, 'restored'),
      await contentOf(target.server)
    ]
    for (const [name, content] of theirs) expect({ name, content: own.get(name) }).toEqual({ name, content })
    const mine = [...theirs].filter(([name]) => /^(?:public|app)\.|^auth\.(?:users|identities|mfa_factors)$/.test(name))
    expect(mine.length).toBeGreaterThan(10)
    const granted = await grantsOf(source.server)
    expect(granted.filter((line) => /closed.*: (?:anon|authenticated|public) /.test(line))).toEqual([
      'relation closed: authenticated SELECT'
    ])
    expect(await grantsOf(target.server)).toEqual(granted)
    for (const [name, content] of mine) expect({ name, content: project.get(name) }).toEqual({ name, content })
  })

  test('every Storage file goes to its place with its settings', async () => {
    const log = await follow(/Storage files/)
    expect(log).not.toContain('not uploaded')
    const told = (double: typeof target.storage) =>
      [...double.objects.values()]
        .map(({ bucket, key, etag, contentType, cacheControl, userMetadata }) => [
          bucket,
          key,
          etag,
          contentType,
          cacheControl,
          userMetadata ?? {}
        ])
        .sort((a, b) => (`${a[0]}/${a[1]}` < `${b[0]}/${b[1]}` ? -1 : 1))
    for (const { bucket, key } of source.storage.objects.values())
      await fetch(
        `${target.storage.url}/storage/v1/object/info/${encodeURIComponent(bucket)}/${encodeURIComponent(key)}`,
        { headers: { apikey: serviceKey } }
      )
    expect(told(target.storage)).toEqual(told(source.storage))
    const buckets = (double: typeof target.storage) =>
      [...double.buckets.values()]
        .map(({ id, public: isPublic, file_size_limit, allowed_mime_types }) => [
          id,
          isPublic,
          file_size_limit,
          allowed_mime_types
        ])
        .sort()
    expect(buckets(target.storage)).toEqual(buckets(source.storage))
  })

  test('functions and settings lie there to be deployed and entered', async () => {
    await follow(/Edge Functions/)
    for (const one of contents.functions?.functions ?? []) {
      for (const file of [...one.files, ...(one.bundle === null ? [] : [one.bundle])]) {
        const bytes = await readFile(join(dir, 'functions', file.entry))
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(file.sha256)
      }
      const there = source.project.functions.get(one.slug)
      for (const file of one.files)
        expect(await readFile(join(dir, 'functions', file.entry))).toEqual(there?.files.get(file.path))
    }
    const config = JSON.parse(await readFile(join(dir, 'config.json'), 'utf8'))
    expect(config.sections.auth).toMatchObject({ site_url: 'https://shop.example', jwt_exp: 7200 })
    expect(config.omitted).toContain('auth.smtp_pass')
  })
})
