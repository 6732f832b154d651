import { expect, test } from 'vitest'
import type { BackupRow, Result } from '../../../../src/result.ts'
import { formatAge, formatBytes, formatCount, formatDuration } from '../../../../src/text/format.ts'
import { largestSummaryBytes, renderSummary } from '../../../../src/ui/summary/index.ts'

const evil =
  '</td><img src=x onerror=alert(1)>```mermaid\n[a](javascript:x) @org/team #1 $$x$$ | ::error::y ##[add-mask]z'

const row = (n: number): BackupRow => ({
  id: `20261122T161901Z-${String(n).padStart(8, '0')}`,
  project: 'shop',
  createdAt: new Date(Date.UTC(2026, 10, 22) - n * 86_400_000).toISOString(),
  type: 'full',
  kind: 'scheduled',
  status: 'complete',
  verified: 'restore',
  verifiedAt: null,
  sizeBytes: 1_000_000 + n,
  rows: 5,
  durationMs: 5,
  destination: 'release',
  url: 'https://github.com/acme/shop/releases/tag/x',
  pinned: false,
  expiresAt: null
})

const result = (rest: Partial<Result>): Result => ({
  command: 'backup',
  status: 'complete',
  startedAt: '2026-11-22T16:19:00.000Z',
  durationMs: 5_000,
  tool: 'supabase-backup 0.1.0',
  project: 'shop',
  verified: 'restore',
  destinations: [],
  backups: [],
  url: null,
  path: null,
  warnings: [],
  ...rest
})
const place = {
  serverUrl: 'https://github.com',
  repository: 'acme/shop',
  now: new Date('2026-11-22T17:00:00Z')
}

test('T4: what comes from outside is inert, wherever it stands', () => {
  const text = renderSummary(
    result({
      status: 'failed',
      project: evil,
      warnings: [evil],
      error: { code: 'SB201', message: evil, remedy: evil },
      findings: [{ kind: 'difference', subject: evil, detail: evil }],
      verification: { level: 'read', at: null, tables: { restore: 0, read: 1, differing: 1 }, notProven: [evil] },
      destinations: [{ name: 'folder', place: evil, stored: false, url: null, error: evil }],
      backups: [{ ...row(1), note: evil, url: 'https://evil.example/' }]
    }),
    place
  )
  expect(text).not.toMatch(/<(?!\/?(?:h[1-6]|table|tr|td|th|details|summary|code|pre|br|sub|sup|a)\b)[a-z!]/i)
  for (const piece of ['```mermaid', '](', '@org', ' #1', '$$', 'evil.example"', '::error'])
    expect(text).not.toContain(piece)
})

test('F74: it stays under the size that the runner takes, with 10,000 backups, newest first', () => {
  const text = renderSummary(
    result({
      backups: Array.from({ length: 10_000 }, (_, n) => row(n)),
      warnings: Array.from({ length: 5_000 }, () => 'x'.repeat(5_000)),
      findings: Array.from({ length: 50_000 }, () => ({
        kind: 'difference' as const,
        subject: 'y'.repeat(3_000),
        detail: 'z'.repeat(3_000)
      })),
      verification: {
        level: 'read',
        at: null,
        tables: { restore: 0, read: 1, differing: 1 },
        notProven: Array.from({ length: 9_999 }, () => 'n'.repeat(999))
      }
    }),
    place
  )
  expect(Buffer.byteLength(text)).toBeLessThan(largestSummaryBytes)
  expect(text).toContain('10\u202f000 backups')
  expect(text.indexOf('2026-11-22')).toBeLessThan(text.indexOf('2026-11-20'))
})

test('numbers are written as people read them', () => {
  expect([0, 999, 1_000, 1_500_000, 999_950_000].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1.00 kB',
    '1.50 MB',
    '1.00 GB'
  ])
  expect([850, 12_300, 245_000, 7_620_000].map(formatDuration)).toEqual([
    '850 ms',
    '12.3 s',
    '4 min 05 s',
    '2 h 07 min'
  ])
  expect(formatCount(1_234_567)).toBe('1\u202f234\u202f567')
  expect([1000, 60_000, 7_200_000, 300_000_000].map(formatAge)).toEqual(['1 second', '1 minute', '2 hours', '3 days'])
})

test('the dashboard is linked on its server, and named where it is a file', () => {
  const place = { serverUrl: 'https://github.com', repository: 'acme/shop', now: new Date() }
  const url = 'https://github.com/acme/shop/blob/backups/dashboard.html'
  const written = (dashboard: NonNullable<Result['dashboard']>) => renderSummary(result({ dashboard }), place)
  expect(written({ place: 'the branch backups', url })).toContain(`<a href="${url}">the branch backups</a>`)
  expect(written({ place: 'the branch backups', url: 'https://example.com/x' })).not.toContain('example.com')
  expect(written({ place: `the file ${evil}`, url: null })).not.toContain('<img')
  expect(renderSummary(result({}), place)).not.toContain('on one page')
})

test('after a failed restore only that is said of the target which is known', () => {
  const told = (code: string, rest: Record<string, unknown> = {}) =>
    renderSummary(
      result({
        command: 'restore',
        status: 'failed',
        error: { code, message: 'It went wrong.', remedy: 'Look.' },
        restore: {
          mode: 'empty',
          dryRun: false,
          target: ['zyxwvutsrqponmlkjihg'],
          plan: { objects: 2, tables: 1, rows: 9, dropped: ['table public.t'], givenBack: ['view public.v'] },
          safetyBackupId: '20261122T161901Z-aaaaaaaa',
          ...rest
        }
      }),
      place
    )
  const asItWas = 'The target is as it was. It had been kept'
  expect(told('SB708')).toContain(asItWas)
  expect(told('SB301', { mode: 'replace' })).toContain(asItWas)
  for (const [code, words] of [
    ['SB719', 'The target holds a part of the backup'],
    ['SB712', 'Whether the restore came to its end is not known'],
    ['SB301', 'or, where the backup comes in several transactions, holds a part of it']
  ] as const) {
    const text = told(code)
    expect(text).not.toContain(asItWas)
    expect(text).toContain(words)
    expect(text).toContain('20261122T161901Z-aaaaaaaa')
  }
  for (const words of ['Was to be replaced: 1', 'Was to be given back: 1']) expect(told('SB708')).toContain(words)
  expect(told('SB708')).not.toMatch(/>(?:Replaced|Given back): /)
  // The database had come back, and something after it failed.
  const later = told('SB301', { rows: 9, tables: [] })
  expect(later).toContain('To undo this restore')
  expect(later).toContain('>Replaced: 1')
  expect(later).not.toContain('as it was')
})

test('where a part did not come back after the database it is said of each part, and how to finish and to undo', () => {
  const told = (parts: readonly Record<string, unknown>[], rest: Record<string, unknown> = {}) =>
    renderSummary(
      result({
        command: 'restore',
        status: 'partial',
        error: { code: 'SB716', message: 'storage: SB801: no.', remedy: 'Look.' },
        backup: {
          id: '20261122T161908Z-k2m7q5xa',
          createdAt: '2026-11-22T16:19:08.000Z',
          type: 'full',
          kind: 'scheduled',
          sizeBytes: 1,
          parts: [],
          encryption: { scheme: 'age-x25519', recipients: [] },
          source: {}
        },
        restore: {
          mode: 'empty',
          dryRun: false,
          target: ['zyxwvutsrqponmlkjihg'],
          rows: 9,
          tables: [],
          safetyBackupId: '20261122T161901Z-aaaaaaaa',
          parts,
          ...rest
        }
      }),
      place
    )
  const database = { source: 'database', status: 'restored' }
  const text = told([
    database,
    { source: 'storage', status: 'stopped', reason: 'SB801: refused' },
    { source: 'functions', status: 'restored' },
    { source: 'config', status: 'notBegun' }
  ])
  for (const words of [
    '| <code>database</code> | ✅ came back |',
    'stopped before its end; what had come in by then stays: SB801',
    '| <code>config</code> | ❌ was not begun |',
    'The database stays restored',
    'backup: 20261122T161908Z-k2m7q5xa\ninclude: storage, config\nconfirm-target: zyxwvutsrqponmlkjihg',
    'What came into the other parts is in no such copy, and stays',
    'backup: 20261122T161901Z-aaaaaaaa\nrestore-mode: replace'
  ])
    expect(text).toContain(words)
  expect(told([{ source: 'storage', status: 'unequal' }], { toItself: true })).toContain(
    'confirm-target: same:zyxwvutsrqponmlkjihg\n'
  )
  const whole = told([database])
  expect(whole).not.toContain('To finish this restore')
  expect(whole).not.toContain('is in no such copy')
})
