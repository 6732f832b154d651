import { describe, expect, test } from 'vitest'
import { isUnknownName, searchPaths, withSearchPath } from '../../../../../src/sources/database/loading/search-paths.ts'
import { sourceSearchPath, sourceSettings } from '../../../../../src/sources/database/loading/source-settings.ts'

const role = {
  name: 'owner',
  superuser: false,
  inherit: true,
  createRole: false,
  createDb: false,
  login: true,
  replication: false,
  bypassRls: false,
  connectionLimit: -1,
  validUntil: null,
  comment: null,
  settings: ['app.color=red', 'statement_timeout=1s'],
  databaseSettings: ['search_path=util, public']
}
const facts = {
  source: { host: 'db', port: 5432, database: 'shop', user: 'owner', ref: null },
  databaseSettings: [
    'TimeZone=Asia/Kathmandu',
    'client_encoding=LATIN1',
    'DateStyle=SQL, DMY',
    'app.tenant=a=b',
    'app.color=blue'
  ],
  roles: [role],
  extensions: [{ name: 'unaccent', version: '1', schema: 'extensions' }],
  guards: [{ kind: 'schema', name: '"S 1"', definition: '' }],
  tables: []
}

describe('settings of the source that are in force while rows come in', () => {
  test('are those that shape rows and those of users, and none that says how values are written', () => {
    expect(sourceSettings(facts)).toEqual([
      { name: 'TimeZone', value: 'Asia/Kathmandu' },
      { name: 'app.tenant', value: 'a=b' },
      { name: 'app.color', value: 'blue' },
      { name: 'app.color', value: 'red' }
    ])
  })

  test("the search_path is the role's, else the database's, else the server's", () => {
    expect(sourceSearchPath(facts)).toBe('util, public')
    expect(sourceSearchPath({ ...facts, roles: [], databaseSettings: ['search_path=app'] })).toBe('app')
    expect(sourceSearchPath({ ...facts, roles: [], databaseSettings: [] })).toBe('"$user", public')
  })
})

describe('a second try', () => {
  test("comes with the source's own path and its extensions, then with all schemas, the object's first", () => {
    expect(searchPaths(facts, 's2')).toEqual(['util, public, "extensions"', '"s2", util, public, "extensions", "S 1"'])
  })

  test('leaves the path empty again', () => {
    expect(withSearchPath('select 1', "a'b")).toBe(
      "select pg_catalog.set_config('search_path', 'a''b', true);\nselect 1\n;select pg_catalog.set_config('search_path', '', true)"
    )
  })

  test('is worth it for unknown names alone', () => {
    expect(['42883', '42P01', '3F000'].every(isUnknownName)).toBe(true)
    expect([undefined, '', '23514', '42501', '53100'].some(isUnknownName)).toBe(false)
  })
})
