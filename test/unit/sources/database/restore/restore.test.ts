import { describe, expect, test } from 'vitest'
import type { DatabaseFacts, TableFacts } from '../../../../../src/archive/contents-database.ts'
import type { CatalogTable } from '../../../../../src/sources/database/catalog/tables.ts'
import { parseCopyStatement } from '../../../../../src/sources/database/pg-archive/copy-statement.ts'
import {
  definitionOf,
  forEachObject,
  ownerStatement,
  withoutSessionAuthorization
} from '../../../../../src/sources/database/pg-archive/entry-sql.ts'
import type { ArchiveToc, TocEntry } from '../../../../../src/sources/database/pg-archive/toc.ts'
import { isOfPlatform, isOfTarget } from '../../../../../src/sources/database/restore/check/verify-restored.ts'
import { planRestore } from '../../../../../src/sources/database/restore/plan/plan.ts'
import type { PlanOptions } from '../../../../../src/sources/database/restore/plan/restore-plan.ts'
import { choose } from '../../../../../src/sources/database/restore/plan/select-entries.ts'
import { sideSchemaName } from '../../../../../src/sources/database/restore/rows/side-schema-table.ts'
import { isPlatformSchema, type TargetState } from '../../../../../src/sources/database/restore/target/target-state.ts'

let ids = 0
function entry(kind: string, schema: string, tag: string, more: Partial<TocEntry> = {}): TocEntry {
  ids += 1
  return {
    id: ids,
    kind,
    tag,
    schema,
    owner: 'postgres',
    classId: '0',
    objectId: '0',
    section: 2,
    definition: '',
    dropStatement: '',
    accessMethod: '',
    copyStatement: '',
    needs: [],
    hasData: false,
    ...more
  }
}

const table = (schema: string, name: string, more: Partial<TableFacts> = {}): TableFacts => ({
  schema,
  name,
  kind: 'r',
  rows: '3',
  hash: null,
  columns: [{ name: 'id', form: 'value' }],
  bytes: 0,
  rowSecurity: false,
  ...more
})

const none = { schemas: [], excludeSchemas: [], tables: [], excludeTables: [], excludeTableData: [] }

const tocOf = (entries: readonly TocEntry[]): ArchiveToc => ({
  format: '1.14',
  database: 'postgres',
  serverVersion: '15.20',
  dumpVersion: '15.20',
  madeAt: new Date(0),
  entries,
  length: 0
})

const factsOf = (tables: readonly TableFacts[], more: Partial<DatabaseFacts> = {}): DatabaseFacts => ({
  source: { host: 'localhost', port: 5432, database: 'postgres', user: 'postgres', ref: null },
  server: { version: '15.20', versionNumber: 150020 },
  client: { version: '15.20' },
  snapshotAt: '2026-11-22T00:00:00.000Z',
  sizeBytes: 0,
  encoding: 'UTF8',
  collation: 'C',
  characterType: 'C',
  databaseOwner: 'postgres',
  databaseGrants: [],
  databaseComment: null,
  databaseSettings: [],
  parameterGrants: [],
  selection: { type: 'full', ...none },
  tables: [...tables],
  roles: [],
  memberships: [],
  extensions: [],
  largeObjects: { count: '0', hash: '0' },
  sequences: [],
  guards: [],
  visibleRows: [],
  platformVersions: {},
  attempts: 1,
  notCaptured: [],
  warnings: [],
  ...more
})

const targetOf = (more: Partial<TargetState> = {}): TargetState => ({
  user: 'postgres',
  database: 'postgres',
  superuser: false,
  version: '15.20',
  versionNumber: 150020,
  encoding: 'UTF8',
  closed: null,
  mayCreate: true,
  bypassRls: true,
  replicaRole: true,
  schemas: new Map(
    ['public', 'auth', 'storage', 'cron'].map((name) => [
      name,
      { name, owner: 'supabase_admin', platform: name !== 'public' }
    ])
  ),
  roles: new Set(),
  extensions: new Map(),
  extensionSchemas: new Map(),
  available: new Map(),
  holds: [],
  sizeBytes: 0,
  mostLocks: 6400,
  ...more
})

interface Setting {
  readonly facts?: Partial<DatabaseFacts>
  readonly target?: Partial<TargetState>
  readonly tables?: PlanOptions['tables']
  readonly targetVersions?: PlanOptions['targetVersions']
}

function planOf(entries: readonly TocEntry[], tables: readonly TableFacts[], setting: Setting = {}) {
  const toc = tocOf(entries)
  const facts = factsOf(tables, setting.facts)
  return planRestore({
    mode: 'empty',
    byTables: false,
    known: { has: () => false },
    tables: setting.tables ?? new Map(),
    targetVersions: setting.targetVersions ?? {},
    toc,
    facts,
    chosen: choose(none, facts, toc),
    target: targetOf(setting.target)
  })
}

const copy = (schema: string, name: string, columns = 'id') => ({
  copyStatement: `COPY ${schema}.${name} (${columns}) FROM stdin;\n`,
  hasData: true,
  section: 3
})

describe('a COPY statement of an archive', () => {
  test('is read, whatever its names hold', () => {
    const read = (schema: string, tag: string, copyStatement: string) =>
      parseCopyStatement({ schema, tag, copyStatement })
    expect(read('public', 'notes', 'COPY public.notes (id, "a ""b"", c", body) FROM stdin;\n')).toEqual({
      schema: 'public',
      table: 'notes',
      columns: ['id', 'a "b", c', 'body']
    })
    expect(read('app', 'no_columns', 'COPY app.no_columns  FROM stdin;\n').columns).toEqual([])
    expect(read('x; --', 'y\nz', 'COPY "x; --"."y\nz" (id) FROM stdin;\n').table).toBe('y\nz')
  })

  test('is refused when it is anything else', () => {
    for (const statement of [
      'COPY public.other (id) FROM stdin;\n',
      'COPY public.notes (id) FROM stdin; DROP TABLE x;\n',
      "COPY public.notes (id) FROM '/etc/passwd';\n",
      'COPY public.notes (id) FROM PROGRAM $$id$$;\n',
      '',
      'INSERT INTO public.notes VALUES (1);\n'
    ]) {
      expect(() => parseCopyStatement({ schema: 'public', tag: 'notes', copyStatement: statement })).toThrowError(
        /form that is not known/
      )
    }
  })
})

describe('definitions of an archive', () => {
  test('lose pg_attver, which no server takes back, and nothing else', () => {
    const definition = `CREATE TABLE public.x (\n    y integer DEFAULT 'ALTER TABLE ONLY public.x ALTER COLUMN y SET (pg_attver=1);'\n);\nALTER TABLE ONLY public.x ALTER COLUMN y SET STATISTICS 5;\nALTER TABLE ONLY public.x ALTER COLUMN y SET (pg_attver=17);\n`
    expect(definitionOf(entry('TABLE', 'public', 'x', { definition }))).toBe(
      `CREATE TABLE public.x (\n    y integer DEFAULT 'ALTER TABLE ONLY public.x ALTER COLUMN y SET (pg_attver=1);'\n);\nALTER TABLE ONLY public.x ALTER COLUMN y SET STATISTICS 5;\n`
    )
    const plain = 'CREATE TABLE public.z (\n    id integer\n);\n'
    expect(definitionOf(entry('TABLE', 'public', 'z', { definition: plain }))).toBe(plain)
  })

  test('of large objects are said of each of them', () => {
    expect(definitionOf(entry('BLOB METADATA', '', '1..2', { definition: '1\n2\n' }))).toBe(
      "SELECT pg_catalog.lo_create('1');\nSELECT pg_catalog.lo_create('2');"
    )
    expect(forEachObject('GRANT SELECT ON LARGE OBJECT 1 TO "LARGE OBJECT 1";\n', ['1', '2'])).toBe(
      'GRANT SELECT ON LARGE OBJECT 1 TO "LARGE OBJECT 1";\nGRANT SELECT ON LARGE OBJECT 2 TO "LARGE OBJECT 1";'
    )
  })

  test('by other grantors are run as those', () => {
    expect(
      withoutSessionAuthorization(
        'SET SESSION AUTHORIZATION anon;\nGRANT SELECT ON TABLE a.b TO c;\nRESET SESSION AUTHORIZATION;\n'
      )
    ).toBe('SET LOCAL ROLE anon;\nGRANT SELECT ON TABLE a.b TO c;\nRESET ROLE;\n')
  })

  test('get their owner by the name that the kind has', () => {
    expect(ownerStatement(entry('TABLE', 'a"b', 'c', { owner: 'x' }))).toBe('ALTER TABLE "a""b"."c" OWNER TO "x";')
    expect(
      ownerStatement(entry('FUNCTION', 'app', 'f(integer)', { dropStatement: 'DROP FUNCTION app.f(v integer);\n' }))
    ).toBe('ALTER FUNCTION app.f(v integer) OWNER TO "postgres";')
    expect(ownerStatement(entry('INDEX', 'app', 'i'))).toBeNull()
  })
})

describe('the plan of a restore', () => {
  test('F68: stops when rows need an extension that the target lacks, and lists what else does', () => {
    const extension = entry('EXTENSION', '', 'vector')
    const made = entry('TABLE', 'public', 'docs', { needs: [extension.id] })
    const rows = entry('TABLE DATA', 'public', 'docs', { ...copy('public', 'docs'), needs: [made.id] })
    const facts = { extensions: [{ name: 'vector', version: '0.8', schema: 'public' }] }
    expect(planOf([extension, made, rows], [table('public', 'docs')], { facts }).obstacles).toEqual([
      { code: 'SB705', text: "The target's server does not have the extensions vector, which public.docs need." }
    ])
    const empty = planOf([extension, made, rows], [table('public', 'docs', { rows: '0' })], { facts })
    expect(empty.obstacles).toEqual([])
    expect(empty.findings.map((finding) => finding.kind)).toEqual(['todo', 'todo', 'todo'])
    const target = { available: new Map([['vector', '0.8']]) }
    expect(
      planOf([extension, made, rows], [table('public', 'docs')], { facts, target }).entries.map((one) => one.kind)
    ).toEqual(['EXTENSION', 'TABLE'])
  })

  test('brings triggers and policies of the user back onto tables of the platform, not those of the platform', () => {
    const trigger = (name: string, called: string) =>
      entry('TRIGGER', 'auth', `users ${name}`, {
        section: 4,
        definition: `CREATE TRIGGER ${name} AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION ${called}();\n`
      })
    const entries = [
      entry('SCHEMA', '', 'auth'),
      entry('TABLE', 'auth', 'users'),
      entry('FUNCTION', 'auth', 'uid()'),
      trigger('mine', 'public.handle_new_user'),
      trigger('theirs', 'auth.own'),
      entry('POLICY', 'storage', 'objects mine', { section: 4 }),
      entry('POLICY', 'cron', 'job cron_job_policy', { section: 4 })
    ]
    expect(planOf(entries, []).entries.map((one) => one.tag)).toEqual(['users mine', 'objects mine'])
    // A function there that the same version of the platform does not have is the user's.
    const versions = { 'auth.schema_migrations': '5' }
    expect(
      planOf(entries, [], { facts: { platformVersions: versions }, targetVersions: versions }).entries.map(
        (one) => one.tag
      )
    ).toEqual(['users', 'uid()', 'users mine', 'objects mine'])
  })

  test('stops when the Auth of the target lacks a table or column that the backup has rows for', () => {
    const rows = [
      entry('TABLE DATA', 'auth', 'users', copy('auth', 'users', 'id, passkey')),
      entry('TABLE DATA', 'auth', 'newer', copy('auth', 'newer'))
    ]
    const facts = [table('auth', 'users'), table('auth', 'newer')]
    const users: CatalogTable = {
      ...table('auth', 'users'),
      oid: '1',
      quoted: 'auth.users',
      condition: '',
      unlogged: false,
      owner: 'supabase_auth_admin',
      above: [],
      maySelect: true,
      mayUse: true,
      filtered: false
    }
    const tables = new Map([['auth.users', users]])
    expect(planOf(rows, facts, { tables }).obstacles).toEqual([
      { code: 'SB706', text: "The target's table auth.users lacks the columns passkey." },
      { code: 'SB706', text: 'The target has no table auth.newer, and the backup has 3 rows of it.' }
    ])
    const nothing = [table('auth', 'users', { rows: '0' }), table('auth', 'newer', { rows: '0' })]
    expect(planOf(rows, nothing, { tables: new Map() }).obstacles).toEqual([])
  })

  test('notes versions of Auth and extensions that are others in the target', () => {
    const plan = planOf([], [], {
      facts: {
        platformVersions: { 'auth.schema_migrations': '20250101', 'storage.migrations': '3' },
        extensions: [
          { name: 'vector', version: '0.8.0', schema: 'extensions' },
          { name: 'citext', version: '1.6', schema: 'extensions' }
        ]
      },
      targetVersions: { 'auth.schema_migrations': '20260101', 'storage.migrations': '3' },
      target: { available: new Map([['vector', '0.9.0']]), extensions: new Map([['citext', '1.6']]) }
    })
    expect(plan.findings).toEqual([
      {
        kind: 'note',
        subject: 'auth.schema_migrations',
        detail: 'version 20250101 in the backup, 20260101 in the target'
      },
      { kind: 'note', subject: 'extension vector', detail: 'version 0.8.0 in the backup, 0.9.0 in the target' }
    ])
  })

  test('rows of tables that the target lacks are left, and named', () => {
    const rows = entry('TABLE DATA', 'public', 'gone', copy('public', 'gone'))
    const toc = tocOf([rows])
    const facts = factsOf([table('public', 'gone')])
    const plan = planRestore({
      mode: 'missing-rows',
      byTables: false,
      known: { has: () => false },
      tables: new Map(),
      targetVersions: {},
      toc,
      facts,
      chosen: choose(none, facts, toc),
      target: targetOf()
    })
    expect(plan.left).toEqual(['public.gone'])
    expect(plan.rows).toEqual([])
  })

  test('schedules jobs anew and leaves migration tables and secrets alone', () => {
    const names = [
      ['auth', 'schema_migrations'],
      ['storage', 'migrations'],
      ['cron', 'job']
    ] as const
    const rows = names.map(([schema, name]) => entry('TABLE DATA', schema, name, copy(schema, name)))
    const plan = planOf(
      rows,
      names.map(([schema, name]) => table(schema, name))
    )
    expect(plan.rows.map((one) => [one.entry.tag, one.way])).toEqual([['job', 'jobs']])
    expect(plan.findings).toEqual([])
  })
})

describe('a choice of tables', () => {
  test('takes along what they need and what hangs on them, and no other table', () => {
    const type = entry('TYPE', 'app', 'mood')
    const unused = entry('TYPE', 'app', 'other')
    const notes = entry('TABLE', 'app', 'notes', { needs: [type.id] })
    const other = entry('TABLE', 'app', 'other')
    const key = entry('FK CONSTRAINT', 'app', 'notes notes_other_fkey', { needs: [notes.id, other.id], section: 4 })
    const foreign = entry('FK CONSTRAINT', 'app', 'other other_notes_fkey', { needs: [notes.id, other.id], section: 4 })
    const grant = entry('ACL', 'app', 'TABLE notes', { needs: [notes.id], section: 1 })
    const view = entry('VIEW', 'app', 'on_notes', { needs: [notes.id] })
    const entries = [type, unused, notes, other, key, foreign, grant, view]
    const facts = factsOf([table('app', 'notes'), table('app', 'other')])
    const chosen = choose({ ...none, tables: ['app.notes'] }, facts, tocOf(entries))
    expect(entries.filter((one) => chosen.entries.has(one.id)).map((one) => one.tag)).toEqual([
      'mood',
      'notes',
      'notes notes_other_fkey',
      'TABLE notes'
    ])
    expect([...chosen.needed]).toEqual([type.id])
    expect(() => choose({ ...none, tables: ['app.nothing'] }, facts, tocOf(entries))).toThrowError(
      /matches app\.nothing/
    )
  })

  test('of a partitioned table takes its partitions, of an inherited one not its children', () => {
    const tables = [
      table('app', 'orders', { kind: 'p', rows: null }),
      table('app', 'orders_1', { partitionOf: 'app.orders' }),
      table('app', 'animals'),
      table('app', 'dogs', { partitionOf: 'app.animals' })
    ]
    const facts = factsOf(tables)
    const chosen = (pattern: string) => [...choose({ ...none, tables: [pattern] }, facts, tocOf([])).tables.keys()]
    expect(chosen('app.orders')).toEqual(['app.orders', 'app.orders_1'])
    expect(chosen('app.animals')).toEqual(['app.animals'])
  })
})

describe('what belongs to the platform', () => {
  const platform = new Set(['auth', 'storage', 'extensions'])
  test.each([
    ['policy "x" on storage.objects', true],
    ['function auth.uid()', true],
    ['schema auth', true],
    ['grants on schema extensions', true],
    ['comment table column auth.users.email', true],
    ['function app.f(extensions.citext, auth.users)', false],
    ['policy "on auth.users" on app.notes', false],
    ['trigger on_auth on public.users', false],
    ['default privileges for supabase_auth_admin in schema auth on tables', true],
    ['schema app', false]
  ])('%s: %s', (subject, expected) => {
    expect(isOfPlatform(subject, platform)).toBe(expected)
  })

  test('is told by name, and where a name is shared by its owner', () => {
    const of = (name: string, owner: string, extension = false) => isPlatformSchema({ name, owner, extension })
    expect(of('auth', 'anybody')).toBe(true)
    expect(of('topology', 'postgres')).toBe(false)
    expect(of('topology', 'supabase_admin')).toBe(true)
    expect(of('mine', 'postgres', true)).toBe(true)
    expect(of('public', 'pg_database_owner')).toBe(false)
  })
})

test.each([
  ['event trigger pgrst_ddl_watch', true],
  ['owner of event trigger pgrst_ddl_watch', true],
  ['publication supabase_realtime_messages_publication', true],
  ['comment extension pgcrypto', true],
  ['event trigger mine', false],
  ['policy "event trigger x" on public.notes', false],
  ['function public.publication()', false]
])('%s is the affair of the target: %s', (subject, expected) => {
  expect(isOfTarget({ subject }, new Set(['event trigger mine']))).toBe(expected)
})

test('the side schema has a name of its day that is free', () => {
  const day = new Date('2026-11-22T23:59:00Z')
  expect(sideSchemaName(day, () => false)).toBe('restored_20261122')
  expect(sideSchemaName(day, (name) => ['restored_20261122', 'restored_20261122_2'].includes(name))).toBe(
    'restored_20261122_3'
  )
})
