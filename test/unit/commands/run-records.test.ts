import { expect, test } from 'vitest'
import { type RunAsked, recordsOfRun } from '../../../src/commands/run-records.ts'
import type { Result } from '../../../src/result.ts'
import { samples } from '../ui/samples.ts'

const asked: RunAsked = { command: 'backup', project: 'shop', dryRun: false, keep: [], acknowledge: undefined }
const plain: Result = {
  command: 'backup',
  status: 'failed',
  startedAt: '2026-11-22T03:17:00.000Z',
  durationMs: 4000,
  tool: 'supabase-backup 0.1.0',
  project: 'shop',
  error: { code: 'SB101', message: 'password of user "app_owner" is wrong', remedy: 'look' },
  verified: 'none',
  destinations: [],
  backups: [],
  url: null,
  path: null,
  warnings: []
}
const events = (ask: Partial<RunAsked>, result: Partial<Result>) =>
  recordsOfRun({ ...asked, ...ask }, { ...plain, ...result }, {}).map(({ project, event }) => `${project} ${event}`)

test('a failed night is told by its code alone', () => {
  const [record, ...more] = recordsOfRun({ ...asked, keep: ['keep-daily: 7'] }, plain, { schedule: '17 3 * * *' })
  expect(more).toEqual([])
  expect(record).toMatchObject({ event: 'failed', error: 'SB101', keep: ['keep-daily: 7'], schedule: '17 3 * * *' })
  expect(JSON.stringify(record)).not.toContain('app_owner')
})

test('a backup counts as made when a place took it, whatever its status', () => {
  const stored = [{ name: 'folder' as const, place: '/b', stored: true, url: null }]
  expect(events({}, { status: 'anomalous', destinations: stored })).toEqual(['shop made'])
  expect(events({}, { status: 'complete', destinations: stored })).toEqual(['shop made'])
})

test('a restore is told by where it went; a dry run, a listing and a check without alarm leave nothing', () => {
  const restore = { command: 'restore' as const }
  expect(events(restore, { status: 'complete', restore: { toItself: true } })).toEqual(['shop restored'])
  expect(events(restore, { status: 'partial', restore: { toItself: false } })).toEqual(['shop drilled'])
  expect(events(restore, {})).toEqual(['shop failed'])
  expect(events({ ...restore, dryRun: true }, { status: 'complete' })).toEqual([])
  expect(events({ command: 'list' }, { status: 'complete' })).toEqual([])
  expect(events({ command: 'check' }, { status: 'complete' })).toEqual([])
  expect(events({ command: 'prune' }, { status: 'complete' })).toEqual([])
  expect(events({ command: 'prune', acknowledge: 'x' }, { status: 'complete' })).toEqual(['shop acknowledged'])
})

test('an alarm is told to the projects that it names', () => {
  const alarms = [
    { kind: 'too-old', detail: 'the newest backup of blog is old', project: 'blog' },
    { kind: 'missed-schedule', detail: 'x', project: 'blog' }
  ]
  const records = recordsOfRun({ ...asked, command: 'check' }, { ...plain, alarms }, {})
  expect(records.map(({ project, event, alarms: kinds }) => [project, event, kinds])).toEqual([
    ['blog', 'alarmed', ['too-old', 'missed-schedule']]
  ])
})

test('no record of any sample holds a text from inside a project', () => {
  for (const result of Object.values(samples)) {
    const text = JSON.stringify(recordsOfRun({ ...asked, command: result.command }, result, {}))
    for (const { subject, detail } of result.findings ?? []) {
      expect(text).not.toContain(JSON.stringify(subject))
      expect(text).not.toContain(JSON.stringify(detail))
    }
    if (result.error !== undefined) expect(text).not.toContain(JSON.stringify(result.error.message))
  }
})
