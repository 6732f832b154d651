import { describe, expect, test } from 'vitest'
import { collectDashboard, type DashboardFacts, type ListedPlace } from '../../../../src/ui/dashboard/collect.ts'
import { healthOf, verdictOf } from '../../../../src/ui/dashboard/health.ts'
import { type SampleBackup, sampleEntry, samplePlaces, sampleWorkflows } from '../../../kit/sample-history.ts'

const now = new Date('2026-11-22T12:00:00Z')
const hour = 60 * 60 * 1000
const day = 24 * hour
const proven: NonNullable<SampleBackup['records']> = [
  {
    outcome: 'passed',
    openedBy: ['age1:3f9c21d07b5e'],
    verification: {
      level: 'restore',
      at: '2026-11-20T00:00:00.000Z',
      tables: { restore: 61, read: 0, differing: 0 },
      notProven: [],
      durationMs: 20_000
    }
  }
]

function sample(ageMs: number, seed: number, more: Partial<SampleBackup> = {}) {
  return sampleEntry({ project: 'shop', at: new Date(now.getTime() - ageMs), seed, records: proven, ...more })
}

function collect(places: readonly Partial<ListedPlace>[], workflows: DashboardFacts['workflows'] = null, at = now) {
  return collectDashboard(
    {
      tool: 'supabase-backup 1.0.0',
      repository: null,
      places: places.map((place) => ({ name: 'repository', place: 'acme/backups', inputs: {}, entries: [], ...place })),
      workflows
    },
    at
  )
}

function health(data: ReturnType<typeof collect>, at = now) {
  const [project] = data.projects
  if (project === undefined) throw new Error('no project')
  return healthOf(project, data.backups, data, at)
}

describe('what the dashboard shows', () => {
  test('copies of a backup in several places are one, with all places and each record once', () => {
    const entry = sample(hour, 1)
    const data = collect([{ entries: [entry] }, { name: 'folder', entries: [{ ...entry, destination: 'folder' }] }])
    expect(data.backups).toHaveLength(1)
    expect(data.backups[0]?.copies.map((copy) => copy.destination)).toEqual(['repository', 'folder'])
    expect(data.backups[0]?.proofs.map((proof) => [proof.later, proof.opened])).toEqual([
      [false, false],
      [true, true]
    ])
  })

  test('one copy that is damaged does not hide a good one', () => {
    const entry = sample(hour, 1)
    const data = collect([
      { entries: [{ ...entry, damaged: true, verified: 'none' }] },
      { name: 'folder', entries: [{ ...entry, destination: 'folder' }] }
    ])
    expect(data.backups[0]?.status).toBe('complete')
    expect(data.backups[0]?.verified).toBe('restore')
  })

  test('packs that backups share count once a place, and once in the size of each backup', () => {
    const data = collect([{ entries: [sample(hour, 1), sample(day, 2)] }])
    expect(data.places[0]?.projects[0]).toMatchObject({ project: 'shop', backups: 2, sharedBytes: 188_000_000 })
    for (const backup of data.backups) expect(backup.bytes).toBeGreaterThan(188_000_000)
  })

  test('changes of the shape are told by kinds', () => {
    const data = collect([{ entries: [sample(hour, 19), sample(day, 18)] }])
    expect(data.backups[0]?.changes).toEqual(['policies: 1 more (32, were 31)'])
    expect(data.backups[1]?.changes).toEqual([])
  })

  test('nothing of unknown keys of a manifest reaches the page: names of tables stay out', () => {
    const entry = sample(hour, 1)
    const withNames = {
      ...entry,
      manifest: entry.manifest === null ? null : { ...entry.manifest, tables: ['public.secret_table'] }
    }
    expect(JSON.stringify(collect([{ entries: [withNames] }]))).not.toContain('secret_table')
  })

  test('a backup that cannot be read, or whose manifest was changed, is shown as that with the reason', () => {
    const newer = {
      ...sample(hour, 1),
      manifest: null,
      unreadable: 'written by a newer version: install 9.0.0 or later'
    }
    const changed = { ...sample(day, 2), changed: true }
    const data = collect([{ entries: [newer, changed] }])
    expect(data.backups.map((backup) => backup.status)).toEqual(['unreadable', 'unreadable'])
    expect(data.backups[0]?.note).toContain('install 9.0.0')
    expect(data.backups[1]?.note).toContain('changed after it was written')
  })

  test('a place that could not be listed is named', () => {
    const data = collect([{ entries: [sample(hour, 1)] }, { name: 'release', place: 'acme/shop', error: 'SB401' }])
    expect(health(data)).toMatchObject({ state: 'attention', reasons: ['acme/shop could not be read (SB401).'] })
  })
})

describe('when the next backup is due', () => {
  test('by the schedule of the workflow', () => {
    const data = collect([{ entries: [sample(9 * hour, 1)] }], sampleWorkflows)
    expect(data.projects[0]?.nextRuns?.[0]).toBe('2026-11-23T02:47:00.000Z')
    expect(data.projects[0]?.dueAt).toBe('2026-11-23T04:47:00.000Z')
    expect(health(data).state).toBe('good')
  })

  test('after a scheduled run that left nothing: the first one counts', () => {
    const data = collect([{ entries: [sample(3 * day, 1)] }], sampleWorkflows)
    expect(data.projects[0]?.dueAt).toBe('2026-11-20T04:47:00.000Z')
    expect(health(data)).toMatchObject({ state: 'bad', reasons: ['A backup is overdue: the newest is 3 days old.'] })
  })

  test('as often as backups were made, where no schedule is known', () => {
    const weekly = [1, 8, 15, 22].map((days, index) => sample(days * day, index))
    const data = collect([{ entries: weekly }])
    expect(data.projects[0]?.nextRuns).toBeNull()
    expect(data.projects[0]?.dueAt).toBe(new Date(now.getTime() - day + 10.5 * day).toISOString())
  })

  test('never for backups that people make by hand', () => {
    const data = collect([{ entries: [sample(40 * day, 1, { facts: { kind: 'manual' } })] }])
    expect(data.projects[0]?.dueAt).toBeNull()
    expect(health(data).state).toBe('good')
  })

  test('a page that is older than the due time does not know: it says so', () => {
    const data = collect([{ entries: [sample(9 * hour, 1)] }], sampleWorkflows)
    const later = new Date('2026-11-24T12:00:00Z')
    expect(health(data, later)).toEqual({
      state: 'unknown',
      reasons: ['A new backup was due since this page was made 2 days ago. Open a newer page.']
    })
  })

  test('a workflow that is switched off is a risk', () => {
    const [workflow] = sampleWorkflows
    if (workflow === undefined) throw new Error('no workflow')
    const data = collect([{ entries: [sample(hour, 1)] }], [{ ...workflow, state: 'disabled_inactivity' }])
    expect(data.projects[0]?.nextRuns).toBeNull()
    expect(health(data)).toMatchObject({ state: 'bad' })
    expect(health(data).reasons[0]).toContain('switched off')
  })
})

describe('health', () => {
  const unproven = {
    level: 'none' as const,
    at: null,
    tables: { restore: 0, read: 0, differing: 0 },
    notProven: []
  }
  test.each<[string, Partial<SampleBackup>, string]>([
    ['no verified backup', { facts: { verification: unproven }, records: [] }, 'bad'],
    ['anomalous, not acknowledged, alone', { facts: { status: 'anomalous' } }, 'bad'],
    ['anomalous, acknowledged', { facts: { status: 'anomalous' }, acknowledged: true }, 'good'],
    ['partial', { facts: { status: 'partial' } }, 'bad']
  ])('%s', (_, more, state) => {
    expect(health(collect([{ entries: [sample(hour, 1, more)] }], sampleWorkflows)).state).toBe(state)
  })

  test('all together in one sentence, the worst first', () => {
    expect(verdictOf([]).text).toBe('There is no backup yet')
    expect(verdictOf(['good']).text).toBe('The project is healthy')
    expect(verdictOf(['good', 'good']).text).toBe('All 2 projects are healthy')
    expect(verdictOf(['good', 'attention', 'bad']).text).toBe('1 of 3 projects is at risk')
    expect(verdictOf(['attention', 'attention', 'good']).text).toBe('2 of 3 projects need a look')
    expect(verdictOf(['good', 'unknown'])).toEqual({ state: 'unknown', text: 'This page is too old to say' })
  })

  test('the sample has one of each', () => {
    const data = collectDashboard(
      { tool: '', repository: null, places: samplePlaces(now), workflows: sampleWorkflows },
      now
    )
    const states = data.projects.map((project) => [
      project.label,
      healthOf(
        project,
        data.backups.filter((backup) => backup.project === project.label),
        data,
        now
      ).state
    ])
    expect(states).toEqual([
      ['blog', 'attention'],
      ['crm', 'bad'],
      ['docs-search', 'good'],
      ['shop', 'good']
    ])
  })
})
