import { createReadStream } from 'node:fs'
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatabaseFacts } from '../../src/archive/contents-database.ts'
import { UserError } from '../../src/errors.ts'
import { everything } from '../../src/sources/database/catalog/selection.ts'
import type { DatabaseProof } from '../../src/sources/database/verify/prove-database.ts'
import { databaseProver } from '../../src/sources/database/verify/prove-database.ts'
import { binDirOf } from '../kit/postgres/programs.ts'
import { type PostgresServer, startPostgres } from '../kit/postgres/server.ts'
import { capture, type Desk, openDesk } from './database-capture-setup.ts'
import { clientOf, damagingRestore, leftovers, prove, proverOf } from './proof-setup.ts'

const major = 17
const shop = `
  create schema shop;
  create type shop.state as enum ('new', 'paid');
  create table shop.customers (id int primary key, name text);
  create table shop.orders (id int generated always as identity primary key, customer int references shop.customers, state shop.state default 'new');
  create table shop.log (at timestamptz, what text);
  insert into shop.customers select n, 'customer ' || n from generate_series(1, 500) n;
  insert into shop.orders (customer) select 1 + n % 500 from generate_series(1, 900) n;
  insert into shop.log select now(), repeat('x', 100) from generate_series(1, 3000);
  create view shop.open_orders as select * from shop.orders where state = 'new';
  select lo_from_bytea(4000, 'large');`

let server: PostgresServer
let desk: Desk
let facts: DatabaseFacts

beforeAll(async () => {
  server = await startPostgres({ major })
  await server.query('create database shop')
  await server.query(shop, [], server.superuser, 'shop')
  desk = await openDesk()
  facts = (await capture(desk, server, 'shop')).facts
})
afterAll(async () => {
  await server.stop('immediate')
  await desk.remove()
})

const dump = () => readFile(path.join(desk.folder, 'database.dump'))
const proverFor = (mode: 'auto' | 'restore' | 'read', pgRestore?: string) =>
  databaseProver({
    context: desk.context,
    mode,
    clientPrograms: async () => clientOf(major, pgRestore),
    serverPrograms: async () => Promise.reject(new UserError('SB304', 'there is no server in /secret/place')),
    given: null,
    checkSql: [],
    jobs: 2,
    timeoutMs: 600_000
  })

describe('an archive that is read', () => {
  const read = (bytes: Buffer) =>
    proverFor('read')(() => Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)]), facts)

  test('passes when it is whole, and tells what was read', async () => {
    const proof = await read(await dump())
    expect(proof).toEqual({
      verdict: 'proven',
      level: 'read',
      tables: { restore: 0, read: 3, differing: 0 },
      findings: [],
      notRestored: null
    })
  })

  test('F19: is refused when it is empty, garbage, cut anywhere, or has something behind it', async () => {
    const whole = await dump()
    const refused = async (bytes: Buffer) => {
      const error = await read(bytes).then(
        () => undefined,
        (thrown: unknown) => thrown
      )
      return error instanceof UserError ? error.code : 'passed'
    }
    const bad: Buffer[] = [
      Buffer.alloc(0),
      Buffer.from('-- PostgreSQL database dump\n'),
      Buffer.alloc(5000, 7),
      Buffer.concat([whole, Buffer.from('x')])
    ]
    for (const share of [0.001, 0.05, 0.2, 0.5, 0.9, 0.9999])
      bad.push(whole.subarray(0, Math.floor(whole.length * share)))
    for (const cut of [1, 5, 6]) bad.push(whole.subarray(0, whole.length - cut))
    expect(await Promise.all(bad.map(refused))).toEqual(bad.map(() => 'SB603'))
  })

  test('F19: is refused with something behind it where it runs into pg_restore past this program, too', async () => {
    const restored = async (bytes: Buffer) => {
      const pour = async (into: Writable) => {
        await pipeline(Readable.from([bytes]), into)
        return true
      }
      return await proverOf(desk, major)(() => Readable.from([bytes]), facts, pour)
    }
    const whole = await dump()
    expect(await restored(whole)).toMatchObject({ level: 'restore' })
    await expect(restored(Buffer.concat([whole, Buffer.from('x')]))).rejects.toMatchObject({ code: 'SB603' })
  })

  test('F19: is told from one of another database, of another time, and from one that lacks tables or rows', async () => {
    const said = async (bytes: Buffer, of = facts) => {
      const proof = await proverFor('read')(() => Readable.from([bytes]), of)
      expect(proof.level).toBe('none')
      return proof.findings
        .filter((finding) => finding.kind === 'difference')
        .map((finding) => `${finding.subject}: ${finding.detail}`)
    }
    const take = async (args: readonly string[], database = 'shop') =>
      (await server.run('pg_dump', ['-Fc', '-Z0', ...args], { database })).stdout
    expect(await said(await take([], 'postgres'))).toContain(
      'archive: it was made of the database postgres, not of shop'
    )
    expect(await said(await take(['--exclude-table=shop.log']))).toEqual([
      'table shop.log: the archive does not hold its rows',
      'table shop.log: the archive does not hold its definition'
    ])
    expect(await said(await take(['--exclude-table-data=shop.log']))).toEqual([
      'table shop.log: the archive does not hold its rows'
    ])
    expect(await said(await take(['--schema-only']))).toContain(
      'sequence shop.orders_id_seq: the archive does not hold its state'
    )
    expect(await said(await take(['--no-blobs']))).toEqual(['large objects: the archive does not hold them'])
    const later = { ...facts, snapshotAt: new Date(Date.parse(facts.snapshotAt) + 3_600_000).toISOString() }
    expect((await said(await dump(), later))[0]).toMatch(/^archive: it was made before the snapshot/)
    const fewer = { ...facts, tables: facts.tables.filter((table) => table.name !== 'log') }
    expect((await said(await dump(), fewer))[0]).toMatch(/^table shop.log: the archive holds rows of it/)
  })

  test('is followed by this program where there is no pg_restore, which is said', async () => {
    const proof = await databaseProver({
      context: desk.context,
      mode: 'read',
      clientPrograms: async () => Promise.reject(new UserError('SB304', 'none')),
      serverPrograms: async () => Promise.reject(new UserError('SB304', 'none')),
      given: null,
      checkSql: [],
      jobs: 1,
      timeoutMs: 600_000
    })(() => createReadStream(path.join(desk.folder, 'database.dump')), facts)
    expect(proof.level).toBe('read')
    expect(proof.findings).toMatchObject([{ kind: 'notProven', subject: 'archive' }])
  })
})

describe('how far a proof goes', () => {
  test('auto: reads where no server can be had, and says so without names of this machine', async () => {
    desk.warnings.length = 0
    const proof = await proverFor('auto')(() => createReadStream(path.join(desk.folder, 'database.dump')), facts)
    expect(proof.level).toBe('read')
    expect(proof.notRestored).toBe("PostgreSQL's programs could not be installed (SB304)")
    expect(desk.warnings).toEqual(['The backup is read, not restored: SB304: there is no server in /secret/place'])
  })

  test('restore: fails where no server can be had', async () => {
    await expect(
      proverFor('restore')(() => createReadStream(path.join(desk.folder, 'database.dump')), facts)
    ).rejects.toMatchObject({ code: 'SB304' })
    expect(await leftovers(desk)).toEqual([])
  })

  test('what fails for a name without its schema comes back at a second try; what cannot be made is named without the words of the server', async () => {
    const broken = await openDesk()
    try {
      await server.query('create database broken')
      // Works in the source by its search_path; a restore has none.
      await server.query(
        `create function public.helper() returns int language sql as 'select 0';
         create function public.is_ok(n int) returns boolean language sql as 'select n > helper()';
         create table public.checked (n int check (public.is_ok(n))); insert into public.checked values (1);
         create table public.mails (address text);
         create function public.is_mail(a text) returns boolean language plpgsql as 'begin return true; end';
         alter function public.is_mail(text) immutable; alter table public.mails add column known boolean generated always as (public.is_mail(address)) stored;
         insert into public.mails values ('jane@corp.example')`,
        [],
        server.superuser,
        'broken'
      )
      const told = (proof: DatabaseProof) =>
        proof.findings.map(({ kind, reason, subject, detail }) => ({
          kind,
          reason,
          subject,
          detail: detail.slice(0, 36)
        }))
      const { facts: known } = await capture(broken, server, 'broken')
      const again = {
        kind: 'note',
        reason: undefined,
        subject: 'table public.checked',
        detail: 'it came back at a second try, as a r'
      }
      const first = await prove(broken, known, major)
      expect(first).toMatchObject({ verdict: 'proven', level: 'restore' })
      expect(told(first)).toEqual([again])
      await server.query(
        `create or replace function public.is_mail(a text) returns boolean immutable language plpgsql as $$ begin raise exception 'no mail: %', a; end $$`,
        [],
        server.superuser,
        'broken'
      )
      await broken.remove()
      const second = await openDesk()
      const { facts: changed } = await capture(second, server, 'broken')
      const proof = await prove(second, changed, major, { mode: 'auto' })
      expect(await leftovers(second)).toEqual([])
      await second.remove()
      expect(proof).toMatchObject({ verdict: 'unproven', level: 'none' })
      expect(told(proof)).toContainEqual({
        kind: 'difference',
        reason: 'not-made',
        subject: 'table public.mails',
        detail: 'its rows could not be brought in: a '
      })
      expect(JSON.stringify(proof.findings)).not.toContain('no mail')
    } finally {
      await broken.remove()
    }
  })

  test('errors that several workers meet count only when one worker meets them, too', async () => {
    const flaky = await openDesk()
    try {
      const { facts: known } = await capture(flaky, server, 'shop')
      const script = path.join(flaky.folder, 'pg_restore')
      // What a deadlock between workers looks like: the restore went on, with one object missing.
      await writeFile(
        script,
        `#!/bin/sh
"${binDirOf(major)}/pg_restore" "$@" || exit $?
case "$*" in *--jobs=*)
  unset PGOPTIONS; "${binDirOf(major)}/psql" -X -q -c 'drop view shop.open_orders'
  echo 'pg_restore: error: could not execute query: ERROR:  deadlock detected' >&2
  echo 'pg_restore: warning: errors ignored on restore: 1' >&2
  exit 1
esac
`
      )
      await chmod(script, 0o755)
      const said: string[] = []
      const context = { ...flaky.context, log: { ...flaky.context.log, info: (line: string) => said.push(line) } }
      const proof = await prove({ ...flaky, context }, known, major, {
        clientPrograms: async () => clientOf(major, script)
      })
      expect(proof).toMatchObject({ level: 'restore', findings: [] })
      expect(said).toContain('Restoring anew, one object after the other: not everything could be made at first')
    } finally {
      await flaky.remove()
    }
  })

  test('a cancelled proof ends at once and leaves nothing', async () => {
    const cancelled = await openDesk()
    try {
      const { facts: known } = await capture(cancelled, server, 'shop')
      const slow = path.join(cancelled.folder, 'pg_restore')
      await writeFile(slow, '#!/bin/sh\nsleep 60\n')
      await chmod(slow, 0o755)
      setTimeout(() => cancelled.abort.abort(new UserError('SB301', 'cancelled')), 2500)
      await expect(
        prove(cancelled, known, major, { clientPrograms: async () => clientOf(major, slow) })
      ).rejects.toMatchObject({ code: 'SB301' })
      expect(await leftovers(cancelled)).toEqual([])
    } finally {
      await cancelled.remove()
    }
  })
})

describe('a narrowed backup', () => {
  const narrowed = async (selection: Partial<DatabaseFacts['selection']>) => {
    const narrow = await openDesk()
    try {
      const { facts: known } = await capture(narrow, server, 'shop', { selection: { ...everything, ...selection } })
      return await prove(narrow, known, major)
    } finally {
      await narrow.remove()
    }
  }

  test('of one table is restored with what it needs made beforehand; what is not there is named', async () => {
    const proof = await narrowed({ tables: ['shop.customers', 'shop.orders'] })
    expect(proof.findings.filter((finding) => finding.kind === 'difference')).toEqual([])
    expect(proof.findings).toContainEqual({
      kind: 'notProven',
      reason: 'not-in-backup',
      subject: 'table shop.orders',
      detail: 'it needs what is not part of the backup'
    })
    // The type of one of its columns is no part of a backup of tables.
    expect(proof).toMatchObject({ level: 'read', tables: { restore: 1, read: 1, differing: 0 } })
  })

  test('of a schema, without some tables, without some rows', async () => {
    expect(await narrowed({ schemas: ['shop'] })).toMatchObject({
      level: 'restore',
      tables: { restore: 3, read: 0, differing: 0 }
    })
    expect((await narrowed({ excludeTables: ['shop.log'] })).level).toBe('restore')
    const withoutRows = await narrowed({ excludeTableData: ['shop.customers'] })
    expect(withoutRows.level).toBe('restore')
    expect(withoutRows.findings).toEqual([
      {
        kind: 'notProven',
        reason: 'not-in-backup',
        subject: 'constraint orders_customer_fkey on shop.orders',
        detail: 'the rows that it refers to are not part of the backup; it holds for new rows alone, as after a restore'
      }
    ])
  })

  test('of definitions alone is restored, of rows alone read', async () => {
    expect(await narrowed({ type: 'schema' })).toMatchObject({ level: 'restore', tables: { restore: 3 } })
    await expect(narrowed({ type: 'data' })).rejects.toMatchObject({ code: 'SB604' })
  })
})

describe('an extension that the proving server lacks', () => {
  const folder = path.join(binDirOf(major), '../share/postgresql/extension')
  const control = path.join(folder, 'sb_colours.control')
  const script = path.join(folder, 'sb_colours--1.0.sql')
  afterAll(async () => {
    for (const file of [control, script, `${control}.away`]) await rm(file, { force: true })
  })

  test('is left out with what needs it; those tables count as read, everything else is compared', async () => {
    const colours = await openDesk()
    try {
      await writeFile(control, "default_version = '1.0'\nrelocatable = false\nschema = colours\n")
      await writeFile(
        script,
        `create type colours.colour as enum ('red', 'blue');
         create function colours.mix(a colours.colour) returns text language sql immutable as 'select a::text || ''ish''';
         create table colours.settings (name text primary key, value text);
         select pg_extension_config_dump('colours.settings', '');`
      )
      await server.query('create database colours')
      const run = (sql: string) => server.query(sql, [], server.superuser, 'colours')
      await run('create schema colours; create extension sb_colours')
      await run(`insert into colours.settings values ('a', 'b');
        create table public.plain (id int primary key, note text); insert into public.plain select n, 'x' from generate_series(1, 50) n;
        create table public.painted (id int generated always as identity primary key, colour colours.colour, plain int references public.plain);
        insert into public.painted (colour, plain) select 'red', n from generate_series(1, 50) n;
        create index painted_colour on public.painted (colour);
        create view public.reds as select * from public.painted where colour = 'red';
        create function public.ish(c text) returns text language sql immutable as 'select colours.mix(c::colours.colour)';
        create table public.mixed (c text, mixed text generated always as (public.ish(c)) stored); insert into public.mixed values ('red')`)
      await run(`alter table public.painted enable row level security; create policy own on public.painted using (true);
        create publication paint for table public.painted, public.plain; comment on table public.painted is 'a comment';
        create function public.count_reds() returns bigint language plpgsql as 'begin return (select count(*) from public.painted); end'`)
      const { facts: known } = await capture(colours, server, 'colours')
      await rename(control, `${control}.away`)
      const proof = await prove(colours, known, major)
      expect(proof.findings.filter((finding) => finding.kind !== 'notProven')).toEqual([])
      const named = proof.findings.map((finding) => finding.subject)
      for (const subject of [
        'extension sb_colours',
        'table colours.settings',
        'table public.painted',
        'table public.mixed',
        'sequence public.painted_id_seq',
        'view public.reds',
        'policy own on public.painted',
        'index public.painted_colour'
      ])
        expect(named).toContain(subject)
      expect(named.some((subject) => /plain|count_reds/.test(subject) && !subject.includes('painted'))).toBe(false)
      expect(proof).toMatchObject({
        level: 'read',
        tables: { restore: 1, read: 3, differing: 0 },
        notRestored: '3 of the tables with rows could be read only, not restored and compared'
      })
    } finally {
      await colours.remove()
    }
  })
})

describe('a given server', () => {
  test('gets a database and roles of this run, and is as before afterwards', async () => {
    const given = await startPostgres({ major, auth: 'scram', password: 'a password' })
    try {
      const target = {
        host: '127.0.0.1',
        port: given.port,
        user: given.superuser,
        password: given.password,
        database: 'postgres',
        tls: { mode: 'disable', rootCertificates: null }
      } as const
      await server.query('create role shop_reader; create role shop_owner; grant shop_owner to shop_reader')
      await server.query(
        'grant select on shop.orders to shop_reader; alter table shop.log owner to shop_owner',
        [],
        server.superuser,
        'shop'
      )
      const { facts: known } = await capture(desk, server, 'shop')
      const state = async () =>
        (await given.query('select datname as n from pg_database union all select rolname from pg_roles order by 1'))
          .rows
      const before = await state()
      expect(await prove(desk, known, major, { given: target })).toMatchObject({
        level: 'restore',
        tables: { restore: 3, read: 0, differing: 0 },
        findings: []
      })
      expect(await state()).toEqual(before)
      await given.query('create table public.precious (id int)')
      await expect(prove(desk, known, major, { given: target })).rejects.toMatchObject({
        code: 'SB605',
        message: expect.stringContaining('precious')
      })
      await given.query(`drop table public.precious; create role weak login password 'a password' createdb`)
      await expect(
        prove(desk, known, major, { mode: 'auto', given: { ...target, user: 'weak' } })
      ).rejects.toMatchObject({ code: 'SB605' })
    } finally {
      await given.stop('immediate')
    }
  })
})

describe('what lies beside the tables of a narrowed backup', () => {
  const damages = `create or replace function shop_rest.price(int) returns int language sql as 'select 2';
    drop index shop_rest.by_name; drop view shop_rest.names; revoke select (name) on shop_rest.things from pg_monitor;
    alter sequence shop_rest.numbers increment 5; alter type shop_rest.mood add value 'new'`
  const subjects = [
    'function shop_rest.price(integer)',
    'index shop_rest.by_name',
    'view shop_rest.names',
    'grants on column shop_rest.things.name',
    'sequence shop_rest.numbers',
    'enumeration shop_rest.mood'
  ]
  beforeAll(async () => {
    await server.query('create database beside')
    const client = await server.connect(undefined, 'beside')
    await client.query(`create schema shop_rest; create schema junk; create table junk.t (a int);
      create table shop_rest.things (id serial primary key, name text); create index by_name on shop_rest.things (name);
      create table shop_rest.logs (id serial primary key, at timestamptz); create index on shop_rest.logs (at);
      create view shop_rest.names as select name from shop_rest.things; create view shop_rest.log_times as select at from shop_rest.logs;
      create function shop_rest.price(int) returns int language sql as 'select 1'; create function shop_rest.more(int, text) returns int language sql as 'select 1';
      create sequence shop_rest.numbers; create type shop_rest.mood as enum ('glad'); create domain shop_rest.short as text check (length(value) < 9);
      create statistics shop_rest.both on id, name from shop_rest.things; create operator shop_rest.### (leftarg = int, rightarg = int, function = pg_catalog.int4pl);
      grant select (name) on shop_rest.things to pg_monitor; create publication both_tables for table shop_rest.things, shop_rest.logs, junk.t;
      create view public.far as select a from junk.t; create function junk.f() returns int language sql as 'select 1'`)
    await client.end()
  })

  const selections: readonly (readonly [string, Partial<DatabaseFacts['selection']>, number])[] = [
    ['without a schema', { excludeSchemas: ['junk'] }, 6],
    ['of a schema', { schemas: ['shop_rest'] }, 6],
    ['without a table', { excludeTables: ['shop_rest.logs'] }, 6],
    ['of a table', { tables: ['shop_rest.things'] }, 2]
  ]
  test.each(selections)('%s is compared as far as it is there', async (_, selection, seen) => {
    const narrow = await openDesk()
    try {
      const { facts: known } = await capture(narrow, server, 'beside', {
        selection: { ...everything, ...selection }
      })
      const whole = await prove(narrow, known, major)
      expect(whole.findings.filter((finding) => finding.kind === 'difference')).toEqual([])
      expect(whole.level).toBe('restore')
      const program = await damagingRestore(
        narrow,
        major,
        seen === 6 ? damages : 'drop index shop_rest.by_name; revoke select (name) on shop_rest.things from pg_monitor'
      )
      const damaged = await prove(narrow, known, major, { clientPrograms: async () => clientOf(major, program) })
      const found = damaged.findings
        .filter((finding) => finding.kind === 'difference')
        .map((finding) => finding.subject)
      for (const subject of seen === 6
        ? subjects
        : ['index shop_rest.by_name', 'grants on column shop_rest.things.name'])
        expect(found).toContain(subject)
    } finally {
      await narrow.remove()
    }
  })
})
