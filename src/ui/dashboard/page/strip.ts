import { plural } from '../../../text/format.ts'
import { type Day, toneWords } from '../activity.ts'
import { h } from './dom.ts'
import { dayText } from './times.ts'

/** A day a cell: what was backed up, at a glance. Screen readers get it as a sentence. */
export function strip(label: string, days: readonly Day[]): HTMLElement {
  const count = (...tones: readonly Day['tone'][]) => days.filter((day) => tones.includes(day.tone)).length
  const words = [
    `${label}, last ${days.length} days:`,
    `${count('good', 'fair')} with a good backup,`,
    `${count('attention')} with a partial or unverified one,`,
    `${count('bad')} with a bad one,`,
    `${count(null)} without.`
  ].join(' ')
  return h(
    'div',
    { class: 'strip', role: 'img', 'aria-label': words },
    ...days.map((day) =>
      h('span', {
        class: `cell ${day.tone ?? ''}`,
        title: `${dayText(day.start)}: ${day.tone === null ? 'no backup' : `${plural(day.backups, 'backup')}, ${toneWords[day.tone]}`}`
      })
    )
  )
}
