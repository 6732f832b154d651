import { byId } from './dom.ts'

const key = 'supabase-backup-theme'

/** Light, dark, or as the system has it. `changed` is called when the colours are others. */
export function theme(changed: () => void): void {
  const select = byId('theme')
  if (!(select instanceof HTMLSelectElement)) throw new Error('#theme is no select')
  const apply = (name: string) => {
    if (name === 'light' || name === 'dark') document.documentElement.dataset['theme'] = name
    else delete document.documentElement.dataset['theme']
  }
  select.value = remembered()
  apply(select.value)
  select.addEventListener('change', () => {
    remember(select.value)
    apply(select.value)
    changed()
  })
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed)
}

/** Empty where nothing is remembered, or the browser keeps nothing for a page from disk. */
function remembered(): string {
  try {
    const found = localStorage.getItem(key) ?? ''
    return found === 'light' || found === 'dark' ? found : ''
  } catch {
    return ''
  }
}

function remember(name: string): void {
  try {
    localStorage.setItem(key, name)
  } catch {
    // The choice holds as long as the page is open.
    return
  }
}
