import { formatBytes, formatCount, formatDuration, plural } from '../../../text/format.ts'
import { daysOf, describe, momentsOf } from '../activity.ts'
import type { DashboardBackup, DashboardData, DashboardProject } from '../data.ts'
import { type Health, healthOf, healthOrder, newestGood, newestReal, verdictOf } from '../health.ts'
import { divide, mostCards } from '../many-projects.ts'
import { recoveryTimes } from '../series.ts'
import { healthBadge, proofBadge } from './badges.ts'
import { type Child, h, nothing, prose, sign } from './dom.ts'
import { projectSearch } from './project-search.ts'
import { projectTable } from './project-table.ts'
import { firstState, type Scene } from './state.ts'
import { strip } from './strip.ts'
import { fromNow, time } from './times.ts'

/** The verdict first, then a card for each project, the worst first. */
export function overview(scene: Scene): HTMLElement[] {
  const { data, now } = scene
  const known = data.projects
    .map((project) => {
      const backups = data.backups.filter((backup) => backup.project === project.label)
      return { project, backups, health: healthOf(project, backups, data, now) }
    })
    .sort((a, b) => healthOrder.indexOf(a.health.state) - healthOrder.indexOf(b.health.state))
  const verdict = verdictOf(known.map(({ health }) => health.state))
  const bytes = data.places
    .flatMap((place) => place.projects)
    .reduce((sum, one) => sum + one.bytes + one.sharedBytes, 0)
  const newest = newestReal(data.backups)
  const next = data.projects
    .flatMap((project) => project.nextRuns ?? [])
    .filter((run) => Date.parse(run) > now.getTime())
    .sort()[0]
  return [
    h(
      'section',
      { class: `verdict ${verdict.state}` },
      sign(verdict.state),
      h(
        'div',
        {},
        h('p', { class: 'words' }, `${verdict.text}.`),
        h(
          'p',
          { class: 'sub' },
          [
            ...(newest === undefined ? [] : [`The newest backup was made ${fromNow(newest.createdAt, now)}.`]),
            ...(next === undefined ? [] : [`The next run is ${fromNow(next, now)}.`]),
            `${plural(data.backups.length, 'backup')}, ${formatBytes(bytes)} in ${plural(data.places.length, 'place')}.`
          ].join(' ')
        )
      )
    ),
    ...(known.length === 0 ? [nothing(emptyWords(data.places))] : projectsOf(scene, known)),
    latest(scene)
  ]
}

interface Known {
  readonly project: DashboardProject
  readonly backups: readonly DashboardBackup[]
  readonly health: Health
}

/** A card each; of many, the healthy ones as a table under the cards of those in trouble, and a way to look for one. */
function projectsOf(scene: Scene, known: readonly Known[]): HTMLElement[] {
  const { cards, rows } = divide(known)
  const all = h(
    'div',
    { class: 'projects-of-all' },
    cards.length === 0
      ? undefined
      : h(
          'div',
          { class: 'cards' },
          ...cards.map(({ project, backups, health }) => card(scene, project, backups, health))
        ),
    rows.length === 0 ? undefined : projectTable(scene, rows)
  )
  return known.length > mostCards ? [projectSearch(all), all] : [all]
}

const mostReasons = 3

function card(
  scene: Scene,
  project: DashboardProject,
  backups: readonly DashboardBackup[],
  health: Health
): HTMLElement {
  const { now } = scene
  const newest = newestReal(backups)
  const good = newestGood(backups)
  const recovery = backups.flatMap(recoveryTimes)[0]?.value
  const next = project.nextRuns?.find((run) => Date.parse(run) > now.getTime())
  const id = `project-${project.label}`
  const fact = (name: string, ...value: readonly Child[]) => h('div', {}, h('dt', {}, name), h('dd', {}, ...value))
  return h(
    'article',
    {
      class: `card ${health.state}`,
      'aria-labelledby': id,
      'data-project': project.label,
      'data-health': health.state
    },
    h('div', { class: 'head' }, h('h2', { id }, project.label), healthBadge(health.state)),
    health.reasons.length > 0
      ? h(
          'ul',
          { class: 'reasons' },
          ...health.reasons.slice(0, mostReasons).map((reason) => h('li', {}, ...prose(reason))),
          health.reasons.length > mostReasons
            ? h('li', {}, `and ${health.reasons.length - mostReasons} more`)
            : undefined
        )
      : h('p', { class: 'reasons' }, newest === undefined ? 'No backup yet.' : sentence(newest, now)),
    strip(project.label, daysOf(backups, 30, now)),
    h(
      'dl',
      { class: 'facts' },
      fact('Newest backup', ...(newest === undefined ? ['none'] : [fromNow(newest.createdAt, now)])),
      fact('Proof', ...(newest === undefined ? ['none'] : [proofBadge(newest.verified)])),
      fact('Rows', newest === undefined || newest.rows === null ? 'not known' : formatCount(newest.rows)),
      fact('Stored', newest === undefined || newest.bytes === null ? 'not known' : formatBytes(newest.bytes)),
      fact('Recovery time', recovery === undefined ? 'not measured' : formatDuration(recovery)),
      fact(
        'Next run',
        ...(next === undefined
          ? ['not known']
          : [fromNow(next, now), h('span', { class: 'hint at' }, 'at ', time(next, 'hour'))])
      )
    ),
    h(
      'p',
      { class: 'more' },
      h(
        'button',
        {
          type: 'button',
          class: 'link',
          click: () =>
            scene.go({ ...firstState, view: 'backups', filter: { ...firstState.filter, project: project.label } })
        },
        backups.length === 1 ? 'Its backup' : `All ${plural(backups.length, 'backup')}`,
        h('span', { class: 'sr' }, ` of ${project.label}`)
      ),
      good === undefined
        ? undefined
        : h(
            'button',
            {
              type: 'button',
              class: 'link',
              click: () => scene.go({ open: `${good.project}/${good.id}` })
            },
            good.id === newest?.id ? 'Restore the newest' : 'Restore the last good one',
            h('span', { class: 'sr' }, ` of ${project.label}`)
          )
    )
  )
}

function sentence(newest: DashboardBackup, now: Date): string {
  const proof = {
    restore: 'it was restored and every table compared',
    read: 'it was read to its last byte',
    checksum: 'its checksums were compared',
    none: 'it is not verified'
  }[newest.verified]
  return `The newest backup was made ${fromNow(newest.createdAt, now)}; ${proof}.`
}

/** The last things that happened in any project. */
function latest(scene: Scene): HTMLElement {
  const happenings = momentsOf(scene.data.backups).slice(0, 6).map(describe)
  return h(
    'section',
    { class: 'panel' },
    h('h2', {}, 'Lately'),
    happenings.length === 0
      ? nothing('Nothing yet.')
      : h(
          'ul',
          { class: 'events' },
          ...happenings.map((one) =>
            h(
              'li',
              {},
              h('span', { class: `mark ${one.tone}`, 'aria-hidden': 'true' }),
              h('span', { class: 'when' }, fromNow(one.at, scene.now)),
              h('span', { class: 'what' }, h('strong', {}, one.backup.project), ` ${one.title}`),
              h('span', { class: 'how' }, one.detail)
            )
          )
        )
  )
}

function emptyWords(places: DashboardData['places']): string {
  const unread = places.filter((place) => place.error !== undefined).map((place) => `${place.place} (${place.error})`)
  return unread.length === 0
    ? 'All places were read and hold no backup. The first one will be shown here.'
    : `Not every place could be read: ${unread.join(', ')}. The others hold no backup.`
}
