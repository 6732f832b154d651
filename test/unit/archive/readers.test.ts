import { expect, test } from 'vitest'
import { canonicalJson } from '../../../src/archive/canonical-json.ts'
import { type DatabaseFacts, isNarrowed } from '../../../src/archive/contents-database.ts'
import { largestHeld, objectsIn, readContents, startContents } from '../../../src/archive/contents-reading.ts'
import { parseVerificationRecord } from '../../../src/archive/verification-record.ts'
import { UserError } from '../../../src/errors.ts'

/** As it comes from a stream, in pieces of any length. */
const readInPieces = (text: string | Buffer, length = 65_536) => {
  const bytes = Buffer.from(text)
  const reader = startContents()
  for (let at = 0; at < bytes.length; at += length) reader.push(bytes.subarray(at, at + length))
  return reader.end()
}
const codeOf = (value: unknown, length?: number): string => {
  try {
    readInPieces(typeof value === 'string' ? value : JSON.stringify(value), length)
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
  expect(codeOf('{')).toContain('not valid JSON')
  const blanks = Buffer.alloc(1024 * 1024, ' ')
  const reader = startContents()
  expect(() => {
    for (let read = 0; read <= largestHeld; read += blanks.length) reader.push(blanks)
  }).toThrow('larger than')
})

const object = (number: number, more: object = {}) => ({
  bucket: 'papers',
  key: `Größe ${number} "] , [{ \\" 😀`,
  entry: String(number % 10).repeat(32),
  in: [number % 3],
  size: number,
  version: null,
  contentType: null,
  cacheControl: null,
  userMetadata: null,
  id: null,
  ownerId: null,
  createdAt: null,
  updatedAt: null,
  lastAccessedAt: null,
  ...more
})
const storage = {
  url: 'https://api.example.com',
  ref: null,
  listedFrom: 'api',
  buckets: [],
  packs: [{ name: 'objects-a.tar', sha256: 'a'.repeat(64) }],
  notCaptured: []
}

test('Storage objects are read one after the other, wherever the text is cut and whatever the order of keys', async () => {
  const objects = Array.from({ length: 20 }, (_, number) => object(number))
  const texts = [
    JSON.stringify({ ...contents, storage: { ...storage, objects }, changes: ['objects'] }),
    JSON.stringify({ storage: { objects, ...storage }, ...contents }, null, 2),
    // The name of the list with an escape in it, and lists of the same name elsewhere.
    `{"changes":["storage","objects"],${JSON.stringify(contents).slice(1, -1)},"later":{"objects":[1,2],"storage":{"objects":[{}]}},"stor\\u0061ge":{"obj\\u0065cts" : ${JSON.stringify(objects)},${JSON.stringify(storage).slice(1)}}`
  ]
  for (const text of texts) {
    for (const length of [1, 7, 100, text.length * 2]) {
      const read = readInPieces(text, length)
      expect(read.contents.storage).toEqual({ ...storage, objectCount: 20 })
      expect([...read.placements.keys()].toSorted()).toEqual(['0', '1', '2'])
    }
    const stream = async function* () {
      for (let at = 0; at < text.length; at += 50) yield Buffer.from(text).subarray(at, at + 50)
      yield Buffer.from(text).subarray(Math.ceil(text.length / 50) * 50)
    }
    expect((await readContents(stream())).contents).toMatchObject(contents)
    const found = []
    for await (const one of objectsIn(stream())) found.push(one)
    expect(found).toEqual(objects)
  }
})

test('a list of Storage objects is as strict as all the rest', () => {
  const withList = (list: string) => `${JSON.stringify({ ...contents, storage }).slice(0, -2)},"objects":${list}}}`
  const one = JSON.stringify(object(1))
  for (const list of ['[]', ' [ ] ', `[${one}]`, ` [ ${one} , ${one} ] `])
    expect(codeOf(withList(list), 9)).toBe('read')
  for (const list of [
    `[${one},]`,
    `[,${one}]`,
    `[${one}${one}]`,
    `[${one}`,
    `[${one}}`,
    `[${one}]]`,
    `[${one.slice(0, -1)}]`,
    `[[${one}]]`,
    '[1]',
    '[null]',
    '{}',
    '1',
    `[${one.replace('{', '{"bucket":"twice",')}]`,
    `[${one.replace('"size":1', '"size":1e400')}]`,
    `[${one.replace('"version":null', '"version":"\\ud800"')}]`,
    `[${one.replace('"entry":"1', '"entry":"G')}]`,
    `[${one.replace('"userMetadata":null', `"userMetadata":{"a":${'['.repeat(60)}${']'.repeat(60)}}`)}]`,
    `[${one}],"objects":[]`,
    `[],"objects":[${one}]`
  ])
    expect(codeOf(withList(list), 9)).toContain('SB509')
  expect(
    codeOf(
      withList(`[${one.replace('"userMetadata":null', `"userMetadata":{"a":${'['.repeat(59)}${']'.repeat(59)}}`)}]`)
    )
  ).toBe('read')
  expect(codeOf({ ...contents, storage })).toContain('SB509')
  // A later format may know other objects: the format is what is told.
  expect(codeOf({ format: 99, storage: { objects: [{ shape: 'new' }] } })).toContain('SB504')
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
