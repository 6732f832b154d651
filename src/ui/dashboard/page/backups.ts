import { formatBytes, formatCount, formatDuration } from '../../../text/format.ts'
import type { DashboardBackup } from '../data.ts'
import { proofBadge, statusBadge } from './badges.ts'
import { h, nothing, scrolling } from './dom.ts'
import { keyOf, type Scene, type Sort } from './state.ts'
import { time } from './times.ts'

/** Rows of one page of the table: few enough that any history stays quick. */
export const pageSize = 25

const columns: readonly { readonly by: Sort['by']; readonly title: string; readonly number: boolean }[] = [
  { by: 'createdAt', title: 'Made', number: false },
  { by: 'project', title: 'Project', number: false },
  { by: 'rows', title: 'Rows', number: true },
  { by: 'bytes', title: 'Stored', number: true },
  { by: 'durationMs', title: 'Took', number: true }
]

/** All backups that the filter leaves, in pages. */
export function backupsTable(scene: Scene): HTMLElement[] {
  const { state, backups } = scene
  if (backups.length === 0) return [h('section', { class: 'panel' }, nothing('No backup fits the filter.'))]
  const pages = Math.ceil(backups.length / pageSize)
  const page = Math.min(state.page, pages - 1)
  const shown = sorted(backups, state.sort).slice(page * pageSize, (page + 1) * pageSize)
  const [made, project, ...numbers] = columns.map((column) => head(scene, column))
  const turn = (to: number, text: string, name: string) =>
    h(
      'button',
      {
        type: 'button',
        class: 'button',
        id: `turn-${name}`,
        disabled: to < 0 || to >= pages,
        click: () => {
          scene.go({ page: to })
          const again = document.getElementById(`turn-${name}`)
          if (again instanceof HTMLButtonElement && !again.disabled) again.focus()
          else document.getElementById('table')?.focus()
        }
      },
      text
    )
  const region = scrolling(
    'Backups',
    h(
      'table',
      { class: 'backups' },
      h('caption', { class: 'sr' }, 'Backups. The name of a project opens the details.'),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          made,
          project,
          h('th', { scope: 'col', class: 'wide' }, 'Type'),
          h('th', { scope: 'col' }, 'Status'),
          h('th', { scope: 'col' }, 'Proof'),
          ...numbers,
          h('th', { scope: 'col', class: 'wide' }, 'Kept in')
        )
      ),
      h('tbody', {}, ...shown.map((backup) => row(scene, backup)))
    )
  )
  region.id = 'table'
  return [
    h(
      'section',
      { class: 'panel' },
      region,
      h(
        'nav',
        { class: 'pages', 'aria-label': 'Pages of the table' },
        turn(page - 1, 'Newer', 'back'),
        h('span', {}, `Page ${page + 1} of ${pages}`),
        turn(page + 1, 'Older', 'on')
      )
    )
  ]
}

function head(scene: Scene, column: (typeof columns)[number]): HTMLElement {
  const { sort } = scene.state
  const current = sort.by === column.by
  const id = `sort-${column.by}`
  return h(
    'th',
    {
      scope: 'col',
      class: `${column.number ? 'number' : ''} ${column.by === 'durationMs' ? 'wide' : ''}`.trim(),
      'aria-sort': current ? (sort.down ? 'descending' : 'ascending') : undefined
    },
    h(
      'button',
      {
        type: 'button',
        class: 'sort',
        id,
        click: () => {
          scene.go({ sort: { by: column.by, down: current ? !sort.down : column.by !== 'project' }, page: 0 })
          document.getElementById(id)?.focus()
        }
      },
      column.title,
      h('span', { class: 'arrow', 'aria-hidden': 'true' }, current ? (sort.down ? '\u2193' : '\u2191') : '\u2195')
    )
  )
}

function row(scene: Scene, backup: DashboardBackup): HTMLElement {
  const number = (value: number | null, format: (value: number) => string) => (value === null ? '' : format(value))
  return h(
    'tr',
    { click: (event) => opens(event) && scene.go({ open: keyOf(backup) }) },
    h(
      'td',
      { class: 'made' },
      time(backup.createdAt),
      backup.future ? h('span', { class: 'hint' }, ' dated in the future') : undefined
    ),
    h(
      'th',
      { scope: 'row' },
      h(
        'button',
        { type: 'button', class: 'link', 'aria-haspopup': 'dialog', click: () => scene.go({ open: keyOf(backup) }) },
        backup.project,
        h('span', { class: 'sr' }, `, backup ${backup.id}`)
      ),
      backup.pinned ? h('span', { class: 'tag' }, 'pinned') : undefined
    ),
    h(
      'td',
      { class: 'wide' },
      backup.type ?? '',
      backup.kind === 'safety' ? h('span', { class: 'tag' }, 'safety') : undefined
    ),
    h('td', {}, statusBadge(backup)),
    h('td', {}, proofBadge(backup.verified)),
    h('td', { class: 'number' }, number(backup.rows, formatCount)),
    h('td', { class: 'number' }, number(backup.bytes, formatBytes)),
    h('td', { class: 'number wide' }, number(backup.durationMs, formatDuration)),
    h('td', { class: 'wide' }, backup.copies.map((copy) => copy.destination).join(', '))
  )
}

/** A click anywhere in a row opens it, but for one on its button, which does so itself, and one that selects text. */
function opens(event: Event): boolean {
  return (
    !(event.target instanceof Element && event.target.closest('button, a') !== null) &&
    getSelection()?.isCollapsed !== false
  )
}

function sorted(backups: readonly DashboardBackup[], sort: Sort): readonly DashboardBackup[] {
  if (sort.by === 'createdAt') return sort.down ? backups : backups.toReversed()
  const { by } = sort
  const direction = sort.down ? -1 : 1
  return backups.toSorted((a, b) => {
    const [one, other] = [a[by], b[by]]
    // What has no value comes last, whatever the direction.
    if (one === null || other === null) return one === other ? 0 : one === null ? 1 : -1
    return one < other ? -direction : one > other ? direction : 0
  })
}
