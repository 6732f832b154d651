import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { type NewRunRecord, parseRunRecord, renderRunRecord } from '../../../src/archive/run-record.ts'
import { readSigningKey, verifyKeyOf } from '../../../src/archive/signature.ts'

const record: NewRunRecord = {
  project: 'shop',
  command: 'backup',
  event: 'made',
  startedAt: '2026-11-22T03:17:00.000Z',
  durationMs: 61_000,
  status: 'complete',
  level: 'restore',
  tool: 'supabase-backup 0.1.0'
}
const newKey = () =>
  readSigningKey(generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString())

test('a record is one line, and holds through writing and reading', () => {
  const bytes = renderRunRecord(record, undefined)
  expect(Buffer.from(bytes).toString().split('\n')).toHaveLength(2)
  expect(parseRunRecord(bytes, [])).toMatchObject({ kind: 'ok', record, signature: { kind: 'unsigned' } })
})

test('a signature holds for its key, and for no changed byte', () => {
  const key = newKey()
  const bytes = renderRunRecord(record, key)
  const state = (content: Uint8Array, trusted = [verifyKeyOf(key)]) => {
    const parsed = parseRunRecord(content, trusted)
    return parsed.kind === 'ok' ? parsed.signature.kind : parsed.reason
  }
  expect(state(bytes)).toBe('valid')
  expect(state(bytes, [])).toBe('otherKey')
  expect(state(bytes, [verifyKeyOf(newKey())])).toBe('otherKey')
  const text = Buffer.from(bytes).toString()
  expect(state(Buffer.from(text.replace('61000', '11000')))).toBe('invalid')
  expect(state(Buffer.from(text.replace('\n', ' \n')))).toBe('invalid')
  expect(state(Buffer.from(text.split('\n')[0] ?? ''))).toBe('it has no line')
  expect(state(Buffer.from(`${text}more\n`))).toBe('its second line is no signature')
})

test('what is no record is told, and never thrown', () => {
  const line = Buffer.from(renderRunRecord(record, undefined)).toString()
  for (const broken of [
    '',
    '\n',
    '[]\n',
    '{"a":1,"a":2}\n',
    line.replace('made', 'invented'),
    line.replace('shop', 'Shop/..')
  ])
    expect(parseRunRecord(Buffer.from(broken), []).kind, broken).toBe('broken')
})
