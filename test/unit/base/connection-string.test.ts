import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ConnectionFields,
  describeConnection,
  hostAndDatabase,
  longestConnectionString,
  parseConnectionString
} from '../../../src/base/connection-string.ts'

const ref = 'abcdefghijklmnopqrst'

function fieldsOf(text: string): ConnectionFields {
  const parsed = parseConnectionString(text)
  if (!parsed.ok) throw new Error(`${parsed.code} ${parsed.reason}`)
  return parsed.fields
}

function reasonOf(text: string): string {
  const parsed = parseConnectionString(text)
  if (parsed.ok) throw new Error(`taken: ${JSON.stringify(parsed.fields)}`)
  return `${parsed.code} ${parsed.reason}`
}

describe('the URL form', () => {
  it('takes every part', () => {
    expect(
      fieldsOf(
        'postgresql://me:s%40c%2Fr%3At@db.example.com:6000/my%20db?sslmode=verify-full&application_name=x%20y&connect_timeout=7&channel_binding=require'
      )
    ).toEqual({
      host: 'db.example.com',
      port: 6000,
      user: 'me',
      password: 's@c/r:t',
      database: 'my db',
      sslMode: 'verify-full',
      applicationName: 'x y',
      connectTimeoutMs: 7000,
      channelBinding: 'require',
      reference: undefined
    })
  })

  it.each([
    ['postgres://u@h', { user: 'u', host: 'h', port: 5432, database: 'u', password: undefined }],
    ['postgres://u:@h/', { password: undefined, database: 'u' }],
    ['postgres://u:p@H.Example.COM./d', { host: 'h.example.com' }],
    ['postgres://u:p@h:/d', { port: 5432 }],
    ['postgres://u:p@[::1]:5433/d', { host: '::1', port: 5433 }],
    ['postgres://u:p#1!$&()*+,;=@h/d', { password: 'p#1!$&()*+,;=' }],
    ['postgres://u:a:b@h/d', { password: 'a:b' }],
    ['postgres://u:a+b@h/d', { password: 'a+b' }],
    ['postgres://u:p@h/d@e', { database: 'd@e', host: 'h' }],
    ['postgres:///d?host=/var/run/postgresql&user=u', { host: '/var/run/postgresql', user: 'u', database: 'd' }],
    ['postgres://u:p@%2Fvar%2Frun/d', { host: '/var/run' }],
    [
      'postgres://u:p@h/d?application_name=&sslmode=&connect_timeout=',
      { applicationName: undefined, sslMode: undefined, connectTimeoutMs: undefined }
    ],
    ['postgres://u:p@h/d?ssl=true', { sslMode: 'require' }],
    ['postgres://u:p@h?sslmode=disable', { sslMode: 'disable', database: 'u' }],
    [`postgres://u:p@h/d?options=reference%3D${ref}`, { reference: ref }],
    ['postgresql://ü:%C3%BC@h/d', { user: 'ü', password: 'ü' }]
  ])('reads %s', (text, expected) => {
    expect(fieldsOf(text)).toMatchObject(expected)
  })
})

describe('the key=value form', () => {
  it.each([
    ['host=h user=u password=p dbname=d port=5433', { host: 'h', user: 'u', password: 'p', database: 'd', port: 5433 }],
    ["host = h user = u password = 'a b\\'c\\\\d' ", { password: "a b'c\\d" }],
    ['host=h user=u password=a\\ b', { password: 'a b' }],
    ["host=h user=u password=''", { password: undefined }],
    ['host=h user=u\\', { user: 'u' }],
    ['host=/tmp user=u', { host: '/tmp', database: 'u' }],
    [`host=h user=u options=reference=${ref}`, { reference: ref }],
    ['host=h user=u sslmode=require', { sslMode: 'require' }]
  ])('reads %s', (text, expected) => {
    expect(fieldsOf(text)).toMatchObject(expected)
  })
})

describe('T14: strings that would lead elsewhere', () => {
  it.each([
    ['postgres://u:p@good/d?host=evil', 'SB005 host is given twice'],
    ['postgres://u:p@good/d?hostaddr=6.6.6.6', 'SB005'],
    ['postgres://u:p@good:1/d?port=2', 'SB005 port is given twice'],
    ['postgres://u:p@good/d?user=v', 'SB005 user is given twice'],
    ['postgres://u:p@good/d?dbname=e', 'SB005 dbname is given twice'],
    ['postgres://u:p@good/d?sslmode=require&sslmode=disable', 'SB005 sslmode is given twice'],
    ['postgres://u:p@good/d?ssl=true&sslmode=disable', 'SB005 sslmode is given twice'],
    ['postgres://u:p@good/d?%68ost=evil', 'SB005 host is given twice'],
    ['postgres://u:p@good/d?%68ostaddr=6.6.6.6', 'SB005'],
    ['postgres://u:p@good/d?HOST=evil', 'SB005'],
    ['postgres://u:p@good/d?service=x', 'SB005'],
    ['postgres://u:p@good/d?servicefile=/x', 'SB005'],
    ['postgres://u:p@good/d?passfile=/x', 'SB005'],
    ['postgres://u:p@good/d?sslrootcert=system', 'ssl-root-cert'],
    ['postgres://u:p@good/d?sslkey=/x', 'SB005'],
    ['postgres://u:p@good/d?sslcert=/x', 'SB005'],
    ['postgres://u:p@good/d?sslkeylogfile=/x', 'SB005'],
    ['postgres://u:p@good/d?options=-c%20search_path%3Devil', 'SB005 options'],
    [`postgres://u:p@good/d?options=reference%3D${ref}%20-c%20x%3D1`, 'SB005 options'],
    ['postgres://u:p@good/d?target_session_attrs=read-write', 'SB005'],
    ['postgres://u:p@good/d?replication=database', 'SB005'],
    ['postgres://u:p@good/d?pgbouncer=true', 'SB005'],
    ['postgres://u:p@good/d?__proto__=x', 'SB005'],
    ['postgres://u:p@good/d?constructor=x', 'SB005'],
    ['postgres://u:p@good/d?', 'taken'],
    ['postgres://u:p@good/d?ssl=false', 'SB005 it holds a parameter that is not taken'],
    [`postgres://u:p@good/d?options=-c%20x%20reference%3D${ref}`, 'SB005 options'],
    ['postgres://u:p@good/d?connect_timeout=10', 'taken'],
    ['postgres://u:p@good/d?connect_timeout=12345', 'SB005 connect_timeout must be a number of seconds from 1 to 9999'],
    ['postgres://u:p@good/d?channel_binding=x', 'SB005 channel_binding must be one of disable, prefer, require'],
    ['postgres://u:p@good/d?sslmode=x', 'SB005 sslmode must be one of disable, allow, prefer'],
    ['postgres://u:xYOUR-PASSWORD@good/d', 'taken'],
    ['postgres://u:YOUR-PASSWORDx@good/d', 'taken'],
    ['postgres://u:p@good/my%20postgres%3A%2F%2F', 'taken'],
    [`postgres://u:p@%2F${'x'.repeat(99)}/d`, 'taken'],
    [`postgres://u:p@%2F${'x'.repeat(100)}/d`, 'SB004 the host'],
    [`postgres://u:p@${'x'.repeat(47)}.${'y'.repeat(50).concat('.').repeat(4)}z/d`, 'taken'],
    [`postgres://u:p@${'x'.repeat(48)}.${'y'.repeat(50).concat('.').repeat(4)}z/d`, 'SB004 the host'],
    ['postgres://u:p\x7f@good/d', 'SB004 it holds a line break'],
    ['host=good user=u password=mysql://x', 'taken'],
    ['postgres://u:p@good/d?sslmode', 'SB004'],
    ['postgres://u:p@good/d?sslmode=yes', 'SB005 sslmode'],
    ['postgres://u:p@good/d?connect_timeout=0', 'SB005'],
    ['postgres://u:p@good/d?connect_timeout=1e9', 'SB005'],
    ['postgres://u:p@good/d?channel_binding=x', 'SB005'],
    ['postgres://u:p@a,b/d', 'SB004 it names several hosts'],
    ['postgres://u:p@a:1,b:2/d', 'SB004 it names several hosts'],
    ['host=a,b user=u', 'SB004'],
    ['postgres://u:p@evil@good/d', 'SB004 there is more than one @'],
    ['postgres://u:p/x@good/d', 'SB004 there is a / before the @'],
    ['postgres://u:p@x/secret@good/d', 'SB004 there is a / before the @'],
    ['postgres://u:p@x/secret@good:5432', 'SB004 there is a / before the @'],
    ['postgres://u:p?x@good/d', 'SB004 there is a ? before the @'],
    ['postgres://good?user=u@x', 'SB004 there is a ? before the @'],
    ['postgres://u:p%40@@good/d', 'SB004 there is more than one @'],
    ['postgres://:p@good/d', 'SB004 there is no user'],
    ['postgres://@good/d', 'SB004 there is no user'],
    ['postgres://good/d', 'SB004 it names no user'],
    ['postgres:///d?user=u', 'SB004 it names no host'],
    ['postgres://u:p@good:99999/d', 'SB004 the port'],
    ['postgres://u:p@good:0/d', 'SB004 the port'],
    ['postgres://u:p@good:5432x/d', 'SB004 the port'],
    ['postgres://u:p@[good]/d', 'SB004'],
    ['postgres://u:p@[::1/d', 'SB004'],
    ['postgres://u:p@[::1]x/d', 'SB004'],
    ['postgres://u:p@[fe80::1%25eth0]/d', 'SB004'],
    ['postgres://u:p@-oProxyCommand/d', 'SB004 the host'],
    ['postgres://u:p@a..b/d', 'SB004 the host'],
    ['postgres://u:p@a b/d', 'SB004 the host'],
    ['postgres://u:p@$(touch x)/d', 'SB004 the host'],
    ['postgres://u:p@%2Fvar%2F..%2Fetc/d', 'SB004 the host'],
    ['postgres://u:p@g%00ood/d', 'SB004 it holds an encoded control'],
    ['postgres://u:p%0A@good/d', 'SB004 it holds an encoded control'],
    ['postgres://u:p\n@good/d', 'SB004 it holds a line break'],
    ['postgres://u:p%@good/d', 'SB004 a % is not followed'],
    ['postgres://u:p%zz@good/d', 'SB004 a % is not followed'],
    ['postgres://u:p%ff@good/d', 'SB004 a % is not followed'],
    ['postgres://u:p@good/postgres%3A%2F%2Fx@evil%2Fd', 'SB004 the database name'],
    ['postgres://u:p@good/host%3Devil', 'SB004 the database name'],
    ["host=good user=u dbname='host=evil'", 'SB004 the database name'],
    ['host=good host=evil user=u', 'SB005 host is given twice'],
    ['host=good hostaddr=6.6.6.6 user=u', 'SB005'],
    ["host='good user=u", 'SB004 a quoted value'],
    ["host=good user='u\\", 'SB004 a quoted value'],
    [`host=good user=u options=''`, 'taken'],
    ["host='good'user=u", 'SB004 there is no space'],
    ['host', 'SB004 it is neither'],
    ['', 'SB004'],
    ['   ', 'SB004'],
    ['mysql://u:p@good/d', 'SB004 it must begin'],
    ['POSTGRES://u:p@good/d', 'SB004 it must begin'],
    ['https://abc.supabase.co', 'SB004 it must begin'],
    ['postgresql://postgres:[YOUR-PASSWORD]@db.abc.co:5432/postgres', 'placeholder'],
    ['postgresql://postgres:YOUR_PASSWORD@db.abc.co:5432/postgres', 'placeholder']
  ])('judges %s', (text, expected) => {
    if (expected === 'taken') expect(parseConnectionString(text).ok).toBe(true)
    else expect(reasonOf(text)).toContain(expected)
  })

  it('is bounded in length', () => {
    expect(reasonOf(`postgres://u:${'p'.repeat(longestConnectionString)}@h/d`)).toContain('SB004 it is longer')
  })

  it('T7: a refusal never quotes a piece of the text', () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9]{12,20}$/)
    const shapes: ((s: string) => string)[] = [
      (s) => `postgres://u:${s}/${s}@h/d`,
      (s) => `postgres://u:${s}@${s}@h/d`,
      (s) => `postgres://u:x@h/d?${s}=1`,
      (s) => `host=h user=u password=${s} ${s}=1`,
      (s) => `postgres://u:${s}?x@h/d`,
      (s) => `password=${s} ${s}`,
      (s) => `postgres://u:x@h:${s}/d`,
      (s) => `${s}://u:x@h/d`,
      (s) => `postgres://u:${s}%@h/d`
    ]
    fc.assert(
      fc.property(secret, fc.constantFrom(...shapes), (word, shape) => {
        expect(reasonOf(shape(word))).not.toContain(word)
      })
    )
  })
})

describe('properties', () => {
  const host = fc.constantFrom('h', 'db.example.com', '127.0.0.1', '::1', '/var/run/postgresql')
  const word = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }).filter((s) => !/[\p{Cc}]/u.test(s))
  const database = word.filter((s) => !s.includes('=') && !s.startsWith('postgres'))

  it('what is encoded into the URL form comes back', () => {
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65535 }), word, word, database, (h, port, user, password, db) => {
        const place = h.startsWith('/') ? encodeURIComponent(h) : h.includes(':') ? `[${h}]` : h
        const text = `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${place}:${port}/${encodeURIComponent(db)}`
        expect(fieldsOf(text)).toMatchObject({ host: h, port, user, password, database: db })
      })
    )
  })

  it('what is quoted into the key=value form comes back', () => {
    const quote = (s: string) => `'${s.replace(/['\\]/g, '\\$&')}'`
    fc.assert(
      fc.property(host, word, word, database, (h, user, password, db) => {
        const text = `host=${quote(h)} user=${quote(user)} password=${quote(password)} dbname=${quote(db)}`
        expect(fieldsOf(text)).toMatchObject({ host: h, user, password, database: db })
      })
    )
  })

  it('any text is either taken with sound fields or refused in words', () => {
    const pieces = fc.constantFrom(
      'postgres://',
      'host=',
      'user=',
      'u',
      ':',
      '@',
      '/',
      '?',
      '&',
      '=',
      '%',
      '%40',
      '[',
      ']',
      ',',
      ' ',
      "'",
      '\\',
      'h',
      '5432',
      '\0',
      '\n'
    )
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(pieces, { maxLength: 40 }).map((p) => p.join(''))
    )
    fc.assert(
      fc.property(text, (value) => {
        const parsed = parseConnectionString(value)
        if (!parsed.ok) {
          expect(parsed.reason.length).toBeGreaterThan(10)
          return
        }
        const { host: h, port, user } = parsed.fields
        expect(h).toMatch(/^(?:\/[^\0\n]*|[a-z0-9_.:-]+)$/)
        expect(h.startsWith('-')).toBe(false)
        expect(port).toBeGreaterThan(0)
        expect(user).not.toBe('')
      }),
      { numRuns: 2000 }
    )
  })

  it.each(['\\', "'", ' ', '=', '@', '%41', '&a=', 'host=', '[:', 'a.', '/..', '?x=y', ','])(
    'a long run of %s is judged in a moment',
    (piece) => {
      // A quadratic or worse parser needs far longer than the test may take.
      for (const start of ['postgres://u:p@h/d?', 'postgres://', 'host=h user=', "host='"]) {
        for (let i = 0; i < 200; i += 1) parseConnectionString(`${start}${piece.repeat(8000 / piece.length)}`)
      }
    }
  )
})

describe('in words', () => {
  it('says where a connection leads without the password', () => {
    const fields = fieldsOf('postgres://u:hunter2hunter2@[::1]:5433/d')
    expect(describeConnection(fields)).toBe('u@[::1]:5433/d')
    expect(hostAndDatabase(fields)).toBe('::1/d')
  })
})
