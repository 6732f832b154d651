import type { DashboardBackup, DashboardData } from '../data.ts'
import { applyFilter, type Filter, filterNames, noFilter } from '../filter.ts'

export const viewNames = ['overview', 'activity', 'growth', 'storage', 'recovery', 'backups'] as const
export type ViewName = (typeof viewNames)[number]

export interface Sort {
  readonly by: 'createdAt' | 'project' | 'rows' | 'bytes' | 'durationMs'
  readonly down: boolean
}

/** What the page shows now. It stands in the address behind `#`, so that it can be kept and sent. */
export interface State {
  readonly view: ViewName
  readonly filter: Filter
  readonly sort: Sort
  /** Of the table of backups, from 0. */
  readonly page: number
  /** `project/id` of the backup whose details are open; empty for none. */
  readonly open: string
}

export const firstState: State = {
  view: 'overview',
  filter: noFilter,
  sort: { by: 'createdAt', down: true },
  page: 0,
  open: ''
}

/** What every view is handed. */
export interface Scene {
  readonly data: DashboardData
  readonly state: State
  readonly now: Date
  /** The backups that the filter leaves. */
  readonly backups: readonly DashboardBackup[]
  /** Changes the state and shows it. */
  go(change: Partial<State>): void
}

export function sceneOf(data: DashboardData, state: State, now: Date, go: Scene['go']): Scene {
  return { data, state, now, go, backups: applyFilter(data.backups, state.filter, now) }
}

export function keyOf(backup: DashboardBackup): string {
  return `${backup.project}/${backup.id}`
}

const sortNames: readonly Sort['by'][] = ['createdAt', 'project', 'rows', 'bytes', 'durationMs']

/** Reads the part behind `#`: `backups?project=shop&status=partial`. Anything unknown is left out. */
export function readHash(hash: string): State {
  const [name = '', query = ''] = hash.replace(/^#/, '').split('?')
  const given = new URLSearchParams(query)
  const sorted = given.get('sort') ?? ''
  const by = sortNames.find((one) => one === sorted.replace(/^-/, ''))
  const page = Number(given.get('page') ?? '1') - 1
  return {
    view: viewNames.find((one) => one === name) ?? firstState.view,
    filter: {
      ...noFilter,
      ...Object.fromEntries(filterNames.map((filter) => [filter, given.get(filter) ?? '']))
    },
    sort: by === undefined ? firstState.sort : { by, down: sorted.startsWith('-') },
    page: Number.isSafeInteger(page) && page > 0 ? page : 0,
    open: given.get('backup') ?? ''
  }
}

export function writeHash(state: State): string {
  const query = new URLSearchParams()
  for (const name of filterNames) if (state.filter[name] !== '') query.set(name, state.filter[name])
  if (state.sort.by !== firstState.sort.by || !state.sort.down)
    query.set('sort', `${state.sort.down ? '-' : ''}${state.sort.by}`)
  if (state.page > 0) query.set('page', String(state.page + 1))
  if (state.open !== '') query.set('backup', state.open)
  const text = query.toString()
  return `#${state.view}${text === '' ? '' : `?${text}`}`
}
