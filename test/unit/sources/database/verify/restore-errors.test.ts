import { describe, expect, test } from 'vitest'
import { machineFault } from '../../../../../src/sources/database/verify/host-failure.ts'
import {
  isHarmless,
  parseRestoreErrors,
  type RestoreSetting
} from '../../../../../src/sources/database/verify/restore-errors.ts'

const whole: RestoreSetting = { clientMajor: 15, serverMajor: 15, narrowed: false }
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

  test('a narrowed backup finds the schema public made; everything else is tried again', () => {
    const { errors } = parseRestoreErrors(said)
    const newer = { ...narrowed, clientMajor: 17 }
    expect(errors.map((error) => isHarmless(error, newer))).toEqual([true, true, false])
    expect(errors.map((error) => isHarmless(error, whole))).toEqual([false, false, false])
  })

  test('what only reads like a harmless error is none', () => {
    const error = { entry: 7, message: 'schema "public" already exists', command: 'CREATE TRIGGER x' }
    expect(isHarmless(error, narrowed)).toBe(false)
    expect(isHarmless({ entry: 7, message: 'role "x" does not exist', command: '' }, narrowed)).toBe(false)
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
