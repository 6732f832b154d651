import { describe, expect, it } from 'vitest'
import {
  parseBranch,
  parseDashboard,
  parseHook,
  parseMailAddress,
  parseRepository,
  parseSmtp,
  parseWebAddress
} from '../../../src/inputs/places.ts'

describe('repositories', () => {
  it.each(['acme/app', 'a/b', 'Acme-Corp/my.app_1', 'user_corp/x'])('%s is one', (text) => {
    expect(parseRepository(text).ok).toBe(true)
  })
  it.each([
    'acme',
    'acme/',
    '/app',
    'a/b/c',
    'a/..',
    'a/.',
    'a/b.git',
    '-a/b',
    'a b/c',
    'https://github.com/a/b',
    'a/b\nc',
    'a/b;x',
    '--upload-pack=x/y'
  ])('%j is none', (text) => {
    expect(parseRepository(text).ok).toBe(false)
  })
})

describe('branches', () => {
  it.each(['backups', 'copies/main', 'a.b-c_d', 'ünder', 'feature/#1', 'x@y'])('%s is one', (text) => {
    expect(parseBranch(text).ok).toBe(true)
  })
  it.each([
    '-x',
    '--force',
    'a..b',
    'a b',
    'a~1',
    'a^',
    'a:b',
    'a?',
    'a*',
    'a[b',
    'a\\b',
    '/a',
    'a/',
    'a//b',
    '.a',
    'a/.b',
    'a.lock',
    'a.lock/b',
    'a.',
    '@',
    'a@{1}',
    'HEAD',
    'refs/heads/a',
    'a\nb',
    'a\x7f',
    'x'.repeat(201)
  ])('%j is none', (text) => {
    expect(parseBranch(text).ok).toBe(false)
  })
})

describe('web addresses', () => {
  it.each([
    ['https://abcdefghijklmnopqrst.supabase.co/', 'https://abcdefghijklmnopqrst.supabase.co'],
    ['https://self.example.com/supabase/', 'https://self.example.com/supabase'],
    ['http://127.0.0.1:54321', 'http://127.0.0.1:54321'],
    ['http://[::1]:54321', 'http://[::1]:54321'],
    ['http://localhost', 'http://localhost']
  ])('%s', (text, expected) => {
    expect(parseWebAddress(text)).toEqual({ ok: true, value: expected })
  })
  it.each([
    'abc.supabase.co',
    'http://example.com',
    'http://127.0.0.1.evil.com',
    'http://0x7f.1.evil.com',
    'ftp://x',
    'javascript:alert(1)',
    'https://u:p@example.com',
    'https://example.com/?a=b',
    'https://example.com/#a',
    'https://abcdefghijklmnopqrst.supabase.co/rest/v1',
    'https://',
    'https://a\nb'
  ])('%j is refused', (text) => {
    expect(parseWebAddress(text).ok).toBe(false)
  })
  it('T19: hooks are https, or http to this machine', () => {
    expect(parseHook('https://hooks.example.com/T0/B1?x=y').ok).toBe(true)
    expect(parseHook('http://127.0.0.1:8080/x').ok).toBe(true)
    for (const text of [
      'http://hooks.example.com',
      'http://10.0.0.1/',
      'http://169.254.169.254/',
      'http://[::ffff:10.0.0.1]/',
      'file:///etc/passwd',
      'gopher://x',
      'x'
    ]) {
      expect(parseHook(text).ok).toBe(false)
    }
  })
})

describe('mail', () => {
  it('servers', () => {
    expect(parseSmtp('smtp://mail.example.com')).toEqual({
      ok: true,
      value: { host: 'mail.example.com', port: 587, implicitTls: false, user: undefined, password: undefined }
    })
    expect(parseSmtp('smtps://me%40x.y:p%3Aw@[::1]:2465/')).toEqual({
      ok: true,
      value: { host: '::1', port: 2465, implicitTls: true, user: 'me@x.y', password: 'p:w' }
    })
    for (const text of [
      'https://mail',
      'smtp://',
      'smtp://u:%zz@h',
      'smtp://h/x',
      'smtp://h?x=y',
      'smtp://h:0',
      'smtp://-h',
      'smtp://h\r\nx',
      'h:25'
    ]) {
      expect(parseSmtp(text).ok, text).toBe(false)
    }
  })
  it('addresses', () => {
    expect(parseMailAddress('first.last+tag@example.com').ok).toBe(true)
    for (const text of ['a', 'a@', '@b', 'a@b c', 'a@b\nBcc: x@y', 'A <a@b.c>', 'a@-b', 'a@@b']) {
      expect(parseMailAddress(text).ok, text).toBe(false)
    }
  })
})

it('dashboards', () => {
  expect(parseDashboard('artifact')).toEqual({ ok: true, value: { kind: 'artifact' } })
  expect(parseDashboard('repository')).toEqual({ ok: true, value: { kind: 'repository' } })
  expect(parseDashboard('out/x.html')).toEqual({ ok: true, value: { kind: 'file', path: 'out/x.html' } })
  expect(parseDashboard('a\0b').ok).toBe(false)
})

it('T19: an address is taken only in its usual spelling', () => {
  for (const address of [
    'http://127.0.0.1:8/x',
    'http://[::1]/x',
    'https://me:pw@10.0.0.1:1/x',
    'https://1.1.1.1?a=127.0.0.1'
  ])
    expect([address, parseHook(address).ok]).toEqual([address, true])
  for (const host of [
    '0x7f.1',
    '2130706433',
    '127.1',
    '0177.0.0.1',
    '127.0.0.1.',
    '[::ffff:127.0.0.1]',
    '[0::1]',
    '①②⑦.0.0.1'
  ])
    for (const address of [`http://${host}/127.0.0.1`, `https://127.0.0.1@${host}:443/x`])
      expect([address, parseHook(address).ok]).toEqual([address, false])
  for (const address of ['https:127.0.0.1/x', 'https:/127.0.0.1/x', 'https:\\\\127.0.0.1/x'])
    expect([address, parseHook(address).ok]).toEqual([address, false])
})
