import { expect, test } from 'vitest'
import { canonicalJson } from '../../../src/archive/canonical-json.ts'
import { type DatabaseFacts, isNarrowed } from '../../../src/archive/contents-database.ts'
import { objectsIn, readContents, startContents } from '../../../src/archive/contents-reading.ts'
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
})

test('T12: what grows without end is refused as soon as it is larger than it may be: the whole, one object, all the rest', () => {
  const read = (text: string, limits: { whole: number; held: number; object: number }, length: number) => {
    const bytes = Buffer.from(text)
    let taken = 0
    try {
      const reader = startContents(undefined, limits)
      for (; taken < bytes.length; taken += length) reader.push(bytes.subarray(taken, taken + length))
      reader.end()
      return 'read'
    } catch (thrown) {
      if (!(thrown instanceof UserError)) throw thrown
      return `${thrown.code} ${thrown.message} ${taken}`
    }
  }
  const one = JSON.stringify(object(1))
  const text = JSON.stringify({ ...contents, storage: { ...storage, objects: [object(1), object(1)] } })
  const rest = text.length - (2 * one.length + 1)
  const whole = Buffer.byteLength(text)
  const enough = { whole, held: rest, object: one.length }
  for (const length of [1, 10, whole]) {
    expect(read(text, enough, length)).toBe('read')
    expect(read(text, { ...enough, whole: whole - 1 }, length)).toMatch(
      new RegExp(`^SB509 contents\\.json is larger than ${whole - 1} bytes\\. `)
    )
    expect(read(text, { ...enough, held: rest - 1 }, length)).toMatch(
      new RegExp(`^SB509 A part of contents\\.json is larger than ${rest - 1} characters\\. `)
    )
    expect(read(text, { ...enough, object: one.length - 1 }, length)).toMatch(
      new RegExp(`^SB509 A part of contents\\.json is larger than ${one.length - 1} characters\\. `)
    )
  }
  // Not at the end of what never ends.
  for (const endless of [
    ' '.repeat(5000),
    `{"storage":{"objects":[${'{"a":'.repeat(1000)}`,
    `{"a":"${'x'.repeat(5000)}`
  ])
    expect(read(endless, { whole: 5000, held: 100, object: 100 }, 10)).toMatch(/ larger than 100 characters\. 1[0-9]0$/)
})

test('a long key that begins like that of the list is another one', () => {
  for (const [outer, inner] of [
    [`storage${'x'.repeat(80)}`, 'objects'],
    ['storage', `objects${'x'.repeat(80)}`],
    [`${'x'.repeat(64)}storage`, 'objects']
  ] as const) {
    const found: unknown[] = []
    const reader = startContents((one) => found.push(one))
    const strange = { [outer]: { [inner]: [object(1)] } }
    reader.push(Buffer.from(JSON.stringify({ ...strange, ...contents })))
    if (outer === 'storage') expect(() => reader.end()).toThrow('contents.json cannot be read: storage')
    else expect(reader.end().contents.storage).toBeUndefined()
    expect(found).toEqual([])
  }
})

test('F66: contents that are no UTF-8 are refused wherever they break, and every later piece is', () => {
  const text = JSON.stringify({ ...contents, project: 'Größe' })
  const bytes = Buffer.from(text)
  const umlaut = bytes.indexOf(Buffer.from('ö'))
  for (const broken of [
    Buffer.concat([bytes.subarray(0, umlaut + 1), bytes.subarray(umlaut + 2)]),
    Buffer.from(text, 'latin1'),
    // Cut in the middle of a character: only the end tells.
    bytes.subarray(0, umlaut + 1)
  ])
    for (const length of [1, 5, bytes.length])
      expect(() => readInPieces(broken, length)).toThrow(
        expect.objectContaining({ code: 'SB509', message: 'contents.json cannot be read: it is not UTF-8.' })
      )
  // A character that the pieces cut in two is no fault of the text.
  expect(readInPieces(bytes, 1).contents.project).toBe('Größe')
})

test('an error of whoever takes the Storage objects comes through as it is', () => {
  const reader = startContents(() => {
    throw new RangeError('no room for it')
  })
  const text = JSON.stringify({ ...contents, storage: { ...storage, objects: [object(1)] } })
  expect(() => reader.push(Buffer.from(text))).toThrow(new RangeError('no room for it'))
})

test('a key with an escape that JSON does not have is told as such, and is no list of objects', () => {
  const found: unknown[] = []
  const list = JSON.stringify([object(1)])
  for (const text of [
    `{"stor\\xage":{"objects":${list}}}`,
    `{"storage":{"obj\\qects":${list}}}`,
    `{"storage":{"objects\\":${list}}}`
  ]) {
    const reader = startContents((one) => found.push(one))
    reader.push(Buffer.from(text))
    expect(() => reader.end()).toThrow(expect.objectContaining({ code: 'SB509' }))
  }
  expect(found).toEqual([])
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
