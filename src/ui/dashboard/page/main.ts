import { formatCount, plural } from '../../../text/format.ts'
import type { DashboardData } from '../data.ts'
import { backupsTable } from './backups.ts'
import { dropCharts } from './chart.ts'
import { details } from './details.ts'
import { byId, h, link } from './dom.ts'
import { filterForm } from './filter-form.ts'
import { growth } from './growth.ts'
import { overview } from './overview.ts'
import { recovery } from './recovery.ts'
import { firstState, readHash, type Scene, type State, sceneOf, type ViewName, viewNames, writeHash } from './state.ts'
import { storage } from './storage.ts'
import { theme } from './theme.ts'
import { timeline } from './timeline.ts'
import { fromNow, time, zone } from './times.ts'

const views: Readonly<
  Record<
    ViewName,
    { readonly title: string; readonly filters: 'all' | 'project' | 'none'; show(scene: Scene): HTMLElement[] }
  >
> = {
  overview: { title: 'Overview', filters: 'none', show: overview },
  activity: { title: 'Activity', filters: 'all', show: timeline },
  growth: { title: 'Growth', filters: 'all', show: growth },
  storage: { title: 'Storage', filters: 'project', show: storage },
  recovery: { title: 'Recovery', filters: 'all', show: recovery },
  backups: { title: 'Backups', filters: 'all', show: backupsTable }
}

const data: DashboardData = JSON.parse(byId('data').textContent ?? '')
let state: State = readHash(location.hash)
let dialog: HTMLDialogElement | undefined

const form = filterForm(data, (filter) => go({ filter, page: 0 }))
byId('filters').append(...form.fields)
byId('filters').addEventListener('submit', (event) => event.preventDefault())
byId('brand').replaceChildren(
  h('strong', {}, 'Backups'),
  ...(data.repository === null ? [] : [' of ', link(data.repository.url, data.repository.name)])
)
byId('made').replaceChildren('As of ', time(data.generatedAt, 'full'), ` (${fromNow(data.generatedAt, new Date())})`)
byId('foot').textContent =
  `${data.tool}. Times are in ${zone}. Made from the plain manifests: names of tables, users and files are not in them. Nothing is loaded from anywhere.`
byId('skip').addEventListener('click', (event) => {
  // The address behind `#` belongs to the views.
  event.preventDefault()
  byId('content').focus()
})

/** Changes the state, keeps it in the address, and shows it. Another view is a step that `back` returns from. */
function go(change: Partial<State>): void {
  const before = state
  state = { ...state, ...change }
  const hash = writeHash(state)
  if (hash !== writeHash(before)) {
    if (state.view !== before.view) history.pushState(null, '', hash)
    else history.replaceState(null, '', hash)
  }
  show(state.view !== before.view || state.open === before.open)
}

function show(whole: boolean): void {
  const scene = sceneOf(data, state, new Date(), go)
  if (whole) {
    dropCharts()
    const view = views[state.view]
    byId('heading').textContent = view.title
    document.title = `${view.title} \u00b7 Backups${data.repository === null ? '' : ` of ${data.repository.name}`}`
    byId('filters').hidden = view.filters === 'none'
    byId('filters').classList.toggle('few', view.filters === 'project')
    form.show(state.filter)
    byId('views').replaceChildren(...viewNames.map(tab))
    byId('count').textContent =
      view.filters === 'all' ? `${formatCount(scene.backups.length)} of ${plural(data.backups.length, 'backup')}` : ''
    byId('view').replaceChildren(...view.show(scene))
  }
  openDetails(scene)
}

function tab(name: ViewName): HTMLElement {
  const current = name === state.view
  return h(
    'li',
    {},
    h(
      'a',
      {
        href: writeHash({ ...firstState, filter: state.filter, view: name }),
        id: `view-${name}`,
        'aria-current': current ? 'page' : undefined,
        click: (event) => {
          event.preventDefault()
          go({ view: name, page: 0, open: '' })
          byId(`view-${name}`).focus()
        }
      },
      views[name].title
    )
  )
}

function openDetails(scene: Scene): void {
  const wanted = dialog?.dataset['key'] ?? ''
  if (wanted === state.open) return
  dialog?.remove()
  dialog = undefined
  const made = details(scene, () => {
    made?.remove()
    if (dialog !== made) return
    dialog = undefined
    go({ open: '' })
  })
  if (made === undefined) return
  made.dataset['key'] = state.open
  dialog = made
  document.body.append(made)
  made.showModal()
}

// Typed by hand, or by `back`.
window.addEventListener('hashchange', () => {
  state = readHash(location.hash)
  show(true)
})
theme(() => show(true))
show(true)
