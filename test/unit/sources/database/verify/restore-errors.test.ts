import { describe, expect, test } from 'vitest'
import { machineFault } from '../../../../../src/sources/database/verify/host-failure.ts'
import {
  judge,
  parseRestoreErrors,
  type RestoreSetting
} from '../../../../../src/sources/database/verify/restore-errors.ts'

const whole: RestoreSetting = { clientMajor: 15, serverMajor: 15, extensionsMissing: false, narrowed: false }
const narrowed: RestoreSetting = { ...whole, narrowed: true }

const said = [
  'pg_restore: while INITIALIZING:',
  'pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"',
  'Command was: SET transaction_timeout = 0;',
  'pg_restore: while PROCESSING TOC:',
  'pg_restore: from TOC entry 6; 2615 2200 SCHEMA public postgres',
  'pg_restore: error: could not execute query: ERROR:  schema "public" already exists',
  'Command was: CREATE SCHEMA public;',
  '',
  'pg_restore: from TOC entry 3222; 2606 16579 FK CONSTRAINT notes notes_u_fkey postgres',
  'pg_restore: error: could not execute query: ERROR:  schema "app" does not exist',
  'Command was: ALTER TABLE ONLY public.notes',
  '    ADD CONSTRAINT notes_u_fkey FOREIGN KEY (u) REFERENCES app.users(id);',
  'pg_restore: warning: errors ignored on restore: 3'
].join('\n')

describe('errors of a restore into a copy', () => {
  test('each belongs to the entry that pg_restore named before it', () => {
    const { errors, counted } = parseRestoreErrors(said)
    expect(counted).toBe(3)
    expect(errors.map(({ entry }) => entry)).toEqual([null, 6, 3222])
  })

  test('a narrowed backup goes without what needs the rest, and finds the schema public made', () => {
    const { errors } = parseRestoreErrors(said)
    const verdicts = errors.map((error) => judge(error, { ...narrowed, clientMajor: 17 }).kind)
    expect(verdicts).toEqual(['harmless', 'harmless', 'leftOut'])
  })

  test('a whole backup has to do without any of these errors', () => {
    const { errors } = parseRestoreErrors(said)
    expect(errors.map((error) => judge(error, whole).kind)).toEqual(['failed', 'failed', 'failed'])
  })

  test('what only reads like a harmless error is none', () => {
    const error = { entry: 7, message: 'schema "public" already exists', command: 'CREATE TRIGGER x' }
    expect(judge(error, narrowed).kind).toBe('failed')
    expect(judge({ entry: 7, message: 'role "x" does not exist', command: '' }, narrowed).kind).toBe('failed')
  })

  test('a security label is left out where its provider is not loaded, and for no other reason', () => {
    const command = "SECURITY LABEL FOR pgsodium ON TABLE public.t IS 'x';"
    const verdict = (message: string, sql = command) => judge({ entry: 7, message, command: sql }, whole).kind
    expect(verdict('security label provider "pgsodium" is not loaded')).toBe('leftOut')
    expect(verdict('security label provider "pgsodium" is not loaded', 'CREATE FUNCTION x()')).toBe('failed')
    expect(verdict('relation "public.t" does not exist')).toBe('failed')
  })

  test('every other error fails, also where something is known to be missing', () => {
    const setting = { ...narrowed, extensionsMissing: true }
    for (const message of [
      'permission denied for schema x',
      'syntax error at or near "x"',
      'COPY failed for table "t": ERROR:  invalid input syntax',
      'out of memory',
      'server closed the connection unexpectedly'
    ]) {
      expect(judge({ entry: 4, message, command: '' }, setting).kind).toBe('failed')
    }
    expect(judge({ entry: null, message: 'function x() does not exist', command: '' }, setting).kind).toBe('failed')
  })
})

test.each([
  ['could not extend file "base/5/16390": No space left on device', 'room'],
  [
    'COPY failed for table "t": ERROR:  could not extend file "base/5/1": wrote only 4096 of 8192 bytes at block 7',
    'room'
  ],
  ['could not write to file "pg_wal/xlogtemp.7": No space left on device', 'room'],
  ['out of memory', 'memory'],
  ['COPY failed for table "t": ERROR:  out of memory', 'memory'],
  ['could not execute query: server closed the connection unexpectedly', 'server'],
  ['could not execute query: FATAL:  terminating connection due to administrator command', 'server'],
  ['error returned by PQputCopyData: no connection to the server', 'server'],
  // These may come of the backup, or of what somebody's functions say.
  ['COPY failed for table "t": ERROR:  invalid input syntax for type integer: "out of memory"', null],
  ['invalid memory alloc request size 4294967296', null],
  ['the shop is out of memory', null],
  ['relation "No space left on device" does not exist', null]
])('what %j says of the machine: %s', (message, fault) => {
  expect(machineFault(message)).toBe(fault)
})
