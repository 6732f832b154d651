import { describe, expect, test } from 'vitest'
import { grantStatements, sameButForOwner } from '../../../../../src/sources/database/fingerprint/grant-lines.ts'

const owners = new Set(['boss', '"Old Boss"'])
const statements = (kind: string, name: string, source: string[], copy: string[]) =>
  grantStatements({ kind, name }, source, copy, owners)

describe('statements that make grants what they were', () => {
  test('take what is too much and give what is missing, in this order', () => {
    expect(
      statements(
        'table',
        'app.notes',
        ['anon=SELECT/boss', 'boss=DELETE,INSERT,SELECT/boss', 'reader=SELECT,UPDATE/boss'],
        ['PUBLIC=SELECT/boss', 'anon=DELETE,SELECT/boss', 'boss=SELECT/boss']
      )
    ).toEqual([
      'REVOKE SELECT ON TABLE app.notes FROM PUBLIC;',
      'REVOKE DELETE ON TABLE app.notes FROM anon;',
      'GRANT SELECT, UPDATE ON TABLE app.notes TO reader;'
    ])
  })

  test('know the grant option from the right itself', () => {
    expect(
      statements('sequence', 'app.s', ['a=USAGE*/boss', 'b=USAGE/boss'], ['a=USAGE/boss', 'b=USAGE*/boss'])
    ).toEqual([
      'REVOKE GRANT OPTION FOR USAGE ON SEQUENCE app.s FROM b;',
      'GRANT USAGE ON SEQUENCE app.s TO a WITH GRANT OPTION;'
    ])
  })

  test('leave the rights of owners alone, and of those who granted', () => {
    expect(
      statements(
        'schema',
        'app',
        ['boss=CREATE,USAGE/boss', 'a=USAGE/boss'],
        ['"Old Boss"=USAGE/"Old Boss"', 'a=USAGE/"Old Boss"']
      )
    ).toEqual([])
  })

  test.each([
    ['column', 'app.notes.body', 'SELECT', 'GRANT SELECT (body) ON TABLE app.notes TO a;'],
    ['column', 'app."My.Notes"."a.b"', 'SELECT', 'GRANT SELECT ("a.b") ON TABLE app."My.Notes" TO a;'],
    ['materialized view', 'app.v', 'SELECT', 'GRANT SELECT ON TABLE app.v TO a;'],
    ['foreign table', 'app.v', 'SELECT', 'GRANT SELECT ON TABLE app.v TO a;'],
    ['procedure', 'app.p(integer)', 'EXECUTE', 'GRANT EXECUTE ON ROUTINE app.p(integer) TO a;'],
    ['aggregate', 'app.p(integer)', 'EXECUTE', 'GRANT EXECUTE ON ROUTINE app.p(integer) TO a;'],
    ['range type', 'app.t', 'USAGE', 'GRANT USAGE ON TYPE app.t TO a;'],
    ['composite type', 'app.t', 'USAGE', 'GRANT USAGE ON TYPE app.t TO a;'],
    ['domain', 'app.t', 'USAGE', 'GRANT USAGE ON TYPE app.t TO a;'],
    ['foreign server', 's', 'USAGE', 'GRANT USAGE ON FOREIGN SERVER s TO a;'],
    ['language', 'plperl', 'USAGE', 'GRANT USAGE ON LANGUAGE plperl TO a;']
  ])('call a %s %s by its word', (kind, name, privilege, sql) => {
    expect(statements(kind, name, [`a=${privilege}/boss`], [])).toEqual([sql])
  })

  test('read names in quotes whatever they hold', () => {
    expect(statements('schema', 'app', ['"a=B/c"=USAGE/boss'], ['"x""=CREATE"=CREATE/boss'])).toEqual([
      'REVOKE CREATE ON SCHEMA app FROM "x""=CREATE";',
      'GRANT USAGE ON SCHEMA app TO "a=B/c";'
    ])
  })

  test('are none for kinds that have no grants of their own', () => {
    expect(statements('large objects', 'of boss', ['a=SELECT/boss'], [])).toEqual([])
  })
})

describe('grants on what belongs to one role here and to another there', () => {
  test.each<[title: string, source: string[], copy: string[], same: boolean]>([
    ['the owner alone', ['boss=EXECUTE/boss'], ['chief=EXECUTE/chief'], true],
    [
      'an owner to whom it was granted again',
      ['PUBLIC=EXECUTE/boss', 'boss=EXECUTE*/boss'],
      ['PUBLIC=EXECUTE/chief', 'boss=EXECUTE*/chief', 'chief=EXECUTE/chief'],
      true
    ],
    ['somebody else', ['a=EXECUTE/boss'], ['a=EXECUTE/chief'], true],
    ['somebody else, with grant option', ['a=EXECUTE/boss'], ['a=EXECUTE*/chief'], false],
    ['somebody less', ['a=SELECT,UPDATE/boss'], ['a=SELECT/chief'], false],
    ['somebody more', ['boss=EXECUTE/boss'], ['PUBLIC=EXECUTE/chief', 'chief=EXECUTE/chief'], false],
    [
      'a grant by somebody who may',
      ['a=EXECUTE*/boss', 'b=EXECUTE/a'],
      ['a=EXECUTE*/chief', 'b=EXECUTE/a', 'chief=EXECUTE/chief'],
      true
    ],
    ['a grant by somebody else', ['a=EXECUTE*/boss', 'b=EXECUTE/a'], ['a=EXECUTE*/chief', 'b=EXECUTE/chief'], false],
    ['one owner', ['a=EXECUTE/boss'], ['b=EXECUTE/boss'], false],
    ['no owner that could be told', [], ['PUBLIC=EXECUTE/boss'], false]
  ])('%s: %o there %o, the same: %s', (_, source, copy, same) => {
    expect(sameButForOwner(source, copy)).toBe(same)
    expect(sameButForOwner(copy, source)).toBe(same)
  })
})
