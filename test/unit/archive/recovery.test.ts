import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { recoveryText } from '../../../src/archive/recovery.ts'

const base = {
  id: '20261122T161908Z-k2m7q5xa',
  project: 'shop',
  createdAt: '2026-11-22T16:19:08.000Z',
  encryption: { scheme: 'age-x25519' as const, recipients: ['fp:0123456789abcdef'] }
}
const text = (names: readonly string[], more: object = {}) =>
  recoveryText({ ...base, files: names.map((name) => ({ name, bytes: 1, sha256: 'a'.repeat(64) })), ...more })

describe('RESTORE.md', () => {
  test('opens every file with standard programs, contents.json included although it is packed later', () => {
    const whole = text(['database.dump.zst.age', 'roles.sql.zst.age'])
    expect(whole).toContain('age -d -i key.txt database.dump.zst.age | zstd -d > database.dump\n')
    expect(whole).toContain('age -d -i key.txt roles.sql.zst.age | zstd -d > roles.sql\n')
    expect(whole).toContain('age -d -i key.txt contents.json.zst.age | zstd -d > contents.json\n')
    expect(whole).toContain(`${'a'.repeat(64)}  database.dump.zst.age\n`)
    expect(whole).toContain('`fp:0123456789abcdef`')
  })

  test('says how for a passphrase, for gzip, for no compression and for no encryption', () => {
    expect(text(['database.dump.gz.age'], { encryption: { scheme: 'age-scrypt', recipients: [] } })).toContain(
      'age -d database.dump.gz.age | gzip -d > database.dump\n'
    )
    expect(text(['database.dump.age'])).toContain('age -d -i key.txt database.dump.age > database.dump\n')
    const plain = text(['database.dump.zst'], { encryption: { scheme: 'none', recipients: [] } })
    expect(plain).toContain('zstd -d < database.dump.zst > database.dump\n')
    expect(plain).not.toContain('age -d')
  })

  test('contents.json is named once, also where it is among the files already', () => {
    const command = 'age -d -i key.txt contents.json.zst.age | zstd -d > contents.json\n'
    for (const names of [['roles.sql.zst.age'], ['roles.sql.zst.age', 'contents.json.zst.age']])
      expect(text(names).split(command)).toHaveLength(2)
    expect(text([])).not.toContain('> contents.json')
  })

  test('names the programs that are needed, and age only where it is', () => {
    expect(text(['database.dump.zst.age'])).toContain('`age` (https://age-encryption.org), `zstd`, `tar`')
    const plain = text(['database.dump.zst'], { encryption: { scheme: 'none', recipients: [] } })
    expect(plain).toContain('only: `sha256sum`, `zstd`, `tar`, `pg_restore`.')
    expect(plain).toContain('The files are not encrypted.')
    expect(text(['a.zst.age'], { encryption: { scheme: 'age-scrypt', recipients: [] } })).toContain(
      'sealed with a passphrase: `age -d` asks for it'
    )
    expect(text(['a.zst.age'])).not.toContain('post-quantum')
    expect(text(['a.zst.age'], { encryption: { scheme: 'age-pq', recipients: ['fp:0'] } })).toContain(
      'post-quantum kind: `age` 1.3 or later is needed'
    )
  })

  test('files as they are need no command, packs among them', () => {
    const pack = `objects-${'0a'.repeat(10)}.tar`
    const plain = text(['RESTORE.md', 'database.dump', pack], { encryption: { scheme: 'none', recipients: [] } })
    expect(plain).toContain('```sh\nset -e\n\n```')
    expect(plain).not.toMatch(/^for pack in .* do (?:age|zstd)/m)
    expect(plain).toContain('for pack in objects-*.tar; do tar -xf "$pack"')
  })

  test('only files whose SHA-256 is known are in the list for sha256sum', () => {
    const files = [
      { name: 'known', bytes: 1, sha256: 'b'.repeat(64) },
      { name: 'unknown', bytes: 1 }
    ]
    const whole = recoveryText({ ...base, files })
    expect(whole).toContain(`sha256sum -c <<'END'\n${'b'.repeat(64)}  known\nEND\n`)
    expect(whole).not.toContain('  unknown')
    expect(recoveryText({ ...base, files: [{ name: 'unknown', bytes: 1 }] })).not.toContain("<<'END'")
  })

  test('a bucket that is there already is left as it is: said where a database makes them', () => {
    const pack = `objects-${'0a'.repeat(10)}.tar.zst.age`
    expect(text([pack, 'database.dump.zst.age'])).toContain('is left as it is (look at its `public`).')
    expect(text([pack])).toContain('is left as it is.\n')
  })

  test('speaks only of what is there', () => {
    expect(text(['database.dump.zst.age'])).not.toMatch(/Edge Functions|Storage files|## 7/)
    const all = text([
      'database.dump.zst.age',
      'objects-0001.tar.zst.age',
      'functions.tar.zst.age',
      'config.json.zst.age'
    ])
    for (const title of ['## 4. The database', '## 5. Storage files', '## 6. Edge Functions', '## 7. Settings'])
      expect(all).toContain(title)
  })

  test('tells where packs lie that are not among the files, and takes whatever packs are there', () => {
    const whole = text(['database.dump.zst.age', `objects-${'0a'.repeat(10)}.tar.zst.age`])
    expect(whole).toContain('`backup-shop-objects-1`')
    expect(whole).toContain('`shop/objects/`')
    expect(whole).toContain(
      'for pack in objects-*.tar.zst.age; do age -d -i key.txt "$pack" | zstd -d > "${pack%.zst.age}"; done'
    )
    expect(whole).toContain('sha256sum -c --ignore-missing')
    expect(text(['database.dump.zst.age'])).not.toMatch(/objects-|ignore-missing/)
  })

  test('a backup of a part is not restored in a way that stops at what is missing', () => {
    for (const more of [{ narrowed: true }, { type: 'data' }, { type: 'schema' }, {}])
      expect(text(['database.dump.zst.age'], more)).not.toContain('--exit-on-error')
    expect(text(['database.dump.zst.age'], { narrowed: true })).toContain('a part of the schemas or tables')
    expect(text(['database.dump.zst.age'], { type: 'data' })).toContain('--data-only --disable-triggers')
    expect(text(['database.dump.zst.age'], { type: 'schema' })).not.toContain('Compare the row counts')
    expect(text(['database.dump.zst.age'], { type: 'data' })).toContain(
      'holds rows without definitions. The tables must'
    )
    expect(text(['database.dump.zst.age'], { type: 'schema', narrowed: true })).toContain(
      'holds the definitions without rows, of a part of the schemas or tables. Into a PostgreSQL of your own'
    )
  })

  test('says what vault.json is where there is one', () => {
    expect(text(['database.dump.zst.age', 'vault.json.zst.age'])).toContain('vault.create_secret')
    expect(text(['database.dump.zst.age'])).not.toContain('vault.json')
  })

  test('says how rows of extensions come back where there are some', () => {
    expect(text(['database.dump.zst.age', 'extension-rows.tar.zst.age'])).toContain('tar -xf extension-rows.tar')
    expect(text(['database.dump.zst.age'])).not.toContain('extension-rows')
  })

  test('never sends a dump through psql', () => {
    const found = text(['database.dump.zst.age'])
    // psql runs fixed text of this page alone, and is never fed by a program or a file.
    for (const line of found.split('\n').filter((one) => /\bpsql\b.*(?:--|<)/.test(one)))
      expect(line).toBe(`psql --no-psqlrc --quiet --dbname="$URL" <<'SQL'`)
    expect(found).not.toMatch(/\|\s*psql|psql[^\n]*(?:-f|--file)/)
  })
})

describe('RESTORE.md is as it was looked at, and its commands as they were run (contract/archive-programs.test.ts)', () => {
  const canary = 'canary-0123456789abcdef.txt.age'
  const pack = 'objects-0001.tar.zst.age'
  const whole = ['database.dump', 'roles.sql', 'vault.json', 'functions.tar', 'config.json'].map(
    (name) => `${name}.zst.age`
  )
  const two = { scheme: 'age-x25519' as const, recipients: ['fp:0123456789abcdef', 'fp:fedcba9876543210'] }

  // `npm run golden` writes the files anew.
  test.each<[string, readonly string[], object]>([
    ['everything', [...whole, pack, canary], { encryption: two }],
    ['everything-with-contents', ['contents.json.zst.age', canary, ...whole, pack], { encryption: two }],
    ['database', ['database.dump.zst.age'], { type: 'full', narrowed: false }],
    ['database-narrowed', ['database.dump.zst.age', 'roles.sql.zst.age'], { type: 'full', narrowed: true }],
    ['schema', ['database.dump.zst'], { type: 'schema', encryption: { scheme: 'none', recipients: [] } }],
    ['schema-narrowed', ['database.dump.gz.age'], { type: 'schema', narrowed: true }],
    ['data', ['database.dump.age'], { type: 'data', encryption: { scheme: 'age-scrypt', recipients: [] } }],
    ['data-narrowed', ['database.dump.zst.age'], { type: 'data', narrowed: true }],
    ['storage', [pack], { encryption: { scheme: 'age-pq', recipients: ['fp:0123456789abcdef'] } }]
  ])('%s', async (name, files, more) => {
    await expect(text(files, more)).toMatchFileSnapshot(join(import.meta.dirname, 'golden', `${name}.md`))
  })
})
