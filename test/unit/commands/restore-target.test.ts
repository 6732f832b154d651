import { describe, expect, test } from 'vitest'
import {
  assertMeant as assertMeantFor,
  assertConfirmed as assertNamed,
  type BackupOrigin,
  isSource as isSourceOf,
  namesOf as namesOfTarget,
  type RestoreTarget
} from '../../../src/commands/restore-target.ts'
import { UserError } from '../../../src/errors.ts'

const ref = 'abcdefghijklmnopqrst'
const place = { host: 'db.example.com', port: 5432, database: 'postgres' }
const facts = (source: Partial<{ host: string; port: number; database: string; ref: string | null }>) => ({
  source: { host: 'other.example.com', port: 5432, database: 'postgres', user: 'postgres', ref: null, ...source }
})
type Source = ReturnType<typeof facts>
/** What a backup says of where it was made; nothing else of its contents is looked at. */
const contentsOf = (database?: Source, others: BackupOrigin = {}): BackupOrigin => ({ database, ...others })
type Named = Omit<RestoreTarget, 'api'> & { api?: string }
const whole = (target: Named): RestoreTarget => ({ api: undefined, ...target })
const namesOf = (target: Named) => namesOfTarget(whole(target))
const assertConfirmed = (typed: string, target: Named) => assertNamed(typed, whole(target))
const assertMeant = (typed: string, target: Named, source: Source | undefined, others?: BackupOrigin) =>
  assertMeantFor(typed, whole(target), contentsOf(source, others))
const isSource = (target: Named, source: Source | undefined, others?: BackupOrigin) =>
  isSourceOf(whole(target), contentsOf(source, others))

function codeOf(work: () => void): string {
  try {
    work()
    return 'accepted'
  } catch (error) {
    return error instanceof UserError ? error.code : String(error)
  }
}

describe('T15: confirm-target', () => {
  test('is the ref or host/database, without the port', () => {
    expect(namesOf({ ref, database: place })).toEqual([ref, 'db.example.com/postgres'])
    expect(namesOf({ ref, database: undefined })).toEqual([ref])
    expect(namesOf({ ref: undefined, database: place })).toEqual(['db.example.com/postgres'])
    expect(() => assertConfirmed('other', { ref, database: place })).toThrow(
      `\`confirm-target\` says "other", and the target is "${ref}" or "db.example.com/postgres".`
    )
    for (const typed of [ref, 'db.example.com/postgres', 'DB.Example.com/postgres', `same:${ref}`])
      expect(codeOf(() => assertConfirmed(typed, { ref, database: place }))).toBe('accepted')
    for (const typed of [
      'db.example.com',
      'db.example.com:5432/postgres',
      'db.example.com/Postgres',
      'postgres',
      `${ref}x`,
      '',
      'same:'
    ]) {
      expect(codeOf(() => assertConfirmed(typed, { ref, database: place }))).toBe('SB701')
    }
    expect(codeOf(() => assertConfirmed(ref, { ref: undefined, database: place }))).toBe('SB701')
  })

  test('must say so where the target is the source', () => {
    const target = { ref, database: place }
    expect(codeOf(() => assertMeant(ref, target, facts({ ref })))).toBe('SB702')
    expect(codeOf(() => assertMeant(`same:${ref}`, target, facts({ ref })))).toBe('accepted')
    expect(codeOf(() => assertMeant(ref, target, facts({})))).toBe('accepted')
    expect(codeOf(() => assertMeant(`same:${ref}`, target, undefined))).toBe('SB701')
    const remedyOf = (one: Named, source: Parameters<typeof facts>[0]) => {
      try {
        assertMeant('x', one, facts(source))
      } catch (error) {
        return error instanceof UserError ? error.remedy : String(error)
      }
      return 'accepted'
    }
    // The name that is suggested is one that is taken.
    expect(remedyOf(target, { ref })).toContain(`write \`confirm-target: same:${ref}\`.`)
    expect(remedyOf({ ref: undefined, database: place }, { host: 'db.example.com' })).toContain(
      'write `confirm-target: same:db.example.com/postgres`.'
    )
    expect(codeOf(() => assertMeant(`same:${ref}`, target, facts({})))).toBe('SB701')
  })

  test('counts host, port and database, or the ref, as the same', () => {
    const target = { ref: undefined, database: place }
    expect(isSource(target, facts({ host: 'DB.example.com' }))).toBe(true)
    expect(isSource(target, facts({ host: 'db.example.com', port: 5433 }))).toBe(false)
    expect(isSource(target, facts({ host: 'db.example.com', database: 'other' }))).toBe(false)
    expect(isSource({ ref, database: place }, facts({ ref }))).toBe(true)
    expect(isSource({ ref: undefined, database: undefined }, facts({ ref: null }))).toBe(false)
    expect(isSource(target, undefined)).toBe(false)
  })

  test('of a shared pooler is the ref alone: its host and database are those of every project of the region', () => {
    const other = 'tsrqponmlkjihgfedcba'
    const shared = { host: 'aws-0-eu-central-1.pooler.supabase.com', port: 5432, database: 'postgres' }
    const source = facts({ ...shared, ref })
    const target = { ref: other, database: shared }
    expect(namesOf(target)).toEqual([other])
    for (const typed of [`${shared.host}/postgres`, `same:${shared.host}/postgres`])
      expect(codeOf(() => assertConfirmed(typed, target))).toBe('SB701')
    expect(isSource(target, source)).toBe(false)
    expect(codeOf(() => assertMeant(other, target, source))).toBe('accepted')
    expect(codeOf(() => assertMeant(`same:${other}`, target, source))).toBe('SB701')
    expect(codeOf(() => assertMeant(ref, { ref, database: shared }, source))).toBe('SB702')
    expect(codeOf(() => assertMeant(`same:${ref}`, { ref, database: shared }, source))).toBe('accepted')
  })

  test('goes by two known refs alone, whatever the addresses are', () => {
    const other = 'tsrqponmlkjihgfedcba'
    expect(isSource({ ref: other, database: place }, facts({ host: 'db.example.com', ref }))).toBe(false)
    expect(isSource({ ref, database: place }, facts({ ref }))).toBe(true)
    // Of a backup without a database the other parts say where it was made.
    expect(isSource({ ref, database: undefined }, undefined, { functions: { project: ref } })).toBe(true)
    expect(isSource({ ref, database: undefined }, undefined, { storage: { url: 'https://a.example', ref } })).toBe(true)
    expect(isSource({ ref: other, database: undefined }, undefined, { config: { project: ref } })).toBe(false)
  })

  test('is the host of the API where the target has no ref', () => {
    const target = { ref: undefined, database: undefined, api: 'https://api.example.com' }
    expect(namesOf(target)).toEqual(['api.example.com'])
    expect(namesOf({ ...target, api: 'http://api.example.com:8000/shop/' })).toEqual(['api.example.com:8000/shop'])
    expect(namesOf({ ...target, ref })).toEqual([ref])
    expect(codeOf(() => assertConfirmed('api.example.com', target))).toBe('accepted')
    expect(codeOf(() => assertConfirmed('API.example.com', target))).toBe('accepted')
    const here = { storage: { url: 'https://api.example.com', ref: null } }
    expect(codeOf(() => assertMeant('api.example.com', target, undefined, here))).toBe('SB702')
    expect(codeOf(() => assertMeant('same:api.example.com', target, undefined, here))).toBe('accepted')
    const there = { storage: { url: 'https://other.example.com', ref: null } }
    expect(codeOf(() => assertMeant('api.example.com', target, undefined, there))).toBe('accepted')
  })
})
