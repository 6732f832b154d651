import { describe, expect, it } from 'vitest'
import {
  isPooler,
  isSupabaseHost,
  noteOnDirectHost,
  refOfApiHost,
  refusalOfSupabasePlace,
  supabaseRefOf
} from '../../../src/base/supabase-host.ts'

const ref = 'abcdefghijklmnopqrst'
const pooler = 'aws-0-eu-central-1.pooler.supabase.com'
const place = (host: string, user = 'postgres', port = 5432, reference: string | undefined = undefined) => ({
  host,
  user,
  port,
  reference
})

describe('the project of a connection', () => {
  it.each([
    [place(`db.${ref}.supabase.co`), ref],
    [place(`db.${ref}.supabase.red`), ref],
    [place(pooler, `postgres.${ref}`), ref],
    [place(pooler, `cli_login_postgres.${ref}`), ref],
    [place(pooler, `postgres.${ref}.cluster`), ref],
    [place(pooler, 'postgres', 5432, ref), ref],
    [place(pooler, 'postgres'), undefined],
    [place(pooler, ref), undefined],
    [place(pooler, `postgres.${ref.slice(1)}`), undefined],
    [place('db.example.com', `postgres.${ref}`), undefined],
    [place('db.example.com', 'postgres', 5432, ref), undefined],
    [place(`db.${ref}.supabase.co.evil.com`), undefined],
    [place(`db.${ref}xsupabase.co`), undefined]
  ])('%j is %s', (where, expected) => {
    expect(supabaseRefOf(where)).toBe(expected)
  })

  it.each([
    [`${ref}.supabase.co`, ref],
    [`${ref}.storage.supabase.co`, ref],
    ['api.supabase.com', undefined],
    [`${ref}.supabase.co.evil.com`, undefined]
  ])('the API at %s is of %s', (host, expected) => {
    expect(refOfApiHost(host)).toBe(expected)
  })
})

describe('Supabase hosts', () => {
  it('knows its own and no others', () => {
    expect(isSupabaseHost(pooler)).toBe(true)
    expect(isSupabaseHost('supabase.co')).toBe(false)
    expect(isSupabaseHost('evilsupabase.co')).toBe(false)
    expect(isSupabaseHost('pooler.supabase.com.evil.com')).toBe(false)
    expect(isPooler(pooler)).toBe(true)
    expect(isPooler(`db.${ref}.supabase.co`)).toBe(false)
    expect(isPooler('pooler.example.com')).toBe(false)
  })

  it('F3: refuses the transaction pooler, shared and dedicated, and names the session pooler', () => {
    for (const host of [pooler, `db.${ref}.supabase.co`]) {
      const refusal = refusalOfSupabasePlace(place(host, `postgres.${ref}`, 6543))
      expect(refusal?.code).toBe('SB110')
      expect(refusal?.reason).toContain('Session pooler string (port 5432)')
    }
    expect(refusalOfSupabasePlace(place('db.example.com', 'u', 6543))).toBeUndefined()
  })

  it('refuses the pooler without the project in the user name', () => {
    expect(refusalOfSupabasePlace(place(pooler, 'postgres'))?.code).toBe('SB111')
    expect(refusalOfSupabasePlace(place(pooler, 'postgres', 5432, ref))).toBeUndefined()
    expect(refusalOfSupabasePlace(place(pooler, `postgres.${ref}`))).toBeUndefined()
  })

  it('F2: warns of the direct host, which has IPv6 alone', () => {
    expect(noteOnDirectHost(`db.${ref}.supabase.co`)).toContain('IPv6')
    expect(noteOnDirectHost(pooler)).toBeUndefined()
  })
})
