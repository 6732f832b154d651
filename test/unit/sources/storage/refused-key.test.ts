import { describe, expect, test } from 'vitest'
import { formOfToken } from '../../../../src/clients/supabase/management-errors.ts'
import { fingerprintOfJwtSecret, lookAtJwtSecret } from '../../../../src/sources/config/jwt-secret.ts'
import { whyRefused } from '../../../../src/sources/storage/refused-key.ts'

const ref = 'abcdefghijklmnopqrst'
const now = new Date('2026-11-22T12:00:00Z')
const jwt = (claims: object) =>
  `eyJhbGciOiJIUzI1NiJ9.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2lnbmF0dXJl`
const why = (key: string, beginnings: readonly string[] | null = null) => whyRefused(key, ref, beginnings, now)

describe('a key that is refused', () => {
  test('that was rotated is told apart from one that never fitted', () => {
    const fitting = { ref, role: 'service_role', exp: 2_000_000_000 }
    expect(why(jwt(fitting))).toContain('the JWT secret was rotated since')
    expect(why(jwt({ ...fitting, ref: 'tsrqponmlkjihgfedcba' }))).toContain(
      'belongs to the project tsrqponmlkjihgfedcba'
    )
    expect(why(jwt({ ...fitting, role: 'anon' }))).toContain('the role anon')
    expect(why(jwt({ ...fitting, exp: 1_700_000_000 }))).toContain('expired at 2023-11-14')
    expect(why(jwt(fitting).slice(0, 40))).toContain('copied in part')
    expect(why('sb_publishable_x')).toContain('publishable')
    expect(why('sbp_0123')).toContain('access token')
  })

  test('of the new kind is looked for among the keys of the project, where they can be asked', () => {
    expect(why('sb_secret_abcdefgh')).toContain('deleted or rotated, or belongs to another')
    expect(why('sb_secret_abcdefgh', ['sb_secret_zyxwv'])).toContain('no key that begins like it')
    expect(why('sb_secret_abcdefgh', ['sb_secret_abcde'])).toContain('copied in part')
  })

  test('is never quoted', () => {
    for (const key of [jwt({ ref, role: 'anon' }), 'sb_secret_abcdefgh', 'something else'])
      expect(why(key, ['sb_secret_abcde'])).not.toContain(key.slice(0, 12))
  })
})

test('a token that is refused: what its form tells', () => {
  expect(formOfToken(`sbp_${'0a'.repeat(20)}`)).toContain('revoked, has expired')
  expect(formOfToken('sbp_0a0a')).toContain('copied in part')
  expect(formOfToken('sb_secret_x')).toContain('API key of a project')
  expect(formOfToken('ghp_x')).toContain('does not begin like a token')
})

test('another JWT secret: sessions end, passwords stay', () => {
  const one = fingerprintOfJwtSecret({ jwt_secret: 'a secret' })
  const other = fingerprintOfJwtSecret({ jwt_secret: 'another secret' })
  expect(one).toMatch(/^[0-9a-f]{32}$/)
  expect(lookAtJwtSecret(one ?? undefined, one)).toEqual([])
  expect(lookAtJwtSecret(undefined, other)).toEqual([])
  expect(fingerprintOfJwtSecret({ max_rows: 1 })).toBeNull()
  expect(lookAtJwtSecret(one ?? undefined, other)).toMatchObject([
    { kind: 'note', detail: expect.stringMatching(/sessions of the source end.*passwords and second factors stay/) }
  ])
})
