/** Control, format and separator characters that would move the cursor, start a line, or turn the reading direction. */
const invisible =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g

/** Shows a character that cannot be seen by its number, as in `\x0d` or `\u202e`. */
function byNumber(character: string): string {
  const code = character.charCodeAt(0)
  return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}

/** Any text as one line in which every character can be seen; a lone surrogate is replaced. */
export function visible(text: string): string {
  return text.toWellFormed().replace(invisible, byNumber)
}

/**
 * One line for the runner's log that none of its two parsers takes for a command: `##[` is looked for anywhere in a line,
 * `::` after any white space at its start (actions/runner, ActionCommand.cs).
 */
export function logLine(text: string): string {
  return visible(text)
    .replace(/#(?=#\[)/g, '#\u200b')
    .replace(/^(\s*):(?=:)/, '$1:\u200b')
}

/** Cuts a text to `most` characters, the cut shown. */
export function shorten(text: string, most: number): string {
  const characters = [...text]
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '|': '&#124;',
  '`': '&#96;',
  '*': '&#42;',
  _: '&#95;',
  '~': '&#126;',
  '[': '&#91;',
  ']': '&#93;',
  '(': '&#40;',
  ')': '&#41;',
  '!': '&#33;',
  '#': '&#35;&#8203;',
  '@': '&#64;&#8203;',
  $: '&#36;',
  '\\': '&#92;',
  ':': '&#58;',
  '/': '&#47;'
}

/**
 * Hostile text as inert GitHub markdown: one line, nothing in it is markup, a link, a mention or a reference. Autolinks
 * (`https://`, `www.`, e-mail addresses) are broken, too: some are looked for in the finished text, where a character written by its
 * number is no longer told from the character itself, so something that cannot be seen stands within.
 */
export function inert(text: string, most = 200): string {
  return [...shorten(visible(text), most)]
    .map((character) => entities[character] ?? character)
    .join('')
    .replace(/&#58;(?=&#47;&#47;)/g, '$&&#8203;')
    .replace(/www\./gi, (match) => `${match.slice(0, 3)}&#8203;&#46;`)
}

/** Hostile text as inert code in a table cell or a line of markdown. */
export function inertCode(text: string, most = 80): string {
  return `<code>${inert(text, most)}</code>`
}
