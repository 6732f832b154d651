import { formatCount, formatDuration, plural } from '../../../text/format.ts'
import { levelWords } from '../activity.ts'
import type { DashboardLevel } from '../data.ts'
import { recoveryTimes, seriesOf } from '../series.ts'
import { chart } from './chart.ts'
import { h, nothing, scrolling, section, withStyle } from './dom.ts'
import type { Scene } from './state.ts'

const levels: readonly DashboardLevel[] = ['restore', 'read', 'checksum', 'none']
const meanings: Readonly<Record<DashboardLevel, string>> = {
  restore: 'brought back into a real PostgreSQL, every table compared',
  read: 'read to the last byte, table of contents compared',
  checksum: 'stored bytes compared by SHA-256',
  none: 'nothing proven, or the latest verification failed'
}

/** How far backups are proven, and how long a restore takes. */
export function recovery(scene: Scene): HTMLElement[] {
  const { backups, data } = scene
  const labels = data.projects.map(({ label }) => label).filter((label) => backups.some((one) => one.project === label))
  return [
    section(
      'How far backups are proven',
      undefined,
      labels.length === 0
        ? nothing('No backup fits the filter.')
        : h(
            'ul',
            { class: 'bars' },
            ...labels.map((label) => {
              const own = backups.filter((backup) => backup.project === label)
              const counts = levels.map((level) => ({
                level,
                count: own.filter((backup) => backup.verified === level).length
              }))
              return h(
                'li',
                {},
                h('span', { class: 'name' }, label),
                h(
                  'span',
                  { class: 'value' },
                  counts
                    .filter(({ count }) => count > 0)
                    .map(({ level, count }) => `${formatCount(count)} ${levelWords[level].toLowerCase()}`)
                    .join(', ')
                ),
                h(
                  'span',
                  { class: 'stack', 'aria-hidden': 'true' },
                  ...counts.map(({ level, count }) =>
                    withStyle(h('span', { class: level }), '--share', String(count / own.length))
                  )
                )
              )
            })
          ),
      h(
        'ul',
        { class: 'tones' },
        ...levels.map((level) =>
          h(
            'li',
            {},
            h('span', { class: `swatch ${level}`, 'aria-hidden': 'true' }),
            `${levelWords[level]}: ${meanings[level]}`
          )
        )
      )
    ),
    section(
      'Recovery time',
      'How long it took to restore a backup into a throw-away server and compare every table.',
      chart('Recovery time', seriesOf(backups, recoveryTimes), data.projects, formatDuration)
    ),
    section('Recovery time by project', undefined, table(scene, labels))
  ]
}

function table(scene: Scene, labels: readonly string[]): HTMLElement {
  const rows = labels.flatMap((label) => {
    const times = scene.backups
      .filter((backup) => backup.project === label)
      .flatMap(recoveryTimes)
      .sort((a, b) => (a.at < b.at ? 1 : -1))
      .map(({ value }) => value)
    const [newest] = times
    return newest === undefined ? [] : [{ label, times, newest, sorted: times.toSorted((a, b) => a - b) }]
  })
  if (rows.length === 0) return nothing('No backup of this time was proven by restoring it.')
  return scrolling(
    'Recovery time by project',
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, 'Project'),
          h('th', { scope: 'col', class: 'number' }, 'Newest'),
          h('th', { scope: 'col', class: 'number' }, 'Usual'),
          h('th', { scope: 'col', class: 'number' }, 'Slowest'),
          h('th', { scope: 'col', class: 'number' }, 'Measured')
        )
      ),
      h(
        'tbody',
        {},
        ...rows.map(({ label, times, newest, sorted }) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, label),
            h('td', { class: 'number' }, formatDuration(newest)),
            h('td', { class: 'number' }, formatDuration(sorted[Math.floor((sorted.length - 1) / 2)] ?? newest)),
            h('td', { class: 'number' }, formatDuration(sorted.at(-1) ?? newest)),
            h('td', { class: 'number' }, plural(times.length, 'time'))
          )
        )
      )
    )
  )
}
