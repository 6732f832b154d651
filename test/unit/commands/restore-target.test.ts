import { describe, expect, test } from 'vitest'
import {
  assertConfirmed,
  assertMeant,
  isSource,
  namesOf,
  type RestoreTarget
} from '../../../src/commands/restore-target.ts'
import { UserError } from '../../../src/errors.ts'

const ref = 'abcdefghijklmnopqrst'
const place = { host: 'db.example.com', port: 5432, database: 'postgres' }
const facts = (source: Partial<{ host: string; port: number; database: string; ref: string | null }>) => ({
  source: { host: 'other.example.com', port: 5432, database: 'postgres', user: 'postgres', ref: null, ...source }
})

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
    const remedyOf = (one: RestoreTarget, source: Parameters<typeof facts>[0]) => {
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
})
