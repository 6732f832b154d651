import { expect, test } from 'vitest'
import { canonicalJson } from '../../../src/archive/canonical-json.ts'
import { type DatabaseFacts, isNarrowed } from '../../../src/archive/contents-database.ts'
import { largestContents, parseContents } from '../../../src/archive/contents-reading.ts'
import { parseVerificationRecord } from '../../../src/archive/verification-record.ts'
import { UserError } from '../../../src/errors.ts'

const codeOf = (value: unknown): string => {
  try {
    parseContents(Buffer.from(JSON.stringify(value)))
    return 'read'
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown
    return `${thrown.code} ${thrown.message}`
  }
}
const contents = {
  format: 1,
  id: '20261122T161908Z-k2m7q5xa',
  project: 'shop',
  createdAt: '2026-11-22T16:19:08.000Z',
  files: {}
}

test('F66: contents of a later format are told from those that are wrong', () => {
  expect(codeOf(contents)).toBe('read')
  expect(codeOf({ format: 99 })).toContain('SB504 contents.json has format 99')
  expect(codeOf({ ...contents, createdAt: 'yesterday' })).toContain('SB509 contents.json cannot be read: createdAt')
  for (const wrong of [{ format: 'x' }, {}, null, [], 7]) expect(codeOf(wrong)).toContain('SB509')
  expect(codeOf([])).toBe(
    'SB509 contents.json cannot be read: the whole: Invalid input: expected object, received array.'
  )
  expect(() => parseContents(Buffer.from('{'))).toThrow('not valid JSON')
  // A file of this length is made without filling it: its pages are never touched.
  const huge = Buffer.alloc(largestContents + 1)
  expect(() => parseContents(huge)).toThrow('larger than')
})

test('a backup is narrowed as soon as one list leaves something out', () => {
  const whole: DatabaseFacts['selection'] = {
    type: 'full',
    schemas: [],
    excludeSchemas: [],
    tables: [],
    excludeTables: [],
    excludeTableData: []
  }
  expect(isNarrowed({ selection: whole })).toBe(false)
  expect(isNarrowed({ selection: { ...whole, type: 'schema' } })).toBe(false)
  for (const list of ['schemas', 'excludeSchemas', 'tables', 'excludeTables', 'excludeTableData'] as const)
    expect([list, isNarrowed({ selection: { ...whole, [list]: ['a'] } })]).toEqual([list, true])
})

test('records of a verification are read or count for nothing', () => {
  expect(parseVerificationRecord(Buffer.from('{'))).toBeNull()
  expect(parseVerificationRecord(Buffer.from('{}'))).toBeNull()
  const record = {
    format: 1,
    id: 'a',
    project: 'shop',
    tool: 'supabase-backup 1.0.0',
    outcome: 'passed',
    verification: { level: 'read', at: null, tables: { restore: 0, read: 1, differing: 0 }, notProven: [] },
    openedBy: ['fp:0123456789abcdef']
  }
  expect(parseVerificationRecord(Buffer.from(JSON.stringify(record)))).toEqual(record)
  expect(parseVerificationRecord(Buffer.from(JSON.stringify({ ...record, openedBy: 'everybody' })))).toBeNull()
})

test('what JSON does not have is never signed', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, () => 1, Symbol('x')])
    expect(() => canonicalJson(value)).toThrow('JSON does not have')
})
