import { describe, expect, it } from 'vitest'
import { connectionError } from '../../../src/clients/postgres/connection-error.ts'
import { advised } from '../../../src/commands/restore-advice.ts'
import { UserError } from '../../../src/errors.ts'
import { readInputs } from '../../../src/inputs/index.ts'
import { table } from '../history/facts.ts'
import { databaseUrl, getter, ref, refusal } from './reading.ts'

// What people type and paste by mistake, and the words that help them. What, why and the remedy; never the value of a secret.

const password = 'hunter2secret'
const pooler = 'aws-0-eu-central-1.pooler.supabase.com:5432/postgres'

describe('a connection string', () => {
  it.each([
    ['in quotes', `"postgresql://u:${password}@${pooler}"`, 'take the quotes around it away'],
    ['in single quotes', `'postgresql://u:${password}@${pooler}?sslmode=require'`, 'take the quotes around it away'],
    ['with a quote at its beginning alone', `"postgresql://u:${password}@${pooler}`, 'take the quotes around it away'],
    ['with its name', `DATABASE_URL=postgresql://u:${password}@${pooler}`, 'take the name and the = away'],
    ['with its name and quotes', `DATABASE_URL="postgresql://u:${password}@${pooler}"`, 'take the name and the = away'],
    ['with export', `export DB=postgres://u:${password}@${pooler}?sslmode=require`, 'take the name and the = away'],
    ['as YAML has it', `database-url: postgresql://u:${password}@${pooler}`, 'take the name and the = away'],
    ['for JDBC', `jdbc:postgresql://${pooler}?user=u&password=${password}`, 'take jdbc: away'],
    ['as a command', `psql "postgresql://u:${password}@${pooler}"`, 'it is a command'],
    ['the address of the API', `https://${ref}.supabase.co`, 'the address of the API'],
    [
      'a password with several special characters',
      `postgresql://u:p@ss/w#rd?x${password}@${pooler}`,
      '@ as %40, / as %2F, # as %23 and ? as %3F'
    ],
    [
      'the placeholder of a ref',
      `postgresql://postgres.<ref>:${password}@${pooler}`,
      'the user name holds a placeholder'
    ],
    [
      'the placeholder of a ref in brackets',
      `postgresql://postgres.[YOUR-PROJECT-REF]:${password}@${pooler}`,
      'the user name holds a placeholder'
    ],
    [
      'the placeholder of a region',
      `postgresql://postgres.${ref}:${password}@aws-0-<region>.pooler.supabase.com:5432/postgres`,
      'the host is still a placeholder'
    ],
    [
      'the placeholder of a host',
      `postgresql://u:${password}@[YOUR-HOST]:5432/postgres`,
      'the host is still a placeholder'
    ],
    [
      'the placeholder of a password',
      `postgresql://postgres.${ref}:[YOUR-PASSWORD]@${pooler}`,
      'still the placeholder'
    ],
    ['a word in brackets for a password', `postgresql://postgres.${ref}:<password>@${pooler}`, 'still the placeholder'],
    ['a bare IPv6 address', `postgresql://u:${password}@2001:db8::1/postgres`, 'an IPv6 address stands in [ ]'],
    ['without a user', `postgresql://${pooler}`, 'it names no user'],
    ['of the transaction pooler', databaseUrl.replace('5432', '6543'), '5432']
  ])('%s', (_what, url, words) => {
    const { message, remedy } = refusal({ 'database-url': url })
    expect(`${message} ${remedy}`).toContain(words)
    expect(`${message} ${remedy}`).not.toContain(password)
    expect(remedy).not.toBe('')
  })

  it('keeps a password that stands in brackets of its own', () => {
    const inputs = readInputs(
      getter({ 'database-url': `postgresql://u:[${password}]@db.example.com/x`, plaintext: 'private' })
    )
    expect(inputs).toMatchObject({ source: { target: { password: `[${password}]` } } })
  })

  it('whose direct host does not resolve points to the Session pooler', () => {
    const place = { host: `db.${ref}.supabase.co`, port: 5432, user: 'postgres', database: 'postgres', password }
    const error = connectionError(place, Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }))
    expect(`${error.code} ${error.remedy}`).toMatch(/^SB102 .*Session pooler/)
    const other = connectionError(
      { ...place, host: 'db.example.com' },
      Object.assign(new Error('x'), { code: 'ENOTFOUND' })
    )
    expect(other.remedy).toContain('spelling')
  })
})

describe('names of tables', () => {
  it('with a blank between them ask for a comma', () => {
    const given = { 'database-url': databaseUrl, tables: 'public.orders public.order_lines' }
    expect(refusal(given).message).toContain('put a comma or a line break between names')
    expect(refusal({ ...given, tables: 'a.b.c' }).message).not.toContain('put a comma')
  })
})

describe('a passphrase', () => {
  it('with a blank at its end is taken without it, and that is said', () => {
    const given = { 'database-url': databaseUrl, passphrase: 'correct horse battery \n' }
    const { warnings } = readInputs(getter(given))
    expect(warnings.join()).toContain('blanks or a line break')
    expect(readInputs(getter({ ...given, passphrase: 'correct horse battery' })).warnings.join()).not.toContain(
      'blanks'
    )
  })
})

describe('a restore of tables', () => {
  const typed = (tables: string[], mode: 'empty' | 'missing-rows' = 'missing-rows') => ({
    mode,
    selection: { schemas: [], excludeSchemas: [], tables, excludeTables: [], excludeTableData: [] }
  })
  const facts = { tables: [table('public', 'orders'), table('public', 'order_lines'), table('shop', 'Items')] }
  const told = (error: UserError, ...given: Parameters<typeof typed>) => {
    const better = advised(error, typed(...given), facts)
    return better instanceof UserError ? `${better.message} ${better.remedy}` : ''
  }
  const unmatched = new UserError('SB710', 'Nothing in the backup matches that.')

  it('whose name is misspelt names the one that was meant', () => {
    expect(told(unmatched, ['public.ordrs'])).toContain('Did you mean `public.orders`?')
    expect(told(unmatched, ['order_line'])).toContain('Did you mean `public.order_lines`?')
    expect(told(unmatched, ['public.invoices'])).toContain('none of that name')
  })
  it('in the mode for new projects names the modes for tables', () => {
    const full = new UserError('SB703', 'The target is not empty: it holds 12 tables of yours.')
    expect(told(full, ['public.orders'], 'empty')).toMatch(/You named tables.*`missing-rows`.*`side-schema`/)
    expect(advised(full, typed([], 'empty'), facts)).toBe(full)
  })
})
