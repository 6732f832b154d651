import { expect, test } from 'vitest'
import type { RunRecord } from '../../../../src/archive/run-record.ts'
import { reportOf } from '../../../../src/history/report.ts'
import { renderReportCsv } from '../../../../src/ui/report/csv.ts'
import { renderReportPage } from '../../../../src/ui/report/page.ts'
import type { Report } from '../../../../src/ui/report/report.ts'

const hostile = `=1+1"<img src=x onerror=alert(1)>'\r\n\u202E`
const record: RunRecord = {
  kind: 'supabase-backup/run/1',
  project: 'shop',
  command: 'backup',
  event: 'failed',
  startedAt: '2026-11-20T03:17:00.000Z',
  durationMs: 60_000,
  status: 'failed',
  level: 'none',
  error: 'SB101',
  schedule: '17 3 * * *',
  run: { url: 'javascript:alert(1)', actor: hostile },
  tool: hostile
}
const restore: RunRecord = { ...record, command: 'restore', event: 'drilled', status: 'complete', backup: hostile }
const report: Report = {
  format: 1,
  tool: 'supabase-backup 0.1.0',
  generatedAt: '2026-11-22T12:00:00.000Z',
  since: '2026-11-01T00:00:00.000Z',
  maxAgeMs: 26 * 60 * 60 * 1000,
  places: [{ name: 'folder', place: hostile, journal: true }],
  signedBy: null,
  records: { read: 2, signed: 0, unsigned: 2, otherKey: 0, invalid: 1, unreadable: 0, differing: 0 },
  projects: [
    reportOf({
      project: 'shop',
      records: [record, restore],
      entries: [],
      since: new Date('2026-11-01T00:00:00Z'),
      now: new Date('2026-11-22T12:00:00Z'),
      maxAgeMs: 26 * 60 * 60 * 1000
    })
  ]
}

test('the page says what came of the nights, and text from outside is text', () => {
  const page = renderReportPage(report)
  expect(page).toContain('Of 3 due backups, 0 were made, 1 failed and 2 were missed.')
  expect(page).toContain('not believed: 1 changed after they were signed')
  expect(page).toContain('no complete backup')
  expect(page).not.toContain('<img')
  expect(page).not.toContain('javascript:')
  expect(page).not.toContain('\u202E')
  expect(page).not.toMatch(/<script|src=["']?http|@import/)
})

test('a line of CSV for each run and each missed night, and no formula', () => {
  const lines = renderReportCsv(report).split('\r\n')
  expect(lines[0]).toMatch(/^project,event,startedAt,/)
  expect(lines.filter((line) => line.startsWith('shop,missed,'))).toHaveLength(2)
  expect(renderReportCsv(report)).toContain(`"'=1+1""<img`)
})
