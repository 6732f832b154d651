import { expect, test } from 'vitest'
import { dumpArguments } from '../../../../../src/sources/database/dump/dump.ts'
import { dumpError, dumpWarnings } from '../../../../../src/sources/database/dump/dump-errors.ts'

const failed = { code: 1, signal: null }

test.each([
  [
    'pg_dump: error: query failed: ERROR:  permission denied for table notes\npg_dump: detail: Query was: LOCK TABLE public.notes IN ACCESS SHARE MODE',
    'SB203',
    false
  ],
  [
    'pg_dump: error: query failed: ERROR:  query would be affected by row-level security policy for table "notes"',
    'SB204',
    false
  ],
  ['pg_dump: error: no matching schemas were found for pattern "x"', 'SB205', false],
  ['pg_dump: error: query failed: ERROR:  canceling statement due to statement timeout', 'SB202', false],
  ['pg_dump: error: query failed: ERROR:  relation "public.gone" does not exist', 'SB206', true],
  [
    'pg_dump: error: Dumping the contents of table "t" failed: PQgetCopyData() failed.\npg_dump: detail: Error message from server: server closed the connection unexpectedly',
    'SB207',
    true
  ],
  ['pg_dump: error: query failed: FATAL:  terminating connection due to administrator command', 'SB207', true],
  ['pg_dump: error: aborting because of server version mismatch', 'SB209', false],
  ['pg_dump: error: query failed: ERROR:  out of shared memory', 'SB210', false],
  [
    'pg_dump: error: Dumping the contents of table "wide" failed: PQgetResult() failed.\npg_dump: detail: Error message from server: ERROR:  out of memory\nDETAIL:  Cannot enlarge string buffer containing 1073741822 bytes by 1 more bytes.',
    'SB216',
    false
  ],
  [
    'pg_dump: error: Dumping the contents of table "wide" failed: PQgetResult() failed.\npg_dump: detail: Error message from server: ERROR:  invalid memory alloc request size 1200000003',
    'SB216',
    false
  ],
  ['pg_dump: error: query failed: ERROR:  invalid snapshot identifier: "00000003-1"', 'SB212', true],
  ['pg_dump: error: connection to server at "h" failed: FATAL:  sorry, too many clients already', 'SB115', true],
  ['pg_dump: error: something new', 'SB201', false],
  ['', 'SB201', false]
])('%s is %s', (stderr, code, mayPass) => {
  expect(dumpError(failed, stderr)).toMatchObject({ code, mayPass })
})

test('F20: a signal says more than the words before it', () => {
  expect(dumpError({ code: null, signal: 'SIGKILL' }, 'pg_dump: error: x')).toMatchObject({
    code: 'SB208',
    message: 'pg_dump was killed (SIGKILL): likely memory.'
  })
  expect(dumpError({ code: 139, signal: null }, '').message).toContain('SIGSEGV')
  const unread = dumpError({ code: null, signal: 'SIGPIPE' }, '')
  expect(unread.code).toBe('SB208')
  expect(unread.message).toContain('what compresses its output had ended')
  expect(unread.remedy).toContain('zstd --version')
})

test('an error never quotes the query, and stays short', () => {
  const { message } = dumpError(
    failed,
    `pg_dump: error: odd ${'x'.repeat(5000)}\npg_dump: detail: Query was: select secret`
  )
  expect(message).not.toContain('secret')
  expect(message.length).toBeLessThan(800)
})

test('F18: warnings come with their details', () => {
  const stderr =
    'pg_dump: warning: there are circular foreign-key constraints on this table:\npg_dump: detail: up\npg_dump: hint: restore with care\n'
  expect(dumpWarnings(stderr)).toEqual([
    'there are circular foreign-key constraints on this table: up restore with care'
  ])
})

test('arguments hold no secret and cannot switch row level security on', () => {
  const given = dumpArguments({
    snapshotId: '00000003-00000002-1',
    encoding: 'UTF8',
    lockTimeoutMs: 60_000,
    selection: ['--schema="public"']
  })
  expect(given).toContain('--strict-names')
  expect(given).toContain('--no-password')
  expect(given.join(' ')).not.toMatch(/row-security|dbname|password=/)
  expect(given.every((argument) => argument.startsWith('--'))).toBe(true)
})
