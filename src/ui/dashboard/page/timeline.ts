import { formatCount } from '../../../text/format.ts'
import { daysOf, describe, type Happening, type Moment, momentsOf, toneWords } from '../activity.ts'
import { h, nothing, section } from './dom.ts'
import { keyOf, type Scene } from './state.ts'
import { strip } from './strip.ts'
import { dayText, time } from './times.ts'

const atOnce = 50

/** What happened: a strip of days for each project, and everything in order. */
export function timeline(scene: Scene): HTMLElement[] {
  const { backups, data, state, now } = scene
  const labels = data.projects
    .map((project) => project.label)
    .filter((label) => backups.some((one) => one.project === label))
  const days = state.filter.range === '7' ? 7 : state.filter.range === '30' ? 30 : 90
  return [
    section(
      `The last ${days} days`,
      undefined,
      labels.length === 0
        ? nothing('No backup fits the filter.')
        : h(
            'div',
            { class: 'strips' },
            ...labels.map((label) =>
              h(
                'div',
                { class: 'row' },
                h('span', { class: 'name' }, label),
                strip(
                  label,
                  daysOf(
                    backups.filter((backup) => backup.project === label),
                    days,
                    now
                  )
                )
              )
            )
          ),
      legend()
    ),
    section('Everything that happened', undefined, happenings(scene, momentsOf(backups)))
  ]
}

function legend(): HTMLElement {
  const tones = ['good', 'fair', 'attention', 'bad'] as const
  return h(
    'ul',
    { class: 'tones' },
    ...tones.map((tone) => h('li', {}, h('span', { class: `cell ${tone}`, 'aria-hidden': 'true' }), toneWords[tone])),
    h('li', {}, h('span', { class: 'cell', 'aria-hidden': 'true' }), 'no backup')
  )
}

/** The newest first, by days; more of them on demand, so that a long history stays quick. */
function happenings(scene: Scene, all: readonly Moment[]): HTMLElement {
  if (all.length === 0) return nothing('Nothing fits the filter.')
  const place = h('div', { class: 'days' })
  const more = h('button', { type: 'button', class: 'button' })
  let shown = 0
  let list: HTMLElement | undefined
  let last = ''
  const show = () => {
    for (const one of all.slice(shown, shown + atOnce)) {
      const day = dayText(Date.parse(one.at))
      if (day !== last || list === undefined) {
        list = h('ul', { class: 'events' })
        place.append(h('h3', {}, day), list)
        last = day
      }
      list.append(row(scene, describe(one)))
    }
    shown = Math.min(shown + atOnce, all.length)
    more.textContent = `Show more (${formatCount(all.length - shown)} left)`
    more.hidden = shown === all.length
  }
  more.addEventListener('click', () => {
    const next = place.querySelectorAll('.events > li').length
    show()
    const first = place.querySelectorAll<HTMLElement>('.events > li button').item(next)
    first?.focus()
  })
  show()
  return h('div', {}, place, more)
}

function row(scene: Scene, one: Happening): HTMLElement {
  return h(
    'li',
    {},
    h('span', { class: `mark ${one.tone}`, 'aria-hidden': 'true' }),
    h('span', { class: 'when' }, time(one.at, 'hour')),
    h(
      'span',
      { class: 'what' },
      h(
        'button',
        { type: 'button', class: 'link', click: () => scene.go({ open: keyOf(one.backup) }) },
        one.backup.project
      ),
      ` ${one.title}`
    ),
    h('span', { class: 'how' }, one.detail),
    one.backup.changes.length > 0 && one.at === one.backup.createdAt
      ? h('span', { class: 'changes' }, `Changed since the one before: ${one.backup.changes.join('; ')}.`)
      : undefined
  )
}
