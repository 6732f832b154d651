import { describe, expect, test } from 'vitest'
import type { Guard } from '../../../src/archive/contents-database.ts'
import { changesBetween } from '../../../src/history/diary.ts'
import { type ComparedFacts, changesByName } from '../../../src/history/diary-by-name.ts'
import { shapeOf } from '../../../src/history/shape.ts'

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
  test('nothing where only the order differs', () => {
    expect(changesBetween(shape(guards), shape(guards.toReversed()))).toEqual([])
  })
  test('digests of two projects differ, so that nobody learns that they are alike', () => {
    expect(shape(guards)['policies']?.digest).not.toBe(
      shapeOf({ guards, extensions: [], roles: [] }, 'other')['policies']?.digest
    )
  })
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
  test('a flood of changes is cut', () => {
    const many = Array.from({ length: 1500 }, (_, index) => guard('table', `public.t${index}`))
    expect(changesByName({ ...before, guards: [guard('view', 'public.v')] }, { ...before, guards: many })).toHaveLength(
      1001
    )
  })
})
