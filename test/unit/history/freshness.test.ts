import { describe, expect, test } from 'vitest'
import type { Manifest } from '../../../src/archive/manifest.ts'
import type { HistoryEntry } from '../../../src/history/entries.ts'
import { checkProject, checkSchedules, newestVerified, type ScheduledWorkflow } from '../../../src/history/freshness.ts'
import { readWorkflow, scheduledTimes } from '../../../src/history/workflow-schedule.ts'
import { badgeOf } from '../../../src/ui/badge.ts'
import { exampleManifest } from '../archive/manifests.ts'

const now = new Date('2026-11-22T12:00:00Z')
const hour = 3_600_000
const day = 24 * hour
let counter = 0

interface Backup {
  readonly hours: number
  readonly project?: string
  readonly verified?: HistoryEntry['verified']
  readonly status?: Manifest['status']
  readonly kind?: Manifest['kind']
  readonly damaged?: boolean
  readonly acknowledged?: boolean
  readonly expiresInDays?: number
  readonly destination?: HistoryEntry['destination']
  readonly id?: string
  readonly opened?: false
}

function openedRecord(id: string, project: string): HistoryEntry['records'][number] {
  const verification = {
    level: 'read' as const,
    at: null,
    tables: { restore: 0, read: 0, differing: 0 },
    notProven: []
  }
  return { format: 1, id, project, tool: 'supabase-backup 0.0.0', outcome: 'passed', verification }
}

/** A backup of so many hours ago. */
function backup(given: Backup): HistoryEntry {
  counter += 1
  const createdAt = new Date(now.getTime() - given.hours * hour)
  const time = createdAt
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:]/g, '')
  const id =
    given.id ??
    `${time}-${String(counter)
      .padStart(8, 'a')
      .replace(/[0189]/g, 'z')}`
  const project = given.project ?? 'shop'
  return {
    ref: { project, id },
    destination: given.destination ?? 'folder',
    createdAt,
    manifest: {
      ...exampleManifest(),
      id,
      project,
      createdAt: createdAt.toISOString(),
      status: given.status ?? 'complete',
      kind: given.kind ?? 'scheduled'
    },
    // Somebody has opened it with its key, unless a test is about that.
    records: given.opened === false ? [] : [openedRecord(id, project)],
    verified: given.verified ?? 'restore',
    verifiedAt: createdAt,
    changed: false,
    damaged: given.damaged ?? false,
    pinned: false,
    acknowledged: given.acknowledged ?? false,
    ...(given.expiresInDays === undefined ? {} : { expiresAt: new Date(now.getTime() + given.expiresInDays * day) })
  }
}

const rules = { maxAgeMs: 26 * hour, recipients: [] }
const kinds = (entries: readonly HistoryEntry[], more = {}): string[] =>
  checkProject('shop', entries, { ...rules, ...more }, now).alarms.map((alarm) => alarm.kind)

test('T3: a workflow file is read without a word of it on standard error', () => {
  const said: unknown[] = []
  const listen = (warning: Error) => void said.push(warning.message)
  process.on('warning', listen)
  expect(readWorkflow('%##[add-mask]x\n---\non: push\n').schedules).toEqual([])
  return new Promise<void>((done) => setImmediate(done)).then(() => {
    process.off('warning', listen)
    expect(said).toEqual([])
  })
})

describe('the backups of a project', () => {
  test('that nobody has opened one with a key is a reminder, and no alarm', () => {
    const rules = { maxAgeMs: 26 * hour, recipients: [] }
    const found = checkProject('shop', [backup({ hours: 1, opened: false })], rules, now)
    expect(found.alarms).toEqual([])
    expect(found.warnings).toEqual([expect.stringContaining('Nobody has shown yet that a key opens')])
    const others = [backup({ hours: 1, opened: false }), backup({ hours: 40 })]
    expect(checkProject('shop', others, rules, now)).toEqual({ alarms: [], warnings: [] })
  })

  test('a young verified backup raises no alarm', () => {
    expect(checkProject('shop', [backup({ hours: 25 }), backup({ hours: 49 })], rules, now)).toEqual({
      alarms: [],
      warnings: []
    })
  })

  test('the newest verified one is what counts', () => {
    expect(kinds([backup({ hours: 27 })])).toEqual(['too-old'])
    expect(kinds([backup({ hours: 1, verified: 'none' }), backup({ hours: 27 })])).toEqual(['too-old'])
    expect(kinds([backup({ hours: 1, kind: 'safety' }), backup({ hours: 27 })])).toEqual(['too-old'])
    expect(kinds([backup({ hours: -2 }), backup({ hours: 27 })])).toEqual(['too-old'])
    expect(kinds([backup({ hours: 1, verified: 'none' })])).toEqual(['not-verified'])
    expect(kinds([])).toEqual(['not-verified'])
  })

  test('damaged and anomalous ones that are newer are named until they are followed or acknowledged', () => {
    expect(kinds([backup({ hours: 1, damaged: true, verified: 'none' }), backup({ hours: 20 })])).toEqual(['damaged'])
    const anomalous = backup({ hours: 1, status: 'anomalous' })
    expect(kinds([anomalous, { ...anomalous, destination: 'release' }, backup({ hours: 20 })])).toEqual(['anomalous'])
    expect(kinds([backup({ hours: 1, status: 'anomalous', acknowledged: true }), backup({ hours: 40 })])).toEqual([])
    expect(kinds([backup({ hours: 1 }), backup({ hours: 2, status: 'anomalous' })])).toEqual([])
    expect(checkProject('shop', [backup({ hours: 1, status: 'partial' })], rules, now).warnings).toHaveLength(1)
  })

  test('a backup that expires soon, unless another place keeps it or all are kept for a few days only', () => {
    expect(kinds([backup({ hours: 24 * 85, expiresInDays: 5 })], { maxAgeMs: 90 * day })).toEqual(['expires-soon'])
    expect(kinds([backup({ hours: 1, expiresInDays: 5 })])).toEqual([])
    expect(kinds([backup({ hours: 1, expiresInDays: 60 })])).toEqual([])
    const two = backup({ hours: 24 * 85, expiresInDays: 5 })
    const kept = { ...backup({ hours: 24 * 85, id: two.ref.id, destination: 'release' }) }
    expect(kinds([two, kept], { maxAgeMs: 90 * day })).toEqual([])
  })

  test('recipients that came or went', () => {
    const recipients = exampleManifest().encryption.recipients
    expect(kinds([backup({ hours: 1 })], { recipients })).toEqual([])
    expect(kinds([backup({ hours: 1 })], { recipients: ['fp:ffff'] })).toEqual(['recipients-changed'])
    expect(kinds([backup({ hours: 1 })], { recipients: [...recipients, 'fp:ffff'] })).toEqual(['recipients-changed'])
  })
})

describe('workflow files', () => {
  const file = (step: string): string =>
    `on:\n  schedule:\n    - cron: '17 3 * * *'\n      timezone: Europe/Berlin\njobs:\n  a:\n    steps:\n      - ${step}\n`

  test('say whether they make backups, when and of what', () => {
    expect(readWorkflow(file('{uses: acme/supabase-backup@v1, with: {project: Shop}}'))).toEqual({
      schedules: [{ cron: '17 3 * * *', timezone: 'Europe/Berlin' }],
      use: 'backup',
      projects: ['shop']
    })
    expect(
      readWorkflow(file("{uses: acme/supabase-backup@v1, with: {project: '${{ matrix.project }}'}}")).projects
    ).toBeNull()
    expect(readWorkflow(file('{uses: ./, with: {database-url: x}}')).use).toBe('backup')
    expect(readWorkflow(file('{uses: acme/supabase-backup@v1, with: {command: check}}')).use).toBe('other')
    expect(readWorkflow(file('{run: make}')).use).toBe('none')
    for (const text of [
      '',
      'a: [',
      'jobs: 3',
      'on: push',
      '- x',
      'on: {schedule: {cron: x}}\njobs: {a: null, b: {steps: [null, 3]}}'
    ])
      expect(readWorkflow(text)).toMatchObject({ schedules: [], use: 'none' })
  })

  test('the times of a schedule, in its time zone and over the change of the clocks', () => {
    const times = (cron: string, timezone: string, from: string, to: string) =>
      scheduledTimes([{ cron, timezone }], new Date(from), new Date(to), 10)?.map((time) => time.toISOString())
    expect(times('17 3 * * *', 'UTC', '2026-11-20T12:00:00Z', '2026-11-22T03:17:00Z')).toEqual([
      '2026-11-22T03:17:00.000Z',
      '2026-11-21T03:17:00.000Z'
    ])
    expect(times('17 3 * * *', 'Europe/Berlin', '2026-10-24T00:00:00Z', '2026-10-26T00:00:00Z')).toEqual([
      '2026-10-25T02:17:00.000Z',
      '2026-10-24T01:17:00.000Z'
    ])
    expect(times('0 0 30 2 *', 'UTC', '2026-10-24T00:00:00Z', '2026-10-26T00:00:00Z')).toBeUndefined()
    for (const cron of ['* * * * * *', 'nonsense', '61 * * * *', ''])
      expect(times(cron, 'UTC', '2026-10-24T00:00:00Z', '2026-10-26T00:00:00Z')).toBeUndefined()
    expect(times('1 1 * * *', 'Mars/Olympus', '2026-10-24T00:00:00Z', '2026-10-26T00:00:00Z')).toBeUndefined()
  })
})

describe('schedules', () => {
  const workflow = (rest: Partial<ScheduledWorkflow> = {}): ScheduledWorkflow => ({
    file: 'backup.yml',
    state: 'active',
    schedules: [{ cron: '17 3 * * *', timezone: 'UTC' }],
    use: 'backup',
    projects: null,
    ...rest
  })
  const check = (workflows: readonly ScheduledWorkflow[], entries: readonly HistoryEntry[], projects = ['shop']) =>
    checkSchedules(workflows, projects, entries, now)

  test('F75: a scheduled run that left no backup is an alarm', () => {
    // 03:17 is 8.7 hours ago.
    expect(check([workflow()], [backup({ hours: 8 })])).toEqual({ alarms: [], warnings: [] })
    expect(check([workflow()], [backup({ hours: 9 })]).alarms).toMatchObject([
      { kind: 'missed-schedule', project: 'shop' }
    ])
    // 11:17 is 43 minutes ago: it may still come.
    expect(
      check([workflow({ schedules: [{ cron: '17 11 * * *', timezone: 'UTC' }] })], [backup({ hours: 24 })]).alarms
    ).toEqual([])
    expect(
      check([workflow({ schedules: [{ cron: '17 3 1 * *', timezone: 'UTC' }] })], [backup({ hours: 24 * 23 })]).alarms
    ).toHaveLength(1)
  })

  test('F75: holes between backups are told', () => {
    const sixTimes = workflow({ schedules: [{ cron: '17 */4 * * *', timezone: 'UTC' }] })
    const all = [3, 7, 11, 15, 19, 23].map((hours) => backup({ hours }))
    expect(check([sixTimes], all)).toEqual({ alarms: [], warnings: [] })
    expect(check([sixTimes], all.toSpliced(2, 2)).warnings[0]).toMatch(/6 times .* 4 backups/)
  })

  test('a workflow that is switched off is an alarm', () => {
    expect(check([workflow({ state: 'disabled_inactivity' })], [backup({ hours: 1 })]).alarms).toMatchObject([
      { kind: 'workflow-disabled' }
    ])
    expect(
      check([workflow({ state: 'disabled_manually', projects: ['blog'] })], [backup({ hours: 1 })]).alarms
    ).toEqual([])
  })

  test('each project is held against the workflow that names it', () => {
    const weekly = { schedules: [{ cron: '17 3 * * 1', timezone: 'UTC' }] }
    const workflows = [
      workflow({ projects: ['shop'] }),
      workflow({ ...weekly, file: 'weekly.yml', projects: ['blog'] })
    ]
    const entries = [backup({ hours: 8 }), backup({ hours: 100, project: 'blog' })]
    expect(check(workflows, entries, ['shop', 'blog']).alarms).toEqual([])
    expect(
      check(workflows, [backup({ hours: 30 }), backup({ hours: 200, project: 'blog' })], ['shop', 'blog']).alarms.map(
        (alarm) => alarm.project
      )
    ).toEqual(['shop', 'blog'])
    // Where it is not clear which one is meant, the one that asks least.
    expect(check([workflow(), workflow(weekly)], [backup({ hours: 30 })]).alarms).toEqual([])
  })

  test('a schedule that cannot be read is a warning', () => {
    expect(check([workflow({ schedules: [{ cron: 'now', timezone: 'UTC' }] })], [backup({ hours: 30 })])).toMatchObject(
      { alarms: [], warnings: [expect.stringContaining('backup.yml')] }
    )
  })
})

test('the badge says age, proof and whether all is well', () => {
  const newest = newestVerified([backup({ hours: 5 })], now)
  expect(badgeOf('backup', { newest, alarms: 0, warnings: 0 }, now)).toEqual({
    schemaVersion: 1,
    label: 'backup',
    message: '5 hours old, restored',
    color: 'brightgreen',
    isError: false
  })
  expect(badgeOf('backup', { newest, alarms: 0, warnings: 1 }, now).color).toBe('yellow')
  expect(badgeOf('backup', { newest, alarms: 1, warnings: 1 }, now)).toMatchObject({ color: 'red', isError: true })
  expect(badgeOf('backup', { newest: undefined, alarms: 0, warnings: 0 }, now)).toMatchObject({
    message: 'none verified',
    isError: true
  })
})
