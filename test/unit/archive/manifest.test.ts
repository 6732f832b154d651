import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Manifest, parseManifest, renderManifest, storedNamesIn } from '../../../src/archive/manifest.ts'
import { exampleManifest } from './manifests.ts'

const parse = (value: unknown) => parseManifest(Buffer.from(JSON.stringify(value)))
const example = exampleManifest()

describe('writing', () => {
  test('what is written is read again, keys in a fixed order', () => {
    const bytes = renderManifest(example)
    expect(parseManifest(bytes)).toEqual({ kind: 'ok', manifest: example, newerFormat: false, changed: true })
    const shuffled = Object.fromEntries(Object.entries(example).reverse()) as Manifest
    expect(Buffer.from(renderManifest(shuffled)).equals(bytes)).toBe(true)
    expect(Buffer.from(bytes).toString().startsWith('{\n  "format": 1,\n  "minReader": 1,')).toBe(true)
    expect(bytes.byteLength).toBeLessThan(64 * 1024)
  })

  test('one that could not be read again is a bug', () => {
    expect(() => renderManifest({ ...example, id: 'latest' })).toThrow('cannot be read again: id')
    expect(() => renderManifest({ ...example, files: [...example.files, ...example.files] })).toThrow('twice')
    expect(() => renderManifest({ ...example, minReader: 2 })).toThrow(/cannot be read again: newer$/)
  })

  test('stored names are those of volumes where a file was cut', () => {
    expect(storedNamesIn(example)).toEqual([
      'contents.json.zst.age',
      'database.dump.zst.age.000',
      'database.dump.zst.age.001',
      'RESTORE.md'
    ])
  })
})

describe('F66: versions', () => {
  test('a newer minReader is refused with the version to install and the id', () => {
    expect(parse({ ...example, format: 3, minReader: 2, tool: 'supabase-backup 4.5.6' })).toEqual({
      kind: 'newer',
      install: '4.5.6',
      id: example.id
    })
    expect(parse({ format: 9, minReader: 9, critical: [], tool: 5, id: '<b>' })).toEqual({
      kind: 'newer',
      install: 'the newest version',
      id: null
    })
  })

  test('a newer format that this reader may read is read, and says so', () => {
    expect(parse({ ...example, format: 2 })).toMatchObject({ kind: 'ok', newerFormat: true })
  })

  test('an unknown key that is critical is refused, one that is not is kept at every level', () => {
    expect(parse({ ...example, critical: ['dictionary'], dictionary: 1 })).toMatchObject({ kind: 'newer' })
    expect(parse({ ...example, critical: ['files'] })).toMatchObject({ kind: 'ok' })
    const extended = {
      ...example,
      later: { a: 1 },
      files: [{ name: 'RESTORE.md', bytes: 1, sha256: 'a'.repeat(64), hint: 'x' }]
    }
    const parsed = parse(extended)
    if (parsed.kind !== 'ok') throw new Error(JSON.stringify(parsed))
    expect(JSON.parse(Buffer.from(renderManifest(parsed.manifest)).toString())).toEqual(extended)
  })

  test('keys that are not known come after the others, by name, however they were read', () => {
    const later = { zebra: 1, apple: 2, mango: 3 }
    const keysIn = (value: unknown): string[] => {
      const parsed = parse(value)
      if (parsed.kind !== 'ok') throw new Error(JSON.stringify(parsed))
      return Object.keys(JSON.parse(Buffer.from(renderManifest(parsed.manifest)).toString()))
    }
    for (const value of [
      { ...later, ...example },
      { ...example, mango: 3, zebra: 1, apple: 2 }
    ])
      expect(keysIn(value)).toEqual([...Object.keys(example), 'apple', 'mango', 'zebra'])
  })

  test.each([
    ['supabase-backup 10.20.30', '10.20.30'],
    ['supabase-backup 4.5.6-beta.12', '4.5.6-beta.12'],
    ['supabase-backup 4.5.6-', '4.5.6'],
    ['supabase-backup', 'the newest version'],
    [undefined, 'the newest version']
  ])('the version to install is taken out of %j', (tool, install) => {
    expect(parse({ format: 9, minReader: 9, critical: [], tool })).toEqual({ kind: 'newer', install, id: null })
  })
})

describe('F66: what is no manifest is broken, with the reason', () => {
  test.each<[string, unknown, string]>([
    ['no object', [], 'it does not say which format it has'],
    ['no format', { ...example, format: undefined }, 'it does not say which format it has'],
    ['another id', { ...example, id: '../../etc' }, 'id: '],
    ['a missing key', { ...example, files: undefined }, 'files: '],
    ['a path as name', { ...example, files: [{ name: '../x', bytes: 1, sha256: 'a'.repeat(64) }] }, 'files.0.name: '],
    ['two dots as name', { ...example, files: [{ name: '..', bytes: 1, sha256: 'a'.repeat(64) }] }, 'files.0.name: '],
    ['an option as name', { ...example, files: [{ name: '-rf', bytes: 1, sha256: 'a'.repeat(64) }] }, 'files.0.name: '],
    ['negative bytes', { ...example, files: [{ name: 'a', bytes: -1, sha256: 'a'.repeat(64) }] }, 'files.0.bytes: '],
    [
      'a digest in capitals',
      { ...example, files: [{ name: 'a', bytes: 1, sha256: 'A'.repeat(64) }] },
      'files.0.sha256: '
    ],
    [
      'one name twice',
      { ...example, files: [example.files[0], example.files[0]] },
      'it names the file contents.json.zst.age twice'
    ],
    [
      'names that differ in capitals',
      { ...example, files: ['a', 'A'].map((name) => ({ name, bytes: 1, sha256: 'a'.repeat(64) })) },
      'it names the file A twice'
    ],
    [
      'its own name',
      { ...example, files: [{ name: 'manifest.json', bytes: 1, sha256: 'a'.repeat(64) }] },
      'it names the file manifest.json twice'
    ],
    [
      'volumes that are not the file',
      { ...example, files: [{ ...example.files[1], bytes: 1001 }] },
      'the volumes of database.dump.zst.age have 1000 bytes and the file 1001'
    ],
    [
      'a volume called like another file',
      {
        ...example,
        files: [...example.files, { name: 'database.dump.zst.age.001', bytes: 1, sha256: 'a'.repeat(64) }]
      },
      'it names the file database.dump.zst.age.001 twice'
    ],
    [
      'a file called like one that was cut',
      { ...example, files: [...example.files, { name: 'database.dump.zst.age', bytes: 1, sha256: 'a'.repeat(64) }] },
      'it names the file database.dump.zst.age twice'
    ]
  ])('%s', (_name, value, reason) => {
    const parsed = parse(value)
    expect(parsed).toMatchObject({ kind: 'broken' })
    expect(parsed.kind === 'broken' ? parsed.reason : '').toContain(reason)
  })

  test('larger than 64 MiB: not even looked at', () => {
    const largest = 64 * 1024 * 1024
    // Zeros are no JSON: the one that is not too large is looked at, and refused for that.
    expect([new Uint8Array(largest + 1), new Uint8Array(largest)].map(parseManifest)).toEqual([
      { kind: 'broken', reason: 'it is larger than 67108864 bytes' },
      { kind: 'broken', reason: 'it is not valid JSON' }
    ])
  })

  test('no bytes make it throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(parseManifest(bytes).kind).toBe('broken')
      })
    )
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...Object.keys(example)), fc.jsonValue()), (changes) => {
        expect(['ok', 'newer', 'broken']).toContain(parse({ ...example, ...changes }).kind)
      }),
      { numRuns: 1000 }
    )
  })
})
