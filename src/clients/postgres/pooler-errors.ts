import type { ErrorCode } from '../../error-codes.ts'

/** What an error while connecting means. */
export interface ConnectionRule {
  readonly code: ErrorCode
  readonly says: string
  readonly mayPass?: boolean
  /** Instead of the remedy of the code. */
  readonly remedy?: string
}

/** `(ECHECKOUTRETRIES) ...`: how Supavisor writes all of its own errors. */
const ofThePooler = /\((E[A-Z]{3,})\) ?(.*)/s

/** The few that stay: the connection string or the project has to change first. The text decides where one code stands for several things. */
const lasting: readonly (readonly [code: RegExp, text: RegExp, rule: ConnectionRule])[] = [
  [/^EWRONGPASSWORD$/, /./, { code: 'SB104', says: 'refused the password' }],
  [/^ENOTFOUND$/, /./, { code: 'SB105', says: 'does not know the project or the user' }],
  [/^EADDRNOTALLOWED$/, /./, { code: 'SB106', says: 'does not take connections from this address' }],
  [/^ESSLREQUIRED$/, /./, { code: 'SB107', says: 'demands TLS' }],
  [/^ESETNOTALLOWED$/, /./, { code: 'SB110', says: 'is a pooler in transaction mode' }],
  [/^ENOIDENTIFIER$/, /./, { code: 'SB111', says: 'finds no project in the user name' }],
  [/^EINVALIDUSERINFO$/, /./, { code: 'SB111', says: 'cannot read user or database name' }],
  [
    /^ECIRCUITBREAKER$/,
    /authentication failures/i,
    { code: 'SB114', says: 'blocks this address after too many wrong passwords' }
  ],
  [/./, /user not found/i, { code: 'SB118', says: 'has no such role' }],
  [/^EBANNED$/, /./, { code: 'SB125', says: 'shuts this project out' }]
]

/**
 * What an error of Supabase's pooler means; undefined where the words are not the pooler's own. All but a few pass: a connection that it lost, a
 * database that it did not reach, a pool that is just ending. Source: supabase/supavisor, lib/supavisor/errors.
 */
export function poolerRule(message: string): ConnectionRule | undefined {
  const [, code, text = ''] = ofThePooler.exec(message) ?? []
  if (code === undefined) return undefined
  const known = lasting.find(([codes, texts]) => codes.test(code) && texts.test(text))
  if (known !== undefined) return known[2]
  if (/^E(?:MAX|CHECKOUT|POOLCHECKOUT)/.test(code))
    return { code: 'SB115', says: 'has no connection left', mayPass: true }
  if (code === 'ECIRCUITBREAKER')
    return {
      code: 'SB126',
      says: 'waits some minutes after it could not reach the database itself',
      mayPass: true,
      remedy:
        'Run again in five minutes. Where it stays, look at the health of the project in the dashboard: the pooler does not reach its database.'
    }
  return { code: 'SB126', says: 'has a pooler that failed for now', mayPass: true }
}
