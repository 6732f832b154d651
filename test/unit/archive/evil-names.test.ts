import { expect, test } from 'vitest'
import { parseManifest, type StoredFile } from '../../../src/archive/manifest.ts'
import { exampleManifest } from './manifests.ts'

/** What a stored name must not be: a path, hidden, an option, a command, longer than file systems take, or not plain ASCII. */
const evil: readonly string[] = [
  ...['', '.', '..', '...', 'a.', '.hidden', '-rf', '--upload-pack=x', '~', '~root', ' a', 'a ', 'a b', '\ta'],
  ...[
    '/',
    '/etc/passwd',
    'a/b',
    './a',
    '../a',
    '../../a',
    'a/..',
    'a//b',
    'C:a',
    'C:\\a',
    '\\\\host\\a',
    'a\\b',
    '..\\a'
  ],
  ...[
    '%2e%2e',
    'a%2fb',
    '..%c0%af',
    'a?b',
    'a*b',
    'a:b',
    'a|b',
    'a<b',
    'a>b',
    'a"b',
    "a'b",
    'a`b`',
    '$(id)',
    '$HOME',
    'a;id',
    'a&id'
  ],
  ...[
    'a!b',
    'a#b',
    'a=b',
    'a,b',
    'a+b',
    'a@b',
    'a^b',
    'a{b}',
    'a[b]',
    'a(b)',
    'é',
    'ａ',
    '．．',
    '／',
    '日本',
    '😀',
    'a\u202eb',
    'a\u200bb',
    '\ufeffa'
  ],
  ...Array.from({ length: 32 }, (_, code) => `a${String.fromCharCode(code)}b`),
  ...Array.from({ length: 32 }, (_, code) => `${String.fromCharCode(code)}b`),
  ...Array.from({ length: 65 }, (_, code) => `a${String.fromCharCode(127 + code)}`),
  ...[201, 255, 256, 1024, 4096, 70_000].map((length) => 'a'.repeat(length)),
  ...['manifest.json/../x', 'RESTORE.md\0.txt', 'database.dump\n', 'database.dump\r\n', '\ud800', 'a\udfff']
]

test('T11: 200 evil names are refused wherever a manifest has a name, before anything is fetched', () => {
  expect(new Set(evil).size).toBeGreaterThanOrEqual(200)
  const example = exampleManifest()
  const file = (name: string): StoredFile => ({ name, bytes: 1, sha256: 'f'.repeat(64) })
  const kindOf = (facts: object) => parseManifest(Buffer.from(JSON.stringify({ ...example, ...facts }))).kind
  expect(kindOf({ files: [...example.files, file('fine.age')], shared: [file('objects-0.tar')] })).toBe('ok')
  for (const name of evil) {
    const cut = { ...file('whole.age'), volumes: [file(name)] }
    for (const facts of [
      { files: [...example.files, file(name)] },
      { files: [...example.files, cut] },
      { shared: [file(name)] },
      { shared: [cut] }
    ])
      expect({ name: JSON.stringify(name), kind: kindOf(facts) }).toEqual({
        name: JSON.stringify(name),
        kind: 'broken'
      })
  }
})
