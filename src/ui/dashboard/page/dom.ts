type Attribute = string | number | boolean | undefined
type Attributes = Readonly<Record<string, Attribute | ((event: Event) => void)>>
export type Child = Node | string | undefined

/** An element. Texts become text nodes, never markup; what is a function listens to the event of its name. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes,
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value)
    else if (value === true) element.setAttribute(name, '')
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value))
  }
  element.append(...children.filter((child) => child !== undefined))
  return element
}

/** The element that the page has under an id. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page lacks #${id}`)
  return found
}

const paths = {
  good: 'M4 10.5 8.2 15 16 5.5',
  attention: 'M10 4v7.5M10 15v.5',
  bad: 'M5 5l10 10M15 5 5 15',
  unknown: 'M7 7.2c0-4.3 6.4-4 6.2-.2-.1 2.4-3.2 2.4-3.2 5M10 15.5v.5'
} as const

/** A sign besides the word that says the same, so it is hidden from screen readers. */
export function sign(name: keyof typeof paths): SVGSVGElement {
  const namespace = 'http://www.w3.org/2000/svg'
  const svg = document.createElementNS(namespace, 'svg')
  svg.setAttribute('viewBox', '0 0 20 20')
  svg.setAttribute('class', 'sign')
  svg.setAttribute('aria-hidden', 'true')
  const path = document.createElementNS(namespace, 'path')
  path.setAttribute('d', paths[name])
  svg.append(path)
  return svg
}

/** A sentence in which names of inputs and commands stand between backticks, as in the texts of this program. */
export function prose(text: string): (Node | string)[] {
  return text.split('`').map((part, index) => (index % 2 === 1 ? h('code', {}, part) : part))
}

/** Tells a screen reader what happened. */
export function say(text: string): void {
  const place = byId('said')
  place.textContent = ''
  setTimeout(() => {
    place.textContent = text
  }, 50)
}

/** A link where the address is one that may be followed, else the text alone. */
export function link(address: string | null, text: string, attributes: Attributes = {}): HTMLElement {
  return address !== null && /^https?:\/\//.test(address)
    ? h('a', { href: address, rel: 'noreferrer', ...attributes }, text)
    : h('span', {}, text)
}

/** Sets a custom property, which a style element may use: the page allows no style attributes in markup. */
export function withStyle<T extends HTMLElement>(element: T, name: string, value: string): T {
  element.style.setProperty(name, value)
  return element
}

/** A table that scrolls sideways by itself where it does not fit, by keyboard, too. */
export function scrolling(label: string, table: HTMLTableElement): HTMLElement {
  return h('div', { class: 'scroll', role: 'region', 'aria-label': label, tabindex: 0 }, table)
}

/** A section with a heading. */
export function section(title: string, hint: string | undefined, ...children: readonly Child[]): HTMLElement {
  return h(
    'section',
    { class: 'panel' },
    h('h2', {}, title),
    hint === undefined ? undefined : h('p', { class: 'hint' }, hint),
    ...children
  )
}

/** What stands where nothing is to be shown. */
export function nothing(text: string): HTMLElement {
  return h('p', { class: 'nothing' }, text)
}
