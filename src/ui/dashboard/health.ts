import { formatAge, formatCount } from '../../text/format.ts'
import type { DashboardBackup, DashboardData, DashboardProject } from './data.ts'

/** How a project stands. `unknown`: the page is too old to say. */
export type HealthState = 'good' | 'attention' | 'bad' | 'unknown'

export interface Health {
  readonly state: HealthState
  /** Whole sentences, the most important first. */
  readonly reasons: readonly string[]
}

export const healthWords: Readonly<Record<HealthState, string>> = {
  good: 'Healthy',
  attention: 'Needs a look',
  bad: 'At risk',
  unknown: 'Not known'
}

/** Worst first. */
export const healthOrder: readonly HealthState[] = ['bad', 'unknown', 'attention', 'good']

const grave: ReadonlySet<string> = new Set([
  'not-verified',
  'damaged',
  'workflow-disabled',
  'too-old',
  'missed-schedule'
])

/**
 * How a project stands at `now`, which may be long after the page was made: what was not due then and is due now is not known to be missing.
 *
 * @param backups of this project, newest first.
 */
export function healthOf(
  project: DashboardProject,
  backups: readonly DashboardBackup[],
  data: Pick<DashboardData, 'generatedAt' | 'places'>,
  now: Date
): Health {
  const { dueAt } = project
  const generated = Date.parse(data.generatedAt)
  const newest = newestReal(backups)
  const bad: string[] = []
  const attention: string[] = []
  const unknown: string[] = []
  if (dueAt !== null && now.getTime() > Date.parse(dueAt)) {
    if (generated > Date.parse(dueAt))
      bad.push(
        `A backup is overdue: the newest is ${newest === undefined ? 'missing' : `${formatAge(generated - Date.parse(newest.createdAt))} old`}.`
      )
    else
      unknown.push(
        `A new backup was due since this page was made ${formatAge(now.getTime() - generated)} ago. Open a newer page.`
      )
  }
  for (const { kind, detail } of project.alarms)
    (grave.has(kind) ? bad : attention).push(kind === 'anomalous' ? `${detail}${rowsBeforeAndNow(backups)}` : detail)
  attention.push(...project.warnings)
  for (const place of data.places)
    if (place.error !== undefined) attention.push(`${place.place} could not be read (${place.error}).`)
  const state = bad.length > 0 ? 'bad' : unknown.length > 0 ? 'unknown' : attention.length > 0 ? 'attention' : 'good'
  return { state, reasons: [...bad, ...unknown, ...attention] }
}

/** The newest backup that counts: no safety copy, none dated in the future, none that nobody can read. */
export function newestReal(backups: readonly DashboardBackup[]): DashboardBackup | undefined {
  return backups.find((backup) => backup.kind !== 'safety' && !backup.future && backup.status !== 'unreadable')
}

/** What became of the rows of an anomalous backup: those of the one to rely on before it, and its own. */
function rowsBeforeAndNow(backups: readonly DashboardBackup[]): string {
  const newest = newestReal(backups)
  const before = newestGood(backups.slice(newest === undefined ? 0 : backups.indexOf(newest) + 1))
  if (newest?.status !== 'anomalous' || newest.rows === null || before === undefined || before.rows === null) return ''
  return ` Rows: ${formatCount(before.rows)} \u2192 ${formatCount(newest.rows)}.`
}

/** The newest backup to rely on: what a person should bring back. */
export function newestGood(backups: readonly DashboardBackup[]): DashboardBackup | undefined {
  return backups.find((backup) => backup.doubt === null)
}

/** All together in one sentence. */
export function verdictOf(states: readonly HealthState[]): { readonly state: HealthState; readonly text: string } {
  const count = (state: HealthState) => states.filter((one) => one === state).length
  const state = healthOrder.find((one) => count(one) > 0)
  const all = states.length
  const some = (number: number) =>
    all === 1 ? 'The project' : number === all ? `All ${all} projects` : `${number} of ${all} projects`
  const verb = (number: number, one: string, many: string) => (number === 1 ? one : many)
  switch (state) {
    case undefined:
      return { state: 'unknown', text: 'There is no backup yet' }
    case 'good':
      return { state, text: `${some(all)} ${verb(all, 'is', 'are')} healthy` }
    case 'attention':
      return { state, text: `${some(count(state))} ${verb(count(state), 'needs', 'need')} a look` }
    case 'bad':
      return { state, text: `${some(count(state))} ${verb(count(state), 'is', 'are')} at risk` }
    case 'unknown':
      return { state, text: 'This page is too old to say' }
  }
}
