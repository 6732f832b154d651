import type { DashboardData } from '../data.ts'
import { type Filter, filterNames, noFilter } from '../filter.ts'
import { h } from './dom.ts'

export interface FilterForm {
  readonly fields: readonly HTMLElement[]
  /** Shows a filter that came from elsewhere. */
  show(filter: Filter): void
}

/** Search, project, type, status and time. `changed` is called with each change. */
export function filterForm(data: DashboardData, changed: (filter: Filter) => void): FilterForm {
  const search = h('input', {
    type: 'search',
    id: 'filter-search',
    placeholder: 'id, part, server, pinned\u2026',
    autocomplete: 'off',
    spellcheck: 'false'
  })
  const from = h('input', { type: 'date', id: 'filter-from' })
  const to = h('input', { type: 'date', id: 'filter-to' })
  const project = choice(
    'project',
    'All projects',
    data.projects.map(({ label }) => [label, label])
  )
  const type = choice('type', 'All types', [
    ['full', 'Full'],
    ['schema', 'Schema'],
    ['data', 'Data']
  ])
  const status = choice('status', 'Any status', [
    ['complete', 'Complete'],
    ['partial', 'Partial'],
    ['unproven', 'Unproven'],
    ['anomalous', 'Anomalous'],
    ['damaged', 'Damaged'],
    ['unreadable', 'Unreadable']
  ])
  const range = choice('range', 'All time', [
    ['7', 'Last 7 days'],
    ['30', 'Last 30 days'],
    ['90', 'Last 90 days'],
    ['365', 'Last year'],
    ['between', 'Between two days']
  ])
  const inputs: Readonly<Record<keyof Filter, HTMLInputElement | HTMLSelectElement>> = {
    search,
    project,
    type,
    status,
    range,
    from,
    to
  }
  const dates = [field('From', from), field('To', to)]
  const clear = h('button', { type: 'button', class: 'button' }, 'Clear')

  const read = (): Filter => ({
    search: search.value,
    project: project.value,
    type: type.value,
    status: status.value,
    range: range.value,
    from: from.value,
    to: to.value
  })
  const settle = () => {
    for (const date of dates) date.hidden = range.value !== 'between'
    clear.hidden = filterNames.every((name) => inputs[name].value === '')
  }
  const show = (filter: Filter) => {
    for (const name of filterNames) if (inputs[name].value !== filter[name]) inputs[name].value = filter[name]
    settle()
  }
  const tell = () => {
    settle()
    changed(read())
  }
  for (const name of filterNames) inputs[name].addEventListener('input', tell)
  clear.addEventListener('click', () => {
    show(noFilter)
    search.focus()
    tell()
  })
  settle()
  return {
    fields: [
      field('Search', search),
      field('Project', project, 'field kept'),
      field('Type', type),
      field('Status', status),
      field('Time', range),
      ...dates,
      clear
    ],
    show
  }
}

function choice(name: string, all: string, options: readonly (readonly [string, string])[]): HTMLSelectElement {
  return h(
    'select',
    { id: `filter-${name}` },
    h('option', { value: '' }, all),
    ...options.map(([value, text]) => h('option', { value }, text))
  )
}

function field(title: string, input: HTMLElement, name = 'field'): HTMLElement {
  return h('label', { class: name, for: input.id }, h('span', {}, title), input)
}
