import { formatBytes, formatCount } from '../../../text/format.ts'
import type { DashboardBackup } from '../data.ts'
import { measure, seriesOf } from '../series.ts'
import { chart } from './chart.ts'
import { h, nothing, scrolling, section } from './dom.ts'
import type { Scene } from './state.ts'

const measures = [
  { name: 'rows', title: 'Rows in the database', format: formatCount },
  { name: 'databaseBytes', title: 'Size of the database', format: formatBytes },
  { name: 'bytes', title: 'Bytes stored for a backup', format: formatBytes },
  { name: 'objects', title: 'Files in Storage', format: formatCount }
] as const

/** How rows, bytes and files grow. */
export function growth(scene: Scene): HTMLElement[] {
  return [
    h(
      'div',
      { class: 'grid' },
      ...measures.map(({ name, title, format }) =>
        section(
          title,
          undefined,
          chart(title, seriesOf(scene.backups, measure(name)), scene.data.projects, (value) =>
            format(Math.round(value))
          )
        )
      )
    ),
    section('First and newest of this time', undefined, changes(scene))
  ]
}

function changes(scene: Scene): HTMLElement {
  const rows = scene.data.projects.flatMap(({ label }) => {
    const own = scene.backups.filter((backup) => backup.project === label)
    return own.length === 0 ? [] : [{ label, own }]
  })
  if (rows.length === 0) return nothing('No backup fits the filter.')
  return scrolling(
    'Growth of each project',
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
          ...measures.map(({ title }) => h('th', { scope: 'col', class: 'number' }, title))
        )
      ),
      h(
        'tbody',
        {},
        ...rows.map(({ label, own }) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, label),
            ...measures.map(({ name, format }) => h('td', { class: 'number' }, ...change(own, name, format)))
          )
        )
      )
    )
  )
}

/** `1 200, +20 %`: the newest value, and how it differs from the first. */
function change(
  own: readonly DashboardBackup[],
  name: (typeof measures)[number]['name'],
  format: (value: number) => string
): (Node | string)[] {
  const values = own.flatMap((backup) => measure(name)(backup).map(({ value }) => value))
  const [newest] = values
  const first = values.at(-1)
  if (newest === undefined || first === undefined) return ['none']
  const share = first === 0 ? undefined : ((newest - first) / first) * 100
  const words =
    share === undefined || values.length < 2
      ? ''
      : `${share > 0 ? '+' : share < 0 ? '\u2212' : '\u00b1'}${Math.abs(share).toFixed(Math.abs(share) < 10 ? 1 : 0)} %`
  return [format(newest), h('span', { class: 'change' }, words)]
}
