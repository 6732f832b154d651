import { formatBytes, formatCount, plural } from '../../../text/format.ts'
import type { DashboardPlace } from '../data.ts'
import { h, nothing, scrolling, section, withStyle } from './dom.ts'
import type { Scene } from './state.ts'

/** What each destination holds now. Only the project filters it: it is about what lies there, not about when it was made. */
export function storage(scene: Scene): HTMLElement[] {
  const { project } = scene.state.filter
  const places = scene.data.places.map((place) => ({
    place,
    projects: place.projects.filter((one) => project === '' || one.project === project)
  }))
  const total = (some: DashboardPlace['projects']) => some.reduce((sum, one) => sum + one.bytes + one.sharedBytes, 0)
  const largest = Math.max(1, ...places.map(({ projects }) => total(projects)))
  return [
    section(
      'Stored by destination',
      'What lies there now. Files that several backups share count once.',
      places.length === 0
        ? nothing('There is no destination.')
        : h(
            'ul',
            { class: 'bars' },
            ...places.map(({ place, projects }) =>
              h(
                'li',
                {},
                h('span', { class: 'name' }, place.name, h('span', { class: 'hint' }, ` ${place.place}`)),
                h(
                  'span',
                  { class: 'value' },
                  place.error === undefined
                    ? `${formatBytes(total(projects))} in ${plural(
                        projects.reduce((sum, one) => sum + one.backups, 0),
                        'backup'
                      )}`
                    : `could not be read (${place.error})`
                ),
                withStyle(
                  h('span', { class: 'bar', 'aria-hidden': 'true' }, h('span', {})),
                  '--share',
                  String(total(projects) / largest)
                )
              )
            )
          )
    ),
    section(
      'By project',
      undefined,
      places.every(({ projects }) => projects.length === 0)
        ? nothing('Nothing is stored.')
        : scrolling(
            'Stored by project and destination',
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
                  h('th', { scope: 'col' }, 'Destination'),
                  h('th', { scope: 'col', class: 'number' }, 'Backups'),
                  h('th', { scope: 'col', class: 'number' }, 'Own files'),
                  h('th', { scope: 'col', class: 'number' }, 'Shared Storage packs'),
                  h('th', { scope: 'col', class: 'number' }, 'Together')
                )
              ),
              h(
                'tbody',
                {},
                ...places
                  .flatMap(({ place, projects }) => projects.map((one) => ({ place, one })))
                  .sort((a, b) => total([b.one]) - total([a.one]))
                  .map(({ place, one }) =>
                    h(
                      'tr',
                      {},
                      h('th', { scope: 'row' }, one.project),
                      h('td', {}, place.name),
                      h('td', { class: 'number' }, formatCount(one.backups)),
                      h('td', { class: 'number' }, formatBytes(one.bytes)),
                      h('td', { class: 'number' }, one.sharedBytes === 0 ? '' : formatBytes(one.sharedBytes)),
                      h('td', { class: 'number' }, formatBytes(one.bytes + one.sharedBytes))
                    )
                  )
              )
            )
          )
    )
  ]
}
