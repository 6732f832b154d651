// How long the dashboard takes for what a reader does, with many backups in it: measured inside the page, from the event until everything is
// laid out and the next frame is due; and what of it the page's own thread worked, which other programs of the machine do not lengthen. Prints a
// Markdown table of the median and the slowest of several rounds; asserts nothing.
//
//   npm run bench:dashboard -- [--backups 1000] [--rounds 5]
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { renderDashboard } from '../src/ui/dashboard/render.ts'
import { startBrowser } from '../test/kit/browser.ts'
import { dashboardTemplate, manyBackups, sampleTime } from '../test/kit/dashboard.ts'

const { values } = parseArgs({
  options: {
    backups: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' }
  }
})

const type = (id: string, value: string) =>
  `{ const i = document.getElementById(${JSON.stringify(id)}); i.value = ${JSON.stringify(value)}; i.dispatchEvent(new Event('input')) }`
const click = (selector: string) => `document.querySelector(${JSON.stringify(selector)}).click()`

const actions: readonly (readonly [string, string])[] = [
  ['view: activity', click('#view-activity')],
  ['view: growth', click('#view-growth')],
  ['view: storage', click('#view-storage')],
  ['view: recovery', click('#view-recovery')],
  ['view: overview', click('#view-overview')],
  ['view: backups', click('#view-backups')],
  ['search, one letter', type('filter-search', 's')],
  ['search, a word', type('filter-search', 'storage')],
  ['search, cleared', type('filter-search', '')],
  ['filter by project', type('filter-project', 'shop')],
  ['filter by status', type('filter-status', 'complete')],
  ['filter by time', type('filter-range', '90')],
  ['filters cleared', click('.filters > button')],
  ['sort by rows', click('#sort-rows')],
  ['next page', click('#turn-on')],
  ['open details', click('tbody tr button')],
  ['close details', click('dialog button')]
]

function middle(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

const folder = await mkdtemp(path.join(tmpdir(), 'supabase-backup-bench-'))
const browser = await startBrowser()
try {
  const file = path.join(folder, 'dashboard.html')
  await writeFile(file, renderDashboard(await dashboardTemplate(), manyBackups(Number(values.backups))))
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  await page.clock.setFixedTime(sampleTime)
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' })
  const workedMs = async () =>
    ((await devtools.send('Performance.getMetrics')).metrics.find((one) => one.name === 'TaskDuration')?.value ?? 0) *
    1000
  const times = new Map<string, { ms: number; worked: number }[]>()
  for (let round = 0; round < Number(values.rounds); round += 1) {
    await page.goto(pathToFileURL(file).href)
    await page.reload()
    for (const [name, script] of actions) {
      const before = await workedMs()
      const ms = Number(
        await page.evaluate(
          `new Promise((done) => requestAnimationFrame(() => { const begin = performance.now(); ${script}; document.body.offsetHeight; requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = () => done(performance.now() - begin); c.port2.postMessage(0) }) }))`
        )
      )
      times.set(name, [...(times.get(name) ?? []), { ms, worked: (await workedMs()) - before }])
    }
  }
  console.log(
    `${values.backups} backups, ${values.rounds} rounds\n\n| Action | Median | Slowest | Median of the work |\n| --- | ---: | ---: | ---: |`
  )
  for (const [name, all] of times) {
    const sorted = all.map((one) => one.ms).toSorted((a, b) => a - b)
    const worked = all.map((one) => one.worked).toSorted((a, b) => a - b)
    const cells = [middle(sorted), sorted.at(-1) ?? 0, middle(worked)].map((value) => `${value.toFixed(0)} ms`)
    console.log(`| ${name} | ${cells.join(' | ')} |`)
  }
} finally {
  await browser.close()
  await rm(folder, { recursive: true, force: true })
}
