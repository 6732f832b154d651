import { describe, expect, test } from 'vitest'
import type { Guard } from '../../../src/archive/contents-database.ts'
import { changesBetween } from '../../../src/history/schema-changes.ts'
import { type ComparedFacts, changesByName } from '../../../src/history/schema-changes-by-name.ts'
import { countsOf, shapeOf } from '../../../src/history/schema-digest.ts'
import { factsOf, table } from './facts.ts'

const guard = (kind: string, name: string, definition = 'as ever'): Guard => ({ kind, name, definition })
const guards = [
  guard('policy', 'own rows'),
  guard('policy', 'all rows'),
  guard('index', 'by day'),
  guard('grants on table', 'notes', 'anon=r')
]
const shape = (list: readonly Guard[], extensions: { name: string; version: string; schema: string }[] = []) =>
  shapeOf({ guards: [...list], extensions, roles: [{ name: 'anon' }] }, 'shop')

describe('the diary of the schema', () => {
  test('says of each kind what changed, without any name', () => {
    const now = [
      guard('policy', 'own rows', 'true'),
      guard('policy', 'all rows'),
      guard('function', 'total()'),
      guard('grants on table', 'notes', 'anon=rw')
    ]
    const words = changesBetween(shape(guards), shape(now, [{ name: 'vector', version: '0.8', schema: 'extensions' }]))
    expect(words).toEqual([
      'extensions: 1 more (1, were 0)',
      'functions: 1 more (1, were 0)',
      'grants: changed (1, as before)',
      'indexes: 1 fewer (0, were 1)',
      'policies: changed (2, as before)'
    ])
    expect(JSON.stringify(shape(now))).not.toMatch(/own|notes|total|anon/)
  })
  test('kinds are words: those that are plurals already stay as they are', () => {
    const kinds = ['default privileges', 'large objects', 'statistics', 'row security', 'policy', 'index', 'trigger']
    expect(Object.keys(shape(kinds.map((kind) => guard(kind, 'x'))))).toEqual(
      [
        'default privileges',
        'large objects',
        'statistics',
        'row security',
        'policies',
        'indexes',
        'triggers',
        'roles'
      ].sort()
    )
  })
  test('nothing where only the order differs', () => {
    expect(changesBetween(shape(guards), shape(guards.toReversed()))).toEqual([])
  })
  test('counts come and go in words, and kinds are in the plural', () => {
    const many = Array.from({ length: 1500 }, (_, index) => guard('index', `i${index}`))
    expect(changesBetween(shape([]), shape(many))).toEqual(['indexes: 1\u202f500 more (1\u202f500, were 0)'])
    expect(changesBetween(shape(many), shape(many.slice(0, 2)))).toEqual([
      'indexes: 1\u202f498 fewer (2, were 1\u202f500)'
    ])
    const kinds = ['policy', 'key', 'index', 'class', 'batch', 'bush', 'owner of table', 'grants on view', 'trigger']
    expect(Object.keys(shape(kinds.map((kind) => guard(kind, 'x'))))).toEqual([
      'batches',
      'bushes',
      'classes',
      'grants',
      'indexes',
      'keys',
      'owners',
      'policies',
      'roles',
      'triggers'
    ])
    // What is no word for a kind is not told at all.
    expect(Object.keys(shape([guard('Ünknown', 'x'), guard('a'.repeat(60), 'x')]))).toEqual(['roles'])
  })
  test('each of kind, name and definition is part of a digest, and an extension is its version and schema', () => {
    const digest = (one: Guard) => shape([one])['policies']?.digest
    const all = [
      guard('policy', 'a', 'b'),
      guard('policy', 'a', 'c'),
      guard('policy', 'c', 'b'),
      guard('policy', 'ab', '')
    ]
    expect(new Set(all.map(digest)).size).toBe(4)
    const of = (version: string, schema: string) => shape([], [{ name: 'x', version, schema }])['extensions']?.digest
    expect(new Set([of('1', 'a'), of('2', 'a'), of('1', 'b')]).size).toBe(3)
    expect(shape([guard('policy', 'a')])['policies']).toEqual({
      count: 1,
      digest: expect.stringMatching(/^[0-9a-f]{16}$/)
    })
  })
  test('digests of two projects differ, so that nobody learns that they are alike', () => {
    expect(shape(guards)['policies']?.digest).not.toBe(
      shapeOf({ guards, extensions: [], roles: [] }, 'other')['policies']?.digest
    )
  })
})

test('the tables of a project are its own: none of the platform, of an extension, of partitions or without rows', () => {
  const tables = [
    table('public', 'a'),
    table('app', 'b', { kind: 'p' }),
    table('app', 'b_2026', { partitionOf: 'app.b' }),
    table('public', 'spatial_ref_sys', { extension: 'postgis' }),
    table('public', 'view', { kind: 'm' }),
    table('public', 'foreign', { kind: 'f' }),
    ...['auth', 'storage', 'realtime', 'vault', 'cron', 'net', 'extensions'].map((schema) => table(schema, 'x'))
  ]
  const sizes = { userTables: 2, emptyTables: 0, tables1e0: 2, rows1e0: 6 }
  expect(countsOf(factsOf({ tables }))).toEqual(sizes)
  expect(countsOf(factsOf({ tables, auth: { users: 0, sessions: 9 } }))).toEqual({ ...sizes, authUsers: 0 })
})

describe('the diary by name', () => {
  const selection = {
    type: 'full' as const,
    schemas: [],
    excludeSchemas: [],
    tables: [],
    excludeTables: [],
    excludeTableData: []
  }
  const role = (name: string, login = false) => ({
    name,
    superuser: false,
    inherit: true,
    createRole: false,
    createDb: false,
    login,
    replication: false,
    bypassRls: false,
    connectionLimit: -1,
    validUntil: null,
    comment: null,
    settings: [],
    databaseSettings: []
  })
  const member = (role: string, member: string) => ({
    role,
    member,
    grantor: 'postgres',
    admin: false,
    inherit: null,
    set: null
  })
  const before: ComparedFacts = {
    selection,
    extensions: [
      { name: 'vector', version: '0.7', schema: 'extensions' },
      { name: 'pgcrypto', version: '1.3', schema: 'public' },
      { name: 'hstore', version: '1.8', schema: 'public' }
    ],
    roles: [role('anon'), role('old'), role('app')],
    memberships: [member('anon', 'app')],
    guards: [
      guard('table', 'public.notes', `column id integer not null default 1\ncolumn "my body" text\ncolumn gone text`),
      guard('owner of table', 'public.notes', 'postgres'),
      guard('grants on table', 'public.notes', 'anon=SELECT/postgres\napp=SELECT,INSERT/postgres'),
      guard('row security', 'public.notes', 'enabled'),
      guard('policy', '"own rows" on public.notes', `using (secret = 'hunter2')`),
      guard('function', 'public.total(integer)'),
      guard('table', 'public.dropped', 'column a integer'),
      guard('grants on table', 'public.dropped', 'anon=SELECT/postgres'),
      guard('row security', 'public.dropped', 'disabled'),
      guard('view', 'public.v')
    ]
  }
  const now: ComparedFacts = {
    selection,
    extensions: [
      { name: 'vector', version: '0.8', schema: 'extensions' },
      { name: 'pgcrypto', version: '1.3', schema: 'extensions' },
      { name: 'pg_trgm', version: '1.6', schema: 'public' }
    ],
    roles: [role('anon'), role('app', true), role('new')],
    memberships: [member('new', 'app')],
    guards: [
      guard(
        'table',
        'public.notes',
        `column id bigint not null default 2\ncolumn "my body" text default 'hunter2'\ncolumn born date`
      ),
      guard('owner of table', 'public.notes', 'app'),
      guard('grants on table', 'public.notes', 'app=SELECT,INSERT,UPDATE/postgres\nnew=SELECT/app'),
      guard('row security', 'public.notes', 'disabled'),
      guard('policy', '"own rows" on public.notes', `using (secret = 'hunter3')`),
      guard('policy', '"all rows" on public.notes'),
      guard('table', 'public.orders', 'column a integer\ncolumn b text'),
      guard('owner of table', 'public.orders', 'postgres'),
      guard('grants on table', 'public.orders', 'anon=SELECT/postgres'),
      guard('row security', 'public.orders', 'disabled'),
      guard('view', 'public.v', 'select 2')
    ]
  }

  test('names tables, columns, policies, functions, grants, extensions and roles, and shows no expression', () => {
    const words = changesByName(before, now)
    expect(words).toEqual([
      'table public.dropped removed',
      'table public.orders added with 2 columns',
      'column "my body" of public.notes changed (default or options)',
      'column born added to public.notes (date)',
      'column gone removed from public.notes',
      'column id of public.notes changed from integer not null to bigint not null',
      'view public.v changed',
      'policy "all rows" on public.notes added',
      'policy "own rows" on public.notes changed',
      'row security of public.notes: disabled, was enabled',
      'function public.total(integer) removed',
      'grants on table public.notes: anon has nothing, had SELECT',
      'grants on table public.notes: app has INSERT, SELECT, UPDATE, had INSERT, SELECT',
      'grants on table public.notes: new has SELECT, had nothing',
      'extension hstore removed (was 1.8)',
      'extension pg_trgm added (1.6)',
      'extension pgcrypto moved from schema public to extensions',
      'extension vector changed from 0.7 to 0.8',
      'role app became a member of new',
      'role app changed',
      'role app is no member of anon any more',
      'role new added',
      'role old removed',
      'owner of table public.notes changed from postgres to app'
    ])
    expect(words.join()).not.toContain('hunter')
  })
  test('nothing where nothing changed, whatever the order', () => {
    expect(changesByName(now, { ...now, guards: now.guards.toReversed(), roles: now.roles.toReversed() })).toEqual([])
  })
  test('without guards on one side these are not taken for gone; another selection is said', () => {
    const narrow = { ...now, selection: { ...selection, schemas: ['public'] }, guards: [] }
    const words = changesByName(before, narrow)
    expect(words[0]).toContain('selection')
    expect(words.join()).not.toContain('table')
  })
  const changes = (was: readonly Guard[], is: readonly Guard[]) => {
    // Something that stays: without guards on both sides nothing is known.
    const stays = guard('type', 'public.stays')
    return changesByName({ ...before, guards: [stays, ...was] }, { ...before, guards: [stays, ...is] })
  }
  test('columns: one is one column, what stays is not told, and not null is part of the type wherever it stands', () => {
    expect(changes([], [guard('table', 'public.a', 'column a integer')])).toEqual([
      'table public.a added with 1 column'
    ])
    expect(changes([], [guard('table', 'public.a', 'partition by range (x)')])).toEqual(['table public.a added'])
    expect(changes([], [guard('view', 'public.a', 'column a integer')])).toEqual(['view public.a added'])
    const of = (...lines: string[]) => [guard('foreign table', 'public.a', lines.join('\n'))]
    expect(changes(of('column a integer', 'column b text'), of('column a integer', 'column b uuid'))).toEqual([
      'column b of public.a changed from text to uuid'
    ])
    expect(changes(of(`column a text default 'x' not null`), of(`column a text default 'y'`))).toEqual([
      'column a of public.a changed from text not null to text'
    ])
    expect(changes(of('column a'), of('column a'))).toEqual([])
    for (const word of ['generated', 'collate', 'storage', 'compression', 'statistics', 'options', 'wrapper'])
      expect(changes(of('column a text'), of(`column a text ${word} hunter2`))).toEqual([
        'column a of public.a changed (default or options)'
      ])
    expect(changes(of('column "a ""b"" c" text'), of('column "a ""b"" c" uuid'))).toEqual([
      'column "a ""b"" c" of public.a changed from text to uuid'
    ])
  })
  test('a table is said to have changed where it is not its columns alone', () => {
    const of = (rest: string, type = 'integer') => [guard('table', 'public.a', `column a ${type}\n${rest}`)]
    expect(changes(of('persistence permanent'), of('persistence unlogged'))).toEqual(['table public.a changed'])
    expect(changes(of('x'), of('y', 'bigint'))).toEqual([
      'table public.a changed',
      'column a of public.a changed from integer to bigint'
    ])
  })
  test('grants on what is not new: given for the first time, taken away, or written in a way that is not known', () => {
    const of = (definition: string) => [guard('grants on table', 'public.a', definition)]
    expect(changes([], of('anon=SELECT/postgres\nanon=INSERT/app'))).toEqual([
      'grants on table public.a: anon has INSERT, SELECT, had nothing'
    ])
    expect(changes(of('=USAGE*/postgres'), [])).toEqual(['grants on table public.a:  has nothing, had USAGE*'])
    expect(changes(of('anon=SELECT/postgres'), of('anon=SELECT/app'))).toEqual(['grants on table public.a changed'])
    expect(changes(of('?'), of('??'))).toEqual([
      'grants on table public.a: ? has nothing, had ',
      'grants on table public.a: ?? has , had nothing'
    ])
  })
  test('procedures are told among functions, tables of all sorts among tables, what is not known at the end', () => {
    const names = ['zone', 'procedure', 'materialized view', 'partitioned table', 'owner of view', 'aggregate']
    expect(
      changes(
        [],
        names.map((kind) => guard(kind, 'public.x'))
      )
    ).toEqual([
      'partitioned table public.x added',
      'materialized view public.x added',
      'procedure public.x added',
      'aggregate public.x added',
      'owner of view public.x added',
      'zone public.x added'
    ])
    expect(changes([guard('row security', 'public.x', 'enabled')], [])).toEqual(['row security public.x removed'])
    expect(changes([guard('owner of view', 'public.x', 'a')], [])).toEqual(['owner of view public.x removed'])
  })
  test('a flood of changes is cut', () => {
    const many = Array.from({ length: 1500 }, (_, index) => guard('table', `public.t${index}`))
    const words = changesByName({ ...before, guards: [guard('view', 'public.v')] }, { ...before, guards: many })
    expect(words).toHaveLength(1001)
    expect(words.at(-1)).toBe('and 501 more changes')
    const most = changes([], many.slice(0, 1000))
    expect([most.length, most.at(-1)]).toEqual([1000, 'table public.t999 added'])
  })
})
