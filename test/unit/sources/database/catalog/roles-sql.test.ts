import { expect, test } from 'vitest'
import type { RoleFacts } from '../../../../../src/archive/contents-database.ts'
import { assignment, rolesSql } from '../../../../../src/sources/database/catalog/roles-sql.ts'

const role = (name: string, rest: Partial<RoleFacts> = {}): RoleFacts => ({
  name,
  superuser: false,
  inherit: true,
  createRole: false,
  createDb: false,
  login: false,
  replication: false,
  bypassRls: false,
  connectionLimit: -1,
  validUntil: null,
  comment: null,
  settings: [],
  databaseSettings: [],
  ...rest
})
const source = { host: 'h', port: 5432, database: 'a"b', user: 'u', ref: null }

test.each([
  ['statement_timeout=3s', `"statement_timeout" TO '3s'`],
  ['pgrst.db_schemas=public, x', `"pgrst"."db_schemas" TO 'public, x'`],
  ['search_path="$user", public, "it""s, me"', `"search_path" TO '$user', 'public', 'it"s, me'`],
  ['search_path=""', `"search_path" TO ''`],
  [`app.x='; drop table y; --`, `"app"."x" TO '''; drop table y; --'`],
  ['app.x=a\\b', `"app"."x" TO E'a\\\\b'`]
])('%s becomes %s', (setting, expected) => {
  expect(assignment(setting)).toBe(expected)
})

test('hostile names stay names: every line is a comment or one quoted statement', () => {
  const hostile = 'x"; drop role y; --\n\\! touch /tmp/z'
  const text = rolesSql(
    {
      roles: [role(hostile, { comment: hostile }), role('anon'), role('supabase_x\ndrop role y;')],
      memberships: [],
      databaseSettings: [],
      source
    },
    { supabase: true }
  )
  // Everything in quotes taken out, nothing but the statements' own words is left.
  const bare = text.replace(/"(?:[^"]|"")*"/g, 'N').replace(/E?'(?:[^'\\]|''|\\.)*'/g, 'V')
  expect(
    bare
      .split('\n')
      .filter(
        (line) =>
          line !== '' &&
          !line.startsWith('--') &&
          !/^(?:CREATE ROLE N WITH [A-Z ]+|COMMENT ON ROLE N IS V);$/.test(line)
      )
  ).toEqual([])
  expect(bare).not.toContain('drop')
})

test('roles that Supabase makes are only named; memberships between them are left out', () => {
  const text = rolesSql(
    {
      roles: [
        role('anon', { settings: ['statement_timeout=3s'] }),
        role('app', { login: true, validUntil: '2030-01-01 00:00:00+00' })
      ],
      memberships: [
        { role: 'anon', member: 'postgres', grantor: 'supabase_admin', admin: true, inherit: null, set: null },
        { role: 'anon', member: 'app', grantor: 'postgres', admin: false, inherit: true, set: true }
      ],
      databaseSettings: ['app.a=1'],
      source
    },
    { supabase: true }
  )
  expect(text).not.toContain('CREATE ROLE "anon"')
  expect(text).toContain(
    `CREATE ROLE "app" WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS VALID UNTIL '2030-01-01 00:00:00+00';`
  )
  expect(text.match(/^GRANT .*$/gm)).toEqual(['GRANT "anon" TO "app";'])
  expect(text).toContain(`ALTER ROLE "anon" SET "statement_timeout" TO '3s';`)
  expect(text).toContain(`ALTER DATABASE "a""b" SET "app"."a" TO '1';`)
})
