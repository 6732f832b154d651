import { describe, expect, it } from 'vitest'
import { supabaseRoot2021, supabaseRoots } from '../../../src/base/supabase-roots.ts'
import { decideTls, isLoopback } from '../../../src/base/tls-policy.ts'
import type { SslMode } from '../../../src/clients/postgres/tls.ts'

const supabase = 'aws-0-eu-central-1.pooler.supabase.com'

function decide(host: string, sslMode?: SslMode, roots?: string) {
  const decision = decideTls({ host, sslMode }, roots)
  if (!decision.ok) throw new Error(decision.reason)
  return decision
}

describe("T13: Supabase's hosts", () => {
  it.each([undefined, 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const)(
    '%s becomes verify-full',
    (mode) => {
      const decision = decide(supabase, mode)
      expect(decision.policy).toEqual({ mode: 'verify-full', rootCertificates: supabaseRoots })
      expect(decision.notes).toHaveLength(mode === undefined || mode === 'verify-full' ? 0 : 1)
    }
  )

  it('disable is refused', () => {
    expect(decideTls({ host: supabase, sslMode: 'disable' }, undefined).ok).toBe(false)
  })

  it('certificates of the user are added to those built in', () => {
    const roots = decide(supabase, undefined, supabaseRoot2021).policy.rootCertificates
    expect(roots?.startsWith(supabaseRoots)).toBe(true)
    expect(roots?.match(/BEGIN CERTIFICATE/g)).toHaveLength(3)
  })
})

describe('other hosts', () => {
  it.each([
    [undefined, undefined, 'prefer', null],
    ['require', undefined, 'require', null],
    ['verify-full', undefined, 'verify-full', null],
    [undefined, 'PEM', 'verify-full', 'PEM'],
    ['require', 'PEM', 'verify-ca', 'PEM'],
    ['verify-ca', 'PEM', 'verify-ca', 'PEM']
  ] as const)('mode %s with certificates %s is %s', (typed, roots, mode, rootCertificates) => {
    const decision = decide('db.example.com', typed, roots)
    expect(decision.policy).toEqual({ mode, rootCertificates })
    expect(decision.warnings).toEqual([])
  })

  it('disable is taken where it is typed, with a warning unless it is this machine', () => {
    expect(decide('db.example.com', 'disable').warnings).toHaveLength(1)
    expect(decide('127.0.0.1', 'disable').warnings).toEqual([])
    expect(decide('localhost', 'disable').policy.mode).toBe('disable')
  })

  it('a mode too weak for the certificates given is told', () => {
    expect(decide('db.example.com', 'prefer', 'PEM').warnings[0]).toContain('ssl-root-cert')
    expect(decide('db.example.com', 'disable', 'PEM').warnings).toHaveLength(2)
  })

  it('a socket has no TLS', () => {
    expect(decide('/var/run/postgresql', 'verify-full').policy).toEqual({ mode: 'disable', rootCertificates: null })
  })
})

it.each([
  ['localhost', true],
  ['x.localhost', true],
  ['127.0.0.1', true],
  ['127.255.0.1', true],
  ['::1', true],
  ['128.0.0.1', false],
  ['127.0.0.1.evil.com', false],
  ['localhost.evil.com', false],
  ['0.0.0.0', false],
  ['10.0.0.1', false]
])('%s is this machine: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected)
})
