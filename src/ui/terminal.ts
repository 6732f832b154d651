// The summary of a run for a terminal: the same words, tables drawn by lines instead of Markdown. It reads only what the summary itself is made of.

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: ' ' }

/** Markdown of the summary as text for a terminal. Pure. What could move the cursor was made visible before. */
export function renderTerminal(markdown: string): string {
  const out: string[] = []
  const lines = markdown.split('\n')
  let isCode = false
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? ''
    if (/^`{3,}/.test(line)) {
      isCode = !isCode
      continue
    }
    if (isCode) {
      out.push(`    ${line}`)
      continue
    }
    if (line.startsWith('| ')) {
      const rows: string[] = []
      while ((lines[at] ?? '').startsWith('|')) {
        rows.push(lines[at] ?? '')
        at += 1
      }
      at -= 1
      out.push(drawTable(rows))
      continue
    }
    const summary = /^<details><summary>(.*)<\/summary>$/.exec(line)?.[1]
    if (summary !== undefined) out.push(`-- ${inline(summary)} --`)
    else if (/^#{1,6} /.test(line)) out.push(heading(line))
    else if (!/^<\/?(?:details|sub|picture)>$/.test(line)) out.push(inline(line))
  }
  return `${out
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`
}

function heading(line: string): string {
  const text = inline(line.replace(/^#+ /, ''))
  return `${text}\n${(line.startsWith('## ') ? '=' : '-').repeat(Math.min(width(text), 100))}`
}

/** Marks of Markdown and the few elements of HTML that the summary has, taken away; entities as what they stand for. */
function inline(text: string): string {
  return text
    .replace(/<br>/g, ' ')
    .replace(/<\/?(?:code|sub|sup|pre|b|strong)>/g, '')
    .replace(/<a href="[^"]*">|<\/a>/g, '')
    .replace(/<img [^>]*>/g, '')
    .replace(/\*\*([^*]+)\*\*/g, '$1')
    .replace(/`([^`]+)`/g, '$1')
    .replace(/&(?:#(\d{1,7})|([a-z]{2,6}));/g, (whole, digits: string | undefined, name: string | undefined) => {
      if (name !== undefined) return named[name] ?? whole
      const code = Number(digits)
      // What is not seen stands in the summary so that GitHub links nothing: here nothing is linked.
      return code === 8203 ? '' : code >= 32 && code !== 127 && code <= 0x10ffff ? String.fromCodePoint(code) : whole
    })
    .replaceAll('\u200b', '')
    .trimEnd()
}

function drawTable(rows: readonly string[]): string {
  const cells = rows.map((row) =>
    row
      .replace(/^\|\s?|\s?\|$/g, '')
      .split(' | ')
      .map((cell) => cell.trim())
  )
  const [head = [], rule = [], ...body] = cells
  const isRight = rule.map((cell) => cell.endsWith(':'))
  const shown = [head, ...body].map((row) => head.map((_, column) => inline(row[column] ?? '')))
  const widths = head.map((_, column) => Math.max(...shown.map((row) => width(row[column] ?? ''))))
  const draw = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const space = ' '.repeat((widths[column] ?? 0) - width(cell))
        return isRight[column] === true ? `${space}${cell}` : `${cell}${space}`
      })
      .join('  ')
      .trimEnd()
  const line = widths.map((one) => '-'.repeat(one)).join('  ')
  return [draw(shown[0] ?? []), line, ...shown.slice(1).map(draw)].join('\n')
}

/** Columns that a text takes, near enough: emoji take two. */
function width(text: string): number {
  let columns = 0
  for (const { segment } of new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text))
    columns += /\p{Emoji_Presentation}|\ufe0f/u.test(segment) ? 2 : 1
  return columns
}
