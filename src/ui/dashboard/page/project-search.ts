import { plural } from '../../../text/format.ts'
import { healthOrder } from '../health.ts'
import { isMeant } from '../many-projects.ts'
import { h, say } from './dom.ts'

/**
 * Looks for projects among those that `of` holds, each with `data-project` and `data-health`: by the words of their label, or those in trouble alone.
 * What was typed stays while the page is open.
 */
export function projectSearch(of: HTMLElement): HTMLElement {
  const find = h('input', { type: 'search', id: 'find-project', autocomplete: 'off', spellcheck: 'false' })
  const only = h('input', { type: 'checkbox', id: 'only-trouble' })
  find.value = typed.find
  only.checked = typed.only
  const count = h('p', { class: 'hint', role: 'status' })
  const show = () => {
    typed.find = find.value
    typed.only = only.checked
    let shown = 0
    for (const one of of.querySelectorAll<HTMLElement>('[data-project]')) {
      const state = healthOrder.find((each) => each === one.dataset['health']) ?? 'unknown'
      const isShown = isMeant(one.dataset['project'] ?? '', state, find.value, only.checked)
      one.hidden = !isShown
      if (isShown) shown += 1
    }
    const table = of.querySelector<HTMLElement>('.healthy')
    if (table !== null) table.hidden = table.querySelector('[data-project]:not([hidden])') === null
    count.textContent = shown === 0 ? 'No project is meant by this.' : ''
    return shown
  }
  const changed = () => say(`${plural(show(), 'project')} shown`)
  find.addEventListener('input', changed)
  only.addEventListener('change', changed)
  show()
  return h(
    'div',
    { class: 'find' },
    h('div', { class: 'field' }, h('label', { for: 'find-project' }, 'Find a project'), find),
    h('label', { class: 'check' }, only, 'Only trouble'),
    count
  )
}

const typed = { find: '', only: false }
