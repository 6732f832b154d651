import uPlot from 'uplot'
import { formatCount } from '../../../text/format.ts'
import { mostLines, type Series } from '../series.ts'
import { h, nothing, scrolling, withStyle } from './dom.ts'
import { time } from './times.ts'

const height = 220
const dashes: readonly (readonly number[])[] = [[], [7, 4], [2, 3], [10, 3, 2, 3]]
const alive = new Set<{ readonly chart: uPlot; readonly sizes: ResizeObserver }>()

/** Takes the charts of the view before away. */
export function dropCharts(): void {
  for (const one of alive) {
    one.sizes.disconnect()
    one.chart.destroy()
  }
  alive.clear()
  colours.clear()
}

/** Colours that were looked up for the charts of this view. */
const colours = new Map<string, string>()

/** A colour of the theme as it is now: canvases know no custom properties. */
function colour(name: string): string {
  const known = colours.get(name)
  if (known !== undefined) return known
  const probe = withStyle(h('span', { class: 'probe' }), 'color', `var(${name})`)
  document.body.append(probe)
  const found = getComputedStyle(probe).color
  probe.remove()
  colours.set(name, found)
  return found
}

/**
 * Lines over time, one for each of some of the `projects`. The canvas shows nothing to a screen reader: the same numbers are in a table under it, and the names of the lines are
 * buttons that hide and show them.
 */
export function chart(
  title: string,
  series: Series,
  projects: readonly { readonly label: string }[],
  format: (value: number) => string
): HTMLElement {
  if (series.times.length === 0) return nothing('Nothing to show yet.')
  const plot = h('div', { class: 'plot', 'aria-hidden': 'true' })
  const tip = h('div', { class: 'tip', hidden: true })
  const names = h('ul', { class: 'names' })
  const box = h(
    'figure',
    { class: 'chart' },
    h('figcaption', { class: 'sr' }, title),
    names,
    plot,
    table(title, series, format)
  )
  if (series.left > 0)
    box.append(h('p', { class: 'hint' }, `The ${series.lines.length} largest projects; ${series.left} more by filter.`))
  const grid = colour('--line')
  const text = colour('--muted')
  const looks = series.lines.map((line) => lookOf(projects.findIndex((project) => project.label === line.label)))
  const strokes = looks.map((look) => look.colour)
  const axis = {
    stroke: text,
    font: '12px system-ui, sans-serif',
    grid: { stroke: grid, width: 1 },
    ticks: { show: false }
  }
  // A day on either side of a lone point; the library itself would take years.
  const [only = 0, second] = series.times
  const lone = second === undefined ? { range: (): [number, number] => [only - 86_400, only + 86_400] } : {}

  // Drawn as soon as it stands in the page and its width is known.
  requestAnimationFrame(() => {
    if (!plot.isConnected) return
    const made = new uPlot(
      {
        width: plot.clientWidth,
        height,
        legend: { show: false },
        cursor: { y: false, points: { size: 7 } },
        scales: {
          x: { time: true, ...lone },
          y: { range: (_, __, most) => [0, most <= 0 ? 1 : most * 1.1] as [number, number] }
        },
        axes: [
          { ...axis, space: 64, size: 30, values: (_, values) => dateTexts(values) },
          { ...axis, size: 68, values: (_, values) => values.map((value) => format(value)) }
        ],
        series: [
          {},
          ...series.lines.map((line, index) => ({
            label: line.label,
            stroke: strokes[index] ?? text,
            width: 2,
            dash: [...(looks[index]?.dash ?? [])],
            spanGaps: true,
            points: { show: series.times.length < 40, size: 5 }
          }))
        ],
        hooks: { setCursor: [(self) => follow(self, tip, series, strokes, format)] }
      },
      [[...series.times], ...series.lines.map((line) => [...line.values])],
      plot
    )
    made.over.append(tip)
    const sizes = new ResizeObserver(() => {
      if (plot.clientWidth > 0 && plot.clientWidth !== made.width) made.setSize({ width: plot.clientWidth, height })
    })
    sizes.observe(plot)
    alive.add({ chart: made, sizes })
    series.lines.forEach((line, index) => {
      const button = h(
        'button',
        { type: 'button', class: 'name', 'aria-pressed': 'true' },
        withStyle(h('span', { class: 'swatch', 'aria-hidden': 'true' }), '--swatch', strokes[index] ?? text),
        line.label
      )
      button.addEventListener('click', () => {
        const show = button.getAttribute('aria-pressed') !== 'true'
        button.setAttribute('aria-pressed', String(show))
        made.setSeries(index + 1, { show })
      })
      names.append(h('li', {}, button))
    })
  })
  return box
}

const hours = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const days = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const months = new Intl.DateTimeFormat(undefined, { month: 'short', year: 'numeric' })

/** The times of an axis, as short as their distance allows. */
function dateTexts(times: readonly number[]): string[] {
  const day = 86_400
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0)
  return times.map((at) => {
    const date = new Date(at * 1000)
    if (span >= 300 * day) return months.format(date)
    return span < 2 * day && (date.getHours() > 0 || date.getMinutes() > 0) ? hours.format(date) : days.format(date)
  })
}

/** The same colour and dashes for a project in every chart. */
function lookOf(index: number): { readonly colour: string; readonly dash: readonly number[] } {
  return {
    colour: colour(`--series-${(index % mostLines) + 1}`),
    dash: dashes[(Math.floor(index / mostLines) + (index % mostLines >= mostLines / 2 ? 1 : 0)) % dashes.length] ?? []
  }
}

/** The values at the cursor. */
function follow(
  self: uPlot,
  tip: HTMLElement,
  series: Series,
  strokes: readonly string[],
  format: (value: number) => string
): void {
  const { idx, left = 0 } = self.cursor
  const at = idx === null || idx === undefined ? undefined : series.times[idx]
  if (at === undefined || idx === null || idx === undefined || left < 0) {
    tip.hidden = true
    return
  }
  const values = series.lines.flatMap((line, index) => {
    const value = line.values[idx]
    if (value === null || value === undefined || self.series[index + 1]?.show === false) return []
    const swatch = withStyle(h('span', { class: 'swatch' }), '--swatch', strokes[index] ?? '')
    return [h('div', {}, swatch, `${line.label} `, h('strong', {}, format(value)))]
  })
  tip.replaceChildren(h('div', { class: 'hint' }, time(new Date(at * 1000).toISOString())), ...values)
  tip.hidden = values.length === 0
  const right = left > self.over.clientWidth / 2
  tip.style.left = right ? 'auto' : `${left + 12}px`
  tip.style.right = right ? `${self.over.clientWidth - left + 12}px` : 'auto'
}

const mostRows = 100

/** The same numbers as a table, made when it is opened. */
function table(title: string, series: Series, format: (value: number) => string): HTMLElement {
  const details = h(
    'details',
    { class: 'numbers' },
    h('summary', {}, 'Numbers', h('span', { class: 'sr' }, ` of the chart ${title}`))
  )
  details.addEventListener('toggle', () => {
    if (!details.open || details.childElementCount > 1) return
    const rows = series.times.map((at, index) => ({ at, index })).reverse()
    details.append(
      scrolling(
        title,
        h(
          'table',
          {},
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              h('th', { scope: 'col' }, 'Time'),
              ...series.lines.map((line) => h('th', { scope: 'col', class: 'number' }, line.label))
            )
          ),
          h(
            'tbody',
            {},
            ...rows.slice(0, mostRows).map(({ at, index }) =>
              h(
                'tr',
                {},
                h('th', { scope: 'row' }, time(new Date(at * 1000).toISOString())),
                ...series.lines.map((line) => {
                  const value = line.values[index]
                  return h('td', { class: 'number' }, value === null || value === undefined ? '' : format(value))
                })
              )
            )
          )
        )
      )
    )
    if (rows.length > mostRows)
      details.append(
        h(
          'p',
          { class: 'hint' },
          `The newest ${mostRows} of ${formatCount(rows.length)}; a filter by time shows others.`
        )
      )
  })
  return details
}
