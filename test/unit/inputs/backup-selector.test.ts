import { describe, expect, it } from 'vitest'
import { parseBackupId, parseChoice, parseChoiceOrAll, parseSince } from '../../../src/inputs/backup-selector.ts'

function timeOf(text: string): string {
  const parsed = parseChoice(text)
  if (!parsed.ok) return 'refused'
  return parsed.value.kind === 'at' ? parsed.value.time.toISOString() : parsed.value.kind
}

describe('which backup', () => {
  it.each([
    ['latest', 'latest'],
    ['20261122T161908Z-k2m7q5xa', 'id'],
    ['2026-11-22', '2026-11-22T23:59:59.999Z'],
    ['2024-02-29', '2024-02-29T23:59:59.999Z'],
    ['2026-11-22T16:19Z', '2026-11-22T16:19:00.000Z'],
    ['2026-11-22T16:19:08Z', '2026-11-22T16:19:08.000Z'],
    ['2026-11-22t16:19:08.5z', '2026-11-22T16:19:08.500Z'],
    ['2026-11-22T16:19:08,123456Z', '2026-11-22T16:19:08.123Z'],
    ['2026-11-22 16:19:08+02:00', '2026-11-22T14:19:08.000Z'],
    ['2026-11-22T16:19:08-0530', '2026-11-22T21:49:08.000Z'],
    ['2026-11-22T00:00:00+14', '2026-11-21T10:00:00.000Z'],
    ['2026-11-22T16:19:08', 'refused'],
    ['2026-02-29', 'refused'],
    ['2026-13-01', 'refused'],
    ['2026-11-31', 'refused'],
    ['2026-00-10', 'refused'],
    ['2026-11-22T23:59:59Z', '2026-11-22T23:59:59.000Z'],
    ['2026-11-22T23:59:59.9999z', '2026-11-22T23:59:59.999Z'],
    ['2026-11-22T10:00:00+01:59', '2026-11-22T08:01:00.000Z'],
    ['2026-11-22T10:00:60Z', 'refused'],
    ['x2026-11-22T10:00:00Z', 'refused'],
    ['2026-11-22T10:00:00Zx', 'refused'],
    ['2026-11-22T24:00:00Z', 'refused'],
    ['2026-11-22T10:60:00Z', 'refused'],
    ['2026-11-22T10:00:00+15:00', 'refused'],
    ['2026-11-22T10:00:00+01:60', 'refused'],
    ['20261122', 'refused'],
    ['yesterday', 'refused'],
    ['Latest', 'refused'],
    ['all', 'refused'],
    ['20261122T161908Z-K2M7Q5XA', 'refused'],
    ['20261322T161908Z-k2m7q5xa', 'refused'],
    ['../20261122T161908Z-k2m7q5xa', 'refused']
  ])('%s', (text, expected) => {
    expect(timeOf(text)).toBe(expected)
  })

  it('all is for verify', () => {
    expect(parseChoiceOrAll('all')).toEqual({ ok: true, value: { kind: 'all' } })
    expect(parseChoiceOrAll('latest')).toEqual({ ok: true, value: { kind: 'latest' } })
    expect(parseChoiceOrAll('x')).toMatchObject({ ok: false, reason: expect.stringMatching(/or all$/) })
  })

  it('an id is an id', () => {
    expect(parseBackupId('20261122T161908Z-k2m7q5xa').ok).toBe(true)
    for (const text of ['latest', '20261322T161908Z-k2m7q5xa', 'x20261122T161908Z-k2m7q5xa'])
      expect([text, parseBackupId(text).ok]).toEqual([text, false])
    expect(parseBackupId('20261122T161908Z-k2m7q5x1').ok).toBe(false)
  })
})

describe('a span of time', () => {
  const textOf = (parsed: ReturnType<typeof parseSince>) =>
    !parsed.ok ? 'refused' : 'at' in parsed.value ? parsed.value.at.toISOString() : `${parsed.value.agoMs} ms ago`
  it.each([
    ['2026-11-22', '2026-11-22T00:00:00.000Z'],
    ['2026-11-22T16:19:08+01:00', '2026-11-22T15:19:08.000Z'],
    ['30d', '2592000000 ms ago'],
    ['2026-02-30', 'refused'],
    ['latest', 'refused'],
    ['on 2026-11-22', 'refused'],
    ['2026-11-22 on', 'refused'],
    ['30 days', 'refused'],
    ['0d', 'refused']
  ])('%s', (text, since) => {
    expect(textOf(parseSince(text))).toBe(since)
  })
})
