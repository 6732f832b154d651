import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { connect } from '../../src/clients/postgres/connect.ts'
import { systemClock } from '../../src/clients/process/system.ts'
import { bringSecrets } from '../../src/sources/database/restore/supabase/vault-secrets.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { restoreOf } from './restore-setup.ts'

let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts
let ids: Record<string, string>

const sql = async (database: string, text: string) => (await server.query(text, [], undefined, database)).rows

/** A Vault as the platform makes it, as far as it is seen from outside: secrets are made by a function, which gives them their ids. */
const vault = `create schema vault;
create function vault.key() returns text language sql as $$ select current_database()::text $$;
create table vault.secrets (id uuid primary key default gen_random_uuid(), name text, description text not null default '', secret text not null, key_id uuid, nonce bytea,
  created_at timestamptz default now(), updated_at timestamptz default now());
create unique index on vault.secrets (name) where name is not null;
create function vault.open(secret text) returns text language plpgsql as $$ begin
  if secret not like vault.key() || ':%' then raise 'invalid ciphertext'; end if; return substr(secret, length(vault.key()) + 2); end $$;
create view vault.decrypted_secrets as select id, name, description, secret, vault.open(secret) as decrypted_secret, key_id, nonce, created_at, updated_at from vault.secrets;
create function vault.create_secret(new_secret text, new_name text default null, new_description text default '', new_key_id uuid default null) returns uuid language sql security definer
  as $$ insert into vault.secrets (secret, name, description) values (vault.key() || ':' || new_secret, new_name, new_description) returning id $$;
grant usage on schema vault to app; grant select, delete, references on vault.secrets, vault.decrypted_secrets to app; grant execute on all functions in schema vault to app`

async function made(database: string, text = vault): Promise<void> {
  await server.query(`drop database if exists ${database} with (force)`)
  await server.query(`create database ${database}`)
  await server.query(`grant create on database ${database} to app`)
  await sql(
    database,
    `grant all on schema public to app; create foreign data wrapper wrappers; grant usage on foreign data wrapper wrappers to app; ${text}`
  )
}

beforeAll(async () => {
  server = await startPostgres({ major: 17 })
  await server.query(
    'create role app login bypassrls; grant pg_read_all_data to app; grant set on parameter session_replication_role to app'
  )
  await made('source')
  const app = (text: string) => server.query(text, [], 'app', 'source')
  await app(`create table public.integrations (id int primary key, account text, secret_id uuid not null);
    insert into public.integrations select g, 'acct' || g, vault.create_secret('hidden value ' || g, 'acct' || g) from generate_series(1, 3) g`)
  const secret = '(select id from vault.secrets order by name limit 1)'
  await app(`create table public.kept (id int primary key, as_text text, as_json jsonb, many uuid[]);
    insert into public.kept select 1, ${secret}::text, jsonb_build_object('key', ${secret}), array[${secret}]`)
  const [first] = await sql('source', `select ${secret}::text as id`)
  await app(`create function public.call() returns text language sql as $$ select '${first.id}' $$;
    create server pay foreign data wrapper wrappers options (api_key_id '${first.id}')`)
  ids = Object.fromEntries(
    (await sql('source', 'select name, id::text as id from vault.secrets')).map(({ name, id }) => [name, id])
  )
  desk = await openDesk()
  facts = (await capture(desk, server, 'source', { vault: true })).facts
})
afterAll(async () => {
  await desk?.remove()
  await server?.stop()
})

test('ids of Vault secrets that had to change are told with what holds them, and the SQL for it mends that', async () => {
  await made('back')
  const restored = await restoreOf(desk, facts, server, 'back', { user: 'app' }).run()
  const told = restored.findings.filter(({ subject }) => !subject.startsWith('role '))
  expect(told.filter(({ kind }) => kind === 'todo').map(({ subject }) => subject)).toEqual(
    expect.arrayContaining([
      'ids of Vault secrets',
      'column public.integrations.secret_id',
      'column public.kept.as_text',
      'column public.kept.as_json',
      'column public.kept.many',
      'server pay',
      'function public.call()'
    ])
  )
  expect(JSON.stringify(restored.findings)).not.toContain('hidden value')
  const count = `select (select count(*)::int from public.integrations i join vault.decrypted_secrets s on s.id = i.secret_id where decrypted_secret = 'hidden value ' || i.id) as found,
    (select (as_text = s.id::text) and (as_json ->> 'key' = s.id::text) and many = array[s.id] from public.kept, vault.secrets s where s.name = 'acct1') as kept,
    (select srvoptions = array['api_key_id=' || s.id] from pg_foreign_server, vault.secrets s where s.name = 'acct1') as option`
  expect(await sql('back', count)).toEqual([{ found: 0, kept: false, option: false }])
  for (const { subject, remedy } of told)
    if (remedy !== undefined && /^(?:column|server) /.test(subject)) await server.query(remedy, [], 'app', 'back')
  expect(await sql('back', count)).toEqual([{ found: 3, kept: true, option: true }])
  const mapping = told.find(({ subject }) => subject === 'ids of Vault secrets')
  const pairs = (await server.query(mapping?.remedy ?? '', [], 'app', 'back')).rows
  expect(Object.fromEntries(pairs.map(({ name, id_in_source }) => [name, id_in_source]))).toEqual(ids)
})

test('secrets keep their ids where the role may write the table, and nothing is left to do', async () => {
  await made(
    'back',
    `${vault}; create function vault.seal() returns trigger language plpgsql as $$ begin new.secret := vault.key() || ':' || new.secret; return new; end $$;
    create trigger seal before insert on vault.secrets for each row when (new.secret not like '%:%') execute function vault.seal()`
  )
  const restored = await restoreOf(desk, facts, server, 'back').run()
  expect(restored.findings.filter(({ subject }) => /Vault|column/.test(subject))).toEqual([])
  expect(
    Object.fromEntries(
      (await sql('back', 'select name, id::text as id from vault.decrypted_secrets')).map(({ name, id }) => [name, id])
    )
  ).toEqual(ids)
  // A second time there is nothing to make.
  const again = await restoreOf(desk, facts, server, 'back', { mode: 'replace' }).run()
  expect(again.findings.filter(({ kind, subject }) => kind === 'todo' && /Vault|column/.test(subject))).toEqual([])
})

test('what is written into the table and the Vault cannot read is made by its function instead', async () => {
  await made('back')
  const restored = await restoreOf(desk, facts, server, 'back').run()
  expect(await sql('back', 'select count(*)::int from vault.decrypted_secrets')).toEqual([{ count: 3 }])
  expect(restored.findings.map(({ subject }) => subject)).toContain('ids of Vault secrets')
})

test('a key to Vault secrets is there, not validated where rows hold old ids, and can be validated when those were exchanged', async () => {
  await made('keyed')
  const key = `create table public.keyed (id int primary key, secret_id uuid not null references vault.secrets); insert into public.keyed select 1, vault.create_secret('hidden value', 'acct')`
  await server.query(key, [], 'app', 'keyed')
  const own = await openDesk()
  try {
    const captured = (await capture(own, server, 'keyed', { vault: true })).facts
    const state = `select convalidated as valid, (select count(*)::int from public.keyed k join vault.secrets s on s.id = k.secret_id) as found from pg_constraint where conname = 'keyed_secret_id_fkey'`
    for (const [mode, text] of [
      ['empty', vault],
      ['replace', `${vault}; create table public.keyed (id int primary key)`]
    ] as const) {
      await made('back', text)
      if (mode === 'replace') await sql('back', 'alter table public.keyed owner to app')
      const preview = await restoreOf(own, captured, server, 'back', { user: 'app', mode }).preview(false)
      expect(preview.findings.map(({ subject }) => subject)).toContain(
        'constraint keyed_secret_id_fkey on public.keyed'
      )
      const restored = await restoreOf(own, captured, server, 'back', { user: 'app', mode }).run()
      expect(await sql('back', state)).toEqual([{ valid: false, found: 0 }])
      const column = restored.findings.find(({ subject }) => subject === 'column public.keyed.secret_id')
      await server.query(column?.remedy ?? '', [], 'app', 'back')
      expect(await sql('back', state)).toEqual([{ valid: true, found: 1 }])
    }
    // Ids that are kept need none of that.
    await made(
      'back',
      `${vault}; create function vault.seal() returns trigger language plpgsql as $$ begin new.secret := vault.key() || ':' || new.secret; return new; end $$;
      create trigger seal before insert on vault.secrets for each row when (new.secret not like '%:%') execute function vault.seal()`
    )
    await restoreOf(own, captured, server, 'back').run()
    expect(await sql('back', state)).toEqual([{ valid: true, found: 1 }])
  } finally {
    await own.remove()
  }
})

test('secrets without names come once, however often they are brought', async () => {
  await made('nameless')
  const target = {
    host: '127.0.0.1',
    port: server.port,
    user: 'app',
    password: server.password,
    database: 'nameless',
    tls: { mode: 'disable', rootCertificates: null }
  } as const
  const connection = await connect(target, { clock: systemClock, signal: new AbortController().signal, retries: 0 })
  const secret = (digit: string) => ({
    id: `${digit.repeat(8)}-0000-4000-8000-000000000000`,
    name: null,
    description: '',
    value: 'hidden'
  })
  try {
    await connection.query('begin')
    const first = await bringSecrets(connection, [secret('1'), secret('2')], false)
    const again = await bringSecrets(connection, [secret('1'), secret('2')], false)
    await connection.query('commit')
    expect(again.changed).toEqual(first.changed)
    expect(new Set(first.changed.map(({ to }) => to)).size).toBe(2)
    expect(again.findings.map(({ detail }) => detail)).toEqual(
      Array(2).fill('the target has an equal secret: it was left as it is')
    )
  } finally {
    await connection.close()
  }
  expect((await sql('nameless', 'select count(*)::int as n from vault.secrets'))[0]).toEqual({ n: 2 })
})
