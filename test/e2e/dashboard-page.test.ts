import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { DashboardData } from '../../src/ui/dashboard/data.ts'
import { renderDashboard } from '../../src/ui/dashboard/render.ts'
import { startBrowser } from '../kit/browser.ts'
import { dashboardTemplate, manyBackups, sampleData, sampleTime } from '../kit/dashboard.ts'

const views = ['overview', 'activity', 'growth', 'storage', 'recovery', 'backups'] as const
const titles = ['Overview', 'Activity', 'Growth', 'Storage', 'Recovery', 'Backups'] as const

/** For what is drawn at the next frame: a busy machine takes its time. */
const patience = { timeout: 30_000 }

let folder: string
let browser: Browser
let template: string
let axe: string
let context: BrowserContext | undefined
let complaints: string[] = []
let files = 0

interface OpenOptions {
  readonly hash?: string
  readonly dark?: boolean
  readonly width?: number
  readonly now?: Date
}

/** Opens a page from disk, and notes everything that it complains about or asks the network for. */
async function open(data: DashboardData, options: OpenOptions = {}): Promise<Page> {
  const file = join(folder, `page-${++files}.html`)
  await writeFile(file, renderDashboard(template, data))
  context = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: 900 },
    colorScheme: options.dark === true ? 'dark' : 'light',
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    reducedMotion: 'reduce'
  })
  const page = await context.newPage()
  const address = pathToFileURL(file).href
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    if (!request.url().startsWith(address)) complaints.push(`asked for ${request.url()}`)
  })
  await page.clock.setFixedTime(options.now ?? sampleTime)
  await page.goto(`${address}${options.hash ?? ''}`)
  return page
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sb-dashboard-'))
  template = await dashboardTemplate()
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  browser = await startBrowser()
})
afterEach(async () => {
  await context?.close()
  context = undefined
  const heard = complaints
  complaints = []
  expect(heard).toEqual([])
})
afterAll(async () => {
  await browser?.close()
  await rm(folder, { recursive: true, force: true })
})

describe('what a reader sees', () => {
  test('the verdict first, then each project, the worst first, with what is wrong', async () => {
    const page = await open(sampleData())
    expect(await page.locator('.verdict .words').textContent()).toBe('1 of 4 projects is at risk.')
    expect(await page.locator('.card h2').allTextContents()).toEqual(['crm', 'blog', 'docs-search', 'shop'])
    expect(await page.locator('.card .badge').allTextContents()).toEqual([
      'At risk',
      'Needs a look',
      'Healthy',
      'Healthy'
    ])
    expect(await page.locator('.card').first().locator('.reasons').textContent()).toContain(
      'overdue: the newest is 3 days old'
    )
    const shop = page.locator('.card', { hasText: 'shop' }).locator('.facts')
    expect(await shop.textContent()).toContain('Next runin 15 hoursat 03:47')
    expect(await shop.textContent()).toContain('Recovery time24.6 s')
  })

  test('a page that is looked at days later does not say that all is well', async () => {
    const data = sampleData()
    const page = await open(data, { now: new Date(sampleTime.getTime() + 5 * 86_400_000) })
    expect(await page.locator('.card .badge').allTextContents()).not.toContain('Healthy')
    expect(await page.locator('#made').textContent()).toContain('5 days ago')
  })

  test('every view by its link, with the numbers of its charts as tables', async () => {
    const page = await open(sampleData())
    for (const [index, view] of views.entries()) {
      await page.locator(`#view-${view}`).click()
      expect(await page.locator('h1').textContent()).toBe(titles[index])
      expect(await page.locator('[aria-current="page"]').allTextContents()).toEqual([titles[index]])
      expect(await page.title()).toContain(titles[index])
    }
    await page.locator('#view-growth').click()
    await expect.poll(() => page.locator('.plot canvas').count(), patience).toBe(4)
    await page.locator('.numbers summary').first().click()
    // The table is made when it is opened, which is told a moment later.
    await expect
      .poll(() => page.locator('.numbers').first().locator('thead th').allTextContents(), patience)
      .toEqual(['Time', 'shop', 'docs-search', 'blog', 'crm'])
    expect(await page.locator('.numbers').first().locator('tbody tr').first().textContent()).toContain(
      '1\u202f005\u202f200'
    )
    await page.locator('#view-storage').click()
    expect(await page.locator('.bars .value').allTextContents()).toEqual([
      '9.34 GB in 208 backups',
      '1.55 GB in 14 backups'
    ])
    await page.locator('#view-recovery').click()
    expect(await page.locator('.bars .value').allTextContents()).toEqual([
      '60 restored',
      '27 restored',
      '45 read',
      '76 restored'
    ])
    await expect.poll(() => page.locator('.plot canvas').count(), patience).toBe(1)
  })

  test('lines of a chart are drawn, and hidden by the buttons that name them', async () => {
    const page = await open(sampleData(), { hash: '#recovery' })
    const names = page.locator('.names button')
    await expect.poll(() => names.count(), patience).toBe(3)
    const picture = async () => String(await page.evaluate('document.querySelector(".plot canvas").toDataURL()'))
    const before = await picture()
    for (const name of await names.all()) await name.click()
    // Without its lines there is less to compress.
    await expect.poll(async () => (await picture()).length, patience).toBeLessThan(before.length * 0.7)
    expect(await names.first().getAttribute('aria-pressed')).toBe('false')
  })

  test('filters go together, stand in the address, and come back with it', async () => {
    const page = await open(sampleData(), { hash: '#backups' })
    expect(await page.locator('#count').textContent()).toBe('208 of 208 backups')
    await page.locator('#filter-project').selectOption('blog')
    await page.locator('#filter-status').selectOption('partial')
    expect(await page.locator('#count').textContent()).toBe('2 of 208 backups')
    expect(await page.locator('tbody tr').count()).toBe(2)
    expect(page.url()).toMatch(/#backups\?project=blog&status=partial$/)
    await page.reload()
    expect(await page.locator('tbody tr').count()).toBe(2)
    expect(await page.locator('#filter-status').inputValue()).toBe('partial')
    await page.getByRole('button', { name: 'Clear' }).click()
    await page.locator('#filter-search').fill('PINNED')
    expect(await page.locator('tbody tr').count()).toBe(1)
    await page.locator('#filter-search').fill('no such thing')
    expect(await page.locator('#view').textContent()).toBe('No backup fits the filter.')
    await page.locator('#filter-search').fill('')
    await page.locator('#filter-range').selectOption('between')
    await page.locator('#filter-from').fill('2026-11-01')
    await page.locator('#filter-to').fill('2026-11-02')
    expect(await page.locator('#count').textContent()).toBe('8 of 208 backups')
    await page.locator('#view-activity').click()
    expect(await page.locator('.events li').count()).toBe(8)
    await page.goBack()
    expect(await page.locator('h1').textContent()).toBe('Backups')
  })

  test('the table is sorted by its heads, in both directions', async () => {
    const page = await open(sampleData(), { hash: '#backups' })
    await page.locator('#sort-rows').click()
    expect(await page.locator('th[aria-sort="descending"]').textContent()).toContain('Rows')
    const largest = await page.locator('tbody tr').first().textContent()
    expect(largest).toContain('1\u202f005\u202f200')
    await page.locator('#sort-rows').click()
    expect(await page.locator('th[aria-sort="ascending"]').textContent()).toContain('Rows')
    expect(await page.locator('tbody tr').first().textContent()).toContain('15\u202f220')
  })

  test('details of a backup, with inputs that are copied as they stand', async () => {
    const page = await open(sampleData(), { hash: '#backups?project=shop' })
    await context?.grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.locator('tbody tr').first().locator('button').click()
    const dialog = page.getByRole('dialog')
    expect(await dialog.locator('h2').textContent()).toBe('Backup of shop')
    const id = await dialog.locator('.idline code').textContent()
    expect(await dialog.locator('pre').first().textContent()).toContain(`backup: ${id}\n`)
    await dialog.getByRole('button', { name: 'Copy the inputs: Restore everything' }).click()
    await expect.poll(() => page.locator('#said').textContent(), patience).toBe('Copied.')
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(
      await dialog.locator('pre').first().textContent()
    )
    expect(await dialog.locator('.plain a').first().getAttribute('href')).toContain(
      'https://github.com/acme/backups/tree/'
    )
    await page.keyboard.press('Escape')
    expect(await page.getByRole('dialog').count()).toBe(0)
    expect(page.url()).not.toContain('backup=')
  })

  test('a single backup stands in the middle of a chart of two days', async () => {
    const data = sampleData()
    const page = await open({ ...data, backups: data.backups.slice(0, 1) }, { hash: '#growth' })
    await expect.poll(() => page.locator('.plot canvas').count(), patience).toBe(4)
    await page.locator('.u-over').first().hover()
    expect(await page.locator('.tip').first().textContent()).toContain('22 Nov 2026, 04:00')
    const point = await page.locator('.u-cursor-pt').first().boundingBox()
    const plot = await page.locator('.u-over').first().boundingBox()
    if (point === null || plot === null) throw new Error('nothing is drawn')
    expect(Math.abs(point.x + point.width / 2 - plot.x - plot.width / 2)).toBeLessThan(4)
  })

  test('no backup at all is said, not shown as health', async () => {
    const page = await open({ ...sampleData(), backups: [], projects: [], places: [] })
    expect(await page.locator('.verdict .words').textContent()).toBe('There is no backup yet.')
    for (const view of views) await page.locator(`#view-${view}`).click()
  })
})

describe('1,000 backups', () => {
  test('rows are bounded in every view, and pages lead to the last', async () => {
    const page = await open(manyBackups(1000))
    for (const view of views) {
      await page.locator(`#view-${view}`).click()
      expect(Number(await page.evaluate('document.querySelectorAll("#view *").length')), view).toBeLessThan(1500)
    }
    expect(await page.locator('#count').textContent()).toBe('1\u202f000 of 1\u202f000 backups')
    expect(await page.locator('tbody tr').count()).toBe(25)
    expect(await page.locator('.pages span').textContent()).toBe('Page 1 of 40')
    await page.getByRole('button', { name: 'Older' }).click()
    expect(await page.locator('.pages span').textContent()).toBe('Page 2 of 40')
    await page.goto(page.url().replace('page=2', 'page=40'))
    expect(await page.locator('.pages span').textContent()).toBe('Page 40 of 40')
    expect(await page.getByRole('button', { name: 'Older' }).isDisabled()).toBe(true)
    await page.locator('#view-activity').click()
    expect(await page.locator('.events li').count()).toBe(50)
    await page.getByRole('button', { name: /^Show more/ }).click()
    expect(await page.locator('.events li').count()).toBe(100)
  })
})

describe('for everybody', () => {
  for (const dark of [false, true]) {
    test(`axe finds nothing to mend in ${dark ? 'dark' : 'light'}, in any view and in the details`, async () => {
      const page = await open(sampleData(), { dark })
      await page.evaluate(axe)
      const look = async (where: string) => {
        const found: unknown = await page.evaluate(
          'axe.run().then((result) => result.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" | ").slice(0, 600)}`))'
        )
        expect(found, where).toEqual([])
      }
      for (const view of views) {
        await page.locator(`#view-${view}`).click()
        if (view === 'growth') await page.locator('.numbers summary').first().click()
        await look(view)
      }
      await page.locator('tbody tr').first().locator('button').click()
      for (const one of await page.locator('dialog summary').all()) await one.click()
      await look('details')
    })
  }

  test('nothing is wider than a phone', async () => {
    const page = await open(sampleData(), { width: 390 })
    for (const view of views) {
      await page.locator(`#view-${view}`).click()
      expect(await page.evaluate('document.documentElement.scrollWidth'), view).toBe(390)
    }
  })

  test('the keyboard alone reaches a backup, its inputs, and the way back', async () => {
    const page = await open(sampleData())
    const focused = () => page.evaluate('document.activeElement.id || document.activeElement.textContent')
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('skip')
    await page.keyboard.press('Enter')
    expect(await focused()).toBe('content')
    await page.keyboard.press('Shift+Tab')
    expect(await focused()).toBe('view-backups')
    await page.keyboard.press('Enter')
    expect(await page.locator('h1').textContent()).toBe('Backups')
    expect(await focused()).toBe('view-backups')
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('filter-search')
    await page.keyboard.type('pinned')
    expect(await page.locator('tbody tr').count()).toBe(1)
    for (let step = 0; step < 20 && !String(await focused()).startsWith('shop'); step += 1)
      await page.keyboard.press('Tab')
    expect(String(await focused())).toMatch(/^shop, backup 20/)
    expect(
      await page.evaluate(
        'getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth'
      )
    ).toBe('solid3px')
    await page.keyboard.press('Enter')
    expect(await page.getByRole('dialog').isVisible()).toBe(true)
    expect(await page.evaluate('document.querySelector("dialog").contains(document.activeElement)')).toBe(true)
    await page.keyboard.press('Escape')
    expect(String(await focused())).toMatch(/^shop, backup 20/)
  })

  test('the theme follows the system, and a choice stays', async () => {
    const page = await open(sampleData(), { dark: true })
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    const dark = await ground()
    await page.locator('#theme').selectOption('light')
    const light = await ground()
    expect(light).not.toBe(dark)
    await page.reload()
    expect(await ground()).toBe(light)
    await page.locator('#theme').selectOption('')
    expect(await ground()).toBe(dark)
  })

  test('it prints without what only a screen can use', async () => {
    const page = await open(sampleData(), { hash: '#backups' })
    await page.emulateMedia({ media: 'print' })
    expect(await page.locator('#filters').isVisible()).toBe(false)
    expect(await page.locator('table').isVisible()).toBe(true)
  })
})

describe('hostile texts', () => {
  const canary = '</script><script>window.hurt = 1</script><img src=x onerror="window.hurt = 1"><b id="planted">{{7*7}}'

  /** Every text of the data that is free becomes the canary; words that the page chooses by stay. */
  function poisoned(data: DashboardData): DashboardData {
    const label = (name: string) => `${name}${canary}`
    return {
      ...data,
      tool: canary,
      repository: { name: canary, url: 'javascript:window.hurt=1' },
      projects: data.projects.map((project) => ({
        ...project,
        label: label(project.label),
        alarms: [{ kind: canary, detail: canary }],
        warnings: [canary, `a \`${canary}\` b`]
      })),
      places: data.places.map((place) => ({
        ...place,
        name: place.name,
        place: canary,
        error: canary,
        inputs: { folder: canary },
        projects: place.projects.map((one) => ({ ...one, project: label(one.project) }))
      })),
      backups: data.backups.map((backup, index) => ({
        ...backup,
        id: `${index}${canary}`,
        project: label(backup.project),
        note: canary,
        server: canary,
        tool: canary,
        encryption: canary,
        recipients: [canary],
        changes: [canary],
        parts: [{ source: canary, status: canary, reason: canary, counts: [[canary, 1]] }],
        proofs: backup.proofs.map((proof) => ({ ...proof, later: true, notProven: [canary], error: canary })),
        copies: [{ destination: canary, url: 'javascript:window.hurt=1', expiresAt: canary }]
      }))
    }
  }

  test('are shown and do nothing, in any view and in the details', async () => {
    const page = await open(poisoned(sampleData()))
    const look = async (where: string) => {
      expect(await page.evaluate('window.hurt'), where).toBeUndefined()
      expect(
        await page.locator('img, iframe, object, embed, #planted, main script, dialog script').count(),
        where
      ).toBe(0)
      expect(await page.locator('[href^="javascript"]').count(), where).toBe(0)
    }
    for (const view of views) {
      await page.locator(`#view-${view}`).click()
      await look(view)
      if (view !== 'growth') expect(await page.locator('#view').textContent(), view).toContain('<img src=x')
    }
    await page.locator('tbody tr').first().locator('button').click()
    expect(await page.getByRole('dialog').textContent()).toContain('<img src=x')
    await look('details')
  })

  test('in the address are left out', async () => {
    const page = await open(sampleData(), {
      hash: `#${encodeURIComponent(canary)}?project=${encodeURIComponent(canary)}&sort=__proto__&page=-9e99&backup=${encodeURIComponent(canary)}`
    })
    expect(await page.locator('h1').textContent()).toBe('Overview')
    expect(await page.evaluate('window.hurt')).toBeUndefined()
    expect(await page.getByRole('dialog').count()).toBe(0)
  })

  test('and script or style that is not the page itself are refused by the page', async () => {
    const page = await open(sampleData())
    const policy = await page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content')
    expect(policy).toMatch(
      /^default-src 'none'; script-src 'sha256-[A-Za-z0-9+/]{43}='; style-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'; form-action 'none'$/
    )
    await page.evaluate(
      '{ const s = document.createElement("script"); s.textContent = "window.hurt = 1"; document.body.append(s) }'
    )
    expect(await page.evaluate('window.hurt')).toBeUndefined()
    expect(complaints.join()).toContain('Content Security Policy')
    complaints = []
  })
})
