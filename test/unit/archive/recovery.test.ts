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

  test('never sends a dump through psql', () => {
    expect(text(['database.dump.zst.age'])).not.toMatch(/^psql /m)
  })
})
