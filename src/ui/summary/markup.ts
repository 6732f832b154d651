import { inert, visible } from '../../text/escape.ts'
import { formatCount } from '../../text/format.ts'
import type { SummaryPlace } from './place.ts'

// The few pieces of GitHub's Markdown that the summary is made of. What they are handed is Markdown already: text from
// outside passes `inert`, `inertCode` or `prose` before.

export type Align = 'left' | 'right'

/** A table; empty where it has no rows. */
export function table(
  head: readonly (string | { readonly title: string; readonly align: Align })[],
  rows: readonly (readonly string[])[]
): string {
  if (rows.length === 0) return ''
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    line(head.map((one) => (typeof one === 'string' ? one : one.title))),
    line(head.map((one) => (typeof one === 'string' || one.align === 'left' ? '---' : '---:'))),
    ...rows.map(line)
  ].join('\n')
}

/** Something to unfold; empty where there is nothing in it. */
export function details(title: string, ...blocks: readonly string[]): string {
  const body = joined(blocks)
  return body === '' ? '' : `<details><summary>${title}</summary>\n\n${body}\n\n</details>`
}

/** A heading with what stands under it; empty where there is nothing. */
export function section(title: string, ...blocks: readonly string[]): string {
  const body = joined(blocks)
  return body === '' ? '' : `### ${title}\n\n${body}`
}

/** Blocks with an empty line between them; empty ones are left out. */
export function joined(blocks: readonly string[]): string {
  return blocks.filter((block) => block !== '').join('\n\n')
}

/** A list of at most `most` items; how many are left out is said. */
export function list(items: readonly string[], most: number): string {
  const more = items.length - most
  return [
    ...items.slice(0, most).map((item) => `- ${item}`),
    ...(more > 0 ? [`- and ${formatCount(more)} more in the file of the output <code>result</code>`] : [])
  ].join('\n')
}

/** How many rows of a table are left out, as the line below it; empty where none is. */
export function leftOut(count: number, most: number): string {
  return count > most ? `and ${formatCount(count - most)} more in the file of the output <code>result</code>` : ''
}

/** Hostile text in which pairs of backticks are code, as messages of this program write names of inputs. */
export function prose(text: string, most = 400): string {
  return inert(text, most).replace(/&#96;((?:(?!&#96;).){1,200})&#96;/g, '<code>$1</code>')
}

/** A link only to the server itself and only over https; the text alone else. `text` is Markdown. */
export function link(text: string, url: string, place: SummaryPlace): string {
  if (
    !place.serverUrl.startsWith('https://') ||
    !url.startsWith(`${place.serverUrl}/`) ||
    /[\s<>"'()[\]\\|`]/.test(url)
  )
    return text
  return `<a href="${url.replace(/&/g, '&amp;')}">${text}</a>`
}

/** The same text, never wrapped at a space. */
export function unbroken(text: string): string {
  return text.replaceAll(' ', '\u00a0')
}

/**
 * Text to be copied as it is, line by line: nothing in it is read as markup, because the fence is longer than any row of backticks within. What
 * cannot be seen is shown by its number.
 */
export function codeBlock(language: 'sql' | 'yaml', text: string): string {
  const rows = text.match(/`+/g) ?? []
  const fence = '`'.repeat(Math.max(3, ...rows.map((row) => row.length + 1)))
  return [`${fence}${language}`, ...text.split('\n').map((line) => visible(line)), fence].join('\n')
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A lying bar of at most `width` characters, as long as `value` is of `most`. */
export function bar(value: number, most: number, width = 8): string {
  if (most <= 0 || value <= 0) return ''
  const parts = Math.max(1, Math.round((Math.min(value, most) / most) * width * 8))
  return `${'█'.repeat(Math.floor(parts / 8))}${eighths[parts % 8] ?? ''}`
}

const heights = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** Standing bars beside each other, from the least to the largest value; level where they hardly differ. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values)
  const least = Math.min(...values)
  const top = heights.length - 1
  if (most - least <= Math.abs(most) * 0.005) return (heights[3] ?? '').repeat(values.length)
  return values.map((value) => heights[Math.round(((value - least) / (most - least)) * top)]).join('')
}

/** The expression of a workflow that reads a secret. */
export function fromSecret(name: string): string {
  return `\${{ secrets.${name} }}`
}
