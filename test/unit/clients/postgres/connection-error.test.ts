import { describe, expect, test } from 'vitest'
import { connectionError } from '../../../../src/clients/postgres/connection-error.ts'
import { ServerError, statementError } from '../../../../src/clients/postgres/server-error.ts'

const place = {
  host: 'aws-0-eu-west-1.pooler.supabase.com',
  port: 5432,
  user: 'postgres.abcdefghijklmnopqrst',
  database: 'postgres'
}

describe('what servers and poolers say while connecting', () => {
  test.each([
    ['XX000', 'Tenant or user not found', 'SB105', false],
    ['XX000', '(ENOTFOUND) tenant/user postgres.abcdefghijklmnopqrst not found', 'SB105', false],
    ['XX000', '(EADDRNOTALLOWED) address not in tenant allow_list: {1, 2, 3, 4}', 'SB106', false],
    ['XX000', '(ESSLREQUIRED) SSL connection is required', 'SB107', false],
    ['28P01', 'password authentication failed for user "postgres"', 'SB104', false],
    ['XX000', '(EWRONGPASSWORD) SCRAM exchange: Wrong password', 'SB104', false],
    [
      'XX000',
      '(ECIRCUITBREAKER) too many authentication failures, new connections are temporarily blocked',
      'SB114',
      false
    ],
    ['42P05', 'prepared statement "x" already exists', 'SB110', false],
    ['XX000', 'no tenant identifier provided (external_id or sni_hostname required)', 'SB111', false],
    ['XX000', 'unable to check out connection from the pool after 60000ms', 'SB115', true],
    [
      'XX000',
      '(EMAXCONN) max clients reached in session mode - max clients are limited to pool_size: 15',
      'SB115',
      true
    ],
    ['53300', 'sorry, too many clients already', 'SB115', true],
    ['53300', 'remaining connection slots are reserved for roles with the SUPERUSER attribute', 'SB115', true],
    ['57P03', 'the database system is starting up', 'SB116', true],
    ['57P03', 'the database system is shutting down', 'SB116', true],
    ['3D000', 'database "x" does not exist', 'SB117', false],
    ['28000', 'role "x" does not exist', 'SB118', false],
    ['28000', 'role "x" is not permitted to log in', 'SB119', false],
    ['28000', 'no pg_hba.conf entry for host "1.2.3.4", user "x", database "y", no encryption', 'SB107', false],
    ['28000', 'no pg_hba.conf entry for host "1.2.3.4", user "x", database "y", SSL encryption', 'SB119', false],
    ['42501', 'permission denied for database "y"', 'SB119', false],
    ['XX000', '(EDBHANDLEREXITED) connection to database closed', 'SB126', true],
    ['XX000', '(EPOOLTERMINATING) pool is terminating', 'SB126', true],
    ['XX000', '(ESUBSCRIBERETRIES) failed to subscribe to the pool', 'SB126', true],
    ['XX000', '(EPROXY) proxy connection failed', 'SB126', true],
    ['XX000', '(EAUTHQUERY) authentication query failed: connection to database not available', 'SB126', true],
    ['XX000', '(EAUTHSECRETS) failed to retrieve secrets', 'SB126', true],
    ['08P01', '(EAUTHTIMEOUT) authentication timed out', 'SB126', true],
    ['XX000', '(EANYTHINGNEW) that nobody has seen yet', 'SB126', true],
    ['XX000', '(ECHECKOUTRETRIES) failed to check out a connection after 3 retries', 'SB115', true],
    ['XX000', '(ECHECKOUTFAILED) checkout failed', 'SB115', true],
    ['XX000', '(EPOOLCHECKOUT) pool checkout failed', 'SB115', true],
    ['XX000', '(EMAXPOOLSREACHED) max pools reached', 'SB115', true],
    ['XX000', '(EMAXCONNSESSION) max clients are limited to pool_size: 15', 'SB115', true],
    [
      'XX000',
      '(ECIRCUITBREAKER) failed to retrieve database credentials after multiple attempts, new connections are temporarily blocked',
      'SB126',
      true
    ],
    [
      'XX000',
      '(ECIRCUITBREAKER) too many failed attempts to connect to the database, new connections are temporarily blocked',
      'SB126',
      true
    ],
    ['XX000', '(EAUTHQUERY) user not found in the database', 'SB118', false],
    ['XX000', '(EBANNED) tenant is banned: quota', 'SB125', false],
    ['08P01', '(EINVALIDUSERINFO) Authentication error, reason: "Invalid format for user or db_name"', 'SB111', false],
    ['XX000', 'Authentication error, reason: "Invalid format for user or db_name"', 'SB111', false],
    ['28P01', '(EWRONGPASSWORD) password authentication failed for user "postgres"', 'SB104', false],
    ['08P01', 'SASL authentication failed', 'SB104', false],
    ['08P01', 'no such user: postgres', 'SB118', false],
    ['08P01', 'pgbouncer cannot connect to server', 'SB126', true],
    ['XX000', 'something new', 'SB119', false]
  ] as const)('%s %s', (code, message, expected, mayPass) => {
    const error = connectionError(place, Object.assign(new Error(message), { severity: 'FATAL', code }))
    expect(error).toMatchObject({ code: expected, mayPass })
    expect(error.message).toContain(message)
    expect(error.message).toContain('aws-0-eu-west-1.pooler.supabase.com:5432')
    expect(error.cause).toMatchObject({ sqlState: code })
  })

  test.each([
    ['ECONNREFUSED', 'SB101', true],
    ['ETIMEDOUT', 'SB101', true],
    ['ENETUNREACH', 'SB101', true],
    ['ENOTFOUND', 'SB102', true],
    ['EAI_AGAIN', 'SB102', true],
    ['ECONNRESET', 'SB120', true],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'SB109', false],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'SB112', false],
    ['CERT_HAS_EXPIRED', 'SB113', false],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'SB109', false],
    ['EWHATEVER', 'SB121', false]
  ] as const)('%s', (code, expected, mayPass) => {
    expect(connectionError(place, Object.assign(new Error('x'), { code }))).toMatchObject({ code: expected, mayPass })
  })

  test.each([['[Secret-1]'], ['"secret"'], ['<secret>']])(
    'a wrong password that still wears its template, %s',
    (password) => {
      const refused = Object.assign(new Error('password authentication failed for user "postgres"'), {
        severity: 'FATAL',
        code: '28P01'
      })
      expect(connectionError({ ...place, password }, refused).remedy).toContain('brackets or quotes')
      expect(connectionError({ ...place, password: 'secret]' }, refused).remedy).not.toContain('brackets')
    }
  )

  test('a refused connection to Supabase hints at pauses and bans', () => {
    expect(connectionError(place, Object.assign(new Error('x'), { code: 'ECONNREFUSED' })).remedy).toContain('paused')
  })
})

describe('what the server says of a statement', () => {
  test.each([
    ['42501', 'permission denied for schema auth', 'SB122', /Grant USAGE/],
    ['42501', 'permission denied for table notes', 'SB122', /Grant SELECT on the table/],
    ['42501', 'query would be affected by row-level security policy for table "notes"', 'SB122', /BYPASSRLS/],
    ['57P01', 'terminating connection due to administrator command', 'SB120', /Run again/],
    ['XX000', '(EDBHANDLEREXITED) connection to database closed', 'SB120', /Run again/],
    ['P0001', '(EMADE) what a function raises', 'SB123', /quoted/],
    ['42601', 'syntax error', 'SB123', /quoted/]
  ] as const)('%s %s', (code, message, expected, remedy) => {
    const error = statementError(new ServerError({ code, message }))
    expect(error.code).toBe(expected)
    expect(error.remedy).toMatch(remedy)
  })

  test.each([
    ['23505', 'Key (email)=(somebody@example.com) already exists.', false],
    ['23514', 'Failing row contains (1, somebody@example.com).', false],
    ['22P02', 'somebody@example.com is no number', false],
    ['P0001', 'somebody@example.com', false],
    ['2BP01', 'view seen depends on table notes', true]
  ] as const)('details that are made of rows are not told (%s)', (code, detail, told) => {
    const { message } = statementError(new ServerError({ code, message: 'refused', detail }))
    expect(message).toBe(`The database answered: refused${told ? ` (${detail})` : ''} [${code}]`)
  })

  test('a message of any length is cut', () => {
    expect(new ServerError({ code: '42601', message: 'x'.repeat(1_000_000) }).message.length).toBeLessThan(3000)
  })
})
