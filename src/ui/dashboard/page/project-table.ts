import { formatBytes, formatCount, formatDuration } from '../../../text/format.ts'
import type { DashboardBackup, DashboardProject } from '../data.ts'
import { newestGood, newestReal } from '../health.ts'
import { recoveryTimes } from '../series.ts'
import { proofBadge } from './badges.ts'
import { h, scrolling } from './dom.ts'
import { firstState, type Scene } from './state.ts'
import { fromNow, time } from './times.ts'

/** A line for each of many healthy projects. */
export function projectTable(
  scene: Scene,
  projects: readonly { readonly project: DashboardProject; readonly backups: readonly DashboardBackup[] }[]
): HTMLElement {
  const head = (text: string, wide = false) => h('th', { scope: 'col', class: wide ? 'wide' : undefined }, text)
  return h(
    'section',
    { class: 'panel healthy' },
    h('h2', {}, 'Healthy'),
    scrolling(
      'Healthy projects',
      h(
        'table',
        { class: 'projects' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            head('Project'),
            head('Newest backup'),
            head('Proof', true),
            head('Rows', true),
            head('Stored', true),
            head('Recovery time', true),
            head('Next run', true),
            head('Bring back')
          )
        ),
        h('tbody', {}, ...projects.map(({ project, backups }) => line(scene, project, backups)))
      )
    )
  )
}

function line(scene: Scene, project: DashboardProject, backups: readonly DashboardBackup[]): HTMLElement {
  const { now } = scene
  const newest = newestReal(backups)
  const good = newestGood(backups)
  const recovery = backups.flatMap(recoveryTimes)[0]?.value
  const next = project.nextRuns?.find((run) => Date.parse(run) > now.getTime())
  const toBackups = () =>
    scene.go({ ...firstState, view: 'backups', filter: { ...firstState.filter, project: project.label } })
  return h(
    'tr',
    { 'data-project': project.label, 'data-health': 'good' },
    h(
      'th',
      { scope: 'row' },
      h(
        'button',
        { type: 'button', class: 'link', click: toBackups },
        project.label,
        h('span', { class: 'sr' }, ': all its backups')
      )
    ),
    h('td', {}, newest === undefined ? 'none' : fromNow(newest.createdAt, now)),
    h('td', { class: 'wide' }, newest === undefined ? 'none' : proofBadge(newest.verified)),
    h('td', { class: 'wide' }, newest === undefined || newest.rows === null ? 'not known' : formatCount(newest.rows)),
    h('td', { class: 'wide' }, newest === undefined || newest.bytes === null ? 'not known' : formatBytes(newest.bytes)),
    h('td', { class: 'wide' }, recovery === undefined ? 'not measured' : formatDuration(recovery)),
    h('td', { class: 'wide' }, next === undefined ? 'not known' : time(next, 'hour')),
    h(
      'td',
      {},
      good === undefined
        ? 'nothing to rely on'
        : h(
            'button',
            { type: 'button', class: 'link', click: () => scene.go({ open: `${good.project}/${good.id}` }) },
            good.id === newest?.id ? 'The newest' : 'The last good one',
            h('span', { class: 'sr' }, ` of ${project.label}`)
          )
    )
  )
}
