import { expect, test } from 'vitest'
import { compareSettings, parseGrantLine } from '../../../../../src/sources/database/verify/copy-database.ts'

test.each([
  [
    'PUBLIC=CONNECT,TEMPORARY/postgres',
    {
      grantee: 'PUBLIC',
      privileges: [
        { name: 'CONNECT', withOption: false },
        { name: 'TEMPORARY', withOption: false }
      ],
      grantor: 'postgres'
    }
  ],
  [
    '"a=b/c ""d"""=CREATE*/"X; drop role y"',
    { grantee: '"a=b/c ""d"""', privileges: [{ name: 'CREATE', withOption: true }], grantor: '"X; drop role y"' }
  ],
  ['anon=ALTER SYSTEM,SET*/supabase_admin', expect.objectContaining({ grantor: 'supabase_admin' })],
  ['anon=CONNECT/postgres; drop role postgres', null],
  ['anon; drop role x=CONNECT/postgres', null],
  ['anon=CONNECT; drop/postgres', null],
  ['anon', null]
])('takes the grant %s apart, and only what is one', (line, expected) => {
  expect(parseGrantLine(line)).toEqual(expected)
})

test('a setting is named where it differs, and its values are never shown', () => {
  const found = compareSettings(
    ['app.settings.jwt_secret=one', 'gone=1', 'same=x=y'],
    ['app.settings.jwt_secret=two', 'more=1', 'same=x=y'],
    'the database'
  )
  expect(found.map(({ subject, detail }) => `${subject}: ${detail}`)).toEqual([
    'setting app.settings.jwt_secret of the database: it has another value in the copy',
    'setting gone of the database: it is missing in the copy',
    'setting more of the database: it is in the copy, but not in the source'
  ])
})
