import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { supabaseRoot2021, supabaseRoot2025, supabaseRoots } from '../../../src/base/supabase-roots.ts'

describe.each([
  [
    'prod-ca-2021',
    supabaseRoot2021,
    '80:70:25:AD:50:D4:ED:21:9D:2C:9C:7D:29:9C:00:4F:82:4E:B0:0C:F7:F6:5A:FE:F6:07:D0:7B:72:E6:CA:FA',
    '2021-04-28T10:56:53.000Z',
    '2031-04-26T10:56:53.000Z'
  ],
  [
    'prod-ca-2025',
    supabaseRoot2025,
    '5F:9B:77:95:1A:7A:A1:30:3F:9B:58:EE:A9:BF:A8:9E:35:8C:FD:C1:5F:97:86:FF:10:D4:93:0A:72:2C:9A:E2',
    '2025-09-03T08:01:25.000Z',
    '2035-09-01T08:01:25.000Z'
  ]
])('%s', (_name, pem, fingerprint, from, to) => {
  const certificate = new X509Certificate(pem)

  it('is an authority that signed itself', () => {
    expect(certificate.ca).toBe(true)
    expect(certificate.subject).toContain('CN=Supabase Root 2021 CA')
    expect(certificate.issuer).toBe(certificate.subject)
    expect(certificate.verify(certificate.publicKey)).toBe(true)
  })

  it('has the fingerprint and dates written beside it', () => {
    expect(certificate.fingerprint256).toBe(fingerprint)
    expect(certificate.validFromDate.toISOString()).toBe(from)
    expect(certificate.validToDate.toISOString()).toBe(to)
  })
})

it('both together are PEM, one after the other', () => {
  expect(supabaseRoots).toBe(`${supabaseRoot2021}${supabaseRoot2025}`)
  expect(supabaseRoots.match(/^-----BEGIN CERTIFICATE-----$/gm)).toHaveLength(2)
  expect(supabaseRoots.endsWith('-----END CERTIFICATE-----\n')).toBe(true)
})
