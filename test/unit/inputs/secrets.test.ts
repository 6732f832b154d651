import { describe, expect, it } from 'vitest'
import { secretsOf } from '../../../src/inputs/index.ts'
import { declaredInputs, inputNames } from '../../../src/inputs/input-definitions.ts'
import { getter } from './reading.ts'

const of = (name: string, text: string) => secretsOf(getter({ [name]: text }))

describe('T7: secrets and the parts of them that travel alone', () => {
  it.each([
    ['postgresql://u:p%40ss%2Fword@h/d', ['p@ss/word', 'p%40ss%2Fword']],
    ['host=h user=u password=hunter2hunter2', ['hunter2hunter2']],
    ["host=h user=u password='my secret'", ['my secret']],
    ['postgres:///d?host=/tmp&user=u&password=hunter2hunter2', ['hunter2hunter2']],
    // Refused later, and still no piece of them may be shown.
    ['postgres://u:pa/ss@w0rd@h/d', ['pa/ss', 'pa/ss@w0rd']],
    ['postgres://u:hunter2%@h/d', ['hunter2%']],
    ['mysql://u:hunter2hunter2@h', ['hunter2hunter2']]
  ])('of %s', (text, expected) => {
    for (const name of ['database-url', 'verify-database-url', 'target-database-url']) {
      expect(of(name, text)).toEqual(expect.arrayContaining([text, ...expected]))
    }
  })

  it('of what has none: nothing but the whole', () => {
    for (const [name, text] of [
      ['database-url', 'postgres://u@h/d'],
      ['database-url', 'host=h user=u'],
      ['database-url', 'postgres://u:@h/d'],
      ['database-url', 'mysql://u:@h'],
      ['database-url', 'u:hunter2@h'],
      ['database-url', 'http://h/a:b'],
      ['database-url', 'nopassword=hunter2 x'],
      ['access-token', 'https://u:p@h'],
      ['smtp-url', 'smtp://user@h'],
      ['smtp-url', 'smtp://h'],
      ['ping-url', 'https://h/'],
      ['ping-url', 'https://h/short?a=b']
    ] as const)
      expect(new Set(of(name, text))).toEqual(new Set([text, ...(name === 'ping-url' ? [text] : [])]))
  })

  it.each([
    ['mysql://u:hunter2hunter2@h', ['hunter2hunter2']],
    ['mysql://u:a%40b@c@h', ['a%40b@c', 'a@b@c', 'a%40b', 'a@b']],
    ['u@x mysql://u:hunter2@h', ['hunter2']],
    ['password=abc%20def x', ['abc%20def', 'abc def']],
    ['x password = abcdef y', ['abcdef']],
    ["x password='two words' y", ['two words']],
    ["x password='it\\'s' y", ["it\\'s"]],
    ['mysql://h?password=abc&x', ['abc']],
    ['mysql://h?x&password=%zz', ['%zz']]
  ])('of %s, which is refused, just these', (text, parts) => {
    for (const name of ['database-url', 'smtp-url']) expect(new Set(of(name, text))).toEqual(new Set([text, ...parts]))
  })

  it('of several lines: the whole and each line, but neither comments nor the lines around a key', () => {
    const text = 'one\n# two#\n\n  three#  \n-----BEGIN-----\nfour-----'
    expect(of('passphrase', ` ${text}\n`)).toEqual([text, 'one', 'three#', 'four-----'])
  })

  it('of an address: path and query alone, where they are long enough to be a secret', () => {
    expect(new Set(of('notify-webhook', 'https://h/1234567?234567'))).toEqual(new Set(['https://h/1234567?234567']))
    expect(new Set(of('notify-webhook', 'https://h/12345678?2345678'))).toEqual(
      new Set(['https://h/12345678?2345678', '/12345678'])
    )
    expect(new Set(of('ping-url', 'https://h/1?23456789'))).toEqual(new Set(['https://h/1?23456789', '?23456789']))
    expect(of('ping-url', 'HTTPS://H/x')).toEqual(['HTTPS://H/x', 'https://h/x'])
  })

  it('of mail servers, hooks and keys', () => {
    expect(of('smtp-url', 'smtp://u:p%40ss@h')).toEqual(expect.arrayContaining(['p@ss', 'p%40ss']))
    expect(of('notify-webhook', 'https://h.example.com/T000/B000/xyz')).toEqual(
      expect.arrayContaining(['/T000/B000/xyz'])
    )
    expect(of('ping-url', 'https://h/?token=abcdefgh')).toEqual(expect.arrayContaining(['?token=abcdefgh']))
    expect(of('ping-url', 'https://u:p4ssw0rd@h')).toEqual(expect.arrayContaining(['p4ssw0rd']))
    expect(of('ping-url', 'nonsense')).toEqual(['nonsense'])
    expect(of('identity', '# public key: age1x\nAGE-SECRET-KEY-1A\nAGE-SECRET-KEY-1B')).toEqual(
      expect.arrayContaining(['AGE-SECRET-KEY-1A', 'AGE-SECRET-KEY-1B'])
    )
    const lines = of('signing-key', '-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----')
    expect(lines).toContain('MC4CAQ')
    expect(lines).not.toContain('-----BEGIN PRIVATE KEY-----')
  })

  it('whole, of every input that holds one', () => {
    const names = inputNames.filter((name) => declaredInputs[name].value === 'secret')
    expect(names).toEqual(
      expect.arrayContaining([
        'service-role-key',
        'access-token',
        'token',
        'passphrase',
        'target-service-role-key',
        'target-access-token'
      ])
    )
    for (const name of names) expect(of(name, ' canary-canary ')).toContain('canary-canary')
    expect(of('project', 'canary')).toEqual([])
    expect(of('passphrase', ' ')).toEqual([])
  })
})
