import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  chooseClient,
  isOlderThanServer,
  parseProgramVersion,
  safetyOf,
  securityFloor,
  versionOfNumber
} from '../../../../src/clients/postgres/program-versions.ts'

test.each([
  ['pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n', { major: 15, minor: 20, text: '15.20' }],
  ['pg_dump (PostgreSQL) 17.11\n', { major: 17, minor: 11, text: '17.11' }],
  ['pg_dump (PostgreSQL) 19beta2', { major: 19, minor: 0, text: '19beta2' }],
  ['pg_dump (PostgreSQL) 18devel\n', { major: 18, minor: 0, text: '18devel' }]
])('reads %j', (output, version) => {
  expect(parseProgramVersion('pg_dump', output)).toEqual(version)
})

test.each([
  '',
  'pg_restore (PostgreSQL) 17.11',
  'hello\npg_dump (PostgreSQL) 17.11',
  'pg_dump 17.11',
  'pg_dump (PostgreSQL) 17.11evil',
  'pg_dump (PostgreSQL) 100.1',
  'pg_dump (EnterpriseDB) 17.1'
])('F19: does not believe %j', (output) => {
  expect(parseProgramVersion('pg_dump', output)).toBeUndefined()
})

test('whatever a program says, reading it never throws', () => {
  fc.assert(
    fc.property(
      fc.string(),
      (text) => parseProgramVersion('pg_dump', text) === undefined || text.startsWith('pg_dump (PostgreSQL) ')
    )
  )
})

test('the number of a server', () => {
  expect(versionOfNumber(170_011)).toMatchObject({ major: 17, minor: 11 })
  expect(versionOfNumber(150_020)).toMatchObject({ major: 15, minor: 20 })
})

describe('F6, T1, T2: the security floor', () => {
  test.each([
    ['15.20', 'current'],
    ['15.19', 'current'],
    ['15.18', 'below-floor'],
    ['15.8', 'below-floor'],
    ['15.7', 'refused'],
    ['16.15', 'current'],
    ['16.14', 'below-floor'],
    ['16.3', 'refused'],
    ['17.11', 'current'],
    ['17.10', 'below-floor'],
    ['17.0', 'below-floor'],
    ['18.6', 'current'],
    ['18.5', 'below-floor'],
    ['14.24', 'current'],
    ['13.23', 'below-floor'],
    ['13.15', 'refused'],
    ['11.22', 'refused'],
    ['19.0', 'current']
  ])('%s is %s', (text, safety) => {
    expect(safetyOf(version(text))).toBe(safety)
  })

  test('a floor for each major that Supabase and PostgreSQL support', () => {
    expect([...securityFloor.keys()]).toEqual([14, 15, 16, 17, 18])
  })
})

test.each([
  ['15.20', '15.20', false],
  ['15.19', '15.20', true],
  ['17.11', '15.20', true],
  ['17.12', '15.20', false],
  ['17.11', '15.19', false],
  ['17.11', '15.8', false],
  ['18.6', '17.6', false],
  ['19.0', '17.12', false]
])('client %s is older than server %s: %s', (client, server, older) => {
  expect(isOlderThanServer(version(client), version(server))).toBe(older)
})

test.each([
  ['the same major', ['16.15', '17.11', '18.6'], '17.6', '17.11'],
  ['a newer major where the same has a known hole', ['17.5', '18.6'], '17.6', '18.6'],
  ['the same major where all have known holes', ['17.5', '18.1'], '17.4', '17.5'],
  ['never an older major', ['15.20', '16.15'], '17.6', undefined],
  ['never one below the refused minors', ['15.7', '16.3'], '15.1', undefined],
  ['the newest where the same major is missing', ['16.15', '18.6', '17.11'], '15.8', '18.6'],
  ['one as new as the server before the same major', ['15.19', '17.12'], '15.20', '17.12'],
  ['the newest of the same major', ['17.11', '17.12'], '17.6', '17.12']
])('takes %s', (_words, clients, server, chosen) => {
  const found = clients.map((text) => ({ version: version(text) }))
  expect(chooseClient(found, version(server))?.version.text).toBe(chosen)
})

function version(text: string): { major: number; minor: number; text: string } {
  const [major, minor] = text.split('.').map(Number)
  return { major: major ?? 0, minor: minor ?? 0, text }
}
