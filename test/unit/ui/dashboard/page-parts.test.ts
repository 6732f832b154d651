import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { declaredInputs } from '../../../../src/inputs/input-definitions.ts'
import { daysOf, describe as inWords, momentsOf, toneOf } from '../../../../src/ui/dashboard/activity.ts'
import { collectDashboard } from '../../../../src/ui/dashboard/collect.ts'
import { applyFilter, noFilter } from '../../../../src/ui/dashboard/filter.ts'
import { healthOf } from '../../../../src/ui/dashboard/health.ts'
import { divide, isMeant, mostCards } from '../../../../src/ui/dashboard/many-projects.ts'
import { dashboardMark, dataPlaceholder, renderDashboard } from '../../../../src/ui/dashboard/render.ts'
import { restoreInputs } from '../../../../src/ui/dashboard/restore-inputs.ts'
import { measure, mostLines, recoveryTimes, seriesOf } from '../../../../src/ui/dashboard/series.ts'
import { samplePlaces, sampleWorkflows } from '../../../kit/sample-history.ts'

const now = new Date('2026-11-22T12:00:00Z')
const day = 24 * 60 * 60 * 1000
const data = collectDashboard(
  { tool: 'supabase-backup 1.0.0', repository: null, places: samplePlaces(now), workflows: sampleWorkflows },
  now
)
const [anyBackup] = data.backups
if (anyBackup === undefined) throw new Error('the sample is empty')

describe('the page', () => {
  const template = `${dashboardMark}\n<script type="application/json" id="data">${dataPlaceholder}</script>`

  test('holds the data, and nothing in the data can end its block', () => {
    const hostile = '</script><script>alert(1)</script><!-- \u2028 & $& $1'
    const page = renderDashboard(template, { ...data, tool: hostile })
    expect(page.match(/<\/script>/g)).toHaveLength(1)
    expect(page).not.toContain('<!-- \u2028')
    const json = page.slice(page.indexOf('id="data">') + 10, page.lastIndexOf('</script>'))
    expect(json).not.toMatch(/[<>&\u2028]/)
    expect(JSON.parse(json).tool).toBe(hostile)
  })

  test('is refused when the template is not whole', () => {
    for (const broken of ['', dashboardMark, template.replace(dashboardMark, ''), `${template}${dataPlaceholder}`])
      expect(() => renderDashboard(broken, data)).toThrow('not whole')
  })
})

describe('filters', () => {
  const ids = (filter: Partial<typeof noFilter>) => applyFilter(data.backups, { ...noFilter, ...filter }, now)

  test('by project, type, status and time, together', () => {
    expect(ids({})).toHaveLength(data.backups.length)
    expect(ids({ project: 'shop' })).toHaveLength(76)
    expect(ids({ project: 'blog', status: 'partial' })).toHaveLength(2)
    expect(ids({ type: 'schema' })).toHaveLength(0)
    expect(ids({ project: 'shop', range: '7' })).toHaveLength(7)
    expect(ids({ project: 'shop', range: 'between', from: '2026-11-01', to: '2026-11-03' })).toHaveLength(3)
    expect(ids({ project: 'shop', range: 'between', from: 'nonsense', to: '' })).toHaveLength(76)
  })

  test('every word of a search is somewhere in the backup', () => {
    expect(ids({ search: 'PINNED manual' })).toHaveLength(1)
    expect(ids({ search: 'storage impossible blog' })).toHaveLength(2)
    expect(ids({ search: anyBackup.id })).toHaveLength(1)
    expect(ids({ search: 'folder' })).toHaveLength(14)
    expect(ids({ search: '(.*' })).toHaveLength(0)
  })
})

describe('series', () => {
  test('times rise, each project is a line with gaps, safety copies are left out', () => {
    const series = seriesOf(data.backups, measure('rows'))
    expect(series.times).toEqual(series.times.toSorted((a, b) => a - b))
    expect(series.lines.map((line) => line.label)).toEqual(['shop', 'docs-search', 'blog', 'crm'])
    for (const line of series.lines) expect(line.values).toHaveLength(series.times.length)
    const [first] = series.lines
    expect(first?.values.filter((value) => value !== null)).toHaveLength(76)
    expect(measure('rows')({ ...anyBackup, kind: 'safety' })).toEqual([])
  })

  test('the largest of many projects are shown, and the others counted', () => {
    const many = Array.from({ length: 12 }, (_, index) => ({ ...anyBackup, project: `p${index}`, rows: index }))
    const series = seriesOf(many, measure('rows'))
    expect(series.lines).toHaveLength(mostLines)
    expect(series.lines[0]?.label).toBe('p11')
    expect(series.left).toBe(4)
  })

  test('recovery times are those of restores that passed', () => {
    expect(recoveryTimes(anyBackup).every(({ value }) => value > 0)).toBe(true)
    const [proof] = data.backups.find((backup) => backup.project === 'shop')?.proofs ?? []
    if (proof === undefined) throw new Error('no proof')
    const failed = {
      ...anyBackup,
      proofs: [
        { ...proof, outcome: 'failed' as const },
        { ...proof, level: 'read' as const }
      ]
    }
    expect(recoveryTimes(failed)).toEqual([])
  })
})

describe('activity', () => {
  test('backups and later verifications, newest first', () => {
    const all = momentsOf(data.backups).map(inWords)
    expect(all.map((one) => one.at)).toEqual(
      all
        .map((one) => one.at)
        .toSorted()
        .reverse()
    )
    expect(all.filter((one) => one.title.startsWith('Verified again'))).toHaveLength(4)
    expect(all.find((one) => one.backup.status === 'anomalous')?.title).toBe('Backup: anomalous, acknowledged')
  })

  test('a bad backup does not hide behind a good one of the same day', () => {
    const good = { ...anyBackup, createdAt: now.toISOString() }
    const bad = { ...good, status: 'damaged' as const }
    expect(toneOf(bad)).toBe('bad')
    const days = daysOf([good, bad], 3, now)
    expect(days.map((one) => one.tone)).toEqual([null, null, 'bad'])
    expect(days.at(-1)?.backups).toBe(2)
    expect((days[1]?.start ?? 0) - (days[0]?.start ?? 0)).toBe(day)
  })
})

describe('inputs to copy', () => {
  test('are inputs of this action, valid YAML, and name the place', () => {
    const shop = data.backups.find((backup) => backup.project === 'shop')
    if (shop === undefined) throw new Error('no backup of shop')
    const all = restoreInputs(shop, data.places)
    expect(all.map((one) => parse(one.yaml).command)).toEqual(['restore', 'restore', 'verify', 'download'])
    for (const one of all) {
      const inputs = parse(one.yaml)
      for (const name of Object.keys(inputs)) expect(Object.keys(declaredInputs)).toContain(name)
      expect(inputs).toMatchObject({
        project: 'shop',
        backup: shop.id,
        destinations: 'repository',
        repository: 'acme/backups'
      })
      expect(inputs.identity).toBe(`\${{ secrets.BACKUP_IDENTITY }}`)
    }
  })

  test('texts that YAML would read otherwise are quoted; the key fits the encryption', () => {
    const odd = {
      ...anyBackup,
      project: '007',
      encryption: 'age-scrypt',
      copies: [{ destination: 'folder', url: null, expiresAt: null }]
    }
    const places = data.places.map((place) =>
      place.name === 'folder' ? { ...place, inputs: { folder: 'a: b #c' } } : place
    )
    const inputs = parse(restoreInputs(odd, places)[0]?.yaml ?? '')
    expect(inputs).toMatchObject({ project: '007', folder: 'a: b #c', passphrase: `\${{ secrets.BACKUP_PASSPHRASE }}` })
    expect(restoreInputs({ ...odd, encryption: 'none' }, places)[0]?.yaml).not.toContain('secrets.BACKUP')
  })
})

describe('many projects', () => {
  const some = (states: readonly ('good' | 'bad' | 'attention')[]) =>
    states.map((state, index) => ({ label: `p${index}`, health: { state } }))

  test('few have a card each; of many, the healthy ones share a table', () => {
    const few = some(['bad', ...Array<'good'>(mostCards - 1).fill('good')])
    expect(divide(few)).toEqual({ cards: few, rows: [] })
    const { cards, rows } = divide(some(['bad', 'attention', ...Array<'good'>(28).fill('good')]))
    expect(cards.map(({ label }) => label)).toEqual(['p0', 'p1'])
    expect(rows).toHaveLength(28)
  })

  test('one is found by the words of its label, or by its trouble', () => {
    expect(isMeant('shop-eu', 'good', '', false)).toBe(true)
    expect(isMeant('shop-eu', 'good', ' EU  shop ', false)).toBe(true)
    expect(isMeant('shop-eu', 'good', 'us', false)).toBe(false)
    expect(isMeant('shop-eu', 'good', '', true)).toBe(false)
    expect(isMeant('shop-eu', 'attention', 'shop', true)).toBe(true)
  })

  test('an anomalous backup tells the rows before and now', () => {
    const shop = data.projects.find(({ label }) => label === 'shop')
    const good = data.backups.find(({ project, doubt }) => project === 'shop' && doubt === null)
    if (shop === undefined || good === undefined) throw new Error('the sample has no shop')
    const backups = [
      { ...good, id: 'newer', status: 'anomalous' as const, doubt: 'it is anomalous', rows: 8000 },
      { ...good, rows: 42_183 }
    ]
    const project = { ...shop, dueAt: null, alarms: [{ kind: 'anomalous', detail: 'The newest is anomalous.' }] }
    const { reasons } = healthOf(project, backups, data, now)
    expect(reasons[0]).toMatch(/^The newest is anomalous\. Rows: 42.183 \u2192 8.000\.$/)
    expect(healthOf(project, backups.slice(0, 1), data, now).reasons[0]).toBe('The newest is anomalous.')
  })
})
