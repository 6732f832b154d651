import { describe, expect, test } from 'vitest'
import type { Manifest } from '../../../src/archive/manifest.ts'
import type { HistoryEntry } from '../../../src/history/entries.ts'
import { checkProject, checkSchedules, type ScheduledWorkflow } from '../../../src/history/freshness.ts'
import { newestTrustworthy } from '../../../src/history/trust.ts'
import { nextTimes, readWorkflow, scheduledTimes, withCalled } from '../../../src/history/workflow-schedule.ts'
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
    expect(found.warnings[0]).toMatch(/: run `verify` once with `identity`\.$/)
    const others = [backup({ hours: 1, opened: false }), backup({ hours: 40 })]
    expect(checkProject('shop', others, rules, now)).toEqual({ alarms: [], warnings: [] })
  })

  test('where a backup has a canary, the reminder says how it is opened and where its word goes', () => {
    const one = backup({ hours: 1, opened: false })
    const name = 'canary-0123456789abcdef.txt.age'
    const manifest = one.manifest ?? exampleManifest()
    const files = [...manifest.files, { name, bytes: 900, sha256: 'a'.repeat(64) }]
    const found = checkProject(
      'shop',
      [{ ...one, manifest: { ...manifest, files } }],
      { ...rules, recipients: [] },
      now
    )
    expect(found.warnings).toEqual([
      `Nobody has shown yet that a key opens the backups of shop (${manifest.encryption.recipients.join(', ')}): open ${name} of backup ${one.ref.id} with \`age -d -i key.txt\` where the key lies, and give the word that it prints as \`canary\` to a run of \`verify\` or \`backup\`.`
    ])
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
    // A partial one is no backup to rely on: beside a good one that is told, alone it is an alarm.
    const partial = backup({ hours: 1, status: 'partial' })
    expect(kinds([partial])).toEqual(['not-verified'])
    expect(checkProject('shop', [partial, backup({ hours: 20 })], rules, now).warnings).toHaveLength(1)
    const of = (facts: Partial<HistoryEntry>) => kinds([{ ...backup({ hours: 1 }), ...facts }, backup({ hours: 20 })])
    expect(of({ hollow: 'its file a is not there' })).toEqual(['damaged'])
    expect(of({ changed: true })).toEqual(['damaged'])
    expect(of({ unvouched: 'a stranger wrote it' })).toEqual(['unvouched'])
  })

  const words = (entries: readonly HistoryEntry[], more = {}) => {
    const { alarms, warnings } = checkProject('shop', entries, { ...rules, ...more }, now)
    return [...alarms.map(({ detail, project }) => `${project}: ${detail}`), ...warnings]
  }
  test('says how old, how many, and of when', () => {
    expect(words([])).toEqual(['shop: shop has no verified backup: there is no backup that can be read.'])
    expect(words([backup({ hours: 1, verified: 'none' }), backup({ hours: 5, verified: 'none' })])).toEqual([
      'shop: shop has no verified backup: there is 2 backups, the newest of 2026-11-22 11:00 UTC.'
    ])
    expect(words([backup({ hours: 27 })])).toEqual([
      'shop: The newest verified backup of shop is 27 hours old (2026-11-21 09:00 UTC); allowed are 26 hours.'
    ])
    const expiring = backup({ hours: 24 * 85, expiresInDays: 5 })
    expect(words([expiring], { maxAgeMs: 90 * day })).toEqual([
      `shop: The newest verified backup of shop, ${expiring.ref.id}, expires at 2026-11-27 12:00 UTC.`
    ])
    const partial = backup({ hours: 1, status: 'partial' })
    expect(words([partial])).toEqual([
      'shop: shop has no backup to rely on: there is 1 backup, the newest of 2026-11-22 11:00 UTC: it is partial.'
    ])
    const [odd, damaged] = [backup({ hours: 1, status: 'anomalous' }), backup({ hours: 2, damaged: true })]
    expect(words([odd, damaged, backup({ hours: 3 })])).toEqual([
      `shop: Backup ${odd.ref.id} of shop is anomalous and not acknowledged.`,
      `shop: The latest verification of backup ${damaged.ref.id} of shop failed.`
    ])
    const unreadable = { ...backup({ hours: 1 }), manifest: null }
    const noted = '1 backup of shop cannot be read by this version.'
    expect(words([unreadable, backup({ hours: 3 })])).toEqual([
      `shop: Backup ${unreadable.ref.id} of shop cannot be used: it cannot be read (its manifest is damaged).`,
      noted
    ])
    expect(words([backup({ hours: 1 }), { ...backup({ hours: 3 }), manifest: null }])).toEqual([noted])
  })

  test('the allowed age itself is allowed', () => {
    expect(kinds([backup({ hours: 26 })])).toEqual([])
    expect(kinds([backup({ hours: 26.001 })])).toEqual(['too-old'])
  })

  test('the end of the last copy counts: of a day more or less than a week, or half of its time', () => {
    const young = { maxAgeMs: 900 * day }
    const of = (days: number, ...ends: number[]) => {
      const one = backup({ hours: 24 * days })
      return ends.map((end, index) => ({
        ...one,
        destination: index === 0 ? ('artifact' as const) : ('release' as const),
        expiresAt: new Date(now.getTime() + end * day)
      }))
    }
    expect(kinds(of(80, 6.9), young)).toEqual(['expires-soon'])
    expect(kinds(of(80, 7), young)).toEqual([])
    expect(kinds(of(80, 3, 7), young)).toEqual([])
    expect(kinds(of(80, 7, 3), young)).toEqual([])
    expect(kinds(of(80, 3, 6), young)).toEqual(['expires-soon'])
    expect(kinds(of(3, 2.9), young)).toEqual(['expires-soon'])
    expect(kinds(of(3, 3), young)).toEqual([])
    // What becomes of other backups does not matter.
    expect(kinds([...of(80, 3), ...of(90, 300)], young)).toEqual(['expires-soon'])
    // A copy that cannot be read keeps nothing.
    const [copy] = of(80, 3)
    if (copy === undefined) throw new Error('not reached')
    const { expiresAt: _expiresAt, ...lasting } = copy
    expect(kinds([copy, { ...lasting, manifest: null }], young)).toEqual(['expires-soon'])
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
    const one = backup({ hours: 1 })
    const head = `shop: The newest backup of shop, ${one.ref.id}, is encrypted`
    const other = recipients.join()
    expect(words([one], { recipients: ['fp:ffff'] })).toEqual([
      `${head} not for fp:ffff and for ${other}, which \`recipients\` does not name.`
    ])
    expect(words([one], { recipients: [...recipients, 'fp:ffff'] })).toEqual([`${head} not for fp:ffff.`])
    const more = { scheme: 'age-x25519' as const, recipients: [...recipients, 'fp:eeee'] }
    const wider = one.manifest === null ? one : { ...one, manifest: { ...one.manifest, encryption: more } }
    expect(words([wider], { recipients })).toEqual([`${head} for fp:eeee, which \`recipients\` does not name.`])
    expect(kinds([], { recipients })).toEqual(['not-verified'])
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

  const steps = (...all: string[]) => readWorkflow(`jobs: {a: {steps: [${all.join(', ')}]}}`)
  test('know the action by its name, wherever it lies, and a copy of it by its inputs', () => {
    const used = (uses: string) => steps(`{uses: '${uses}'}`).use
    for (const uses of ['acme/supabase-backup@v1', 'supabase-backup', './supabase-backup/x', 'ACME/Supabase-Backup@v1'])
      expect([uses, used(uses)]).toEqual([uses, 'backup'])
    for (const uses of ['acme/my-supabase-backup@v1', 'acme/supabase-backups@v1', 'actions/checkout@v5', './'])
      expect([uses, used(uses)]).toEqual([uses, 'none'])
    expect(steps('{uses: 5, with: {database-url: x}}').use).toBe('none')
    expect(steps("{uses: ./, with: {command: '${{ inputs.command }}'}}").use).toBe('none')
    expect(steps("{uses: x/supabase-backup@1, with: {command: '${{ inputs.command }}'}}").use).toBe('backup')
    expect(steps('{uses: x/supabase-backup@1, with: {command: check}}', '{uses: x/supabase-backup@1}').use).toBe(
      'backup'
    )
  })

  test('name projects only where every step that makes backups does', () => {
    const step = (project: string) => `{uses: x/supabase-backup@1, with: {project: ${project}}}`
    expect(steps(step('A'), step("' b '"), step('12')).projects).toEqual(['a', 'b', '12'])
    expect(steps(step('a'), step("''")).projects).toBeNull()
    expect(steps(step('a'), '{uses: x/supabase-backup@1}').projects).toBeNull()
    expect(steps(step('a'), '{uses: x/supabase-backup@1, with: {command: check}}').projects).toEqual(['a'])
    expect(steps('{uses: x/supabase-backup@1, with: {command: check, project: a}}').projects).toBeNull()
  })

  test('have schedules in UTC unless they name a zone, and entries without a time are none', () => {
    const of = (schedule: string) => readWorkflow(`on: {schedule: ${schedule}}`).schedules
    expect(of("[{cron: ' 1 2 * * * '}, {cron: ''}, {timezone: UTC}, x, {cron: 5, timezone: ''}]")).toEqual([
      { cron: '1 2 * * *', timezone: 'UTC' },
      { cron: '5', timezone: 'UTC' }
    ])
    expect(readWorkflow("'on': {schedule: [{cron: '1 2 * * *'}]}").schedules).toHaveLength(1)
  })

  test('the next times, soonest first, of all schedules together', () => {
    const next = (crons: readonly string[], most: number, timezone = 'UTC') =>
      nextTimes(
        crons.map((cron) => ({ cron, timezone })),
        new Date('2026-11-22T03:17:00Z'),
        most
      )?.map((time) => time.toISOString())
    expect(next(['17 3 * * *', '0 12 * * *'], 3)).toEqual([
      '2026-11-22T12:00:00.000Z',
      '2026-11-23T03:17:00.000Z',
      '2026-11-23T12:00:00.000Z'
    ])
    // Two schedules that fall together are one time.
    expect(next(['17 3 * * *', '17 3 * * *'], 2)).toEqual(['2026-11-23T03:17:00.000Z', '2026-11-24T03:17:00.000Z'])
    expect(next(['17 3 * * *'], 1, 'Europe/Berlin')).toEqual(['2026-11-23T02:17:00.000Z'])
    expect(next([], 5)).toEqual([])
    for (const cron of ['* * * * * *', 'nonsense', '61 * * * *', ' ', '0 0 30 2 *'])
      expect([cron, next([cron, '17 3 * * *'], 1)]).toEqual([cron, undefined])
    expect(next(['  17   3 * * * '], 1)).toHaveLength(1)
  })

  test('the times that have been, newest first, of all schedules together, and no more than are asked for', () => {
    const been = (crons: readonly string[], most: number) =>
      scheduledTimes(
        crons.map((cron) => ({ cron, timezone: 'UTC' })),
        new Date('2026-11-20T03:17:00Z'),
        new Date('2026-11-22T03:17:00Z'),
        most
      )?.map((time) => time.toISOString())
    // The first moment and the last one belong to it.
    expect(been(['17 3 * * *'], 9)).toEqual([
      '2026-11-22T03:17:00.000Z',
      '2026-11-21T03:17:00.000Z',
      '2026-11-20T03:17:00.000Z'
    ])
    expect(been(['17 3 * * *', '0 12 * * *'], 2)).toEqual(['2026-11-22T03:17:00.000Z', '2026-11-21T12:00:00.000Z'])
    expect(been([' 17 3  * * * '], 1)).toEqual(['2026-11-22T03:17:00.000Z'])
    expect(been([], 5)).toEqual([])
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
    // One that names several is looked at as soon as one of them is, and says nothing of those that it does not name.
    const two = workflow({ projects: ['wiki', 'shop'], state: 'disabled_manually' })
    expect(check([two], [backup({ hours: 1 })]).alarms).toHaveLength(1)
    expect(check([workflow({ projects: ['shop'] })], [backup({ hours: 1 })], ['shop', 'blog']).alarms).toEqual([])
    // Where it is not clear which one is meant, the one that asks least.
    expect(check([workflow(), workflow(weekly)], [backup({ hours: 30 })]).alarms).toEqual([])
  })

  test('says which run is missing, since when', () => {
    const details = (entries: readonly HistoryEntry[]) =>
      check([workflow()], entries).alarms.map(({ detail }) => detail)
    expect(details([])).toEqual([
      'backup.yml was to run at 2026-11-22 03:17 UTC, and no backup of shop was made since.'
    ])
    expect(details([backup({ hours: 9 }), backup({ hours: 33 })])).toEqual([
      'backup.yml was to run at 2026-11-22 03:17 UTC, and no backup of shop was made since. The newest is of 2026-11-22 03:00 UTC.'
    ])
    expect(check([workflow({ state: 'disabled_manually' })], []).alarms).toEqual([
      {
        kind: 'workflow-disabled',
        detail: 'The workflow backup.yml is switched off (disabled_manually): its schedule does not run.'
      }
    ])
  })

  test('a run is missed two hours after its time, and a clock may be a minute behind', () => {
    const at = (cron: string) => workflow({ schedules: [{ cron, timezone: 'UTC' }] })
    const old = [backup({ hours: 23.5 })]
    expect(check([at('0 10 * * *')], old).alarms).toHaveLength(1)
    expect(check([at('1 10 * * *')], old).alarms).toEqual([])
    const minute = 1 / 60
    expect(check([workflow()], [backup({ hours: 8 + 43 * minute + minute })]).alarms).toEqual([])
    expect(check([workflow()], [backup({ hours: 8 + 43 * minute + 1.1 * minute })]).alarms).toHaveLength(1)
  })

  test('a schedule that was never due in the last weeks says nothing, and neither does a backup of another project', () => {
    const yearly = workflow({ schedules: [{ cron: '17 3 1 1 *', timezone: 'UTC' }] })
    expect(check([yearly], [])).toEqual({ alarms: [], warnings: [] })
    expect(check([workflow()], [backup({ hours: 1, project: 'blog' })]).alarms).toHaveLength(1)
    expect(check([workflow()], [backup({ hours: 1, kind: 'safety' })]).alarms).toHaveLength(1)
    expect(check([], [])).toEqual({ alarms: [], warnings: [] })
  })

  test('F75: copies of one backup are one, those of before yesterday none, and runs that may still come are not missed', () => {
    const sixTimes = workflow({ schedules: [{ cron: '17 */4 * * *', timezone: 'UTC' }] })
    const all = [3, 7, 11, 15, 19, 23].map((hours) => backup({ hours }))
    const copies = all.slice(1, 4).map((one) => ({ ...one, destination: 'release' as const }))
    const few = [...all.slice(0, 3), ...all.slice(4), ...copies.slice(0, 2)]
    expect(check([sixTimes], few).warnings).toEqual([
      'backup.yml was to run 6 times in the last 24 hours; 5 backups of shop came of it.'
    ])
    const late = workflow({ schedules: [{ cron: '0 2,11 * * *', timezone: 'UTC' }] })
    expect(check([late], [backup({ hours: 9 })]).warnings).toEqual([])
    expect(check([late], [backup({ hours: 9 }), backup({ hours: 25 })]).warnings).toEqual([])
    const twice = workflow({ schedules: [{ cron: '0 2,9 * * *', timezone: 'UTC' }] })
    expect(check([twice], [backup({ hours: 2 }), backup({ hours: 25 })]).warnings).toEqual([
      'backup.yml was to run 2 times in the last 24 hours; 1 backup of shop came of it.'
    ])
  })

  test('a schedule that cannot be read is a warning', () => {
    expect(check([workflow({ schedules: [{ cron: 'now', timezone: 'UTC' }] })], [backup({ hours: 30 })])).toMatchObject(
      { alarms: [], warnings: [expect.stringContaining('backup.yml')] }
    )
  })
})

test('the badge says age, proof and whether all is well', () => {
  const newest = newestTrustworthy([backup({ hours: 5 })], now)
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

test('the schedule of a reusable workflow that makes backups is that of its caller', () => {
  const called = `
on: workflow_call
jobs:
  backup:
    steps:
      - uses: acme/supabase-backup@v1
        with: { database-url: x, project: "\${{ inputs.project }}" }`
  const caller = (project: string) => `
on:
  schedule: [{ cron: "7 3 * * *" }]
jobs:
  shop:
    uses: ./.github/workflows/backup.yml
    with: { project: ${project} }`
  const read = (project: string) =>
    withCalled([
      { ...readWorkflow(called), file: 'backup.yml', state: 'active' },
      { ...readWorkflow(caller(project)), file: 'nightly.yml', state: 'disabled_inactivity' }
    ]).filter((one) => one.use === 'backup' && one.schedules.length > 0)
  expect(read('Shop')).toMatchObject([{ file: 'nightly.yml', projects: ['shop'] }])
  expect(read('"${{ matrix.project }}"')).toMatchObject([{ file: 'nightly.yml', projects: null }])
  expect(checkSchedules(read('shop'), ['shop'], [], now).alarms).toMatchObject([
    { kind: 'workflow-disabled', detail: expect.stringContaining('nightly.yml') }
  ])
})
